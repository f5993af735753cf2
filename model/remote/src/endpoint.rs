//! An address, and what its server says of itself.

use std::fmt;

use crate::api::{Model, Models};
use crate::client::Client;
use crate::error::RemoteError;
use crate::limits;

/// An address of a server, and which of its models is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    base: String,
    model: Option<String>,
}

impl Endpoint {
    /// Reads `http://HOST:PORT`, with or without `/v1` or another path, and with `#MODEL` where the server has several.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(url: &str) -> Result<Self, RemoteError> {
        let wrong = |what: &str| RemoteError::Address { url: url.chars().take(80).collect(), what: what.to_owned() };
        if url.len() > limits::URL_BYTES {
            return Err(wrong("is too long"));
        }
        let (address, model) = match url.split_once('#') {
            Some((_, "")) => return Err(wrong("names no model behind #")),
            Some((address, model)) => (address, Some(model.to_owned())),
            None => (url, None),
        };
        let Some(rest) = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://")) else {
            return Err(wrong("is neither http nor https"));
        };
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.is_empty() || rest.contains(['?', ' ']) || !rest.is_ascii() {
            return Err(wrong("names no host, or holds what no address has"));
        }
        if authority.contains('@') {
            return Err(wrong("holds a password: keys come from the environment or a file"));
        }
        let base = address.trim_end_matches('/');
        let base = base.strip_suffix("/v1").unwrap_or(base).to_owned();
        Ok(Self { base, model })
    }

    /// Where requests go.
    pub(crate) fn completions(&self) -> String {
        format!("{}/v1/completions", self.base)
    }

    pub(crate) fn models(&self) -> String {
        format!("{}/v1/models", self.base)
    }

    /// The address without a model.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Does what is sent there go unencrypted over a network?
    #[must_use]
    pub fn is_open(&self) -> bool {
        let Some(rest) = self.base.strip_prefix("http://") else { return false };
        let authority = rest.split('/').next().unwrap_or_default();
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        !(host == "localhost" || host.starts_with("127.") || host == "[::1]")
    }

    /// Asks which models there are; gives the name of the one that is meant, and the tokens that it has room for.
    pub(crate) fn ask(&self, client: &Client) -> Result<(String, Option<usize>), RemoteError> {
        let Models { data } = client.get(&self.models())?;
        let has = || data.iter().map(|model| model.id.as_str()).collect::<Vec<_>>().join(", ");
        let found = match &self.model {
            Some(name) => data.iter().find(|model| model.id == *name),
            None => data.first(),
        };
        let Some(Model { id, max_model_len }) = found else {
            let (url, asked) = (self.base.clone(), self.model.clone().unwrap_or_default());
            return Err(RemoteError::Model { url, asked, has: has() });
        };
        Ok((id.clone(), *max_model_len))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.base)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_others_refused() {
        let url = |text: &str| Endpoint::parse(text).unwrap().completions();
        assert_eq!(url("http://localhost:8000"), "http://localhost:8000/v1/completions");
        assert_eq!(url("http://localhost:8000/v1/"), "http://localhost:8000/v1/completions");
        assert_eq!(url("https://gpu.example/emu#nano"), "https://gpu.example/emu/v1/completions");
        assert_eq!(Endpoint::parse("http://h#a/b").unwrap().model.as_deref(), Some("a/b"));
        for wrong in ["", "ftp://h", "http://", "http://h?x=1", "http://u:p@h", "http://h#", "http://h h"] {
            let error = Endpoint::parse(wrong).unwrap_err().to_string();
            assert!(error.contains("allowed is http://HOST:PORT"), "{error}");
        }
        assert!(Endpoint::parse(&format!("http://{}", "h".repeat(3000))).is_err());
    }

    #[test]
    fn only_what_stays_on_this_machine_or_is_encrypted_is_closed() {
        let open = |text: &str| Endpoint::parse(text).unwrap().is_open();
        assert_eq!(["http://gpu:1", "http://10.0.0.1"].map(open), [true; 2]);
        assert_eq!(["https://gpu", "http://localhost:1", "http://127.0.0.1:8", "http://[::1]:8"].map(open), [false; 4]);
    }
}
