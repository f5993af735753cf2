//! Courtyards: low walls, trees and benches under a wide sky.

use super::Draft;
use super::draft::{BRIGHT, SOLID};
use super::room;
use super::schemes;
use crate::colour::Colour;
use crate::object::Noun;
use crate::spec::{Above, SceneKind, SceneSpec};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

const CROWNS: [Colour; 5] = [Colour::Green, Colour::Orange, Colour::Yellow, Colour::Pink, Colour::Red];
const STONES: [Colour; 4] = [Colour::White, Colour::Grey, Colour::Brown, Colour::Yellow];

pub(super) fn draft(rng: &mut ChaCha8Rng) -> SceneSpec {
    let (sky, walls, floor) = schemes::outdoor(rng);
    let metres = |rng: &mut ChaCha8Rng| rng.random_range(20..=30) as f32 * 0.5;
    let (x, z) = (metres(rng) * 0.5, metres(rng) * 0.5);
    let outline = if rng.random::<f32>() < 0.3 {
        // Cut corners.
        let cut = rng.random_range(4..=7) as f32 * 0.5;
        vec![
            [-x + cut, -z],
            [x - cut, -z],
            [x, -z + cut],
            [x, z - cut],
            [x - cut, z],
            [-x + cut, z],
            [-x, z - cut],
            [-x, -z + cut],
        ]
    } else {
        vec![[-x, -z], [x, -z], [x, z], [-x, z]]
    };
    let mut draft = Draft::new(rng, outline.clone());
    furnish(&mut draft, walls.height_m);
    SceneSpec {
        name: "Courtyard".into(),
        kind: SceneKind::Courtyard,
        outline_m: outline,
        walls,
        partitions: Vec::new(),
        floor,
        above: Above::Sky(sky),
        lamps: Vec::new(),
        objects: draft.objects,
        starts: Vec::new(),
    }
}

fn furnish(draft: &mut Draft<'_>, wall_m: f32) {
    let wish = draft.rng.random_range(9..=14);
    if wall_m > 2.15 {
        draft.hang(Noun::Door, &SOLID, [1.2, 2.15, 0.12], 0.0);
        draft.hang(Noun::Picture, &BRIGHT, [1.3, 0.9, 0.06], 1.05);
    }
    if draft.chance(0.45) {
        let size = [draft.size(1.8, 2.4), draft.size(1.3, 1.7)];
        draft.scatter(Noun::Fountain, &STONES, [size[0], size[1], size[0]], 1.2, Some(0.0));
    }
    for _ in 0..draft.rng.random_range(2..=3) {
        tree(draft);
    }
    bench(draft);
    let mut tries = 0;
    while draft.objects.len() < wish && tries < 40 {
        tries += 1;
        match draft.rng.random_range(0..9) {
            0 => tree(draft),
            1 => bench(draft),
            2 => {
                let height = draft.size(2.2, 3.0);
                draft.scatter(Noun::Pillar, &SOLID, [0.65, height, 0.65], 0.7, Some(0.0));
            }
            3 => {
                let side = draft.size(1.0, 1.4);
                draft.scatter(Noun::Bush, &CROWNS[..4], [side, side * 0.75, side], 0.4, None);
            }
            4 => room::plant(draft),
            5 => {
                let side = draft.size(0.6, 1.0);
                draft.scatter(Noun::Ball, &BRIGHT, [side; 3], 0.5, None);
            }
            6 => {
                let size = [draft.size(0.6, 1.0), draft.size(0.6, 1.1), draft.size(0.6, 1.0)];
                draft.scatter(Noun::Box, &BRIGHT, size, 0.5, None);
            }
            7 => {
                draft.scatter(Noun::Barrel, &BRIGHT, [0.75, 1.0, 0.75], 0.5, None);
            }
            _ => {
                let size = [draft.size(1.2, 1.5), 0.75, draft.size(0.9, 1.1)];
                draft.scatter(Noun::Table, &SOLID, size, 0.7, None);
            }
        }
    }
}

fn tree(draft: &mut Draft<'_>) {
    let width = draft.size(1.9, 2.8);
    let height = draft.size(2.8, 3.8);
    draft.scatter(Noun::Tree, &CROWNS, [width, height, width], 0.35, None);
}

fn bench(draft: &mut Draft<'_>) {
    let length = draft.size(1.5, 2.0);
    draft.lean(Noun::Bench, &BRIGHT, [length, 0.95, 0.6]);
}
