//! The scenes of the benchmark: a third each of rooms, mazes and courtyards, with landmarks planted in them.

use std::ops::Range;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rhea_picture::Rgbd;
use rhea_scene::{Camera, Colour, Noun, Object, Pose, Rendered, Renderer, Scene, SceneKind, Threads, generate};

/// The seeds of the full benchmark: apart from those of the smoke tier.
pub const RETURN_SEEDS: Range<u64> = 1_000_107..1_000_131;
/// Landmarks that are planted in a scene.
const LANDMARKS: usize = 6;
/// So many of them in sight of the start.
const IN_SIGHT: usize = 3;
/// Tries to find a place for one.
const TRIES: usize = 80;
/// Least share of the view that a landmark covers to count as seen (41 px of 128 x 128).
pub(super) const LEAST_LANDMARK: f32 = 0.0025;
/// Colours and things that stand out.
const COLOURS: [Colour; 6] = [Colour::Red, Colour::Yellow, Colour::Blue, Colour::Green, Colour::Purple, Colour::Orange];
const THINGS: [(Noun, [f32; 3]); 3] =
    [(Noun::Barrel, [0.6, 0.9, 0.6]), (Noun::Ball, [0.7; 3]), (Noun::Box, [0.6, 0.7, 0.6])];

/// A scene to walk in, with its truth.
pub(super) struct Stage {
    pub seed: u64,
    pub scene: Scene,
    pub camera: Camera,
    /// Where every walk begins; its view is the only truth a walker is given.
    pub anchor: Pose,
    /// Object ids of the planted landmarks.
    pub landmarks: Vec<u16>,
    renderer: Renderer,
}

/// Is a scene kept from everything that is chosen by looking at figures? Every third one is.
#[must_use]
pub fn is_held_out(seed: u64) -> bool {
    seed % 3 == 2
}

impl Stage {
    /// The scene of a seed; `None` when it has no start.
    pub fn new(seed: u64, side_px: usize) -> Option<Self> {
        // Each triple of seeds has all three kinds, and so have the held-out ones of three triples.
        let kind = SceneKind::ALL[((seed + seed / 3) % 3) as usize];
        let bare = generate(kind, seed);
        let anchor = bare.starts().first().copied()?;
        let camera = Camera::square(side_px);
        let (scene, landmarks) = plant(bare, &anchor, &camera, &mut ChaCha8Rng::seed_from_u64(seed ^ 0x6c61_6e64));
        Some(Self { seed, renderer: Renderer::new(&scene), scene, camera, anchor, landmarks })
    }

    /// The same stage with one object taken away; `None` when there is no such object.
    pub fn without(&self, id: u16) -> Option<Self> {
        let mut spec = self.scene.spec().clone();
        let before = spec.objects.len();
        spec.objects.retain(|object| object.id != id);
        if spec.objects.len() == before {
            return None;
        }
        let scene = Scene::new(spec).ok()?;
        let landmarks = self.landmarks.iter().copied().filter(|landmark| *landmark != id).collect();
        Some(Self { renderer: Renderer::new(&scene), scene, landmarks, ..*self })
    }

    /// What is really there.
    pub fn truth(&self, pose: &Pose) -> Rendered {
        self.renderer.render(pose, &self.camera, Threads::All)
    }

    /// The picture of the truth.
    pub fn view(&self, pose: &Pose) -> Rgbd {
        self.truth(pose).rgbd
    }
}

/// Share of the pixels that an object covers.
pub(super) fn share_of(truth: &Rendered, id: u16) -> f32 {
    truth.ids.iter().filter(|of| **of == id).count() as f32 / truth.ids.len().max(1) as f32
}

/// Adds landmarks: some where the start sees them, the others anywhere; fewer where there is no room.
fn plant(scene: Scene, anchor: &Pose, camera: &Camera, rng: &mut ChaCha8Rng) -> (Scene, Vec<u16>) {
    let mut planted = Vec::new();
    let mut scene = scene;
    let mut next_id = scene.objects().iter().map(|object| object.id).max().unwrap_or(0).saturating_add(1);
    for n in 0..LANDMARKS {
        for _ in 0..TRIES {
            let in_sight = n < IN_SIGHT;
            let Some(object) = draft(&scene, anchor, in_sight, next_id, rng) else { continue };
            let mut spec = scene.spec().clone();
            spec.objects.push(object);
            let Ok(more) = Scene::new(spec) else { continue };
            let seen = || {
                let truth = Renderer::new(&more).render(anchor, camera, Threads::All);
                share_of(&truth, next_id) >= 2.0 * LEAST_LANDMARK
            };
            if in_sight && !seen() {
                continue;
            }
            planted.push(next_id);
            next_id = next_id.saturating_add(1);
            scene = more;
            break;
        }
    }
    (scene, planted)
}

/// A thing at a random free place off the way ahead of the start, unlike all others by name.
fn draft(scene: &Scene, anchor: &Pose, in_sight: bool, id: u16, rng: &mut ChaCha8Rng) -> Option<Object> {
    let (noun, size_m) = *THINGS.choose(rng)?;
    let colour = *COLOURS.choose(rng)?;
    let (reach, bearing) = match in_sight {
        true => (rng.random_range(1.6..5.0_f32), rng.random_range(0.14..0.6_f32)),
        false => (rng.random_range(1.4..9.0_f32), rng.random_range(0.7..std::f32::consts::PI)),
    };
    let side = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
    let (s, c) = (anchor.yaw_rad + side * bearing).sin_cos();
    let at = [anchor.position_m[0] - s * reach, anchor.position_m[2] - c * reach];
    let off_the_way_m = reach * bearing.sin();
    let taken = scene.objects().iter().any(|other| other.noun == noun && other.colour == colour);
    let room = scene.contains(at[0], at[1]) && scene.clearance_m(at[0], at[1], 1.0) > size_m[0] * 0.5 + 0.08;
    let free = room && !taken && (off_the_way_m > 0.75 || bearing > 1.0);
    let position_m = [at[0], 0.0, at[1]];
    free.then(|| Object { id, noun, colour, position_m, yaw_deg: 0.0, size_m, material: None, parts: Vec::new() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_third_is_held_out_and_kinds_are_even() {
        let all: Vec<u64> = RETURN_SEEDS.collect();
        assert_eq!(all.iter().filter(|seed| is_held_out(**seed)).count(), 8);
        let kinds: Vec<SceneKind> = all.iter().map(|seed| SceneKind::ALL[((seed + seed / 3) % 3) as usize]).collect();
        for kind in SceneKind::ALL {
            assert_eq!(kinds.iter().filter(|k| **k == kind).count(), 8);
            assert!(all.iter().zip(&kinds).any(|(seed, k)| is_held_out(*seed) && *k == kind));
        }
    }

    #[test]
    fn landmarks_are_seen_from_the_start_and_can_be_taken_away() {
        let stage = Stage::new(RETURN_SEEDS.start, 64).unwrap();
        let truth = stage.truth(&stage.anchor);
        let seen: Vec<u16> =
            stage.landmarks.iter().copied().filter(|id| share_of(&truth, *id) >= LEAST_LANDMARK).collect();
        assert!(seen.len() >= 2, "{seen:?} of {:?}", stage.landmarks);
        let gone = stage.without(seen[0]).unwrap();
        assert_eq!(share_of(&gone.truth(&gone.anchor), seen[0]), 0.0);
        assert!(stage.without(u16::MAX).is_none());
    }
}
