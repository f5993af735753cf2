//! What an answer is made with: the published settings of each task, changed by a file, changed by the command line.
//!
//! ```ron
//! (cfg: 5.0, max_new_tokens: 5120, area: 1048576, aspect: "16:9", seed: 6666,
//!  text: (temperature: 1.0, top_k: 1024, top_p: 0.9), picture: (temperature: 1.0, top_k: 5120, top_p: 1.0))
//! ```

use std::path::Path;

use anyhow::Result;
use rhea_engine::Filter;
use rhea_tokens::Aspect;
use rhea_tokens::prompts::Task;
use serde::Deserialize;

use crate::cli::ImagineArgs;
use crate::fault::{Fault, WithHint as _};

/// Bytes of a settings file.
const MAX_FILE_BYTES: u64 = 64 << 10;
/// The published seed.
const SEED: u64 = 6666;
/// Area of a picture of `t2i` and `x2i`, square pixels: a megapixel.
const LARGE_AREA: usize = 1 << 20;
/// Area of a picture of the other tasks: 720 x 720.
const SMALL_AREA: usize = 720 * 720;
/// Tokens of an answer of one picture.
const SHORT: usize = 5120;
/// Tokens of an answer of many.
const LONG: usize = 32_768;

/// Everything that an answer is made with, beside the words and the pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Strength of guidance.
    pub cfg: f32,
    /// Most tokens that are written.
    pub max_new_tokens: usize,
    /// Area that reference pictures are resized to, square pixels.
    pub area: usize,
    /// Size of the pictures; `None` leaves it to what is usual for the task.
    pub aspect: Option<Aspect>,
    /// Seed.
    pub seed: u64,
    /// How text is drawn.
    pub text: Filter,
    /// How pictures are drawn.
    pub picture: Filter,
}

impl Settings {
    /// The published settings of a task; `explore` and `vla`, for which there are none, have the general ones.
    #[must_use]
    pub fn published(task: Task) -> Self {
        let filter = |temperature, top_k, top_p| Filter { temperature, top_k, top_p };
        let general = Self {
            cfg: 3.0,
            max_new_tokens: LONG,
            area: SMALL_AREA,
            aspect: None,
            seed: SEED,
            text: filter(1.0, 1024, 0.9),
            picture: filter(1.0, 10_240, 1.0),
        };
        let image = Self { max_new_tokens: SHORT, area: LARGE_AREA, picture: filter(1.0, 5120, 1.0), ..general.clone() };
        match task {
            Task::T2i => Self { cfg: 5.0, ..image },
            Task::X2i => image,
            Task::Howto => Self { text: filter(0.7, 200, 0.8), ..general },
            Task::Story | Task::Explore | Task::Vla => general,
        }
    }

    /// The settings of a command line.
    ///
    /// # Errors
    /// When the settings file cannot be used, or a number is out of range.
    pub fn of_arguments(task: Task, args: &ImagineArgs) -> Result<Self> {
        let mut settings = Self::published(task);
        if let Some(path) = &args.config {
            read(path)?.change(&mut settings)?;
        }
        settings.cfg = args.cfg.unwrap_or(settings.cfg);
        settings.seed = args.seed.unwrap_or(settings.seed);
        settings.aspect = args.aspect.or(settings.aspect);
        if !settings.cfg.is_finite() || !(0.0..=100.0).contains(&settings.cfg) {
            return Err(Fault::new(format!("guidance of {}", settings.cfg), "Allowed is 0 to 100.").into());
        }
        Ok(settings)
    }
}

/// A settings file; what it leaves out stays as published.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SettingsFile {
    cfg: Option<f32>,
    max_new_tokens: Option<usize>,
    area: Option<usize>,
    aspect: Option<String>,
    seed: Option<u64>,
    text: Option<FilterPart>,
    picture: Option<FilterPart>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct FilterPart {
    temperature: Option<f32>,
    top_k: Option<usize>,
    top_p: Option<f32>,
}

impl SettingsFile {
    fn change(self, settings: &mut Settings) -> Result<()> {
        settings.cfg = self.cfg.unwrap_or(settings.cfg);
        settings.max_new_tokens = self.max_new_tokens.unwrap_or(settings.max_new_tokens);
        settings.area = self.area.unwrap_or(settings.area);
        settings.seed = self.seed.unwrap_or(settings.seed);
        if let Some(aspect) = self.aspect {
            settings.aspect = Some(aspect.parse::<Aspect>().hint("Mend the settings file.")?);
        }
        self.text.unwrap_or_default().change(&mut settings.text);
        self.picture.unwrap_or_default().change(&mut settings.picture);
        Ok(())
    }
}

impl FilterPart {
    fn change(self, filter: &mut Filter) {
        filter.temperature = self.temperature.unwrap_or(filter.temperature);
        filter.top_k = self.top_k.unwrap_or(filter.top_k);
        filter.top_p = self.top_p.unwrap_or(filter.top_p);
    }
}

fn read(path: &Path) -> Result<SettingsFile> {
    const HINT: &str = "A settings file is a RON struct such as (cfg: 5.0, seed: 1, picture: (top_k: 5120)).";
    let shown = path.display();
    let size = std::fs::metadata(path).map_err(|e| format!("cannot read {shown}: {e}")).hint(HINT)?.len();
    if size > MAX_FILE_BYTES {
        return Err(Fault::new(format!("{shown} has {size} bytes; up to {MAX_FILE_BYTES} are allowed"), HINT).into());
    }
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read {shown}: {e}")).hint(HINT)?;
    let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
    options.from_str(&text).map_err(|e| format!("{shown}: {e}")).hint(HINT)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Job};

    fn arguments(more: &[&str]) -> ImagineArgs {
        let line = ["rhea", "imagine", "--task", "howto", "--prompt", "p"].into_iter().chain(more.iter().copied());
        match Cli::try_parse_from(line).unwrap().job {
            Some(Job::Imagine(args)) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_changes_what_it_names_and_the_command_line_wins() {
        let path = std::env::temp_dir().join(format!("rhea-imagine-{}.ron", std::process::id()));
        let settings = |text: &str, more: &[&str]| {
            std::fs::write(&path, text).unwrap();
            let more: Vec<&str> = ["--config", path.to_str().unwrap()].into_iter().chain(more.iter().copied()).collect();
            Settings::of_arguments(Task::Howto, &arguments(&more))
        };
        let published = Settings::published(Task::Howto);
        assert_eq!(settings("()", &[]).unwrap(), published);
        let changed = settings("(cfg: 2.5, aspect: \"8x8\", text: (top_k: 7))", &["--seed", "9", "--cfg", "4"]).unwrap();
        let text = Filter { top_k: 7, ..published.text };
        let aspect = Some("8x8".parse().unwrap());
        assert_eq!(changed, Settings { cfg: 4.0, aspect, seed: 9, text, ..published });
        for (bad, says) in [("(temperature: 1)", "temperature"), ("(aspect: \"5:4\")", "5:4"), ("(cfg: -1)", "-1"), ("7", "")] {
            let error = settings(bad, &[]).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
    }
}
