use super::*;

fn values(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Multiples of 1/64 below 2: exact in bf16, so that both units must agree with f64.
            ((state >> 25) as f32 - 64.0) / 64.0
        })
        .collect()
}

/// The definition: every output is a sum over kernel cells and channels. `visit(out index, in index, weight index)`.
fn visit(s: &ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
    let (plane_y, plane_x) = s.plane();
    let (out_y, out_x) = s.out();
    let (stride, pad) = if s.downsample { (2, 0) } else { (1, (s.side as isize - 1) / 2) };
    for b in 0..s.batch {
        for (y, x) in (0..out_y).flat_map(|y| (0..out_x).map(move |x| (y, x))) {
            for (ky, kx) in (0..s.side).flat_map(|y| (0..s.side).map(move |x| (y, x))) {
                let iy = (y * stride + ky) as isize - pad;
                let ix = (x * stride + kx) as isize - pad;
                if iy < 0 || ix < 0 || iy >= plane_y as isize || ix >= plane_x as isize {
                    continue;
                }
                let (iy, ix) = (iy as usize, ix as usize);
                let (iy, ix) = if s.upsample { (iy / 2, ix / 2) } else { (iy, ix) };
                for (o, i) in (0..s.c_out).flat_map(|o| (0..s.c_in).map(move |i| (o, i))) {
                    visit(
                        ((b * out_y + y) * out_x + x) * s.c_out + o,
                        ((b * s.y + iy) * s.x + ix) * s.c_in + i,
                        ((o * s.side + ky) * s.side + kx) * s.c_in + i,
                    );
                }
            }
        }
    }
}

fn close(got: &[f32], want: &[f64], what: &str) {
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((f64::from(*g) - w).abs() < 1e-3, "{what}: element {i} is {g}, should be {w}");
    }
}

#[test]
fn every_direction_agrees_with_the_definition() {
    let base = ConvShape { batch: 3, y: 6, x: 8, c_in: 5, c_out: 7, side: 3, upsample: false, downsample: false };
    let shapes = [
        base,
        ConvShape { side: 1, ..base },
        ConvShape { upsample: true, y: 3, x: 4, ..base },
        ConvShape { downsample: true, ..base },
        ConvShape { batch: 1, y: 8, x: 8, c_in: 64, c_out: 48, ..base },
        ConvShape { batch: 5, y: 4, x: 4, c_in: 33, c_out: 34, ..base },
        // More output positions than one block of the f32 product.
        ConvShape { batch: 1, y: 18, x: 17, c_in: 3, c_out: 4, ..base },
    ];
    for s in shapes {
        let (x, w, dy) = (values(s.in_len(), 1), values(s.weight_len(), 2), values(s.out_len(), 3));
        let bias = values(s.c_out, 4);
        let mut out: Vec<f64> = (0..s.out_len()).map(|i| f64::from(bias[i % s.c_out])).collect();
        let (mut dx, mut dw) = (vec![0.0; s.in_len()], vec![0.0; s.weight_len()]);
        visit(&s, |o, i, k| {
            out[o] += f64::from(x[i]) * f64::from(w[k]);
            dx[i] += f64::from(dy[o]) * f64::from(w[k]);
            dw[k] += f64::from(dy[o]) * f64::from(x[i]);
        });
        for unit in Unit::present() {
            let mut got = vec![f32::NAN; s.out_len()];
            conv_forward(&s, &x, &s.pack(unit, &w), &bias, &mut got);
            close(&got, &out, &format!("forward {unit:?} {s:?}"));
            let mut got = vec![f32::NAN; s.in_len()];
            conv_backward_data(&s, &dy, &s.pack_backward(unit, &w), &mut got);
            close(&got, &dx, &format!("data {unit:?} {s:?}"));
            let mut got = vec![f32::NAN; s.weight_len()];
            conv_backward_weight(&s, unit, &x, &dy, &mut got);
            close(&got, &dw, &format!("weight {unit:?} {s:?}"));
        }
    }
}
