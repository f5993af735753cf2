//! The frame cache: views of generated scenes, rendered once and kept in one file for all training stages.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rhea_picture::{Rgbd, decode_depth, encode_depth};
use rhea_scene::{Camera, Move, Pose, Rendered, Renderer, Scene, Threads, generate_any};
use serde::{Deserialize, Serialize};

use crate::LessonError;

/// Views of each scene.
pub const VIEWS: usize = 20;
/// Side of the views, pixels.
pub const SIDE_PX: usize = 128;
/// Scene seeds that training may use; everything from the end on is for evaluation.
pub const TRAINING_SEEDS: std::ops::Range<u64> = 0..1_000_000;
/// The last training seeds are kept for the figures a training run prints about itself.
pub const HELD_OUT_SEEDS: std::ops::Range<u64> = 999_900..1_000_000;

const PIXELS: usize = SIDE_PX * SIDE_PX;
/// Colour, depth as 16 bit logarithm, object ids as 8 bit.
const RECORD: usize = PIXELS * (3 + 2 + 1);

/// What is kept of a scene besides its pictures.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Line {
    seed: u64,
    poses: Vec<Pose>,
    /// The scene itself as RON, so that words stay true when a generator changes later.
    scene: String,
}

/// The cache: a folder with `frames.bin` and `scenes.jsonl`.
pub struct FrameStore {
    file: Mutex<File>,
    lines: Vec<Line>,
    scenes: Vec<Scene>,
}

/// A walk through a scene that keeps to free ground, as training sees it.
#[must_use]
pub fn training_walk(scene: &Scene, views: usize, rng: &mut ChaCha8Rng) -> Vec<Pose> {
    let starts = scene.starts();
    let mut poses: Vec<Pose> = Vec::with_capacity(views);
    let Some(first) = starts.get(rng.random_range(0..starts.len().max(1))) else { return poses };
    let mut pose = *first;
    for _ in 0..views {
        poses.push(pose);
        let side = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
        let turn = |rng: &mut ChaCha8Rng, most: f32| side * rng.random_range(5.0..most);
        let mut step = match rng.random_range(0..10) {
            0..4 => Move::turn_deg(turn(rng, 50.0)),
            4..6 => Move::forward(rng.random_range(0.2..1.0)),
            6 => Move { forward_m: -rng.random_range(0.2..0.8), ..Move::default() },
            7 => Move { right_m: side * rng.random_range(0.2..0.8), ..Move::default() },
            _ => Move { forward_m: rng.random_range(0.2..0.8), ..Move::turn_deg(turn(rng, 35.0)) },
        };
        if rng.random_bool(0.12) {
            step.look_rad = if pose.pitch_rad == 0.0 { side * rng.random_range(0.08..0.35) } else { -pose.pitch_rad };
        }
        let (next, clipped) = scene.clip(&pose, &pose.apply(&step));
        // A walker at a wall turns away: a view of nothing but plaster teaches little.
        pose = if clipped {
            next.apply(&Move { turn_rad: side * rng.random_range(1.0..2.8), ..Move::default() })
        } else {
            next
        };
    }
    poses
}

fn render_scene(seed: u64) -> Result<(Line, Vec<u8>), LessonError> {
    let scene = generate_any(seed);
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x77a1_6b00);
    let poses = training_walk(&scene, VIEWS, &mut rng);
    let renderer = Renderer::new(&scene);
    let camera = Camera::square(SIDE_PX);
    let mut data = Vec::with_capacity(VIEWS * RECORD);
    for pose in &poses {
        let view = renderer.render(pose, &camera, Threads::One);
        data.extend_from_slice(&view.rgbd.rgb);
        for depth in &view.rgbd.depth_m {
            let value = ((encode_depth(*depth) + 1.0) * 32_767.5).round() as u16;
            data.extend_from_slice(&value.to_le_bytes());
        }
        data.extend(view.ids.iter().map(|id| u8::try_from(*id).unwrap_or(u8::MAX)));
    }
    let ron = scene.to_ron().map_err(|e| LessonError::Text(e.to_string()))?;
    Ok((Line { seed, poses, scene: ron }, data))
}

impl FrameStore {
    /// Opens the cache and renders what is missing, so that it holds at least `scenes` scenes with seeds from `first_seed`
    /// on; `on_scene` hears how many are done.
    ///
    /// # Errors
    /// When seeds fall outside the training range, or the folder cannot be read or written.
    pub fn prepare(
        dir: &Path,
        first_seed: u64,
        scenes: usize,
        on_scene: &(dyn Fn(usize) + Sync),
    ) -> Result<Self, LessonError> {
        let last = first_seed + scenes as u64;
        if !TRAINING_SEEDS.contains(&first_seed) || last > TRAINING_SEEDS.end {
            return Err(LessonError::Seeds { first: first_seed, last, allowed: TRAINING_SEEDS });
        }
        let failed = |path: PathBuf| move |source| LessonError::File { path, source };
        std::fs::create_dir_all(dir).map_err(failed(dir.into()))?;
        let (data_path, list_path) = (dir.join("frames.bin"), dir.join("scenes.jsonl"));
        let open = |path: &Path| OpenOptions::new().read(true).create(true).append(true).open(path);
        let mut data = open(&data_path).map_err(failed(data_path.clone()))?;
        let mut list = open(&list_path).map_err(failed(list_path.clone()))?;
        let mut text = String::new();
        list.read_to_string(&mut text).map_err(failed(list_path.clone()))?;
        let mut lines: Vec<Line> = text.lines().map_while(|l| serde_json::from_str(l).ok()).collect();
        // A run that was cut short may have left pictures without a line, or half a line.
        let stored = data.metadata().map_err(failed(data_path.clone()))?.len() as usize / (VIEWS * RECORD);
        lines.truncate(stored);
        if lines.first().is_some_and(|l| l.seed != first_seed) {
            return Err(LessonError::Cache {
                path: dir.into(),
                what: format!("it begins with another seed than {first_seed}"),
            });
        }
        let text: String = lines.iter().filter_map(|l| serde_json::to_string(l).ok()).map(|l| l + "\n").collect();
        std::fs::write(&list_path, text).map_err(failed(list_path.clone()))?;
        data.set_len((lines.len() * VIEWS * RECORD) as u64).map_err(failed(data_path.clone()))?;
        while lines.len() < scenes {
            let from = first_seed + lines.len() as u64;
            let n = (scenes - lines.len()).min(16) as u64;
            let rendered: Vec<Result<(Line, Vec<u8>), LessonError>> =
                (from..from + n).into_par_iter().map(render_scene).collect();
            for rendered in rendered {
                let (line, frames) = rendered?;
                data.write_all(&frames).map_err(failed(data_path.clone()))?;
                let text = serde_json::to_string(&line).unwrap_or_default() + "\n";
                list.write_all(text.as_bytes()).map_err(failed(list_path.clone()))?;
                lines.push(line);
            }
            on_scene(lines.len());
        }
        let parse = |line: &Line| {
            Scene::from_ron(&line.scene)
                .map_err(|e| LessonError::Cache { path: dir.into(), what: format!("scene {}: {e}", line.seed) })
        };
        let scenes = lines.par_iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Self { file: Mutex::new(data), lines, scenes })
    }

    /// Scenes in the cache.
    #[must_use]
    pub fn scenes(&self) -> usize {
        self.lines.len()
    }

    /// A scene as it was rendered.
    #[must_use]
    pub fn scene(&self, scene: usize) -> &Scene {
        &self.scenes[scene]
    }

    /// Poses of a scene's views.
    #[must_use]
    pub fn poses(&self, scene: usize) -> &[Pose] {
        &self.lines[scene].poses
    }

    /// Reads one view with its object ids.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn view(&self, scene: usize, view: usize) -> Result<Rendered, LessonError> {
        let mut data = vec![0; RECORD];
        let failed = |source| LessonError::File { path: "frames.bin".into(), source };
        {
            let mut file = self.file.lock().map_err(|_| failed(std::io::Error::other("a reader panicked")))?;
            file.seek(SeekFrom::Start(((scene * VIEWS + view) * RECORD) as u64)).map_err(failed)?;
            file.read_exact(&mut data).map_err(failed)?;
        }
        let (rgb, rest) = data.split_at(PIXELS * 3);
        let (depth, ids) = rest.split_at(PIXELS * 2);
        let table = depth_table();
        let depth_m = depth.chunks_exact(2).map(|b| table[usize::from(u16::from_le_bytes([b[0], b[1]]))]).collect();
        let rgbd = Rgbd { width: SIDE_PX, height: SIDE_PX, rgb: rgb.to_vec(), depth_m };
        Ok(Rendered { rgbd, ids: ids.iter().map(|id| u16::from(*id)).collect() })
    }
}

fn depth_table() -> &'static [f32] {
    static TABLE: std::sync::OnceLock<Vec<f32>> = std::sync::OnceLock::new();
    TABLE.get_or_init(|| (0..=u16::MAX).map(|v| decode_depth(f32::from(v) / 32_767.5 - 1.0)).collect())
}
