#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn values(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// Products in f64, and for each the sum of magnitudes, which bounds what rounding can do.
fn reference(x: &[f32], w: &[f32], (m, n, k): (usize, usize, usize)) -> Vec<(f64, f64)> {
    let term = |i: usize, l: usize| f64::from(x[i / n * k + l]) * f64::from(w[i % n * k + l]);
    (0..m * n).map(|i| (0..k).fold((0.0, 0.0), |(s, a), l| (s + term(i, l), a + term(i, l).abs()))).collect()
}

/// Largest relative rounding error of one weight: none, half a unit of 8 bits, half a step of 127 of the block's largest.
/// The last is relative to 1, the largest value there is.
fn tolerance(Form(of, _): Form, (sum, magnitude): (f64, f64), k: usize) -> f64 {
    let f32 = 1e-6 * (1.0 + magnitude) + 1e-7 * sum.abs();
    let roundings = if of.unit == Unit::F32 { 1.0 } else { 2.0 };
    match of.format {
        Format::F32 => f32,
        Format::Bf16 => f32 + roundings * magnitude / 256.0,
        Format::Int8 => f32 + k as f64 * (0.5 / 127.0 + 0.5 / 32767.0),
    }
}

/// An arithmetic, and whether it is done as on AMX: bf16 weights in whole tiles, which AVX-512 multiplies too, int8 ones by
/// tiles of bytes or what stands for them.
#[derive(Clone, Copy)]
struct Form(Arithmetic, bool);

impl Form {
    fn pack(self, w: &[f32], n: usize, k: usize) -> Panels {
        let mut panels = Panels::pack(self.0, w, n, k);
        if self.1 && self.0.format == Format::Bf16 {
            panels.stored = Stored::Tiles(pairs(w, n, k, INNER));
        } else if self.1 {
            panels.unit = Unit::AmxBf16;
        }
        panels
    }

    fn name(self) -> String {
        let Self(of, tiles) = self;
        format!("{} {} {}{}", of.unit.name(), of.isa.name(), of.format.name(), if tiles { " tiles" } else { "" })
    }
}

/// Everything that panels can be packed for here.
fn present() -> Vec<Form> {
    let plain = Isa::present()
        .into_iter()
        .flat_map(|isa| Format::ALL.map(|format| Form(Arithmetic { unit: Unit::F32, isa, format }, false)));
    let rounded = [Unit::AmxBf16, Unit::Avx512Bf16].into_iter().filter(|unit| unit.is_present()).flat_map(|unit| {
        [false, true].map(|tiles| Form(Arithmetic { unit, isa: Isa::Portable, format: Format::Bf16 }, tiles))
    });
    let bytes = Form(Arithmetic { unit: Unit::F32, isa: Isa::Avx512, format: Format::Int8 }, true);
    plain.chain(rounded).chain(Isa::Avx512.is_present().then_some(bytes)).collect()
}

const ODD_SIZES: [(usize, usize); 9] =
    [(1, 1), (5, 7), (16, 64), (17, 65), (33, 31), (100, 257), (48, 600), (257, 513), (35, 2085)];

#[test]
fn every_format_and_unit_agrees_with_f64() {
    for of in present() {
        for (n, k) in ODD_SIZES {
            for m in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 31, 33, 257] {
                // Slices that begin one element after an allocation, so that nothing is aligned by chance.
                let (x, w, bias) = (values(m * k + 1, 1), values(n * k + 1, 2), values(n + 1, 3));
                let (x, w, bias) = (&x[1..], &w[1..], &bias[1..]);
                let panels = of.pack(w, n, k);
                let mut out = vec![f32::NAN; m * n + 1];
                panels.product(x, m, Some(bias), &mut out[1..]);
                for (i, (got, want)) in out[1..].iter().zip(reference(x, w, (m, n, k))).enumerate() {
                    let error = (f64::from(*got) - want.0 - f64::from(bias[i % n])).abs();
                    let what = format!("{} {m} x {k} x {n}: element {i}", of.name());
                    assert!(error <= tolerance(of, want, k), "{what} is off by {error}");
                }
            }
        }
    }
}

#[test]
fn bf16_products_are_exact_for_weights_that_are_bf16() {
    let (m, n, k) = (9, 35, 301);
    let x = values(m * k, 4);
    let w: Vec<f32> = values(n * k, 5).iter().map(|v| crate::kernels::convert::rounded(*v)).collect();
    for isa in Isa::present() {
        let run = |format| {
            let mut out = vec![f32::NAN; m * n];
            Panels::pack(Arithmetic { unit: Unit::F32, isa, format }, &w, n, k).product(&x, m, None, &mut out);
            out
        };
        assert_eq!(run(Format::Bf16), run(Format::F32), "{}", isa.name());
    }
}

#[test]
fn neither_threads_nor_the_number_of_rows_change_a_bit() {
    let (m, n, k) = (401, 300, 2060);
    let (x, w) = (values(m * k, 6), values(n * k, 7));
    for of in present() {
        let panels = of.pack(&w, n, k);
        let run = |threads: usize, m: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut out = vec![f32::NAN; m * n];
            pool.install(|| panels.product(&x[..m * k], m, None, &mut out));
            out
        };
        let all = run(1, m);
        for m in [1, 2, 7, 8, 33, m] {
            for threads in [1, 2, 3] {
                assert_eq!(run(threads, m), all[..m * n], "{} {m} {threads}", of.name());
            }
        }
    }
}

/// Small enough for an emulated CPU, which the two tests above keep busy for minutes.
#[test]
fn tiles_of_bytes_give_the_bits_of_pairs() {
    if !Isa::Avx512.is_present() {
        return;
    }
    let (m, n, k) = (37, 40, 700);
    let (x, w) = (values(m * k, 10), values(n * k, 11));
    let of = Arithmetic { unit: Unit::F32, isa: Isa::Avx512, format: Format::Int8 };
    let [pairs, bytes] = [false, true].map(|tiles| {
        let mut out = vec![f32::NAN; m * n];
        Form(of, tiles).pack(&w, n, k).product(&x, m, None, &mut out);
        out
    });
    assert!(pairs == bytes && pairs.iter().any(|v| *v != 0.0), "sums of tiles differ from those of pairs");
}

#[test]
fn values_that_are_not_finite_are_not_hidden() {
    let (n, k) = (20, 130);
    for of in present() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let (mut x, mut w) = (values(k, 8), values(n * k, 9));
            x[100] = bad;
            let mut out = vec![0.0; n];
            of.pack(&w, n, k).product(&x, 1, None, &mut out);
            assert!(out.iter().all(|v| !v.is_finite()), "{} left {bad}", of.name());
            x[100] = 1.0;
            w[3 * k + 129] = bad;
            of.pack(&w, n, k).product(&x, 1, None, &mut out);
            assert!(!out[3].is_finite() && out[4].is_finite(), "{} weight {bad}", of.name());
        }
    }
}

#[test]
fn sizes_of_nothing_are_allowed() {
    let of = |format| Arithmetic { unit: Unit::F32, isa: Isa::Portable, format };
    let panels = Panels::pack(of(Format::Int8), &[], 3, 0);
    let mut out = [f32::NAN; 6];
    panels.product(&[], 2, Some(&[1.0, 2.0, 3.0]), &mut out);
    assert_eq!(out, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
    Panels::pack(of(Format::Bf16), &[1.0; 6], 3, 2).product(&[], 0, None, &mut []);
}

#[test]
fn formats_take_the_bytes_they_promise() {
    let (n, k) = (256, 512);
    let of = |format| Arithmetic { unit: Unit::F32, isa: Isa::Portable, format };
    let bytes = |format| Panels::pack(of(format), &vec![0.5; n * k], n, k).bytes();
    assert_eq!(bytes(Format::F32), n * k * 4);
    assert_eq!(bytes(Format::Bf16), n * k * 2);
    assert_eq!(bytes(Format::Int8), n * k + n * k / 64 * 4);
}

#[test]
fn small_blocks_agree_with_f64_for_every_stride() {
    for isa in Isa::present() {
        for (m, n, k) in [(1, 16, 1), (5, 32, 7), (7, 64, 64), (13, 16, 33)] {
            let (x, w, was) = (values(m * k + 1, 10), values(k * n + 1, 11), values(m * n, 12));
            let w = &w[1..];
            for transposed in [false, true] {
                let (by_row, by_inner) = if transposed { (1, m) } else { (k, 1) };
                let left = Strided { values: &x[1..], by_row, by_inner };
                for add in [false, true] {
                    let mut out = was.clone();
                    multiply_block(isa, left, w, (m, n, k), &mut out, add);
                    for (i, got) in out.iter().enumerate() {
                        let term = |l: usize| {
                            f64::from(left.values[i / n * by_row + l * by_inner]) * f64::from(w[l * n + i % n])
                        };
                        let want = (0..k).map(term).sum::<f64>() + if add { f64::from(was[i]) } else { 0.0 };
                        assert!((f64::from(*got) - want).abs() < 1e-5, "{} {m} x {k} x {n} {i}", isa.name());
                    }
                }
            }
        }
    }
}

#[test]
fn pairs_of_bf16_agree_with_f64_for_every_stride() {
    if !Unit::Avx512Bf16.is_present() {
        return;
    }
    // Two bf16 values of a pair, the first in the lower half.
    let pairs = |count: usize, seed: u32| -> (Vec<u32>, Vec<[f64; 2]>) {
        let all = values(2 * count, seed);
        let two = |two: &[f32]| [two[0], two[1]].map(crate::kernels::convert::rounded);
        let bits = |two: [f32; 2]| (two[0].to_bits() >> 16) | two[1].to_bits();
        all.chunks_exact(2).map(|chunk| (bits(two(chunk)), two(chunk).map(f64::from))).unzip()
    };
    for (m, n, k) in [(1, 16, 1), (5, 32, 7), (7, 64, 64), (13, 48, 33), (64, 64, 32)] {
        let ((x, x_values), (w, w_values), was) = (pairs(m * k, 10), pairs(k * n, 11), values(m * n, 12));
        for (by_row, by_pair) in [(1, m), (k, 1)] {
            let left = StridedPairs { values: &x, by_row, by_pair };
            for add in [false, true] {
                let mut out = was.clone();
                multiply_pairs(left, &w, (m, n, k), &mut out, add);
                for (i, got) in out.iter().enumerate() {
                    let term = |l: usize| {
                        let (x, w) = (x_values[i / n * by_row + l * by_pair], w_values[l * n + i % n]);
                        x[0] * w[0] + x[1] * w[1]
                    };
                    let want = (0..k).map(term).sum::<f64>() + if add { f64::from(was[i]) } else { 0.0 };
                    assert!((f64::from(*got) - want).abs() < 1e-5, "{m} x {k} x {n} {i}: {got}, not {want}");
                }
            }
        }
    }
}

#[test]
fn dot_products_agree_with_f64() {
    for isa in Isa::present() {
        for (rows, keys, d) in [(1, 1, 1), (3, 64, 64), (2, 5, 128), (4, 9, 37)] {
            let (a, b) = (values(rows * d + 1, 13), values(keys * d + 1, 14));
            let mut out = vec![f32::NAN; rows * 70];
            dot_rows(isa, &a[1..], &b[1..], d, &mut out, 70);
            for (row, key) in (0..rows).flat_map(|row| (0..keys).map(move |key| (row, key))) {
                let want: f64 = (0..d).map(|i| f64::from(a[1 + row * d + i]) * f64::from(b[1 + key * d + i])).sum();
                assert!((f64::from(out[row * 70 + key]) - want).abs() < 1e-5, "{} {rows} {keys} {d}", isa.name());
            }
        }
    }
}
