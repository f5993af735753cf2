//! Plans as a LeRobot dataset, format v3.0: <https://huggingface.co/docs/lerobot/lerobot-dataset-v3>.
//!
//! Every plan is an episode of what was carried out. Every rejected step is an episode of its own, of the motion that was judged and
//! never carried out; its frames have `accepted` false and say in `failure` which check rejects it and why. Sub-tasks are the steps.
//!
//! `observation.state` holds the joint values of every arm (radians or metres) and the opening of its gripper (metres); `action` is the
//! state of the next frame. Pictures are the scene's camera, drawn from the recorded poses.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use rhea_physics::film::{FilmStep, STILL_SECS, Still};
use rhea_physics::view::{Drawing, camera_of};
use rhea_picture::picture_to_png;
use serde_json::{Value, json};

use super::WRITE_HINT;
use super::parquet::{Column, Table};
use super::plan::Plan;
use crate::fault::{Fault, WithHint as _};
use crate::progress::Progress;

/// Frames a second.
const FPS: u32 = (1.0 / STILL_SECS + 0.5) as u32;
/// Side of a picture, pixels.
const SIDE_PX: usize = 128;
/// The camera's name.
const CAMERA: &str = "observation.images.front";
/// Shares at which the distribution of a value is told.
const QUANTILES: [(&str, f64); 5] = [("q01", 0.01), ("q10", 0.10), ("q50", 0.50), ("q90", 0.90), ("q99", 0.99)];

/// Names in the order of their first mention; their places are what frames point at.
#[derive(Default)]
struct Names {
    known: BTreeMap<String, i64>,
    order: Vec<String>,
}

impl Names {
    fn index(&mut self, name: &str) -> i64 {
        if let Some(index) = self.known.get(name) {
            return *index;
        }
        let index = self.order.len() as i64;
        self.known.insert(name.to_owned(), index);
        self.order.push(name.to_owned());
        index
    }

    fn write(&self, column: &str, index: &str, file: &Path) -> Result<()> {
        let numbers = (0..self.order.len() as i64).collect();
        let columns = vec![(index, Column::Int(numbers)), (column, Column::Text(self.order.clone()))];
        Table { columns, index: Some(column) }.write(file)
    }
}

/// The rows of the dataset, column by column.
#[derive(Default)]
struct Frames {
    state: Vec<f32>,
    action: Vec<f32>,
    png: Vec<Vec<u8>>,
    timestamp: Vec<f32>,
    frame: Vec<i64>,
    episode: Vec<i64>,
    task: Vec<i64>,
    subtask: Vec<i64>,
    accepted: Vec<bool>,
    failure: Vec<String>,
}

/// What one episode is.
struct Episode {
    task: String,
    frames: [usize; 2],
    success: bool,
    failures: Vec<String>,
    source: String,
}

/// Writes the dataset into a folder that is empty or not there yet.
///
/// # Errors
/// Plans of robots with different joints; a folder with something else in it, or that cannot be written.
pub(super) fn write(plans: &[Plan], folder: &Path) -> Result<()> {
    if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        let hint = "A dataset goes into a folder of its own; name another one with --out DIR.";
        return Err(Fault::new(format!("{} is not empty", folder.display()), hint).into());
    }
    let names = plans.first().map(joint_names).unwrap_or_default();
    if let Some(other) = plans.iter().find(|plan| joint_names(plan) != names) {
        let hint = "One dataset holds plans of the same arms; export the others apart.";
        return Err(Fault::new(format!("{} has other joints than the first plan", other.file), hint).into());
    }
    for part in ["data/chunk-000", "meta/episodes/chunk-000"] {
        std::fs::create_dir_all(folder.join(part)).hint(WRITE_HINT)?;
    }
    let (mut frames, mut episodes) = (Frames::default(), Vec::new());
    let (mut tasks, mut subtasks) = (Names::default(), Names::default());
    let progress = Progress::new(plans.iter().map(|plan| plan.film.len() as u64).sum());
    let mut done = 0;
    for plan in plans {
        let task = plan.task();
        let carried: Vec<&FilmStep> = plan.film.iter().filter(|step| step.executed).collect();
        let rejected = plan.film.iter().filter(|step| !step.executed);
        let runs = std::iter::once(carried).chain(rejected.map(|step| vec![step])).filter(|run| !run.is_empty());
        for (number, run) in runs.enumerate() {
            let begins = frames.frame.len();
            let task_index = tasks.index(&task);
            let mut secs = 0.0;
            for step in &run {
                frames.add(plan, step, [episodes.len() as i64, task_index, subtasks.index(&words(step))], &mut secs)?;
                done += 1;
                progress.step(done, &words(step), "");
            }
            let failures: Vec<String> = match number {
                0 if run.iter().all(|step| step.executed) => {
                    plan.film.iter().filter(|step| !step.executed).map(cause).collect()
                }
                _ => run.iter().map(|step| cause(step)).collect(),
            };
            let success = number == 0 && run.iter().all(|step| step.executed) && plan.is_done();
            let frames = [begins, frames.frame.len()];
            episodes.push(Episode { task: task.clone(), frames, success, failures, source: plan.source() });
        }
    }
    progress.finish();
    let about = json!({
        "codebase_version": "v3.0",
        "robot_type": plans.first().map(Plan::robot_name),
        "total_episodes": episodes.len(), "total_frames": frames.frame.len(), "total_tasks": tasks.order.len(),
        "chunks_size": 1000, "data_files_size_in_mb": 100, "video_files_size_in_mb": 200,
        "fps": FPS, "splits": { "train": format!("0:{}", episodes.len()) },
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": null,
        "features": features(&names),
        "source": plans.iter().map(Plan::source).collect::<Vec<_>>(),
    });
    let save = |name: &str, value: &Value| -> Result<()> {
        std::fs::write(folder.join(name), serde_json::to_string_pretty(value)? + "\n").hint(WRITE_HINT)
    };
    save("meta/info.json", &about)?;
    save("meta/stats.json", &frames.stats(names.len()))?;
    tasks.write("task", "task_index", &folder.join("meta/tasks.parquet"))?;
    subtasks.write("subtask", "subtask_index", &folder.join("meta/subtasks.parquet"))?;
    table_of(&episodes).write(&folder.join("meta/episodes/chunk-000/file-000.parquet"))?;
    frames.table(names.len()).write(&folder.join("data/chunk-000/file-000.parquet"))
}

/// Names of the values of a state.
fn joint_names(plan: &Plan) -> Vec<String> {
    let scene = &plan.recorded.stage.scene;
    let arms = plan.recorded.stage.arms.iter().zip(&scene.robots);
    arms.flat_map(|(arm, place)| {
        let joints = arm.robot.segments.iter().map(|segment| &segment.joint.name);
        let joints = joints.take(arm.robot.dof()).map(|joint| format!("{}.{joint}", place.name));
        joints.chain([format!("{}.gripper", place.name)]).collect::<Vec<_>>()
    })
    .collect()
}

fn state(still: &Still) -> impl Iterator<Item = f32> + '_ {
    still.q.iter().zip(&still.opening_m).flat_map(|(q, opening)| q.iter().chain([opening]).map(|value| *value as f32))
}

fn words(step: &FilmStep) -> String {
    match &step.report.skill {
        Some(skill) if step.report.text.is_empty() => skill.to_string(),
        _ => step.report.text.clone(),
    }
}

/// Why a step was rejected.
fn cause(step: &FilmStep) -> String {
    let code = step.report.first_code.map_or("", |code| code.name());
    format!("{code}: {}", step.report.says)
}

impl Frames {
    /// Adds the frames of a step; `secs` is the time in the episode.
    fn add(&mut self, plan: &Plan, step: &FilmStep, [episode, task, subtask]: [i64; 3], secs: &mut f64) -> Result<()> {
        let stage = &plan.recorded.stage;
        let camera = camera_of(stage);
        let failure = if step.executed { String::new() } else { cause(step) };
        for (index, still) in step.stills.iter().enumerate() {
            let next = step.stills.get(index + 1).unwrap_or(still);
            self.state.extend(state(still));
            self.action.extend(state(next));
            let drawn = Drawing::new(stage, still).draw(&camera, [SIDE_PX; 2], 2);
            self.png.push(picture_to_png(&drawn.rgbd.picture())?);
            let frame = (*secs / STILL_SECS).round();
            self.timestamp.push((frame * STILL_SECS) as f32);
            self.frame.push(frame as i64);
            self.episode.push(episode);
            self.task.push(task);
            self.subtask.push(subtask);
            self.accepted.push(step.executed);
            self.failure.push(failure.clone());
            *secs += STILL_SECS;
        }
        Ok(())
    }

    fn table(&self, width: usize) -> Table<'static> {
        let rows = self.frame.len() as i64;
        let columns = vec![
            ("observation.state", Column::Floats(width, self.state.clone())),
            ("action", Column::Floats(width, self.action.clone())),
            (CAMERA, Column::Png(self.png.clone())),
            ("timestamp", Column::Float(self.timestamp.clone())),
            ("frame_index", Column::Int(self.frame.clone())),
            ("episode_index", Column::Int(self.episode.clone())),
            ("index", Column::Int((0..rows).collect())),
            ("task_index", Column::Int(self.task.clone())),
            ("subtask_index", Column::Int(self.subtask.clone())),
            ("accepted", Column::Bool(self.accepted.clone())),
            ("failure", Column::Text(self.failure.clone())),
        ];
        Table { columns, index: None }
    }

    /// What normalisation wants to know of states and actions.
    fn stats(&self, width: usize) -> Value {
        json!({ "observation.state": spread(&self.state, width), "action": spread(&self.action, width) })
    }
}

/// Least, greatest, mean, spread and quantiles of every value of a vector.
fn spread(values: &[f32], width: usize) -> Value {
    let column = |at: usize| {
        let mut column: Vec<f64> =
            values.iter().skip(at).step_by(width.max(1)).map(|value| f64::from(*value)).collect();
        column.sort_by(f64::total_cmp);
        column
    };
    let columns: Vec<Vec<f64>> = (0..width).map(column).collect();
    let each = |of: &dyn Fn(&[f64]) -> f64| columns.iter().map(|column| of(column)).collect::<Vec<f64>>();
    let mean = |column: &[f64]| column.iter().sum::<f64>() / column.len().max(1) as f64;
    let quantile = |column: &[f64], share: f64| {
        let at = share * column.len().saturating_sub(1) as f64;
        let low = column.get(at as usize).copied().unwrap_or(0.0);
        low + (column.get(at as usize + 1).copied().unwrap_or(low) - low) * at.fract()
    };
    let variance = |column: &[f64]| {
        let middle = mean(column);
        column.iter().map(|value| (value - middle).powi(2)).sum::<f64>() / column.len().max(1) as f64
    };
    let mut stats = json!({
        "min": each(&|column| column.first().copied().unwrap_or(0.0)),
        "max": each(&|column| column.last().copied().unwrap_or(0.0)),
        "mean": each(&mean),
        "std": each(&|column| variance(column).sqrt()),
        "count": [columns.first().map_or(0, Vec::len)],
    });
    for (name, share) in QUANTILES {
        stats[name] = json!(each(&|column| quantile(column, share)));
    }
    stats
}

fn features(names: &[String]) -> Value {
    let one = |dtype: &str| json!({ "dtype": dtype, "shape": [1], "names": null });
    let vector = json!({ "dtype": "float32", "shape": [names.len()], "names": names });
    json!({
        "observation.state": vector, "action": vector,
        CAMERA: { "dtype": "image", "shape": [SIDE_PX, SIDE_PX, 3], "names": ["height", "width", "channels"] },
        "timestamp": one("float32"), "frame_index": one("int64"), "episode_index": one("int64"), "index": one("int64"),
        "task_index": one("int64"), "subtask_index": one("int64"), "accepted": one("bool"), "failure": one("string"),
    })
}

fn table_of(episodes: &[Episode]) -> Table<'static> {
    let ints = |of: &dyn Fn(usize, &Episode) -> usize| {
        Column::Int(episodes.iter().enumerate().map(|(index, episode)| of(index, episode) as i64).collect())
    };
    let columns = vec![
        ("episode_index", ints(&|index, _| index)),
        ("tasks", Column::Texts(episodes.iter().map(|episode| vec![episode.task.clone()]).collect())),
        ("length", ints(&|_, episode| episode.frames[1] - episode.frames[0])),
        ("data/chunk_index", ints(&|_, _| 0)),
        ("data/file_index", ints(&|_, _| 0)),
        ("dataset_from_index", ints(&|_, episode| episode.frames[0])),
        ("dataset_to_index", ints(&|_, episode| episode.frames[1])),
        ("meta/episodes/chunk_index", ints(&|_, _| 0)),
        ("meta/episodes/file_index", ints(&|_, _| 0)),
        ("success", Column::Bool(episodes.iter().map(|episode| episode.success).collect())),
        ("failures", Column::Texts(episodes.iter().map(|episode| episode.failures.clone()).collect())),
        ("source", Column::Text(episodes.iter().map(|episode| episode.source.clone()).collect())),
    ];
    Table { columns, index: None }
}
