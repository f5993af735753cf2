//! How two worlds differ.

use std::collections::BTreeMap;
use std::fmt;

use super::World;

/// The difference of two worlds, by views; indices are those of the world they belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Views of both that are the same in all respects.
    pub same: usize,
    /// Views of both about which something changed: index in the first, index in the second, and what.
    pub changed: Vec<(usize, usize, Vec<&'static str>)>,
    /// Views of the first alone.
    pub only_first: Vec<usize>,
    /// Views of the second alone.
    pub only_second: Vec<usize>,
    /// Places that both have drawn, each in its own way.
    pub places_drawn_twice: usize,
    /// Number of edits of both.
    pub edits: [usize; 2],
    /// Number of edges of both.
    pub edges: [usize; 2],
}

impl Difference {
    /// Are the worlds equal?
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.changed.is_empty()
            && self.only_first.is_empty()
            && self.only_second.is_empty()
            && self.edits[0] == self.edits[1]
            && self.edges[0] == self.edges[1]
    }
}

/// Compares two worlds.
#[must_use]
pub fn diff(first: &World, second: &World) -> Difference {
    let (a, b) = (&first.memory, &second.memory);
    let of_second: BTreeMap<u64, usize> = b.nodes().iter().enumerate().map(|(i, node)| (node.id, i)).collect();
    let mut difference = Difference {
        edits: [a.edits().len(), b.edits().len()],
        edges: [a.edges().len(), b.edges().len()],
        ..Difference::default()
    };
    let mut met = vec![false; b.len()];
    for (i, (view, node)) in a.views().iter().zip(a.nodes()).enumerate() {
        let Some(j) = of_second.get(&node.id).copied() else {
            difference.only_first.push(i);
            continue;
        };
        met[j] = true;
        let (there, other) = (&b.views()[j], &b.nodes()[j]);
        let aspects = [
            ("pose", view.pose != there.pose),
            ("picture", view.rgbd != there.rgbd),
            ("words", view.narration != there.narration),
            ("verdict", node.verdict != other.verdict),
            ("role", node.role != other.role),
            ("pinned", node.pinned != other.pinned),
            ("forgotten", node.forgotten != other.forgotten),
        ];
        let what: Vec<&str> = aspects.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
        if what.is_empty() { difference.same += 1 } else { difference.changed.push((i, j, what)) }
    }
    difference.only_second = (0..b.len()).filter(|j| !met[*j]).collect();
    let places = |memory: &crate::Memory, only: &[usize]| -> std::collections::BTreeSet<_> {
        only.iter().map(|i| memory.nodes()[*i].place).collect()
    };
    let of_first = places(a, &difference.only_first);
    difference.places_drawn_twice = places(b, &difference.only_second).intersection(&of_first).count();
    difference
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} views are the same in both worlds", self.same)?;
        for (i, j, what) in &self.changed {
            writeln!(f, "view {i} of the first is view {j} of the second; changed: {}", what.join(", "))?;
        }
        writeln!(f, "{} views are in the first world only: {}", self.only_first.len(), listed(&self.only_first))?;
        writeln!(f, "{} views are in the second world only: {}", self.only_second.len(), listed(&self.only_second))?;
        writeln!(f, "{} places were drawn by both, each in its own way", self.places_drawn_twice)?;
        write!(f, "edits {} and {}, edges {} and {}", self.edits[0], self.edits[1], self.edges[0], self.edges[1])
    }
}

/// Numbers as runs: "3, 7 to 12".
fn listed(numbers: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for n in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *n => *last = *n,
            _ => runs.push((*n, *n)),
        }
    }
    let run = |(a, b): &(usize, usize)| if a == b { a.to_string() } else { format!("{a} to {b}") };
    if runs.is_empty() { "none".to_owned() } else { runs.iter().map(run).collect::<Vec<_>>().join(", ") }
}
