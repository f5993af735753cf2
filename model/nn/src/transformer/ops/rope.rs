//! Rotary positions in the half-split form: element `i` turns with element `i + d / 2` by `position * theta^(-2 i / d)`.

/// Cosines and sines for every position.
#[derive(Clone, Debug)]
pub struct Rope {
    half: usize,
    positions: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Rope {
    /// Tables for `positions` positions and heads of `head_dim`.
    #[must_use]
    pub fn new(head_dim: usize, theta: f64, positions: usize) -> Self {
        let half = head_dim / 2;
        let mut rope = Self { half, positions, cos: Vec::new(), sin: Vec::new() };
        rope.cos.reserve(half * positions);
        rope.sin.reserve(half * positions);
        for position in 0..positions {
            for i in 0..half {
                // The published model rounds frequency and angle to f32.
                let frequency = (1.0 / theta.powf(2.0 * i as f64 / head_dim as f64)) as f32;
                let angle = f64::from(position as f32 * frequency);
                rope.cos.push(angle.cos() as f32);
                rope.sin.push(angle.sin() as f32);
            }
        }
        rope
    }

    /// Number of positions the tables hold.
    #[must_use]
    pub fn positions(&self) -> usize {
        self.positions
    }

    /// Cosines and sines of a position, `head_dim / 2` each.
    ///
    /// # Panics
    /// When the position is not below [`Self::positions`]; callers check their sequences first.
    #[inline(always)]
    #[must_use]
    pub fn at(&self, position: u32) -> (&[f32], &[f32]) {
        let start = position as usize * self.half;
        (&self.cos[start..start + self.half], &self.sin[start..start + self.half])
    }
}

/// Turns a head in place.
#[inline(always)]
pub(super) fn rotate(x: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (low, high) = x.split_at_mut(cos.len());
    for (((a, b), c), s) in low.iter_mut().zip(high).zip(cos).zip(sin) {
        (*a, *b) = (*a * *c - *b * *s, *b * *c + *a * *s);
    }
}

/// Turns a head back in place: the transpose of [`rotate`], and so its gradient.
#[inline(always)]
pub(super) fn rotate_back(x: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (low, high) = x.split_at_mut(cos.len());
    for (((a, b), c), s) in low.iter_mut().zip(high).zip(cos).zip(sin) {
        (*a, *b) = (*a * *c + *b * *s, *b * *c - *a * *s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transformer::ops::check::{assert_close, values};

    #[test]
    fn scores_depend_on_the_distance_of_positions_only() {
        let rope = Rope::new(16, 10_000.0, 64);
        let (q, k) = (values(16, 1), values(16, 2));
        let score = |p: u32, r: u32| {
            let (mut q, mut k) = (q.clone(), k.clone());
            let ((cq, sq), (ck, sk)) = (rope.at(p), rope.at(r));
            rotate(&mut q, cq, sq);
            rotate(&mut k, ck, sk);
            q.iter().zip(&k).map(|(a, b)| a * b).sum::<f32>()
        };
        assert!((score(9, 4) - score(45, 40)).abs() < 1e-5);
        assert!((score(9, 4) - score(9, 5)).abs() > 1e-3);
    }

    #[test]
    fn turning_back_undoes_a_turn() {
        let rope = Rope::new(8, 100.0, 10);
        let x = values(8, 3);
        let mut turned = x.clone();
        let (cos, sin) = rope.at(7);
        rotate(&mut turned, cos, sin);
        rotate_back(&mut turned, cos, sin);
        assert_close(&turned, &x, 1e-6, "turned back");
    }
}
