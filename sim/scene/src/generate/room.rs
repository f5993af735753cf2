//! Furnished rooms: rectangles, L shapes, and pairs of rooms joined by a doorway.

use super::Draft;
use super::draft::{BRIGHT, SOLID};
use super::schemes;
use crate::colour::Colour;
use crate::object::Noun;
use crate::spec::{Above, Lamp, Partition, SceneKind, SceneSpec};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Width and height of a doorway, metres.
const DOORWAY_M: [f32; 2] = [1.2, 2.1];

/// The shape of a room.
struct Plan {
    outline: Vec<[f32; 2]>,
    partitions: Vec<Partition>,
    lamps: Vec<[f32; 2]>,
}

pub(super) fn draft(rng: &mut ChaCha8Rng) -> SceneSpec {
    let height_m = [2.6, 2.8, 3.0][rng.random_range(0..3)];
    let (walls, floor, ceiling) = schemes::indoor(rng, height_m);
    let plan = plan(rng);
    let reach_m = if plan.lamps.len() > 1 { 7.5 } else { 9.5 };
    let strength = if plan.lamps.len() > 1 { 0.62 } else { 0.8 };
    let lamps = plan.lamps.iter().map(|[x, z]| Lamp {
        position_m: [*x, height_m - 0.12, *z],
        reach_m,
        strength,
        paint: schemes::LAMPLIGHT,
    });
    let lamps = lamps.collect();
    let mut draft = Draft::new(rng, plan.outline.clone());
    draft.lamps.clone_from(&plan.lamps);
    draft.add_partitions(&plan.partitions);
    for wall in plan.partitions.iter().filter(|wall| wall.base_m > 0.0) {
        keep_doorway_free(&mut draft, wall);
    }
    let name = furnish(&mut draft, height_m);
    SceneSpec {
        name: name.into(),
        kind: SceneKind::Room,
        outline_m: plan.outline,
        walls,
        partitions: plan.partitions,
        floor,
        above: Above::Ceiling(ceiling),
        lamps,
        objects: draft.objects,
        starts: Vec::new(),
    }
}

fn keep_doorway_free(draft: &mut Draft<'_>, lintel: &Partition) {
    let centre = [0, 1].map(|i| (lintel.from_m[i] + lintel.to_m[i]) * 0.5);
    draft.standing.push(super::place::Footprint { centre, half: [0.9, 0.9], yaw_rad: 0.0 });
}

fn plan(rng: &mut ChaCha8Rng) -> Plan {
    let metres = |rng: &mut ChaCha8Rng, low: i32, high: i32| rng.random_range(low..=high) as f32 * 0.25;
    let (w, d) = (metres(rng, 20, 36), metres(rng, 20, 32));
    let (x, z) = (w * 0.5, d * 0.5);
    let rectangle = vec![[-x, -z], [x, -z], [x, z], [-x, z]];
    match rng.random_range(0..10) {
        // An L: one corner is cut away.
        0..2 if w >= 6.0 && d >= 6.0 => {
            let (cx, cz) = (x - metres(rng, 9, 12), z - metres(rng, 9, 12));
            let mut outline = vec![[-x, -z], [x, -z], [x, cz], [cx, cz], [cx, z], [-x, z]];
            let lamps = [[(cx - x) * 0.5, 0.0], [x * 0.5 + cx * 0.5, (cz - z) * 0.5]];
            let (mx, mz) = ([1.0, -1.0][rng.random_range(0..2)], [1.0, -1.0][rng.random_range(0..2)]);
            for corner in &mut outline {
                *corner = [corner[0] * mx, corner[1] * mz];
            }
            let mirrored = lamps.iter().map(|l: &[f32; 2]| [l[0] * mx, l[1] * mz]).collect();
            if mx * mz < 0.0 {
                outline.reverse();
            }
            Plan { outline, partitions: Vec::new(), lamps: mirrored }
        }
        // Two rooms with a doorway.
        2..4 if w >= 7.0 => {
            let at = (rng.random_range(-3..=3) as f32) * 0.15;
            let door = rng.random_range(-1..=1) as f32 * (z - 1.4);
            let wall = |from: f32, to: f32, base_m: f32| Partition {
                from_m: [at, from],
                to_m: [at, to],
                thickness_m: 0.16,
                base_m,
                material: None,
            };
            let (low, high) = (door - DOORWAY_M[0] * 0.5, door + DOORWAY_M[0] * 0.5);
            let partitions = vec![wall(-z, low, 0.0), wall(low, high, DOORWAY_M[1]), wall(high, z, 0.0)];
            Plan { outline: rectangle, partitions, lamps: vec![[(at - x) * 0.5, 0.0], [(at + x) * 0.5, 0.0]] }
        }
        _ => Plan { outline: rectangle, partitions: Vec::new(), lamps: vec![[0.0, 0.0]] },
    }
}

/// Puts the things in; returns a name for the room.
fn furnish(draft: &mut Draft<'_>, height_m: f32) -> &'static str {
    let wish = draft.rng.random_range(8..=13);
    draft.hang(Noun::Door, &SOLID, [1.1, 2.1, 0.1], 0.0);
    let window = [draft.size(1.3, 1.9), draft.size(1.1, 1.3), 0.08];
    draft.hang(Noun::Window, &[Colour::White, Colour::Brown, Colour::Blue, Colour::Green], window, 0.95);
    let name = match draft.rng.random_range(0..4) {
        0 => {
            living(draft);
            "Living room"
        }
        1 => {
            dining(draft);
            "Dining room"
        }
        2 => {
            bedroom(draft);
            "Bedroom"
        }
        _ => {
            playroom(draft, height_m);
            "Playroom"
        }
    };
    for _ in 0..2 {
        picture(draft);
    }
    let mut tries = 0;
    while draft.objects.len() < wish && tries < 20 {
        tries += 1;
        extra(draft);
    }
    name
}

fn picture(draft: &mut Draft<'_>) {
    let size = [draft.size(0.9, 1.5), draft.size(0.8, 1.1), 0.05];
    draft.hang(Noun::Picture, &BRIGHT, size, 1.15);
}

fn living(draft: &mut Draft<'_>) {
    let sofa = [draft.size(1.8, 2.2), 0.85, 0.9];
    draft.lean(Noun::Sofa, &BRIGHT, sofa);
    let rug = [draft.size(2.0, 2.6), 0.02, draft.size(1.6, 2.0)];
    if let Some(rug) = draft.scatter(Noun::Rug, &BRIGHT, rug, 0.3, Some(0.0)) {
        draft.beside(Noun::Table, &SOLID, [1.1, 0.45, 0.7], &rug, [0.0, 0.0], 0.0);
    }
    shelf(draft);
    lamp(draft);
    plant(draft);
}

fn dining(draft: &mut Draft<'_>) {
    let size = [draft.size(1.2, 1.6), 0.75, 0.85];
    if let Some(table) = draft.scatter(Noun::Table, &SOLID, size, 0.75, Some(0.0)) {
        let chair = [0.5, 0.95, 0.5];
        let reach = size[2] * 0.5 + 0.34;
        draft.beside(Noun::Chair, &BRIGHT, chair, &table, [-0.05, reach], 180.0);
        draft.beside(Noun::Chair, &BRIGHT, chair, &table, [0.05, -reach], 0.0);
        if draft.chance(0.6) {
            draft.beside(Noun::Chair, &BRIGHT, chair, &table, [size[0] * 0.5 + 0.36, 0.0], -90.0);
        }
    }
    cabinet(draft);
    plant(draft);
    lamp(draft);
}

fn bedroom(draft: &mut Draft<'_>) {
    draft.lean(Noun::Bed, &BRIGHT, [1.5, 0.95, 2.05]);
    cabinet(draft);
    let rug = [draft.size(1.6, 2.2), 0.02, draft.size(1.4, 1.8)];
    draft.scatter(Noun::Rug, &BRIGHT, rug, 0.15, Some(0.0));
    lamp(draft);
    shelf(draft);
}

fn playroom(draft: &mut Draft<'_>, height_m: f32) {
    if draft.chance(0.5) {
        draft.scatter(Noun::Pillar, &SOLID, [0.55, height_m, 0.55], 0.8, Some(0.0));
    }
    shelf(draft);
    for _ in 0..2 {
        ball(draft);
        crate_box(draft);
    }
    let table = [draft.size(0.9, 1.2), 0.6, draft.size(0.7, 0.9)];
    if let Some(table) = draft.scatter(Noun::Table, &SOLID, table, 0.5, Some(0.0)) {
        draft.beside(Noun::Stool, &BRIGHT, [0.42, 0.45, 0.42], &table, [0.0, table.half[1] + 0.3], 0.0);
    }
}

/// One more thing, of any sort.
fn extra(draft: &mut Draft<'_>) {
    match draft.rng.random_range(0..10) {
        0 | 1 => picture(draft),
        2 => ball(draft),
        3 => crate_box(draft),
        4 => plant(draft),
        5 if draft.objects.iter().filter(|object| object.noun == Noun::Lamp).count() < 2 => lamp(draft),
        6 => cabinet(draft),
        7 => {
            draft.hang(Noun::Door, &SOLID, [1.1, 2.1, 0.1], 0.0);
        }
        8 => {
            draft.lean(Noun::Chair, &BRIGHT, [0.55, 0.95, 0.55]);
        }
        _ => {
            draft.scatter(Noun::Stool, &BRIGHT, [0.45, 0.5, 0.45], 0.35, None);
        }
    }
}

pub(super) fn ball(draft: &mut Draft<'_>) {
    let side = draft.size(0.5, 0.8);
    draft.scatter(Noun::Ball, &BRIGHT, [side; 3], 0.3, None);
}

pub(super) fn crate_box(draft: &mut Draft<'_>) {
    let size = [draft.size(0.5, 0.8), draft.size(0.45, 0.8), draft.size(0.5, 0.8)];
    draft.scatter(Noun::Box, &BRIGHT, size, 0.3, None);
}

pub(super) fn plant(draft: &mut Draft<'_>) {
    let height = draft.size(0.9, 1.3);
    draft.lean(Noun::PlantPot, &BRIGHT, [0.7, height, 0.7]);
}

pub(super) fn lamp(draft: &mut Draft<'_>) {
    let shades = [Colour::Yellow, Colour::Orange, Colour::Pink, Colour::White, Colour::Red];
    draft.lean(Noun::Lamp, &shades, [0.5, 1.6, 0.5]);
}

pub(super) fn shelf(draft: &mut Draft<'_>) {
    let size = [draft.size(1.0, 1.4), draft.size(1.6, 1.9), 0.4];
    draft.lean(Noun::Shelf, &SOLID, size);
}

pub(super) fn cabinet(draft: &mut Draft<'_>) {
    let size = [draft.size(1.1, 1.5), draft.size(0.8, 1.0), 0.5];
    draft.lean(Noun::Cabinet, &SOLID, size);
}
