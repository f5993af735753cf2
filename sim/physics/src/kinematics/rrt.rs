//! RRT-Connect: a way round when the straight one is blocked.

use std::cell::Cell;

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::collide::{ArmShape, Obstacles};
use crate::limits::MAX_RRT_NODES;
use crate::math::{Pose, unit};
use crate::robot::RobotModel;

/// Longest edge of a tree, radians over all joints.
const EDGE: f64 = 0.5;
/// Distance that searched paths keep from everything, metres.
const KEEP_M: f64 = 0.004;
/// Tries to cut a corner of a path that was found.
const SHORTCUTS: usize = 60;

/// One search.
pub struct PathSearch<'a> {
    /// The arm.
    pub robot: &'a RobotModel,
    /// Where it stands.
    pub base: Pose,
    /// Its solids and what it may touch.
    pub shape: &'a ArmShape<'a>,
    /// What stands around.
    pub obstacles: &'a Obstacles,
    /// Seed of the samples.
    pub seed: u64,
    /// Most nodes; at most [`MAX_RRT_NODES`].
    pub nodes: usize,
    /// Nodes that were used.
    pub used: Cell<usize>,
}

type Tree = Vec<(Vec<f64>, usize)>;

impl PathSearch<'_> {
    fn free(&self, a: &[f64], b: &[f64]) -> bool {
        let (scene, own) = self.shape.sweep(self.base, a, b, self.obstacles, KEEP_M);
        scene.distance_m >= KEEP_M && own.distance_m >= KEEP_M
    }

    /// One step of a tree towards a posture: the new node, if there is a free one.
    fn extend(&self, tree: &mut Tree, to: &[f64]) -> Option<usize> {
        let near = (0..tree.len()).min_by(|a, b| way(&tree[*a].0, to).total_cmp(&way(&tree[*b].0, to)))?;
        let from = tree[near].0.clone();
        let length = way(&from, to);
        if length < 1e-9 {
            return Some(near);
        }
        let share = (EDGE / length).min(1.0);
        let next: Vec<f64> = from.iter().zip(to).map(|(a, b)| a + (b - a) * share).collect();
        self.free(&from, &next).then(|| {
            tree.push((next, near));
            tree.len() - 1
        })
    }
}

fn way(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}

fn trace(tree: &Tree, mut at: usize) -> Vec<Vec<f64>> {
    let mut path = vec![tree[at].0.clone()];
    while at != 0 {
        at = tree[at].1;
        path.push(tree[at].0.clone());
    }
    path
}

/// A free path from one posture to another: the straight one if it is free, else one found by two trees growing towards each
/// other, with corners cut. `None` when the nodes are used up or an end is not free itself.
#[must_use]
pub fn find_path(search: &PathSearch<'_>, from: &[f64], to: &[f64]) -> Option<Vec<Vec<f64>>> {
    if search.free(from, to) {
        return Some(vec![from.to_vec(), to.to_vec()]);
    }
    if !search.free(from, from) || !search.free(to, to) {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(search.seed);
    let (mut a, mut b): (Tree, Tree) = (vec![(from.to_vec(), 0)], vec![(to.to_vec(), 0)]);
    let mut swapped = false;
    let most = search.nodes.min(MAX_RRT_NODES);
    let mut tries = 0;
    while a.len() + b.len() < most && tries < 2 * most {
        tries += 1;
        search.used.set(tries.max(a.len() + b.len()));
        let sample = search.robot.posture(|_| unit(&mut rng));
        if let Some(new) = search.extend(&mut a, &sample) {
            let target = a[new].0.clone();
            while let Some(reached) = search.extend(&mut b, &target) {
                if way(&b[reached].0, &target) < 1e-9 {
                    let mut path = trace(&a, new);
                    path.reverse();
                    path.extend(trace(&b, reached).into_iter().skip(1));
                    if swapped {
                        path.reverse();
                    }
                    return Some(shortened(search, path, &mut rng));
                }
                if a.len() + b.len() >= most {
                    break;
                }
            }
        }
        std::mem::swap(&mut a, &mut b);
        swapped = !swapped;
    }
    None
}

fn shortened(search: &PathSearch<'_>, mut path: Vec<Vec<f64>>, rng: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
    for _ in 0..SHORTCUTS {
        if path.len() < 3 {
            break;
        }
        let i = rng.next_u32() as usize % (path.len() - 2);
        let j = i + 2 + rng.next_u32() as usize % (path.len() - i - 2);
        if search.free(&path[i], &path[j]) {
            path.drain(i + 1..j);
        }
    }
    path
}
