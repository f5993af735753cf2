//! The map of a memory: places, edges, what was seen from above, verdicts, and what was recalled for the latest view.
//!
//! [`MapFacts`] says what there is, [`MapFacts::marks`] how it is drawn, in metres; [`map_picture`] draws it as a picture with a
//! legend, and a window draws the same marks.
//!
//! Invariant: the painted ground has a fixed size, however long the walk.

mod ground;
mod marks;
mod picture;

use std::collections::BTreeMap;
use std::sync::Arc;

use rhea_scene::Pose;

use crate::graph::{CELL_M, EdgeKind, Region, Role, Verdict};
use crate::memory::Memory;

pub use ground::{GROUND_CELLS, GROUND_SIDE_M, Ground};
pub use marks::{LEGEND, Mark, Radius, shown_span, verdict_rgb};
pub use picture::map_picture;

/// A view on the map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapView {
    /// Where it was drawn.
    pub pose: Pose,
    /// How it stood to memory.
    pub verdict: Verdict,
    /// What it is for.
    pub role: Role,
    /// Kept for good?
    pub pinned: bool,
    /// Not recalled any more?
    pub forgotten: bool,
}

/// A floor cell that views were drawn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapPlace {
    /// Its middle, world x and z, metres.
    pub middle_m: [f32; 2],
    /// Headings of 24 that views look along.
    pub headings: usize,
}

/// A thing with a name.
#[derive(Clone, Debug, PartialEq)]
pub struct MapThing {
    /// What it is called.
    pub name: String,
    /// Where it stands, world x and z, metres.
    pub at_m: [f32; 2],
}

/// Everything that a map shows.
#[derive(Clone, Debug, Default)]
pub struct MapFacts {
    /// All views, oldest first.
    pub views: Vec<MapView>,
    /// Edges: from, to, kind; indices of views.
    pub edges: Vec<(u32, u32, EdgeKind)>,
    /// Floor cells of [`CELL_M`].
    pub places: Vec<MapPlace>,
    /// The views that the latest one was drawn from.
    pub recalled: Vec<u32>,
    /// Parts of the world that were changed.
    pub edits: Vec<Region>,
    /// Things with names.
    pub things: Vec<MapThing>,
    /// The ground from above, [`GROUND_CELLS`] squared, four bytes a cell; no cell is half transparent.
    pub ground_rgba: Arc<Vec<u8>>,
    /// World x and z of the ground's middle, metres.
    pub ground_middle_m: [f32; 2],
    /// Seen ground, square metres.
    pub seen_m2: f32,
}

impl MapFacts {
    /// Those of a memory; `ground` must have been brought up to date with it.
    #[must_use]
    pub fn of(memory: &Memory, ground: &Ground, things: Vec<MapThing>) -> Self {
        let views = memory.views().iter().zip(memory.nodes()).map(|(view, node)| MapView {
            pose: view.pose,
            verdict: node.verdict,
            role: node.role,
            pinned: node.pinned,
            forgotten: node.forgotten,
        });
        let mut cells: BTreeMap<(i32, i32), u32> = BTreeMap::new();
        for place in memory.places().keys() {
            *cells.entry((place.x, place.z)).or_default() |= 1 << (place.heading % 32);
        }
        let places = cells.into_iter().map(|((x, z), headings)| MapPlace {
            middle_m: [x as f32 * CELL_M, z as f32 * CELL_M],
            headings: headings.count_ones() as usize,
        });
        Self {
            views: views.collect(),
            edges: memory.edges().iter().map(|edge| (edge.from, edge.to, edge.kind)).collect(),
            places: places.collect(),
            recalled: memory.nodes().last().map_or_else(Vec::new, |node| node.sources.clone()),
            edits: memory.edits().iter().map(|edit| edit.region).collect(),
            things,
            ground_rgba: ground.rgba(),
            ground_middle_m: ground.middle_m(),
            seen_m2: ground.seen_m2(),
        }
    }

    /// Number of loops that were closed.
    #[must_use]
    pub fn loops(&self) -> usize {
        self.edges.iter().filter(|(.., kind)| *kind == EdgeKind::Loop).count()
    }
}
