//! A model behind a server: the same answers as inside, whatever happens on the way, or one clear error.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod server;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rhea_engine::generate::{
    Answers, FinishReason, GenerateEvent, GenerateRequest, GenerateSettings, Generated, Generator, Prompt,
};
use rhea_engine::{Cancel, Decoding, EngineError, Filter, ModelFolder, OpenOptions};
use rhea_remote::{Client, Endpoint, Key, Patience, RemoteGenerator};
use rhea_tokens::prompts::Task;
use server::{Mischief, Server, nano};

const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(5),
    silence: Duration::from_secs(20),
    tries: 3,
    pause: Duration::from_millis(10),
};
/// No pause between two ids.
const FAST: Duration = Duration::ZERO;

fn reach(url: &str, key: Option<&str>) -> Result<RemoteGenerator, EngineError> {
    let key = key.map(|key| Key::new(key, "RHEA_ENGINE_KEY").unwrap());
    let client = Client::new(Endpoint::parse(url).unwrap(), key, None, PATIENCE).unwrap();
    RemoteGenerator::open(&nano(), &OpenOptions::default(), client)
}

/// A picture and its words, the likeliest ones.
fn request(answers: &dyn Answers) -> GenerateRequest {
    let settings = GenerateSettings {
        text: Filter::GREEDY,
        picture: Filter::GREEDY,
        decoding: Decoding::NextToken,
        ..answers.settings_for(Task::T2i)
    };
    let prompt = Prompt::Task { task: Task::T2i, text: "a room with teal walls".to_owned(), pictures: Vec::new() };
    GenerateRequest { prompt, size: None, settings, seed: 5 }
}

fn inside(change: impl Fn(&mut GenerateSettings)) -> (Generated, Vec<GenerateEvent>) {
    let mut generator = Generator::new(ModelFolder::open(&nano()).unwrap()).unwrap();
    let mut asked = request(&generator);
    change(&mut asked.settings);
    answered(&mut generator, &asked)
}

fn answered(answers: &mut dyn Answers, asked: &GenerateRequest) -> (Generated, Vec<GenerateEvent>) {
    let mut events = Vec::new();
    let generated = answers.generate(asked, &Cancel::default(), &mut |event| events.push(event)).unwrap();
    // Times and passes differ; what was written does not.
    events.retain(|event| !matches!(event, GenerateEvent::Usage(_) | GenerateEvent::PromptRead { .. }));
    (generated, events)
}

#[test]
fn a_server_gives_the_answer_that_the_model_inside_gives() {
    let (want, told) = inside(|_| ());
    let server = Server::start(Some("sesame"), FAST, &[]);
    let mut remote = reach(&server.url, Some("sesame")).unwrap();
    assert_eq!((remote.model(), remote.context()), ("nano", 2048));
    let asked = request(&remote);
    let (got, events) = answered(&mut remote, &asked);
    assert_eq!((&got.ids, got.finish), (&want.ids, want.finish));
    assert!(events == told, "other events");
    assert!(events.iter().any(|event| matches!(event, GenerateEvent::PictureDone { .. })));
    // Eight rows, and what stands behind the picture.
    assert!(server.log.requests.load(Ordering::Relaxed) <= 9);
    // A picture drawn at a temperature depends on the seed alone.
    let warm = Filter { temperature: 0.8, top_k: 0, top_p: 0.95 };
    let mut sampled = |seed: u64| {
        let settings = GenerateSettings { picture: warm, ..asked.settings.clone() };
        answered(&mut remote, &GenerateRequest { settings, seed, ..asked.clone() }).0.ids
    };
    let (one, two, other) = (sampled(1), sampled(1), sampled(2));
    assert_eq!(one, two);
    assert!(one != other && one != want.ids);
}

#[test]
fn refusals_and_cut_connections_on_the_way_change_nothing() {
    let (want, _) = inside(|_| ());
    let server = Server::start(None, FAST, &[Mischief::Status(503)]);
    let mut remote = reach(&server.url, None).unwrap();
    for mischief in [Mischief::Status(429), Mischief::Cut(3), Mischief::Cut(0), Mischief::Cut(1), Mischief::Status(500)]
    {
        server.mischief(mischief);
    }
    let asked = request(&remote);
    let (got, _) = answered(&mut remote, &asked);
    assert_eq!(got.ids, want.ids);
    assert_eq!(server.log.drawn.load(Ordering::Relaxed), got.usage.drawn, "no id was drawn twice");
}

#[test]
fn guidance_behind_a_server_is_guidance_inside() {
    let guided = |settings: &mut GenerateSettings| settings.guidance = 2.0;
    let (want, _) = inside(guided);
    let server = Server::start(None, FAST, &[]);
    let mut remote = reach(&server.url, None).unwrap();
    let mut asked = request(&remote);
    guided(&mut asked.settings);
    let (got, _) = answered(&mut remote, &asked);
    assert_eq!(got.ids, want.ids);
    let (plain, _) = inside(|_| ());
    assert_ne!(plain.ids, want.ids, "guidance changes this picture");
}

#[test]
fn a_wish_to_cancel_frees_the_server() {
    let server = Server::start(None, Duration::from_millis(20), &[]);
    let mut remote = reach(&server.url, None).unwrap();
    let asked = request(&remote);
    let cancel = Cancel::default();
    let (flag, log) = (cancel.clone(), std::sync::Arc::clone(&server.log));
    let canceller = std::thread::spawn(move || {
        while log.drawn.load(Ordering::Relaxed) < 20 {
            std::thread::sleep(Duration::from_millis(1));
        }
        flag.cancel();
        Instant::now()
    });
    let generated = remote.generate(&asked, &cancel, &mut |_| ()).unwrap();
    let (ended, wished) = (Instant::now(), canceller.join().unwrap());
    assert_eq!(generated.finish, FinishReason::Cancelled);
    assert!(!generated.ids.is_empty(), "what was written stands");
    let patience = Instant::now() + Duration::from_secs(5);
    let left = loop {
        if let Some(left) = *server.log.left.lock().unwrap() {
            break left;
        }
        assert!(Instant::now() < patience, "the server goes on");
        std::thread::sleep(Duration::from_millis(1));
    };
    let (client, freed) = (ended - wished, left.saturating_duration_since(wished));
    println!("from the wish to the end here {client:?}, to the server's {freed:?}");
    assert!(client < Duration::from_millis(200) && freed < Duration::from_millis(400), "{client:?} {freed:?}");
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_picture_is_one_error_and_asking_again_works() {
    let (want, _) = inside(|_| ());
    let server = Server::start(None, FAST, &[]);
    let (url, address) = (server.url.clone(), server.address());
    let mut remote = reach(&url, None).unwrap();
    server.mischief(Mischief::Status(500));
    server.mischief(Mischief::Die(4));
    let asked = request(&remote);
    let dying = std::thread::spawn(move || {
        while !server.log.dead.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        drop(server);
    });
    let error = remote.generate(&asked, &Cancel::default(), &mut |_| ()).unwrap_err();
    dying.join().unwrap();
    let text = error.to_string();
    assert!(matches!(error, EngineError::Elsewhere(_)), "{text}");
    for part in [url.as_str(), "row 1 of a picture", "tried 3 times", "ask again"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let again = Server::start_at(&address, None, FAST, &[]);
    let (got, _) = answered(&mut remote, &asked);
    assert_eq!(got.ids, want.ids);
    drop(again);
}

#[test]
fn what_is_no_such_server_is_told_so() {
    let server = Server::start(None, FAST, &[]);
    let mut remote = reach(&server.url, None).unwrap();
    let asked = request(&remote);
    for (mischief, part) in [
        (Mischief::Page, "text/html instead of a stream"),
        (Mischief::Status(404), "status 404"),
        (Mischief::Status(302), "status 302"),
        (Mischief::NoIds, "no token_ids"),
        (Mischief::Forbidden, "does not honour allowed_token_ids"),
        (Mischief::Endless, "an event of more than 16777216 bytes"),
        (Mischief::Trouble, "out of pages"),
        (Mischief::Status(400), "does not take the request"),
    ] {
        server.mischief(mischief);
        let error = remote.generate(&asked, &Cancel::default(), &mut |_| ()).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("127.0.0.1"), "{mischief:?}: {error}");
    }
    // The errors were the requests': the next one is served.
    remote.generate(&asked, &Cancel::default(), &mut |_| ()).unwrap();
    let server = Server::start(None, FAST, &[Mischief::Page]);
    let Err(error) = reach(&server.url, None) else { panic!("a page is no list of models") };
    assert!(error.to_string().contains("Welcome to nginx"), "{error}");
    let Err(error) = reach(&format!("{}#emu", server.url), None) else { panic!("there is no such model") };
    assert!(error.to_string().contains("nano, other"), "{error}");
    for _ in 0..3 {
        server.mischief(Mischief::Status(503));
    }
    let Err(error) = reach(&server.url, None) else { panic!("it never answers") };
    assert!(error.to_string().contains("status 503: not now") && error.to_string().contains("3 times"), "{error}");
}

#[test]
fn an_expired_key_is_told_with_its_place_and_without_itself() {
    let server = Server::start(Some("fresh"), FAST, &[]);
    for (key, part) in [(Some("stale-key"), "the key in RHEA_ENGINE_KEY"), (None, "a request without a key")] {
        let Err(error) = reach(&server.url, key) else { panic!("let in") };
        let error = error.to_string();
        assert!(error.contains(part) && error.contains("expired") && error.contains("401"), "{error}");
        assert!(!error.contains("stale-key"), "{error}");
    }
    // Nobody listens here.
    let Err(error) = reach("http://127.0.0.1:9", None) else { panic!("reached nobody") };
    assert!(error.to_string().contains("connection refused"), "{error}");
    // The client is for one kind of answers only.
    let mut remote = reach(&server.url, Some("fresh")).unwrap();
    let mut asked = request(&remote);
    asked.settings.picture_guidance = Some(2.0);
    assert!(remote.generate(&asked, &Cancel::default(), &mut |_| ()).is_err());
}
