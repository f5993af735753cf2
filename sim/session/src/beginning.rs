//! How a walk comes about: anew from a [`Start`], or where a saved world stopped.

use std::path::Path;

use rhea_engine::Imagine;
use rhea_memory::{Damage, Loaded, World};

use crate::error::SessionError;
use crate::event::{SessionEvent, StepControl, StepReport};
use crate::explore::ExploreSession;
use crate::options::Setup;
use crate::script::ScriptStart;
use crate::start::Start;

/// Damaged parts of a world that are told one by one.
const DAMAGE_TOLD: usize = 3;

/// The beginning of a walk, its files loaded.
#[derive(Clone, Debug)]
pub enum Beginning {
    /// A new walk.
    New(Box<Start>),
    /// A walk that goes on.
    Saved(Box<SavedWorld>),
}

/// A world from a file.
#[derive(Clone, Debug)]
pub struct SavedWorld {
    /// The world, without what was damaged.
    pub world: World,
    /// What was damaged; empty for a whole file.
    pub damage: Vec<Damage>,
    /// What to call it, such as its file name.
    pub name: String,
    /// Take it up by its pictures alone when another model drew it?
    pub adopt: bool,
}

impl Beginning {
    /// The beginning that a script names. With `adopt` a world that another model drew is taken up by its pictures alone.
    ///
    /// # Errors
    /// As [`Start::of_script`], and when a world file cannot be read or holds no view that can be.
    pub fn of_script(start: &ScriptStart, adopt: bool) -> Result<Self, SessionError> {
        match start {
            ScriptStart::World(path) => Self::world_file(path, adopt),
            other => Ok(Self::New(Box::new(Start::of_script(other)?))),
        }
    }

    /// A world file.
    ///
    /// # Errors
    /// When it cannot be read, is no world, or holds no view that can be read.
    pub fn world_file(path: &Path, adopt: bool) -> Result<Self, SessionError> {
        let Loaded { world, damage } = World::load(path)?;
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(Self::Saved(Box::new(SavedWorld { world, damage, name, adopt })))
    }

    /// The beginning in words.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::New(start) => start.words(),
            Self::Saved(saved) => format!("world {}", saved.name),
        }
    }

    /// The sentence about the world; empty when there is none.
    #[must_use]
    pub fn world(&self) -> String {
        match self {
            Self::New(start) => start.world(),
            Self::Saved(saved) => saved.world.about.world.clone(),
        }
    }

    /// Begins the walk. What of a saved world could not be read is a warning.
    ///
    /// # Errors
    /// As [`ExploreSession::start`] and [`ExploreSession::resume`].
    pub fn begin(
        &self,
        setup: Setup,
        model: &mut dyn Imagine,
        control: &StepControl,
        on_event: &mut dyn FnMut(SessionEvent),
    ) -> Result<(ExploreSession, StepReport), SessionError> {
        match self {
            Self::New(start) => ExploreSession::start(start, setup, model, control, on_event),
            Self::Saved(saved) => {
                let SavedWorld { world, damage, name, adopt } = &**saved;
                let begun = ExploreSession::resume(world.clone(), *adopt, setup, model, on_event)?;
                if !damage.is_empty() {
                    on_event(SessionEvent::Warning(damage_in_words(name, damage, world.memory.len())));
                }
                Ok(begun)
            }
        }
    }
}

/// "2 parts of a.world could not be read: ...; 38 views were".
#[must_use]
pub fn damage_in_words(name: &str, damage: &[Damage], views: usize) -> String {
    let place = |part: &Damage| match part.offset {
        Some(offset) => format!("byte {offset}: {}", part.what),
        None => part.what.clone(),
    };
    let told: Vec<String> = damage.iter().take(DAMAGE_TOLD).map(place).collect();
    let more = damage.len().saturating_sub(told.len());
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    let parts = if damage.len() == 1 { "1 part" } else { &format!("{} parts", damage.len()) };
    format!("{parts} of {name} could not be read ({}{more}); {views} views could, and are used", told.join("; "))
}
