//! A small tokenizer for tests, trained on a few lines.
#![allow(dead_code, clippy::unwrap_used, reason = "shared test code")]

use rhea_tokens::{TextTokenizer, bpe_json};

/// Visual codes of the test vocabulary.
pub const CODES: u32 = 64;

/// Lines to train on.
pub fn lines() -> Vec<String> {
    let lines = [
        "You are a helpful assistant for explore task. USER: go forward 0.5 m ASSISTANT: ",
        "You are a helpful assistant for t2i task. USER: a room with teal walls ASSISTANT: ",
        "You see a red door ahead and a blue ball on the left.",
        "turn left 15 degrees and go forward 1 m",
        "the image start and the image end, a visual token, an extra row, the end of text, image token",
    ];
    lines.iter().cycle().take(40).map(|&line| line.to_owned()).collect()
}

/// Content of the trained `tokenizer.json`.
pub fn json() -> Vec<u8> {
    bpe_json(lines(), 400).unwrap().0
}

/// The tokenizer.
pub fn tokenizer() -> TextTokenizer {
    TextTokenizer::from_json(&json(), CODES).unwrap()
}
