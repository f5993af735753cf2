//! All samplers: what stays, what a seed decides, when they end, and where a known denoiser leads them.
#![allow(clippy::unwrap_used, reason = "tests")]

mod exact;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::canvas::CellState;
use crate::request::Filter;

const CODES: usize = 12;
const PLAIN: Filter = Filter { temperature: 1.0, top_k: 0, top_p: 1.0 };

fn metric() -> CodeMetric {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let book: Vec<f32> = (0..CODES * 4).map(|_| rng.random_range(-1.0..1.0)).collect();
    CodeMetric::new(&book, CODES).unwrap()
}

/// Logits that depend on the whole canvas, so that a cell that is wrong is noticed.
struct Hash {
    values: Vec<f32>,
    /// Scale of the logits: large ones are sure.
    scale: f32,
    /// The pass whose logits hold a NaN.
    broken_at: Option<u32>,
    passes: u32,
    times: Vec<f64>,
}

impl Hash {
    fn new(scale: f32) -> Self {
        Self { values: Vec::new(), scale, broken_at: None, passes: 0, times: Vec::new() }
    }
}

impl Denoiser for Hash {
    fn denoise(&mut self, canvas: &Canvas, _: &[usize], t: f64) -> Result<Logits<'_>, EngineError> {
        self.passes += 1;
        self.times.push(t);
        let seen = canvas.cells().iter().fold(7_u64, |h, cell| {
            let code = cell.code().map_or(99, u64::from);
            (h ^ code).wrapping_mul(0x0100_0000_01b3).rotate_left(17)
        });
        let mut rng = ChaCha8Rng::seed_from_u64(seen);
        self.values = (0..canvas.cells().len() * CODES).map(|_| rng.random_range(-1.0..1.0) * self.scale).collect();
        if self.broken_at == Some(self.passes) {
            self.values.fill(f32::NAN);
        }
        Ok(Logits::new(&self.values, CODES))
    }
}

const UNIFORM: Noise = Noise::Uniform { codes: CODES };

/// Every sampler, with both kinds of noise where it takes both.
fn samplers(metric: &CodeMetric, passes: u32) -> Vec<(&'static str, Box<dyn CanvasSampler + '_>)> {
    let metric_flow = Flow { shift: 2.5, ..Flow::METRIC };
    let settings = EntropySettings { bound: 4.0, ..EntropySettings::PICTURE };
    vec![
        ("masked", Box::new(MaskedConfidence::new(passes))),
        ("metric", Box::new(FlowSampler::new(metric_flow, passes, UNIFORM, metric))),
        ("metric, holes", Box::new(FlowSampler::new(Flow::METRIC, passes, Noise::Hole, metric))),
        ("mixture", Box::new(FlowSampler::new(Flow::MIXTURE, passes, UNIFORM, metric))),
        ("mixture, holes", Box::new(FlowSampler::new(Flow::MIXTURE, passes, Noise::Hole, metric))),
        ("entropy", Box::new(EntropyBound::new(settings, passes, UNIFORM))),
        ("entropy, holes", Box::new(EntropyBound::new(settings, passes, Noise::Hole))),
    ]
}

fn states(rng: &mut ChaCha8Rng, cells: usize) -> Vec<CellState> {
    let state = |_| match rng.random_range(0..3) {
        0 => CellState::Known,
        1 => CellState::Partial,
        _ => CellState::Hole,
    };
    (0..cells).map(state).collect()
}

#[test]
fn pinned_cells_never_change_and_nothing_is_left_open() {
    let metric = metric();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for round in 0..60 {
        let passes = rng.random_range(1..12);
        let states = states(&mut rng, 20);
        let codes: Vec<u32> = (0..20).map(|_| rng.random_range(0..CODES as u32)).collect();
        for (name, mut sampler) in samplers(&metric, passes) {
            let mut canvas = Canvas::new(&codes, &states, 5).unwrap();
            let mut draws = Draws::new(round, PLAIN).unwrap();
            let mut denoiser = Hash::new(4.0);
            let range = sampler.begin(&mut canvas, &mut draws);
            for pass in range {
                let logits = denoiser.denoise(&canvas, &sampler.asks(&canvas), sampler.time(pass)).unwrap();
                let done = sampler.step(&mut canvas, &logits, pass, &mut draws).unwrap();
                for (cell, state) in states.iter().enumerate().filter(|(_, s)| **s == CellState::Known) {
                    assert_eq!(canvas.cells()[cell], Cell::Pinned(codes[cell]), "{name}, {state:?}, pass {pass}");
                }
                if done {
                    break;
                }
            }
            assert!(denoiser.passes <= passes, "{name}");
            assert!(denoiser.times.is_sorted() && denoiser.times.iter().all(|t| (0.0..1.0).contains(t)), "{name}");
            let finished = canvas.into_codes().unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(finished.iter().all(|code| (*code as usize) < CODES));
        }
    }
}

fn finish(sampler: &mut dyn CanvasSampler, canvas: &mut Canvas, seed: u64) -> (Vec<u32>, u32) {
    let mut draws = Draws::new(seed, PLAIN).unwrap();
    let made = draw(&mut Hash::new(3.0), sampler, canvas, &mut draws, &Cancel::default()).unwrap();
    (canvas.clone().into_codes().unwrap(), made)
}

#[test]
fn a_seed_decides_and_the_order_of_cells_does_not() {
    let metric = metric();
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let states = states(&mut rng, 24);
    let canvas = Canvas::new(&[3; 24], &states, 6).unwrap();
    for (index, (name, mut sampler)) in samplers(&metric, 7).into_iter().enumerate() {
        let first = finish(sampler.as_mut(), &mut canvas.clone(), 5);
        assert_eq!(first, finish(sampler.as_mut(), &mut canvas.clone(), 5), "{name}: the sampler keeps nothing");
        assert_ne!(first.0, finish(sampler.as_mut(), &mut canvas.clone(), 6).0, "{name}");
        let (_, mut fresh) = samplers(&metric, 7).remove(index);
        let mut other = canvas.clone();
        other.free.reverse();
        other.free.rotate_left(3);
        assert_eq!(first, finish(fresh.as_mut(), &mut other, 5), "{name}: another order");
    }
}

#[test]
fn logits_that_are_not_finite_name_their_pass() {
    let metric = metric();
    for (name, mut sampler) in samplers(&metric, 6) {
        let mut canvas = Canvas::new(&[0; 16], &[CellState::Hole; 16], 4).unwrap();
        let mut draws = Draws::new(1, PLAIN).unwrap();
        let first = *sampler.begin(&mut canvas, &mut draws).start();
        let mut denoiser = Hash { broken_at: Some(3), ..Hash::new(3.0) };
        let error = draw(&mut denoiser, sampler.as_mut(), &mut canvas, &mut draws, &Cancel::default()).unwrap_err();
        let want = first as usize + 2;
        assert!(matches!(error, EngineError::NonFinite { step, count: CODES } if step == want), "{name}: {error}");
    }
}

#[test]
fn a_canvas_that_memory_knows_needs_no_pass() {
    let metric = metric();
    for (name, mut sampler) in samplers(&metric, 6) {
        let mut canvas = Canvas::new(&[4; 8], &[CellState::Known; 8], 4).unwrap();
        assert_eq!(finish(sampler.as_mut(), &mut canvas, 1), (vec![4; 8], 0), "{name}");
    }
}

/// The same sure logits whatever the canvas shows.
struct Sure(Vec<f32>);

impl Denoiser for Sure {
    fn denoise(&mut self, _: &Canvas, _: &[usize], _: f64) -> Result<Logits<'_>, EngineError> {
        Ok(Logits::new(&self.0, CODES))
    }
}

#[test]
fn sure_canvases_end_early_and_unsure_ones_at_the_last_pass() {
    let mut values = vec![0.0; 8 * CODES];
    values.iter_mut().step_by(CODES).for_each(|v| *v = 20.0);
    let run = |denoiser: &mut dyn Denoiser, stable_passes: u32| {
        let settings = EntropySettings { stable_passes, ..EntropySettings::PICTURE };
        let mut sampler = EntropyBound::new(settings, 20, UNIFORM);
        let mut canvas = Canvas::new(&[0; 8], &[CellState::Hole; 8], 4).unwrap();
        let mut draws = Draws::new(1, PLAIN).unwrap();
        let made = draw(denoiser, &mut sampler, &mut canvas, &mut draws, &Cancel::default()).unwrap();
        (canvas.into_codes().unwrap(), made)
    };
    assert_eq!(run(&mut Sure(values.clone()), 1), (vec![0; 8], 2));
    assert_eq!(run(&mut Sure(values), 3), (vec![0; 8], 4));
    assert_eq!(run(&mut Hash::new(0.1), 1).1, 20);
}
