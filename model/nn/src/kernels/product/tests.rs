#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::kernels::convert::rounded;
use crate::kernels::{product_tn, unit};

fn values(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

fn reference(
    m: usize,
    n: usize,
    k: usize,
    a: impl Fn(usize, usize) -> f32,
    b: impl Fn(usize, usize) -> f32,
) -> Vec<f64> {
    let mut out = Vec::new();
    for i in 0..m {
        for j in 0..n {
            out.push((0..k).map(|l| f64::from(rounded(a(i, l))) * f64::from(rounded(b(l, j)))).sum());
        }
    }
    out
}

fn close(got: &[f32], want: &[f64], what: &str) {
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((f64::from(*g) - w).abs() < 2e-4 * (1.0 + w.abs()), "{what}: element {i} is {g}, should be {w}");
    }
}

#[test]
fn products_agree_with_f64_on_odd_sizes() {
    for (m, n, k) in [(1, 1, 1), (3, 5, 7), (16, 16, 32), (17, 33, 31), (70, 96, 65), (33, 16, 64), (130, 260, 40)] {
        let a: Vec<f32> = values(m * k, 1).iter().map(|v| rounded(*v)).collect();
        let b: Vec<f32> = values(k * n, 2).iter().map(|v| rounded(*v)).collect();
        let want = reference(m, n, k, |i, l| a[i * k + l], |l, j| b[l * n + j]);
        let w: Vec<f32> = (0..n * k).map(|i| b[(i % k) * n + i / k]).collect();
        let at: Vec<f32> = (0..m * k).map(|i| a[(i % m) * k + i / m]).collect();
        for unit in Unit::present() {
            let mut out = vec![f32::NAN; m * n];
            product(&a, m, &Packed::from_kn(unit, &b, k, n), None, &mut out);
            close(&out, &want, &format!("kn {unit:?} {m}x{n}x{k}"));
            out.fill(f32::NAN);
            let bias = values(n, 3);
            product(&a, m, &Packed::from_nk(unit, &w, n, k), Some(&bias), &mut out);
            let with_bias: Vec<f64> = want.iter().enumerate().map(|(i, v)| v + f64::from(bias[i % n])).collect();
            close(&out, &with_bias, &format!("nk {unit:?} {m}x{n}x{k}"));
            out.fill(f32::NAN);
            product_tn(unit, &at, &b, k, m, n, &mut out);
            close(&out, &want, &format!("tn {unit:?} {m}x{n}x{k}"));
        }
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let (m, n, k) = (150, 272, 96);
    let (x, w) = (values(m * k, 4), values(n * k, 5));
    let packed = Packed::from_nk(unit(), &w, n, k);
    let run = |threads: usize, m: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut out = vec![0.0; m * n];
        pool.install(|| product(&x[..m * k], m, &packed, None, &mut out));
        out
    };
    for m in [m, 9] {
        assert_eq!(run(1, m), run(2, m));
        assert_eq!(run(1, m), run(3, m));
    }
}
