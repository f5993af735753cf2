//! Where things are: the model folder, sample scenes and walks, and a fresh output folder.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::config::{self, ConfigFile};
use crate::fault::{Fault, WithHint as _};
use crate::hub::{Hub, ModelName, VISION_TOKENIZER};

/// Environment variable that names a model folder.
pub const MODEL_VARIABLE: &str = "RHEA_MODEL";
/// The shipped model, in the repository.
const SHIPPED_MODEL: &str = "model/nano";
/// Without `--out`, output goes to numbered folders in here, in the current folder.
pub const OUTPUT_HOME: &str = "rhea-out";
/// Environment variable that names the repository, for programs that are started somewhere else.
pub const HOME_VARIABLE: &str = "RHEA_HOME";
/// Numbered output folders in one place.
const MAX_OUTPUT_FOLDERS: u32 = 99_999;

/// The model folder: `named`, else `$RHEA_MODEL`, else that of the user's `config.ron`, else the shipped one. A name that is no folder but has the form `ORG/NAME` is
/// looked up in the cache of Hugging Face's tools.
///
/// # Errors
/// When none is there; names the places that were looked at.
pub fn model_folder(named: Option<&Path>) -> Result<PathBuf> {
    let in_file = ConfigFile::of_user()?.model;
    if let Some((folder, origin)) = config::first(("--model", named), Some(MODEL_VARIABLE), in_file.as_deref()) {
        if folder.join("config.json").is_file() {
            return Ok(folder);
        }
        let name = folder.to_str().filter(|_| !folder.exists()).and_then(|name| name.parse::<ModelName>().ok());
        if let Some(name) = name {
            return Hub::standard().require(&name);
        }
        let what = format!("{} is no model folder: it has no config.json ({origin})", folder.display());
        return Err(Fault::new(what, "Name a folder with --model DIR, or leave it out for the shipped model.").into());
    }
    let places = homes().into_iter().map(|home| home.join(SHIPPED_MODEL)).collect::<Vec<_>>();
    places.iter().find(|folder| folder.join("config.json").is_file()).cloned().ok_or_else(|| {
        let looked = places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ");
        let hint =
            format!("Start Rhea inside the repository, name a folder with --model DIR, or set {MODEL_VARIABLE}.");
        Fault::new(format!("the shipped model was not found; looked in {looked}"), hint).into()
    })
}

/// The folder of the vision tokenizer of a model: `vision` inside, else the published one beside it, else the one in the cache of
/// Hugging Face's tools.
///
/// # Errors
/// When neither is there; the hint says how to get it.
pub fn vision_folder(model: &Path) -> Result<PathBuf> {
    let inside = model.join("vision");
    let beside = model.join("..").join("Emu3.5-VisionTokenizer");
    if let Some(there) = [&inside, &beside].into_iter().find(|folder| folder.is_dir()) {
        return Ok(there.clone());
    }
    let name: ModelName = VISION_TOKENIZER.parse()?;
    Hub::standard().find(&name).ok_or_else(|| {
        let (inside, beside) = (inside.display(), beside.display());
        let what = format!(
            "the model has no vision tokenizer: neither {inside} nor {beside} nor {name} in the cache is there"
        );
        Fault::new(what, name.fetching()).into()
    })
}

/// A file that comes with the repository, such as `scenes/walks/square.ron`.
///
/// # Errors
/// When it is not there.
pub fn shipped(relative: &str) -> Result<PathBuf> {
    homes().into_iter().map(|home| home.join(relative)).find(|path| path.exists()).ok_or_else(|| {
        Fault::new(format!("{relative} was not found"), "Start Rhea inside the repository, or name a file of your own.")
            .into()
    })
}

/// The repository: the first home that has scenes, else the current folder.
#[must_use]
pub fn repository() -> PathBuf {
    homes().into_iter().find(|home| home.join("scenes").is_dir()).unwrap_or_else(|| PathBuf::from("."))
}

/// Places where the repository may be: the current folder and the program's, with the folders above them, the one that
/// `$RHEA_HOME` names, and where the program was built.
fn homes() -> Vec<PathBuf> {
    let mut homes = Vec::new();
    let mut add = |path: &Path| {
        if !homes.iter().any(|home| home == path) {
            homes.push(path.to_path_buf());
        }
    };
    let starts = [
        std::env::current_dir().ok(),
        std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf)),
    ];
    for start in starts.iter().flatten() {
        for folder in start.ancestors().filter(|folder| folder.join("scenes").is_dir() || folder.join("model").is_dir())
        {
            add(folder);
        }
    }
    if let Some(named) = std::env::var_os(HOME_VARIABLE) {
        add(Path::new(&named));
    }
    if let Some(built) = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent) {
        add(built);
    }
    homes
}

/// The output folder of a walk, created: `named`, else the next free number in `rhea-out`.
///
/// # Errors
/// When it cannot be created or written to.
pub fn output_folder(named: Option<&Path>) -> Result<PathBuf> {
    output_folder_in(named, "walk", &output_home()?)
}

/// As [`output_folder`], for an answer of `rhea imagine`.
///
/// # Errors
/// As [`output_folder`].
pub fn answer_folder(named: Option<&Path>) -> Result<PathBuf> {
    output_folder_in(named, "imagine", &output_home()?)
}

/// As [`output_folder`], for a plan of `rhea plan`.
///
/// # Errors
/// As [`output_folder`].
pub fn plan_folder(named: Option<&Path>) -> Result<PathBuf> {
    output_folder_in(named, "plan", &output_home()?)
}

/// Where output folders are numbered: that of the user's `config.ron`, else [`OUTPUT_HOME`].
///
/// # Errors
/// When that file cannot be used.
pub fn output_home() -> Result<PathBuf> {
    Ok(ConfigFile::of_user()?.out.unwrap_or_else(|| PathBuf::from(OUTPUT_HOME)))
}

fn output_folder_in(named: Option<&Path>, kind: &str, home: &Path) -> Result<PathBuf> {
    let folder = match named {
        Some(folder) => folder.to_path_buf(),
        None => (1..=MAX_OUTPUT_FOLDERS)
            .map(|number| home.join(format!("{kind}-{number:03}")))
            .find(|folder| !folder.exists())
            .ok_or_else(|| Fault::new(format!("{} is full", home.display()), "Remove old folders or use --out DIR."))?,
    };
    let probe = folder.join(".rhea-probe");
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&probe, []))
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(|error| format!("cannot write to {}: {error}", folder.display()))
        .hint("Choose a folder that you may write to with --out DIR.")?;
    Ok(folder)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("rhea-place-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn output_folders_are_numbered_and_never_reused() {
        let home = scratch("numbered");
        let first = output_folder_in(None, "walk", &home).unwrap();
        let second = output_folder_in(None, "walk", &home).unwrap();
        assert!(first.ends_with("walk-001") && second.ends_with("walk-002"));
        let named = output_folder_in(Some(&home.join("deep/mine")), "walk", &home).unwrap();
        assert!(named.is_dir());
        assert_eq!(std::fs::read_dir(&named).unwrap().count(), 0, "nothing is left behind");
        std::fs::remove_dir_all(&home).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let home = scratch("unwritable");
        let file = home.join("file");
        std::fs::write(&file, "in the way").unwrap();
        let error = output_folder_in(Some(&file.join("below")), "walk", &home).unwrap_err().to_string();
        assert!(error.contains("cannot write") && error.contains("below"), "{error}");
        std::fs::remove_dir_all(&home).unwrap();
    }

    #[test]
    fn a_folder_without_a_config_is_no_model() {
        let folder = scratch("model");
        let error = model_folder(Some(&folder)).unwrap_err().to_string();
        assert!(error.contains("config.json"), "{error}");
        std::fs::write(folder.join("config.json"), "{}").unwrap();
        assert_eq!(model_folder(Some(&folder)).unwrap(), folder);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
