//! Convolutions of large pictures in f32, a band of rows at a time.
//!
//! The f32 product works on columns: each output position with all input values it looks at, nine times the picture. Of a
//! megapixel in 256 channels that would be ten gigabytes; of a band it is a few dozen megabytes.

use crate::kernels::{ConvShape, Packed, Unit, conv_forward};

/// Bytes of columns that one band may take.
const BAND_BYTES: usize = 64 << 20;

/// As [`conv_forward`], in bands where the columns of the whole would be too many.
pub(super) fn forward(shape: &ConvShape, input: &[f32], packed: &Packed, bias: &[f32], out: &mut [f32]) {
    let row = shape.out().1.max(shape.x) * shape.side * shape.side * shape.c_in * size_of::<f32>();
    let band = (BAND_BYTES / row.max(1)).max(2).next_multiple_of(2);
    if packed.unit() != Unit::F32 || shape.y <= band {
        return conv_forward(shape, input, packed, bias, out);
    }
    let (in_image, out_image) = (shape.in_len() / shape.batch, shape.out_len() / shape.batch);
    for (input, out) in input.chunks_exact(in_image).zip(out.chunks_exact_mut(out_image)) {
        in_bands(&ConvShape { batch: 1, ..*shape }, input, packed, bias, out, band);
    }
}

/// One picture in bands of `band` input rows, an even number.
fn in_bands(shape: &ConvShape, input: &[f32], packed: &Packed, bias: &[f32], out: &mut [f32], band: usize) {
    let (in_row, out_row) = (shape.x * shape.c_in, shape.out().1 * shape.c_out);
    // Rows beside a band that its outputs look at; those of a halved picture come in pairs, and only from below.
    let (above, below) = match (shape.side, shape.downsample) {
        (1, _) => (0, 0),
        (_, true) => (0, 2),
        (_, false) => (1, 1),
    };
    let out_rows = |rows: usize| match (shape.upsample, shape.downsample) {
        (true, _) => 2 * rows,
        (_, true) => rows / 2,
        _ => rows,
    };
    let mut wide = Vec::new();
    for first in (0..shape.y).step_by(band) {
        let last = (first + band).min(shape.y);
        let (low, high) = (first.saturating_sub(above), (last + below).min(shape.y));
        let part = ConvShape { y: high - low, ..*shape };
        wide.resize(part.out_len(), 0.0);
        conv_forward(&part, &input[low * in_row..high * in_row], packed, bias, &mut wide);
        let (skip, rows) = (out_rows(first - low), out_rows(last - first));
        let to = out_rows(first) * out_row;
        out[to..to + rows * out_row].copy_from_slice(&wide[skip * out_row..(skip + rows) * out_row]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transformer::ops::check::{assert_close, values};

    #[test]
    fn bands_give_what_the_whole_gives() {
        let plain = ConvShape { batch: 1, y: 12, x: 6, c_in: 5, c_out: 7, side: 3, upsample: false, downsample: false };
        for shape in [
            plain,
            ConvShape { side: 1, ..plain },
            ConvShape { upsample: true, ..plain },
            ConvShape { downsample: true, ..plain },
        ] {
            let (input, bias) = (values(shape.in_len(), 1), values(shape.c_out, 2));
            let packed = shape.pack(Unit::F32, &values(shape.weight_len(), 3));
            let mut want = vec![0.0; shape.out_len()];
            conv_forward(&shape, &input, &packed, &bias, &mut want);
            for band in [2, 4, 8] {
                let mut got = vec![f32::NAN; shape.out_len()];
                in_bands(&shape, &input, &packed, &bias, &mut got, band);
                assert_close(&got, &want, 1e-5, "bands");
            }
        }
    }
}
