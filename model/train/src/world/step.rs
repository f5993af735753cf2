//! One training step, and the figures of an evaluation.

use std::sync::{Arc, Mutex, PoisonError};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rhea_nn::NnError;
use rhea_nn::kernels::unit;
use rhea_nn::transformer::training::{Gradients, LossRow, Pass, RowLoss, Weights};
use rhea_nn::transformer::{Batch, Parameters};

use super::compute::{self, Compute};
use super::{CanvasNoise, Kind, Laid, LossWeights, Noise, WorldIds, WorldSample, WorldSource};
use super::{lay_out, lay_out_next_token, lay_out_uniform};
use crate::optim::Optimiser;
use crate::shards::Shards;

/// Rows of a forward pass: enough for wide products, few enough for the caches.
const ROWS_PER_PASS: usize = 1800;

/// Sums of losses per kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    counts: [u64; Kind::ALL.len()],
    nats: [f64; Kind::ALL.len()],
    correct: [u64; Kind::ALL.len()],
}

impl Scores {
    pub(super) fn count(&mut self, kind: Kind, loss: RowLoss) {
        let i = kind as usize;
        self.counts[i] += 1;
        self.nats[i] += f64::from(loss.nats);
        self.correct[i] += u64::from(loss.correct);
    }

    pub(super) fn add(&mut self, other: &Self) {
        for i in 0..Kind::ALL.len() {
            self.counts[i] += other.counts[i];
            self.nats[i] += other.nats[i];
            self.correct[i] += other.correct[i];
        }
    }

    /// Mean cross entropy in nats; `None` when there was no such target.
    #[must_use]
    pub fn nats(&self, kind: Kind) -> Option<f32> {
        let i = kind as usize;
        (self.counts[i] > 0).then(|| (self.nats[i] / self.counts[i] as f64) as f32)
    }

    /// Share of targets that were the most likely entry.
    #[must_use]
    pub fn top1(&self, kind: Kind) -> Option<f32> {
        let i = kind as usize;
        (self.counts[i] > 0).then(|| (self.correct[i] as f64 / self.counts[i] as f64) as f32)
    }

    /// Named figures for the log.
    #[must_use]
    pub fn figures(&self) -> Vec<(&'static str, f32)> {
        let nats = [
            ("hole_ce", Kind::Hole),
            ("partial_ce", Kind::Partial),
            ("known_ce", Kind::Known),
            ("word_ce", Kind::Word),
            ("next_code_ce", Kind::NextCode),
            ("next_word_ce", Kind::NextWord),
        ];
        let top1 = [
            ("hole_top1", Kind::Hole),
            ("partial_top1", Kind::Partial),
            ("known_top1", Kind::Known),
            ("word_top1", Kind::Word),
            ("next_code_top1", Kind::NextCode),
        ];
        let nats = nats.into_iter().filter_map(|(name, kind)| Some((name, self.nats(kind)?)));
        nats.chain(top1.into_iter().filter_map(|(name, kind)| Some((name, self.top1(kind)?)))).collect()
    }
}

struct Worker {
    pass: Pass,
    gradients: Gradients,
}

/// The parameters in training, with the buffers of every worker.
pub struct WorldTrainer {
    parameters: Parameters,
    ids: WorldIds,
    weights: LossWeights,
    noise: CanvasNoise,
    seed: u64,
    rope: Arc<rhea_nn::transformer::ops::rope::Rope>,
    workers: Vec<Mutex<Worker>>,
    compute: Compute,
}

impl WorldTrainer {
    /// A trainer for `shards` workers.
    #[must_use]
    pub fn new(
        parameters: Parameters,
        ids: WorldIds,
        (weights, noise): (LossWeights, CanvasNoise),
        seed: u64,
        shards: usize,
    ) -> Self {
        let layout = Arc::new(parameters.layout().clone());
        let worker = |_| Mutex::new(Worker { pass: Pass::default(), gradients: Gradients::zeros(Arc::clone(&layout)) });
        Self {
            rope: Weights::rope(parameters.config()),
            workers: (0..shards.max(1)).map(worker).collect(),
            parameters,
            ids,
            weights,
            noise,
            seed,
            compute: Compute::Kernels,
        }
    }

    /// Lets gradients be computed elsewhere.
    #[must_use]
    pub fn on(mut self, compute: Compute) -> Self {
        self.compute = compute;
        self
    }

    /// The parameters.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn pack(&self) -> Result<Weights, NnError> {
        Ok(Weights::pack(&self.parameters, unit(), self.ids.visual_base as usize, &self.rope)?)
    }

    /// Sample `index` as a training sequence: in its next-token form where it has one, else with noise that depends on seed
    /// and index alone.
    pub(super) fn training_sequence(&self, sample: &WorldSample, index: u64) -> Result<Laid, String> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(index);
        if let Some(laid) = lay_out_next_token(sample, &self.ids, &self.weights)? {
            return Ok(laid);
        }
        match &self.noise {
            CanvasNoise::Hole(noise) => lay_out(sample, &self.ids, *noise, &self.weights, &mut rng),
            CanvasNoise::Uniform(noise) => lay_out_uniform(sample, &self.ids, noise, &self.weights, &mut rng),
        }
    }

    /// Step `step` on `batch` samples of the source. Returns the figures of the log; `loss` is the weighted mean.
    ///
    /// # Errors
    /// When samples cannot be read or do not fit, or the gradients are not finite (nothing is changed then).
    pub fn step(
        &mut self,
        shards: &Shards,
        source: &dyn WorldSource,
        optimiser: &mut Optimiser,
        (step, batch, rate): (u64, usize, f32),
    ) -> Result<Vec<(&'static str, f32)>, NnError> {
        let this = &*self;
        let count = this.workers.len();
        let laid: Vec<Vec<Laid>> = shards.run(|shard| {
            let mine = (0..batch as u64).filter(|i| *i as usize % count == shard).map(|i| step * batch as u64 + i);
            let lay = |index: u64| this.training_sequence(&source.sample(index)?, index);
            mine.map(|index| lay(index).map_err(|e| NnError::Input(format!("sample {index}: {e}")))).collect()
        })?;
        self.learn(shards, &laid, optimiser, rate)
    }

    /// One update from sequences that are laid out, one list a worker. Returns the figures of the log.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn learn(
        &mut self,
        shards: &Shards,
        laid: &[Vec<Laid>],
        optimiser: &mut Optimiser,
        rate: f32,
    ) -> Result<Vec<(&'static str, f32)>, NnError> {
        let total: f32 = laid.iter().flatten().flat_map(|l| &l.targets).map(|t| t.weight).sum();
        let scale = 1.0 / total.max(1e-6);
        let (loss, scores, grads) = match &self.compute {
            Compute::Kernels => self.by_kernels(shards, laid, scale)?,
            Compute::Devices(devices) => {
                let all: Vec<&Laid> = laid.iter().flatten().collect();
                compute::gradients(devices, &self.parameters, self.ids.visual_base as usize, &all, scale)?
            }
        };
        let norm = optimiser.step(rate, &grads)?;
        let mut figures = vec![("loss", loss), ("rate", rate), ("norm", norm)];
        figures.extend(scores.figures());
        Ok(figures)
    }

    /// Loss and gradients of all sequences by the kernels, one list a worker.
    pub(super) fn by_kernels(
        &mut self,
        shards: &Shards,
        laid: &[Vec<Laid>],
        scale: f32,
    ) -> Result<compute::Gradients, NnError> {
        let weights = self.pack()?;
        let this = &*self;
        let results = shards.run(|shard| {
            let mut worker = this.workers[shard].lock().unwrap_or_else(PoisonError::into_inner);
            let Worker { pass, gradients } = &mut *worker;
            gradients.clear();
            run(pass, &weights, &laid[shard], scale, Some(gradients))
        })?;
        let mut scores = Scores::default();
        let mut loss = 0.0;
        for (part, part_scores) in results {
            loss += part;
            scores.add(&part_scores);
        }
        Ok((loss, scores, self.sum_gradients()?))
    }

    /// The workers' gradients, added in their order.
    fn sum_gradients(&mut self) -> Result<Vec<Option<candle_core::Tensor>>, NnError> {
        let mut workers = self.workers.iter_mut().map(|w| w.get_mut().unwrap_or_else(PoisonError::into_inner));
        let Some(first) = workers.next() else { return Ok(Vec::new()) };
        for other in workers {
            first.gradients.add(&other.gradients);
        }
        Ok(first.gradients.tensors()?)
    }

    /// Figures over samples, in the canvas and the next-token form; the parameters do not change. Canvases with holes are as
    /// memory left them, those of a flow have a time that depends on their number alone.
    ///
    /// # Errors
    /// When a sample does not fit.
    pub fn evaluate(&mut self, shards: &Shards, samples: &[WorldSample]) -> Result<Scores, NnError> {
        let weights = self.pack()?;
        let this = &*self;
        let count = this.workers.len();
        let parts = shards.run(|shard| {
            let mut laid = Vec::new();
            let equal = LossWeights { unknown: 1.0, known: 1.0, word: 1.0, next_code: 1.0, narrated: 1.0 };
            for (index, sample) in samples.iter().enumerate().filter(|(i, _)| i % count == shard) {
                let mut rng = ChaCha8Rng::seed_from_u64(index as u64);
                let canvas = match &this.noise {
                    CanvasNoise::Hole(_) => lay_out(sample, &this.ids, Noise::NONE, &equal, &mut rng),
                    CanvasNoise::Uniform(noise) => lay_out_uniform(sample, &this.ids, noise, &equal, &mut rng),
                };
                laid.push(canvas.map_err(NnError::Input)?);
                laid.extend(lay_out_next_token(sample, &this.ids, &equal).map_err(NnError::Input)?);
            }
            let mut worker = this.workers[shard].lock().unwrap_or_else(PoisonError::into_inner);
            Ok(run(&mut worker.pass, &weights, &laid, 1.0, None)?.1)
        })?;
        let mut scores = Scores::default();
        parts.iter().for_each(|part| scores.add(part));
        Ok(scores)
    }
}

/// The sequences of a shard, as many at a time as fit a pass.
fn run(
    pass: &mut Pass,
    weights: &Weights,
    laid: &[Laid],
    scale: f32,
    mut gradients: Option<&mut Gradients>,
) -> Result<(f32, Scores), NnError> {
    let mut scores = Scores::default();
    let mut loss = 0.0;
    let mut rest = laid;
    while !rest.is_empty() {
        let mut rows = 0;
        let fitting = rest.iter().take_while(|l| {
            rows += l.tokens.len();
            rows <= ROWS_PER_PASS
        });
        let (now, later) = rest.split_at(fitting.count().max(1));
        rest = later;
        let (mut batch, mut targets, mut kinds) = (Batch::default(), Vec::new(), Vec::new());
        for sequence in now {
            let first = batch.push(&sequence.tokens) as u32;
            let shifted = |t: &LossRow| LossRow { row: t.row + first, weight: t.weight * scale, ..*t };
            targets.extend(sequence.targets.iter().map(shifted));
            kinds.extend_from_slice(&sequence.kinds);
        }
        let losses = pass.run(weights, &batch, &targets, gradients.as_deref_mut())?;
        for ((row, kind), target) in losses.iter().zip(kinds).zip(&targets) {
            loss += row.nats * target.weight;
            scores.count(kind, *row);
        }
    }
    Ok((loss, scores))
}
