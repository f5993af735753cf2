//! Flows under a denoiser that knows the truth: the exact posterior of two cells with a known joint distribution.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::*;
use super::PLAIN;
use crate::canvas::CellState;

/// Codes on a circle, unevenly: some near each other, some far.
const ANGLES: [f64; 6] = [0.0, 0.5, 1.4, 2.6, 3.9, 5.2];
const K: usize = ANGLES.len();

fn codebook() -> Vec<f32> {
    // Lengths differ: distances must not see them.
    let vector = |(angle, i): (&f64, u8)| {
        let length = 0.5 + f64::from(i);
        [(length * angle.cos()) as f32, (length * angle.sin()) as f32]
    };
    ANGLES.iter().zip(0..).flat_map(vector).collect()
}

fn distance(a: usize, b: usize) -> f64 {
    2.0 - 2.0 * (ANGLES[a] - ANGLES[b]).cos()
}

/// `p_t(shown | truth)` from the definitions; a hole is `None`.
fn shown_given(flow: &Flow, noise: Noise, shown: Option<u32>, truth: usize, t: f64) -> f64 {
    match (flow.path, shown) {
        (FlowPath::Metric(MetricPath { alpha, c }), Some(shown)) => {
            let beta = c * (t / (1.0 - t)).powf(alpha);
            let total: f64 = (0..K).map(|v| (-beta * distance(v, truth)).exp()).sum();
            (-beta * distance(shown as usize, truth)).exp() / total
        }
        (FlowPath::Mixture, None) => 1.0 - t,
        (_, Some(shown)) => {
            let random = if noise == Noise::Hole { 0.0 } else { (1.0 - t) / K as f64 };
            random + if shown as usize == truth { t } else { 0.0 }
        }
        (FlowPath::Metric(_), None) => 0.0,
    }
}

/// The exact posterior of each cell when the pair of true codes is distributed as `joint`, `(K, K)`.
struct Exact<'a> {
    joint: &'a [f64],
    flow: Flow,
    noise: Noise,
    values: Vec<f32>,
}

impl Denoiser for Exact<'_> {
    fn denoise(&mut self, canvas: &Canvas, _: &[usize], t: f64) -> Result<Logits<'_>, EngineError> {
        let mut posterior = [0.0; 2 * K];
        let shown = [canvas.cells()[0].code(), canvas.cells()[1].code()];
        let given =
            shown.map(|shown| std::array::from_fn::<f64, K, _>(|a| shown_given(&self.flow, self.noise, shown, a, t)));
        for a in 0..K {
            for b in 0..K {
                let weight = self.joint[a * K + b] * given[0][a] * given[1][b];
                posterior[a] += weight;
                posterior[K + b] += weight;
            }
        }
        self.values = posterior.iter().map(|p| (p.max(1e-30)).ln() as f32).collect();
        Ok(Logits::new(&self.values, K))
    }
}

/// Share of each pair among `n` drawn canvases.
fn shares(joint: &[f64], flow: Flow, noise: Noise, passes: u32, n: u64) -> Vec<f64> {
    let metric = CodeMetric::new(&codebook(), K).unwrap();
    let mut shares = vec![0.0; K * K];
    for seed in 0..n {
        let mut canvas = Canvas::new(&[0; 2], &[CellState::Hole; 2], 2).unwrap();
        let mut denoiser = Exact { joint, flow, noise, values: Vec::new() };
        let mut sampler = FlowSampler::new(flow, passes, noise, &metric);
        let mut draws = Draws::new(seed, PLAIN).unwrap();
        draw(&mut denoiser, &mut sampler, &mut canvas, &mut draws, &Cancel::default()).unwrap();
        let codes = canvas.into_codes().unwrap();
        shares[codes[0] as usize * K + codes[1] as usize] += 1.0 / n as f64;
    }
    shares
}

fn first_marginal(joint: &[f64]) -> Vec<f64> {
    joint.chunks_exact(K).map(|row| row.iter().sum()).collect()
}

/// Sum of squared differences over what is expected: chi-square over the number of draws.
fn chi_square(got: &[f64], want: &[f64]) -> f64 {
    got.iter().zip(want).map(|(g, w)| (g - w).powi(2) / w).sum()
}

fn distributions() -> [(&'static str, Vec<f64>); 2] {
    let normal = |mut weights: Vec<f64>| {
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|w| *w /= total);
        weights
    };
    let one = [6.0, 1.0, 3.0, 2.0, 1.0, 4.0];
    let product = normal((0..K * K).map(|i| one[i / K] * one[(i + 2) % K]).collect());
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    // Pairs on one diagonal are twenty times as likely as the others.
    let linked = |i: usize| if (i / K + 1) % K == i % K { 20.0 } else { 1.0 };
    let correlated = normal((0..K * K).map(|i| linked(i) * rng.random_range(0.5..1.5)).collect());
    [("product", product), ("correlated", correlated)]
}

#[test]
fn flows_reach_the_distribution_that_an_exact_denoiser_knows() {
    const UNIFORM: Noise = Noise::Uniform { codes: K };
    const DRAWS: u64 = 4000;
    // Chance alone gives about 35 / 4000 = 0.009 over pairs and 0.001 over codes; the steps' own error comes on top.
    for (path, flow, noise) in [
        ("metric", Flow::METRIC, UNIFORM),
        ("metric, shifted", Flow { shift: 2.0, ..Flow::METRIC }, UNIFORM),
        ("mixture", Flow::MIXTURE, UNIFORM),
        ("mixture, holes", Flow::MIXTURE, Noise::Hole),
    ] {
        for (name, joint) in distributions() {
            let got = shares(&joint, flow, noise, 64, DRAWS);
            let pairs = chi_square(&got, &joint);
            let codes = chi_square(&first_marginal(&got), &first_marginal(&joint));

            assert!(pairs < 0.03 && codes < 0.008, "{path}, {name}: {pairs} over pairs, {codes} over codes");
        }
    }
}

#[test]
fn more_passes_come_nearer() {
    let (_, joint) = &distributions()[1];
    for flow in [Flow::METRIC, Flow::MIXTURE] {
        let far = |passes| chi_square(&shares(joint, flow, Noise::Uniform { codes: K }, passes, 3000), joint);
        let (one, four, many) = (far(1), far(4), far(32));
        assert!(one > 2.0 * four && four > many, "{flow:?}: {one} {four} {many}");
    }
}

#[test]
fn one_pass_moves_cells_as_the_formulas_say() {
    const N: u64 = 40_000;
    let metric = CodeMetric::new(&codebook(), K).unwrap();
    let logits: Vec<f32> = [0.3, -0.7, 1.1, 0.0, 0.4, -0.2].repeat(2);
    let (passes, pass, shift, current) = (5_u32, 3_u32, 1.7, [3_usize, 0]);
    let clock = |s: u32| {
        let sigma = 1.0 - f64::from(s) / f64::from(passes);
        1.0 - shift * sigma / (1.0 + (shift - 1.0) * sigma)
    };
    let (t, dt) = (clock(pass - 1), clock(pass) - clock(pass - 1));
    let total: f64 = logits[..K].iter().map(|z| f64::from(*z).exp()).sum();
    for flow in [Flow { shift, ..Flow::METRIC }, Flow { shift, ..Flow::MIXTURE }] {
        let mut sampler = FlowSampler::new(flow, passes, Noise::Hole, &metric);
        let mut counts = [0.0; 2 * K];
        for seed in 0..N {
            let mut canvas = Canvas::new(&[0; 2], &[CellState::Hole; 2], 2).unwrap();
            (0..2).for_each(|cell| canvas.write(cell, current[cell] as u32));
            let mut draws = Draws::new(seed, PLAIN).unwrap();
            sampler.step(&mut canvas, &Logits::new(&logits, K), pass, &mut draws).unwrap();
            for (cell, shown) in canvas.cells().iter().enumerate() {
                counts[cell * K + shown.code().unwrap() as usize] += 1.0 / N as f64;
            }
        }
        for cell in 0..2 {
            let x = current[cell];
            let mut want = [0.0; K];
            for (y, logit) in logits.iter().enumerate().take(K) {
                let chosen = f64::from(*logit).exp() / total;
                let rate = |v: usize| match flow.path {
                    _ if v == x => 0.0,
                    FlowPath::Mixture => f64::from(u8::from(v == y)) / (1.0 - t),
                    FlowPath::Metric(MetricPath { alpha, c }) => {
                        let slope = c * alpha * t.powf(alpha - 1.0) / (1.0 - t).powf(alpha + 1.0);
                        let nearer = (distance(x, y) - distance(v, y)).max(0.0);
                        shown_given(&flow, Noise::Hole, Some(v as u32), y, t) * slope * nearer
                    }
                };
                let rates: Vec<f64> = (0..K).map(rate).collect();
                let sum: f64 = rates.iter().sum();
                let jump = 1.0 - (-dt * sum).exp();
                want[x] += chosen * (1.0 - jump);
                if sum > 0.0 {
                    (0..K).for_each(|v| want[v] += chosen * jump * rates[v] / sum);
                }
            }
            for v in 0..K {
                let (got, want) = (counts[cell * K + v], want[v]);
                assert!(
                    (got - want).abs() < 4.5 * (want / N as f64).sqrt() + 1e-4,
                    "{flow:?} {x} to {v}: {got} {want}"
                );
            }
        }
    }
}

#[test]
fn training_noise_is_that_of_the_path() {
    const N: usize = 40_000;
    let metric = CodeMetric::new(&codebook(), K).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let mut buffers = FlowBuffers::default();
    for flow in [Flow::METRIC, Flow::MIXTURE] {
        for (truth, t) in [(0_u32, 0.0), (2, 0.2), (4, 0.8)] {
            let mut shares = [0.0; K];
            for _ in 0..N {
                shares[flow.corrupt(truth, t, &metric, &mut rng, &mut buffers) as usize] += 1.0 / N as f64;
            }
            for (shown, got) in shares.into_iter().enumerate() {
                let noise = Noise::Uniform { codes: K };
                let want = shown_given(&flow, noise, Some(shown as u32), truth as usize, t);
                assert!(
                    (got - want).abs() < 4.5 * (want / N as f64).sqrt() + 1e-4,
                    "{flow:?} {truth} {t}: {got} {want}"
                );
            }
        }
        let mut times: Vec<f64> = (0..N).map(|_| Flow { shift: 3.0, ..flow }.training_time(&mut rng)).collect();
        times.sort_by(f64::total_cmp);
        assert!(times[0] >= 0.0 && times[N - 1] < 0.9997);
        // sigma = 1/2 in the middle: t = 1 - 3/2 / (1 + 2/2) = 1/4.
        assert!((times[N / 2] - 0.25).abs() < 0.01, "{}", times[N / 2]);
    }
}
