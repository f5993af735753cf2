//! Products of bf16 tiles: 32 x 32 outputs at a time, on AMX or on AVX-512.
//!
//! Both units read the same operands: left tiles are 16 rows of 32 inner values, right tiles 16 pairs of inner values by 16
//! columns. Sums are f32 and run over the pairs of the inner dimension in order.
#![allow(unsafe_code, reason = "tile kernels on raw pointers; every entry checks the operands")]

use smallvec::SmallVec;

use super::{Unit, amx, avx512};

/// Elements of one bf16 operand tile: 16 rows of 32.
pub const TILE: usize = 512;
/// Outputs of one micro-kernel call: four 16 x 16 tiles, in the order (0,0) (0,1) (1,0) (1,1).
pub const BLOCK: usize = 1024;

/// One step of the micro-kernel: byte offsets added to both A and both B pointers.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Step {
    /// Byte offset into operand A.
    pub a: usize,
    /// Byte offset into operand B.
    pub b: usize,
}

/// Steps of even strides, with how far they reach; those of a chunk of 512 inner values take no memory.
#[derive(Clone, Debug)]
pub struct Path {
    steps: SmallVec<[Step; 16]>,
    reach_a: usize,
    reach_b: usize,
}

impl Path {
    /// `count` steps, each `stride` bytes after the one before.
    #[must_use]
    pub fn even(count: usize, stride: Step) -> Self {
        let steps = (0..count).map(|i| Step { a: i * stride.a, b: i * stride.b }).collect();
        let last = count.saturating_sub(1);
        Self { steps, reach_a: last * stride.a, reach_b: last * stride.b }
    }
}

/// Where the two row tiles and the two column tiles of a block begin, in elements, and their row pitch in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
    /// The operand's data, bf16 bits.
    pub data: &'a [u16],
    /// Element offset of the first tile at step offset 0.
    pub first: usize,
    /// Element offset of the second tile at step offset 0.
    pub second: usize,
    /// Bytes between the 16 rows of a tile.
    pub pitch: usize,
}

impl Operand<'_> {
    /// Do all tile rows up to `reach` bytes further on lie inside the data?
    fn holds(&self, reach: usize) -> bool {
        self.first.max(self.second) * 2 + reach + 15 * self.pitch + 64 <= self.data.len() * 2
    }
}

/// Where the 32 x 32 outputs of a block stand, in elements.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Between rows.
    pub pitch: usize,
    /// From the upper 16 rows to the lower.
    pub lower: usize,
    /// From the left 16 columns to the right.
    pub right: usize,
}

impl Target {
    /// Four tiles one after the other: (0,0) (0,1) (1,0) (1,1).
    const TILES: Self = Self { pitch: 16, lower: 512, right: 256 };

    fn rows(pitch: usize) -> Self {
        Self { pitch, lower: 16 * pitch, right: 16 }
    }

    fn reach(self) -> usize {
        self.lower + self.right + 15 * self.pitch + 16
    }
}

/// A thread ready to multiply tiles.
pub enum Tiles {
    /// AMX registers, released on drop.
    Amx(amx::Configured),
    /// AVX-512 BF16.
    Avx512(avx512::Present),
}

impl Tiles {
    /// For a unit of tiles.
    ///
    /// # Panics
    /// When the CPU does not have the unit, or it has no tiles.
    pub fn of(unit: Unit) -> Self {
        match unit {
            Unit::AmxBf16 => Self::Amx(amx::Configured::new()),
            Unit::Avx512Bf16 => Self::Avx512(avx512::Present::check()),
            Unit::F32 => unreachable!("f32 products are not made of tiles"),
        }
    }

    /// Runs the steps and leaves the four f32 tiles in `c`; with `accumulate` they start from what `c` holds. Where both row
    /// tiles of `a` are the same, the lower outputs may be anything.
    pub fn block(&self, steps: &[Step], a: Operand<'_>, b: Operand<'_>, c: &mut [f32], accumulate: bool) {
        let reach = |of: fn(&Step) -> usize| steps.iter().map(of).max().unwrap_or(0);
        assert!(a.holds(reach(|s| s.a)) && b.holds(reach(|s| s.b)), "tile operand out of range");
        assert!(!steps.is_empty() && c.len() >= BLOCK, "tile output out of range");
        // SAFETY: the assertions keep every tile row inside the operands and the four tiles inside `c`.
        unsafe { self.run(steps, a, b, c.as_mut_ptr(), Target::TILES, accumulate) }
    }

    /// As [`Tiles::block`], with the 32 x 32 outputs at row pitch `pitch` (elements) from `first` on in `out`.
    #[allow(clippy::too_many_arguments, reason = "two operands and a strided output")]
    pub fn block_to(
        &self,
        path: &Path,
        a: Operand<'_>,
        b: Operand<'_>,
        out: &mut [f32],
        first: usize,
        pitch: usize,
        accumulate: bool,
    ) {
        let target = Target::rows(pitch);
        assert!(a.holds(path.reach_a) && b.holds(path.reach_b), "tile operand out of range");
        assert!(!path.steps.is_empty() && first + target.reach() <= out.len(), "tile output out of range");
        // SAFETY: the assertions keep every tile row inside the operands and the 32 rows of 32 outputs inside `out`.
        unsafe { self.run(&path.steps, a, b, out.as_mut_ptr().add(first), target, accumulate) }
    }

    /// `out (m, n) = left (m, k) · right (k / 2, n)`, or `out +=` with `add`: `left` are rows of bf16 bits, `right` pairs of inner
    /// values, the first of a pair in the lower half.
    ///
    /// # Panics
    /// When a slice is shorter than the sizes say, or a size is no positive multiple of 32.
    pub fn multiply(&self, left: &[u16], right: &[u32], (m, n, k): (usize, usize, usize), out: &mut [f32], add: bool) {
        assert!([m, n, k].iter().all(|size| *size > 0 && size.is_multiple_of(32)), "{m} x {k} x {n} in tiles");
        let path = Path::even(k / 32, Step { a: 64, b: 64 * n });
        let right: &[u16] = bytemuck::cast_slice(right);
        for column in (0..n).step_by(32) {
            let b = Operand { data: right, first: 2 * column, second: 2 * (column + 16), pitch: 4 * n };
            for row in (0..m).step_by(32) {
                let a = Operand { data: left, first: row * k, second: (row + 16) * k, pitch: 2 * k };
                self.block_to(&path, a, b, out, row * n + column, n, add);
            }
        }
    }

    /// # Safety
    /// There is a step; every tile row that the steps address lies inside its operand, every output of the target behind `c`.
    #[inline]
    unsafe fn run(&self, steps: &[Step], a: Operand<'_>, b: Operand<'_>, c: *mut f32, to: Target, accumulate: bool) {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Self::Amx(unit) => unit.run(steps, a, b, c, to, accumulate),
                Self::Avx512(unit) => unit.run(steps, a, b, c, to, accumulate),
            }
        }
    }
}

/// Multiplies blocks `times` times from the first-level cache, on the calling thread; returns the number of operations, two
/// for each multiply-add.
///
/// # Panics
/// As [`Tiles::of`].
pub fn multiply_tiles(unit: Unit, times: usize) -> usize {
    const STEPS: usize = 4;
    let tiles = Tiles::of(unit);
    let path = Path::even(STEPS, Step { a: TILE * 2, b: TILE * 2 });
    let ones = vec![0x3f80_u16; 2 * STEPS * TILE];
    let operand = Operand { data: &ones, first: 0, second: STEPS * TILE, pitch: 64 };
    let mut out = [0.0; BLOCK];
    for _ in 0..times {
        tiles.block_to(&path, operand, operand, &mut out, 0, 32, false);
        std::hint::black_box(&out);
    }
    times * STEPS * 2 * 32 * 32 * 32
}

/// Transposes a 16 x 16 block of 32-bit values: `to[c * 16 + r] = from[r * 16 + c]`.
pub fn transpose16(from: &[u32; 256], to: &mut [u32; 256]) {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx512f") {
        // SAFETY: AVX-512F is present.
        unsafe { avx512::transpose16(from, to) }
        return;
    }
    transpose16_plain(from, to);
}

/// The transpose of `(rows, columns)`, both multiples of 16.
///
/// # Panics
/// When a slice is shorter than the sizes say, or a size is no multiple of 16.
pub fn transpose(from: &[u32], (rows, columns): (usize, usize), to: &mut [u32]) {
    assert!(rows.is_multiple_of(16) && columns.is_multiple_of(16), "{rows} x {columns} in squares of 16");
    let (mut square, mut turned) = ([0; 256], [0; 256]);
    for row in (0..rows).step_by(16) {
        for column in (0..columns).step_by(16) {
            for (i, to) in square.as_chunks_mut::<16>().0.iter_mut().enumerate() {
                to.copy_from_slice(&from[(row + i) * columns + column..][..16]);
            }
            transpose16(&square, &mut turned);
            for (i, from) in turned.as_chunks::<16>().0.iter().enumerate() {
                to[(column + i) * rows + row..][..16].copy_from_slice(from);
            }
        }
    }
}

fn transpose16_plain(from: &[u32; 256], to: &mut [u32; 256]) {
    for r in 0..16 {
        for c in 0..16 {
            to[c * 16 + r] = from[r * 16 + c];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::convert::bf16;

    #[test]
    fn transposing_moves_every_element() {
        let from: [u32; 256] = std::array::from_fn(|i| i as u32 * 7 + 1);
        let (mut fast, mut plain) = ([0; 256], [0; 256]);
        transpose16(&from, &mut fast);
        transpose16_plain(&from, &mut plain);
        assert_eq!(fast, plain);
        let (rows, columns) = (32, 48);
        let from: Vec<u32> = (0..rows * columns).map(|i| i as u32).collect();
        let mut to = vec![0; rows * columns];
        transpose(&from, (rows, columns), &mut to);
        assert!((0..rows * columns).all(|i| to[i % columns * rows + i / columns] == from[i]));
    }

    #[test]
    fn products_of_tiles_are_sums_of_pairs() {
        let (m, n, k) = (64, 96, 64);
        let value = |i: usize| bf16((i * 37 % 101) as f32 / 64.0 - 0.7);
        let exact = |half: u16| f64::from(f32::from_bits(u32::from(half) << 16));
        let left: Vec<u16> = (0..m * k).map(value).collect();
        let at = |inner: usize, column: usize| value(1000 + inner * n + column);
        let pair = |i: usize| {
            let [low, high] = [0, 1].map(|odd| u32::from(at(i / n * 2 + odd, i % n)));
            low | (high << 16)
        };
        let right: Vec<u32> = (0..k / 2 * n).map(pair).collect();
        for unit in [Unit::AmxBf16, Unit::Avx512Bf16].into_iter().filter(|unit| unit.is_present()) {
            let mut out = vec![1.0; m * n];
            Tiles::of(unit).multiply(&left, &right, (m, n, k), &mut out, true);
            for (i, got) in out.iter().enumerate() {
                let terms = (0..k).map(|inner| exact(left[i / n * k + inner]) * exact(at(inner, i % n)));
                let want = 1.0 + terms.sum::<f64>();
                assert!((f64::from(*got) - want).abs() < 1e-5 * k as f64, "{} {i}: {got}, not {want}", unit.name());
            }
        }
    }
}
