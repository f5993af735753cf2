//! The tokens of Rhea's models: how text and pictures become one stream of ids, and how a stream is read back.
//!
//! * [`Vocabulary`] says which id means what: text entries, control tokens, visual codes;
//! * [`TextTokenizer`] turns text into ids and back, and never lets text become a control token;
//! * [`encode_picture`], [`parse_picture`] and [`PictureCursor`] are the grammar of a picture in the stream, [`Aspect`] names sizes;
//! * [`prompts`] and [`documents`] hold the templates of the six tasks, [`Conversation`] the turns that follow a first one;
//! * [`parse_stream`] cuts a finished stream into text, thoughts and pictures;
//! * [`train_bpe`] makes a `tokenizer.json` from lines of text.
//!
//! It knows nothing of weights, devices or worlds. The format is that of Emu3.5; only sizes differ between families.
//!
//! Invariant: ids of user text are always below [`Vocabulary::text_count`], whatever the text says.

mod aspect;
mod bytes;
mod conversation;
mod cursor;
pub mod documents;
mod error;
pub mod limits;
mod picture;
pub mod plans;
pub mod prompts;
mod stream;
mod text;
mod tiktoken;
mod train;
mod utf8;
mod vocabulary;
mod walk;

pub use aspect::Aspect;
pub use conversation::{Conversation, TurnPrompt};
pub use cursor::{PictureCursor, PictureStep};
pub use error::TokensError;
pub use picture::{Grid, Picture, PictureFault, encode_canvas, encode_partial_picture, encode_picture, parse_picture};
pub use stream::{Parsed, Segment, parse_stream};
pub use text::TextTokenizer;
pub use train::{bpe_json, train_bpe};
pub use utf8::Utf8Buffer;
pub use vocabulary::{ControlIds, Vocabulary};
pub use walk::{Budget, PastTurn, Share, ShownView, WalkIds, WalkPrompt};
