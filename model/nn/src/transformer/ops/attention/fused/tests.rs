use super::*;
use crate::transformer::ops::check::values;

/// The definition in f64; keys `(kv_heads, len, d)`.
fn reference(shape: HeadShape, q: &[f32], k: &[f32], v: &[f32], len: usize, visible: &[Visible]) -> Vec<f64> {
    let (rows, d) = (visible.len(), shape.head_dim);
    let mut out = Vec::with_capacity(q.len());
    for (i, q) in q.chunks_exact(d).enumerate() {
        let (kv, seen) = (i / rows / shape.group() * len * d, visible[i % rows]);
        let inside = |key: usize| {
            key < seen.causal as usize || (seen.block_start as usize..seen.block_end as usize).contains(&key)
        };
        let weights: Vec<f64> = (0..len)
            .map(|key| {
                let dot: f64 = (0..d).map(|j| f64::from(q[j]) * f64::from(k[kv + key * d + j])).sum();
                if inside(key) { (dot / (d as f64).sqrt()).exp() } else { 0.0 }
            })
            .collect();
        let total: f64 = weights.iter().sum();
        let value = |j: usize| (0..len).map(|key| weights[key] / total * f64::from(v[kv + key * d + j])).sum::<f64>();
        out.extend((0..d).map(|j| if total > 0.0 { value(j) } else { 0.0 }));
    }
    out
}

/// All arithmetic that there is here, and how far sums may be off. Of bf16, weights of a few large scores are.
fn present() -> Vec<(Arithmetic, f64)> {
    let plain = Isa::present().into_iter().map(|isa| (Arithmetic { unit: Unit::F32, isa, format: Format::F32 }, 3e-6));
    let halves = [Unit::AmxBf16, Unit::Avx512Bf16].into_iter().filter(|unit| unit.is_present());
    let halves = halves.map(|unit| (Arithmetic { unit, isa: Isa::Portable, format: Format::Bf16 }, 3e-2));
    plain.chain(halves).collect()
}

/// Copies `(kv_heads, len, d)` into segments of `rows` rows that have room for more.
fn paged(shape: HeadShape, k: &[f32], len: usize, rows: usize) -> Vec<(Vec<f32>, usize)> {
    let (d, room) = (shape.head_dim, rows + 3);
    let page = |first: usize| {
        let count = rows.min(len - first);
        let mut page = vec![f32::NAN; shape.kv_heads * room * d];
        for head in 0..shape.kv_heads {
            page[head * room * d..][..count * d].copy_from_slice(&k[(head * len + first) * d..][..count * d]);
        }
        (page, count)
    };
    (0..len).step_by(rows).map(page).collect()
}

/// Causal rows behind a prefix, then a canvas that sees the prefix and itself.
fn layout(prefix: u32, causal: u32, canvas: u32) -> Vec<Visible> {
    let block = Visible { causal: prefix, block_start: prefix + causal, block_end: prefix + causal + canvas };
    let rows = (0..causal).map(|i| Visible::causal(prefix + i));
    rows.chain((0..canvas).map(|_| block)).collect()
}

#[test]
fn all_layouts_agree_with_f64_on_odd_sizes() {
    let shapes = [(4, 2, 8), (4, 2, 64), (3, 3, 40), (8, 1, 128), (2, 2, 17)];
    for (heads, kv_heads, head_dim) in shapes {
        let shape = HeadShape { heads, kv_heads, head_dim };
        for (prefix, causal, canvas) in
            [(0, 1, 0), (0, 7, 0), (63, 1, 0), (130, 1, 0), (64, 2, 0), (50, 33, 70), (7, 0, 64)]
        {
            let visible = layout(prefix, causal, canvas);
            let (rows, len) = (visible.len(), (prefix + causal + canvas) as usize);
            // Offset by one element, and large enough that the largest score moves from tile to tile.
            let q: Vec<f32> = values(heads * rows * head_dim + 1, 1).iter().map(|v| v * 4.0).collect();
            let (k, v) = (values(kv_heads * len * head_dim, 2), values(kv_heads * len * head_dim + 1, 3));
            let (q, v) = (&q[1..], &v[1..]);
            let want = reference(shape, q, &k, v, len, &visible);
            for (of, tolerance) in present() {
                let name = of.unit.name();
                let whole = [Keys { k: &k, v, capacity: len, len }];
                let mut context = vec![f32::NAN; q.len()];
                forward(of, shape, q, whole.iter().copied(), &visible, &mut context);
                let mut squares = 0.0;
                for (i, (got, want)) in context.iter().zip(&want).enumerate() {
                    let error = (f64::from(*got) - want).abs();
                    squares += error * error;
                    assert!(error < tolerance, "{name} {shape:?} {prefix}+{causal}+{canvas}: {i} is off by {error}");
                }
                let mean = (squares / want.len() as f64).sqrt();
                assert!(mean < tolerance / 5.0, "{name} {shape:?} {prefix}+{causal}+{canvas}: off by {mean}");
                // Pages of 64 rows are the same computation, bit for bit.
                let (k_pages, v_pages) = (paged(shape, &k, len, 64), paged(shape, v, len, 64));
                let pages: Vec<Keys<'_>> = k_pages
                    .iter()
                    .zip(&v_pages)
                    .map(|((k, count), (v, _))| Keys { k, v, capacity: 67, len: *count })
                    .collect();
                let mut again = vec![f32::NAN; q.len()];
                forward(of, shape, q, pages.iter().copied(), &visible, &mut again);
                assert_eq!(again, context, "{name} {shape:?} in pages");
            }
        }
    }
}

#[test]
#[allow(clippy::unwrap_used, reason = "tests")]
fn the_number_of_threads_changes_nothing() {
    let shape = HeadShape { heads: 4, kv_heads: 2, head_dim: 64 };
    let visible = layout(200, 0, 100);
    let (q, kv) = (values(4 * 100 * 64, 4), values(2 * 300 * 64, 5));
    let keys = [Keys { k: &kv, v: &kv, capacity: 300, len: 300 }];
    for (of, _) in present() {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut context = vec![f32::NAN; q.len()];
            pool.install(|| forward(of, shape, &q, keys.iter().copied(), &visible, &mut context));
            context
        };
        assert_eq!(run(1), run(2));
        assert_eq!(run(1), run(3));
    }
}

#[test]
fn nothing_seen_gives_zeros_and_nan_is_not_hidden() {
    let shape = HeadShape { heads: 1, kv_heads: 1, head_dim: 16 };
    let blind = Visible { causal: 0, block_start: 0, block_end: 0 };
    let mut k = values(70 * 16, 6);
    for ((of, _), rows) in present().into_iter().flat_map(|of| [(of, 1), (of, 9), (of, 67)]) {
        let (q, v) = (values(rows * 16, 7), values(70 * 16, 8));
        let mut visible = vec![Visible::causal(69); rows];
        visible[0] = blind;
        let run = |k: &[f32], visible: &[Visible]| {
            let mut context = vec![f32::NAN; q.len()];
            let keys = Keys { k, v: &v, capacity: 70, len: 70 };
            forward(of, shape, &q, std::iter::once(keys), visible, &mut context);
            context
        };
        let context = run(&k, &visible);
        assert!(context[..16].iter().all(|c| *c == 0.0) && context.iter().all(|c| c.is_finite()));
        k[66 * 16] = f32::NAN;
        visible[0] = Visible::causal(69);
        assert!(run(&k, &visible).iter().all(|c| c.is_nan()));
        k[66 * 16] = 0.0;
    }
}
