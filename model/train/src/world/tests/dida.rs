//! DiDA: its layout by hand, training against decoding, and drawing what was learned.

use std::sync::Arc;

use rhea_engine::canvas_samplers::{Canvas, CodeMetric, Denoiser, Draws, Flow, FlowSampler, draw};
use rhea_engine::{Cancel, CanvasIds, CellState, Filter, ModelDenoiser, Reader, Streams};
use rhea_nn::NnError;
use rhea_nn::kernels::Unit;
use rhea_nn::transformer::training::{Pass, Weights as TrainingWeights};
use rhea_nn::transformer::{Batch, Transformer};
use rhea_nn::weights::Weights;

use super::*;

const IMG: u32 = 15;
const CANVAS: CanvasIds = CanvasIds::UniformNoise { img: IMG, eol: IDS.eol, visual_base: IDS.visual_base };

fn flow_noise(run: &WorldRun) -> FlowNoise {
    let metric = CodeMetric::new(&run.codebook, IDS.visual_count as usize).unwrap();
    FlowNoise { flow: Flow::METRIC, metric: Arc::new(metric) }
}

#[test]
fn the_noisy_copy_is_laid_out_as_documented() {
    let dir = tempfile::tempdir().unwrap();
    let noise = flow_noise(&small_run(dir.path()));
    let mut sample = sample();
    sample.canvas = (0..4).map(CanvasCell::Known).collect();
    let weights = LossWeights { narrated: 1.0, ..LossWeights::default() };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let laid = lay_out_uniform(&sample, &IDS, &noise, &weights, &mut rng).unwrap();
    let ids: Vec<u32> = laid.tokens.iter().map(|t| t.id).collect();
    assert_eq!(ids, [1, 2, 3, 20, 21, 13, 22, 23, 3, 24, 25, 13, 26, 27, 14, 8]);
    let positions: Vec<u32> = laid.tokens.iter().map(|t| t.position).collect();
    assert_eq!(positions, [0, 1, 2, 3, 4, 5, 6, 7, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(laid.tokens[1].visible, Visible::causal(1));
    let noisy = Visible { causal: 2, block_start: 2, block_end: 8 };
    assert!(laid.tokens[2..8].iter().all(|t| t.visible == noisy && t.marks == [NO_ID; 2]));
    assert_eq!(laid.tokens[8].visible, Visible { causal: 2, block_start: 8, block_end: 9 });
    assert_eq!(laid.tokens[15].visible, Visible { causal: 2, block_start: 8, block_end: 16 });
    let targets: Vec<(u32, u32)> = laid.targets.iter().map(|t| (t.row, t.target)).collect();
    assert_eq!(targets, [(2, 24), (3, 25), (5, 26), (6, 27), (14, 8), (15, 9)]);
    assert_eq!(laid.kinds[..4], [Kind::Known; 4]);
    sample.prefix_ids.truncate(1);
    assert!(lay_out_uniform(&sample, &IDS, &noise, &weights, &mut rng).is_err());
}

#[test]
fn hints_are_left_as_time_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let noise = flow_noise(&small_run(dir.path()));
    let mut big = sample();
    (big.rows, big.cols) = (20, 20);
    big.target_codes = vec![3; 400];
    big.canvas = (0..400).map(|i| if i % 4 == 0 { CanvasCell::Known(5) } else { CanvasCell::Partial(6) }).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut shares = Vec::new();
    for _ in 0..60 {
        let cells = noise.cells(&big, &mut rng);
        assert!(cells.iter().step_by(4).all(|cell| *cell == (5, Kind::Known)), "known cells are pinned");
        shares.push(cells.iter().filter(|(_, kind)| *kind == Kind::Partial).count() as f32 / 300.0);
        let hints = cells.iter().filter(|(_, kind)| *kind == Kind::Partial);
        assert!(hints.map(|(code, _)| code).all(|code| *code == 6));
    }
    // Without a time shift every share is as likely as every other.
    let mean = shares.iter().sum::<f32>() / 60.0;
    assert!(
        (mean - 0.5).abs() < 0.12 && shares.iter().any(|s| *s < 0.15) && shares.iter().any(|s| *s > 0.85),
        "{mean}"
    );
}

#[test]
fn decoding_asks_what_training_taught() {
    let dir = tempfile::tempdir().unwrap();
    let run = small_run(dir.path());
    let parameters = super::super::run::fresh(&run).unwrap();
    let noise = flow_noise(&run);
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let sample = WorldSample { prefix_ids: vec![1, 4, 2, IMG], ..sample() };
    let weights = LossWeights { narrated: 1.0, ..LossWeights::default() };
    let laid = lay_out_uniform(&sample, &IDS, &noise, &weights, &mut rng).unwrap();
    let mut batch = Batch::default();
    batch.push(&laid.tokens);
    let rope = TrainingWeights::rope(&run.config);
    let packed = TrainingWeights::pack(&parameters, Unit::F32, IDS.visual_base as usize, &rope).unwrap();
    let losses = Pass::default().run(&packed, &batch, &laid.targets, None).unwrap();

    let model = Transformer::from_parameters(&parameters, Unit::F32, IDS.visual_base as usize).unwrap();
    let mut store = model.new_store(128).unwrap();
    let mut streams = Streams::new(&store, 32);
    let reader = Reader::plain(&mut store, &mut streams, &sample.prefix_ids[..3]);
    // The noisy copy stands behind three ids, IMG first, EOL after two cells.
    let shown = [4, 5, 7, 8].map(|row| laid.tokens[row].id - IDS.visual_base);
    let canvas = Canvas::new(&shown, &[CellState::Known; 4], 2).unwrap();
    let mut denoiser = ModelDenoiser::behind(&model, reader, CANVAS, &[IMG], (2, 2)).unwrap();
    let logits = denoiser.denoise(&canvas, &[0, 1, 2, 3], 0.5).unwrap();
    for (cell, loss) in losses.iter().take(4).enumerate() {
        let row: Vec<f64> = logits.cell(cell).iter().map(|z| f64::from(*z)).collect();
        let total: f64 = row.iter().map(|z| z.exp()).sum();
        let nats = total.ln() - row[sample.target_codes[cell] as usize];
        assert!((nats - f64::from(loss.nats)).abs() < 1e-4, "cell {cell}: {nats} {}", loss.nats);
    }
}

/// Pictures of two kinds, equally likely: all codes turned by the word in the prompt, and half of them turned round.
struct TwoKinds;

fn kind_of(word: u32, codes: &[u32]) -> Option<usize> {
    (0..2).find(|kind| codes.iter().zip(0..).all(|(code, j)| *code == (word + j + 4 * *kind as u32) % 8))
}

impl WorldSource for TwoKinds {
    fn sample(&self, index: u64) -> Result<WorldSample, String> {
        let mut rng = ChaCha8Rng::seed_from_u64(index);
        let (word, kind) = (rng.random_range(0..8), rng.random_range(0..2));
        Ok(WorldSample {
            prefix_ids: vec![1, word, IMG],
            rows: 2,
            cols: 2,
            target_codes: (0..4).map(|j| (word + j + 4 * kind) % 8).collect(),
            canvas: vec![CanvasCell::Hole; 4],
            narration_ids: Vec::new(),
            next_token_form: None,
        })
    }

    fn held_out(&self, n: usize) -> Result<Vec<WorldSample>, String> {
        (0..n as u64).map(|i| self.sample(1 << 40 | i)).collect()
    }
}

#[test]
fn what_is_learned_can_be_drawn_along_the_metric_path() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = small_run(dir.path());
    run.noise = CanvasNoise::Uniform(flow_noise(&run));
    (run.steps, run.evaluate_every, run.batch, run.held_out) = (320, 20, 32, 64);
    train_world(&run, &TwoKinds).unwrap();

    let log = std::fs::read_to_string(run.work.join("log.jsonl")).unwrap();
    let lines = log.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
    let held_out: Vec<f64> = lines.filter(|l| l["held_out"] == 1.0).map(|l| l["hole_ce"].as_f64().unwrap()).collect();
    let (first, last) = (held_out[0], held_out[held_out.len() - 1]);
    // Guesses cost 2.08 nats; early cells cannot know which kind it is.
    assert!(last < 0.7 * first && last < 0.9, "{held_out:?}");

    let weights = Weights::open(&run.out.join("model.safetensors")).unwrap();
    let read = |name: &str, shape: &[usize]| weights.values_f32(name, shape);
    let model = Transformer::load::<NnError>(run.config.clone(), Unit::F32, IDS.visual_base as usize, read).unwrap();
    let metric = CodeMetric::new(&run.codebook, 8).unwrap();
    let (mut kinds, mut drawn) = ([0.0_f64; 2], 0.0);
    for word in 0..8 {
        for seed in 0..24 {
            let mut store = model.new_store(128).unwrap();
            let mut streams = Streams::new(&store, 32);
            let prompt = [1, word];
            let reader = Reader::plain(&mut store, &mut streams, &prompt);
            let mut denoiser = ModelDenoiser::behind(&model, reader, CANVAS, &[IMG], (2, 2)).unwrap();
            let mut canvas = Canvas::new(&[0; 4], &[CellState::Hole; 4], 2).unwrap();
            let mut draws = Draws::new(seed, Filter { temperature: 1.0, top_k: 0, top_p: 1.0 }).unwrap();
            let noise = rhea_engine::canvas_samplers::Noise::Uniform { codes: 8 };
            let mut sampler = FlowSampler::new(Flow::METRIC, 24, noise, &metric);
            draw(&mut denoiser, &mut sampler, &mut canvas, &mut draws, &Cancel::default()).unwrap();
            drawn += 1.0;
            if let Some(kind) = kind_of(word, &canvas.into_codes().unwrap()) {
                kinds[kind] += 1.0;
            }
        }
    }
    // Uniform noise makes one of the two pictures in 2,048.
    let distance: f64 = kinds.iter().map(|n| (0.5 - n / drawn).abs()).sum::<f64>();
    assert!(distance < 0.35, "{kinds:?} of {drawn}");
}
