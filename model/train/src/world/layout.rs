//! From a sample to a sequence with its targets.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rhea_nn::transformer::training::LossRow;
use rhea_nn::transformer::{NO_ID, Token, Visible, cell_position};

use super::{CanvasCell, FlowNoise, Noise, WorldIds, WorldSample};

/// What a target teaches; losses are reported per kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A cell that memory does not know.
    Hole,
    /// A cell that memory knows in part.
    Partial,
    /// A cell that memory knows.
    Known,
    /// An unknown cell that shows the truth, as decided cells do in later passes.
    Revealed,
    /// A known cell that was spoilt.
    Corrupted,
    /// A word about the picture.
    Word,
    /// A code in the next-token form.
    NextCode,
    /// A word in the next-token form.
    NextWord,
}

impl Kind {
    /// All kinds, in order.
    pub const ALL: [Self; 8] = [
        Self::Hole,
        Self::Partial,
        Self::Known,
        Self::Revealed,
        Self::Corrupted,
        Self::Word,
        Self::NextCode,
        Self::NextWord,
    ];
}

/// How much each kind of target counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossWeights {
    /// Cells to be drawn: holes, partly known and spoilt cells.
    pub unknown: f32,
    /// Cells that show a code which may be trusted.
    pub known: f32,
    /// Words.
    pub word: f32,
    /// Codes in the next-token form; 0.5 in the published training.
    pub next_code: f32,
    /// Share of samples in the parallel form that carry their clean picture and narration: nearly half of a sequence for a
    /// task that is learned sooner than drawing.
    pub narrated: f32,
}

impl Default for LossWeights {
    fn default() -> Self {
        Self { unknown: 1.0, known: 0.15, word: 1.0, next_code: 0.5, narrated: 0.6 }
    }
}

impl LossWeights {
    fn of(&self, kind: Kind) -> f32 {
        match kind {
            Kind::Hole | Kind::Partial | Kind::Corrupted => self.unknown,
            Kind::Known | Kind::Revealed => self.known,
            Kind::Word | Kind::NextWord => self.word,
            Kind::NextCode => self.next_code,
        }
    }
}

/// A sequence with its targets; rows are counted from the start of the sequence.
#[derive(Clone, Debug, Default)]
pub struct Laid {
    /// What the model reads.
    pub tokens: Vec<Token>,
    /// What it should say, with weights that are not yet normalised.
    pub targets: Vec<LossRow>,
    /// The kind of each target.
    pub kinds: Vec<Kind>,
}

impl Laid {
    fn target(&mut self, row: u32, target: u32, kind: Kind, weights: &LossWeights) {
        let weight = weights.of(kind);
        if weight > 0.0 {
            self.targets.push(LossRow { row, target, weight });
            self.kinds.push(kind);
        }
    }
}

/// The parallel form: prefix, noisy canvas, and with a narration the clean picture and the words.
///
/// # Errors
/// When the parts of the sample do not fit each other or the vocabulary.
pub fn lay_out(
    sample: &WorldSample,
    ids: &WorldIds,
    noise: Noise,
    weights: &LossWeights,
    rng: &mut ChaCha8Rng,
) -> Result<Laid, String> {
    check(sample, ids)?;
    let prefix = sample.prefix_ids.len() as u32;
    let (cells, cols) = (sample.target_codes.len() as u32, sample.cols as u32);
    let mut laid = Laid::default();
    laid.tokens.extend(sample.prefix_ids.iter().zip(0..).map(|(id, index)| Token::causal(*id, index)));
    let canvas = Visible { causal: prefix, block_start: prefix, block_end: prefix + cells };
    for (j, (cell, kind)) in (0..).zip(noise.cells(sample, ids, rng)) {
        let position = cell_position(prefix, cols, j);
        laid.tokens.push(Token { id: cell.id, marks: cell.marks, position, visible: canvas });
        let truth = ids.visual_base + sample.target_codes[j as usize];
        laid.target(prefix + j, truth, kind, weights);
    }
    narrate(&mut laid, sample, ids, (prefix, None), weights, rng);
    Ok(laid)
}

/// DiDA's form: prefix, noisy picture, and with a narration the clean picture and the words.
///
/// The noisy copy is `IMG codes EOL codes EOL .. codes`, sees the prefix and all of itself, and each of its rows speaks about the
/// next one, as in next-token decoding. See [`FlowNoise`] for what its cells show.
///
/// # Errors
/// As [`lay_out`].
pub fn lay_out_uniform(
    sample: &WorldSample,
    ids: &WorldIds,
    noise: &FlowNoise,
    weights: &LossWeights,
    rng: &mut ChaCha8Rng,
) -> Result<Laid, String> {
    check(sample, ids)?;
    let Some((img, clean)) = sample.prefix_ids.split_last().filter(|(_, clean)| !clean.is_empty()) else {
        return Err("a prefix of one id; at least one must stand in front of the header's last".to_owned());
    };
    let prefix = clean.len() as u32;
    let mut laid = Laid::default();
    laid.tokens.extend(clean.iter().zip(0..).map(|(id, index)| Token::causal(*id, index)));
    // One IMG or EOL in front of each row of cells.
    let rows = (sample.target_codes.len() + sample.rows) as u32;
    let visible = Visible { causal: prefix, block_start: prefix, block_end: prefix + rows };
    let shown = noise.cells(sample, rng);
    for (row, (cells, truths)) in shown.chunks(sample.cols).zip(sample.target_codes.chunks(sample.cols)).enumerate() {
        let lead = if row == 0 { *img } else { ids.eol };
        let codes = cells.iter().map(|(code, _)| ids.visual_base + code);
        for id in std::iter::once(lead).chain(codes) {
            let position = laid.tokens.len() as u32;
            laid.tokens.push(Token { id, marks: [NO_ID; 2], position, visible });
        }
        // The row in front of a cell speaks about it; the last row speaks about no cell.
        let first = laid.tokens.len() - cells.len() - 1;
        for ((place, (_, kind)), truth) in (first as u32..).zip(cells).zip(truths) {
            laid.target(place, ids.visual_base + truth, *kind, weights);
        }
    }
    narrate(&mut laid, sample, ids, (prefix, Some(*img)), weights, rng);
    Ok(laid)
}

/// Appends the clean picture and the words that follow it, for the share of samples that has them. They see the first
/// `prefix` rows and themselves; `lead` stands in front of the picture where the prefix lacks it.
fn narrate(
    laid: &mut Laid,
    sample: &WorldSample,
    ids: &WorldIds,
    (prefix, lead): (u32, Option<u32>),
    weights: &LossWeights,
    rng: &mut ChaCha8Rng,
) {
    let narrated = rng.random::<f32>() < weights.narrated;
    let Some((first_word, _)) = sample.narration_ids.split_first().filter(|_| narrated) else { return };
    let start = laid.tokens.len() as u32;
    let mut clean: Vec<u32> = lead.into_iter().collect();
    for (row, codes) in sample.target_codes.chunks(sample.cols).enumerate() {
        if row > 0 {
            clean.push(ids.eol);
        }
        clean.extend(codes.iter().map(|code| ids.visual_base + code));
    }
    clean.push(ids.eoi);
    let words_from = start + clean.len() as u32;
    laid.target(words_from - 1, *first_word, Kind::Word, weights);
    for (row, next) in (words_from..).zip(&sample.narration_ids[1..]) {
        laid.target(row, *next, Kind::Word, weights);
    }
    // The last word predicts nothing, so it need not be read.
    let words = &sample.narration_ids[..sample.narration_ids.len() - 1];
    for (j, id) in (0..).zip(clean.iter().chain(words)) {
        let visible = Visible { causal: prefix, block_start: start, block_end: start + j + 1 };
        laid.tokens.push(Token { id: *id, marks: [NO_ID; 2], position: prefix + j, visible });
    }
}

/// The next-token form: one causal stream. `None` when the sample has none.
///
/// # Errors
/// When ids and mask have different lengths.
pub fn lay_out_next_token(sample: &WorldSample, ids: &WorldIds, weights: &LossWeights) -> Result<Option<Laid>, String> {
    let Some(form) = &sample.next_token_form else { return Ok(None) };
    if form.ids.len() != form.learn.len() {
        return Err(format!("next-token form of {} ids has a mask of {}", form.ids.len(), form.learn.len()));
    }
    let mut laid = Laid::default();
    for ((row, pair), learn) in (0..).zip(form.ids.windows(2)).zip(&form.learn[1..]) {
        laid.tokens.push(Token::causal(pair[0], row));
        if *learn {
            let kind = if pair[1] >= ids.visual_base { Kind::NextCode } else { Kind::NextWord };
            laid.target(row, pair[1], kind, weights);
        }
    }
    Ok(Some(laid))
}

fn check(sample: &WorldSample, ids: &WorldIds) -> Result<(), String> {
    let cells = sample.rows * sample.cols;
    if cells == 0 || sample.target_codes.len() != cells || sample.canvas.len() != cells || sample.prefix_ids.is_empty()
    {
        return Err(format!(
            "sample of {} x {} cells has {} codes, {} canvas cells and a prefix of {} ids",
            sample.rows,
            sample.cols,
            sample.target_codes.len(),
            sample.canvas.len(),
            sample.prefix_ids.len()
        ));
    }
    let shown = sample.canvas.iter().filter_map(|cell| match cell {
        CanvasCell::Known(code) | CanvasCell::Partial(code) => Some(*code),
        CanvasCell::Hole => None,
    });
    match sample.target_codes.iter().copied().chain(shown).find(|code| *code >= ids.visual_count) {
        Some(code) => Err(format!("sample has code {code}; the vocabulary has {}", ids.visual_count)),
        None => Ok(()),
    }
}
