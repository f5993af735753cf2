//! The words about a view: streamed clause by clause, cut when asked, never a reason to lose a step.

use rhea_engine::{EngineError, Imagine, NarrationRequest, TextPiece};
use rhea_picture::Rgbd;
use rhea_scene::{Colour, Noun};

use crate::event::{SessionEvent, StepControl};
use crate::landmarks::is_grounded;
use crate::limits::MAX_NARRATION_BYTES;
use crate::replay::NarrationNote;
use crate::words::mentions;

/// How a view is talked about.
pub(crate) struct Telling<'a> {
    /// A clause that names something with a probability below this is left out.
    pub(crate) least: f32,
    /// The view: a thing whose colour is not where it is said to be is left out too.
    pub(crate) view: &'a Rgbd,
    /// Said after all else, when nothing cuts it.
    pub(crate) reminder: Option<String>,
}

/// Lets the model talk. What it said until it was cut or failed is kept. A sentence whose first clause is unsure is not said at
/// all.
pub(crate) fn narrate(
    request: &NarrationRequest,
    telling: &Telling<'_>,
    model: &mut dyn Imagine,
    control: &StepControl,
    on_event: &mut dyn FnMut(SessionEvent),
) -> NarrationNote {
    let grounded = |clause: &str| mentions(clause).iter().all(|mention| is_grounded(telling.view, mention));
    let mut sentence = Sentence::new(telling.least, &grounded);
    let mut say = |text: &str| {
        if !text.is_empty() {
            on_event(SessionEvent::NarrationText(text.to_owned()));
        }
    };
    let mut cut = false;
    let outcome = model.narrate(request, &control.hush, &mut |piece| {
        cut |= control.cancel.cancelled() || control.hush.cancelled();
        cut |= sentence.bytes() + piece.text.len() > MAX_NARRATION_BYTES;
        if !cut {
            say(sentence.take(piece));
        }
        if cut || sentence.ended {
            control.hush.cancel();
        }
    });
    cut |= !sentence.ended && (control.cancel.cancelled() || control.hush.cancelled());
    if !cut && outcome.is_ok() {
        say(sentence.finish());
    }
    if let Err(error) = outcome
        && !matches!(error, EngineError::Cancelled)
    {
        cut = true;
        on_event(SessionEvent::Warning(format!("the narration broke off: {error}")));
    }
    let mut text = sentence.said;
    if let Some(reminder) = telling.reminder.as_ref().filter(|_| !cut) {
        let gap = if text.is_empty() { "" } else { " " };
        on_event(SessionEvent::NarrationText(format!("{gap}{reminder}")));
        text = format!("{text}{gap}{reminder}");
    }
    let note = NarrationNote { text, cut };
    on_event(SessionEvent::NarrationDone(note.clone()));
    note
}

/// A sentence that is said clause by clause.
struct Sentence<'a> {
    least: f32,
    /// Does the picture bear a clause out?
    grounded: &'a dyn Fn(&str) -> bool,
    said: String,
    /// The clause that is being decoded: its text, and the probability of the words in it that name something.
    clause: String,
    sure: f32,
    /// The word that is being decoded, with its probability.
    word: String,
    word_sure: f32,
    /// The first clause was unsure; nothing is said.
    ended: bool,
}

impl<'a> Sentence<'a> {
    fn new(least: f32, grounded: &'a dyn Fn(&str) -> bool) -> Self {
        let (said, clause, word) = Default::default();
        Self { least, grounded, said, clause, sure: 1.0, word, word_sure: 1.0, ended: false }
    }

    fn bytes(&self) -> usize {
        self.said.len() + self.clause.len()
    }

    /// Takes a piece; gives back what may be said now.
    fn take(&mut self, piece: TextPiece<'_>) -> &str {
        let from = self.said.len();
        if piece.text.starts_with([' ', ',', '.']) {
            self.end_word();
        }
        if matches!(piece.text.trim(), "," | "and" | ".") {
            self.end_clause();
        }
        if !self.ended {
            self.clause += piece.text;
            self.word += piece.text;
            self.word_sure *= piece.probability;
        }
        &self.said[from..]
    }

    /// The answer is complete; gives back what is left to say.
    fn finish(&mut self) -> &str {
        let from = self.said.len();
        self.end_word();
        self.end_clause();
        &self.said[from..]
    }

    fn end_word(&mut self) {
        if self.word.split_whitespace().any(names) {
            self.sure *= self.word_sure;
        }
        self.word.clear();
        self.word_sure = 1.0;
    }

    fn end_clause(&mut self) {
        if self.ended {
            return;
        }
        if self.sure >= self.least && (self.least <= 0.0 || (self.grounded)(&self.clause)) {
            self.said += &self.clause;
        } else if self.said.is_empty() {
            self.ended = true;
        }
        self.clause.clear();
        self.sure = 1.0;
    }
}

/// Is this a colour, or a word of what things are called?
fn names(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    Colour::ALL.into_iter().any(|colour| colour.name() == word)
        || Noun::ALL.into_iter().any(|noun| noun.word().split(' ').any(|part| part == word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(least: f32, pieces: &[(&str, f32)]) -> (String, Vec<String>) {
        let mut sentence = Sentence::new(least, &|clause: &str| !clause.contains("ghost"));
        let mut heard: Vec<String> = pieces
            .iter()
            .map(|(text, probability)| sentence.take(TextPiece { text, probability: *probability }).to_owned())
            .collect();
        heard.push(sentence.finish().to_owned());
        heard.retain(|text| !text.is_empty());
        (sentence.said, heard)
    }

    #[test]
    fn clauses_that_are_unsure_are_left_out() {
        let pieces = [
            ("You", 0.3),
            (" see", 1.0),
            (" a", 0.4),
            (" red", 0.9),
            (" door", 0.9),
            (" ahead", 0.2),
            (",", 0.5),
            (" an", 0.5),
            (" or", 0.9),
            ("ange", 0.7),
            (" box", 1.0),
            (" on", 0.1),
            (" the", 1.0),
            (" left", 1.0),
            (" and", 0.5),
            (" a", 1.0),
            (" blue", 0.9),
            (" ball", 0.9),
            (" ahead", 1.0),
            (".", 1.0),
        ];
        let (whole, heard) = told(0.6, &pieces);
        assert_eq!(whole, "You see a red door ahead, an orange box on the left and a blue ball ahead.");
        assert_eq!(heard, ["You see a red door ahead", ", an orange box on the left", " and a blue ball ahead", "."]);
        assert_eq!(told(0.7, &pieces).0, "You see a red door ahead and a blue ball ahead.");
        assert_eq!(told(0.9, &pieces).0, "");
        // Without a least probability everything is said as it was decoded.
        assert_eq!(told(0.0, &pieces).0, whole);
    }

    #[test]
    fn what_the_picture_does_not_bear_out_is_left_out() {
        let pieces = [
            ("You", 1.0),
            (" see", 1.0),
            (" a", 1.0),
            (" red", 1.0),
            (" door", 1.0),
            (",", 1.0),
            (" a", 1.0),
            (" ghost", 1.0),
            (" and", 1.0),
            (" a", 1.0),
            (" box", 1.0),
            (".", 1.0),
        ];
        assert_eq!(told(0.5, &pieces).0, "You see a red door and a box.");
    }

    #[test]
    fn words_that_name_nothing_need_no_certainty() {
        assert_eq!(
            told(0.9, &[("There", 0.1), (" are", 0.1), (" only", 0.1), (" tiles", 0.1), (".", 0.1)]).0,
            "There are only tiles."
        );
        assert_eq!(told(0.9, &[]).0, "");
    }
}
