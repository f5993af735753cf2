//! Plans by a planner that answers step by step, such as the model: words, mask, and the repair ladder.

mod legal;
mod words;

pub use legal::{every_skill, legal_skills};
pub use words::{Answer, Told, WORDINGS, goal_text, scene_text, task_text};
