//! Whole answers, token by token: text, thoughts and pictures as the model writes them.
//!
//! * [`GenerateRequest`] says what is asked, [`GenerateSettings`] how it is decoded;
//! * [`Generator`] answers from a model folder and sends [`GenerateEvent`]s while it does;
//! * [`Machine`] is the grammar: what may come next behind what was written so far;
//! * [`reference_scores`] are the scores of the reference for one step, over the whole vocabulary;
//! * [`answer_tokens`] is the loop over ids alone;
//! * [`Tokenizers`], [`Trail`] and [`Listener`] are what an answer takes besides a model, for models that are elsewhere.
//!
//! ```text
//! text --BOI--> size --IMG--> rows --EOI--> text ... EOS
//! ```
//!
//! Of the reference's two backends, which differ, the one on Transformers is the default: the unconditional history holds
//! pictures only, sizes come from the target, from the last reference picture or from the model's own two-digit header, and
//! guidance acts at temperature 0 too. What the other one does instead is a setting: [`History::Everything`] and
//! [`Stop::pictures`].
//!
//! Invariant: EOL, a known header and EOI are never drawn, and outside [`Pace::Reference`] they cost no pass of their own.

mod branches;
mod event;
mod generator;
mod listener;
mod machine;
mod request;
mod run;
mod scores;
mod tokenizers;
mod trail;

pub use branches::GenerateMemory;
pub use event::{FinishReason, GenerateEvent, Generated, ThoughtAbout, Usage};
pub use generator::Generator;
pub use listener::Listener;
pub use machine::{Machine, Next, Sizes};
pub use request::{GenerateRequest, GenerateSettings, History, Pace, Prompt, Stop, TokenRequest};
pub use run::{CanvasCall, Drawing, TokenEvent, answer_tokens};
pub use scores::{Branches, Scales, guide, reference_scores};
pub use tokenizers::{Answers, Tokenizers};
pub use trail::Trail;
