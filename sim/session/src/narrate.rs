//! The words about a view: streamed, cut when asked, never a reason to lose a step.

use rhea_engine::{EngineError, Imagine, NarrationRequest};

use crate::event::{SessionEvent, StepControl};
use crate::limits::MAX_NARRATION_BYTES;
use crate::replay::NarrationNote;

/// Lets the model talk. What it said until it was cut or failed is kept.
pub(crate) fn narrate(
    request: &NarrationRequest,
    model: &mut dyn Imagine,
    control: &StepControl,
    on_event: &mut dyn FnMut(SessionEvent),
) -> NarrationNote {
    let mut text = String::new();
    let outcome = model.narrate(request, &control.hush, &mut |piece| {
        if control.cancel.cancelled() || text.len() + piece.len() > MAX_NARRATION_BYTES {
            control.hush.cancel();
        }
        if !control.hush.cancelled() {
            text.push_str(piece);
            on_event(SessionEvent::NarrationText(piece.to_owned()));
        }
    });
    let cut = control.hush.cancelled();
    let note = match outcome {
        Ok(whole) if !cut => NarrationNote { text: whole, cut },
        Ok(_) | Err(EngineError::Cancelled) => NarrationNote { text, cut: true },
        Err(error) => {
            on_event(SessionEvent::Warning(format!("the narration broke off: {error}")));
            NarrationNote { text, cut: true }
        }
    };
    on_event(SessionEvent::NarrationDone(note.clone()));
    note
}
