//! Scenes from seeds: rooms, corridors and courtyards.
//!
//! The same kind and seed give the same scene, on every machine and in every run.

mod corridor;
mod courtyard;
mod draft;
mod place;
mod room;
mod schemes;
mod starts;

use crate::limits::EYE_HEIGHT_M;
use crate::material::Material;
use crate::spec::{Above, Lamp, SceneKind, SceneSpec, Start, Walls};
use crate::{Paint, Scene};
use draft::Draft;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Drafts tried for one seed before the plainest scene is taken.
const ATTEMPTS: u64 = 24;

/// The scene of a kind and a seed.
#[must_use]
pub fn generate(kind: SceneKind, seed: u64) -> Scene {
    for attempt in 0..ATTEMPTS {
        if let Some(scene) = draft(kind, seed, attempt) {
            return scene;
        }
    }
    plain(kind)
}

/// The scene of a seed; the seed also chooses the kind (half are rooms).
#[must_use]
pub fn generate_any(seed: u64) -> Scene {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::MAX);
    let kind = match rng.random_range(0..8) {
        0..4 => SceneKind::Room,
        4..6 => SceneKind::Corridor,
        _ => SceneKind::Courtyard,
    };
    generate(kind, seed)
}

/// The plain data of [`generate`].
pub(crate) fn spec(kind: SceneKind, seed: u64) -> SceneSpec {
    generate(kind, seed).spec().clone()
}

/// One try; none when it came out too crowded.
fn draft(kind: SceneKind, seed: u64, attempt: u64) -> Option<Scene> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(attempt * 4 + kind as u64);
    let mut spec = match kind {
        SceneKind::Room => room::draft(&mut rng),
        SceneKind::Corridor => corridor::draft(&mut rng),
        SceneKind::Courtyard => courtyard::draft(&mut rng),
    };
    spec.name = format!("{} {seed}", spec.name);
    spec.starts = starts::find(&spec, &mut rng)?;
    Scene::new(spec).ok()
}

/// An empty scene that always holds.
fn plain(kind: SceneKind) -> Scene {
    let spec = SceneSpec {
        name: format!("Plain {}", kind.word()),
        kind,
        outline_m: vec![[-3.0, -3.0], [3.0, -3.0], [3.0, 3.0], [-3.0, 3.0]],
        walls: Walls { height_m: 2.6, material: Material::Flat(Paint([240, 226, 200])), skirting: None },
        partitions: Vec::new(),
        floor: Material::Flat(Paint([180, 140, 100])),
        above: Above::Ceiling(Material::Flat(Paint([248, 246, 240]))),
        lamps: vec![Lamp {
            position_m: [0.0, EYE_HEIGHT_M + 0.9, 0.0],
            reach_m: 9.0,
            strength: 0.7,
            paint: Paint([255, 244, 224]),
        }],
        objects: Vec::new(),
        starts: vec![Start { x_m: 0.0, z_m: 1.5, yaw_deg: 0.0 }],
    };
    match Scene::new(spec) {
        Ok(scene) => scene,
        // The numbers above are constants inside every limit; a test builds this scene.
        Err(error) => unreachable!("the plain scene is valid: {error}"),
    }
}
