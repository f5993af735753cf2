//! Mazes of corridors: corners that look alike, told apart by landmarks.

use super::Draft;
use super::draft::{BRIGHT, SOLID};
use super::room;
use super::schemes;
use crate::object::Noun;
use crate::spec::{Above, Lamp, Partition, SceneKind, SceneSpec};
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Side of a maze cell, metres.
const CELL_M: f32 = 2.4;
/// Thickness of a maze wall, metres.
const WALL_M: f32 = 0.16;
/// Share of the remaining walls that are opened again, so that there are loops.
const LOOPS: f32 = 0.3;

/// Which walls of a grid of cells stand.
struct Maze {
    columns: usize,
    rows: usize,
    /// Wall on the east side of cell `(x, z)`.
    east: Vec<bool>,
    /// Wall on the south side.
    south: Vec<bool>,
}

pub(super) fn draft(rng: &mut ChaCha8Rng) -> SceneSpec {
    let height_m = 2.6;
    let (walls, floor, ceiling) = schemes::indoor(rng, height_m);
    let maze = Maze::new(rng);
    let (w, d) = (maze.columns as f32 * CELL_M, maze.rows as f32 * CELL_M);
    let (x, z) = (w * 0.5, d * 0.5);
    let outline = vec![[-x, -z], [x, -z], [x, z], [-x, z]];
    let partitions = maze.partitions();
    let mut lamps = Vec::new();
    for row in 0..maze.rows {
        for column in 0..maze.columns {
            if (row + column) % 2 == 0 {
                let [cx, cz] = maze.centre(column, row);
                lamps.push(Lamp {
                    position_m: [cx, height_m - 0.12, cz],
                    reach_m: 5.2,
                    strength: 0.62,
                    paint: schemes::LAMPLIGHT,
                });
            }
        }
    }
    let mut draft = Draft::new(rng, outline.clone());
    draft.add_partitions(&partitions);
    furnish(&mut draft);
    SceneSpec {
        name: "Corridors".into(),
        kind: SceneKind::Corridor,
        outline_m: outline,
        walls,
        partitions,
        floor,
        above: Above::Ceiling(ceiling),
        lamps,
        objects: draft.objects,
        starts: Vec::new(),
    }
}

fn furnish(draft: &mut Draft<'_>) {
    let wish = draft.rng.random_range(9..=14);
    for _ in 0..2 {
        draft.hang(Noun::Door, &SOLID, [1.1, 2.1, 0.1], 0.0);
    }
    for _ in 0..3 {
        let size = [draft.size(0.9, 1.3), draft.size(0.8, 1.1), 0.05];
        draft.hang(Noun::Picture, &BRIGHT, size, 1.1);
    }
    let mut tries = 0;
    while draft.objects.len() < wish && tries < 40 {
        tries += 1;
        match draft.rng.random_range(0..8) {
            0 => room::plant(draft),
            1 => {
                let side = draft.size(0.45, 0.6);
                draft.lean(Noun::Ball, &BRIGHT, [side; 3]);
            }
            2 => {
                let size = [draft.size(0.45, 0.6), draft.size(0.45, 0.8), draft.size(0.45, 0.6)];
                draft.lean(Noun::Box, &BRIGHT, size);
            }
            3 => room::lamp(draft),
            4 => {
                draft.lean(Noun::Bench, &BRIGHT, [1.2, 0.8, 0.45]);
            }
            5 => {
                draft.hang(Noun::Door, &SOLID, [1.1, 2.1, 0.1], 0.0);
            }
            6 => {
                draft.lean(Noun::Barrel, &BRIGHT, [0.6, 0.8, 0.6]);
            }
            _ => {
                let size = [draft.size(0.9, 1.3), draft.size(0.8, 1.1), 0.05];
                draft.hang(Noun::Picture, &BRIGHT, size, 1.1);
            }
        }
    }
}

impl Maze {
    /// Carves a spanning tree by walking at random, then opens some more walls.
    fn new(rng: &mut ChaCha8Rng) -> Self {
        let (columns, rows) = (rng.random_range(3..=5), rng.random_range(3..=5));
        let count = columns * rows;
        let mut maze = Self { columns, rows, east: vec![true; count], south: vec![true; count] };
        let mut seen = vec![false; count];
        let mut trail = vec![rng.random_range(0..count)];
        seen[trail[0]] = true;
        while let Some(&cell) = trail.last() {
            let mut ways = maze.neighbours(cell);
            ways.retain(|(next, _)| !seen[*next]);
            ways.shuffle(rng);
            match ways.first() {
                Some((next, wall)) => {
                    *maze.wall(*wall) = false;
                    seen[*next] = true;
                    trail.push(*next);
                }
                None => {
                    trail.pop();
                }
            }
        }
        for cell in 0..count {
            for (_, wall) in maze.neighbours(cell) {
                if rng.random::<f32>() < LOOPS * 0.5 {
                    *maze.wall(wall) = false;
                }
            }
        }
        maze
    }

    /// Neighbours of a cell with the wall between: `(cell, is it an east wall)`.
    fn neighbours(&self, cell: usize) -> Vec<(usize, (usize, bool))> {
        let (x, z) = (cell % self.columns, cell / self.columns);
        let mut found = Vec::with_capacity(4);
        if x + 1 < self.columns {
            found.push((cell + 1, (cell, true)));
        }
        if x > 0 {
            found.push((cell - 1, (cell - 1, true)));
        }
        if z + 1 < self.rows {
            found.push((cell + self.columns, (cell, false)));
        }
        if z > 0 {
            found.push((cell - self.columns, (cell - self.columns, false)));
        }
        found
    }

    fn wall(&mut self, (cell, east): (usize, bool)) -> &mut bool {
        if east { &mut self.east[cell] } else { &mut self.south[cell] }
    }

    fn centre(&self, column: usize, row: usize) -> [f32; 2] {
        let at = |i: usize, count: usize| (i as f32 + 0.5 - count as f32 * 0.5) * CELL_M;
        [at(column, self.columns), at(row, self.rows)]
    }

    /// The standing walls, neighbours in line joined to one.
    fn partitions(&self) -> Vec<Partition> {
        let mut walls = Vec::new();
        let mut join = |east: bool, lines: usize, length: usize| {
            for line in 0..lines - 1 {
                let mut from = None;
                for at in 0..=length {
                    let (x, z) = if east { (line, at) } else { (at, line) };
                    let grid = if east { &self.east } else { &self.south };
                    let stands = at < length && grid[z * self.columns + x];
                    match (stands, from) {
                        (true, None) => from = Some(at),
                        (false, Some(first)) => {
                            walls.push(self.partition(east, line, first, at));
                            from = None;
                        }
                        _ => {}
                    }
                }
            }
        };
        join(true, self.columns, self.rows);
        join(false, self.rows, self.columns);
        walls
    }

    fn partition(&self, east: bool, line: usize, first: usize, last: usize) -> Partition {
        let edge = |i: usize, count: usize| (i as f32 - count as f32 * 0.5) * CELL_M;
        let (lines, length) = if east { (self.columns, self.rows) } else { (self.rows, self.columns) };
        let across = edge(line + 1, lines);
        // Free ends run half a thickness further, so that corners close.
        let low = edge(first, length) - if first > 0 { WALL_M * 0.5 } else { 0.0 };
        let high = edge(last, length) + if last < length { WALL_M * 0.5 } else { 0.0 };
        let (from_m, to_m) = if east { ([across, low], [across, high]) } else { ([low, across], [high, across]) };
        Partition { from_m, to_m, thickness_m: WALL_M, base_m: 0.0, material: None }
    }
}
