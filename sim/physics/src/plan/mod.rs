//! Plans by a planner that answers step by step, such as the model: words, mask, and the repair ladder.

mod account;
mod ask;
mod baseline;
mod evidence;
mod ladder;
mod legal;
mod words;

pub use account::{Account, Level, LevelCount};
pub use ask::{Ask, KeyFrame, Said, StepPlanner};
pub use baseline::{FirstLegal, RandomLegal};
pub use evidence::hopeless;
pub use ladder::{Climb, Rules};
pub use legal::{every_skill, legal_skills};
pub use words::{Answer, Told, WORDINGS, goal_text, scene_text, task_text};
