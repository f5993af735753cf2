//! Layouts by hand, learning on a small world, and resuming.
#![allow(clippy::unwrap_used, reason = "tests")]

mod dida;

use candle_core::{Device, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rhea_nn::kernels::{Unit, unit};
use rhea_nn::transformer::{NO_ID, TransformerConfig, Visible};

use super::*;
use crate::shards::Shards;

const IDS: WorldIds =
    WorldIds { canvas: 10, partial: 11, hole: 12, eol: 13, eoi: 14, visual_base: 20, visual_count: 8 };

fn sample() -> WorldSample {
    WorldSample {
        prefix_ids: vec![1, 2, 3],
        rows: 2,
        cols: 2,
        target_codes: vec![4, 5, 6, 7],
        canvas: vec![CanvasCell::Known(0), CanvasCell::Hole, CanvasCell::Partial(1), CanvasCell::Hole],
        narration_ids: vec![8, 9],
        next_token_form: Some(NextTokenForm { ids: vec![1, 24, 13, 8], learn: vec![false, true, false, true] }),
    }
}

#[test]
fn the_parallel_form_is_laid_out_as_documented() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let weights = LossWeights { narrated: 1.0, ..LossWeights::default() };
    let laid = lay_out(&sample(), &IDS, Noise::NONE, &weights, &mut rng).unwrap();
    let ids: Vec<u32> = laid.tokens.iter().map(|t| t.id).collect();
    assert_eq!(ids, [1, 2, 3, 20, 12, 21, 12, 24, 25, 13, 26, 27, 14, 8]);
    let positions: Vec<u32> = laid.tokens.iter().map(|t| t.position).collect();
    assert_eq!(positions, [0, 1, 2, 3, 4, 6, 7, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(laid.tokens[5].marks, [10, 11]);
    assert_eq!(laid.tokens[4].marks, [10, NO_ID]);
    assert_eq!(laid.tokens[13].visible, Visible { causal: 3, block_start: 7, block_end: 14 });
    let targets: Vec<(u32, u32, f32)> = laid.targets.iter().map(|t| (t.row, t.target, t.weight)).collect();
    let want = [(3, 24, 0.15), (4, 25, 1.0), (5, 26, 1.0), (6, 27, 1.0), (12, 8, 1.0), (13, 9, 1.0)];
    assert_eq!(targets, want);
    assert_eq!(laid.kinds[..3], [Kind::Known, Kind::Hole, Kind::Partial]);
}

#[test]
fn the_next_token_form_learns_what_its_mask_says() {
    let laid = lay_out_next_token(&sample(), &IDS, &LossWeights::default()).unwrap().unwrap();
    let targets: Vec<(u32, u32, f32)> = laid.targets.iter().map(|t| (t.row, t.target, t.weight)).collect();
    assert_eq!(targets, [(0, 24, 0.5), (2, 8, 1.0)]);
    assert_eq!(laid.tokens.len(), 3);
}

#[test]
fn samples_that_do_not_fit_are_refused() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut refuse = |change: fn(&mut WorldSample)| {
        let mut sample = sample();
        change(&mut sample);
        lay_out(&sample, &IDS, Noise::NONE, &LossWeights::default(), &mut rng).unwrap_err()
    };
    assert!(refuse(|s| s.target_codes[0] = 8).contains("code 8"));
    assert!(refuse(|s| s.canvas[2] = CanvasCell::Partial(99)).contains("code 99"));
    assert!(refuse(|s| s.cols = 3).contains("2 x 3"));
}

#[test]
fn noise_has_its_shares() {
    let mut big = sample();
    (big.rows, big.cols) = (100, 100);
    big.target_codes = vec![3; 10_000];
    big.canvas = (0..10_000).map(|i| if i % 2 == 0 { CanvasCell::Hole } else { CanvasCell::Known(5) }).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let noise = Noise { untouched: 0.0, ..Noise::TRAINING };
    let (mut revealed, mut drawn, mut random, mut corrupted) = (0.0, 0.0, 0.0, 0.0);
    for _ in 0..40 {
        for (cell, kind) in noise.cells(&big, &IDS, &mut rng) {
            match kind {
                Kind::Revealed => revealed += 1.0,
                Kind::Hole => {
                    drawn += 1.0;
                    random += f64::from(u8::from(cell.id != IDS.hole));
                }
                Kind::Corrupted => corrupted += 1.0,
                _ => {}
            }
        }
    }
    let share: f64 = revealed / (revealed + drawn);
    assert!((share - 0.5).abs() < 0.15, "revealed {share}");
    assert!((random / drawn - 0.3_f64).abs() < 0.01, "random {}", random / drawn);
    assert!((corrupted / 200_000.0 - 0.075_f64).abs() < 0.003, "corrupted {}", corrupted / 200_000.0);
}

/// A world whose codes follow from the prefix and from the known cells, and whose words follow from the codes.
struct Rule;

impl WorldSource for Rule {
    fn sample(&self, index: u64) -> Result<WorldSample, String> {
        let mut rng = ChaCha8Rng::seed_from_u64(index);
        let word = rng.random_range(0..8);
        let target_codes: Vec<u32> = (0..4).map(|j| (word + j) % 8).collect();
        let canvas = target_codes.iter().map(|c| match rng.random_range(0..3) {
            0 => CanvasCell::Known(*c),
            1 => CanvasCell::Partial(*c),
            _ => CanvasCell::Hole,
        });
        let canvas = canvas.collect();
        let narration_ids = vec![word, 9];
        let ids = vec![1, word, 20 + word, 9];
        let form = NextTokenForm { ids, learn: vec![false, false, true, true] };
        let next_token_form = rng.random_bool(0.2).then_some(form);
        Ok(WorldSample {
            prefix_ids: vec![1, word],
            rows: 2,
            cols: 2,
            target_codes,
            canvas,
            narration_ids,
            next_token_form,
        })
    }

    fn held_out(&self, n: usize) -> Result<Vec<WorldSample>, String> {
        (0..n as u64).map(|i| self.sample(1 << 40 | i)).collect()
    }
}

fn small_run(work: &std::path::Path) -> WorldRun {
    let config = TransformerConfig {
        hidden_size: 32,
        intermediate_size: 64,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        head_dim: 16,
        initializer_range: 0.1,
        max_position_embeddings: 32,
        ..TransformerConfig::nano(28)
    };
    WorldRun {
        config,
        ids: IDS,
        // Eight codes on a circle.
        codebook: (0..8)
            .flat_map(|i| {
                let (s, c) = (i as f32 * 0.785).sin_cos();
                [s, c]
            })
            .collect(),
        steps: 60,
        batch: 16,
        rate: 1e-2,
        weights: LossWeights::default(),
        noise: CanvasNoise::Hole(Noise::TRAINING),
        seed: 3,
        shards: 2,
        compute: Compute::Kernels,
        evaluate_every: 30,
        held_out: 32,
        work: work.join("work"),
        out: work.join("out"),
        start: None,
        stop_after_secs: None,
    }
}

#[test]
fn codes_that_look_alike_begin_alike() {
    let dir = tempfile::tempdir().unwrap();
    let run = WorldRun { steps: 0, ..small_run(dir.path()) };
    let parameters = super::run::fresh(&run).unwrap();
    let (_, embedding) = &parameters.vars()[0];
    let rows = embedding.to_vec2::<f32>().unwrap();
    let visual = |i: usize| &rows[IDS.visual_base as usize + i];
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let alike = |i, j| dot(visual(i), visual(j)) / (dot(visual(i), visual(i)) * dot(visual(j), visual(j))).sqrt();
    assert!(alike(0, 1) > 0.2 && alike(0, 4) < -0.4, "{} {}", alike(0, 1), alike(0, 4));
    let short = WorldRun { codebook: vec![1.0; 9], ..run };
    assert!(super::run::fresh(&short).err().unwrap().to_string().contains("9 values"));
}

fn last_line(run: &WorldRun) -> serde_json::Value {
    let log = std::fs::read_to_string(run.work.join("log.jsonl")).unwrap();
    serde_json::from_str(log.lines().last().unwrap()).unwrap()
}

#[test]
fn a_rule_is_learned_in_both_forms() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = small_run(dir.path());
    (run.steps, run.evaluate_every) = (150, 150);
    train_world(&run, &Rule).unwrap();
    let line = last_line(&run);
    assert_eq!(line["held_out"], 1.0);
    for (figure, limit) in [("hole_ce", 1.0), ("known_ce", 1.0), ("word_ce", 1.0), ("next_code_ce", 1.7)] {
        // Uniform guesses cost 2.1 nats for a code and 3.0 for a word.
        let nats = line[figure].as_f64().unwrap();
        assert!(nats < limit, "{figure} {nats}");
    }
    assert!(run.out.join("model.safetensors").exists() && run.out.join("config.json").exists());
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut run = small_run(whole.path());
    run.steps = 12;
    train_world(&run, &Rule).unwrap();
    let mut first = small_run(parts.path());
    first.steps = 12;
    first.stop_after_secs = Some(0.0);
    for _ in 0..12 {
        train_world(&first, &Rule).unwrap();
    }
    let read = |run: &WorldRun| std::fs::read(run.out.join("model.safetensors")).unwrap();
    assert_eq!(read(&run), read(&first));
    assert_eq!(last_line(&run)["hole_ce"], last_line(&first)["hole_ce"]);
}

#[test]
fn candle_on_devices_computes_what_the_kernels_compute() {
    let dir = tempfile::tempdir().unwrap();
    let run = small_run(dir.path());
    let samples: Vec<WorldSample> = (0..6).map(|i| Rule.sample(i).unwrap()).collect();
    let shards = Shards::new(1).unwrap();
    let parameters = super::run::fresh(&run).unwrap();
    let mut trainer = WorldTrainer::new(parameters, IDS, (run.weights, run.noise.clone()), run.seed, 1);
    let laid: Vec<Laid> = (0..).zip(&samples).map(|(i, s)| trainer.training_sequence(s, i).unwrap()).collect();
    let all = vec![laid];
    let (loss, scores, want) = trainer.by_kernels(&shards, &all, 0.05).unwrap();
    let devices = [Device::Cpu, Device::Cpu];
    let borrowed: Vec<&Laid> = all[0].iter().collect();
    let base = IDS.visual_base as usize;
    let (other, others, got) = compute::gradients(&devices, trainer.parameters(), base, &borrowed, 0.05).unwrap();
    // Tiles round products to bf16.
    let allowed = if unit() == Unit::F32 { 1e-4 } else { 0.05 };
    assert!((loss - other).abs() < allowed * loss, "{loss} {other}");
    let (a, b) = (scores.nats(Kind::Word).unwrap(), others.nats(Kind::Word).unwrap());
    assert!((a - b).abs() < allowed * a, "{a} {b}");
    for (i, (want, got)) in want.iter().zip(&got).enumerate() {
        let (want, got) = (want.as_ref().unwrap(), got.as_ref().unwrap());
        let square = |t: &Tensor| t.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
        let off = square(&(want - got).unwrap());
        assert!(
            off <= allowed * square(want),
            "{} is off by {off} of {}",
            trainer.parameters().vars()[i].0,
            square(want)
        );
    }
}
