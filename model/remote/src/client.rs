//! Requests over HTTP: bounded, with time-outs, and ended at once when nobody wants the answer any more.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use rhea_engine::Cancel;
use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::config::Config;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use crate::api::Chunk;
use crate::endpoint::Endpoint;
use crate::error::{RemoteError, shortened};
use crate::key::Key;
use crate::limits;
use crate::lines::{Cut, events};
use crate::watcher::{TICK, Watcher};

/// How long a server is waited for, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the next byte. Reading a long prompt has to fit in.
    pub silence: Duration,
    /// Attempts of one request, the first included.
    pub tries: u32,
    /// Pause before the second attempt; each further one is twice as long.
    pub pause: Duration,
}

impl Default for Patience {
    /// Five attempts within about four seconds.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            silence: Duration::from_secs(300),
            tries: 5,
            pause: Duration::from_millis(250),
        }
    }
}

/// Talks to one server.
pub struct Client {
    endpoint: Endpoint,
    key: Option<Key>,
    patience: Patience,
    config: Config,
    agent: Agent,
    waited: Duration,
    /// When an answer was last read to its end, so that its connection serves the next request.
    ended: Option<Instant>,
    /// Were connections closed since then?
    closed: bool,
    /// Started for the first request that goes over a connection that there is.
    watcher: Option<Watcher>,
}

/// Why one attempt brought nothing, or not everything.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Nobody wants it any more.
    Cancelled,
    /// Another attempt would fail too.
    Finally(RemoteError),
    /// Another attempt may do better; not before the server wants it.
    Again { what: String, after: Option<Duration> },
}

/// What the thread that talks to the server passes on.
enum Event {
    Data(String),
    /// The stream ended; with its last word?
    Ended(bool),
    Failed(Failed),
}

impl Client {
    /// A client of a server, with a key where it wants one, and a file of certificates (PEM) to trust instead of the usual ones.
    ///
    /// # Errors
    /// When the certificates cannot be used.
    pub fn new(
        endpoint: Endpoint,
        key: Option<Key>,
        certificates: Option<&Path>,
        patience: Patience,
    ) -> Result<Self, RemoteError> {
        let roots = certificates.map_or(Ok(RootCerts::WebPki), read_certificates)?;
        if let Some(key) = key.as_ref().filter(|_| endpoint.is_open()) {
            tracing::warn!(target: "rhea", "{key:?} goes to {endpoint} unencrypted; use https outside of your own network");
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A server that sends elsewhere would be sent the key there.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(patience.connect))
            .timeout_resolve(Some(patience.connect))
            .timeout_per_read(Some(patience.silence))
            .timeout_per_write(Some(patience.silence))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .user_agent(concat!("rhea/", env!("CARGO_PKG_VERSION")))
            .build();
        let agent = config.new_agent();
        Ok(Self {
            endpoint,
            key,
            patience,
            config,
            agent,
            waited: Duration::ZERO,
            ended: None,
            closed: false,
            watcher: None,
        })
    }

    /// The server.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// How long it is waited for.
    #[must_use]
    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// How long the server was waited for so far: the rest of an answer's time is this program's own.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }

    fn url(&self) -> String {
        self.endpoint.base().to_owned()
    }

    /// Fetches a short JSON document, in several attempts.
    pub(crate) fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, RemoteError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.get_once(url) {
                Ok(text) => {
                    return serde_json::from_str(&text).map_err(|e| RemoteError::SomethingElse {
                        url: self.url(),
                        what: format!("its list of models is none: {e}; it said {:?}", shortened(&text)),
                    });
                }
                Err(Failed::Again { after, .. }) if tries < self.patience.tries => {
                    std::thread::sleep(self.pause(tries, after));
                }
                Err(failed) => return Err(self.given_up(failed, "asking for its models", tries)),
            }
        }
    }

    fn get_once(&self, url: &str) -> Result<String, Failed> {
        let mut request = self.agent.get(url);
        if let Some(key) = &self.key {
            request = request.header("authorization", key.header());
        }
        let call = Call { url: self.url(), key: self.key.clone() };
        let mut response = request.call().map_err(|e| call.failed(e))?;
        call.check(&mut response)?;
        let (text, whole) = read_short(&mut response);
        if !whole {
            let (url, limit) = (self.url(), limits::SHORT_BYTES);
            return Err(Failed::Finally(RemoteError::TooLarge { url, what: "a list of models", limit }));
        }
        Ok(text)
    }

    /// How long to wait after so many attempts.
    pub(crate) fn pause(&self, tries: u32, after: Option<Duration>) -> Duration {
        let usual = self.patience.pause * 2_u32.saturating_pow(tries.saturating_sub(1).min(16));
        let most = Duration::from_secs(limits::RETRY_AFTER_SECS);
        after.unwrap_or(usual).max(usual).min(most)
    }

    /// The error after the last attempt.
    pub(crate) fn given_up(&self, failed: Failed, doing: &str, tries: u32) -> RemoteError {
        match failed {
            Failed::Finally(error) => error,
            Failed::Again { what, .. } => RemoteError::Lost { url: self.url(), what, doing: doing.to_owned(), tries },
            // Callers return before they get here.
            Failed::Cancelled => {
                RemoteError::Lost { url: self.url(), what: "was cancelled".to_owned(), doing: doing.to_owned(), tries }
            }
        }
    }

    /// One attempt of a completion. Each event of its stream goes to `on_chunk`, which says whether more is wanted.
    pub(crate) fn complete(
        &mut self,
        body: String,
        cancel: &Cancel,
        on_chunk: &mut dyn FnMut(Chunk) -> Result<bool, RemoteError>,
    ) -> Result<(), Failed> {
        let connected = self.ended.take().is_some_and(|ended| ended.elapsed() < limits::IDLE);
        if self.watcher.is_none() {
            // Without one, another thread reads, as for a first request.
            self.watcher = Watcher::start().ok();
        }
        let done = match self.watcher.take() {
            Some(watcher) if connected => {
                let done = self.complete_here(&watcher, &body, cancel, on_chunk);
                self.watcher = Some(watcher);
                done
            }
            watcher => {
                self.watcher = watcher;
                self.complete_apart(body, cancel, on_chunk)
            }
        };
        let closed = std::mem::take(&mut self.closed);
        self.ended = (done.is_ok() && !closed).then(Instant::now);
        done
    }

    /// As [`Self::complete`] over a connection that there is: it is read here, and closed by the watcher when somebody cancels.
    fn complete_here(
        &mut self,
        watcher: &Watcher,
        body: &str,
        cancel: &Cancel,
        on_chunk: &mut dyn FnMut(Chunk) -> Result<bool, RemoteError>,
    ) -> Result<(), Failed> {
        let call = Call { url: self.url(), key: self.key.clone() };
        let (agent, url) = (self.agent.clone(), self.endpoint.completions());
        let (mut wrong, mut enough, mut busy) = (None, false, Duration::ZERO);
        let began = Instant::now();
        watcher.watch(self.agent.clone(), cancel.clone());
        let done = exchange(&agent, &url, &call, body, &mut |data| {
            let began = Instant::now();
            let wanted = self.chunk(data).and_then(&mut *on_chunk);
            busy += began.elapsed();
            match wanted {
                Ok(true) => return true,
                Ok(false) => enough = true,
                Err(error) => wrong = Some(error),
            }
            false
        });
        let closed = watcher.release();
        self.waited += began.elapsed().saturating_sub(busy);
        if closed || enough || wrong.is_some() {
            self.hang_up();
        }
        match (wrong, done) {
            (Some(error), _) => Err(Failed::Finally(error)),
            (None, Ok(true)) => Ok(()),
            (None, _) if enough => Ok(()),
            (None, _) if closed => Err(Failed::Cancelled),
            (None, Ok(false)) => Err(Failed::Again { what: "hung up".to_owned(), after: None }),
            (None, Err(failed)) => Err(failed),
        }
    }

    /// As [`Self::complete`] with a thread of its own that connects and reads: neither can be cut short.
    fn complete_apart(
        &mut self,
        body: String,
        cancel: &Cancel,
        on_chunk: &mut dyn FnMut(Chunk) -> Result<bool, RemoteError>,
    ) -> Result<(), Failed> {
        let (sender, events) = sync_channel(limits::QUEUE);
        let (agent, url) = (self.agent.clone(), self.endpoint.completions());
        let call = Call { url: self.url(), key: self.key.clone() };
        let talk = move || {
            let pass = &mut |data: &str| sender.send(Event::Data(data.to_owned())).is_ok();
            let ended = exchange(&agent, &url, &call, &body, pass).map_or_else(Event::Failed, Event::Ended);
            // Nobody listens where the request was given up.
            sender.send(ended).ok();
        };
        let started = std::thread::Builder::new().name("engine-server".to_owned()).spawn(talk);
        started.map_err(|e| Failed::Again { what: format!("cannot be talked to: {e}"), after: None })?;
        loop {
            if cancel.cancelled() {
                self.hang_up();
                return Err(Failed::Cancelled);
            }
            let began = Instant::now();
            let event = events.recv_timeout(TICK);
            self.waited += began.elapsed();
            match event {
                Ok(Event::Data(data)) => {
                    let wanted = self.chunk(&data).and_then(&mut *on_chunk);
                    match wanted {
                        Ok(true) => {}
                        Ok(false) => {
                            self.hang_up();
                            return Ok(());
                        }
                        Err(error) => {
                            self.hang_up();
                            return Err(Failed::Finally(error));
                        }
                    }
                }
                Ok(Event::Ended(true)) => return Ok(()),
                Ok(Event::Ended(false)) | Err(RecvTimeoutError::Disconnected) => {
                    return Err(Failed::Again { what: "hung up".to_owned(), after: None });
                }
                Ok(Event::Failed(failed)) => return Err(failed),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn chunk(&self, data: &str) -> Result<Chunk, RemoteError> {
        let url = || self.url();
        let chunk: Chunk = serde_json::from_str(data).map_err(|e| RemoteError::SomethingElse {
            url: url(),
            what: format!("an event of its stream cannot be read: {e}; it said {:?}", shortened(data)),
        })?;
        match chunk.error {
            Some(trouble) => {
                let said = shortened(&trouble.message.unwrap_or_default());
                Err(RemoteError::Request { url: url(), status: 200, said })
            }
            None => Ok(chunk),
        }
    }

    /// Closes the connections, so that the server stops working for them.
    fn hang_up(&mut self) {
        self.closed = true;
        std::mem::replace(&mut self.agent, self.config.new_agent()).shutdown();
    }
}

/// What errors of one request say.
struct Call {
    url: String,
    key: Option<Key>,
}

impl Call {
    fn failed(&self, error: ureq::Error) -> Failed {
        let something_else = |what: String| Failed::Finally(RemoteError::SomethingElse { url: self.url.clone(), what });
        let again = |what: String| Failed::Again { what, after: None };
        match error {
            ureq::Error::Io(e) if e.kind() == std::io::ErrorKind::InvalidData => something_else(e.to_string()),
            ureq::Error::Io(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => {
                again("cannot be reached (connection refused)".to_owned())
            }
            ureq::Error::Io(e) => again(format!("broke the connection ({e})")),
            ureq::Error::Timeout(which) => again(format!("took too long ({which})")),
            ureq::Error::HostNotFound => again("cannot be found (no such host)".to_owned()),
            ureq::Error::ConnectionFailed => again("cannot be reached".to_owned()),
            ureq::Error::BadUri(what) => {
                Failed::Finally(RemoteError::Address { url: self.url.clone(), what: format!("is none: {what}") })
            }
            other => something_else(other.to_string()),
        }
    }

    /// Sorts answers that are none.
    fn check(&self, response: &mut ureq::http::Response<ureq::Body>) -> Result<(), Failed> {
        let status = response.status().as_u16();
        if status == 200 {
            return Ok(());
        }
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let after = header("retry-after").and_then(|secs| secs.trim().parse().ok()).map(Duration::from_secs);
        let said = shortened(&read_short(response).0);
        let url = self.url.clone();
        Err(match status {
            401 | 403 => {
                let key = self.key.as_ref().map_or_else(|| "a request without a key".to_owned(), |k| format!("{k:?}"));
                Failed::Finally(RemoteError::Refused { url, key, status, said })
            }
            429 | 500..=599 => {
                let said = if said.is_empty() { said } else { format!(": {said}") };
                Failed::Again { what: format!("answered with status {status}{said}"), after }
            }
            404 | 405 | 300..=399 => {
                let what = format!("it answered with status {status}");
                Failed::Finally(RemoteError::SomethingElse { url, what })
            }
            _ => Failed::Finally(RemoteError::Request { url, status, said }),
        })
    }
}

/// The beginning of a short answer, and whether that was all.
fn read_short(response: &mut ureq::http::Response<ureq::Body>) -> (String, bool) {
    let mut bytes = Vec::new();
    // What cannot be read is not needed: the status says enough.
    response.body_mut().as_reader().take(limits::SHORT_BYTES + 1).read_to_end(&mut bytes).ok();
    let whole = bytes.len() as u64 <= limits::SHORT_BYTES;
    (String::from_utf8_lossy(&bytes).into_owned(), whole)
}

/// Sends a request and passes its events on, as long as they are wanted. Says whether the stream ended with its last word.
fn exchange(
    agent: &Agent,
    url: &str,
    call: &Call,
    body: &str,
    pass: &mut dyn FnMut(&str) -> bool,
) -> Result<bool, Failed> {
    let mut request = agent.post(url).header("content-type", "application/json").header("accept", "text/event-stream");
    if let Some(key) = &call.key {
        request = request.header("authorization", key.header());
    }
    let mut response = request.send(body).map_err(|e| call.failed(e))?;
    call.check(&mut response)?;
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or("nothing");
    if !kind.starts_with("text/event-stream") {
        let what = format!("it answered with {kind} instead of a stream of events");
        return Err(Failed::Finally(RemoteError::SomethingElse { url: call.url.clone(), what }));
    }
    let done = events(response.body_mut().as_reader(), (limits::EVENT_BYTES, limits::STREAM_BYTES), pass);
    let large = |what, limit| Failed::Finally(RemoteError::TooLarge { url: call.url.clone(), what, limit });
    match done {
        Ok(done) => Ok(done),
        Err(Cut::Long) => Err(large("an event", limits::EVENT_BYTES as u64)),
        Err(Cut::Much) => Err(large("a stream", limits::STREAM_BYTES)),
        Err(Cut::Broken(error)) => Err(Failed::Again { what: format!("broke the connection ({error})"), after: None }),
    }
}

fn read_certificates(path: &Path) -> Result<RootCerts, RemoteError> {
    let wrong = |what: String| RemoteError::Certificates { place: path.display().to_string(), what };
    let mut pem = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| wrong(format!("cannot be read: {e}")))?;
    file.take(limits::CA_BYTES + 1).read_to_end(&mut pem).map_err(|e| wrong(format!("cannot be read: {e}")))?;
    if pem.len() as u64 > limits::CA_BYTES {
        return Err(wrong(format!("have more than {} bytes", limits::CA_BYTES)));
    }
    let items: Result<Vec<_>, _> = parse_pem(&pem).collect();
    let items = items.map_err(|e| wrong(format!("are damaged: {e}")))?;
    let found = items.into_iter().filter_map(|item| match item {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    });
    let found: Vec<_> = found.collect();
    if found.is_empty() {
        return Err(wrong("are none: a PEM file with CERTIFICATE blocks is needed".to_owned()));
    }
    Ok(RootCerts::Specific(Arc::new(found)))
}
