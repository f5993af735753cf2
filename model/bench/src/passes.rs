//! Next-token decoding and one pass over a canvas.

#[cfg(feature = "peers")]
use rhea_nn::kernels::Unit;
use rhea_nn::kernels::{Arithmetic, Format, arithmetic};
use rhea_nn::transformer::{CanvasToken, Half, NO_ID, Transformer};

use crate::error::BenchError;
use crate::model::{LayerSizes, RandomModel};
#[cfg(feature = "peers")]
use crate::pairs::alternate;
use crate::pairs::{Row, timed};

const DECODE: &str = "decode_30m";
const DENOISE: &str = "denoise_256";
/// Text ids and visual codes of the measured vocabulary.
pub(crate) const TEXT: usize = 1024;
pub(crate) const VISUAL: usize = 8192;
/// Tokens that are decoded in one timed round.
const DECODED: usize = 48;
/// Rows before the first of them.
const PROMPT: usize = 64;
/// Rows that a canvas pass reads, and cells of its canvas (16 x 16).
const PREFIX: usize = 1000;
const CELLS: usize = 256;
const COLS: usize = 16;
/// How far logits may be off, as a share of their root mean square, when weights have 8 bits: half a percent a product, through
/// the 56 products of eight layers and their softmax.
#[cfg(feature = "peers")]
const EIGHT_BITS: f64 = 0.2;
/// The same for bf16.
#[cfg(feature = "peers")]
const SIXTEEN_BITS: f64 = 0.1;
/// Guidance scale.
const SCALE: f32 = 3.0;

pub(crate) fn ids(count: usize, factor: usize) -> Vec<u32> {
    (0..count).map(|i| (i * factor % TEXT) as u32).collect()
}

pub(crate) fn largest(logits: &[f32]) -> u32 {
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
pub(crate) fn greedy(model: &Transformer, count: usize) -> Result<Vec<u32>, BenchError> {
    let mut store = model.new_store_for(PROMPT + count + 64, 2)?;
    let (mut conditional, mut unconditional) = (store.branch_on(0), store.branch_on(1));
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

/// Next-token decoding of a model of thirty million weights with guidance, the pair as one batch: tokens a second, one row
/// for each peer. Weights are int8, beside f32 peers too; the check compares f32 with f32, and 8 bits with f32.
///
/// # Errors
/// When an engine fails, or the engines compute different things.
pub fn decode_30m() -> Result<Vec<Row>, BenchError> {
    let random = RandomModel::new(LayerSizes::M30, TEXT, VISUAL, 7)?;
    let ours = random.packed(Arithmetic { format: Format::Int8, ..arithmetic() })?;
    let run = timed(|| greedy(&ours, DECODED).map(|_| ()));
    let row = |times| Row::new(DECODE, "tokens/s", times, |secs| DECODED as f64 / secs);
    #[cfg(feature = "peers")]
    return peers_of_decoding(&random, &ours, run).map(|times| times.into_iter().map(row).collect());
    #[cfg(not(feature = "peers"))]
    Ok(vec![row(crate::pairs::alone(run)?)])
}

#[cfg(feature = "peers")]
fn peers_of_decoding(
    random: &RandomModel,
    ours: &Transformer,
    mut run: impl FnMut() -> Result<f64, BenchError>,
) -> Result<Vec<crate::pairs::Times>, BenchError> {
    let pair = prompts();
    let exact_model = random.packed(Unit::F32)?;
    let exact = greedy(&exact_model, DECODED)?;
    let stock = crate::stock::Stock::new(random)?;
    let theirs = stock.greedy(&pair, DECODED)?;
    if let Some(at) = exact.iter().zip(&theirs).position(|(a, b)| a != b) {
        let what = format!("token {at} is {} here and {} there", exact[at], theirs[at]);
        return Err(BenchError::Disagree { name: DECODE, what });
    }
    let want = logits_behind(&exact_model, &pair[0])?;
    check_logits(DECODE, &want, &logits_behind(ours, &pair[0])?, EIGHT_BITS)?;
    let mut rows = vec![alternate(crate::stock::NAME, &mut run, timed(|| stock.greedy(&pair, DECODED).map(|_| ())))?];

    let folder = tempfile::tempdir().map_err(candle_core::Error::from)?;
    let file = folder.path().join("random-q8_0.gguf");
    crate::gguf::write_q8_0(random, &file)?;
    let mut quantised = crate::quantised::Quantised::open(&file, random.visual_start)?;
    check_logits(DECODE, &want, &quantised.logits(&pair[0])?, EIGHT_BITS)?;
    // A pair is both prompts, one after the other, where an engine has no guidance.
    let theirs = timed(|| pair.iter().try_for_each(|prompt| quantised.greedy(prompt, DECODED).map(|_| ())));
    rows.push(alternate(crate::quantised::NAME, &mut run, theirs)?);
    #[cfg(feature = "llama")]
    {
        let llama = crate::llama::Llama::open(&file, random.visual_start)?;
        let mut context = llama.context(PROMPT + DECODED + 16)?;
        check_logits(DECODE, &want, &context.logits(&pair[0])?, EIGHT_BITS)?;
        let theirs = timed(|| pair.iter().try_for_each(|prompt| context.greedy(prompt, DECODED).map(|_| ())));
        rows.push(alternate(crate::llama::NAME, &mut run, theirs)?);
    }
    Ok(rows)
}

/// Visual logits behind a prompt.
#[cfg(feature = "peers")]
fn logits_behind(model: &Transformer, ids: &[u32]) -> Result<Vec<f32>, BenchError> {
    let mut store = model.new_store(ids.len() + 64)?;
    let mut branch = store.branch();
    model.extend(&mut store, &mut [(&mut branch, ids)])?;
    Ok(model.last_logits(&mut store, Half::Visual)?.to_vec())
}

/// The root mean square difference may be a share of the root mean square of what is wanted.
#[cfg(feature = "peers")]
fn check_logits(name: &'static str, want: &[f32], got: &[f32], allowed: f64) -> Result<(), BenchError> {
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let (scale, off) = (square(&mut want.iter().copied()), square(&mut want.iter().zip(got).map(|(a, b)| a - b)));
    if got.len() == want.len() && off <= allowed * scale {
        return Ok(());
    }
    let share = off / scale;
    let what = format!("{} logits are off by {share:.4} of {} f32 logits; {allowed} is allowed", got.len(), want.len());
    Err(BenchError::Disagree { name, what })
}

/// One pass over a canvas of 256 cells behind 1,000 rows, visual logits included: milliseconds, one row for each peer. Weights
/// are bf16.
///
/// # Errors
/// When an engine fails, or logits of a causal pass of the same size differ.
pub fn denoise_256() -> Result<Vec<Row>, BenchError> {
    let random = RandomModel::new(LayerSizes::M30, TEXT, VISUAL, 8)?;
    let ours = random.packed(Arithmetic { format: Format::Bf16, ..arithmetic() })?;
    let mut store = ours.new_store(PREFIX + 64)?;
    let mut branch = store.branch();
    ours.extend(&mut store, &mut [(&mut branch, &ids(PREFIX, 37))])?;
    let base = TEXT as u32;
    let cells: Vec<CanvasToken> =
        (0..CELLS).map(|i| CanvasToken { id: base + (i * 53 % VISUAL) as u32, marks: [NO_ID; 2] }).collect();
    let run = timed(|| Ok::<(), BenchError>(ours.denoise(&mut store, &[(&branch, &cells)], COLS).map(|_| ())?));
    let row = |times| Row::new(DENOISE, "ms", times, |secs| secs * 1e3);
    #[cfg(feature = "peers")]
    {
        let mut run = run;
        let tokens: Vec<u32> = cells.iter().map(|cell| cell.id).collect();
        let stock = crate::stock::Stock::new(&random)?;
        let prefix = stock.read(&ids(PREFIX, 37))?;
        let want = causal_logits(&random, Unit::F32.into(), &tokens)?;
        let got = stock.rows_behind(&prefix, PREFIX, &tokens)?;
        check_logits(DENOISE, &want, got.get(got.len().saturating_sub(want.len())..).unwrap_or_default(), 1e-3)?;
        check_logits(
            DENOISE,
            &want,
            &causal_logits(&random, Arithmetic { format: Format::Bf16, ..arithmetic() }, &tokens)?,
            SIXTEEN_BITS,
        )?;
        let theirs = timed(|| stock.rows_behind(&prefix, PREFIX, &tokens).map(|_| ()));
        let mut rows = vec![row(alternate(crate::stock::NAME, &mut run, theirs)?)];
        if let Some(mut torch) = crate::torch::Torch::start()? {
            let folder = tempfile::tempdir().map_err(candle_core::Error::from)?;
            torch.load(&random, &folder.path().join("random.safetensors"))?;
            torch.prefix(&ids(PREFIX, 37))?;
            check_logits(DENOISE, &want, &torch.logits(&tokens)?, SIXTEEN_BITS)?;
            rows.push(row(alternate(crate::torch::NAME, &mut run, || torch.pass(&tokens))?));
        }
        Ok(rows)
    }
    #[cfg(not(feature = "peers"))]
    Ok(vec![row(crate::pairs::alone(run)?)])
}

/// A stock decoder has no canvas pass. It is timed on a causal pass of the same size, whose last row all must agree on.
#[cfg(feature = "peers")]
fn causal_logits(random: &RandomModel, arithmetic: Arithmetic, tokens: &[u32]) -> Result<Vec<f32>, BenchError> {
    let model = random.packed(arithmetic)?;
    let mut store = model.new_store(PREFIX + CELLS + 64)?;
    let mut branch = store.branch();
    model.extend(&mut store, &mut [(&mut branch, &ids(PREFIX, 37))])?;
    model.extend(&mut store, &mut [(&mut branch, tokens)])?;
    Ok(model.last_logits(&mut store, Half::Visual)?.to_vec())
}
