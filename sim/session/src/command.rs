//! What a walker can ask of a session, and how that is said in words.

use std::fmt;

use rhea_scene::{Move, MoveError};
use thiserror::Error;

use crate::limits::MAX_EXPLORE_STEPS;

/// Steps of "explore" when no number is given.
const EXPLORE_STEPS: u32 = 10;

/// One request to a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Go, turn or look, as numbers.
    Move(Move),
    /// Plain words, such as "turn around" or "undo".
    Text(String),
    /// Take back the last view.
    Undo,
    /// Go to a thing that memory knows by name.
    GoTo(String),
    /// Stand again where a step of the walk stood.
    Return(u64),
    /// Where is a thing that memory knows by name?
    WhereIs(String),
    /// Keep the current view for good, or let it go again.
    Pin(bool),
    /// Recall the views from here no more.
    Forget,
    /// From now on it looks different there: around a thing that memory knows by name, or, with an empty name, in the middle of the
    /// view.
    Edit(String),
    /// Walk by yourself for so many steps.
    Explore(u32),
}

/// A command that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// The words are no command.
    #[error(
        "{0}; or \"undo\", \"go to the red door\", \"go back to step 3\", \"where is the red door\", \"pin\", \"unpin\", \"forget this place\", \"edit\", \"explore 10 steps\""
    )]
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
        let plain = text.trim().trim_end_matches(['.', '!', '?']).to_lowercase();
        if let Some(step) = plain.strip_prefix("go back to step ").or_else(|| plain.strip_prefix("return to step "))
            && let Ok(step) = step.trim().parse()
        {
            return Ok(Self::Return(step));
        }
        match Move::parse(text) {
            Ok(step) => Ok(Self::Move(step)),
            Err(error) => Self::other(&plain).ok_or(CommandError::Words(error)),
        }
    }

    /// Commands that are no moves, in small letters without the sign at the end.
    fn other(plain: &str) -> Option<Self> {
        let thing = |name: &str| name.trim().trim_start_matches("the ").trim_start_matches("a ").trim().to_owned();
        let named = |name: &str| Some(thing(name)).filter(|name| !matches!(name.as_str(), "" | "the" | "a"));
        match plain {
            "undo" => return Some(Self::Undo),
            "pin" | "pin this view" => return Some(Self::Pin(true)),
            "unpin" | "unpin this view" => return Some(Self::Pin(false)),
            "forget" | "forget this place" => return Some(Self::Forget),
            "edit" | "edit this" | "edit this place" => return Some(Self::Edit(String::new())),
            "explore" => return Some(Self::Explore(EXPLORE_STEPS)),
            _ => {}
        }
        if let Some(name) = plain.strip_prefix("go to ").or_else(|| plain.strip_prefix("walk to ")) {
            return named(name).map(Self::GoTo);
        }
        if let Some(name) = plain.strip_prefix("where is ").or_else(|| plain.strip_prefix("where's ")) {
            return named(name).map(Self::WhereIs);
        }
        if let Some(name) = plain.strip_prefix("edit ") {
            return named(name).map(Self::Edit);
        }
        let steps = plain.strip_prefix("explore ")?.trim_end_matches("steps").trim_end_matches("step").trim();
        steps.parse().ok().filter(|steps| (1..=MAX_EXPLORE_STEPS).contains(steps)).map(Self::Explore)
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
            Self::GoTo(name) => write!(formatter, "go to the {name}"),
            Self::Return(step) => write!(formatter, "go back to step {step}"),
            Self::WhereIs(name) => write!(formatter, "where is the {name}"),
            Self::Pin(true) => formatter.write_str("pin"),
            Self::Pin(false) => formatter.write_str("unpin"),
            Self::Forget => formatter.write_str("forget this place"),
            Self::Edit(name) if name.is_empty() => formatter.write_str("edit"),
            Self::Edit(name) => write!(formatter, "edit the {name}"),
            Self::Explore(steps) => write!(formatter, "explore {steps} steps"),
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
    fn memory_is_asked_and_told_in_words() {
        let parse = |text: &str| Command::parse(text).unwrap();
        assert_eq!(parse("Go to the red door."), Command::GoTo("red door".to_owned()));
        assert_eq!(parse("where is the plant pot?"), Command::WhereIs("plant pot".to_owned()));
        assert_eq!(parse("go back to step 12"), Command::Return(12));
        assert_eq!(parse("go back 12 steps"), Command::Move(Move::forward(-6.0)));
        assert_eq!((parse("explore 20 steps"), parse("explore")), (Command::Explore(20), Command::Explore(10)));
        assert_eq!(
            (parse("edit"), parse("edit the red ball")),
            (Command::Edit(String::new()), Command::Edit("red ball".to_owned()))
        );
        for command in
            ["pin", "unpin", "forget this place", "edit the red ball", "go to the red door", "explore 7 steps"]
        {
            assert_eq!(parse(command).to_string(), command);
        }
        assert!(Command::parse("explore 999999999 steps").is_err() && Command::parse("go to the").is_err());
    }

    #[test]
    fn what_is_no_command_is_refused_with_what_is_allowed() {
        let message = Command::parse("dance").unwrap_err().to_string();
        assert!(message.contains("dance") && message.contains("turn left") && message.contains("undo"), "{message}");
        assert_eq!(Command::Move(Move::forward(f32::NAN)).resolve(), Err(CommandError::NotFinite));
    }
}
