//! What an answer is made with: the published settings of its task, changed by a file, changed by the command line.
//!
//! ```ron
//! (cfg: 5.0, seed: 6666, aspect: "16:9", context: 8192, max_new_tokens: 5120, max_pictures: 1, area: 1048576,
//!  text: (temperature: 1.0, top_k: 1024, top_p: 0.9), picture: (temperature: 1.0, top_k: 5120, top_p: 1.0))
//! ```

use std::path::Path;

use anyhow::Result;
use rhea_engine::Filter;
use rhea_engine::generate::GenerateSettings;
use rhea_tokens::Aspect;
use rhea_tokens::prompts::Task;
use serde::Deserialize;

use crate::cli::ImagineArgs;
use crate::fault::{Fault, WithHint as _};

/// Bytes of a settings file.
const MAX_FILE_BYTES: u64 = 64 << 10;
/// The published seed.
const SEED: u64 = 6666;

/// What the user wants other than usual: a settings file, changed by the command line.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wishes {
    /// Strength of guidance by the words; 1 is none.
    pub cfg: Option<f32>,
    /// Strength of guidance by reference pictures.
    pub picture_cfg: Option<f32>,
    /// Seed.
    pub seed: Option<u64>,
    /// Size of the pictures, as on the command line.
    pub aspect: Option<String>,
    /// Tokens that prompt and answer may have together.
    pub context: Option<usize>,
    /// Tokens of the answer.
    pub max_new_tokens: Option<usize>,
    /// Pictures of the answer.
    pub max_pictures: Option<usize>,
    /// Area that reference pictures are resized to, square pixels.
    pub area: Option<usize>,
    /// How text is drawn.
    pub text: FilterWishes,
    /// How pictures are drawn.
    pub picture: FilterWishes,
}

/// How tokens are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilterWishes {
    /// Divides the logits.
    pub temperature: Option<f32>,
    /// Keeps so many of the largest.
    pub top_k: Option<usize>,
    /// Keeps the likeliest of this share.
    pub top_p: Option<f32>,
}

impl Wishes {
    /// Those of a command line with its settings file.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn of_arguments(args: &ImagineArgs) -> Result<Self> {
        let mut wishes = args.config.as_deref().map_or_else(|| Ok(Self::default()), read)?;
        wishes.cfg = args.cfg.or(wishes.cfg);
        wishes.seed = args.seed.or(wishes.seed);
        wishes.context = args.context.or(wishes.context);
        wishes.aspect = args.aspect.clone().or(wishes.aspect);
        Ok(wishes)
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or(SEED)
    }

    /// The size of pictures: the one asked for; else 4:3 for pictures of words alone, and whatever the model or a reference
    /// picture suggests for everything else, as published.
    ///
    /// # Errors
    /// When there is no such size.
    pub fn aspect(&self, task: Task, references: usize) -> Result<Aspect> {
        let usual = if task == Task::T2i && references == 0 { "4:3" } else { "auto" };
        let aspect = self.aspect.as_deref().unwrap_or(usual);
        aspect.parse().hint("Change --aspect, or the aspect of the settings file.")
    }

    /// Branches of positions that guidance takes.
    #[must_use]
    pub fn branches(&self) -> usize {
        match (self.picture_cfg, self.cfg) {
            (Some(_), _) => 3,
            (None, Some(1.0)) => 1,
            (None, _) => 2,
        }
    }

    /// Changes what is usual for a model and a task.
    pub fn change(&self, settings: &mut GenerateSettings) {
        settings.guidance = self.cfg.unwrap_or(settings.guidance);
        settings.picture_guidance = self.picture_cfg.or(settings.picture_guidance);
        settings.stop.tokens = self.max_new_tokens.unwrap_or(settings.stop.tokens);
        settings.stop.pictures = self.max_pictures.or(settings.stop.pictures);
        settings.picture_area = self.area.unwrap_or(settings.picture_area);
        self.text.change(&mut settings.text);
        self.picture.change(&mut settings.picture);
    }
}

impl FilterWishes {
    fn change(self, filter: &mut Filter) {
        filter.temperature = self.temperature.unwrap_or(filter.temperature);
        filter.top_k = self.top_k.unwrap_or(filter.top_k);
        filter.top_p = self.top_p.unwrap_or(filter.top_p);
    }
}

fn read(path: &Path) -> Result<Wishes> {
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
        let wishes = |text: &str, more: &[&str]| {
            std::fs::write(&path, text).unwrap();
            let file = ["--config", path.to_str().unwrap()];
            let more: Vec<&str> = file.into_iter().chain(more.iter().copied()).collect();
            Wishes::of_arguments(&arguments(&more))
        };
        let published = GenerateSettings::for_task(Task::Howto);
        let settings = |wishes: &Wishes| {
            let mut settings = published.clone();
            wishes.change(&mut settings);
            settings
        };
        let none = wishes("()", &[]).unwrap();
        assert_eq!((settings(&none), none.seed(), none.branches()), (published.clone(), SEED, 2));
        assert_eq!(none.aspect(Task::Howto, 0).unwrap(), Aspect::Auto);
        assert_eq!(none.aspect(Task::T2i, 0).unwrap(), "55x73".parse().unwrap());
        let file = "(cfg: 2.5, seed: 3, aspect: \"8x8\", max_pictures: 2, text: (top_k: 7))";
        let changed = wishes(file, &["--seed", "9", "--cfg", "4"]).unwrap();
        let mut want =
            GenerateSettings { guidance: 4.0, text: Filter { top_k: 7, ..published.text }, ..published.clone() };
        want.stop.pictures = Some(2);
        assert_eq!((settings(&changed), changed.seed()), (want, 9));
        assert_eq!(changed.aspect(Task::T2i, 0).unwrap(), "8*8".parse().unwrap());
        assert_eq!(wishes("(cfg: 1.0)", &[]).unwrap().branches(), 1);
        for (bad, says) in [("(temperature: 1)", "temperature"), ("(cfg: true)", "Expected float"), ("7", "")] {
            let error = wishes(bad, &[]).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        assert!(wishes("(aspect: \"5:4\")", &[]).unwrap().aspect(Task::T2i, 0).is_err());
        std::fs::remove_file(&path).unwrap();
    }
}
