//! Errors as a person reads them: one line that says what is wrong, one that says what to do.

use std::fmt;

/// An error with a hint.
#[derive(Debug)]
pub struct Fault {
    what: String,
    hint: String,
}

impl Fault {
    /// A fault from its two sentences.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)
    }
}

impl std::error::Error for Fault {}

/// Adds a hint to any error.
pub trait WithHint<T> {
    /// The same result; an error keeps its words and gains the hint.
    ///
    /// # Errors
    /// The same as before.
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: fmt::Display> WithHint<T> for Result<T, E> {
    fn hint(self, hint: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|error| Fault::new(error.to_string(), hint).into())
    }
}

/// The lines to print for an error: what went wrong with its causes on one line, then the hint if there is one.
#[must_use]
pub fn lines(error: &anyhow::Error) -> Vec<String> {
    let one_line = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines = vec![format!("error: {}", one_line(format!("{error:#}")))];
    if let Some(fault) = error.chain().find_map(|cause| cause.downcast_ref::<Fault>()).filter(|f| !f.hint.is_empty()) {
        lines.push(format!("hint: {}", one_line(fault.hint.clone())));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn an_error_is_one_line_and_a_hint() {
        let result: Result<(), String> = Err("no such\nfile".to_owned());
        let error = result.hint("Choose another.").context("opening the walk").err();
        let lines = error.map(|error| lines(&error)).unwrap_or_default();
        assert_eq!(lines, ["error: opening the walk: no such file", "hint: Choose another."]);
    }
}
