//! A model whose passes and times are counted.

use rhea_engine::{
    Cancel, CanvasForm, EngineError, Imagine, Imagined, NarrationRequest, TextPiece, ViewRequest, ViewTimings,
};
use rhea_picture::{Rgbd, Warp};

/// Hands everything on to a model, and counts the passes and times of the views it draws.
pub(super) struct Counted<'a> {
    model: &'a mut dyn Imagine,
    passes: u64,
    timings: Vec<ViewTimings>,
}

impl<'a> Counted<'a> {
    pub fn new(model: &'a mut dyn Imagine) -> Self {
        Self { model, passes: 0, timings: Vec::new() }
    }

    /// Views drawn.
    pub fn views(&self) -> usize {
        self.timings.len()
    }

    /// Passes a view; NaN before the first.
    pub fn mean_passes(&self) -> f64 {
        self.passes as f64 / self.views() as f64
    }

    /// Where the time of each view went.
    pub fn timings(&self) -> &[ViewTimings] {
        &self.timings
    }
}

impl Imagine for Counted<'_> {
    fn name(&self) -> &str {
        self.model.name()
    }

    fn side_px(&self) -> usize {
        self.model.side_px()
    }

    fn canvas_form(&self) -> Option<CanvasForm> {
        self.model.canvas_form()
    }

    fn imagine(&mut self, request: &ViewRequest, cancel: &Cancel) -> Result<Imagined, EngineError> {
        let imagined = self.model.imagine(request, cancel)?;
        self.passes += u64::from(imagined.passes);
        self.timings.push(imagined.timings);
        Ok(imagined)
    }

    fn narrate(
        &mut self,
        request: &NarrationRequest,
        cancel: &Cancel,
        on_text: &mut dyn FnMut(TextPiece<'_>),
    ) -> Result<String, EngineError> {
        self.model.narrate(request, cancel, on_text)
    }

    fn round_trip(&mut self, view: &Rgbd, memory: Option<&Warp>) -> Result<Imagined, EngineError> {
        self.model.round_trip(view, memory)
    }
}
