//! Parallel decoding of a canvas: known cells stay, the others are drawn in passes, the surest first.

use rhea_nn::transformer::{CanvasToken, NO_ID, Transformer};
use rhea_tokens::Vocabulary;

use crate::canvas::CellState;
use crate::error::EngineError;
use crate::limits;
use crate::request::Cancel;
use crate::sampler::Sampler;
use crate::stream::Stream;

/// The ids that a canvas is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CanvasIds {
    canvas: u32,
    partial: u32,
    hole: u32,
    visual_base: u32,
}

impl CanvasIds {
    /// The ids of a vocabulary.
    ///
    /// # Errors
    /// When the model has no canvas tokens: it decodes token by token only.
    pub fn new(vocabulary: &Vocabulary) -> Result<Self, EngineError> {
        let control = vocabulary.control();
        match (control.canvas, control.partial, control.hole) {
            (Some(canvas), Some(partial), Some(hole)) => {
                Ok(Self { canvas, partial, hole, visual_base: vocabulary.visual_base() })
            }
            _ => Err(EngineError::Request(
                "this model has no canvas tokens and cannot decode in parallel; next-token decoding is allowed"
                    .to_owned(),
            )),
        }
    }

    fn cell(&self, decided: Option<u32>, start: u32, state: CellState) -> CanvasToken {
        let plain = |id: u32| CanvasToken { id, marks: [self.canvas, NO_ID] };
        match (decided, state) {
            (Some(code), _) => plain(self.visual_base + code),
            (None, CellState::Partial) => {
                CanvasToken { id: self.visual_base + start, marks: [self.canvas, self.partial] }
            }
            (None, _) => plain(self.hole),
        }
    }
}

/// How many of `cells` are still undecided after pass `pass` (from 1) of `passes`: a cosine that ends at 0.
fn undecided_after(pass: u32, passes: u32, cells: usize) -> usize {
    if pass >= passes {
        return 0;
    }
    let angle = std::f64::consts::FRAC_PI_2 * f64::from(pass) / f64::from(passes);
    // Every pass decides at least one cell.
    ((cells as f64 * angle.cos()).floor() as usize).min(cells.saturating_sub(pass as usize))
}

/// A canvas to be drawn: the warped codes and how far each may be trusted.
pub(crate) struct Canvas<'a> {
    /// Codes of the warped picture; what stands in holes is not used.
    pub codes: &'a [u32],
    /// What memory knows.
    pub states: &'a [CellState],
    /// Columns.
    pub cols: usize,
    /// Passes asked for.
    pub passes: u32,
}

/// Draws the unknown cells behind what `stream` has read. Returns all codes and the passes made.
pub(crate) fn draw(
    model: &Transformer,
    stream: &mut Stream,
    ids: CanvasIds,
    canvas: &Canvas<'_>,
    sampler: &mut Sampler,
    cancel: &Cancel,
) -> Result<(Vec<u32>, u32), EngineError> {
    if !(1..=limits::PASSES).contains(&canvas.passes) {
        return Err(EngineError::Request(format!("{} passes; allowed are 1 to {}", canvas.passes, limits::PASSES)));
    }
    let known = |(code, state): (&u32, &CellState)| (*state == CellState::Known).then_some(*code);
    let mut decided: Vec<Option<u32>> = canvas.codes.iter().zip(canvas.states).map(known).collect();
    let unknown = decided.iter().filter(|cell| cell.is_none()).count();
    let passes = canvas.passes.min(u32::try_from(unknown).unwrap_or(u32::MAX));
    for pass in 1..=passes {
        if cancel.cancelled() {
            return Err(EngineError::Cancelled);
        }
        let cells: Vec<CanvasToken> = decided
            .iter()
            .zip(canvas.codes.iter().zip(canvas.states))
            .map(|(decided, (code, state))| ids.cell(*decided, *code, *state))
            .collect();
        let logits = stream.denoise(model, &cells, canvas.cols)?;
        let width = logits.len() / cells.len();
        let mut drawn = Vec::new();
        for (cell, row) in logits.chunks_exact(width).enumerate().filter(|(cell, _)| decided[*cell].is_none()) {
            drawn.push((cell, sampler.draw(row, |_| true, (u64::from(pass), cell as u64))?));
        }
        // The surest first; a stable sort keeps equals in the order of cells.
        drawn.sort_by(|a, b| b.1.probability.total_cmp(&a.1.probability));
        let keep = drawn.len().saturating_sub(undecided_after(pass, passes, unknown));
        for (cell, choice) in drawn.into_iter().take(keep) {
            decided[cell] = Some(choice.index as u32);
        }
    }
    Ok((decided.into_iter().zip(canvas.codes).map(|(cell, code)| cell.unwrap_or(*code)).collect(), passes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_falls_and_ends_at_nothing() {
        for (passes, cells) in [(1, 64), (4, 64), (8, 8), (64, 64), (3, 3)] {
            let mut before = cells;
            for pass in 1..=passes {
                let left = undecided_after(pass, passes, cells);
                assert!(left < before, "pass {pass} of {passes}: {left} of {before}");
                before = left;
            }
            assert_eq!(before, 0);
        }
        // Few cells early, many late.
        assert!(undecided_after(1, 8, 64) >= 60 && undecided_after(7, 8, 64) <= 13);
    }
}
