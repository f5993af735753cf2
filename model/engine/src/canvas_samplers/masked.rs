//! Unknown cells are holes; each pass decides the surest of them, and what is decided stays (MaskGIT, arXiv 2202.04200).

use std::ops::RangeInclusive;

use super::{Canvas, CanvasSampler, Cell, Draws, Logits};
use crate::error::EngineError;

/// The sampler of weights that were trained with holes.
#[derive(Clone, Copy, Debug)]
pub struct MaskedConfidence {
    passes: u32,
    /// Free cells of the canvas.
    cells: usize,
}

impl MaskedConfidence {
    /// A sampler that makes up to `passes` passes, at least 1.
    #[must_use]
    pub fn new(passes: u32) -> Self {
        Self { passes: passes.max(1), cells: 0 }
    }
}

impl CanvasSampler for MaskedConfidence {
    fn begin(&mut self, canvas: &mut Canvas, _: &mut Draws) -> RangeInclusive<u32> {
        for cell in canvas.free() {
            canvas.restore(cell);
        }
        self.cells = canvas.free_cells();
        self.passes = self.passes.min(u32::try_from(self.cells).unwrap_or(u32::MAX));
        1..=self.passes
    }

    fn time(&self, pass: u32) -> f64 {
        1.0 - undecided_after(pass - 1, self.passes, self.cells) as f64 / self.cells.max(1) as f64
    }

    fn asks(&self, canvas: &Canvas) -> Vec<usize> {
        canvas.free().filter(|cell| !matches!(canvas.cells()[*cell], Cell::Code(_))).collect()
    }

    fn step(
        &mut self,
        canvas: &mut Canvas,
        logits: &Logits<'_>,
        pass: u32,
        draws: &mut Draws,
    ) -> Result<bool, EngineError> {
        let cells = self.asks(canvas);
        let mut drawn = draws.each(&cells, logits, pass, || (), |_, (), cell, choice| (cell, choice))?;
        // The surest first, equals in the order of cells.
        drawn.sort_by(|a, b| b.1.probability.total_cmp(&a.1.probability).then(a.0.cmp(&b.0)));
        let keep = drawn.len().saturating_sub(undecided_after(pass, self.passes, self.cells));
        for (cell, choice) in drawn.into_iter().take(keep) {
            draws.codes.keep(choice);
            canvas.write(cell, choice.index as u32);
        }
        Ok(false)
    }
}

/// How many of `cells` are still undecided after pass `pass` (from 1; all before) of `passes`: a cosine that ends at 0.
fn undecided_after(pass: u32, passes: u32, cells: usize) -> usize {
    if pass >= passes {
        return 0;
    }
    let angle = std::f64::consts::FRAC_PI_2 * f64::from(pass) / f64::from(passes);
    // Every pass decides at least one cell.
    ((cells as f64 * angle.cos()).floor() as usize).min(cells.saturating_sub(pass as usize))
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
