//! A stand-in for the model with known answers: it keeps what memory knows and paints the rest in one colour per seed.

use rhea_engine::{Cancel, EngineError, Imagine, Imagined, NarrationRequest, TextPiece, ViewRequest, ViewTimings};
use rhea_picture::{Rgbd, Warp};

/// Side of the painted views, pixels.
pub const SIDE_PX: usize = 32;
/// Depth of what is painted, metres.
pub const PAINTED_M: f32 = 8.0;

#[derive(Default)]
pub struct Painter {
    /// All requests for a view.
    pub requests: Vec<ViewRequest>,
    /// All requests for words.
    pub told: Vec<NarrationRequest>,
    /// Pictures that were encoded.
    pub round_trips: usize,
    /// The view request with this number fails.
    pub fails_at: Option<usize>,
    /// The view request with this number gives a view of the wrong size.
    pub wrong_size_at: Option<usize>,
    /// Depth of what is painted, when it is not [`PAINTED_M`].
    pub depth_m: Option<f32>,
    /// Added to every colour by a round trip: a tokenizer that does not know such pictures.
    pub round_trip_error: u8,
}

/// The colour that a seed paints.
pub fn colour(seed: u64) -> [u8; 3] {
    [40 + (seed * 37 % 180) as u8, 90, 200 - (seed * 53 % 150) as u8]
}

impl Painter {
    fn coded(view: Rgbd) -> Imagined {
        let codes = view.rgb.chunks(view.rgb.len() / 4).map(|part| part.iter().map(|c| u32::from(*c)).sum()).collect();
        Imagined { view, codes, rows: 2, cols: 2, doubted: Vec::new(), passes: 1, timings: ViewTimings::default() }
    }
}

impl Imagine for Painter {
    fn name(&self) -> &str {
        "painter"
    }

    fn side_px(&self) -> usize {
        SIDE_PX
    }

    fn imagine(&mut self, request: &ViewRequest, cancel: &Cancel) -> Result<Imagined, EngineError> {
        let number = self.requests.len();
        self.requests.push(request.clone());
        if cancel.cancelled() {
            return Err(EngineError::Cancelled);
        }
        if self.fails_at == Some(number) {
            return Err(EngineError::NonFinite { step: 3, count: 1 });
        }
        let side = if self.wrong_size_at == Some(number) { SIDE_PX + 1 } else { SIDE_PX };
        let mut view = Rgbd::filled(side, side, colour(request.seed));
        view.depth_m.fill(self.depth_m.unwrap_or(PAINTED_M));
        if let Some(memory) = &request.memory {
            for (i, _) in memory.valid.iter().enumerate().filter(|(_, valid)| **valid) {
                view.rgb[i * 3..i * 3 + 3].copy_from_slice(&memory.view.rgb[i * 3..i * 3 + 3]);
                view.depth_m[i] = memory.view.depth_m[i];
            }
        }
        Ok(Self::coded(view))
    }

    fn narrate(
        &mut self,
        request: &NarrationRequest,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(TextPiece<'_>),
    ) -> Result<String, EngineError> {
        self.told.push(request.clone());
        let mut text = String::new();
        for piece in ["You see ", "paint number ", &request.codes[0].to_string(), "."] {
            if cancel.cancelled() {
                return Err(EngineError::Cancelled);
            }
            text.push_str(piece);
            on_text(TextPiece { text: piece, probability: 0.5 });
        }
        Ok(text)
    }

    fn round_trip(&mut self, view: &Rgbd, _: Option<&Warp>) -> Result<Imagined, EngineError> {
        self.round_trips += 1;
        let mut view = view.resized(SIDE_PX, SIDE_PX).unwrap();
        for value in &mut view.rgb {
            *value = value.wrapping_add(self.round_trip_error);
        }
        view.depth_m.fill(PAINTED_M);
        Ok(Self::coded(view))
    }
}
