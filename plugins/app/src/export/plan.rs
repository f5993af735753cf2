//! A recorded plan, ready to be written in any form.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use rhea_physics::checks::{Check, Verdict};
use rhea_physics::film::{FilmStep, STILL_SECS, Still, culprits};
use rhea_physics::view::{Drawing, View, camera_of};
use rhea_picture::{name_source, picture_to_png, save_depth, save_picture};
use rhea_session::plans::RecordedPlan;
use rhea_session::replay::{self, ReplayReader};
use rhea_session::review::Labels;
use serde_json::{Value, json};

use super::page::fill;
use super::shots::{MOST_SHOTS, Shots};
use super::walk::DAMAGED_HINT;
use super::{ExportArgs, ExportForm};
use super::{WRITE_HINT, animation, beside, lerobot, name_sources, sha256, story, webp};
use crate::fault::{Fault, WithHint as _};
use crate::place;
use crate::plan::ROBOTS;
use crate::say::say;

/// Size of a picture of an animation, pixels.
const SHOT_PX: [usize; 2] = [480, 360];
/// Pictures a second of an animation, when nobody says.
const RATE_HZ: u32 = 10;
/// Time that the end of a step is shown, seconds; a rejected one is read longer.
const READ_SECS: f64 = 0.5;
/// See [`READ_SECS`].
const READ_REJECT_SECS: f64 = 1.5;
/// Paint of what a rejected step is rejected for.
const CULPRIT: [u8; 3] = [255, 40, 220];
/// Pictures of a step in a page, and their size.
const PAGE_SHOTS: usize = 12;
/// See [`PAGE_SHOTS`].
const PAGE_PX: [usize; 2] = [320, 240];
/// The page without its plan.
const PAGE: &str = include_str!("plan.html");
/// Where the plan goes.
const PLACE: &str = "\"the plan\"";

/// A plan as it was recorded, and where it came from.
pub(super) struct Plan {
    pub recorded: RecordedPlan,
    pub film: Vec<FilmStep>,
    /// Name of the recording, without its folder.
    pub file: String,
    sha256: String,
}

impl Plan {
    fn open(file: &Path) -> Result<Self> {
        let replay = ReplayReader::open(file).hint(DAMAGED_HINT)?;
        let recorded = RecordedPlan::new(replay, &place::shipped(ROBOTS)?).hint(DAMAGED_HINT)?;
        let film = recorded.film(0).hint(DAMAGED_HINT)?;
        if film.is_empty() {
            let hint = "A recording without a step has nothing to show.";
            return Err(Fault::new(format!("{}: no step in it", file.display()), hint).into());
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let sha256 = sha256(file).map_err(|error| format!("{}: {error}", file.display())).hint(DAMAGED_HINT)?;
        Ok(Self { recorded, film, file: name, sha256 })
    }

    /// What was asked for.
    pub fn task(&self) -> String {
        self.recorded.replay.header.start.clone()
    }

    /// Was the task done: does every goal hold, and was the last step carried out?
    pub fn is_done(&self) -> bool {
        let holds = |check: &Check| check.verdict != Verdict::Reject;
        let holds = self.recorded.end().is_some_and(|(_, end)| end.goals.iter().all(holds));
        holds && self.film.last().is_some_and(|step| step.executed)
    }

    /// Names of its robots' files.
    pub fn robot_name(&self) -> String {
        let robots = self.recorded.stage.scene.robots.iter();
        let name = |model: &str| Path::new(model).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        robots.map(|robot| name(&robot.model)).collect::<Vec<_>>().join("+")
    }

    /// Where it came from, in words.
    pub fn source(&self) -> String {
        format!("{}, SHA-256 {}", self.file, self.sha256)
    }

    /// Draws a moment of a step; at the end of a rejected one, who is to blame is painted.
    fn draw(&self, step: &FilmStep, still: &Still, at_end: bool, size_px: [usize; 2]) -> View {
        let stage = &self.recorded.stage;
        let mut drawing = Drawing::new(stage, still);
        let rejects = |check: &&Check| check.verdict == Verdict::Reject;
        if let Some(check) = step.report.checks.iter().find(rejects).filter(|_| at_end) {
            drawing.mark(stage, &culprits(&step.report, check), CULPRIT);
        }
        drawing.draw(&camera_of(stage), size_px, 2)
    }

    /// Which still of which step is shown, picture by picture; a long plan in even strides.
    fn moments(&self, rate_hz: u32) -> Vec<(usize, usize)> {
        let stride = 1.0 / (f64::from(rate_hz.max(1)) * STILL_SECS);
        let mut moments = Vec::new();
        for (index, step) in self.film.iter().enumerate() {
            let last = step.stills.len().saturating_sub(1);
            let count = (last as f64 / stride) as usize;
            moments.extend((0..=count).map(|n| (index, (n as f64 * stride) as usize)));
            let read = if step.executed { READ_SECS } else { READ_REJECT_SECS };
            let pauses = (read * f64::from(rate_hz)).ceil() as usize;
            moments.extend(std::iter::repeat_n((index, last), pauses));
        }
        let every = moments.len().div_ceil(MOST_SHOTS).max(1);
        moments.into_iter().step_by(every).collect()
    }

    fn shots(&self, rate_hz: u32) -> Shots<'_> {
        let moments = self.moments(rate_hz);
        Shots {
            size_px: SHOT_PX,
            count: moments.len(),
            rate_hz,
            source: self.source(),
            draw: Box::new(move |index| Ok(self.moment(&moments, index).rgbd)),
        }
    }

    fn moment(&self, moments: &[(usize, usize)], index: usize) -> View {
        let (step, still) = moments.get(index).copied().unwrap_or((0, 0));
        let step = &self.film[step.min(self.film.len() - 1)];
        let last = step.stills.len().saturating_sub(1);
        self.draw(step, &step.stills[still.min(last)], still >= last, SHOT_PX)
    }
}

/// Writes a plan in the form that is asked for.
///
/// # Errors
/// When the recording is damaged or empty, or the output cannot be written.
pub(super) fn export_plan(args: &ExportArgs) -> Result<ExitCode> {
    let plan = Plan::open(&args.file)?;
    let form = args.to.unwrap_or(ExportForm::Html);
    let out = args.out.clone().unwrap_or_else(|| beside(&args.file, form));
    let rate_hz = args.rate.unwrap_or(RATE_HZ);
    match form {
        ExportForm::Html => page(&plan, &out)?,
        ExportForm::Gif => animation::write(&plan.shots(rate_hz), &out)?,
        ExportForm::Webp => webp::write(&plan.shots(rate_hz), &out)?,
        ExportForm::Frames => {
            std::fs::create_dir_all(&out).hint(WRITE_HINT)?;
            let moments = plan.moments(rate_hz);
            for index in 0..moments.len() {
                let view = plan.moment(&moments, index).rgbd;
                save_picture(&out.join(format!("{index:05}.png")), &view.picture()).hint(WRITE_HINT)?;
                save_depth(&out.join(format!("{index:05}_depth.png")), &view).hint(WRITE_HINT)?;
            }
            name_sources(&out, &plan.source())?;
            say!("{} pictures", moments.len());
        }
        ExportForm::Sheet => {
            replay::sheet(&plan.recorded.replay, &out).hint(WRITE_HINT)?;
            name_source(&out, &plan.source()).hint(WRITE_HINT)?;
        }
        ExportForm::Record => story::write_plan(&plan, &out)?,
        ExportForm::Transforms => {
            let hint = "A plan is seen from one place; --to frames has its pictures with depth.";
            return Err(Fault::new("cameras are exported of walks only", hint).into());
        }
        ExportForm::Lerobot => {
            let mut plans = vec![plan];
            for more in &args.more {
                plans.push(Plan::open(more)?);
            }
            lerobot::write(&plans, &out)?;
            let sources: Vec<String> = plans.iter().map(Plan::source).collect();
            say!("{} from {}", out.display(), sources.join("; "));
            return Ok(ExitCode::SUCCESS);
        }
    }
    say!("{} from {}", out.display(), plan.source());
    Ok(ExitCode::SUCCESS)
}

/// A plan as one page: pictures, verdicts, key-frames and labels are inside it, and it asks for nothing from anywhere.
fn page(plan: &Plan, file: &Path) -> Result<()> {
    let labels = Labels::beside(&plan.recorded.replay).hint("Labels lie beside their recording.")?;
    let mut steps = Vec::new();
    for (index, step) in plan.film.iter().enumerate() {
        let last = step.stills.len().saturating_sub(1);
        let count = PAGE_SHOTS.min(last + 1);
        let mut shots = Vec::new();
        for n in 0..count {
            let still = n * last / (count - 1).max(1);
            let view = plan.draw(step, &step.stills[still], n + 1 == count, PAGE_PX);
            shots.push(base64::encode(picture_to_png(&view.rgbd.picture())?));
        }
        let png = |view: &rhea_picture::Rgbd| picture_to_png(&view.picture()).map(base64::encode);
        let checks: Vec<Value> = step.report.checks.iter().map(|check| {
            json!({ "code": check.code.name(), "verdict": word(check.verdict), "value": check.value, "threshold": check.threshold,
                "unit": check.unit, "margin": check.margin, "note": check.note, "culprit": check.culprit })
        }).collect();
        let label = labels.get(rhea_watch::record_of(index));
        let said = if step.report.text.is_empty() { step.report.skill.as_ref().map(ToString::to_string) } else { None };
        steps.push(json!({
            "step": step.report.step, "words": said.unwrap_or_else(|| step.report.text.clone()), "verdict": word(step.report.verdict),
            "says": step.report.says, "executed": step.executed, "shots": shots, "checks": checks,
            "truth": png(&step.truth)?, "imagined": step.imagined.as_ref().map(png).transpose()?,
            "label": label.opinion.map(|opinion| format!("{opinion:?}").to_lowercase()), "note": label.note,
        }));
    }
    let header = &plan.recorded.replay.header;
    let whole = json!({
        "rhea": header.rhea, "planner": header.model, "seed": header.seed, "task": header.start, "scene": header.world,
        "file": plan.file, "sha256": plan.sha256, "end": plan.recorded.end().map(|(says, end)| json!({ "says": says, "good": end.good })),
        "steps": steps,
    });
    std::fs::write(file, fill(PAGE, PLACE, &whole))
        .map_err(|error| format!("{}: {error}", file.display()))
        .hint(WRITE_HINT)
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Warn => "close",
        Verdict::Reject => "reject",
        Verdict::Unknown => "unknown",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Job};

    /// Records a shipped task.
    fn recorded(folder: &Path, script: &str) -> std::path::PathBuf {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenes/tasks").join(script);
        let words = ["rhea".into(), "plan".into(), script.into_os_string(), "--out".into(), folder.into()];
        let Some(Job::Plan(args)) = Cli::try_parse_from(words).unwrap().job else { panic!("no plan") };
        assert_eq!(crate::plan::run(&args).unwrap(), ExitCode::SUCCESS);
        folder.join("plan.mcap")
    }

    #[test]
    fn every_form_shows_every_step() {
        let folder = tempfile::tempdir().unwrap();
        let file = recorded(folder.path(), "fault_off_edge.ron");
        let plan = Plan::open(&file).unwrap();
        assert_eq!(plan.film.iter().map(|step| step.executed).collect::<Vec<_>>(), [true, false]);
        assert!(!plan.is_done());
        let export = |to: ExportForm, name: &str| {
            let out = folder.path().join(name);
            let args = ExportArgs {
                file: file.clone(),
                more: Vec::new(),
                to: Some(to),
                out: Some(out.clone()),
                rate: Some(5),
            };
            export_plan(&args).map(|_| out)
        };
        let page = std::fs::read_to_string(export(ExportForm::Html, "plan.html").unwrap()).unwrap();
        assert_eq!(page.matches("iVBORw0KGgo").count(), 2 * PAGE_SHOTS + 2, "pictures and two truths");
        assert!(page.contains("\"code\":\"SUPPORT\"") && page.contains(&plan.sha256));
        let seconds: usize = plan.film.iter().map(|step| (step.stills.len() - 1) / 6 + 1).sum();
        let pauses = (0.5_f64 * 5.0).ceil() as usize + (1.5_f64 * 5.0).ceil() as usize;
        let animation = std::fs::File::open(export(ExportForm::Webp, "plan.webp").unwrap()).unwrap();
        let decoder = image_webp::WebPDecoder::new(std::io::BufReader::new(animation)).unwrap();
        assert_eq!(decoder.num_frames() as usize, seconds + pauses);
        let record = rhea_record::Story::load(&export(ExportForm::Record, "plan.pb").unwrap()).unwrap();
        let pictures: Vec<usize> = record.clips.iter().map(|clip| clip.segments[0].images.len()).collect();
        assert_eq!((record.story_id, pictures), (plan.source(), vec![1, 1]));
        assert!(record.clips[1].segments[0].asr.contains("SUPPORT"), "{:?}", record.clips[1].segments[0].asr);
        let set = export(ExportForm::Lerobot, "set").unwrap();
        let about: Value = serde_json::from_str(&std::fs::read_to_string(set.join("meta/info.json")).unwrap()).unwrap();
        let stills: usize = plan.film.iter().map(|step| step.stills.len()).sum();
        assert_eq!((about["total_episodes"].as_u64(), about["total_frames"].as_u64()), (Some(2), Some(stills as u64)));
        let again = export(ExportForm::Lerobot, "set").unwrap_err();
        assert!(again.to_string().contains("is not empty"), "{again}");
        export(ExportForm::Sheet, "sheet.png").unwrap();
        assert!(export(ExportForm::Transforms, "cameras").is_err());
    }

    #[test]
    fn the_page_may_ask_for_nothing() {
        assert!(PAGE.contains("default-src 'none'") && !PAGE.contains("://"));
        assert_eq!(PAGE.matches(PLACE).count(), 1);
    }
}
