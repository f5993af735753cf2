//! A real server beside the model inside: equal ids, what the client costs, how soon a cancelled request frees the server, what guidance
//! costs.
//!
//! `cargo run --release -p rhea-remote --example server -- http://localhost:8000 model/nano [guided|overhead|cancel|die]`, beside a `vllm serve`; the script
//! `tests/peers/vllm_remote.sh` does all of it.
#![allow(clippy::print_stdout, reason = "an example")]

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rhea_engine::generate::{Answers, GenerateEvent, GenerateRequest, GenerateSettings, Generator, Prompt};
use rhea_engine::{Cancel, Decoding, Filter, ModelFolder, OpenOptions};
use rhea_remote::{Client, Endpoint, Patience, RemoteGenerator};
use rhea_tokens::prompts::Task;

type Failure = Box<dyn Error>;

/// Pairs of pictures.
const PAIRS: usize = 15;
/// Pairs of short requests, one row of a picture each.
const SHORT_PAIRS: usize = 300;
/// Requests that are cancelled.
const CANCELLED: u64 = 40;
const CAPTIONS: [&str; 8] = [
    "a room with teal walls",
    "a corridor with a red door",
    "a courtyard with a tree",
    "a sunny living room with a sofa",
    "a blue ball on a wooden floor",
    "a dark room",
    "a table and two chairs",
    "a yellow box beside a wall",
];

fn request(answers: &dyn Answers, caption: &str) -> GenerateRequest {
    let settings = GenerateSettings {
        text: Filter::GREEDY,
        picture: Filter::GREEDY,
        decoding: Decoding::NextToken,
        ..answers.settings_for(Task::T2i)
    };
    let prompt = Prompt::Task { task: Task::T2i, text: caption.to_owned(), pictures: Vec::new() };
    GenerateRequest { prompt, size: None, settings, seed: 5 }
}

fn reach(url: &str, folder: &Path) -> Result<RemoteGenerator, Failure> {
    let client = Client::new(Endpoint::parse(url)?, None, None, Patience::default())?;
    Ok(RemoteGenerator::open(folder, &OpenOptions::default(), client)?)
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, folder, what @ ..] = &arguments[..] else { return Err("URL and model folder are needed".into()) };
    let folder = Path::new(folder);
    let mut remote = reach(url, folder)?;
    println!("{} behind {url}, {} tokens", remote.model(), remote.context());
    match what.first().map(String::as_str) {
        Some("die") => return die(&mut remote),
        Some("guided") => guided(&mut remote, folder)?,
        Some("overhead") => {
            short(&mut remote, url, folder)?;
            overhead(&mut remote, url, folder)?;
        }
        Some("cancel") => cancelled(&mut remote, url)?,
        _ => {
            equal(&mut remote, folder)?;
            short(&mut remote, url, folder)?;
            overhead(&mut remote, url, folder)?;
            cancelled(&mut remote, url)?;
        }
    }
    Ok(())
}

/// Ids drawn greedily, here and there.
fn equal(remote: &mut RemoteGenerator, folder: &Path) -> Result<(), Failure> {
    let mut inside = Generator::new(ModelFolder::open(folder)?)?;
    let (mut same, mut ids) = (0, 0);
    for caption in CAPTIONS {
        let asked = request(&inside, caption);
        let calm = Cancel::default();
        let want = inside.generate(&asked, &calm, &mut |_| ())?;
        let got = remote.generate(&asked, &calm, &mut |_| ())?;
        let differ = want.ids.iter().zip(&got.ids).position(|(a, b)| a != b);
        same += usize::from(want.ids == got.ids);
        ids += want.ids.len();
        if let Some(at) = differ.or((want.ids.len() != got.ids.len()).then_some(want.ids.len().min(got.ids.len()))) {
            println!("  {caption:?}: ids part at {at} of {}", want.ids.len());
        }
    }
    println!("greedy ids: {same} of {} answers equal ({ids} ids)", CAPTIONS.len());
    Ok(())
}

/// One short request after the other, in turns by this client and by a bare socket: what comes and goes on the machine meets both.
fn short(remote: &mut RemoteGenerator, url: &str, folder: &Path) -> Result<(), Failure> {
    let mut asked = request(remote, CAPTIONS[0]);
    let calm = Cancel::default();
    // The answer ends behind the first row: one request.
    let cols = remote.only_grid().ok_or("a model that draws pictures of one size is needed")?.cols();
    asked.settings.stop.tokens = 1;
    let header = loop {
        let answer = remote.generate(&asked, &calm, &mut |_| ())?;
        if answer.usage.drawn > 0 {
            break answer.ids.len() - 1;
        }
        asked.settings.stop.tokens += 1;
    };
    asked.settings.stop.tokens = header + cols;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let between = format!("http://{}", listener.local_addr()?);
    let sent = record(listener, url.trim_start_matches("http://").to_owned());
    let want = reach(&between, folder)?.generate(&asked, &calm, &mut |_| ())?;
    let sent = sent.lock().map_err(|_| "the recorder failed")?.clone();
    let bodies = bodies(&sent);
    let [body] = &bodies[..] else { return Err(format!("{} requests instead of one", bodies.len()).into()) };
    let mut bare = Bare::connect(url)?;
    let (mut ours, mut theirs, mut more) = (Vec::new(), Vec::new(), Vec::new());
    let (mut processor, waited) = ([0.0; 2], remote.waited());
    for pair in 0..SHORT_PAIRS {
        let mut times = [0.0; 2];
        for turn in [pair % 2, 1 - pair % 2] {
            let (began, spent) = (Instant::now(), processor_secs());
            if turn == 0 {
                let got = remote.generate(&asked, &calm, &mut |_| ())?;
                if got.ids != want.ids {
                    return Err("other ids than before".into());
                }
            } else {
                bare.request(body)?;
            }
            times[turn] = began.elapsed().as_secs_f64() * 1e3;
            processor[turn] += (processor_secs() - spent) * 1e3 / SHORT_PAIRS as f64;
        }
        ours.push(times[0]);
        theirs.push(times[1]);
        more.push(times[0] - times[1]);
    }
    let all: f64 = ours.iter().sum();
    let busy = (all - (remote.waited() - waited).as_secs_f64() * 1e3) / SHORT_PAIRS as f64;
    println!(
        "a request takes the client {:.2} ms of processor time, the bare socket {:.2} ms; {busy:.2} ms of it the client does not wait",
        processor[0], processor[1]
    );
    for times in [&mut ours, &mut theirs, &mut more] {
        times.sort_unstable_by(f64::total_cmp);
    }
    let middle = SHORT_PAIRS / 2;
    println!(
        "requests of {cols} ids, {SHORT_PAIRS} pairs in turns: client {:.2} ms, bare socket {:.2} ms (medians), {:+.2} %; median of the pairs' \
         differences {:+.3} ms, {:+.2} %; quickest tenth {:.2} against {:.2} ms, {:+.2} %",
        ours[middle],
        theirs[middle],
        (ours[middle] / theirs[middle] - 1.0) * 1e2,
        more[middle],
        more[middle] / theirs[middle] * 1e2,
        ours[SHORT_PAIRS / 10],
        theirs[SHORT_PAIRS / 10],
        (ours[SHORT_PAIRS / 10] / theirs[SHORT_PAIRS / 10] - 1.0) * 1e2,
    );
    Ok(())
}

/// The same requests by this client and by a bare socket that reads the bytes and looks at nothing.
fn overhead(remote: &mut RemoteGenerator, url: &str, folder: &Path) -> Result<(), Failure> {
    let mut asked = request(remote, CAPTIONS[0]);
    // The picture alone, until its last code: decoding it is not the client's.
    asked.settings.stop.pictures = Some(1);
    let calm = Cancel::default();
    // Both read the same prefixes from the server's cache from here on.
    let answer = remote.generate(&asked, &calm, &mut |_| ())?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let between = format!("http://{}", listener.local_addr()?);
    let sent = record(listener, url.trim_start_matches("http://").to_owned());
    reach(&between, folder)?.generate(&asked, &calm, &mut |_| ())?;
    let sent = sent.lock().map_err(|_| "the recorder failed")?.clone();
    let bodies = bodies(&sent);
    let mut processor = Vec::new();
    let (mut ratios, mut own, mut bare, mut busy) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let began = Instant::now();
        bare_requests(url, &bodies)?;
        let without = began.elapsed().as_secs_f64();
        let (mut drawn, mut spent, waited) = (0.0, 0.0, remote.waited());
        let before = processor_secs();
        let began = Instant::now();
        remote.generate(&asked, &calm, &mut |event| match event {
            GenerateEvent::Usage(usage) if usage.pictures == 0 => {
                drawn = began.elapsed().as_secs_f64();
                spent = processor_secs() - before;
            }
            _ => {}
        })?;
        processor.push(spent);
        busy.push(drawn - (remote.waited() - waited).as_secs_f64());
        ratios.push(drawn / without);
        own.push(drawn);
        bare.push(without);
    }
    let each = 1e3 * processor.iter().sum::<f64>() / processor.len() as f64;
    for times in [&mut ratios, &mut own, &mut bare, &mut busy] {
        times.sort_unstable_by(f64::total_cmp);
    }
    println!(
        "{} requests of {} ids: client {:.1} ms, bare socket {:.1} ms (medians of {PAIRS} pairs); ratio median {:+.1} %, least {:+.1} %, most {:+.1} %; not waiting for the server: {:.2} ms, {:.2} % of the bare socket's time; processor time {each:.1} ms, {:.2} %",
        bodies.len(),
        answer.usage.drawn,
        own[PAIRS / 2] * 1e3,
        bare[PAIRS / 2] * 1e3,
        (ratios[PAIRS / 2] - 1.0) * 1e2,
        (ratios[0] - 1.0) * 1e2,
        (ratios[PAIRS - 1] - 1.0) * 1e2,
        busy[PAIRS / 2] * 1e3,
        busy[PAIRS / 2] / bare[PAIRS / 2] * 1e2,
        each / bare[PAIRS / 2] / 10.0,
    );
    Ok(())
}

/// Processor time of this program so far, all its threads, in ticks of 10 ms; 0 where the system does not tell.
fn processor_secs() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().skip(11).take(2);
    fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Passes connections on to a server, and keeps what is sent to it.
fn record(listener: TcpListener, host: String) -> Arc<Mutex<Vec<u8>>> {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&sent);
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let (Ok(mut server), Ok(mut back)) = (TcpStream::connect(&host), client.try_clone()) else { return };
            let Ok(mut answers) = server.try_clone() else { return };
            std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
            let kept = Arc::clone(&kept);
            std::thread::spawn(move || {
                let mut buffer = [0; 1 << 16];
                while let Ok(n @ 1..) = client.read(&mut buffer) {
                    if let Ok(mut kept) = kept.lock() {
                        kept.extend_from_slice(&buffer[..n]);
                    }
                    if server.write_all(&buffer[..n]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    sent
}

/// The bodies of the requests in a recording.
fn bodies(mut sent: &[u8]) -> Vec<String> {
    let mut bodies = Vec::new();
    while let Some(end) = sent.windows(4).position(|four| four == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&sent[..end]).to_lowercase();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok()).unwrap_or(0);
        let body = &sent[end + 4..(end + 4 + length).min(sent.len())];
        if length > 0 {
            bodies.push(String::from_utf8_lossy(body).into_owned());
        }
        sent = &sent[end + 4 + body.len()..];
    }
    bodies
}

/// One connection that sends requests and reads the answers to their ends.
struct Bare<'a> {
    host: &'a str,
    to: TcpStream,
    from: BufReader<TcpStream>,
}

impl<'a> Bare<'a> {
    fn connect(url: &'a str) -> Result<Self, Failure> {
        let host = url.trim_start_matches("http://");
        let to = TcpStream::connect(host)?;
        to.set_nodelay(true)?;
        let from = BufReader::new(to.try_clone()?);
        Ok(Self { host, to, from })
    }

    fn request(&mut self, body: &str) -> Result<(), Failure> {
        let Self { host, to, from } = self;
        let head = format!(
            "POST /v1/completions HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        to.write_all(head.as_bytes())?;
        to.write_all(body.as_bytes())?;
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if from.read_line(&mut line)? == 0 {
                return Err("the server hung up".into());
            }
        }
        loop {
            line.clear();
            from.read_line(&mut line)?;
            let bytes = usize::from_str_radix(line.trim(), 16)?;
            std::io::copy(&mut from.by_ref().take(bytes as u64 + 2), &mut std::io::sink())?;
            if bytes == 0 {
                return Ok(());
            }
        }
    }
}

/// Sends requests over one connection.
fn bare_requests(url: &str, bodies: &[String]) -> Result<(), Failure> {
    let mut bare = Bare::connect(url)?;
    bodies.iter().try_for_each(|body| bare.request(body))
}

/// Requests that the server works on, from its metrics.
fn running(url: &str) -> Result<f64, Failure> {
    let host = url.trim_start_matches("http://");
    let mut to = TcpStream::connect(host)?;
    to.write_all(format!("GET /metrics HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    to.read_to_string(&mut text)?;
    let line = text.lines().find(|line| line.starts_with("vllm:num_requests_running"));
    Ok(line.and_then(|line| line.rsplit(' ').next()).ok_or("no metrics")?.trim().parse()?)
}

/// From the wish to cancel to the end here, and until the server's metrics say that it works on nothing; beside it, what of that is the
/// server's own pace: the time between two of its ids, and what asking for its metrics takes when it is idle.
fn cancelled(remote: &mut RemoteGenerator, url: &str) -> Result<(), Failure> {
    let mut asked = request(remote, CAPTIONS[1]);
    // Another picture for each seed: the server has none of them in its cache.
    asked.settings.picture = Filter { temperature: 1.0, top_k: 0, top_p: 1.0 };
    asked.settings.stop.pictures = Some(1);
    let (mut least, mut drawn) = (Duration::MAX, 0);
    for seed in 1..4 {
        asked.seed = seed;
        let began = Instant::now();
        drawn = remote.generate(&asked, &Cancel::default(), &mut |_| ())?.usage.drawn;
        least = least.min(began.elapsed());
    }
    println!(
        "a picture of {drawn} ids takes {:.0} ms at best, {:.1} ms an id",
        least.as_secs_f64() * 1e3,
        least.as_secs_f64() * 1e3 / drawn as f64
    );
    let mut asking = Vec::new();
    for _ in 0..20 {
        let began = Instant::now();
        running(url)?;
        asking.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let (mut here, mut there, mut looks) = (Vec::new(), Vec::new(), Vec::new());
    for seed in 10..10 + CANCELLED {
        asked.seed = seed;
        let cancel = Cancel::default();
        let flag = cancel.clone();
        // At another moment of the picture each time.
        let pause = least.mul_f64(0.1 + 0.6 * (seed % 7) as f64 / 7.0);
        let wish = std::thread::spawn(move || {
            std::thread::sleep(pause);
            flag.cancel();
            Instant::now()
        });
        let outcome = remote.generate(&asked, &cancel, &mut |_| ())?;
        let ended = Instant::now();
        let wished = wish.join().map_err(|_| "the thread that cancels failed")?;
        if outcome.finish != rhea_engine::generate::FinishReason::Cancelled {
            continue;
        }
        let mut looked = 1;
        while running(url)? > 0.0 {
            looked += 1;
            std::thread::sleep(Duration::from_millis(2));
        }
        here.push((ended - wished).as_secs_f64() * 1e3);
        there.push(wished.elapsed().as_secs_f64() * 1e3);
        looks.push(f64::from(looked));
    }
    for times in [&mut here, &mut there, &mut asking, &mut looks] {
        times.sort_unstable_by(f64::total_cmp);
    }
    let last = here.len().checked_sub(1).ok_or("every answer ended before it was cancelled")?;
    println!(
        "cancelled {} times: the client ends within {:.1} ms (most {:.1}), the server is free within {:.1} ms (most {:.1}); its metrics take \
         {:.1} ms to ask for (most {:.1}) and were asked for {} times (most {})",
        here.len(),
        here[last / 2],
        here[last],
        there[last / 2],
        there[last],
        asking[asking.len() / 2],
        asking[asking.len() - 1],
        looks[last / 2],
        looks[last],
    );
    Ok(())
}

/// What guidance costs, and whether its ids are those of the model inside.
fn guided(remote: &mut RemoteGenerator, folder: &Path) -> Result<(), Failure> {
    let mut inside = Generator::new(ModelFolder::open(folder)?)?;
    let calm = Cancel::default();
    for (name, guidance) in [("without guidance", 1.0), ("guidance 3", 3.0)] {
        let mut asked = request(remote, CAPTIONS[0]);
        asked.settings.guidance = guidance;
        let want = inside.generate(&asked, &calm, &mut |_| ())?;
        remote.generate(&asked, &calm, &mut |_| ())?;
        let began = Instant::now();
        let got = remote.generate(&asked, &calm, &mut |_| ())?;
        let secs = began.elapsed().as_secs_f64();
        let equal = if got.ids == want.ids { "equal to" } else { "other than" };
        println!("{name}: {secs:.2} s for {} drawn ids, ids {equal} inside", got.usage.drawn);
    }
    Ok(())
}

/// Draws until the server dies, says so, and draws again when a line comes on standard input.
fn die(remote: &mut RemoteGenerator) -> Result<(), Failure> {
    let asked = request(remote, CAPTIONS[2]);
    let calm = Cancel::default();
    let want = remote.generate(&asked, &calm, &mut |_| ())?;
    println!("ready");
    let began = Instant::now();
    let error = loop {
        match remote.generate(&asked, &calm, &mut |_| ()) {
            Ok(_) if began.elapsed() > Duration::from_secs(60) => return Err("the server does not die".into()),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    println!("error: {error}");
    std::io::stdin().read_line(&mut String::new())?;
    let again = remote.generate(&asked, &calm, &mut |_| ())?;
    println!("again: ids {}", if again.ids == want.ids { "equal" } else { "differ" });
    Ok(())
}
