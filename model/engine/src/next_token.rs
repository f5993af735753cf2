//! Next-token decoding: pictures with their forced tokens fused, and text.

use rhea_nn::transformer::{Half, Transformer};
use rhea_tokens::{Grid, PictureCursor, PictureStep, TextTokenizer, Utf8Buffer, Vocabulary};

use crate::error::EngineError;
use crate::limits;
use crate::reader::Reader;
use crate::request::{Cancel, TextPiece};
use crate::sampler::Sampler;

/// Draws a picture behind the reader's prompt, token by token; cells with a pin are not drawn, and each run of them is read in one
/// pass with what follows. Returns its codes and the forward passes made.
pub(crate) fn picture(
    model: &Transformer,
    reader: &mut Reader<'_>,
    vocabulary: &Vocabulary,
    grid: Grid,
    pins: &[Option<u32>],
    sampler: &mut Sampler,
    cancel: &Cancel,
) -> Result<(Vec<u32>, u32), EngineError> {
    let mut cursor = PictureCursor::new(grid);
    // Ids that are known but not read yet: header, last code with a forced end of line.
    let mut waiting = Vec::new();
    let mut passes = 0;
    let rows = grid.cells() + grid.rows();
    loop {
        match cursor.step(vocabulary) {
            PictureStep::Forced(ids) => waiting.extend(ids),
            PictureStep::Done => return Ok((cursor.codes().to_vec(), passes)),
            PictureStep::Sample { cell } => {
                if let Some(code) = pins.get(cell).copied().flatten() {
                    cursor.accept(code, vocabulary)?;
                    waiting.push(vocabulary.visual(code)?);
                    continue;
                }
                if cancel.cancelled() {
                    return Err(EngineError::Cancelled);
                }
                passes += 1;
                let address = (0, cell as u64);
                let drawn = if passes == 1 {
                    // Pinned cells before it are among those waiting.
                    sampler.draw(reader.read_for(model, &waiting, Half::Visual, rows - cell)?, |_| true, address)?
                } else {
                    reader.append_and_draw(model, &waiting, Half::Visual, sampler, address)?
                };
                waiting.clear();
                sampler.keep(drawn);
                cursor.accept(drawn.index as u32, vocabulary)?;
                waiting.push(vocabulary.visual(drawn.index as u32)?);
            }
        }
    }
}

/// Talks behind the reader's prompt until the model ends its answer or the limit is reached; each piece of text goes to `on_text`.
pub(crate) fn text(
    model: &Transformer,
    reader: &mut Reader<'_>,
    tokenizer: &TextTokenizer,
    sampler: &mut Sampler,
    cancel: &Cancel,
    on_text: &mut dyn FnMut(TextPiece<'_>),
) -> Result<String, EngineError> {
    let vocabulary = tokenizer.vocabulary();
    let (ess, eos) = (vocabulary.control().ess, vocabulary.control().eos);
    let allowed = |index: usize| {
        let id = index as u32;
        vocabulary.is_text(id) || id == ess || id == eos
    };
    let mut buffer = Utf8Buffer::default();
    let mut whole = String::new();
    // A character that is cut between tokens waits in the buffer; its piece has the probability of all of them.
    let mut probability = 1.0;
    let mut say = |text: &str, drawn: f32| {
        probability *= drawn;
        if !text.is_empty() {
            whole.push_str(text);
            on_text(TextPiece { text, probability });
            probability = 1.0;
        }
    };
    let mut last = None;
    for position in 0..limits::NARRATION_TOKENS {
        if cancel.cancelled() {
            return Err(EngineError::Cancelled);
        }
        let logits = match last {
            None => reader.read_for(model, &[], Half::Text, limits::NARRATION_TOKENS)?,
            Some(id) => reader.append(model, &[id], Half::Text)?,
        };
        let drawn = sampler.draw(logits, allowed, (0, position as u64))?;
        let id = drawn.index as u32;
        if id == ess || id == eos {
            break;
        }
        say(&tokenizer.decode_stream(id, &mut buffer), drawn.probability);
        last = Some(id);
    }
    say(&buffer.finish(), 1.0);
    Ok(whole)
}
