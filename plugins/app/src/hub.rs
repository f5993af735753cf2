//! Published models and the cache in which Hugging Face's own tools keep what they fetched. Nothing here goes to the network.
//!
//! ```text
//! <cache>/models--ORG--NAME/refs/main                 the commit that was fetched last
//! <cache>/models--ORG--NAME/snapshots/<commit>/...    its files
//! ```

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Result;

use crate::fault::Fault;

/// Characters of an organisation or of a model's name.
const MAX_NAME: usize = 96;
/// Bytes of a file that names a commit.
const MAX_REF_BYTES: u64 = 256;

/// A published model that Rhea can run.
pub struct Published {
    /// `ORG/NAME`.
    pub name: &'static str,
    /// What it is for.
    pub what: &'static str,
    /// What is to be fetched, gigabytes (10^9 bytes).
    pub size_gb: f64,
    /// The licence on its page.
    pub licence: &'static str,
    /// What the fetching command is told beside the name.
    pub options: &'static str,
}

/// Emu3.5 as published; sizes and licence from the models' pages.
pub const PUBLISHED: [Published; 3] = [
    Published {
        name: "BAAI/Emu3.5",
        what: "all six tasks; needs the vision tokenizer beside it",
        size_gb: 68.2,
        licence: "Apache-2.0",
        options: "",
    },
    Published {
        name: "BAAI/Emu3.5-Image",
        what: "t2i and x2i; needs the vision tokenizer beside it",
        size_gb: 68.2,
        licence: "Apache-2.0",
        options: "",
    },
    Published {
        name: VISION_TOKENIZER,
        what: "pictures to codes and back, for both",
        size_gb: 1.8,
        licence: "Apache-2.0",
        // The same weights a second time.
        options: " --exclude model.ckpt",
    },
];

/// The vision tokenizer that goes with the published models.
pub const VISION_TOKENIZER: &str = "BAAI/Emu3.5-VisionTokenizer";

/// The name of a model on Hugging Face, `ORG/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelName(String);

impl FromStr for ModelName {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let part = |part: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            let plain = part.len() <= MAX_NAME && part.chars().all(allowed);
            plain
                && part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && !part.contains("..")
                && !part.contains("--")
        };
        match text.split_once('/') {
            Some((org, name)) if part(org) && part(name) => Ok(Self(text.to_owned())),
            _ => Err(Fault::new(
                format!("{text:?} is no name of a model"),
                format!("Names have the form ORG/NAME, such as {}.", PUBLISHED[0].name),
            )),
        }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl ModelName {
    /// How to get it: the command, and what is known of size and licence.
    #[must_use]
    pub fn fetching(&self) -> String {
        match PUBLISHED.iter().find(|model| model.name == self.0) {
            Some(Published { name, size_gb, licence, options, .. }) => {
                format!("Fetch it with: hf download {name}{options} ({size_gb} GB, licence {licence}).")
            }
            None => format!("Fetch it with: hf download {self} (size and licence: https://huggingface.co/{self})."),
        }
    }

    fn folder(&self) -> String {
        format!("models--{}", self.0.replace('/', "--"))
    }
}

/// The cache.
#[derive(Clone, Debug)]
pub struct Hub {
    folder: PathBuf,
}

impl Hub {
    /// The cache of this user: `$HF_HUB_CACHE`, else `$HF_HOME/hub`, else `huggingface/hub` in the user's cache folder.
    #[must_use]
    pub fn standard() -> Self {
        Self::from_variables(|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<PathBuf>) -> Self {
        let cache = || variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
        let home = || variable("HF_HOME").or_else(|| Some(cache()?.join("huggingface")));
        let folder = variable("HF_HUB_CACHE").or_else(|| Some(home()?.join("hub")));
        Self { folder: folder.unwrap_or_else(|| PathBuf::from("huggingface/hub")) }
    }

    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files of a model, if they were fetched: those of the main branch, else of the newest snapshot.
    #[must_use]
    pub fn find(&self, name: &ModelName) -> Option<PathBuf> {
        let model = self.folder.join(name.folder());
        let snapshots = model.join("snapshots");
        let main = model.join("refs/main");
        let small = std::fs::metadata(&main).is_ok_and(|file| file.len() <= MAX_REF_BYTES);
        let commit = if small { std::fs::read_to_string(&main).ok() } else { None };
        let commit =
            commit.as_deref().map(str::trim).filter(|c| !c.is_empty() && c.chars().all(|c| c.is_ascii_alphanumeric()));
        if let Some(snapshot) = commit.map(|commit| snapshots.join(commit)).filter(|snapshot| snapshot.is_dir()) {
            return Some(snapshot);
        }
        let entries = std::fs::read_dir(&snapshots).ok()?.flatten();
        let dated = entries.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())));
        dated.filter(|(_, path)| path.is_dir()).max().map(|(_, path)| path)
    }

    /// As [`Hub::find`].
    ///
    /// # Errors
    /// When the model was not fetched; the hint says how to.
    pub fn require(&self, name: &ModelName) -> Result<PathBuf> {
        self.find(name).ok_or_else(|| {
            let what = format!("{name} is not in the cache {}", self.folder.display());
            Fault::new(what, format!("Rhea downloads nothing by itself. {}", name.fetching())).into()
        })
    }

    /// The names of all fetched models, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<ModelName> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let name = |folder: String| folder.strip_prefix("models--")?.replacen("--", "/", 1).parse().ok();
        let mut names: Vec<ModelName> =
            entries.filter_map(|entry| name(entry.file_name().to_string_lossy().into_owned())).collect();
        names.sort_by(|a, b| a.0.cmp(&b.0));
        names
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn variables_are_honoured_in_the_order_of_the_documentation() {
        let folder = |set: &[(&str, &str)]| {
            let value = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, v)| PathBuf::from(v));
            Hub::from_variables(value).folder
        };
        assert_eq!(folder(&[("HOME", "/h")]), Path::new("/h/.cache/huggingface/hub"));
        assert_eq!(folder(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]), Path::new("/x/huggingface/hub"));
        assert_eq!(folder(&[("HOME", "/h"), ("HF_HOME", "/f")]), Path::new("/f/hub"));
        assert_eq!(folder(&[("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c")]), Path::new("/c"));
    }

    #[test]
    fn a_fetched_model_is_found_and_a_missing_one_explained() {
        let folder = std::env::temp_dir().join(format!("rhea-hub-{}", std::process::id()));
        let hub = Hub { folder: folder.clone() };
        let name: ModelName = "BAAI/Emu3.5".parse().unwrap();
        let model = folder.join("models--BAAI--Emu3.5");
        for commit in ["aaa", "bbb"] {
            std::fs::create_dir_all(model.join("snapshots").join(commit)).unwrap();
        }
        std::fs::create_dir_all(model.join("refs")).unwrap();
        std::fs::write(model.join("refs/main"), "aaa\n").unwrap();
        assert_eq!(hub.find(&name).unwrap(), model.join("snapshots/aaa"));
        std::fs::write(model.join("refs/main"), "../../../etc").unwrap();
        assert!(hub.find(&name).unwrap().starts_with(model.join("snapshots")), "a strange commit is not followed");
        assert_eq!(hub.names(), std::slice::from_ref(&name));
        let missing: ModelName = VISION_TOKENIZER.parse().unwrap();
        let lines = crate::fault::lines(&hub.require(&missing).unwrap_err());
        assert!(
            lines[1].contains("hf download BAAI/Emu3.5-VisionTokenizer") && lines[1].contains("1.8 GB"),
            "{lines:?}"
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn strange_names_are_refused() {
        for bad in ["", "nano", "a/b/c", "../x", "a/..", "/etc", "a/", "a b/c", ".a/b", "a/b--c"] {
            assert!(bad.parse::<ModelName>().is_err(), "{bad}");
        }
    }
}
