//! The memory of a world: its views, oldest first, and the graph over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rhea_picture::Rgbd;
use rhea_scene::{Camera, Pose};

use crate::cloud::Cloud;
use crate::coarse::{Coarse, Overview};
use crate::error::MemoryError;
use crate::graph::{
    Edge, EdgeKind, Edit, Insight, Node, Place, PlanMotion, Region, Role, Spread, Verdict, hole, relax,
};
use crate::view::View;

/// A view whose pixels were known up to this share is a copy of older ones: not recalled.
pub const COPY_BELOW: f32 = 0.005;
/// A step shorter than this is a turn on the spot, metres.
const ON_THE_SPOT_M: f32 = 0.01;
/// Loops are closed with views at least this many steps back.
const LOOP_STEPS: usize = 8;
/// What a verified revisit says about its pose: the check tells shifts of 3 px of 128, 1.5 degrees or 5 cm at 2 m.
const LOOP_SPREAD: Spread = Spread { way_m2: 0.0025, turn_rad2: 7e-4 };
/// FNV-1a, 64 bits.
const FNV: (u64, u64) = (0xcbf2_9ce4_8422_2325, 0x0000_0100_0000_01b3);

/// All views of a world, oldest first, with the graph over them.
///
/// Views are added at the end and, for undo, removed from the end; a stored picture is never changed. What can change is where a
/// view is believed to stand (closing a loop), and whether it is recalled (pinning, forgetting, edits).
///
/// A copy shares pictures and coarse copies, so that a fork of a world costs next to nothing.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    views: Vec<View>,
    nodes: Vec<Node>,
    /// One per view: a coarse copy of its depth, for [`Memory::recall`].
    clouds: Vec<Arc<Cloud>>,
    overview: Overview,
    edges: Vec<Edge>,
    edits: Vec<Edit>,
    /// The views of every place, oldest first.
    places: BTreeMap<Place, Vec<u32>>,
    /// Pixels of views from before an edit that are not believed any more.
    holes: BTreeMap<usize, Arc<Vec<bool>>>,
}

impl Memory {
    /// A memory without views.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a view about which nothing else is known, and returns its index.
    pub fn insert(&mut self, view: View) -> usize {
        self.add(view, &Insight::default())
    }

    /// Adds a view and returns its index. It becomes canonical for its place when it is the first there in this epoch; a copy
    /// when older views know all of it.
    pub fn add(&mut self, view: View, insight: &Insight) -> usize {
        let index = self.views.len();
        let place = Place::of(&view.pose);
        let epoch = self.edits.len() as u32;
        let sources = insight.sources.iter().filter(|i| **i < index).map(|i| *i as u32).collect();
        let spread = self.arrive(&view.pose, insight);
        let role = self.role(place, epoch, insight);
        let id = chained(self.nodes.last().map_or(FNV.0, |node| node.id), &view);
        let verdict = insight.verdict;
        let own = insight.own.clone();
        let node = Node { id, place, spread, verdict, epoch, role, sources, own, pinned: false, forgotten: false };
        self.push(view, node);
        index
    }

    /// Adds a view with its finished node, as from a file.
    pub(crate) fn push(&mut self, view: View, node: Node) {
        self.places.entry(node.place).or_default().push(self.views.len() as u32);
        self.clouds.push(Arc::new(Cloud::of(&view.rgbd)));
        self.overview.push(Coarse::of(&view.rgbd, &lens_of(&view.rgbd), &view.pose));
        self.nodes.push(node);
        self.views.push(view);
    }

    /// Links a new view to the latest one; returns how sure its pose is.
    fn arrive(&mut self, pose: &Pose, insight: &Insight) -> Spread {
        let to = self.views.len() as u32;
        let (Some(last), Some(node)) = (self.views.last(), self.nodes.last()) else { return Spread::EXACT };
        let travel = insight.motion;
        let between = PlanMotion::between(&last.pose, pose);
        let (motion, spread) = travel.and_then(|t| t.measured).unwrap_or((between, Spread::EXACT));
        let turned = between.ahead_m.hypot(between.right_m) < ON_THE_SPOT_M;
        let kind = if turned { EdgeKind::Turn } else { EdgeKind::Step };
        let sum = node.spread.after(&motion, spread);
        self.edges.push(Edge { from: to - 1, to, kind, commanded: travel.map(|t| t.commanded), motion, spread });
        sum
    }

    fn role(&self, place: Place, epoch: u32, insight: &Insight) -> Role {
        let known = insight.fresh_share < COPY_BELOW && !self.views.is_empty();
        let earlier = self.places.get(&place).into_iter().flatten();
        let mut earlier = earlier.filter_map(|i| self.nodes.get(*i as usize));
        if known && insight.verdict != Verdict::Reopened {
            Role::Copy
        } else if earlier.any(|node| node.epoch == epoch && !node.forgotten && node.role == Role::Canonical) {
            Role::Filler
        } else {
            Role::Canonical
        }
    }

    /// Removes the most recent view, with its edges and the edits that came with it.
    pub fn undo(&mut self) -> Option<View> {
        let view = self.views.pop()?;
        let index = self.views.len();
        self.clouds.pop();
        self.overview.pop();
        if let Some(node) = self.nodes.pop()
            && let Some(here) = self.places.get_mut(&node.place)
        {
            here.pop();
            if here.is_empty() {
                self.places.remove(&node.place);
            }
        }
        self.edges.retain(|edge| (edge.from.max(edge.to) as usize) < index);
        self.holes.remove(&index);
        if self.edits.iter().any(|edit| edit.at as usize >= index && index > 0) {
            self.edits.retain(|edit| (edit.at as usize) < index);
            self.cut_holes();
        }
        Some(view)
    }

    /// Closes a loop: the latest view agreed with an older one that it was drawn from. Adds the edge and returns it; `None` when
    /// none of its sources is old enough or it already has a loop.
    ///
    /// `measured` is where the picture says it stands seen from a source, by index; without it the poses are taken as they are.
    pub fn close_loop(&mut self, measured: Option<(usize, PlanMotion, Spread)>) -> Option<Edge> {
        let to = self.views.len().checked_sub(1)?;
        let old = |index: &usize| *index + LOOP_STEPS <= to;
        let (from, motion, spread) = match measured {
            Some((from, motion, spread)) if old(&from) && motion.is_finite() && spread.is_sane() => {
                (from, motion, spread)
            }
            Some(_) => return None,
            None => {
                let here = &self.views.get(to)?.pose;
                let sources = self.nodes.get(to)?.sources.iter().map(|i| *i as usize).filter(old);
                let apart = |i: &usize| self.views.get(*i).map_or(f32::INFINITY, |v| plan_distance(&v.pose, here));
                let from = sources.min_by(|a, b| apart(a).total_cmp(&apart(b)))?;
                (from, PlanMotion::between(&self.views.get(from)?.pose, here), LOOP_SPREAD)
            }
        };
        let edge = Edge { from: from as u32, to: to as u32, kind: EdgeKind::Loop, commanded: None, motion, spread };
        self.edges.push(edge);
        Some(edge)
    }

    /// Moves the views' poses so that they fit all edges best; the first view stays. Returns the edges' root mean square errors
    /// before and after, in standard deviations. Views file under new places when they move; pictures stay.
    pub fn relax(&mut self) -> (f64, f64) {
        let mut poses: Vec<Pose> = self.views.iter().map(|view| view.pose).collect();
        let errors = relax(&mut poses, &self.edges);
        let mut moved = false;
        for (i, pose) in poses.into_iter().enumerate() {
            let view = &mut self.views[i];
            if view.pose != pose {
                view.pose = pose;
                self.nodes[i].place = Place::of(&pose);
                self.overview.replace(i, Coarse::of(&view.rgbd, &lens_of(&view.rgbd), &pose));
                moved = true;
            }
        }
        if moved {
            self.places.clear();
            for (i, node) in self.nodes.iter().enumerate() {
                self.places.entry(node.place).or_default().push(i as u32);
            }
            self.spread_again();
            self.cut_holes();
        }
        errors
    }

    /// How sure every pose is along its surest chain of edges from an earlier view.
    fn spread_again(&mut self) {
        let mut best: Vec<Option<Spread>> = vec![None; self.nodes.len()];
        if let Some(first) = best.first_mut() {
            *first = Some(Spread::EXACT);
        }
        let mut edges: Vec<&Edge> = self.edges.iter().collect();
        edges.sort_by_key(|edge| (edge.from.max(edge.to), edge.from.min(edge.to)));
        for edge in edges {
            let (low, high) = (edge.from.min(edge.to) as usize, edge.from.max(edge.to) as usize);
            let Some(Some(from)) = best.get(low).copied() else { continue };
            let sum = from.after(&edge.motion, edge.spread);
            if let Some(slot) = best.get_mut(high)
                && slot.is_none_or(|old| sum.trace_m2() < old.trace_m2())
            {
                *slot = Some(sum);
            }
        }
        for (node, spread) in self.nodes.iter_mut().zip(best) {
            node.spread = spread.unwrap_or(node.spread);
        }
    }

    /// Keeps a view for good, or lets it go again.
    ///
    /// # Errors
    /// When there is no such view.
    pub fn pin(&mut self, index: usize, pinned: bool) -> Result<(), MemoryError> {
        self.node_mut(index)?.pinned = pinned;
        Ok(())
    }

    /// Recalls a view no more. It stays where it is in the walk.
    ///
    /// # Errors
    /// When there is no such view, or it is pinned.
    pub fn forget(&mut self, index: usize) -> Result<(), MemoryError> {
        let node = self.node_mut(index)?;
        if node.pinned {
            return Err(MemoryError::Pinned { index });
        }
        node.forgotten = true;
        Ok(())
    }

    /// Forgets all views from a floor cell, but for pinned ones. Returns how many that were.
    pub fn forget_place(&mut self, place: &Place) -> usize {
        let mut forgotten = 0;
        for node in &mut self.nodes {
            if node.place.same_floor(place) && !node.pinned && !node.forgotten {
                node.forgotten = true;
                forgotten += 1;
            }
        }
        forgotten
    }

    /// Opens a new epoch in a region: what the views up to now show there is not brought back any more.
    ///
    /// # Errors
    /// When the region's numbers are not finite or out of range, or there are too many edits.
    pub fn edit(&mut self, region: Region) -> Result<usize, MemoryError> {
        if !region.is_sane() {
            return Err(MemoryError::Region { region });
        }
        if self.edits.len() >= crate::limits::MAX_EDITS {
            return Err(MemoryError::TooMany { what: "edits", allowed: crate::limits::MAX_EDITS });
        }
        let edit = Edit { region, at: self.views.len() as u32 };
        self.edits.push(edit);
        self.cut_hole(&edit);
        Ok(self.edits.len())
    }

    /// Takes back the edit of a number, counted from 0; the later ones stay.
    pub fn drop_edit(&mut self, number: usize) {
        if number < self.edits.len() {
            self.edits.remove(number);
            self.cut_holes();
        }
    }

    /// Drops all codes: another model's mean something else.
    pub fn drop_codes(&mut self) {
        for view in &mut self.views {
            view.codes.clear();
        }
    }

    pub(crate) fn set_edits(&mut self, edits: Vec<Edit>) {
        self.edits = edits;
        self.cut_holes();
    }

    pub(crate) fn set_edges(&mut self, edges: Vec<Edge>) {
        self.edges = edges;
    }

    fn cut_holes(&mut self) {
        self.holes.clear();
        for edit in self.edits.clone() {
            self.cut_hole(&edit);
        }
    }

    fn cut_hole(&mut self, edit: &Edit) {
        for (index, view) in self.views.iter().enumerate().take(edit.at as usize) {
            let Some(new) = hole(&view.rgbd, &lens_of(&view.rgbd), &view.pose, &edit.region) else { continue };
            let slot = self.holes.entry(index).or_insert_with(|| Arc::new(vec![false; new.len()]));
            for (old, new) in Arc::make_mut(slot).iter_mut().zip(new) {
                *old |= new;
            }
        }
    }

    fn node_mut(&mut self, index: usize) -> Result<&mut Node, MemoryError> {
        let views = self.nodes.len();
        self.nodes.get_mut(index).ok_or(MemoryError::NoView { index, views })
    }

    /// Number of views.
    #[must_use]
    pub fn len(&self) -> usize {
        self.views.len()
    }

    /// Is nothing remembered?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// All views, oldest first.
    #[must_use]
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// What the graph knows about each view, in their order.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// All edges, in the order they were made.
    #[must_use]
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// All edits, oldest first.
    #[must_use]
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// The views of every place, oldest first.
    #[must_use]
    pub fn places(&self) -> &BTreeMap<Place, Vec<u32>> {
        &self.places
    }

    /// Pixels of a view that an edit has made stale; `None` when all are believed.
    #[must_use]
    pub fn stale_pixels(&self, index: usize) -> Option<&[bool]> {
        self.holes.get(&index).map(|hole| hole.as_slice())
    }

    /// The most recent view.
    #[must_use]
    pub fn latest(&self) -> Option<&View> {
        self.views.last()
    }

    /// Memory taken by all views, bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let each = size_of::<Cloud>() + size_of::<Box<Cloud>>() + Overview::BYTES + size_of::<Node>();
        self.views.iter().map(View::bytes).sum::<usize>()
            + self
                .nodes
                .iter()
                .map(|node| node.sources.len() * size_of::<u32>() + node.own.bytes() + each)
                .sum::<usize>()
            + self.edges.len() * size_of::<Edge>()
            + self.holes.values().map(|hole| hole.len()).sum::<usize>()
    }

    pub(crate) fn clouds(&self) -> &[Arc<Cloud>] {
        &self.clouds
    }

    pub(crate) fn overview(&self) -> &Overview {
        &self.overview
    }
}

/// The camera that drew a view: all views of a world have the shipped field of view.
fn lens_of(view: &Rgbd) -> Camera {
    Camera { width: view.width, height: view.height, fov_x_rad: Camera::FOV_X_RAD }
}

fn plan_distance(a: &Pose, b: &Pose) -> f32 {
    (a.position_m[0] - b.position_m[0]).hypot(a.position_m[2] - b.position_m[2])
}

/// The id of a view that follows the view `before`: forks share the ids of what they have in common.
fn chained(before: u64, view: &View) -> u64 {
    let mut hash = FNV.0 ^ before.rotate_left(17);
    let mut mix = |word: u64| hash = (hash ^ word).wrapping_mul(FNV.1).rotate_left(23);
    for value in view.pose.position_m.iter().chain([&view.pose.yaw_rad, &view.pose.pitch_rad]) {
        mix(u64::from(value.to_bits()));
    }
    let (words, rest) = view.rgbd.rgb.as_chunks::<8>();
    words.iter().for_each(|word| mix(u64::from_le_bytes(*word)));
    rest.iter().for_each(|byte| mix(u64::from(*byte)));
    hash
}
