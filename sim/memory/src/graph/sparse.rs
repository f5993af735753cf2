//! Normal equations of blocks of three, solved directly.
//!
//! Elimination in the order of least degree: most of a walk is chains of views with two neighbours each, which go without any
//! fill-in, and what is left is as large as the number of places where loops were closed.

use std::collections::{BTreeMap, BTreeSet};

pub(super) type Block = [[f64; 3]; 3];
pub(super) type Vector = [f64; 3];

/// One edge, linearised: the two Jacobians and the error, already divided by the standard deviations.
pub(super) struct Linear {
    pub from: usize,
    pub to: usize,
    pub by_from: Block,
    pub by_to: Block,
    pub error: Vector,
}

/// A node that is eliminated: its inverse diagonal block, its right side, and its blocks beside nodes that go later.
struct Gone {
    node: usize,
    inverse: Block,
    right: Vector,
    beside: Vec<(usize, Block)>,
}

/// Moves that make the sum of squared errors of `edges` least; nodes that are `held` do not move. Every node that is not held must
/// be tied to a held one.
pub(super) fn solve(edges: &[Linear], held: &[bool]) -> Vec<Vector> {
    let count = held.len();
    let mut diagonal = vec![[[0.0; 3]; 3]; count];
    let mut right = vec![[0.0; 3]; count];
    // Off the diagonal, rows of nodes that are not held; both halves are kept.
    let mut rows: Vec<BTreeMap<usize, Block>> = vec![BTreeMap::new(); count];
    for edge in edges {
        let ends = [(edge.from, &edge.by_from), (edge.to, &edge.by_to)];
        for (node, by) in ends {
            add_block(&mut diagonal[node], &gram(by, by), 1.0);
            add(&mut right[node], &times_transposed(by, &edge.error), -1.0);
        }
        if !held[edge.from] && !held[edge.to] {
            for ((a, by_a), (b, by_b)) in [(ends[0], ends[1]), (ends[1], ends[0])] {
                add_block(rows[a].entry(b).or_default(), &gram(by_a, by_b), 1.0);
            }
        }
    }
    let mut waiting: BTreeSet<(usize, usize)> =
        (0..count).filter(|node| !held[*node]).map(|node| (rows[node].len(), node)).collect();
    let mut gone: Vec<Gone> = Vec::with_capacity(waiting.len());
    while let Some((_, node)) = waiting.pop_first() {
        let beside: Vec<(usize, Block)> = std::mem::take(&mut rows[node]).into_iter().collect();
        let (inverse, own) = (invert(&diagonal[node]), right[node]);
        for (a, block_a) in &beside {
            let degree = rows[*a].len();
            rows[*a].remove(&node);
            // Rows of the eliminated node are those of its neighbours, transposed.
            let by = product(&inverse, block_a);
            add(&mut right[*a], &times_transposed(&by, &own), -1.0);
            for (b, block_b) in &beside {
                let fill = gram(&by, block_b);
                if a == b {
                    add_block(&mut diagonal[*a], &fill, -1.0);
                } else {
                    add_block(rows[*a].entry(*b).or_default(), &fill, -1.0);
                }
            }
            if rows[*a].len() != degree {
                waiting.remove(&(degree, *a));
                waiting.insert((rows[*a].len(), *a));
            }
        }
        gone.push(Gone { node, inverse, right: own, beside });
    }
    let mut x = vec![[0.0; 3]; count];
    for Gone { node, inverse, right, beside } in gone.iter().rev() {
        let mut rest = *right;
        for (other, block) in beside {
            add(&mut rest, &times(block, &x[*other]), -1.0);
        }
        x[*node] = times(inverse, &rest);
    }
    x
}

fn add(to: &mut Vector, v: &Vector, scale: f64) {
    for k in 0..3 {
        to[k] += scale * v[k];
    }
}

fn add_block(to: &mut Block, m: &Block, scale: f64) {
    for (to, row) in to.iter_mut().zip(m) {
        add(to, row, scale);
    }
}

fn times(m: &Block, v: &Vector) -> Vector {
    m.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
}

fn times_transposed(m: &Block, v: &Vector) -> Vector {
    std::array::from_fn(|k| m[0][k] * v[0] + m[1][k] * v[1] + m[2][k] * v[2])
}

/// `a` transposed times `b`.
fn gram(a: &Block, b: &Block) -> Block {
    std::array::from_fn(|r| std::array::from_fn(|c| (0..3).map(|k| a[k][r] * b[k][c]).sum()))
}

fn product(a: &Block, b: &Block) -> Block {
    std::array::from_fn(|r| std::array::from_fn(|c| (0..3).map(|k| a[r][k] * b[k][c]).sum()))
}

fn invert(m: &Block) -> Block {
    let minor = |r: usize, c: usize| {
        let (r0, r1) = ((r + 1) % 3, (r + 2) % 3);
        let (c0, c1) = ((c + 1) % 3, (c + 2) % 3);
        m[r0][c0] * m[r1][c1] - m[r0][c1] * m[r1][c0]
    };
    let determinant = m[0][0] * minor(0, 0) + m[0][1] * minor(0, 1) + m[0][2] * minor(0, 2);
    std::array::from_fn(|r| std::array::from_fn(|c| minor(c, r) / determinant))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(from: usize, to: usize, scale: f64, error: f64) -> Linear {
        let mut by_to = [[0.0; 3]; 3];
        (0..3).for_each(|k| by_to[k][k] = scale);
        by_to[0][2] = 0.3 * scale;
        let by_from = by_to.map(|row| row.map(|v| -v));
        Linear { from, to, by_from, by_to, error: [error, -2.0 * error, 0.5 * error] }
    }

    #[test]
    fn the_gradient_vanishes_at_the_solution() {
        // A ring of 30 with chords, and a pair apart from it that hangs on its own held node.
        let mut edges: Vec<Linear> = (0..30).map(|n| edge(n, (n + 1) % 30, 1.0 + n as f64, 0.1 * n as f64)).collect();
        edges.extend((0..5).map(|n| edge(3 * n, 29 - 2 * n, 7.0, -0.4)));
        edges.push(edge(30, 31, 2.0, 1.0));
        let mut held = vec![false; 32];
        (held[0], held[30]) = (true, true);
        let x = solve(&edges, &held);
        let mut gradient = vec![[0.0; 3]; 32];
        for e in &edges {
            let (a, b) = (times(&e.by_from, &x[e.from]), times(&e.by_to, &x[e.to]));
            let residual: Vector = std::array::from_fn(|k| a[k] + b[k] + e.error[k]);
            add(&mut gradient[e.from], &times_transposed(&e.by_from, &residual), 1.0);
            add(&mut gradient[e.to], &times_transposed(&e.by_to, &residual), 1.0);
        }
        for (node, gradient) in gradient.iter().enumerate().filter(|(node, _)| !held[*node]) {
            assert!(gradient.iter().all(|v| v.abs() < 1e-9), "{node}: {gradient:?}");
        }
        assert_eq!((x[0], x[30]), ([0.0; 3], [0.0; 3]));
        // Two nodes: the second takes the whole error, which the triangular block turns.
        assert!((x[31][2] + 0.25).abs() < 1e-12 && (x[31][1] - 1.0).abs() < 1e-12 && (x[31][0] + 0.425).abs() < 1e-12);
    }
}
