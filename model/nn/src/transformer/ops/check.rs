//! Helpers of the gradient tests.

/// Reproducible values in [-1, 1).
pub fn values(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9) ^ 0x5bd1_e995;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// Compares with a tolerance relative to `1 + |want|`.
pub fn assert_close(got: &[f32], want: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() <= tolerance * (1.0 + w.abs()), "{what}: element {i} is {g}, should be {w}");
    }
}

/// Compares a gradient with central differences of `value` at some of its elements.
pub fn assert_gradient(at: &[f32], gradient: &[f32], step: f32, mut value: impl FnMut(&[f32]) -> f64) {
    assert_eq!(at.len(), gradient.len());
    let stride = (at.len() / 24).max(1);
    for i in (0..at.len()).step_by(stride) {
        let mut moved = at.to_vec();
        moved[i] = at[i] + step;
        let above = value(&moved);
        moved[i] = at[i] - step;
        let below = value(&moved);
        let want = (above - below) / (2.0 * f64::from(step));
        let got = f64::from(gradient[i]);
        assert!(
            (got - want).abs() < 4e-3 * (1.0 + want.abs()),
            "element {i}: gradient {got}, finite difference {want}"
        );
    }
}
