//! Moves as English sentences, both ways.
//!
//! A sentence is a row of clauses joined by "and", "then" or commas. Each clause is a direction with a number and a unit,
//! either of which may be left out.

use crate::limits::{MAX_COMMAND_BYTES, MAX_STEP_M, MAX_TURN_DEG};
use crate::moves::{Move, MoveError};
use std::fmt::Write;

/// Words that carry no meaning here.
const FILLERS: [&str; 12] = ["to", "the", "your", "by", "for", "a", "an", "of", "please", "about", "more", "take"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Go,
    Step,
    Turn,
    Look,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Forward,
    Back,
    Left,
    Right,
    Up,
    Down,
    Around,
    Stay,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Metre,
    Centimetre,
    Step,
    Degree,
}

/// What one clause has said so far.
#[derive(Default)]
struct Clause {
    words: Vec<String>,
    verb: Option<Verb>,
    way: Option<Way>,
    number: Option<f32>,
    unit: Option<Unit>,
}

fn verb(word: &str) -> Option<Verb> {
    Some(match word {
        "go" | "walk" | "move" | "run" | "head" | "advance" | "continue" | "drive" => Verb::Go,
        "step" | "strafe" | "sidestep" | "slide" | "shift" => Verb::Step,
        "turn" | "rotate" | "face" | "spin" | "swivel" => Verb::Turn,
        "look" | "tilt" | "gaze" => Verb::Look,
        _ => return None,
    })
}

fn way(word: &str) -> Option<Way> {
    Some(match word {
        "forward" | "forwards" | "ahead" | "straight" | "onward" | "onwards" => Way::Forward,
        "back" | "backward" | "backwards" => Way::Back,
        "left" | "leftward" | "leftwards" => Way::Left,
        "right" | "rightward" | "rightwards" => Way::Right,
        "up" | "upward" | "upwards" => Way::Up,
        "down" | "downward" | "downwards" => Way::Down,
        "around" | "round" => Way::Around,
        "stay" | "wait" | "stop" => Way::Stay,
        _ => return None,
    })
}

fn unit(word: &str) -> Option<Unit> {
    Some(match word {
        "m" | "meter" | "meters" | "metre" | "metres" => Unit::Metre,
        "cm" | "centimeter" | "centimeters" | "centimetre" | "centimetres" => Unit::Centimetre,
        "step" | "steps" | "pace" | "paces" => Unit::Step,
        "deg" | "degs" | "degree" | "degrees" | "\u{b0}" => Unit::Degree,
        _ => return None,
    })
}

/// A number in digits or as a small word.
fn number(word: &str) -> Option<f32> {
    const WORDS: [&str; 11] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    if word == "half" {
        return Some(0.5);
    }
    if let Some(value) = WORDS.iter().position(|known| *known == word) {
        return Some(value as f32);
    }
    // Whatever Rust reads as a number counts as one, so that "nan" and "-3" are refused as numbers and not as words.
    word.parse().ok()
}

impl Move {
    /// Reads a command such as `"turn left 15 degrees and go forward 0.5 m"`, `"back 1"`, `"strafe right"` or `"turn around"`.
    ///
    /// Without a number a step is 0.5 m and a turn 15 degrees. Clauses happen in the order they are said; the result is the
    /// one move that ends in the same pose.
    ///
    /// # Errors
    /// When a word is not understood or a number is out of range; the message lists what is allowed.
    pub fn parse(text: &str) -> Result<Self, MoveError> {
        if text.len() > MAX_COMMAND_BYTES {
            return Err(MoveError::TooLong { got: text.len(), max: MAX_COMMAND_BYTES });
        }
        let mut sum = Sum::default();
        let mut clause = Clause::default();
        for word in words(text) {
            if matches!(word.as_str(), "and" | "then" | ",") {
                clause.finish(&mut sum)?;
                clause = Clause::default();
            } else {
                clause.take(word)?;
            }
        }
        clause.finish(&mut sum)?;
        sum.into_move(text)
    }

    /// The sentence of the move, with numbers to two decimals; [`Move::parse`] reads it back.
    #[must_use]
    pub fn command(&self) -> String {
        let mut text = String::new();
        let mut add = |value: f32, [positive, negative]: [&str; 2], unit: &str| {
            let rounded = (value.abs() * 100.0).round() / 100.0;
            if rounded > 0.0 {
                let joint = if text.is_empty() { "" } else { " and " };
                let phrase = if value > 0.0 { positive } else { negative };
                // Writing into a string cannot fail.
                write!(text, "{joint}{phrase} {rounded} {unit}").unwrap_or_default();
            }
        };
        add(self.turn_rad.to_degrees(), ["turn left", "turn right"], "degrees");
        add(self.forward_m, ["go forward", "go back"], "m");
        add(self.right_m, ["step right", "step left"], "m");
        add(self.look_rad.to_degrees(), ["look up", "look down"], "degrees");
        match text.as_str() {
            "" => "stay".into(),
            "turn left 180 degrees" => "turn around".into(),
            _ => text,
        }
    }
}

/// Splits into lower-case words; numbers part from units, commas and joining full stops stand alone.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for raw in text.to_lowercase().split_whitespace() {
        let joins = raw.ends_with([',', ';', '.', '!']);
        let raw = raw.trim_end_matches([',', ';', '.', '!']);
        let starts_number = raw.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '-' || c == '+');
        let split = if starts_number && raw.parse::<f32>().is_err() {
            raw.find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c))).unwrap_or(raw.len())
        } else {
            raw.len()
        };
        let (head, tail) = raw.split_at(split);
        words.extend([head, tail].into_iter().filter(|part| !part.is_empty()).map(str::to_owned));
        if joins {
            words.push(",".into());
        }
    }
    words
}

impl Clause {
    fn take(&mut self, word: String) -> Result<(), MoveError> {
        let understood = if let Some(found) = way(&word) {
            // "straight ahead" says the same twice.
            let fits = self.way.is_none_or(|known| known == found);
            self.way = Some(found);
            fits
        } else if let Some(found) = unit(&word).filter(|_| self.number.is_some()) {
            self.unit.replace(found).is_none()
        } else if let Some(found) = verb(&word) {
            self.verb.replace(found).is_none()
        } else if let Some(found) = number(&word) {
            self.number.replace(found).is_none()
        } else {
            FILLERS.contains(&word.as_str())
        };
        if !understood {
            return Err(MoveError::Word { word });
        }
        self.words.push(word);
        Ok(())
    }

    fn finish(self, sum: &mut Sum) -> Result<(), MoveError> {
        let clause = self.words.join(" ");
        if self.words.is_empty() {
            return Ok(());
        }
        let Some(way) = self.way else {
            return Err(MoveError::Direction { clause });
        };
        let angular = matches!(self.unit, Some(Unit::Degree));
        let turns = match (self.verb, way) {
            (_, Way::Up | Way::Down | Way::Around)
            | (Some(Verb::Turn | Verb::Look), Way::Left | Way::Right | Way::Back) => true,
            (None, Way::Left | Way::Right) => self.unit.is_none() || angular,
            _ => false,
        };
        let impossible = match way {
            Way::Up | Way::Down => matches!(self.verb, Some(Verb::Go | Verb::Step)),
            Way::Around => matches!(self.verb, Some(Verb::Go | Verb::Step)) || self.number.is_some(),
            Way::Forward => matches!(self.verb, Some(Verb::Turn | Verb::Look)),
            Way::Stay => self.verb.is_some() || self.number.is_some(),
            _ => false,
        };
        if impossible {
            return Err(MoveError::Direction { clause });
        }
        let checked = |value: f32, max: f32| {
            let written = || self.number.map_or_else(String::new, |n| n.to_string());
            // A NaN fails both comparisons.
            if value >= 0.0 && value <= max {
                Ok(value)
            } else {
                Err(MoveError::Number { clause: clause.clone(), value: written() })
            }
        };
        if turns {
            if self.unit.is_some() && !angular {
                return Err(MoveError::Unit { clause, want: "degrees" });
            }
            let usual = if matches!(way, Way::Around | Way::Back) { 180.0 } else { Move::TURN_DEG };
            let angle = checked(self.number.unwrap_or(usual), MAX_TURN_DEG)?.to_radians();
            match way {
                Way::Right => sum.turn(-angle),
                Way::Up => sum.look_rad += angle,
                Way::Down => sum.look_rad -= angle,
                _ => sum.turn(angle),
            }
        } else {
            let scale = match self.unit {
                Some(Unit::Degree) => return Err(MoveError::Unit { clause, want: "metres" }),
                Some(Unit::Centimetre) => 0.01,
                Some(Unit::Step) => Move::STEP_M,
                Some(Unit::Metre) | None => 1.0,
            };
            let metres = checked(self.number.map_or(Move::STEP_M, |n| n * scale), MAX_STEP_M)?;
            match way {
                Way::Forward => sum.go(metres, 0.0),
                Way::Back => sum.go(-metres, 0.0),
                Way::Left => sum.go(0.0, -metres),
                Way::Right => sum.go(0.0, metres),
                _ => sum.said = true,
            }
        }
        Ok(())
    }
}

/// Clauses added up, in the heading before the command.
#[derive(Default)]
struct Sum {
    said: bool,
    ahead_m: f32,
    right_m: f32,
    turn_rad: f32,
    look_rad: f32,
    /// Has the walker gone anywhere before his last turn?
    turned_after_going: bool,
    last: [f32; 2],
}

impl Sum {
    fn turn(&mut self, angle_rad: f32) {
        self.said = true;
        self.turned_after_going |= self.last != [0.0; 2];
        self.turn_rad += angle_rad;
    }

    fn go(&mut self, forward_m: f32, right_m: f32) {
        self.said = true;
        self.last = [self.last[0] + forward_m, self.last[1] + right_m];
        let (s, c) = self.turn_rad.sin_cos();
        self.ahead_m += c * forward_m + s * right_m;
        self.right_m += c * right_m - s * forward_m;
    }

    fn into_move(self, text: &str) -> Result<Move, MoveError> {
        if !self.said && self.look_rad == 0.0 {
            return Err(MoveError::Empty);
        }
        // Ways are told in the heading after all turns. Where no turn follows a way, its own numbers stay exact.
        let (s, c) = self.turn_rad.sin_cos();
        let [forward_m, right_m] = if self.turned_after_going {
            [c * self.ahead_m - s * self.right_m, s * self.ahead_m + c * self.right_m]
        } else {
            self.last
        };
        let step = Move { forward_m, right_m, turn_rad: self.turn_rad, look_rad: self.look_rad };
        let most = MAX_TURN_DEG.to_radians() * 1.001;
        let wild = |value: f32, max: f32| value.is_nan() || value.abs() > max;
        if wild(forward_m, MAX_STEP_M)
            || wild(right_m, MAX_STEP_M)
            || wild(step.turn_rad, most)
            || wild(step.look_rad, most)
        {
            return Err(MoveError::Number { clause: text.trim().chars().take(80).collect(), value: "the sum".into() });
        }
        Ok(step)
    }
}
