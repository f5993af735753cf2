//! The nearest matrix with equal singular values, by Newton and Schulz's iteration.

use rhea_nn::kernels::{Right, Rows, multiply_right, unit};

/// Coefficients of the fifth-order step and their number of rounds (Jordan et al. 2024): singular values end between 0.7 and
/// 1.2, which is enough, and small ones rise fastest.
const STEP: [f32; 3] = [3.4445, -4.7750, 2.0315];
const ROUNDS: usize = 5;

/// Replaces `x`, `(rows, columns)` row-major, by `U Vᵀ` of its singular value decomposition, approximately.
pub fn orthogonalise(x: &mut [f32], rows: usize, columns: usize) {
    let norm = x.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt() as f32;
    if norm == 0.0 {
        return;
    }
    let scale = 1.0 / norm.max(1e-12);
    x.iter_mut().for_each(|v| *v *= scale);
    if rows > columns {
        let mut turned = transposed(x, columns);
        iterate(&mut turned, columns, rows);
        x.copy_from_slice(&transposed(&turned, rows));
    } else {
        iterate(x, rows, columns);
    }
}

/// `(rows, columns)` to `(columns, rows)`.
fn transposed(x: &[f32], columns: usize) -> Vec<f32> {
    let rows = x.len() / columns;
    (0..x.len()).map(|i| x[(i % rows) * columns + i / rows]).collect()
}

/// `x = a x + (b g + c g²) x` with `g = x xᵀ`, for a matrix that is not taller than wide.
fn iterate(x: &mut [f32], rows: usize, columns: usize) {
    let unit = unit();
    let (mut left, mut right) = (Rows::default(), Right::default());
    let mut gram = vec![0.0; rows * rows];
    let mut square = gram.clone();
    let mut moved = vec![0.0; x.len()];
    let [a, b, c] = STEP;
    for _ in 0..ROUNDS {
        left.fill(unit, x, columns);
        right.fill_transposed(unit, x, columns);
        multiply_right(unit, &left, &right, &mut gram, false);
        left.fill(unit, &gram, rows);
        right.fill(unit, &gram, rows);
        multiply_right(unit, &left, &right, &mut square, false);
        square.iter_mut().zip(&gram).for_each(|(s, g)| *s = b * g + c * *s);
        left.fill(unit, &square, rows);
        right.fill(unit, x, columns);
        multiply_right(unit, &left, &right, &mut moved, false);
        x.iter_mut().zip(&moved).for_each(|(x, m)| *x = a * *x + m);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn singular_values_end_near_one_in_tall_and_wide_matrices() {
        for (rows, columns) in [(6, 40), (40, 6), (5, 5), (1, 7)] {
            let mut state = 9u32;
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 23) as f32 - 1.0
            };
            let mut x: Vec<f32> = (0..rows * columns).map(|_| next()).collect();
            orthogonalise(&mut x, rows, columns);
            // With singular values in [0.65, 1.25], |xᵀ v|² / |v|² stays between their squares on the shorter side.
            let short = rows.min(columns);
            let at = |i: usize, j: usize| if rows <= columns { x[i * columns + j] } else { x[j * columns + i] };
            for _ in 0..20 {
                let v: Vec<f32> = (0..short).map(|_| next()).collect();
                let image: f32 =
                    (0..rows.max(columns)).map(|j| (0..short).map(|i| at(i, j) * v[i]).sum::<f32>().powi(2)).sum();
                let share = image / v.iter().map(|v| v * v).sum::<f32>();
                assert!((0.42..1.56).contains(&share), "{rows} x {columns}: {share}");
            }
        }
        let mut zero = vec![0.0; 6];
        orthogonalise(&mut zero, 2, 3);
        assert_eq!(zero, vec![0.0; 6]);
    }
}
