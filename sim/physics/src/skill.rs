//! The 14 skills a plan is made of.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::world::facts::Side;

/// Where a thing is put relative to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Relation {
    /// On top of it.
    On,
    /// Inside it.
    In,
    /// On the table at its left.
    LeftOf,
    /// On the table at its right.
    RightOf,
    /// On the table in front of it.
    FrontOf,
    /// On the table behind it.
    Behind,
}

impl Relation {
    /// All relations.
    pub const ALL: [Self; 6] = [Self::On, Self::In, Self::LeftOf, Self::RightOf, Self::FrontOf, Self::Behind];

    /// The side it names, if it names one.
    #[must_use]
    pub fn side(self) -> Option<Side> {
        match self {
            Self::On | Self::In => None,
            Self::LeftOf => Some(Side::Left),
            Self::RightOf => Some(Side::Right),
            Self::FrontOf => Some(Side::Front),
            Self::Behind => Some(Side::Behind),
        }
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::In => "in",
            Self::LeftOf => "left of",
            Self::RightOf => "right of",
            Self::FrontOf => "in front of",
            Self::Behind => "behind",
        }
    }
}

/// Where a push or pull ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Towards {
    /// 10 cm to a side.
    Side(Side),
    /// At a thing, usually a mat.
    Thing(String),
}

/// One step of a plan. Names are those of the scene; "table" is a target too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Skill {
    /// Take a thing into the hand.
    Pick {
        /// The thing.
        thing: String,
    },
    /// Put a thing somewhere; it is picked first if no hand holds it.
    Place {
        /// The thing.
        thing: String,
        /// Where.
        relation: Relation,
        /// Of what.
        target: String,
    },
    /// Put a thing on another movable thing.
    Stack {
        /// The thing.
        thing: String,
        /// Below it.
        target: String,
    },
    /// Take a thing off another and put it on the table.
    Unstack {
        /// The thing.
        thing: String,
    },
    /// Push with closed fingers.
    Push {
        /// The thing.
        thing: String,
        /// Where to.
        to: Towards,
    },
    /// Pull towards the arm.
    Pull {
        /// The thing.
        thing: String,
        /// Where to.
        to: Towards,
    },
    /// Pull a drawer out, or take the lid off.
    Open {
        /// Drawer or container.
        target: String,
    },
    /// Push a drawer in, or put the lid on.
    Close {
        /// Drawer or container.
        target: String,
    },
    /// Empty a cup into a container.
    Pour {
        /// The cup.
        from: String,
        /// The container.
        into: String,
    },
    /// Give a thing to the other arm.
    Handover {
        /// The thing.
        thing: String,
        /// The arm that gets it.
        to: String,
    },
    /// Put a thing down and take it again the other way round.
    Regrasp {
        /// The thing.
        thing: String,
    },
    /// Wipe over the top of a thing.
    Wipe {
        /// The thing.
        target: String,
    },
    /// Press a button.
    Press {
        /// The button.
        target: String,
    },
    /// Go back to rest.
    Home,
}

impl Skill {
    /// Names of all skills.
    pub const VERBS: [&'static str; 14] = [
        "pick", "place", "stack", "unstack", "push", "pull", "open", "close", "pour", "handover", "regrasp", "wipe",
        "press", "home",
    ];

    /// The name of the skill.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Pick { .. } => "pick",
            Self::Place { .. } => "place",
            Self::Stack { .. } => "stack",
            Self::Unstack { .. } => "unstack",
            Self::Push { .. } => "push",
            Self::Pull { .. } => "pull",
            Self::Open { .. } => "open",
            Self::Close { .. } => "close",
            Self::Pour { .. } => "pour",
            Self::Handover { .. } => "handover",
            Self::Regrasp { .. } => "regrasp",
            Self::Wipe { .. } => "wipe",
            Self::Press { .. } => "press",
            Self::Home => "home",
        }
    }

    /// The thing that it moves or works on.
    #[must_use]
    pub fn thing(&self) -> Option<&str> {
        match self {
            Self::Pick { thing }
            | Self::Place { thing, .. }
            | Self::Stack { thing, .. }
            | Self::Unstack { thing }
            | Self::Push { thing, .. }
            | Self::Pull { thing, .. }
            | Self::Handover { thing, .. }
            | Self::Regrasp { thing } => Some(thing),
            Self::Pour { from, .. } => Some(from),
            Self::Open { target } | Self::Close { target } | Self::Wipe { target } | Self::Press { target } => {
                Some(target)
            }
            Self::Home => None,
        }
    }

    /// The second thing it names.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        match self {
            Self::Place { target, .. } | Self::Stack { target, .. } => Some(target),
            Self::Pour { into, .. } => Some(into),
            Self::Push { to: Towards::Thing(target), .. } | Self::Pull { to: Towards::Thing(target), .. } => {
                Some(target)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Skill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = |to: &Towards| match to {
            Towards::Side(Side::Left) => "to the left".to_owned(),
            Towards::Side(Side::Right) => "to the right".to_owned(),
            Towards::Side(Side::Front) => "to the front".to_owned(),
            Towards::Side(Side::Behind) => "to the back".to_owned(),
            Towards::Thing(name) => format!("to the {}", spoken(name)),
        };
        match self {
            Self::Pick { thing } => write!(f, "pick up the {}", spoken(thing)),
            Self::Place { thing, relation, target } => {
                write!(f, "put the {} {} the {}", spoken(thing), relation.words(), spoken(target))
            }
            Self::Stack { thing, target } => write!(f, "stack the {} on the {}", spoken(thing), spoken(target)),
            Self::Unstack { thing } => write!(f, "unstack the {}", spoken(thing)),
            Self::Push { thing, to: way } => write!(f, "push the {} {}", spoken(thing), to(way)),
            Self::Pull { thing, to: way } => write!(f, "pull the {} {}", spoken(thing), to(way)),
            Self::Open { target } => write!(f, "open the {}", spoken(target)),
            Self::Close { target } => write!(f, "close the {}", spoken(target)),
            Self::Pour { from, into } => write!(f, "pour the {} into the {}", spoken(from), spoken(into)),
            Self::Handover { thing, to } => write!(f, "hand the {} over to the {}", spoken(thing), spoken(to)),
            Self::Regrasp { thing } => write!(f, "regrasp the {}", spoken(thing)),
            Self::Wipe { target } => write!(f, "wipe the {}", spoken(target)),
            Self::Press { target } => write!(f, "press the {}", spoken(target)),
            Self::Home => write!(f, "go home"),
        }
    }
}

/// A name as it is said: `red_block` is "red block".
#[must_use]
pub fn spoken(name: &str) -> String {
    name.replace('_', " ")
}
