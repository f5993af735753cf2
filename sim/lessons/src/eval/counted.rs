//! A model whose passes are counted.

use rhea_engine::{Cancel, CanvasForm, EngineError, Imagine, Imagined, NarrationRequest, TextPiece, ViewRequest};
use rhea_picture::Rgbd;

/// Hands everything on to a model, and counts the passes of the views it draws.
pub(super) struct Counted<'a> {
    model: &'a mut dyn Imagine,
    passes: u64,
    views: usize,
}

impl<'a> Counted<'a> {
    pub fn new(model: &'a mut dyn Imagine) -> Self {
        Self { model, passes: 0, views: 0 }
    }

    /// Views drawn.
    pub fn views(&self) -> usize {
        self.views
    }

    /// Passes a view; NaN before the first.
    pub fn mean_passes(&self) -> f64 {
        self.passes as f64 / self.views as f64
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
        self.views += 1;
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

    fn round_trip(&mut self, view: &Rgbd) -> Result<Imagined, EngineError> {
        self.model.round_trip(view)
    }
}
