//! Scripts with the files that they name, so that a job can be done where the repository is not the same.
//!
//! Names keep their places relative to each other. What climbs out of the script's folder with `..` is given folders above it.

use std::path::{Component, Path};

use rhea_physics::scene::file::load_scene;
use rhea_physics::script::{PlanScript, SceneSource};
use rhea_session::{Script, ScriptStart};

use crate::error::BatchError;
use crate::job::JobFile;
use crate::limits::MAX_LIST_BYTES;

/// A script in its place, with the files it needs.
pub struct Bundle {
    /// Where the script lies among the files.
    pub script: String,
    /// The script and all others.
    pub files: Vec<JobFile>,
}

/// Files by the path from the script's folder.
#[derive(Default)]
struct Gathered(Vec<(Vec<String>, String)>);

impl Gathered {
    fn add(&mut self, parts: Vec<String>, text: String) {
        if !self.0.iter().any(|(known, _)| *known == parts) {
            self.0.push((parts, text));
        }
    }

    /// Lays all of them under one folder; the first one is the script.
    fn bundle(self, place: &Path) -> Result<Bundle, BatchError> {
        let up = |parts: &[String]| parts.iter().take_while(|part| *part == "..").count();
        let depth = self.0.iter().map(|(parts, _)| up(parts)).max().unwrap_or(0);
        let lay = |parts: Vec<String>| {
            let climbs = up(&parts);
            let above = std::iter::repeat_n("above".to_owned(), depth - climbs);
            above.chain(parts.into_iter().skip(climbs)).collect::<Vec<_>>().join("/")
        };
        let files: Vec<JobFile> = self.0.into_iter().map(|(parts, text)| JobFile { path: lay(parts), text }).collect();
        let script = files.first().map(|file| file.path.clone());
        let script = script.ok_or_else(|| BatchError::invalid(place.display().to_string(), "there is no script"))?;
        Ok(Bundle { script, files })
    }
}

/// The parts of `name` as seen from a folder that itself is `from`, without detours.
fn parts(from: &[String], name: &Path, place: &Path) -> Result<Vec<String>, BatchError> {
    let mut all = from.to_vec();
    for part in name.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => all.push(part.to_string_lossy().into_owned()),
            Component::ParentDir if all.last().is_some_and(|last| last != "..") => {
                all.pop();
            }
            Component::ParentDir => all.push("..".to_owned()),
            Component::RootDir | Component::Prefix(_) => {
                let what = format!(
                    "{} is absolute; a job can take files along that are named from the script's place",
                    name.display()
                );
                return Err(BatchError::invalid(place.display().to_string(), what));
            }
        }
    }
    Ok(all)
}

fn folder(parts: &[String]) -> &[String] {
    parts.split_last().map_or(&[], |(_, folder)| folder)
}

/// A text file of limited length.
pub(crate) fn read(what: &'static str, path: &Path) -> Result<String, BatchError> {
    let length = std::fs::metadata(path).map_err(BatchError::file(what, path))?.len();
    BatchError::at_most(path.display().to_string(), "bytes", length, MAX_LIST_BYTES)?;
    std::fs::read_to_string(path).map_err(BatchError::file(what, path))
}

fn script_name(path: &Path) -> Vec<String> {
    vec![path.file_name().map_or_else(|| "script.ron".to_owned(), |name| name.to_string_lossy().into_owned())]
}

/// A plan script with its scene and robots. Generated scenes need none: they are made where the job is done.
///
/// # Errors
/// A script, scene or robot that cannot be read or cannot travel.
pub fn plan(path: &Path) -> Result<Bundle, BatchError> {
    let script = PlanScript::load(path).map_err(|e| BatchError::invalid("a plan script", e.to_string()))?;
    let mut gathered = Gathered::default();
    gathered.add(script_name(path), read("read the plan script", path)?);
    if let SceneSource::File(name) = &script.scene {
        let scene_at = parts(&[], Path::new(name), path)?;
        let scene_path = path.parent().unwrap_or(Path::new("")).join(name);
        let scene = load_scene(&scene_path).map_err(|e| BatchError::invalid("a scene", e.to_string()))?;
        gathered.add(scene_at.clone(), read("read the scene", &scene_path)?);
        for robot in &scene.robots {
            let robot_path = scene_path.parent().unwrap_or(Path::new("")).join(&robot.model);
            let text = read("read the robot", &robot_path)?;
            if text.contains("<mesh") {
                let what = "the robot has mesh files; a job can take robots of plain shapes along";
                return Err(BatchError::invalid(robot_path.display().to_string(), what));
            }
            gathered.add(parts(folder(&scene_at), Path::new(&robot.model), &scene_path)?, text);
        }
    }
    gathered.bundle(path)
}

/// A walk script with its scene. `root` is where scripts look for scenes before they look beside themselves.
///
/// # Errors
/// A script or scene that cannot be read or cannot travel: pictures and saved worlds are too large.
pub fn walk(path: &Path, root: &Path) -> Result<Bundle, BatchError> {
    let text = read("read the walk script", path)?;
    let script = Script::parse(&text, path, root).map_err(|e| BatchError::invalid("a walk script", e.to_string()))?;
    let mut gathered = Gathered::default();
    gathered.add(script_name(path), text);
    match &script.start {
        ScriptStart::Caption(_) => {}
        ScriptStart::Scene(found) => {
            let beside = path.parent().unwrap_or(Path::new(""));
            let name = found.strip_prefix(root).or_else(|_| found.strip_prefix(beside)).unwrap_or(found);
            gathered.add(parts(&[], name, path)?, read("read the scene", found)?);
        }
        ScriptStart::Picture(found) | ScriptStart::World(found) => {
            let what = format!("it begins with {}; a job can begin with a scene or a caption", found.display());
            return Err(BatchError::invalid(path.display().to_string(), what));
        }
    }
    gathered.bundle(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn repository() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    /// Writes a bundle to a folder, as a worker does.
    fn unpack(bundle: &Bundle) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in &bundle.files {
            let path = folder.path().join(&file.path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &file.text).unwrap();
        }
        folder
    }

    #[test]
    fn a_plan_takes_scene_and_robots_along_and_runs_elsewhere() {
        let path = repository().join("scenes/tasks/put_on_shelf.ron");
        let bundle = plan(&path).unwrap();
        assert_eq!(
            bundle.files.len(),
            3,
            "script, scene, robot: {:?}",
            bundle.files.iter().map(|f| &f.path).collect::<Vec<_>>()
        );
        assert!(bundle.files.iter().all(|file| crate::job::safe_path(&file.path).is_ok()));
        let folder = unpack(&bundle);
        let script = folder.path().join(&bundle.script);
        let robots = Path::new("/nowhere");
        let report = PlanScript::load(&script).unwrap().run(&script, robots, &mut Default::default()).unwrap();
        let at_home = PlanScript::load(&path).unwrap().run(&path, robots, &mut Default::default()).unwrap();
        assert_eq!(report, at_home);
    }

    #[test]
    fn a_walk_takes_its_scene_along() {
        let bundle = walk(&repository().join("scenes/walks/square.ron"), &repository()).unwrap();
        let folder = unpack(&bundle);
        let script = Script::load(&folder.path().join(&bundle.script), folder.path()).unwrap();
        assert!(matches!(script.start, ScriptStart::Scene(path) if path.starts_with(folder.path())));
    }

    #[test]
    fn what_cannot_travel_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("walk.ron");
        std::fs::write(folder.path().join("a.png"), "x").unwrap();
        std::fs::write(&script, "(start: Picture(\"a.png\"), steps: [])").unwrap();
        let says = |made: Result<Bundle, BatchError>| made.map(|b| b.script).unwrap_err().to_string();
        assert!(says(walk(&script, folder.path())).contains("a scene or a caption"));
        let scene = std::fs::canonicalize(repository().join("scenes/tasks/one_block.ron")).unwrap();
        std::fs::write(&script, format!("(scene: File({scene:?}), say: [\"pick the red block\"], expect: [])"))
            .unwrap();
        assert!(says(plan(&script)).contains("is absolute"));
        assert!(says(plan(&folder.path().join("none.ron"))).contains("cannot read the plan script"));
    }
}
