//! How a walk begins: from a scene's first view, from a caption, or from a picture.

use std::path::Path;

use rhea_engine::{Cancel, Filter, Imagine, Imagined, ViewRequest, ViewTask};
use rhea_picture::{Picture, load_picture, psnr};
use rhea_scene::limits::{EYE_HEIGHT_M, MAX_FILE_BYTES};
use rhea_scene::{Camera, Pose, Renderer, Scene, Threads};

use crate::error::SessionError;
use crate::limits::MAX_TEXT_BYTES;
use crate::options::Options;
use crate::script::ScriptStart;

/// Where a walk begins.
#[derive(Clone, Debug)]
pub enum Start {
    /// The exact first view of a scene. Afterwards the scene is used no more: the model imagines the rest.
    Scene {
        /// The scene.
        scene: Scene,
        /// Where to stand; `None` is the scene's first start.
        pose: Option<Pose>,
    },
    /// A view imagined from a caption.
    Caption(String),
    /// A picture of any size; its largest middle square becomes the first view.
    Picture {
        /// The picture.
        picture: Picture,
        /// What to call it, such as its file name.
        name: String,
    },
}

impl Start {
    /// The first view of a scene file.
    ///
    /// # Errors
    /// When the file cannot be read or has an error, with line and column.
    pub fn scene_file(path: &Path) -> Result<Self, SessionError> {
        let read = |source| SessionError::Read { what: "the scene", path: path.to_path_buf(), source };
        // A longer file is read only so far that the scene's own check refuses it.
        let file = std::io::Read::take(std::fs::File::open(path).map_err(read)?, MAX_FILE_BYTES as u64 + 1);
        let text = std::io::read_to_string(file).map_err(read)?;
        let scene =
            Scene::from_ron(&text).map_err(|source| SessionError::Scene { path: path.to_path_buf(), source })?;
        Ok(Self::Scene { scene, pose: None })
    }

    /// A picture file, PNG or JPEG.
    ///
    /// # Errors
    /// When the file cannot be read or is no picture that is allowed.
    pub fn picture_file(path: &Path) -> Result<Self, SessionError> {
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(Self::Picture { picture: load_picture(path)?, name })
    }

    /// The start of a script, its file loaded.
    ///
    /// # Errors
    /// As [`Start::scene_file`] and [`Start::picture_file`], and for a saved world, which is no start: see
    /// [`crate::Beginning::of_script`].
    pub fn of_script(start: &ScriptStart) -> Result<Self, SessionError> {
        match start {
            ScriptStart::Scene(path) => Self::scene_file(path),
            ScriptStart::Picture(path) => Self::picture_file(path),
            ScriptStart::Caption(caption) => Ok(Self::Caption(caption.clone())),
            ScriptStart::World(path) => Err(SessionError::NoStart { path: path.clone() }),
        }
    }

    /// The start in words: what the replay calls it.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Scene { scene, .. } => format!("scene {}", scene.name()),
            Self::Caption(caption) => format!("caption {caption}"),
            Self::Picture { name, .. } => format!("picture {name}"),
        }
    }

    /// The sentence about the world, for every request of the walk; empty for a picture.
    #[must_use]
    pub fn world(&self) -> String {
        match self {
            Self::Scene { scene, .. } => sentence(&scene.caption()),
            Self::Caption(caption) => sentence(caption),
            Self::Picture { .. } => String::new(),
        }
    }
}

/// A caption as a sentence: with one full stop at its end.
fn sentence(caption: &str) -> String {
    format!("{}.", caption.trim().trim_end_matches('.'))
}

/// A round trip below this is far from what the model was trained on, dB. Held-out scenes score 26 and more.
pub const FAR_FROM_TRAINING_DB: f32 = 22.0;

/// A first view.
pub(crate) struct FirstView {
    pub(crate) imagined: Imagined,
    pub(crate) pose: Pose,
    /// PSNR between a picture and its round trip, when it began with a picture.
    pub(crate) round_trip_db: Option<f32>,
}

impl FirstView {
    /// Draws, renders or takes the first view.
    pub(crate) fn make(
        start: &Start,
        model: &mut dyn Imagine,
        options: &Options,
        cancel: &Cancel,
    ) -> Result<Self, SessionError> {
        let side = model.side_px();
        let eye = Pose { position_m: [0.0, EYE_HEIGHT_M, 0.0], yaw_rad: 0.0, pitch_rad: 0.0 };
        let first = match start {
            Start::Scene { scene, pose } => {
                let pose = pose.or_else(|| scene.starts().first().copied()).unwrap_or(eye);
                let exact = Renderer::new(scene).render(&pose, &Camera::square(side), Threads::All).rgbd;
                let coded = model.round_trip(&exact, None)?;
                let view = if options.own_start { coded.view } else { exact };
                Self { imagined: Imagined { view, ..coded }, pose, round_trip_db: None }
            }
            Start::Caption(caption) => {
                check_text("a caption", caption)?;
                let request = ViewRequest {
                    task: ViewTask::TextToImage,
                    world: String::new(),
                    prompt: caption.trim().to_owned(),
                    memory: None,
                    decoding: options.decoding_for(model.canvas_form(), 0.0),
                    picture: Filter { ..options.picture },
                    guidance: options.guidance,
                    shown: None,
                    seed: options.seed,
                };
                Self { imagined: model.imagine(&request, cancel)?, pose: eye, round_trip_db: None }
            }
            Start::Picture { picture, .. } => {
                let mut view = picture.clone().into_rgbd().centre_square().resized(side, side)?;
                view.depth_m = guessed_depth_m(&Camera::square(side));
                let coded = model.round_trip(&view, None)?;
                check_size(&coded, side)?;
                let score = decibels(psnr(&coded.view, &view, None)?);
                view.depth_m.clone_from(&coded.view.depth_m);
                Self { imagined: Imagined { view, ..coded }, pose: eye, round_trip_db: Some(score) }
            }
        };
        check_size(&first.imagined, side)?;
        if cancel.cancelled() {
            return Err(SessionError::Cancelled);
        }
        Ok(first)
    }

    /// A word about a picture that the model does not know how to draw.
    pub(crate) fn warning(&self, model: &str) -> Option<String> {
        let score = self.round_trip_db.filter(|score| *score < FAR_FROM_TRAINING_DB)?;
        Some(format!(
            "this picture is far from what the model {model} was trained on: it redraws it with {score:.1} dB, and pictures it \
             knows with 26 dB or more. The first view is your picture itself, what comes next is drawn as well as this model \
             can; a bigger model will do better"
        ))
    }
}

/// Height of the guessed ceiling above the eye, metres.
const CEILING_M: f32 = 1.2;
/// Distance of the guessed walls at both sides, metres.
const SIDE_WALL_M: f32 = 3.0;
/// Distance of the guessed wall ahead, metres.
const FAR_WALL_M: f32 = 5.0;

/// Planar depth of an empty room around the walker. A picture file has no depth, and the model reads colour and depth
/// together: this is what it starts from, so that the walker does not see a poster at the horizon.
fn guessed_depth_m(camera: &Camera) -> Vec<f32> {
    let focal_px = camera.focal_px();
    let (middle_x, middle_y) = (camera.width as f32 * 0.5, camera.height as f32 * 0.5);
    let mut depth_m = Vec::with_capacity(camera.width * camera.height);
    for y in 0..camera.height {
        let up = (middle_y - (y as f32 + 0.5)) / focal_px;
        let level_m = if up > 0.0 { CEILING_M } else { EYE_HEIGHT_M } / up.abs();
        for x in 0..camera.width {
            let right = ((x as f32 + 0.5) - middle_x) / focal_px;
            depth_m.push(level_m.min(SIDE_WALL_M / right.abs()).min(FAR_WALL_M));
        }
    }
    depth_m
}

/// A score that JSON can hold: equal pictures have 99 dB.
pub(crate) fn decibels(psnr: f64) -> f32 {
    psnr.clamp(0.0, 99.0) as f32
}

pub(crate) fn check_text(what: &'static str, text: &str) -> Result<(), SessionError> {
    let bytes = text.trim().len();
    if (1..=MAX_TEXT_BYTES).contains(&bytes) {
        Ok(())
    } else {
        Err(SessionError::Text { what, bytes, max: MAX_TEXT_BYTES })
    }
}

/// A model's answer is checked like anything from outside: sizes are promised to memory and replay.
pub(crate) fn check_size(imagined: &Imagined, side: usize) -> Result<(), SessionError> {
    let view = &imagined.view;
    let pixels = side * side;
    let whole = (view.width, view.height) == (side, side)
        && view.rgb.len() == pixels * 3
        && view.depth_m.len() == pixels
        && imagined.codes.len() == imagined.rows * imagined.cols;
    if whole {
        return Ok(());
    }
    let codes = imagined.codes.len();
    Err(SessionError::View { width: view.width, height: view.height, codes, side })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guessed_room_has_a_floor_under_the_eye() {
        // With an odd side the middle column and row look straight ahead, along no floor: the wall is there.
        for side in [1, 33, 128] {
            let camera = Camera::square(side);
            let depth_m = guessed_depth_m(&camera);
            assert_eq!(depth_m.len(), side * side);
            assert!(depth_m.iter().all(|depth| (0.5..=FAR_WALL_M).contains(depth)));
        }
        let depth_m = guessed_depth_m(&Camera::square(128));
        // The lowest row looks 40 degrees down: the floor, 1.5 m below, is 1.5 / tan(40 deg) = 1.79 m away.
        let lowest = depth_m[127 * 128 + 64];
        assert!((lowest - 1.79).abs() < 0.03, "{lowest}");
        assert_eq!(depth_m[64 * 128 + 64], FAR_WALL_M);
    }

    #[test]
    fn a_sentence_has_one_full_stop() {
        assert_eq!([sentence("a hall"), sentence(" a hall. ")], ["a hall.", "a hall."]);
    }
}
