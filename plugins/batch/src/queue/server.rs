//! The way to a server: address, credentials, time-outs, and what is said when it is not what it should be.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};

use crate::error::BatchError;
use crate::limits::MAX_CREDENTIALS_BYTES;

/// Environment variable of the address.
pub const SERVER: &str = "RHEA_NATS";
/// Environment variables of the credentials.
pub const CREDENTIALS: [&str; 4] = ["RHEA_NATS_CREDENTIALS", "RHEA_NATS_TOKEN", "RHEA_NATS_USER", "RHEA_NATS_PASSWORD"];
/// How a file of NATS's own tools with a signed key begins.
const SIGNED_KEY: &str = "-----BEGIN NATS USER JWT-----";

/// What lets us in. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A token.
    Token(String),
    /// Name and password.
    User(String, String),
    /// The text of a file with a signed key.
    Signed(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(..)",
            Self::User(..) => "User(..)",
            Self::Signed(_) => "Signed(..)",
        })
    }
}

impl Credentials {
    /// From a file: a signed key as NATS's tools write it, or one line with `user:password` or with a token.
    ///
    /// # Errors
    /// A file that cannot be read or has something else in it.
    pub fn from_file(path: &Path) -> Result<Self, BatchError> {
        let failed = || BatchError::file("read the credentials", path);
        let length = std::fs::metadata(path).map_err(failed())?.len();
        BatchError::at_most(path.display().to_string(), "bytes", length, MAX_CREDENTIALS_BYTES)?;
        let text = std::fs::read_to_string(path).map_err(failed())?;
        Self::parse(&text).ok_or_else(|| {
            let what = "no credentials; allowed are a signed key as NATS's tools write it, or one line with user:password or a token";
            BatchError::invalid(path.display().to_string(), what)
        })
    }

    fn parse(text: &str) -> Option<Self> {
        if text.contains(SIGNED_KEY) {
            return Some(Self::Signed(text.to_owned()));
        }
        let line = text.trim();
        if line.is_empty() || line.lines().count() > 1 {
            return None;
        }
        Some(match line.split_once(':') {
            Some((user, password)) => Self::User(user.to_owned(), password.to_owned()),
            None => Self::Token(line.to_owned()),
        })
    }

    /// From the environment: a file, a token, or name and password; `file` goes before all of them.
    ///
    /// # Errors
    /// As [`Credentials::from_file`]; a name without a password.
    pub fn find(file: Option<&Path>, variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, BatchError> {
        let [in_file, token, user, password] = CREDENTIALS.map(|name| variable(name).filter(|value| !value.is_empty()));
        if let Some(path) = file.map(Path::to_path_buf).or(in_file.map(PathBuf::from)) {
            return Self::from_file(&path).map(Some);
        }
        if let Some(token) = token {
            return Ok(Some(Self::Token(token)));
        }
        match (user, password) {
            (Some(user), Some(password)) => Ok(Some(Self::User(user, password))),
            (None, None) => Ok(None),
            _ => {
                let what = "only one of them is set; allowed are both or neither";
                Err(BatchError::invalid(format!("{} and {}", CREDENTIALS[2], CREDENTIALS[3]), what))
            }
        }
    }
}

/// Where the server is and how long it may take.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its address, such as `nats://localhost:4222`, without credentials.
    pub server: String,
    /// What lets us in.
    pub credentials: Option<Credentials>,
    /// How long connecting, and any answer, may take.
    pub timeout: Duration,
}

/// What the connection went through since it was made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    /// The refusal that ends the work, if there was one: credentials that the server does not take any more.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn hear(&self, event: &Event) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let said = event.to_string();
        match event {
            Event::ServerError(_) | Event::ClientError(_) if refuses(&said) => *heard = Some(said),
            // Connections are made again without end, unless the server does not want us any more.
            Event::Closed if heard.is_none() => *heard = Some("it closed the connection for good".to_owned()),
            _ => {}
        }
    }
}

fn refuses(said: &str) -> bool {
    let said = said.to_lowercase();
    ["authorization violation", "authentication", "expired", "revoked"].iter().any(|word| said.contains(word))
}

/// Checks an address before anything is sent to it.
///
/// # Errors
/// Another scheme than NATS's, no host, or credentials in it, which others could read in the list of processes.
pub fn check_address(server: &str) -> Result<(), BatchError> {
    let wrong = |what: &str| {
        let shown = server.rsplit_once('@').map_or(server, |(_, host)| host);
        Err(BatchError::invalid(format!("the server's address {shown:?}"), what))
    };
    let rest = ["nats://", "tls://"].iter().find_map(|scheme| server.strip_prefix(scheme));
    let Some(rest) = rest else {
        return wrong("allowed are nats://host:port and tls://host:port");
    };
    if rest.contains('@') {
        return wrong("credentials do not belong there; give them in the environment or in a file");
    }
    let (host, port) = rest.trim_end_matches('/').rsplit_once(':').unwrap_or((rest, "4222"));
    if host.is_empty() || host.contains(['/', ' ', ',']) || port.parse::<u16>().is_err() {
        return wrong("allowed are nats://host:port and tls://host:port");
    }
    Ok(())
}

/// Connects. Later the connection is made again by itself whenever it breaks.
pub(crate) async fn connect(settings: &Settings) -> Result<(Client, Trouble), BatchError> {
    check_address(&settings.server)?;
    let server = settings.server.clone();
    let trouble = Trouble::default();
    let heard = trouble.clone();
    let options = match &settings.credentials {
        None => ConnectOptions::new(),
        Some(Credentials::Token(token)) => ConnectOptions::with_token(token.clone()),
        Some(Credentials::User(user, password)) => {
            ConnectOptions::with_user_and_password(user.clone(), password.clone())
        }
        Some(Credentials::Signed(text)) => ConnectOptions::with_credentials(text)
            .map_err(|e| BatchError::invalid("the signed key", format!("it cannot be used: {e}")))?,
    };
    let options = options
        .name("rhea batch")
        .connection_timeout(settings.timeout)
        .request_timeout(Some(settings.timeout))
        .max_reconnects(None)
        .event_callback(move |event| {
            heard.hear(&event);
            async {}
        });
    let connected = tokio::time::timeout(settings.timeout, options.connect(&settings.server)).await;
    let Ok(connected) = connected else {
        let what = format!("it did not answer as one within {} s", settings.timeout.as_secs_f32());
        return Err(BatchError::Connect { server, what });
    };
    match connected {
        Ok(client) => Ok((client, trouble)),
        Err(error) => {
            let what = whole(&error);
            Err(if refuses(&what) {
                BatchError::Refused { server, what }
            } else {
                BatchError::Connect { server, what }
            })
        }
    }
}

/// An error with its causes.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let more = deeper.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        cause = deeper.source();
    }
    said
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_before_anything_is_sent() {
        for good in ["nats://localhost:4222", "nats://10.0.0.1", "tls://nats.example.org:443/"] {
            check_address(good).unwrap();
        }
        let says = |address: &str| check_address(address).unwrap_err().to_string();
        for wrong in
            ["", "localhost:4222", "http://localhost:80", "nats://", "nats://a:b", "nats://a:99999", "nats://a b:1"]
        {
            assert!(says(wrong).contains("allowed are nats://host:port"), "{wrong}");
        }
        let secret = says("nats://me:secret@localhost:4222");
        assert!(secret.contains("in the environment or in a file") && !secret.contains("secret@"), "{secret}");
    }

    #[test]
    fn credentials_come_from_a_file_or_the_environment_and_are_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let from = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Credentials::from_file(&file)
        };
        assert_eq!(from("me:secret\n").unwrap(), Credentials::User("me".to_owned(), "secret".to_owned()));
        assert_eq!(from("abc").unwrap(), Credentials::Token("abc".to_owned()));
        assert!(matches!(from(&format!("{SIGNED_KEY}\nx\n")).unwrap(), Credentials::Signed(_)));
        assert!(from("").is_err() && from("a\nb").is_err());
        let long = "x".repeat(MAX_CREDENTIALS_BYTES as usize + 1);
        assert!(from(&long).unwrap_err().to_string().contains("allowed are at most"));

        let environment = |set: &'static [(&str, &str)]| {
            move |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let none = Credentials::find(None, &environment(&[])).unwrap();
        assert_eq!(none, None);
        let both: &[_] = &[("RHEA_NATS_USER", "me"), ("RHEA_NATS_PASSWORD", "secret")];
        let user = Credentials::find(None, &environment(both)).unwrap().unwrap();
        assert!(!format!("{user:?}").contains("secret"));
        assert!(Credentials::find(None, &environment(&both[..1])).unwrap_err().to_string().contains("both or neither"));
        std::fs::write(&file, "from-file").unwrap();
        let found = Credentials::find(Some(&file), &environment(both)).unwrap();
        assert_eq!(found, Some(Credentials::Token("from-file".to_owned())));
    }
}
