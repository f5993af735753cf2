//! What was written so far: the grammar goes on, listeners are told, and something may end the answer.

use rhea_tokens::Vocabulary;

use super::event::{FinishReason, Usage};
use super::machine::Machine;
use super::request::Stop;
use super::run::TokenEvent;

/// An answer in the making, wherever its tokens are drawn.
pub struct Trail<'a, 'v> {
    /// The vocabulary.
    pub vocabulary: &'v Vocabulary,
    /// The grammar.
    pub machine: &'a mut Machine<'v>,
    /// Everything behind the prompt.
    pub written: &'a mut Vec<u32>,
    /// What it took.
    pub usage: &'a mut Usage,
    /// What ends it.
    pub stop: Stop,
}

impl Trail<'_, '_> {
    /// Takes an id up. Says why the answer ends with it, if it does.
    pub fn push(&mut self, id: u32, on_event: &mut dyn FnMut(TokenEvent<'_>)) -> Option<FinishReason> {
        let Self { vocabulary, machine, written, usage, stop } = self;
        let control = vocabulary.control();
        let before = machine.rows().is_some();
        // The machine forgets a picture at its end.
        let finished = machine.rows().filter(|_| id == control.eoi).map(|(grid, codes)| (grid, codes.to_vec()));
        machine.push(id);
        written.push(id);
        usage.tokens += 1;
        on_event(TokenEvent::Token(id));
        match (machine.rows(), finished) {
            (Some((grid, _)), _) if !before => on_event(TokenEvent::PictureStarted(grid)),
            (Some((grid, codes)), _) if id == control.eol => on_event(TokenEvent::Row(grid, codes)),
            (None, Some((grid, codes))) => on_event(TokenEvent::PictureDone(grid, &codes)),
            _ => {}
        }
        usage.pictures = machine.pictures();
        if id == control.eos && !machine.in_picture() {
            return Some(FinishReason::EndOfStream);
        }
        if id == control.ess && stop.answer {
            return Some(FinishReason::EndOfAnswer);
        }
        if id == control.eoi && stop.pictures.is_some_and(|most| machine.pictures() >= most) {
            return Some(FinishReason::Pictures);
        }
        (usage.tokens >= stop.tokens).then_some(FinishReason::Tokens)
    }
}
