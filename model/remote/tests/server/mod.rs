//! A small server of completions with token ids, for tests: it computes with the engine itself, and can be told to misbehave.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rhea_engine::{Filter, ModelFolder, Reader, Sampler, Streams};
use rhea_nn::transformer::{Half, KvStore};
use serde_json::{Value, json};

pub fn nano() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../nano")
}

/// The model, loaded once.
fn folder() -> &'static ModelFolder {
    static FOLDER: OnceLock<ModelFolder> = OnceLock::new();
    FOLDER.get_or_init(|| ModelFolder::open(&nano()).unwrap())
}

/// What goes wrong next, once for each time it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    /// Answers with a status.
    Status(u16),
    /// Cuts the connection behind so many ids.
    Cut(usize),
    /// Answers with a page.
    Page,
    /// Answers with ids left out.
    NoIds,
    /// Draws an id that is not allowed.
    Forbidden,
    /// Sends an event without an end.
    Endless,
    /// Sends an error in the stream.
    Trouble,
    /// Dies behind so many ids: no connection is taken any more.
    Die(usize),
}

/// What the server has done.
#[derive(Default)]
pub struct Log {
    pub requests: AtomicUsize,
    pub drawn: AtomicUsize,
    /// When a client was found gone.
    pub left: Mutex<Option<Instant>>,
    pub dead: AtomicBool,
}

/// Everything the threads share.
struct Shared {
    folder: &'static ModelFolder,
    memory: Mutex<(KvStore, Streams)>,
    mischief: Mutex<Vec<Mischief>>,
    key: Option<String>,
    pause: Duration,
    log: Arc<Log>,
}

pub struct Server {
    pub url: String,
    pub log: Arc<Log>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    address: std::net::SocketAddr,
}

impl Server {
    /// A server that wants `key`, takes `pause` for each id, and does some mischief first.
    pub fn start(key: Option<&str>, pause: Duration, mischief: &[Mischief]) -> Self {
        Self::start_at("127.0.0.1:0", key, pause, mischief)
    }

    pub fn start_at(at: &str, key: Option<&str>, pause: Duration, mischief: &[Mischief]) -> Self {
        let folder = folder();
        let store = folder.transformer().new_store(4096).unwrap();
        let streams = Streams::new(&store, 2048);
        let log = Arc::new(Log::default());
        let shared = Arc::new(Shared {
            folder,
            memory: Mutex::new((store, streams)),
            mischief: Mutex::new(mischief.iter().rev().copied().collect()),
            key: key.map(|key| format!("Bearer {key}")),
            pause,
            log: Arc::clone(&log),
        });
        let listener = TcpListener::bind(at).unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if serving.log.dead.load(Ordering::Relaxed) {
                    return;
                }
                let serving = Arc::clone(&serving);
                std::thread::spawn(move || serving.talk(stream));
            }
        });
        Self { url: format!("http://{address}"), log, shared, thread: Some(thread), address }
    }

    pub fn mischief(&self, mischief: Mischief) {
        self.shared.mischief.lock().unwrap().insert(0, mischief);
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.log.dead.store(true, Ordering::Relaxed);
        TcpStream::connect(self.address).ok();
        self.thread.take().unwrap().join().unwrap();
    }
}

impl Shared {
    /// Serves one connection.
    fn talk(&self, stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let mut from = BufReader::new(stream.try_clone().unwrap());
        let mut to = stream;
        while !self.log.dead.load(Ordering::Relaxed) {
            let Some((line, headers, body)) = read_request(&mut from) else { return };
            let key = headers.iter().find_map(|h| h.strip_prefix("authorization: "));
            if self.key.is_some() && key != self.key.as_deref() {
                answer(&mut to, "401 Unauthorized", "application/json", r#"{"error":"Unauthorized"}"#);
                continue;
            }
            let mischief = self.mischief.lock().unwrap().pop();
            match mischief {
                Some(Mischief::Status(status)) => {
                    answer(&mut to, &format!("{status} Indeed"), "text/plain", "not now");
                    continue;
                }
                Some(Mischief::Page) => {
                    answer(&mut to, "200 OK", "text/html", "<html>Welcome to nginx!</html>");
                    continue;
                }
                _ => {}
            }
            if line.starts_with("GET /v1/models") {
                let models = json!({"data": [{"id": "nano", "max_model_len": 2048}, {"id": "other"}]});
                answer(&mut to, "200 OK", "application/json", &models.to_string());
                continue;
            }
            self.log.requests.fetch_add(1, Ordering::Relaxed);
            let request: Value = serde_json::from_slice(&body).unwrap();
            if self.complete(&request, mischief, &mut to).is_none() {
                return;
            }
        }
    }

    /// Streams a completion; `None` closes the connection.
    fn complete(&self, request: &Value, mischief: Option<Mischief>, to: &mut TcpStream) -> Option<()> {
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";
        to.write_all(head.as_bytes()).ok()?;
        let mut event = |text: &str| -> Option<()> {
            let chunk = format!("{:x}\r\n{text}\r\n", text.len());
            let sent = to.write_all(chunk.as_bytes());
            if sent.is_err() {
                *self.log.left.lock().unwrap() = Some(Instant::now());
            }
            sent.ok()
        };
        match mischief {
            Some(Mischief::Endless) => {
                let filler = "x".repeat(1 << 20);
                loop {
                    event(&filler)?;
                }
            }
            Some(Mischief::Trouble) => {
                event("data: {\"error\": {\"message\": \"out of pages\"}}\n\n")?;
                return None;
            }
            _ => {}
        }
        let ids = |value: &Value| -> Vec<u32> { serde_json::from_value(value.clone()).unwrap() };
        let mut allowed = ids(&request["allowed_token_ids"]);
        allowed.sort_unstable();
        let stops = ids(&request["stop_token_ids"]);
        let base = self.folder.text().vocabulary().visual_base();
        let half = if allowed[0] >= base { Half::Visual } else { Half::Text };
        let first = if half == Half::Visual { base } else { 0 };
        let two = request["prompt"][0].is_array();
        let prompts: Vec<Vec<u32>> = if two {
            request["prompt"].as_array().unwrap().iter().map(ids).collect()
        } else {
            vec![ids(&request["prompt"])]
        };
        for (index, prompt) in prompts.iter().enumerate() {
            let filter = Filter {
                temperature: request["temperature"].as_f64().unwrap() as f32,
                top_k: usize::try_from(request["top_k"].as_i64().unwrap()).unwrap_or(0),
                top_p: request["top_p"].as_f64().unwrap() as f32,
            };
            let mut sampler = Sampler::new(request["seed"].as_u64().unwrap(), filter).unwrap();
            let mut memory = self.memory.lock().unwrap();
            let (store, streams) = &mut *memory;
            let mut reader = Reader::plain(store, streams, prompt);
            let model = self.folder.transformer();
            let mut last = None;
            for count in 0..request["max_tokens"].as_u64().unwrap() as usize {
                if matches!(mischief, Some(Mischief::Cut(at) | Mischief::Die(at)) if at == count) {
                    self.log.dead.fetch_or(matches!(mischief, Some(Mischief::Die(_))), Ordering::Relaxed);
                    return None;
                }
                std::thread::sleep(self.pause);
                let logits = match last {
                    None => reader.read_for(model, &[], half, 64).unwrap(),
                    Some(id) => reader.append(model, &[id], half).unwrap(),
                };
                let may = |index: usize| allowed.binary_search(&(index as u32 + first)).is_ok();
                let mut id = sampler.draw(logits, may, (0, count as u64)).unwrap().index as u32 + first;
                if mischief == Some(Mischief::Forbidden) {
                    id = if half == Half::Visual { 0 } else { base };
                }
                self.log.drawn.fetch_add(1, Ordering::Relaxed);
                let told = request.get("logprobs").map(|_| {
                    let total: f64 = logits.iter().map(|v| f64::from(*v).exp()).sum::<f64>().ln();
                    let all = logits.iter().enumerate();
                    let all =
                        all.map(|(i, v)| (format!("token_id:{}", i as u32 + first), json!(f64::from(*v) - total)));
                    json!({"top_logprobs": [all.collect::<serde_json::Map<_, _>>()]})
                });
                let ids = if mischief == Some(Mischief::NoIds) { Value::Null } else { json!([id]) };
                let chunk = json!({"choices": [{"index": index, "text": "", "token_ids": ids, "logprobs": told}]});
                event(&format!("data: {chunk}\n\n"))?;
                last = Some(id);
                if stops.contains(&id) {
                    break;
                }
            }
        }
        event(
            "data: {\"choices\": [{\"index\": 0, \"text\": \"\", \"token_ids\": [], \"finish_reason\": \"stop\"}]}\n\n",
        )?;
        event("data: [DONE]\n\n")?;
        to.write_all(b"0\r\n\r\n").ok()
    }
}

fn answer(to: &mut TcpStream, status: &str, kind: &str, body: &str) {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nretry-after: 0\r\n\r\n{body}"
    );
    to.write_all(text.as_bytes()).ok();
}

/// The first line, the headers in small letters up to their values, and the body.
fn read_request(from: &mut impl BufRead) -> Option<(String, Vec<String>, Vec<u8>)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        lines.push(match line.split_once(": ") {
            Some((name, value)) => format!("{}: {value}", name.to_lowercase()),
            None => line.to_owned(),
        });
    }
    let length = lines.iter().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    let first = lines.remove(0);
    Some((first, lines, body))
}
