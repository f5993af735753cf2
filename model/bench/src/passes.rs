//! Next-token decoding and one pass over a canvas.

use rhea_nn::kernels::unit;
use rhea_nn::transformer::{CanvasToken, Half, NO_ID, Transformer};

use crate::error::BenchError;
use crate::model::{LayerSizes, RandomModel};
use crate::pairs::Row;

/// Text ids and visual codes of the measured vocabulary.
const TEXT: usize = 1024;
const VISUAL: usize = 8192;
/// Tokens that are decoded in one timed round.
const DECODED: usize = 48;
/// Rows before the first of them.
const PROMPT: usize = 64;
/// Rows that a canvas pass reads, and cells of its canvas (16 x 16).
const PREFIX: usize = 1000;
const CELLS: usize = 256;
const COLS: usize = 16;
/// Guidance scale.
const SCALE: f32 = 3.0;

fn ids(count: usize, factor: usize) -> Vec<u32> {
    (0..count).map(|i| (i * factor % TEXT) as u32).collect()
}

fn largest(logits: &[f32]) -> u32 {
    let best = (0..logits.len()).reduce(|a, b| if logits[b] > logits[a] { b } else { a });
    best.unwrap_or(0) as u32
}

/// The prompt with the task, and the one that guidance compares with.
fn prompts() -> [Vec<u32>; 2] {
    [ids(PROMPT, 37), ids(PROMPT, 41)]
}

/// The largest of `u + s (c - u)`. Subtracting each side's log-sum would move all entries alike.
pub(crate) fn guided(conditional: &[f32], unconditional: &[f32]) -> u32 {
    let mixed: Vec<f32> = conditional.iter().zip(unconditional).map(|(c, u)| u + SCALE * (c - u)).collect();
    largest(&mixed)
}

/// Greedy visual tokens behind the prompts, guided.
fn greedy(model: &Transformer, count: usize) -> Result<Vec<u32>, BenchError> {
    let mut store = model.new_store(2 * (PROMPT + count) + 128)?;
    let (mut conditional, mut unconditional) = (store.branch(), store.branch());
    let [with, without] = prompts();
    model.extend(&mut store, &mut [(&mut conditional, &with), (&mut unconditional, &without)])?;
    let mut tokens = Vec::with_capacity(count);
    loop {
        let logits = model.last_logits(&mut store, Half::Visual)?;
        let (c, u) = logits.split_at(logits.len() / 2);
        let token = model.visual_start() as u32 + guided(c, u);
        tokens.push(token);
        if tokens.len() == count {
            return Ok(tokens);
        }
        model.extend(&mut store, &mut [(&mut conditional, &[token]), (&mut unconditional, &[token])])?;
    }
}

/// Next-token decoding of a model of thirty million weights with guidance, the pair as one batch: tokens a second.
///
/// # Errors
/// When an engine fails, or the engines choose different tokens.
pub fn decode_30m() -> Result<Row, BenchError> {
    let random = RandomModel::new(LayerSizes::M30, TEXT, VISUAL, 7)?;
    let ours = random.packed(unit())?;
    let run = || greedy(&ours, DECODED).map(|_| ());
    #[cfg(feature = "peers")]
    {
        use rhea_nn::kernels::Unit;

        let exact = greedy(&random.packed(Unit::F32)?, DECODED)?;
        let stock = crate::stock::Stock::new(&random)?;
        let theirs = stock.greedy(&prompts(), DECODED)?;
        if let Some(at) = exact.iter().zip(&theirs).position(|(a, b)| a != b) {
            let what = format!("token {at} is {} here and {} there", exact[at], theirs[at]);
            return Err(BenchError::Disagree { name: "decode_30m", what });
        }
        let peer = || stock.greedy(&prompts(), DECODED).map(|_| ());
        let (a, b, ratio) = crate::pairs::alternate(run, peer)?;
        Ok(Row {
            name: "decode_30m",
            ours: DECODED as f64 / a,
            peer: Some(DECODED as f64 / b),
            peer_name: crate::stock::NAME,
            ratio: Some(ratio),
            unit: "tokens/s",
            floor_share: None,
        })
    }
    #[cfg(not(feature = "peers"))]
    Ok(Row {
        name: "decode_30m",
        ours: DECODED as f64 / crate::pairs::alone(run)?,
        peer: None,
        peer_name: "",
        ratio: None,
        unit: "tokens/s",
        floor_share: None,
    })
}

/// One pass over a canvas of 256 cells behind 1,000 rows, visual logits included: milliseconds.
///
/// # Errors
/// When an engine fails, or logits of a causal pass of the same size differ.
pub fn denoise_256() -> Result<Row, BenchError> {
    let random = RandomModel::new(LayerSizes::M30, TEXT, VISUAL, 8)?;
    let ours = random.packed(unit())?;
    let mut store = ours.new_store(PREFIX + 64)?;
    let mut branch = store.branch();
    ours.extend(&mut store, &mut [(&mut branch, &ids(PREFIX, 37))])?;
    let base = TEXT as u32;
    let cells: Vec<CanvasToken> =
        (0..CELLS).map(|i| CanvasToken { id: base + (i * 53 % VISUAL) as u32, marks: [NO_ID; 2] }).collect();
    let run = || Ok::<(), BenchError>(ours.denoise(&mut store, &[(&branch, &cells)], COLS).map(|_| ())?);
    let milli = 1e3;
    #[cfg(feature = "peers")]
    {
        let tokens: Vec<u32> = cells.iter().map(|cell| cell.id).collect();
        let stock = crate::stock::Stock::new(&random)?;
        let prefix = stock.read(&ids(PREFIX, 37))?;
        check_causal(&random, &stock, &tokens)?;
        let peer = || stock.rows_behind(&prefix, PREFIX, &tokens).map(|_| ());
        let (a, b, ratio) = crate::pairs::alternate(run, peer)?;
        Ok(Row {
            name: "denoise_256",
            ours: a * milli,
            peer: Some(b * milli),
            peer_name: crate::stock::NAME,
            ratio: Some(ratio),
            unit: "ms",
            floor_share: None,
        })
    }
    #[cfg(not(feature = "peers"))]
    Ok(Row {
        name: "denoise_256",
        ours: crate::pairs::alone(run)? * milli,
        peer: None,
        peer_name: "",
        ratio: None,
        unit: "ms",
        floor_share: None,
    })
}

/// A stock decoder has no canvas pass. It is timed on a causal pass of the same size, whose last row both must agree on.
#[cfg(feature = "peers")]
fn check_causal(random: &RandomModel, stock: &crate::stock::Stock, tokens: &[u32]) -> Result<(), BenchError> {
    let exact = random.packed(rhea_nn::kernels::Unit::F32)?;
    let mut store = exact.new_store(PREFIX + CELLS + 64)?;
    let mut branch = store.branch();
    exact.extend(&mut store, &mut [(&mut branch, &ids(PREFIX, 37))])?;
    exact.extend(&mut store, &mut [(&mut branch, tokens)])?;
    let want = exact.last_logits(&mut store, Half::Visual)?.to_vec();
    let prefix = stock.read(&ids(PREFIX, 37))?;
    let got = stock.rows_behind(&prefix, PREFIX, tokens)?;
    let got = got.get(got.len().saturating_sub(want.len())..).unwrap_or_default();
    let worst = want.iter().zip(got).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let scale = want.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
    if got.len() == want.len() && worst <= 1e-3 * scale {
        return Ok(());
    }
    let what = format!("logits differ by {worst} of {scale}");
    Err(BenchError::Disagree { name: "denoise_256", what })
}
