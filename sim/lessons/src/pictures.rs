//! Pictures for the vision tokenizer, from the frame cache.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use rand::seq::index::sample;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rhea_memory::warp;
use rhea_picture::Rgbd;
use rhea_scene::{Camera, Pose};
use rhea_train::vision::{MemoryExample, ViewKey, VisionExample, VisionSource};

use crate::frames::{FrameStore, SIDE_PX, VIEWS};
use crate::tables::Tables;

/// Scenes that are drawn from at a time, so that the model's own views of them are at hand.
const WINDOW: u64 = 64;
/// Steps after which the window moves on by `WINDOW_MOVES` scenes.
const WINDOW_STEPS: u64 = 5;
const WINDOW_MOVES: u64 = 4;
/// The model's own views that are kept, about 115 KB each.
const KEPT: usize = 1600;

/// Share of the lessons that show robot tasks, where there are some.
const TABLES: f64 = 0.12;
/// Share of memories from many views of the scene in any order, so that misplaced pixels are met often.
const FAR: f64 = 0.3;
/// Memory that knows less than this share of a view is no memory.
const LEAST_KNOWN: f32 = 0.05;
/// The key of a picture that is no view of a scene.
const NO_VIEW: ViewKey = ViewKey { scene: u32::MAX, view: 0 };

#[derive(Default)]
struct Own {
    views: HashMap<ViewKey, Rgbd>,
    order: VecDeque<ViewKey>,
}

/// Training pictures with memories: true views, true colours with the model's own depth, and the model's own views.
pub struct PictureLessons<'a> {
    frames: &'a FrameStore,
    held_out: &'a FrameStore,
    tables: Option<Tables>,
    seed: u64,
    own: Mutex<Own>,
}

impl<'a> PictureLessons<'a> {
    /// Lessons from two caches, and a few of robot tasks where there are some; `held_out` is only looked at for figures.
    #[must_use]
    pub(crate) fn new(frames: &'a FrameStore, held_out: &'a FrameStore, tables: Option<Tables>, seed: u64) -> Self {
        Self { frames, held_out, tables, seed, own: Mutex::default() }
    }

    /// The other views that serve as memory of one, from the model's own drawings where they exist.
    fn sources(&self, scene: usize, view: usize, rng: &mut ChaCha8Rng) -> Result<Vec<(Rgbd, Pose)>, String> {
        let count = if rng.random_bool(FAR) { rng.random_range(4..8) } else { rng.random_range(1..4) };
        let mut sources = Vec::new();
        for other in sample(rng, VIEWS - 1, count) {
            let other = if other >= view { other + 1 } else { other };
            let mut source = self.frames.view(scene, other).map_err(|e| e.to_string())?.rgbd;
            let kind: f32 = rng.random();
            if kind < 0.75 {
                let key = ViewKey { scene: scene as u32, view: other as u32 };
                let own =
                    self.own.lock().map_err(|_| "a training worker panicked".to_owned())?.views.get(&key).cloned();
                if let Some(own) = own {
                    source.depth_m = own.depth_m;
                    if kind < 0.4 {
                        source.rgb = own.rgb;
                    }
                }
            } else if kind < 0.9 {
                let scale = rng.random_range(0.97..1.03);
                source
                    .depth_m
                    .iter_mut()
                    .for_each(|d| *d = (*d * scale).clamp(rhea_picture::NEAREST_M, rhea_picture::FARTHEST_M));
            }
            sources.push((source, self.frames.poses(scene)[other]));
        }
        Ok(sources)
    }
}

fn remembered(sources: &[(Rgbd, Pose)], target: &Pose) -> MemoryExample {
    let sources: Vec<(&Rgbd, &Pose)> = sources.iter().map(|(view, pose)| (view, pose)).collect();
    let warp = warp(&sources, &Camera::square(SIDE_PX), target);
    MemoryExample { filled: warp.filled(), warp }
}

impl VisionSource for PictureLessons<'_> {
    fn examples(&self, step: u64, shard: usize, n: usize, memory: bool) -> Result<Vec<VisionExample>, String> {
        let mut rng =
            ChaCha8Rng::seed_from_u64(self.seed ^ step.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ ((shard as u64) << 56));
        let scenes = self.frames.scenes() as u64;
        let window = (step / WINDOW_STEPS).wrapping_mul(WINDOW_MOVES);
        (0..n)
            .map(|_| {
                let table = self.tables.as_ref().filter(|_| rng.random_bool(TABLES));
                if let Some((picture, known)) = table.and_then(|tables| tables.lesson(&mut rng)) {
                    let memory = known.filter(|warp| memory && warp.coverage() > LEAST_KNOWN);
                    let memory = memory.map(|warp| MemoryExample { filled: warp.filled(), warp });
                    return Ok(VisionExample { key: NO_VIEW, picture, memory });
                }
                let scene = (window.wrapping_add(rng.random_range(0..WINDOW.min(scenes))) % scenes) as usize;
                let view = rng.random_range(0..VIEWS);
                let picture = self.frames.view(scene, view).map_err(|e| e.to_string())?.rgbd;
                let memory = if memory {
                    let sources = self.sources(scene, view, &mut rng)?;
                    let memory = remembered(&sources, &self.frames.poses(scene)[view]);
                    (memory.warp.coverage() > LEAST_KNOWN).then_some(memory)
                } else {
                    None
                };
                Ok(VisionExample { key: ViewKey { scene: scene as u32, view: view as u32 }, picture, memory })
            })
            .collect()
    }

    fn keep(&self, key: ViewKey, view: Rgbd) {
        let Ok(mut own) = self.own.lock() else { return };
        if key == NO_VIEW {
            return;
        }
        if own.views.insert(key, view).is_none() {
            own.order.push_back(key);
        }
        if own.order.len() > KEPT
            && let Some(oldest) = own.order.pop_front()
        {
            own.views.remove(&oldest);
        }
    }

    fn held_out(&self, n: usize) -> Result<Vec<VisionExample>, String> {
        (0..n)
            .map(|i| {
                let scene = i % self.held_out.scenes();
                let view = 1 + i % (VIEWS - 1);
                let picture = self.held_out.view(scene, view).map_err(|e| e.to_string())?.rgbd;
                let before = view - 1;
                let source = self.held_out.view(scene, before).map_err(|e| e.to_string())?.rgbd;
                let memory =
                    remembered(&[(source, self.held_out.poses(scene)[before])], &self.held_out.poses(scene)[view]);
                let memory = (memory.warp.coverage() > LEAST_KNOWN).then_some(memory);
                Ok(VisionExample { key: ViewKey { scene: scene as u32, view: view as u32 }, picture, memory })
            })
            .collect()
    }
}
