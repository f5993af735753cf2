//! A step of a walk for models that read earlier views as pictures: what stands in the prompt, and how much of it fits.
//!
//! ```text
//! BOS You are a helpful assistant for explore task. USER: {world} Where the walk began: {picture} Seen at step 12, 30 degrees
//! to the left: {picture} ... {command} ASSISTANT: BSS {picture}{narration} ESS USER: {command} ASSISTANT: BSS ...
//! ```
//!
//! The anchor is the first view. Recalled views stand far to near; the latest turns are turns. No template for this is
//! published: it goes on from the common one.

use crate::error::TokensError;
use crate::picture::Grid;
use crate::prompts::{Task, next_turn, prompt, prompt_around, unconditional};
use crate::text::TextTokenizer;

/// Most recalled views in one prompt.
const MOST_RECALLED: usize = 8;
/// Most turns that stay turns.
const MOST_TURNS: usize = 2;
/// From here on recalled views are given up before turns are.
const FEW_RECALLED: usize = 2;

/// Tokens that the parts of a walk's prompt take at most: what is planned with before anything is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Tokens that the model reads and writes together.
    pub context: usize,
    /// The size of all views.
    pub grid: Grid,
    /// The template, and the sentence about the world.
    pub world: usize,
    /// The words before a shown view.
    pub words: usize,
    /// A command with the frame of its turn.
    pub command: usize,
    /// A narration with its end.
    pub narration: usize,
}

/// How many views a prompt shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Recalled views.
    pub recalled: usize,
    /// Turns.
    pub turns: usize,
    /// The first view?
    pub anchor: bool,
    /// Tokens of prompt and answer at most.
    pub tokens: usize,
}

impl Budget {
    /// The usual room for words, measured with the published vocabulary: 200 tokens for the world, 32 for the words of a view, 64
    /// for a command, 160 for a narration.
    #[must_use]
    pub fn new(context: usize, grid: Grid) -> Self {
        Self { context, grid, world: 240, words: 32, command: 64, narration: 160 }
    }

    /// Tokens of a prompt with its answer.
    #[must_use]
    pub fn tokens(&self, recalled: usize, turns: usize, anchor: bool) -> usize {
        let picture = self.grid.tokens();
        let shown = (recalled + usize::from(anchor)) * (picture + self.words);
        let answered = turns * (self.command + picture + self.narration);
        self.world + shown + answered + self.command + picture + self.narration
    }

    /// What fits when `seen` views (the anchor and those of the turns not counted) and `turns` turns are there to show. Never more
    /// than the context; `None` when not even a command with its answer fits.
    #[must_use]
    pub fn share(&self, seen: usize, turns: usize, anchor: bool) -> Option<Share> {
        ladder(seen.min(MOST_RECALLED), turns.min(MOST_TURNS), anchor)
            .map(|(recalled, turns, anchor)| {
                let tokens = self.tokens(recalled, turns, anchor);
                Share { recalled, turns, anchor, tokens }
            })
            .find(|share| share.tokens <= self.context)
    }
}

/// What is given up, in this order: recalled views down to a few, the older turn, the rest of the recalled views, the latest turn,
/// the anchor.
fn ladder(recalled: usize, turns: usize, anchor: bool) -> impl Iterator<Item = (usize, usize, bool)> {
    let few = recalled.min(FEW_RECALLED);
    let fewer = (few..=recalled).rev().map(move |recalled| (recalled, turns, anchor));
    let one_turn = (0..=few).rev().map(move |recalled| (recalled, turns.min(1), anchor));
    fewer.chain(one_turn).chain([(0, 0, anchor), (0, 0, false)])
}

/// A view that is shown again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownView {
    /// A clause: "Seen at step 12, 30 degrees to the left".
    pub words: String,
    /// Ids of the whole picture.
    pub picture: Vec<u32>,
}

/// A turn of the walk that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastTurn {
    /// What was asked.
    pub command: String,
    /// Ids of the whole picture that answered it.
    pub picture: Vec<u32>,
    /// What was said about it.
    pub narration: String,
}

/// The parts of a step's prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalkPrompt {
    /// The sentence about the world; may be empty.
    pub world: String,
    /// Ids of the first view.
    pub anchor: Option<Vec<u32>>,
    /// Recalled views, far to near.
    pub recalled: Vec<ShownView>,
    /// The latest turns, oldest first.
    pub turns: Vec<PastTurn>,
    /// What is asked now.
    pub command: String,
}

/// The ids of a step, BOS to BSS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkIds {
    /// The whole prompt.
    pub conditional: Vec<u32>,
    /// What guidance compares with: the same pictures without words.
    pub unconditional: Vec<u32>,
    /// What of it is shown.
    pub share: Share,
}

impl WalkPrompt {
    /// The ids that fit `room`, which must leave space for the answer. Words are counted as they are, so this gives up parts where
    /// the plan of a [`Budget`] was too bold.
    ///
    /// # Errors
    /// When a text is over its limit, or not even the command fits.
    pub fn ids(&self, tokenizer: &TextTokenizer, room: usize) -> Result<WalkIds, TokensError> {
        let mut smallest = 0;
        for (recalled, turns, anchor) in ladder(self.recalled.len(), self.turns.len(), self.anchor.is_some()) {
            // The nearest views come last, the latest turns too.
            let views = self.recalled.get(self.recalled.len() - recalled..).unwrap_or_default();
            let turns = self.turns.get(self.turns.len() - turns..).unwrap_or_default();
            let anchor = self.anchor.as_deref().filter(|_| anchor);
            let conditional = self.conditional(tokenizer, anchor, views, turns)?;
            let pictures: Vec<Vec<u32>> = anchor
                .map(<[u32]>::to_vec)
                .into_iter()
                .chain(views.iter().map(|view| view.picture.clone()))
                .chain(turns.iter().map(|turn| turn.picture.clone()))
                .collect();
            let unconditional = unconditional(tokenizer, &pictures)?;
            smallest = conditional.len().max(unconditional.len());
            if smallest <= room {
                let share = Share { recalled, turns: turns.len(), anchor: anchor.is_some(), tokens: smallest };
                return Ok(WalkIds { conditional, unconditional, share });
            }
        }
        let what = "the command of a step";
        Err(TokensError::TooLarge { what, size: smallest as u64, unit: "tokens", limit: room as u64 })
    }

    fn conditional(
        &self,
        tokenizer: &TextTokenizer,
        anchor: Option<&[u32]>,
        views: &[ShownView],
        turns: &[PastTurn],
    ) -> Result<Vec<u32>, TokensError> {
        let began = anchor.map(|picture| ("Where the walk began: ".to_owned(), picture));
        let seen = views.iter().map(|view| (format!("{}: ", view.words), view.picture.as_slice()));
        let shown: Vec<(String, &[u32])> = began.into_iter().chain(seen).collect();
        let first = turns.first().map_or(self.command.as_str(), |turn| turn.command.as_str());
        let mut ids = if shown.is_empty() {
            prompt(tokenizer, Task::Explore, &crate::prompts::explore_text(&self.world, first), &[])?
        } else {
            prompt_around(tokenizer, Task::Explore, &self.world, &shown, first)?
        };
        let ess = tokenizer.vocabulary().control().ess;
        for (number, turn) in turns.iter().enumerate() {
            ids.extend_from_slice(&turn.picture);
            ids.extend(tokenizer.encode_ordinary(&turn.narration)?);
            ids.push(ess);
            let asked = turns.get(number + 1).map_or(self.command.as_str(), |next| next.command.as_str());
            ids.extend(next_turn(tokenizer, asked, &[])?);
        }
        Ok(ids)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// The published context.
    const CONTEXT: usize = 32_768;

    fn grid(side_px: usize) -> Grid {
        Grid::new(side_px / 16, side_px / 16).unwrap()
    }

    #[test]
    fn pictures_have_their_published_lengths() {
        // 32 * 32 + 31 line ends + BOI, four digits, *, IMG, EOI; and the same for 45.
        assert_eq!((grid(512).tokens(), grid(720).tokens(), grid(144).tokens()), (1063, 2077, 95));
        assert_eq!(Grid::new(100, 9).unwrap().tokens(), 900 + 99 + 8);
    }

    #[test]
    fn a_walk_of_any_length_stays_in_the_context() {
        for (side_px, views) in [(512, 11), (720, 11)] {
            let budget = Budget::new(CONTEXT, grid(side_px));
            for step in 0..2000 {
                let turns = step.min(MOST_TURNS);
                let seen = step.saturating_sub(turns);
                let share = budget.share(seen, turns, step > 0).unwrap();
                assert!(share.tokens <= CONTEXT, "{share:?} at step {step}");
                if step >= 40 {
                    assert_eq!(share.recalled + share.turns + 1, views, "{share:?}");
                }
            }
        }
        // A transcript without recall is over at step 14.
        let transcript = |steps: usize| (steps + 1) * (2077 + 120);
        assert!(transcript(13) <= CONTEXT && transcript(14) > CONTEXT);
    }

    #[test]
    fn a_small_context_gives_up_the_less_needed_first() {
        let grid = grid(512);
        let share = |context| Budget::new(context, grid).share(50, 2, true);
        assert_eq!(share(9000).map(|s| (s.recalled, s.turns, s.anchor)), Some((3, 2, true)));
        assert_eq!(share(6000).map(|s| (s.recalled, s.turns, s.anchor)), Some((1, 1, true)));
        assert_eq!(share(3000).map(|s| (s.recalled, s.turns, s.anchor)), Some((0, 0, true)));
        assert_eq!(share(1600).map(|s| (s.recalled, s.turns, s.anchor)), Some((0, 0, false)));
        assert_eq!(share(1000), None);
    }
}
