//! Next-token decoding: pictures with their forced tokens fused, and text.

use rhea_nn::transformer::{Half, Transformer};
use rhea_tokens::{Grid, PictureCursor, PictureStep, TextTokenizer, Utf8Buffer, Vocabulary};

use crate::error::EngineError;
use crate::limits;
use crate::request::Cancel;
use crate::sampler::Sampler;
use crate::stream::Stream;

/// Draws a picture behind `prompt`, token by token. Returns its codes and the forward passes made.
pub(crate) fn picture(
    model: &Transformer,
    stream: &mut Stream,
    vocabulary: &Vocabulary,
    (prompt, grid): (&[u32], Grid),
    sampler: &mut Sampler,
    cancel: &Cancel,
) -> Result<(Vec<u32>, u32), EngineError> {
    let mut cursor = PictureCursor::new(grid);
    // Ids that are known but not read yet: prompt, header, last code with a forced end of line.
    let mut waiting: Vec<u32> = prompt.to_vec();
    let mut passes = 0;
    let rows = grid.cells() + grid.rows();
    loop {
        match cursor.step(vocabulary) {
            PictureStep::Forced(ids) => waiting.extend(ids),
            PictureStep::Done => return Ok((cursor.codes().to_vec(), passes)),
            PictureStep::Sample { cell } => {
                if cancel.cancelled() {
                    return Err(EngineError::Cancelled);
                }
                passes += 1;
                let logits = if passes == 1 {
                    stream.read_for(model, &waiting, Half::Visual, rows)?
                } else {
                    stream.append(model, &waiting, Half::Visual)?
                };
                waiting.clear();
                let drawn = sampler.draw(logits, |_| true, (0, cell as u64))?;
                cursor.accept(drawn.index as u32, vocabulary)?;
                waiting.push(vocabulary.visual(drawn.index as u32)?);
            }
        }
    }
}

/// Talks behind `prompt` until the model ends its answer or the limit is reached; each piece of text goes to `on_text`.
pub(crate) fn text(
    model: &Transformer,
    stream: &mut Stream,
    tokenizer: &TextTokenizer,
    prompt: &[u32],
    sampler: &mut Sampler,
    cancel: &Cancel,
    on_text: &mut dyn FnMut(&str),
) -> Result<String, EngineError> {
    let vocabulary = tokenizer.vocabulary();
    let (ess, eos) = (vocabulary.control().ess, vocabulary.control().eos);
    let allowed = |index: usize| {
        let id = index as u32;
        vocabulary.is_text(id) || id == ess || id == eos
    };
    let mut buffer = Utf8Buffer::default();
    let mut whole = String::new();
    let mut say = |piece: &str| {
        if !piece.is_empty() {
            whole.push_str(piece);
            on_text(piece);
        }
    };
    let mut last = None;
    for position in 0..limits::NARRATION_TOKENS {
        if cancel.cancelled() {
            return Err(EngineError::Cancelled);
        }
        let logits = match last {
            None => stream.read_for(model, prompt, Half::Text, limits::NARRATION_TOKENS)?,
            Some(id) => stream.append(model, &[id], Half::Text)?,
        };
        let id = sampler.draw(logits, allowed, (0, position as u64))?.index as u32;
        if id == ess || id == eos {
            break;
        }
        say(&tokenizer.decode_stream(id, &mut buffer));
        last = Some(id);
    }
    say(&buffer.finish());
    Ok(whole)
}
