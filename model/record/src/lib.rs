//! What a model has answered, as a file that Emu3.5's own tools read, and as a folder for people.
//!
//! * [`Story`] and its parts are the messages of `emu3p5.story` (proto3), read and written by [`Story::decode`] and
//!   [`Story::encode`];
//! * [`StoryBuilder`] turns an answer's parts, in the order they came, into a [`Story`] as the reference writes it;
//! * [`AnswerFolder`] does so while an answer comes, and leaves each part on disk as soon as it is known;
//! * [`viewer_files`] lays a story out as the reference's viewer does, [`html_page`] as one page that needs nothing else.
//!
//! It knows nothing of tokens or models.
//!
//! Invariant: reading takes no more memory than the file's size allows for, whatever the file says.

mod answer;
mod builder;
mod error;
mod layout;
pub mod limits;
mod page;
mod story;
mod wire;

pub use answer::{AnswerFolder, AnswerMark};
pub use builder::StoryBuilder;
pub use error::RecordError;
pub use layout::{NamedFile, export, viewer_files};
pub use page::html_page;
pub use story::{Clip, Image, ImageFormat, ImageMeta, Segment, Story, TimeStamp};
