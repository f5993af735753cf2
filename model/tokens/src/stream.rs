//! Cuts a finished stream of ids into text, thoughts and pictures, by the rules of Emu3.5's reference:
//!
//! * ESS and EOS are deleted; then the stream is cut at spans BOG..EOG, BOC..EOC and BOI..EOI, each ending at its first end;
//! * a span that holds a whole picture is just that picture, even inside a thought;
//! * a picture without a rectangle of codes is dropped; an unfinished one takes the text before it in its piece along;
//! * a thought that is never closed stays in the text by its token's name, as other control tokens do; blank text vanishes.

use crate::picture::{Picture, PictureFault, parse_picture};
use crate::text::TextTokenizer;

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Plain text, not trimmed.
    Text(String),
    /// A picture.
    Picture(Picture),
    /// Thoughts about the whole answer.
    GlobalThought(String),
    /// Thoughts about the picture that follows.
    PictureThought(String),
}

/// A stream cut into parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The parts in order.
    pub segments: Vec<Segment>,
    /// Why pictures were dropped, in order.
    pub dropped: Vec<PictureFault>,
}

/// Cuts the ids of an answer into parts. Takes time linear in their number.
#[must_use]
pub fn parse_stream(tokenizer: &TextTokenizer, ids: &[u32]) -> Parsed {
    let c = tokenizer.vocabulary().control();
    let ids: Vec<u32> = ids.iter().copied().filter(|&id| id != c.ess && id != c.eos).collect();
    let spans = [(c.bog, c.eog), (c.boc, c.eoc), (c.boi, c.eoi)];
    let last_ends = spans.map(|(_, end)| ids.iter().rposition(|&id| id == end));
    let mut parsed = Parsed::default();
    let (mut plain_from, mut at) = (0, 0);
    while let Some(&id) = ids.get(at) {
        let opened = spans.iter().zip(last_ends).find(|&(&(begin, _), last)| begin == id && last > Some(at));
        let closed = opened.and_then(|(&(_, end), _)| Some((end, ids[at..].iter().position(|&id| id == end)? + at)));
        let Some((end, close)) = closed else {
            at += 1;
            continue;
        };
        parsed.plain(tokenizer, &ids[plain_from..at]);
        parsed.span(tokenizer, &ids[at..=close], end);
        (plain_from, at) = (close + 1, close + 1);
    }
    parsed.plain(tokenizer, &ids[plain_from..]);
    parsed
}

impl Parsed {
    fn plain(&mut self, tokenizer: &TextTokenizer, ids: &[u32]) {
        if ids.contains(&tokenizer.vocabulary().control().boi) {
            self.dropped.push(PictureFault::Unfinished);
            return;
        }
        let text = tokenizer.decode(ids);
        if !text.chars().all(is_space) {
            self.segments.push(Segment::Text(text));
        }
    }

    fn span(&mut self, tokenizer: &TextTokenizer, ids: &[u32], end: u32) {
        let c = tokenizer.vocabulary().control();
        if ids.contains(&c.boi) && ids.contains(&c.eoi) {
            match parse_picture(tokenizer.vocabulary(), ids) {
                Ok(picture) => self.segments.push(Segment::Picture(picture)),
                Err(fault) => self.dropped.push(fault),
            }
            return;
        }
        let inside = tokenizer.decode(ids.get(1..ids.len() - 1).unwrap_or_default());
        self.segments.push(if end == c.eog { Segment::GlobalThought(inside) } else { Segment::PictureThought(inside) });
    }
}

/// White space as Python's `str.strip` sees it, which has the four separators U+001C to U+001F besides Unicode's.
fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}
