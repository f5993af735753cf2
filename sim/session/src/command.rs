//! What a walker can ask of a session, and how that is said in words.

use std::fmt;

use rhea_scene::{Move, MoveError};
use thiserror::Error;

/// One request to a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Go, turn or look, as numbers.
    Move(Move),
    /// Plain words, such as "turn around" or "undo".
    Text(String),
    /// Take back the last view.
    Undo,
}

/// A command that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// The words are no command.
    #[error("{0}; or \"undo\"")]
    Words(#[from] MoveError),
    /// A move whose numbers are not finite.
    #[error("a move with a number that is not finite; allowed are finite metres and radians")]
    NotFinite,
}

impl Command {
    /// Reads a command from plain words; the result is never [`Command::Text`].
    ///
    /// # Errors
    /// When the words are no command; the message lists what is allowed.
    pub fn parse(text: &str) -> Result<Self, CommandError> {
        if text.trim().trim_end_matches(['.', '!']).eq_ignore_ascii_case("undo") {
            return Ok(Self::Undo);
        }
        Ok(Self::Move(Move::parse(text)?))
    }

    /// The same command with its words read; never [`Command::Text`].
    ///
    /// # Errors
    /// As [`Command::parse`], and when a number of the move is not finite.
    pub fn resolve(self) -> Result<Self, CommandError> {
        match self {
            Self::Text(text) => Self::parse(&text),
            Self::Move(step) if !step.is_finite() => Err(CommandError::NotFinite),
            command => Ok(command),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Move(step) => formatter.write_str(&step.command()),
            Self::Text(text) => formatter.write_str(text),
            Self::Undo => formatter.write_str("undo"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn words_become_moves_and_undo() {
        assert_eq!(Command::parse(" Undo! ").unwrap(), Command::Undo);
        assert_eq!(Command::parse("back 1 m").unwrap(), Command::Move(Move::forward(-1.0)));
        let command = Command::Text("walk ahead 2 m".to_owned()).resolve().unwrap();
        assert_eq!(command.to_string(), "go forward 2 m");
    }

    #[test]
    fn what_is_no_command_is_refused_with_what_is_allowed() {
        let message = Command::parse("dance").unwrap_err().to_string();
        assert!(message.contains("dance") && message.contains("turn left") && message.contains("undo"), "{message}");
        assert_eq!(Command::Move(Move::forward(f32::NAN)).resolve(), Err(CommandError::NotFinite));
    }
}
