//! A recorded walk, ready to be written in any form.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use rhea_memory::Verdict;
use rhea_picture::name_source;
use rhea_session::replay::{self, Replay, ReplayReader, StepRecord};

use super::shots::{MOST_SHOTS, Shots};
use super::{ExportArgs, ExportForm};
use super::{WRITE_HINT, animation, beside, cameras, name_sources, page, sha256, story, webp};
use crate::fault::{Fault, WithHint as _};
use crate::progress::Progress;
use crate::say::say;

pub(super) const DAMAGED_HINT: &str = "`rhea review FILE --list` says what of the recording is whole.";

/// Views a second of an animation, when nobody says.
const RATE_HZ: u32 = 4;

/// A walk as it ended, and where it came from.
pub(super) struct Walk {
    pub replay: Replay,
    /// Name of the recording, without its folder.
    pub file: String,
    /// Its SHA-256, 64 hex digits.
    pub sha256: String,
}

impl Walk {
    fn open(file: &Path) -> Result<Self> {
        let replay = ReplayReader::open(file).hint(DAMAGED_HINT)?;
        if replay.kept().is_empty() {
            let hint = "Walk a step first; a recording without a view has nothing to show.";
            return Err(Fault::new(format!("{}: no view in it", file.display()), hint).into());
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let sha256 = sha256(file).map_err(|error| format!("{}: {error}", file.display())).hint(DAMAGED_HINT)?;
        Ok(Self { replay, file: name, sha256 })
    }

    /// At most `most` of the walk's views with their steps, evenly, the first and the last among them.
    pub fn views(&self, most: usize) -> Vec<(usize, usize)> {
        replay::evenly(&self.replay.kept(), most)
    }

    /// Its views as an animation; a long walk in even strides.
    fn shots(&self, rate_hz: u32) -> Shots<'_> {
        let camera = self.replay.header.camera;
        let views = self.views(MOST_SHOTS);
        Shots {
            size_px: [camera.width, camera.height],
            count: views.len(),
            rate_hz,
            source: self.source(),
            draw: Box::new(move |index| Ok(self.replay.view(views.get(index).map_or(0, |(_, record)| *record))?)),
        }
    }

    /// Where it came from, in words.
    pub fn source(&self) -> String {
        format!("{}, SHA-256 {}", self.file, self.sha256)
    }
}

/// The verdict on the view of a step.
pub(super) fn verdict(step: &StepRecord) -> Verdict {
    match (&step.check, &step.recall) {
        (Some(check), _) => check.verdict,
        (None, Some(recall)) => Verdict::of(recall.coverage, recall.agreement_db),
        (None, None) => Verdict::New,
    }
}

/// Writes a walk in the form that is asked for.
///
/// # Errors
/// When the recording is damaged or empty, or the output cannot be written.
pub(super) fn export_walk(args: &ExportArgs) -> Result<ExitCode> {
    let walk = Walk::open(&args.file)?;
    let form = args.to.unwrap_or(ExportForm::Html);
    let out = args.out.clone().unwrap_or_else(|| beside(&args.file, form));
    let rate_hz = args.rate.unwrap_or(RATE_HZ);
    match form {
        ExportForm::Html => page::write(&walk, &out)?,
        ExportForm::Gif => animation::write(&walk.shots(rate_hz), &out)?,
        ExportForm::Webp => webp::write(&walk.shots(rate_hz), &out)?,
        ExportForm::Lerobot => {
            let hint = "`rhea plan SCRIPT --out DIR` records plans.";
            return Err(Fault::new(format!("{} is a walk; LeRobot has robot plans", args.file.display()), hint).into());
        }
        ExportForm::Frames => {
            let count = replay::frames(&walk.replay, &out).hint(WRITE_HINT)?;
            name_sources(&out, &walk.source())?;
            say!("{count} views");
        }
        ExportForm::Sheet => {
            replay::sheet(&walk.replay, &out).hint(WRITE_HINT)?;
            name_source(&out, &walk.source()).hint(WRITE_HINT)?;
        }
        ExportForm::Transforms => cameras::write(&walk, &out)?,
        ExportForm::Record => story::write_walk(&walk, &out)?,
    }
    say!("{} from {}", out.display(), walk.source());
    Ok(ExitCode::SUCCESS)
}

/// Goes through views with a progress bar.
pub(super) fn each(views: &[(usize, usize)], mut one: impl FnMut(usize, usize) -> Result<()>) -> Result<()> {
    let progress = Progress::new(views.len() as u64);
    for (done, (step, record)) in views.iter().enumerate() {
        one(*step, *record)?;
        progress.step(done as u64 + 1, &format!("view {step}"), "");
    }
    progress.finish();
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use rhea_picture::picture_from_bytes;
    use rhea_record::Story;

    use super::*;

    #[test]
    fn every_form_has_every_view_of_the_walk() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../replays/room-v2.mcap");
        let views = Walk::open(&file).unwrap().views(usize::MAX).len();
        assert!(views > 3);
        let folder = tempfile::tempdir().unwrap();
        let export = |to: ExportForm, name: &str| {
            let out = folder.path().join(name);
            let args = ExportArgs {
                file: file.clone(),
                to: Some(to),
                out: Some(out.clone()),
                more: Vec::new(),
                rate: Some(5),
            };
            assert_eq!(export_walk(&args).unwrap(), ExitCode::SUCCESS);
            out
        };
        let page = std::fs::read_to_string(export(ExportForm::Html, "walk.html")).unwrap();
        assert_eq!(page.matches("\"png\":\"iVBORw0KGgo").count(), views);
        let mut decoder = gif::DecodeOptions::new()
            .read_info(std::fs::File::open(export(ExportForm::Gif, "walk.gif")).unwrap())
            .unwrap();
        let mut frames = 0;
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            assert_eq!((frame.width, frame.height, frame.delay), (384, 384, 20));
            frames += 1;
        }
        assert_eq!(frames, views);
        let animation = std::fs::File::open(export(ExportForm::Webp, "walk.webp")).unwrap();
        let mut decoder = image_webp::WebPDecoder::new(std::io::BufReader::new(animation)).unwrap();
        assert_eq!((decoder.num_frames() as usize, decoder.dimensions()), (views, (128, 128)));
        let xmp = String::from_utf8(decoder.xmp_metadata().unwrap().unwrap()).unwrap();
        let walk = Walk::open(&file).unwrap();
        assert!(xmp.contains(&format!("dc:source=\"{}\"", walk.source())), "{xmp}");
        for (_, record) in walk.views(usize::MAX) {
            let mut rgb = vec![0; 3 * 128 * 128];
            assert_eq!(decoder.read_frame(&mut rgb).unwrap(), 200);
            assert_eq!(rgb, walk.replay.view(record).unwrap().rgb, "every pixel is exact");
        }
        let record = Story::load(&export(ExportForm::Record, "walk.pb")).unwrap();
        assert_eq!((record.story_id, record.clips.len()), (walk.source(), views));
        let clip = record.clips.last().unwrap();
        let (_, last) = *walk.views(usize::MAX).last().unwrap();
        assert!(clip.segments[0].asr.starts_with(&walk.replay.steps[last].command));
        let png = &clip.segments[0].images[0].image.as_ref().unwrap().image_data;
        assert_eq!(picture_from_bytes(png, "a view").unwrap(), walk.replay.view(last).unwrap().picture());
        let cameras = export(ExportForm::Transforms, "cameras");
        let text = std::fs::read_to_string(cameras.join("transforms.json")).unwrap();
        let scene: serde_json::Value = serde_json::from_str(&text).unwrap();
        let frames = scene["frames"].as_array().unwrap();
        assert_eq!(frames.len(), views);
        for frame in frames {
            for part in ["file_path", "depth_file_path"] {
                assert!(cameras.join(frame[part].as_str().unwrap()).is_file());
            }
        }
        export(ExportForm::Sheet, "sheet.png");
        export(ExportForm::Frames, "frames");
    }
}
