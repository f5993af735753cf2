//! Names of batches, which become parts of names on a server.

use crate::limits::MAX_NAME;

/// Name of a batch: letters, digits, dashes and underscores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchName(String);

impl std::str::FromStr for BatchName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if (1..=MAX_NAME).contains(&text.len()) && text.chars().all(plain) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("{text:?} is no name of a batch; allowed are 1 to {MAX_NAME} letters, digits, - and _"))
    }
}

impl std::fmt::Display for BatchName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for wrong in ["", "a b", "a.b", "a*", "ä", &"x".repeat(MAX_NAME + 1)] {
            assert!(wrong.parse::<BatchName>().is_err_and(|e| e.contains("letters, digits")), "{wrong}");
        }
        assert!("Night_2-b".parse::<BatchName>().is_ok_and(|name| name.to_string() == "Night_2-b"));
    }
}
