//! The random numbers of a canvas, each addressed by what it is for, the pass and the cell.

use rayon::prelude::*;

use super::Logits;
use crate::error::EngineError;
use crate::request::Filter;
use crate::sampler::{Drawn, Sampler, Uniforms};

const NOISE_SEED: u64 = 0x6e6f_6973_652e_2e2e;
const JUMP_SEED: u64 = 0x6a75_6d70_2e2e_2e2e;
const TARGET_SEED: u64 = 0x7461_7267_6574_2e2e;

/// Random numbers of one request.
#[derive(Clone, Debug)]
pub struct Draws {
    /// Draws codes from logits.
    pub codes: Sampler,
    noise: Uniforms,
    jumps: Uniforms,
    targets: Uniforms,
}

impl Draws {
    /// The numbers of a seed; `filter` is applied to logits before a code is drawn.
    ///
    /// # Errors
    /// As [`Sampler::new`].
    pub fn new(seed: u64, filter: Filter) -> Result<Self, EngineError> {
        Ok(Self {
            codes: Sampler::new(seed, filter)?,
            noise: Uniforms::new(seed ^ NOISE_SEED),
            jumps: Uniforms::new(seed ^ JUMP_SEED),
            targets: Uniforms::new(seed ^ TARGET_SEED),
        })
    }

    /// Draws a code for each of `cells` and lets `then` follow it, shared among rayon's threads: what is drawn in a cell depends
    /// on no other. `scratch` makes what a thread needs.
    ///
    /// # Errors
    /// [`EngineError::NonFinite`] with the number of the pass, of the first cell where that is so.
    pub fn each<S, T: Send>(
        &self,
        cells: &[usize],
        logits: &Logits<'_>,
        pass: u32,
        scratch: impl Fn() -> S + Sync + Send,
        then: impl Fn(&mut Self, &mut S, usize, Drawn) -> T + Sync + Send,
    ) -> Result<Vec<T>, EngineError> {
        /// Cells below which sharing takes longer than drawing.
        const FEW: usize = 4;
        let one = |(draws, scratch): &mut (Self, S), cell: &usize| {
            let drawn = draws.codes.draw(logits.cell(*cell), |_| true, (u64::from(pass), *cell as u64))?;
            Ok(then(draws, scratch, *cell, drawn))
        };
        let all: Vec<Result<T, EngineError>> =
            cells.par_iter().with_min_len(FEW).map_init(|| (self.clone(), scratch()), one).collect();
        all.into_iter().collect()
    }

    /// A random code below `count`, for a cell that becomes noise in a pass (0 is before the first).
    pub fn noise(&mut self, pass: u32, cell: usize, count: usize) -> u32 {
        (f64::from(self.noise.at(u64::from(pass), cell as u64)) * count as f64) as u32
    }

    /// Decides in `[0, 1)` whether a cell jumps in a pass.
    pub fn jump(&mut self, pass: u32, cell: usize) -> f64 {
        f64::from(self.jumps.at(u64::from(pass), cell as u64))
    }

    /// Decides in `[0, 1)` where a cell jumps to in a pass.
    pub fn target(&mut self, pass: u32, cell: usize) -> f64 {
        f64::from(self.targets.at(u64::from(pass), cell as u64))
    }
}
