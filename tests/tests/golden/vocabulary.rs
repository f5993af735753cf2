//! The layout of Emu3.5's ids, without its text entries.

use rhea_tokens::Vocabulary;

/// The published layout (spec section 3.1): digits, `*`, control tokens and 131,072 visual codes.
pub fn emu35() -> Vocabulary {
    let text = |s: &str| match s.as_bytes() {
        [b'*'] => Some(9),
        [d @ b'0'..=b'9'] => Some(15 + u32::from(d - b'0')),
        _ => None,
    };
    let mut control: Vec<(String, u32)> =
        vec![("<|endoftext|>".into(), 151_643), ("<|im_start|>".into(), 151_644), ("<|im_end|>".into(), 151_645)];
    control.extend((0..205).map(|i| (format!("<|extra_{i}|>"), 151_646 + i)));
    let framing = ["<|image token|>", "<|image start|>", "<|image end|>"];
    control.extend(framing.into_iter().zip(151_851..).map(|(name, id)| (name.to_owned(), id)));
    Vocabulary::new(151_643, text, control, 131_072).unwrap()
}
