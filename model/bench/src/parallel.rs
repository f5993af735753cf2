//! Two ranks with a thread each beside one rank with two threads: what ranks cost.

use rhea_nn::kernels::{Arithmetic, Format, Unit, arithmetic};
use rhea_nn::parallel::Spread;
use rhea_nn::transformer::{CanvasToken, Half, NO_ID, Transformer};

use crate::error::BenchError;
use crate::model::{LayerSizes, RandomModel};
use crate::pairs::{Row, alternate, timed};
use crate::passes::{TEXT, VISUAL, greedy, ids};

const NAME: &str = "parallel_30m";
const PEER: &str = "one rank on two threads";
/// Threads of either side.
const THREADS: usize = 2;
/// Guided tokens of a timed round, and of the check.
const DECODED: usize = 48;
/// Rows behind which a canvas stands, its cells (16 x 16), and their columns.
const PREFIX: usize = 512;
const CELLS: usize = 256;
const COLS: usize = 16;
/// How far logits of f32 weights may be off.
const TOLERANCE: f32 = 1e-4;

/// Rows of a long memory, and of one pass over it.
const MEMORY: usize = 2048;
const PASS: usize = 512;
/// What prompts that are read side by side are compared with.
const TURNS: &str = "the same ranks, one prompt after the other";

/// Layers in two parts, guidance branches apart, or rows shared out.
const PARTS: Spread = Spread { tensor: 2, ..Spread::SINGLE };
const LANES: Spread = Spread { lanes: 2, ..Spread::SINGLE };
const READERS: Spread = Spread { context: 2, ..Spread::SINGLE };

/// A random model on ranks of one thread each.
fn spread(random: &RandomModel, arithmetic: Arithmetic, spread: Spread) -> Result<Transformer, BenchError> {
    let (parameters, first) = (random.parameters.clone(), random.visual_start);
    let build = move |place| Ok(Transformer::from_parameters_at(&parameters, arithmetic, first, place)?);
    Ok(Transformer::spread(spread, 1, build)?)
}

/// A canvas pass behind a prefix; its visual logits.
fn canvas(model: &Transformer, cells: &[CanvasToken], rounds: usize) -> Result<Vec<f32>, BenchError> {
    let mut store = model.new_store_for(PREFIX + 64, 2)?;
    let (mut conditional, mut unconditional) = (store.branch_on(0), store.branch_on(1));
    let prefix = ids(PREFIX, 37);
    model.extend_for_last(&mut store, &mut [(&mut conditional, &prefix), (&mut unconditional, &prefix[..64])])?;
    let mut logits = Vec::new();
    for _ in 0..rounds {
        let pair = [(&conditional, cells), (&unconditional, cells)];
        logits = model.denoise(&mut store, &pair, COLS)?.to_vec();
    }
    Ok(logits)
}

/// Reads a long memory; the logits behind it.
fn memory(model: &Transformer) -> Result<Vec<f32>, BenchError> {
    let mut store = model.new_store(MEMORY)?;
    let mut branch = store.branch();
    for part in ids(MEMORY, 41).chunks(PASS) {
        model.extend_for_last(&mut store, &mut [(&mut branch, part)])?;
    }
    Ok(model.last_logits(&mut store, Half::Visual)?.to_vec())
}

/// Reads the long prompts of two guidance branches, side by side or one after the other.
fn prompts(model: &Transformer, together: bool) -> Result<(), BenchError> {
    let mut store = model.new_store_for(MEMORY, 2)?;
    let (mut conditional, mut unconditional) = (store.branch_on(0), store.branch_on(1));
    let (first, second) = (ids(MEMORY, 41), ids(MEMORY, 43));
    if together {
        for (first, second) in first.chunks(PASS).zip(second.chunks(PASS)) {
            model.extend_for_last(&mut store, &mut [(&mut conditional, first), (&mut unconditional, second)])?;
        }
        return Ok(());
    }
    for (branch, ids) in [(&mut conditional, first), (&mut unconditional, second)] {
        for part in ids.chunks(PASS) {
            model.extend_for_last(&mut store, &mut [(&mut *branch, part)])?;
        }
    }
    Ok(())
}

/// Two ranks against one rank of as many threads, the model of thirty million weights with guidance: tokens a second with int8
/// weights, layers in two parts and branches apart; then milliseconds of a guided canvas of 256 cells with its prefix, bf16
/// weights, and of a memory of 2,048 rows with rows shared out; last, prompts of two branches side by side against one after the
/// other. In f32 both sides give the same tokens, and logits that differ by rounding alone; that is checked first.
///
/// # Errors
/// When an engine fails, or the two sides compute different things.
pub fn parallel_30m() -> Result<Vec<Row>, BenchError> {
    let random = RandomModel::new(LayerSizes::M30, TEXT, VISUAL, 7)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(THREADS).build();
    let pool = pool.map_err(|e| BenchError::Peer(e.to_string()))?;
    check(&random)?;
    let int8 = Arithmetic { format: Format::Int8, ..arithmetic() };
    let alone = random.packed(int8)?;
    let mut rows = Vec::new();
    for (name, size) in [(NAME, PARTS), ("parallel_30m_cfg", LANES)] {
        let ranks = spread(&random, int8, size)?;
        let ours = timed(|| greedy(&ranks, DECODED).map(|_| ()));
        let peer = timed(|| pool.install(|| greedy(&alone, DECODED).map(|_| ())));
        rows.push(Row::new(name, "tokens/s", alternate(PEER, ours, peer)?, |secs| DECODED as f64 / secs));
    }
    let bf16 = Arithmetic { format: Format::Bf16, ..arithmetic() };
    let (alone, cells) = (random.packed(bf16)?, cells());
    for (name, size) in [("parallel_30m_canvas", PARTS), ("parallel_30m_canvas_cfg", LANES)] {
        let ranks = spread(&random, bf16, size)?;
        let ours = timed(|| canvas(&ranks, &cells, 4).map(|_| ()));
        let peer = timed(|| pool.install(|| canvas(&alone, &cells, 4).map(|_| ())));
        rows.push(Row::new(name, "ms", alternate(PEER, ours, peer)?, |secs| secs * 1e3 / 4.0));
    }
    let readers = spread(&random, bf16, READERS)?;
    let ours = timed(|| memory(&readers).map(|_| ()));
    let peer = timed(|| pool.install(|| memory(&alone).map(|_| ())));
    rows.push(Row::new("parallel_30m_context", "ms", alternate(PEER, ours, peer)?, |secs| secs * 1e3));
    drop(readers);
    let lanes = spread(&random, bf16, LANES)?;
    let (ours, peer) = (timed(|| prompts(&lanes, true)), timed(|| prompts(&lanes, false)));
    rows.push(Row::new("parallel_30m_prompts", "ms", alternate(TURNS, ours, peer)?, |secs| secs * 1e3));
    Ok(rows)
}

fn cells() -> Vec<CanvasToken> {
    let cell = |i: usize| CanvasToken { id: (TEXT + i * 53 % VISUAL) as u32, marks: [NO_ID; 2] };
    (0..CELLS).map(cell).collect()
}

/// Do all spreads compute what one rank computes?
fn check(random: &RandomModel) -> Result<(), BenchError> {
    let disagree = |what: String| Err(BenchError::Disagree { name: NAME, what });
    let alone = random.packed(Unit::F32)?;
    let want = (greedy(&alone, DECODED)?, [canvas(&alone, &cells(), 1)?, memory(&alone)?].concat());
    for size in [PARTS, LANES, READERS] {
        let ranks = spread(random, Unit::F32.into(), size)?;
        let tokens = greedy(&ranks, DECODED)?;
        if let Some(at) = want.0.iter().zip(&tokens).position(|(a, b)| a != b) {
            return disagree(format!("token {at} is {} on one rank and {} on two", want.0[at], tokens[at]));
        }
        let logits = [canvas(&ranks, &cells(), 1)?, memory(&ranks)?].concat();
        let off = want.1.iter().zip(&logits).map(|(a, b)| (a - b).abs() / (1.0 + a.abs())).fold(0.0, f32::max);
        if logits.len() != want.1.len() || off > TOLERANCE {
            return disagree(format!("logits are off by {off}; {TOLERANCE} is allowed"));
        }
        let mut store = ranks.new_store(64)?;
        let mut branch = store.branch();
        ranks.extend(&mut store, &mut [(&mut branch, &[1])])?;
        if ranks.last_logits(&mut store, Half::Text)?.len() != TEXT {
            return disagree("logits of another size".to_owned());
        }
    }
    Ok(())
}
