//! Elementary functions in a form that vectorises.

/// `e^x` with a relative error below 3e-7; inputs are clamped to [-87, 88].
///
/// Range reduction to `2^n * e^r`, |r| <= ln 2 / 2, and the degree-6 Taylor polynomial of `e^r` (Cody and Waite's scheme).
#[inline(always)]
#[must_use]
pub fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding and subtracting it rounds to the nearest integer.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = if x > 88.0 { 88.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    let n = x * std::f32::consts::LOG2_E + ROUND;
    let exponent = n.to_bits() << 23;
    let n = n - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let p = 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    f32::from_bits(p.to_bits().wrapping_add(exponent))
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
#[must_use]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    #[test]
    fn exp_agrees_with_f64() {
        for i in -8600..8790 {
            let x = i as f32 * 0.01;
            let want = f64::from(x).exp();
            let error = (f64::from(super::exp(x)) - want).abs() / want;
            assert!(error < 3e-7, "exp({x}) is off by {error}");
        }
        assert!(super::exp(-1000.0) < 1e-37 && super::exp(1000.0).is_finite());
    }
}
