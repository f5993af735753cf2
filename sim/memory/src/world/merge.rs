//! Two forks of one world become one.

use std::collections::BTreeMap;

use super::{World, WorldError};
use crate::graph::{Edge, Edit, Role};

/// What a merge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Views that both worlds had.
    pub common: usize,
    /// Views that came in.
    pub added: usize,
    /// Of these, views of places that this world had drawn otherwise: its own stay canonical.
    pub outvoted: usize,
}

impl World {
    /// Takes in the views of another fork of this world. Where both drew a place, this world's view stays canonical; an edit of the
    /// other counts for all views that come before it in the merged order. The walker then stands at the other's latest view.
    ///
    /// # Errors
    /// When the worlds have different cameras, or no view in common.
    pub fn merge(&mut self, other: &Self) -> Result<Merged, WorldError> {
        let (ours, theirs) = (self.about.camera.width, other.about.camera.width);
        if ours != theirs {
            return Err(WorldError::Cameras { ours, theirs });
        }
        let known: BTreeMap<u64, usize> = self.memory.nodes().iter().enumerate().map(|(i, n)| (n.id, i)).collect();
        let mut places: Vec<usize> = Vec::with_capacity(other.memory.len());
        let mut merged = Merged {
            common: other.memory.nodes().iter().filter(|node| known.contains_key(&node.id)).count(),
            ..Merged::default()
        };
        if merged.common == 0 {
            return Err(WorldError::NothingInCommon);
        }
        let first_new = self.memory.len();
        for (view, node) in other.memory.views().iter().zip(other.memory.nodes()) {
            if let Some(index) = known.get(&node.id) {
                places.push(*index);
                continue;
            }
            let (mut view, mut node) = (view.clone(), node.clone());
            node.sources = node.sources.iter().filter_map(|i| places.get(*i as usize)).map(|i| *i as u32).collect();
            let here = self.memory.places().get(&node.place).into_iter().flatten();
            let taken = here.filter(|i| (**i as usize) < first_new).count() > 0;
            if taken && node.role == Role::Canonical {
                node.role = Role::Filler;
                merged.outvoted += 1;
            }
            places.push(self.memory.len());
            view.step = self.memory.len() as u32;
            self.memory.push(view, node);
            merged.added += 1;
        }
        let at = |old: u32| places.get(old as usize).copied();
        let mut edges: Vec<Edge> = self.memory.edges().to_vec();
        for edge in other.memory.edges() {
            let (Some(from), Some(to)) = (at(edge.from), at(edge.to)) else { continue };
            let edge = Edge { from: from as u32, to: to as u32, ..*edge };
            if from.max(to) >= first_new {
                edges.push(edge);
            }
        }
        self.memory.set_edges(edges);
        let mut edits = self.memory.edits().to_vec();
        for edit in other.memory.edits() {
            let edit = Edit { at: at(edit.at).unwrap_or(self.memory.len()) as u32, ..*edit };
            if !edits.iter().any(|known| known.region == edit.region) {
                edits.push(edit);
            }
        }
        self.memory.set_edits(edits);
        self.about.drawn = self.about.drawn.max(other.about.drawn) + merged.added as u64;
        Ok(merged)
    }
}
