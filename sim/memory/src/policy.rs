//! Ways to choose views: the graph's own, and those of other systems, to be compared with.

use rhea_scene::{Camera, Pose};

use crate::frustum::{Samples, chosen_by_frustum};
use crate::graph::half_turn;
use crate::memory::Memory;
use crate::warp::MAX_SOURCES;

/// Metres that count as much as one radian when poses are compared.
const METRES_A_RADIAN: f32 = 1.0;

/// How earlier views are chosen. All but [`Policy::Graph`] know no verdicts, epochs or lineages, and put **newer pixels over older
/// ones**.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Greedy coverage over the graph, oldest first: at most so many views.
    Graph(usize),
    /// The latest views, as a window over the walk.
    Last(usize),
    /// The views from the nearest poses, headings in radians counted as metres.
    Nearest(usize),
    /// Greedy coverage of frustum samples without depth, the recent preferred (WorldMem, arXiv 2504.12369).
    Frustum(usize),
    /// Everything that was drawn, in one cache where newer points replace older ones: even strides over the walk, as many views
    /// as a warp takes (in the manner of GEN3C, arXiv 2503.03751).
    Cache,
    /// Nothing.
    Nothing,
}

impl Memory {
    /// Indices of the views to use, in the order of warping.
    pub(crate) fn choose_otherwise(&self, policy: Policy, camera: &Camera, pose: &Pose) -> Vec<usize> {
        let count = self.len();
        let mut used: Vec<usize> = match policy {
            Policy::Nothing => Vec::new(),
            Policy::Graph(k) => return self.choose(camera, pose, k),
            Policy::Last(k) => (count.saturating_sub(k.min(MAX_SOURCES))..count).collect(),
            Policy::Nearest(k) => {
                let mut all: Vec<(f32, usize)> =
                    self.views().iter().enumerate().map(|(i, view)| (apart(&view.pose, pose), i)).collect();
                all.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
                all.into_iter().take(k.min(MAX_SOURCES)).map(|(_, index)| index).collect()
            }
            Policy::Frustum(k) => {
                let poses: Vec<Pose> = self.views().iter().map(|view| view.pose).collect();
                chosen_by_frustum(&Samples::new(), &poses, camera, pose, k.min(MAX_SOURCES))
            }
            Policy::Cache => {
                let most = MAX_SOURCES.min(count);
                let last = count.saturating_sub(1);
                (0..most).map(|n| if most == count { n } else { n * last / (most - 1).max(1) }).collect()
            }
        };
        used.sort_unstable_by(|a, b| b.cmp(a));
        used
    }
}

/// How far apart two poses are, metres.
fn apart(a: &Pose, b: &Pose) -> f32 {
    let way: f32 = (0..3).map(|k| (a.position_m[k] - b.position_m[k]).powi(2)).sum::<f32>().sqrt();
    way + METRES_A_RADIAN * (half_turn(a.yaw_rad - b.yaw_rad).abs() + (a.pitch_rad - b.pitch_rad).abs())
}
