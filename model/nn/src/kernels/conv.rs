//! Convolutions as products: channels-last pictures, 1 x 1 and 3 x 3 kernels, forward and backward.
//!
//! On tiles a picture is laid into a zero-padded plane of pitch `x + 2`. Over that flattened plane every kernel cell is a
//! constant offset, so a convolution is one product with several taps and no column buffer; the rows that fall on the padding
//! are computed and dropped (6 % of the work at 32 px, 25 % at 8 px). In f32, columns are made in blocks (`columns.rs`).

mod columns;

use rayon::prelude::*;

use super::Unit;
use super::convert::{add_row, interleave_bf16, row_to_bf16};
use super::dense::gemm_f32;
use super::outer::{OuterSum, Transposed};
use super::packed::{INNER, Packed, SIDE};
use super::tiles::{BLOCK, Operand, Step, TILE, Tiles};

/// Sizes of a convolution over channels-last pictures `(batch, y, x, c_in)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Pictures.
    pub batch: usize,
    /// Input height.
    pub y: usize,
    /// Input width.
    pub x: usize,
    /// Input channels.
    pub c_in: usize,
    /// Output channels.
    pub c_out: usize,
    /// Side of the kernel, 1 or 3. A side of 3 pads by one pixel all around.
    pub side: usize,
    /// Doubles the input by nearest neighbour before the convolution.
    pub upsample: bool,
    /// Stride 2 with one row and column of padding at the bottom and right only (the reference's Downsample).
    pub downsample: bool,
}

impl ConvShape {
    /// Height and width that the kernel runs over.
    fn plane(&self) -> (usize, usize) {
        if self.upsample { (self.y * 2, self.x * 2) } else { (self.y, self.x) }
    }

    /// Output height and width.
    #[must_use]
    pub fn out(&self) -> (usize, usize) {
        let (y, x) = self.plane();
        if self.downsample { (y / 2, x / 2) } else { (y, x) }
    }

    /// Values in the input.
    #[must_use]
    pub fn in_len(&self) -> usize {
        self.batch * self.y * self.x * self.c_in
    }

    /// Values in the output.
    #[must_use]
    pub fn out_len(&self) -> usize {
        let (y, x) = self.out();
        self.batch * y * x * self.c_out
    }

    /// Values in the weights, ordered `(c_out, side, side, c_in)`.
    #[must_use]
    pub fn weight_len(&self) -> usize {
        self.c_out * self.side * self.side * self.c_in
    }

    fn pitch(&self) -> usize {
        self.plane().1 + if self.side == 3 { 2 } else { 0 }
    }

    /// Flattened rows that the product runs over.
    fn rows(&self) -> usize {
        self.plane().0 * self.pitch()
    }

    /// Length of the padded plane in positions, with slack for whole tiles; even.
    fn padded(&self) -> usize {
        let border = if self.side == 3 { 2 * self.pitch() + 2 } else { 0 };
        (self.rows().div_ceil(SIDE) * SIDE + border).next_multiple_of(2)
    }

    fn offsets(&self) -> Vec<usize> {
        let pitch = self.pitch();
        (0..self.side * self.side).map(|tap| tap / self.side * pitch + tap % self.side).collect()
    }

    /// Packs weights `(c_out, side, side, c_in)` for the forward pass.
    #[must_use]
    pub fn pack(&self, unit: Unit, w: &[f32]) -> Packed {
        Packed::from_ntk(unit, w, self.c_out, self.side * self.side, self.c_in, false)
    }

    /// Packs the same weights for the backward pass to the input.
    #[must_use]
    pub fn pack_backward(&self, unit: Unit, w: &[f32]) -> Packed {
        Packed::from_ktn(unit, w, self.c_out, self.side * self.side, self.c_in, true)
    }

    /// Where input position `(y, x)` of the plane stands in the padded plane of the forward pass.
    fn forward_at(&self, y: usize, x: usize) -> usize {
        let origin = usize::from(self.side == 3 && !self.downsample);
        (y + origin) * self.pitch() + x + origin
    }

    /// Where output position `(y, x)` stands in the padded plane of the backward pass.
    fn backward_at(&self, y: usize, x: usize) -> usize {
        match (self.side, self.downsample) {
            (1, _) => y * self.pitch() + x,
            (_, false) => (y + 1) * self.pitch() + x + 1,
            (_, true) => (2 * y + 2) * self.pitch() + 2 * x + 2,
        }
    }
}

/// `out (batch, y', x', c_out) = conv(input) + bias`, the pictures shared among rayon's threads.
///
/// # Panics
/// When a slice does not have the length that the shape says.
pub fn conv_forward(shape: &ConvShape, input: &[f32], packed: &Packed, bias: &[f32], out: &mut [f32]) {
    assert!(input.len() == shape.in_len() && out.len() == shape.out_len() && bias.len() == shape.c_out, "conv sizes");
    assert!(packed.n() == shape.c_out && packed.k() == shape.c_in && packed.taps() == shape.side * shape.side);
    if packed.unit() == Unit::F32 {
        let images = input.chunks_exact(shape.in_len() / shape.batch.max(1));
        let outs = out.par_chunks_exact_mut(shape.out_len() / shape.batch.max(1));
        let pairs = outs.zip_eq(images.collect::<Vec<_>>());
        pairs.for_each(|(out, image)| columns::forward(shape, packed, bias, image, out));
        return;
    }
    let (out_y, out_x) = shape.out();
    let pitch = shape.pitch();
    let (plane_y, plane_x) = shape.plane();
    let halving = usize::from(shape.downsample);
    let fill = |image: usize, put: &mut dyn FnMut(usize, &[f32])| {
        let image = &input[image * shape.y * shape.x * shape.c_in..];
        for y in 0..plane_y {
            for x in 0..plane_x {
                let (sy, sx) = if shape.upsample { (y / 2, x / 2) } else { (y, x) };
                put(shape.forward_at(y, x), &image[(sy * shape.x + sx) * shape.c_in..][..shape.c_in]);
            }
        }
    };
    // Flattened row -> output position, or none when it falls on the padding or between strides.
    let place = |row: usize| {
        let (y, x) = (row / pitch, row % pitch);
        let odd = halving == 1 && (y % 2 == 1 || x % 2 == 1);
        let (y, x) = (y >> halving, x >> halving);
        (!odd && y < out_y && x < out_x).then_some(y * out_x + x)
    };
    run(shape, packed, Some(bias), out, (out_y * out_x, shape.c_out), &fill, &place, false);
}

/// Gradient of the input, `(batch, y, x, c_in)`, from the gradient of the output; overwrites `d_input`.
///
/// # Panics
/// When a slice does not have the length that the shape says.
pub fn conv_backward_data(shape: &ConvShape, d_out: &[f32], packed: &Packed, d_input: &mut [f32]) {
    assert!(d_input.len() == shape.in_len() && d_out.len() == shape.out_len(), "conv sizes");
    assert!(packed.n() == shape.c_in && packed.k() == shape.c_out && packed.taps() == shape.side * shape.side);
    let (out_y, out_x) = shape.out();
    let pitch = shape.pitch();
    let (plane_y, plane_x) = shape.plane();
    let fill = |image: usize, put: &mut dyn FnMut(usize, &[f32])| {
        let image = &d_out[image * out_y * out_x * shape.c_out..];
        for y in 0..out_y {
            for x in 0..out_x {
                put(shape.backward_at(y, x), &image[(y * out_x + x) * shape.c_out..][..shape.c_out]);
            }
        }
    };
    let place = |row: usize| {
        let (y, x) = (row / pitch, row % pitch);
        let (sy, sx) = if shape.upsample { (y / 2, x / 2) } else { (y, x) };
        (y < plane_y && x < plane_x).then_some(sy * shape.x + sx)
    };
    run(shape, packed, None, d_input, (shape.y * shape.x, shape.c_in), &fill, &place, shape.upsample);
}

type Fill<'a> = &'a (dyn Fn(usize, &mut dyn FnMut(usize, &[f32])) + Sync);
type Place<'a> = &'a (dyn Fn(usize) -> Option<usize> + Sync);

fn run(
    shape: &ConvShape,
    packed: &Packed,
    bias: Option<&[f32]>,
    out: &mut [f32],
    (positions, channels): (usize, usize),
    fill: Fill<'_>,
    place: Place<'_>,
    sum: bool,
) {
    if sum {
        out.fill(0.0);
    }
    let one = |(image, out): (usize, &mut [f32])| match packed.unit() {
        Unit::F32 => image_f32(shape, packed, image, out, fill, place, sum),
        Unit::AmxBf16 | Unit::Avx512Bf16 => image_tiles(shape, packed, bias, image, out, fill, place, sum),
    };
    let size = positions * channels;
    if shape.batch > 1 && rayon::current_num_threads() > 1 {
        out.par_chunks_exact_mut(size).enumerate().for_each(one);
    } else {
        out.chunks_exact_mut(size).enumerate().for_each(one);
    }
}

/// The backward pass to the input of one picture in f32.
fn image_f32(
    shape: &ConvShape,
    packed: &Packed,
    image: usize,
    out: &mut [f32],
    fill: Fill<'_>,
    place: Place<'_>,
    sum: bool,
) {
    let (n, k, offsets) = (packed.n(), packed.k(), shape.offsets());
    let mut plane = vec![0.0; shape.padded() * k];
    fill(image, &mut |at, row| plane[at * k..at * k + k].copy_from_slice(row));
    let rows: Vec<(usize, usize)> = (0..shape.rows()).filter_map(|row| place(row).map(|to| (row, to))).collect();
    let width = offsets.len() * k;
    let mut columns = vec![0.0; rows.len() * width];
    for ((row, _), column) in rows.iter().zip(columns.chunks_exact_mut(width)) {
        for (offset, column) in offsets.iter().zip(column.chunks_exact_mut(k)) {
            column.copy_from_slice(&plane[(row + offset) * k..][..k]);
        }
    }
    let mut result = vec![0.0; rows.len() * n];
    gemm_f32(rows.len(), n, width, &columns, (width, 1), packed.plain(), (n, 1), &mut result);
    for ((_, to), from) in rows.iter().zip(result.chunks_exact(n)) {
        let to = &mut out[to * n..to * n + n];
        if sum {
            add_row(from, to);
        } else {
            to.copy_from_slice(from);
        }
    }
}

fn image_tiles(
    shape: &ConvShape,
    packed: &Packed,
    bias: Option<&[f32]>,
    image: usize,
    out: &mut [f32],
    fill: Fill<'_>,
    place: Place<'_>,
    sum: bool,
) {
    let (n, k) = (packed.n(), packed.k());
    let width = k.div_ceil(INNER) * INNER;
    let mut plane = vec![0u16; shape.padded() * width];
    fill(image, &mut |at, row| row_to_bf16(row, &mut plane[at * width..at * width + k]));
    let blocks = k.div_ceil(INNER);
    let steps: Vec<Step> = shape
        .offsets()
        .iter()
        .flat_map(|offset| (0..blocks).map(move |block| (offset * width + block * INNER) * 2))
        .enumerate()
        .map(|(s, a)| Step { a, b: s * TILE * 2 })
        .collect();
    let rows = shape.rows();
    let places: Vec<Option<usize>> = (0..rows).map(place).collect();
    // With one picture the row blocks are shared among the threads instead of the pictures.
    let starts: Vec<usize> =
        (0..rows).step_by(SIDE).filter(|s| places[*s..(*s + SIDE).min(rows)].iter().any(Option::is_some)).collect();
    let compute = |tiles: &Tiles, start: usize, c: &mut [f32]| {
        let second = if rows - start > 16 { start + 16 } else { start };
        let a = Operand { data: &plane, first: start * width, second: second * width, pitch: width * 2 };
        for (block, c) in c.chunks_exact_mut(BLOCK).enumerate() {
            tiles.block(&steps, a, packed.operand(block), c, false);
        }
    };
    let store = |start: usize, c: &[f32], out: &mut [f32]| {
        for (r, to) in places.iter().skip(start).take(SIDE).enumerate() {
            let Some(to) = to else { continue };
            let to = &mut out[to * n..to * n + n];
            for (column, to) in to.chunks_mut(16).enumerate() {
                let tile = (column / 2) * BLOCK + ((r / 16) * 2 + column % 2) * 256 + (r % 16) * 16;
                let from = &c[tile..tile + to.len()];
                match (sum, bias) {
                    (true, _) => add_row(from, to),
                    (false, None) => to.copy_from_slice(from),
                    (false, Some(bias)) => {
                        super::convert::add_bias(from, &bias[column * 16..column * 16 + to.len()], to)
                    }
                }
            }
        }
    };
    let size = packed.column_tiles() / 2 * BLOCK;
    if shape.batch == 1 && rayon::current_num_threads() > 1 && starts.len() > 1 {
        let share = starts.len().div_ceil(rayon::current_num_threads());
        let results: Vec<Vec<f32>> = starts
            .par_chunks(share)
            .map(|starts| {
                let tiles = Tiles::of(packed.unit());
                let mut c = vec![0.0; starts.len() * size];
                for (start, c) in starts.iter().zip(c.chunks_exact_mut(size)) {
                    compute(&tiles, *start, c);
                }
                c
            })
            .collect();
        for (start, c) in starts.iter().zip(results.iter().flat_map(|c| c.chunks_exact(size))) {
            store(*start, c, out);
        }
    } else {
        let tiles = Tiles::of(packed.unit());
        let mut c = vec![0.0; size];
        for start in starts {
            compute(&tiles, start, &mut c);
            store(start, &c, out);
        }
    }
}

/// Gradient of the weights, `(c_out, side, side, c_in)`; overwrites `d_weight`. Runs on the calling thread.
///
/// # Panics
/// When a slice does not have the length that the shape says.
pub fn conv_backward_weight(shape: &ConvShape, unit: Unit, input: &[f32], d_out: &[f32], d_weight: &mut [f32]) {
    assert!(input.len() == shape.in_len() && d_out.len() == shape.out_len(), "conv sizes");
    assert_eq!(d_weight.len(), shape.weight_len(), "weight gradient size");
    match unit {
        Unit::F32 => weight_f32(shape, input, d_out, d_weight),
        Unit::AmxBf16 | Unit::Avx512Bf16 => weight_tiles(shape, unit, input, d_out, d_weight),
    }
}

/// Input rows of one picture in the order of the padded plane of the forward pass.
fn plane_rows<'a>(shape: &ConvShape, input: &'a [f32], image: usize) -> Vec<Option<&'a [f32]>> {
    let mut rows = vec![None; shape.padded()];
    let image = &input[image * shape.y * shape.x * shape.c_in..];
    let (plane_y, plane_x) = shape.plane();
    for y in 0..plane_y {
        for x in 0..plane_x {
            let (sy, sx) = if shape.upsample { (y / 2, x / 2) } else { (y, x) };
            rows[shape.forward_at(y, x)] = Some(&image[(sy * shape.x + sx) * shape.c_in..][..shape.c_in]);
        }
    }
    rows
}

/// Output gradient rows of one picture in the order of the flattened rows of the forward pass.
fn gradient_rows<'a>(shape: &ConvShape, d_out: &'a [f32], image: usize) -> Vec<Option<&'a [f32]>> {
    let (out_y, out_x) = shape.out();
    let step = if shape.downsample { 2 } else { 1 };
    let image = &d_out[image * out_y * out_x * shape.c_out..];
    let mut rows = vec![None; shape.rows()];
    for y in 0..out_y {
        for x in 0..out_x {
            rows[y * step * shape.pitch() + x * step] = Some(&image[(y * out_x + x) * shape.c_out..][..shape.c_out]);
        }
    }
    rows
}

fn weight_f32(shape: &ConvShape, input: &[f32], d_out: &[f32], d_weight: &mut [f32]) {
    let offsets = shape.offsets();
    let width = offsets.len() * shape.c_in;
    let mut sum = vec![0.0; d_weight.len()];
    d_weight.fill(0.0);
    for image in 0..shape.batch {
        let (plane, gradient) = (plane_rows(shape, input, image), gradient_rows(shape, d_out, image));
        let used: Vec<usize> = (0..gradient.len()).filter(|row| gradient[*row].is_some()).collect();
        let mut left = vec![0.0; used.len() * shape.c_out];
        let mut columns = vec![0.0; used.len() * width];
        for (i, row) in used.iter().enumerate() {
            if let Some(g) = gradient[*row] {
                left[i * shape.c_out..][..shape.c_out].copy_from_slice(g);
            }
            for (tap, offset) in offsets.iter().enumerate() {
                if let Some(x) = plane[row + offset] {
                    columns[i * width + tap * shape.c_in..][..shape.c_in].copy_from_slice(x);
                }
            }
        }
        gemm_f32(shape.c_out, width, used.len(), &left, (1, shape.c_out), &columns, (width, 1), &mut sum);
        add_row(&sum, d_weight);
    }
}

fn weight_tiles(shape: &ConvShape, unit: Unit, input: &[f32], d_out: &[f32], d_weight: &mut [f32]) {
    let blocks = shape.rows().div_ceil(INNER);
    let padded = (blocks * INNER + if shape.side == 3 { 2 * shape.pitch() + 2 } else { 0 }).next_multiple_of(2) + 2;
    let channels = shape.c_in.div_ceil(SIDE) * SIDE;
    // Enough pictures at a time to fill about 24 position blocks, so that sums stay in registers for a while.
    let group = 24_usize.div_ceil(blocks).min(shape.batch);
    let mut sum = OuterSum::new(unit, shape.c_out, shape.c_in, shape.side * shape.side);
    let offsets = shape.offsets();
    let half = group * padded / 2 * channels;
    // Pairs of positions starting at even positions, then pairs starting at odd ones.
    let mut pairs = vec![0u32; 2 * half];
    let mut rows_bf16 = vec![0u16; padded * channels];
    for first in (0..shape.batch).step_by(group) {
        let count = group.min(shape.batch - first);
        let mut gradient = Vec::with_capacity(count * blocks * INNER);
        for i in 0..count {
            let plane = plane_rows(shape, input, first + i);
            for (to, from) in rows_bf16.chunks_exact_mut(channels).zip(plane.iter().chain(std::iter::repeat(&None))) {
                match from {
                    Some(row) => row_to_bf16(row, to),
                    None => to.fill(0),
                }
            }
            for parity in 0..2 {
                let to = &mut pairs[parity * half + i * padded / 2 * channels..][..padded / 2 * channels];
                for (j, to) in to.chunks_exact_mut(channels).enumerate() {
                    let at = |p: usize| rows_bf16.get(p * channels..(p + 1) * channels).unwrap_or(&[]);
                    interleave_bf16(at(2 * j + parity), at(2 * j + 1 + parity), to);
                }
            }
            gradient.extend(gradient_rows(shape, d_out, first + i));
            gradient.resize((i + 1) * blocks * INNER, None);
        }
        let left = Transposed::from_rows(shape.c_out, count * blocks, |row| gradient[row]);
        let pitch = channels * 4;
        let starts: Vec<usize> =
            (0..count).flat_map(|i| (0..blocks).map(move |block| (i * padded / 2 + block * 16) * pitch)).collect();
        let base = |tap: usize| (offsets[tap] % 2) * half * 4 + offsets[tap] / 2 * pitch;
        sum.add(&left, bytemuck::cast_slice(&pairs), pitch, |_| &starts, base);
    }
    sum.store(d_weight);
}

#[cfg(test)]
mod tests;
