//! What two processes say to each other, as plain values, and how they become those of the engine.
//!
//! Nothing that comes from the other end is believed: sizes are checked before a picture is made of it.

use rhea_engine::{
    CanvasForm, CanvasMethod, Chosen, Decoding, EngineError, Filter, Grid, Guidance, Imagined, NarrationRequest,
    ShownTurn, ShownViews, ViewRequest, ViewRoom, ViewTask, ViewTimings,
};
use rhea_picture::{Rgbd, Trust, Warp};
use serde::{Deserialize, Serialize};

use crate::answers::{Colours, Happened, Question, Settings, Written};
use crate::error::ChildError;

/// From the caller to the process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ToChild {
    /// A request.
    Ask { id: u64, ask: Box<Ask> },
    /// The request is not wanted any more.
    Cancel { id: u64 },
}

/// From the process to the caller.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum FromChild {
    /// The model is open.
    Ready(Ready),
    /// The model cannot be opened.
    Refused(Told),
    /// The process works; `pulse` grows while the model gets on.
    Beat { pulse: u64 },
    /// A piece of text of the running request.
    Text { id: u64, text: String, probability: f32 },
    /// Something happened in the running request.
    Event { id: u64, event: Happened },
    /// The running request is answered.
    Done { id: u64, answer: Result<Answer, Told> },
}

/// What is known of the model that was opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ready {
    pub name: String,
    pub fingerprint: String,
    pub kind: Kind,
    /// What the user should know of how it was opened.
    pub note: Option<String>,
}

/// What a model was opened for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Walks and plans; of a room context, rows and columns.
    Walks { side_px: u32, canvas_form: Option<CanvasForm>, room: Option<(u64, u32, u32)>, grid: (u32, u32) },
    /// Questions; settings by task, in the order of all tasks.
    Answers { only_grid: Option<(u32, u32)>, context: u64, settings: Vec<Settings> },
}

pub(crate) fn room((context, rows, cols): (u64, u32, u32)) -> Result<ViewRoom, ChildError> {
    Ok(ViewRoom { context: context as usize, grid: grid((rows, cols))? })
}

pub(crate) fn grid((rows, cols): (u32, u32)) -> Result<Grid, ChildError> {
    Grid::new(rows as usize, cols as usize).map_err(|e| ChildError::Damaged(e.to_string()))
}

pub(crate) fn sides(grid: Grid) -> (u32, u32) {
    (grid.rows() as u32, grid.cols() as u32)
}

/// A request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    Imagine(View),
    Narrate { world: String, prompt: String, codes: Vec<u32>, text: Filter, seed: u64 },
    RoundTrip { view: Pixels, memory: Option<Known> },
    Choose { prompt: Vec<u32>, answers: Vec<Vec<u32>> },
    WriteText { prompt: Vec<u32>, filter: Filter, seed: u64 },
    Revise { prompt: Vec<u32>, codes: Vec<u32>, filter: Filter, passes: u32, seed: u64 },
    Encode { view: Pixels },
    Picture { codes: Vec<u32>, memory: Option<Known> },
    PictureIds { picture: Colours, area: u64 },
    Answer(Box<Question>),
}

impl Ask {
    /// What the process is at, as errors say it.
    pub(crate) fn doing(&self) -> &'static str {
        match self {
            Self::Imagine(_) => "drawing a view",
            Self::Narrate { .. } => "talking about a view",
            Self::RoundTrip { .. } | Self::Encode { .. } | Self::PictureIds { .. } => "encoding a picture",
            Self::Choose { .. } => "choosing an answer",
            Self::WriteText { .. } => "writing text",
            Self::Revise { .. } => "drawing a key-frame",
            Self::Picture { .. } => "decoding a picture",
            Self::Answer(_) => "answering",
        }
    }
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    View(Drawn),
    Text(String),
    Chosen { index: u64, log_probability: f64, passes: u32, steered: bool },
    Codes { codes: Vec<u32>, passes: u32 },
    Picture(Pixels),
    Written(Written),
}

impl Answer {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::View(_) => "a view",
            Self::Text(_) => "text",
            Self::Chosen { .. } => "a choice",
            Self::Codes { .. } => "codes",
            Self::Picture(_) => "a picture",
            Self::Written(_) => "an answer",
        }
    }
}

impl From<Chosen> for Answer {
    fn from(chosen: Chosen) -> Self {
        let Chosen { index, log_probability, passes, steered } = chosen;
        Self::Chosen { index: index as u64, log_probability, passes, steered }
    }
}

/// An error of the model, as it can be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Told {
    Cancelled,
    NonFinite {
        step: u64,
        count: u64,
    },
    Request(String),
    /// The process cannot serve any more: its device or a rank is lost.
    Lost(String),
    Other(String),
}

impl From<&EngineError> for Told {
    fn from(error: &EngineError) -> Self {
        match error {
            lost if lost.ends_process() => Self::Lost(lost.to_string()),
            EngineError::Cancelled => Self::Cancelled,
            EngineError::NonFinite { step, count } => Self::NonFinite { step: *step as u64, count: *count as u64 },
            EngineError::Request(text) => Self::Request(text.clone()),
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<Told> for EngineError {
    fn from(told: Told) -> Self {
        match told {
            Told::Cancelled => Self::Cancelled,
            Told::NonFinite { step, count } => Self::NonFinite { step: step as usize, count: count as usize },
            Told::Request(text) => Self::Request(text),
            Told::Lost(text) | Told::Other(text) => Self::Told(text),
        }
    }
}

/// A picture with depth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pixels {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
    depth_m: Vec<f32>,
}

impl From<&Rgbd> for Pixels {
    fn from(view: &Rgbd) -> Self {
        let (width, height) = (view.width as u32, view.height as u32);
        Self { width, height, rgb: view.rgb.clone(), depth_m: view.depth_m.clone() }
    }
}

impl Pixels {
    pub(crate) fn into_view(self) -> Result<Rgbd, ChildError> {
        let (width, height) = (self.width as usize, self.height as usize);
        let pixels = width.checked_mul(height).filter(|n| *n == self.depth_m.len() && n * 3 == self.rgb.len());
        if pixels.is_none() || width == 0 {
            let (rgb, depth) = (self.rgb.len(), self.depth_m.len());
            let what = format!("a picture of {width} x {height} px with {rgb} values of colour and {depth} of depth");
            return Err(ChildError::Damaged(what));
        }
        Ok(Rgbd { width, height, rgb: self.rgb, depth_m: self.depth_m })
    }
}

/// What memory knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Known {
    view: Pixels,
    valid: Vec<bool>,
    magnification: Vec<f32>,
    source: Vec<u16>,
    trust: Vec<u8>,
}

impl From<&Warp> for Known {
    fn from(warp: &Warp) -> Self {
        let trust = warp.trust.iter().map(|trust| match trust {
            Trust::Given => 0,
            Trust::Drawn => 1,
            Trust::Loose => 2,
        });
        Self {
            view: Pixels::from(&warp.view),
            valid: warp.valid.clone(),
            magnification: warp.magnification.clone(),
            source: warp.source.clone(),
            trust: trust.collect(),
        }
    }
}

impl Known {
    pub(crate) fn into_warp(self) -> Result<Warp, ChildError> {
        let view = self.view.into_view()?;
        let pixels = view.width * view.height;
        let lengths = [self.valid.len(), self.magnification.len(), self.source.len(), self.trust.len()];
        if lengths != [pixels; 4] {
            return Err(ChildError::Damaged(format!("memory of {pixels} px with {lengths:?} values")));
        }
        let trust = self.trust.iter().map(|trust| match trust {
            0 => Ok(Trust::Given),
            1 => Ok(Trust::Drawn),
            2 => Ok(Trust::Loose),
            other => Err(ChildError::Damaged(format!("trust {other}; known are 0 to 2"))),
        });
        let trust = trust.collect::<Result<_, _>>()?;
        Ok(Warp { view, valid: self.valid, magnification: self.magnification, source: self.source, trust })
    }
}

pub(crate) fn known(memory: Option<Known>) -> Result<Option<Warp>, ChildError> {
    memory.map(Known::into_warp).transpose()
}

/// A request for a view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct View {
    explore: bool,
    world: String,
    prompt: String,
    memory: Option<Known>,
    how: How,
    picture: Filter,
    /// Scale and share.
    guidance: Option<(f32, f32)>,
    shown: Option<Shown>,
    seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum How {
    Parallel(u32),
    Canvas(CanvasMethod, u32),
    NextToken,
}

impl From<Decoding> for How {
    fn from(decoding: Decoding) -> Self {
        match decoding {
            Decoding::Parallel { passes } => Self::Parallel(passes),
            Decoding::Canvas { method, passes } => Self::Canvas(method, passes),
            Decoding::NextToken => Self::NextToken,
        }
    }
}

impl From<How> for Decoding {
    fn from(how: How) -> Self {
        match how {
            How::Parallel(passes) => Self::Parallel { passes },
            How::Canvas(method, passes) => Self::Canvas { method, passes },
            How::NextToken => Self::NextToken,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Shown {
    anchor: Option<Vec<u32>>,
    recalled: Vec<(String, Vec<u32>)>,
    /// Command, codes, narration.
    turns: Vec<(String, Vec<u32>, String)>,
    pinned: Vec<bool>,
}

impl From<&ViewRequest> for View {
    fn from(request: &ViewRequest) -> Self {
        let shown = request.shown.as_ref().map(|shown| Shown {
            anchor: shown.anchor.clone(),
            recalled: shown.recalled.clone(),
            turns: shown.turns.iter().map(|t| (t.command.clone(), t.codes.clone(), t.narration.clone())).collect(),
            pinned: shown.pinned.clone(),
        });
        Self {
            explore: request.task == ViewTask::Explore,
            world: request.world.clone(),
            prompt: request.prompt.clone(),
            memory: request.memory.as_ref().map(Known::from),
            how: request.decoding.into(),
            picture: request.picture,
            guidance: request.guidance.map(|guidance| (guidance.scale, guidance.share)),
            shown,
            seed: request.seed,
        }
    }
}

impl View {
    pub(crate) fn into_request(self) -> Result<ViewRequest, ChildError> {
        let shown = self.shown.map(|Shown { anchor, recalled, turns, pinned }| {
            let turns = turns.into_iter().map(|(command, codes, narration)| ShownTurn { command, codes, narration });
            ShownViews { anchor, recalled, turns: turns.collect(), pinned }
        });
        Ok(ViewRequest {
            task: if self.explore { ViewTask::Explore } else { ViewTask::TextToImage },
            world: self.world,
            prompt: self.prompt,
            memory: known(self.memory)?,
            decoding: self.how.into(),
            picture: self.picture,
            guidance: self.guidance.map(|(scale, share)| Guidance { scale, share }),
            shown,
            seed: self.seed,
        })
    }
}

impl From<&NarrationRequest> for Ask {
    fn from(request: &NarrationRequest) -> Self {
        let NarrationRequest { world, prompt, codes, text, seed } = request.clone();
        Self::Narrate { world, prompt, codes, text, seed }
    }
}

/// A finished view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Drawn {
    view: Pixels,
    codes: Vec<u32>,
    rows: u32,
    cols: u32,
    doubted: Vec<bool>,
    passes: u32,
    timings: [f64; 3],
}

impl From<Imagined> for Drawn {
    fn from(imagined: Imagined) -> Self {
        let ViewTimings { prepare_secs, codes_secs, picture_secs } = imagined.timings;
        Self {
            view: Pixels::from(&imagined.view),
            codes: imagined.codes,
            rows: imagined.rows as u32,
            cols: imagined.cols as u32,
            doubted: imagined.doubted,
            passes: imagined.passes,
            timings: [prepare_secs, codes_secs, picture_secs],
        }
    }
}

impl Drawn {
    pub(crate) fn into_imagined(self) -> Result<Imagined, ChildError> {
        let view = self.view.into_view()?;
        let (rows, cols) = (self.rows as usize, self.cols as usize);
        let pixels = view.width * view.height;
        if rows.checked_mul(cols) != Some(self.codes.len()) || ![0, pixels].contains(&self.doubted.len()) {
            let what = format!("a view of {rows} x {cols} cells with {} codes", self.codes.len());
            return Err(ChildError::Damaged(what));
        }
        let [prepare_secs, codes_secs, picture_secs] = self.timings;
        let timings = ViewTimings { prepare_secs, codes_secs, picture_secs };
        Ok(Imagined { view, codes: self.codes, rows, cols, doubted: self.doubted, passes: self.passes, timings })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use rhea_engine::canvas_samplers::{EntropySettings, Flow};

    use super::*;
    use crate::wire::sent;

    fn warp() -> Warp {
        let mut warp = Warp::empty(4, 2);
        warp.valid[3] = true;
        warp.magnification[3] = 1.25;
        warp.source[3] = 7;
        (warp.trust[2], warp.trust[3]) = (Trust::Drawn, Trust::Loose);
        warp.view.rgb[9] = 200;
        warp.view.depth_m[3] = 0.1;
        warp
    }

    #[test]
    fn a_request_with_everything_in_it_arrives_as_it_was() {
        let methods = [CanvasMethod::Masked, CanvasMethod::Flow(Flow::METRIC), CanvasMethod::Flow(Flow::MIXTURE)];
        let entropy = CanvasMethod::Entropy(EntropySettings::PICTURE);
        let canvases = methods.into_iter().chain([entropy]).map(|method| Decoding::Canvas { method, passes: 9 });
        for decoding in canvases.chain([Decoding::NextToken, Decoding::Parallel { passes: 3 }]) {
            let turn = ShownTurn { command: "turn".into(), codes: vec![5], narration: "You see.".into() };
            let request = ViewRequest {
                task: ViewTask::Explore,
                world: "a red room".into(),
                prompt: "go forward".into(),
                memory: Some(warp()),
                decoding,
                picture: Filter { temperature: 0.7, top_k: 3, top_p: 0.9 },
                guidance: Some(Guidance { scale: 2.5, share: 0.5 }),
                shown: Some(ShownViews {
                    anchor: Some(vec![1, 2]),
                    recalled: vec![("Seen".into(), vec![3, 4])],
                    turns: vec![turn],
                    pinned: vec![true, false],
                }),
                seed: u64::MAX,
            };
            let back = sent(&View::from(&request)).into_request().unwrap();
            // `ViewRequest` has no equality of its own; its parts have.
            assert_eq!(View::from(&back), View::from(&request));
            assert_eq!((back.memory, back.decoding), (request.memory, request.decoding));
            assert_eq!((back.guidance, back.shown, back.seed), (request.guidance, request.shown, request.seed));
        }
    }

    #[test]
    fn pictures_whose_sizes_do_not_fit_are_refused() {
        let view = Rgbd::filled(3, 2, [1, 2, 3]);
        assert_eq!(sent(&Pixels::from(&view)).into_view().unwrap(), view);
        let wrong = |change: &dyn Fn(&mut Pixels)| {
            let mut pixels = Pixels::from(&view);
            change(&mut pixels);
            pixels.into_view().unwrap_err().to_string()
        };
        assert!(wrong(&|p| p.width = 4).contains("4 x 2 px"));
        wrong(&|p| p.width = u32::MAX);
        wrong(&|p| p.rgb.truncate(1));
        wrong(&|p| *p = Pixels { width: 0, height: 9, rgb: vec![], depth_m: vec![] });
        let mut known = Known::from(&warp());
        known.trust[0] = 3;
        assert!(known.clone().into_warp().is_err());
        known.trust = vec![0; 7];
        assert!(known.into_warp().is_err());
    }

    #[test]
    fn errors_keep_their_kind() {
        for error in [
            EngineError::Cancelled,
            EngineError::NonFinite { step: 3, count: 4 },
            EngineError::Request("no".into()),
            EngineError::Folder { what: "no config.json".into(), path: "here".into() },
        ] {
            let back = EngineError::from(sent(&Told::from(&error)));
            assert_eq!(back.to_string(), error.to_string());
            assert_eq!(matches!(back, EngineError::Cancelled), matches!(error, EngineError::Cancelled));
        }
    }
}
