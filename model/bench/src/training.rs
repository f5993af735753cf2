//! Training steps of the world model.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rhea_nn::NnError;
use rhea_nn::transformer::training::LossRow;
use rhea_nn::transformer::{Token, Visible};
use rhea_train::Shards;
use rhea_train::optim::{Optimiser, OptimiserConfig};
use rhea_train::world::{CanvasNoise, Kind, Laid, LossWeights, Noise, WorldIds, WorldTrainer, inner_matrix};

use crate::error::BenchError;
use crate::model::{LayerSizes, RandomModel};
use crate::pairs::{Row, timed};

/// Sequences of a step.
const BATCH: usize = 16;
/// Text ids and visual codes.
const TEXT: usize = 1041;
const VISUAL: usize = 4096;
/// A sequence: prompt, canvas, clean picture, words; as the lessons of a walk are.
const PROMPT: u32 = 40;
const CELLS: u32 = 64;
const CLEAN: u32 = 72;
const WORDS: u32 = 20;
const RATE: f32 = 1e-3;

/// A sequence of random ids in the form of a lesson: canvas and clean picture both read the prompt, not each other.
fn sequence(rng: &mut ChaCha8Rng) -> Laid {
    let mut laid = Laid::default();
    let text = |rng: &mut ChaCha8Rng| rng.random_range(0..TEXT as u32);
    let visual = |rng: &mut ChaCha8Rng| TEXT as u32 + rng.random_range(0..VISUAL as u32);
    laid.tokens.extend((0..PROMPT).map(|i| Token::causal(text(rng), i)));
    let canvas = Visible { causal: PROMPT, block_start: PROMPT, block_end: PROMPT + CELLS };
    for j in 0..CELLS {
        laid.tokens.push(Token { visible: canvas, ..Token::causal(visual(rng), PROMPT + j) });
        laid.targets.push(LossRow { row: PROMPT + j, target: visual(rng), weight: 1.0 });
        laid.kinds.push(Kind::Hole);
    }
    let behind = PROMPT + CELLS;
    for j in 0..CLEAN + WORDS {
        let visible = Visible { causal: PROMPT, block_start: behind, block_end: behind + j + 1 };
        let id = if j < CLEAN { visual(rng) } else { text(rng) };
        laid.tokens.push(Token { visible, ..Token::causal(id, PROMPT + j) });
        if j >= CLEAN {
            laid.targets.push(LossRow { row: behind + j, target: text(rng), weight: 1.0 });
            laid.kinds.push(Kind::Word);
        }
    }
    laid
}

/// The nano transformer learning from random lessons: samples a second, forward, backward and update.
///
/// # Errors
/// When an engine fails, or the losses before the first update differ.
pub fn train_samples() -> Result<Row, BenchError> {
    let sizes = LayerSizes { hidden: 256, intermediate: 768, layers: 6, heads: 4, kv_heads: 2 };
    let random = RandomModel::new(sizes, TEXT, VISUAL, 9)?;
    let mut rng = ChaCha8Rng::seed_from_u64(10);
    let sequences: Vec<Laid> = (0..BATCH).map(|_| sequence(&mut rng)).collect();
    let shards = Shards::new(std::thread::available_parallelism().map_or(1, usize::from)).map_err(NnError::Input)?;
    let share = BATCH.div_ceil(shards.len());
    let laid: Vec<Vec<Laid>> =
        (0..shards.len()).map(|shard| sequences.iter().skip(shard * share).take(share).cloned().collect()).collect();
    let mut optimiser = Optimiser::new(random.parameters.vars().to_vec(), OptimiserConfig::default(), inner_matrix);
    #[cfg(feature = "peers")]
    let mut stock = crate::stock_training::StockTrainer::new(&random, f64::from(RATE))?;
    let ids = WorldIds {
        canvas: 0,
        partial: 1,
        hole: 2,
        eol: 3,
        eoi: 4,
        visual_base: TEXT as u32,
        visual_count: VISUAL as u32,
    };
    let form = (LossWeights::default(), CanvasNoise::Hole(Noise::TRAINING));
    let mut trainer = WorldTrainer::new(random.parameters, ids, form, 1, shards.len());
    let mut learn = || trainer.learn(&shards, &laid, &mut optimiser, RATE);
    #[cfg(feature = "peers")]
    let times = {
        let figures = learn()?;
        let ours = figures.iter().find(|(name, _)| *name == "loss").map_or(f32::NAN, |(_, loss)| *loss);
        let theirs = stock.step(&sequences)?;
        // Products may be rounded to bf16 here; a loss of about 8.5 nats hardly feels it.
        if !((ours - theirs).abs() < 0.02) {
            let what = format!("the loss is {ours} here and {theirs} there");
            return Err(BenchError::Disagree { name: "train_samples", what });
        }
        crate::pairs::alternate(
            crate::stock_training::NAME,
            timed(|| learn().map(|_| ()).map_err(BenchError::from)),
            timed(|| stock.step(&sequences).map(|_| ())),
        )?
    };
    #[cfg(not(feature = "peers"))]
    let times = crate::pairs::alone(timed(|| learn().map(|_| ())))?;
    Ok(Row::new("train_samples", "samples/s", times, |secs| BATCH as f64 / secs))
}
