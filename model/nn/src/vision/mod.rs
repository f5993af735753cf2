//! The IBQ vision tokenizer: pictures to codes and back.
//!
//! The architecture is that of the published Emu3.5 tokenizer; tensor names are the same. Two extensions are switched by the
//! configuration: patches of pixels as channels before the first convolution, and a decoder that looks at warped memory.

mod check;
mod config;
mod layers;
mod memory;
mod net;
mod settings;
mod tokenizer;

pub use check::check_folder;
pub use config::VisionConfig;
pub use layers::{Init, Parameters};
pub use memory::MEMORY_CHANNELS;
pub use net::VisionNet;
pub use tokenizer::{CodeGrid, Units, VisionTokenizer, memory_values, nearest_codes, picture_values, picture_view};

/// A result whose error is candle's unless it says otherwise.
type Result<T, E = candle_core::Error> = std::result::Result<T, E>;
