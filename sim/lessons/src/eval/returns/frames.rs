//! Any other system's pictures under the same scores.
//!
//! [`write_plan`] writes a folder with `poses.json` and the true first view of every walk. A system draws each listed view, in the
//! listed order, from the first view alone, and saves it under the listed name as PNG or JPEG of any size; a view with a `probe` should
//! not be remembered. [`score_frames`] reads the folder back. Walks may be left out of `poses.json`, views may not.
//!
//! Poses are right-handed, `y` up, metres and degrees; yaw 0 looks along `-z`, positive yaw turns left, positive pitch looks up. The
//! camera is a pinhole with the horizontal field of view `fov_x_deg`, square, its principal point in the middle.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rhea_picture::{Rgbd, load_picture, save_picture};
use rhea_scene::{Camera, Pose};
use serde::{Deserialize, Serialize};

use super::method::Method;
use super::stage::Stage;
use super::tour::{Due, Tour, WalkKind, is_same};
use super::walker::{Shot, Walked};
use super::{Ground, HORIZONS, Outing, Returns};
use crate::LessonError;
use crate::frames::TRAINING_SEEDS;

/// Version of the layout.
const FORMAT: u32 = 1;
/// Largest `poses.json`, bytes.
const MAX_PLAN_BYTES: u64 = 64 << 20;
/// Sides that pictures are scored at, pixels.
const SIDES_PX: std::ops::RangeInclusive<usize> = 16..=1024;
/// Poses of the file and of the benchmark may differ by rounding only, metres and degrees.
const ROUNDING_M: f32 = 0.01;
const ROUNDING_DEG: f32 = 0.1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    format: u32,
    side_px: usize,
    fov_x_deg: f32,
    walks: Vec<PlannedWalk>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlannedWalk {
    seed: u64,
    walk: WalkKind,
    /// The last step.
    steps: usize,
    /// The picture that is given.
    start: String,
    views: Vec<PlannedView>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlannedView {
    file: String,
    step: usize,
    /// Number of the probe; none for the walk itself.
    probe: Option<usize>,
    position_m: [f32; 3],
    yaw_deg: f32,
    pitch_deg: f32,
}

impl PlannedView {
    fn new(file: String, step: usize, probe: Option<usize>, pose: &Pose) -> Self {
        let (yaw_deg, pitch_deg) = (pose.yaw_rad.to_degrees(), pose.pitch_rad.to_degrees());
        Self { file, step, probe, position_m: pose.position_m, yaw_deg, pitch_deg }
    }

    fn pose(&self) -> Pose {
        let (yaw_rad, pitch_rad) = (self.yaw_deg.to_radians(), self.pitch_deg.to_radians());
        Pose { position_m: self.position_m, yaw_rad, pitch_rad }
    }
}

/// The views of a tour in their order: each step, then the probes that are due after it.
fn views(tour: &Tour, dues: &[Due], steps: usize, name: &str) -> Vec<PlannedView> {
    let mut views = Vec::new();
    for step in 0..=steps {
        if step > 0 {
            views.push(PlannedView::new(format!("{name}-{step:03}.png"), step, None, &tour.pose(step)));
        }
        for due in dues.iter().filter(|due| due.step == step) {
            let file = format!("{name}-{step:03}-probe-{}.png", due.probe);
            let planned = PlannedView::new(file, step, Some(due.probe), &tour.probes[due.probe].pose);
            // One picture serves two horizons that end with the same return.
            if !views.iter().any(|v: &PlannedView| v.file == planned.file) {
                views.push(planned);
            }
        }
    }
    views
}

/// Writes what another system has to draw.
///
/// # Errors
/// When the folder cannot be written.
pub fn write_plan(dir: &Path, outings: &[Outing], side_px: usize) -> Result<(), LessonError> {
    std::fs::create_dir_all(dir).map_err(|source| LessonError::File { path: dir.into(), source })?;
    let mut walks = Vec::new();
    for Outing { seed, walk, horizons } in outings {
        let Some(stage) = Stage::new(*seed, side_px) else { continue };
        let tour = Tour::new(*walk, &stage);
        let horizons = &HORIZONS[..(*horizons).min(HORIZONS.len())];
        let steps = horizons.last().copied().unwrap_or(0);
        let name = format!("{seed}-{}", walk.name().replace(' ', "-"));
        let start = format!("{name}-000.png");
        let picture = stage.view(&stage.anchor).picture();
        save_picture(&dir.join(&start), &picture).map_err(|e| LessonError::Text(e.to_string()))?;
        let views = views(&tour, &tour.dues(horizons), steps, &name);
        walks.push(PlannedWalk { seed: *seed, walk: *walk, steps, start, views });
    }
    let plan = PlanFile { format: FORMAT, side_px, fov_x_deg: Camera::FOV_X_RAD.to_degrees(), walks };
    let text = serde_json::to_string_pretty(&plan).map_err(|e| LessonError::Text(e.to_string()))?;
    let path = dir.join("poses.json");
    std::fs::write(&path, text).map_err(|source| LessonError::File { path, source })
}

/// Scores the pictures of a folder as the method `frames`, beside the bounds and cheats that need no model.
///
/// # Errors
/// When `poses.json` or a picture is missing, cannot be read, or does not belong to this benchmark.
pub fn score_frames(dir: &Path) -> Result<Returns, LessonError> {
    let path = dir.join("poses.json");
    let file = |source| LessonError::File { path: path.clone(), source };
    let wrong = |what: String| LessonError::Cache { path: path.clone(), what };
    let bytes = std::fs::metadata(&path).map_err(file)?.len();
    if bytes > MAX_PLAN_BYTES {
        return Err(wrong(format!("it has {bytes} bytes; allowed are up to {MAX_PLAN_BYTES}")));
    }
    let text = std::fs::read_to_string(&path).map_err(file)?;
    let plan: PlanFile = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    if plan.format != FORMAT || !SIDES_PX.contains(&plan.side_px) {
        let (format, side) = (plan.format, plan.side_px);
        let what =
            format!("format {format} with pictures of {side} px; allowed are format {FORMAT} and {SIDES_PX:?} px");
        return Err(wrong(what));
    }
    let mut told = Returns::default();
    for planned in &plan.walks {
        let PlannedWalk { seed, walk, steps, .. } = planned;
        let horizons = HORIZONS.iter().position(|horizon| horizon == steps).map(|at| &HORIZONS[..=at]);
        let (true, Some(horizons)) = (*seed >= TRAINING_SEEDS.end, horizons) else {
            let first = TRAINING_SEEDS.end;
            return Err(wrong(format!(
                "seed {seed} with {steps} steps; allowed are seeds from {first} and {HORIZONS:?} steps"
            )));
        };
        let Some(stage) = Stage::new(*seed, plan.side_px) else { continue };
        let tour = Tour::new(*walk, &stage);
        let ground = Ground::new(&stage, &tour, horizons);
        let walked = read_walk(dir, planned, &ground, plan.side_px, &wrong)?;
        told.rows.extend(ground.rows(Method::Frames, &walked));
        for method in [Method::OracleWarp, Method::Frozen, Method::MeanImage] {
            told.rows.extend(ground.undrawn(method).iter().flat_map(|walked| ground.rows(method, walked)));
        }
    }
    Ok(told)
}

/// One walk's pictures.
fn read_walk(
    dir: &Path,
    planned: &PlannedWalk,
    ground: &Ground<'_>,
    side_px: usize,
    wrong: &dyn Fn(String) -> LessonError,
) -> Result<Walked, LessonError> {
    let expected = views(ground.tour, &ground.dues, planned.steps, "");
    let differs = |a: &PlannedView, b: &PlannedView| {
        (a.step, a.probe) != (b.step, b.probe) || !is_same(&a.pose(), &b.pose(), ROUNDING_M, ROUNDING_DEG)
    };
    let same =
        planned.views.len() == expected.len() && !planned.views.iter().zip(&expected).any(|(a, b)| differs(a, b));
    if !same {
        let (seed, name) = (planned.seed, planned.walk.name());
        return Err(wrong(format!("the views of scene {seed}, {name}, are not those of the plan")));
    }
    let picture = |view: &PlannedView| -> Result<Arc<Rgbd>, LessonError> {
        let plain = Path::new(&view.file).components().count() == 1 && !view.file.contains("..");
        if !plain {
            return Err(wrong(format!("{:?} is no plain file name", view.file)));
        }
        let path: PathBuf = dir.join(&view.file);
        let of = |e: rhea_picture::PictureError| LessonError::Text(e.to_string());
        let view =
            load_picture(&path).map_err(of)?.into_rgbd().centre_square().resized(side_px, side_px).map_err(of)?;
        Ok(Arc::new(view))
    };
    let mut frames = vec![Arc::clone(ground.course().true_frame(0))];
    let mut shots = Vec::new();
    for view in &planned.views {
        let drawn = picture(view)?;
        match view.probe {
            None => frames.push(drawn),
            Some(probe) => {
                let due = ground.dues.iter().filter(|due| due.step == view.step && due.probe == probe);
                shots.extend(due.map(|due| Shot { due: *due, view: Arc::clone(&drawn) }));
            }
        }
    }
    Ok(Walked::plain(frames, shots))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::super::stage::RETURN_SEEDS;
    use super::*;

    /// A system that knows the truth, and one that never moves.
    fn fill(dir: &Path, outing: &Outing, moves: bool) {
        let stage = Stage::new(outing.seed, 32).unwrap();
        let plan: PlanFile = serde_json::from_str(&std::fs::read_to_string(dir.join("poses.json")).unwrap()).unwrap();
        for view in &plan.walks[0].views {
            let pose = if moves { view.pose() } else { stage.anchor };
            save_picture(&dir.join(&view.file), &stage.view(&pose).picture()).unwrap();
        }
    }

    #[test]
    fn the_truth_scores_highest_and_a_frozen_picture_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let outing = Outing { seed: RETURN_SEEDS.start, walk: WalkKind::Spin, horizons: 1 };
        write_plan(dir.path(), &[outing], 32).unwrap();
        fill(dir.path(), &outing, true);
        let rows = score_frames(dir.path()).unwrap().rows;
        let of = |rows: &[super::super::WalkRow], method: Method| *rows.iter().find(|r| r.method == method).unwrap();
        let truth = of(&rows, Method::Frames);
        // Poses are written in degrees: their rounding moves an edge now and then.
        assert!(truth.gate && truth.seen_psnr > 40.0 && truth.found == truth.landmarks, "{truth:?}");
        assert!(truth.memory_loss_db.abs() < 0.01 && truth.rot_err_deg == 0.0 && truth.aliased == 0.0);
        assert!(of(&rows, Method::OracleWarp).gate && !of(&rows, Method::MeanImage).gate);
        fill(dir.path(), &outing, false);
        let frozen = of(&score_frames(dir.path()).unwrap().rows, Method::Frames);
        assert!(!frozen.gate && frozen.seen_psnr == 0.0 && frozen.found == 0 && frozen.memory_loss_db > 5.0);
    }

    #[test]
    fn a_folder_that_does_not_fit_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let outing = Outing { seed: RETURN_SEEDS.start, walk: WalkKind::StandStill, horizons: 1 };
        write_plan(dir.path(), &[outing], 32).unwrap();
        let path = dir.path().join("poses.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let refuse = |from: &str, to: &str, word: &str| {
            std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
            let error = score_frames(dir.path()).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        refuse("\"format\": 1", "\"format\": 9", "format 9");
        refuse("\"side_px\": 32", "\"side_px\": 999999", "999999 px");
        refuse("\"steps\": 40", "\"steps\": 41", "41 steps");
        refuse("\"seed\": 1000107", "\"seed\": 7", "seed 7");
        refuse("\"step\": 2", "\"step\": 3", "not those of the plan");
        refuse("1000107-stand-still-000-probe-0.png", "../evil.png", "no plain file name");
        refuse("{", "{\"more\": 1,", "more");
        std::fs::write(&path, &text).unwrap();
        assert!(score_frames(dir.path()).is_err(), "the pictures are missing");
    }
}
