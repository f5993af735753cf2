//! The vector operations that panel kernels are written over, and their portable form.
//!
//! A kernel is one piece of generic code; an instruction set is one implementation of [`Lanes`] and one function in
//! `panels/run.rs` that compiles the kernels with its features.
//!
//! int8 sums pairs of 16-bit values. The instructions that sum four of 8 bits want the left operand in 8 bits too: VNNI's would do
//! two sums in the time that one of pairs takes; AMX's are faster, and `int_tiles.rs` does two with them.
#![allow(unsafe_code, reason = "vector instructions and pointers behind one contract")]

/// Operations on the sixteen columns of a panel.
///
/// # Safety
/// Every function needs a CPU with the implementation's instructions, and pointers to as many values as it names.
pub trait Lanes {
    /// Sixteen f32.
    type Float: Copy;
    /// Sixteen i32.
    type Int: Copy;
    /// Sixteen pairs of i16.
    type Pairs: Copy;
    /// Registers enough for tiles of several rows and several panels? A processor with two multiply-adds a cycle of four
    /// cycles each wants eight sums that do not wait for each other.
    const MANY_REGISTERS: bool;

    /// Asks for the cache line of an address that is read soon. Any address will do.
    unsafe fn prefetch(_: *const u8) {}
    /// Zeros.
    unsafe fn zero() -> Self::Float;
    /// One value in all columns.
    unsafe fn splat(value: f32) -> Self::Float;
    /// Reads 16 values.
    unsafe fn load(from: *const f32) -> Self::Float;
    /// Writes 16 values.
    unsafe fn store(value: Self::Float, to: *mut f32);
    /// Reads the first values of 16 pairs of bf16.
    unsafe fn even(from: *const u16) -> Self::Float;
    /// Reads the second values of 16 pairs of bf16.
    unsafe fn odd(from: *const u16) -> Self::Float;
    /// `x * w + sum`.
    unsafe fn multiply_add(x: Self::Float, w: Self::Float, sum: Self::Float) -> Self::Float;
    /// The sum of all columns, halves first.
    unsafe fn sum(value: Self::Float) -> f32;
    /// Zeros.
    unsafe fn zero_int() -> Self::Int;
    /// Reads 16 pairs of i8.
    unsafe fn widen(from: *const i8) -> Self::Pairs;
    /// `x[0] * w[0] + x[1] * w[1] + sum` with one pair `x` for all columns; exact.
    unsafe fn dot_pairs(x: *const i16, w: Self::Pairs, sum: Self::Int) -> Self::Int;
    /// `sum * x_scale * w_scale + total`.
    unsafe fn scale_add(sum: Self::Int, x_scale: f32, w_scale: Self::Float, total: Self::Float) -> Self::Float;
}

/// [`Lanes`] in plain Rust, for the compiler to vectorise with what the target has.
pub struct Portable;

impl Lanes for Portable {
    type Float = [f32; 16];
    type Int = [i32; 16];
    type Pairs = [[i16; 2]; 16];
    const MANY_REGISTERS: bool = false;

    #[inline(always)]
    unsafe fn zero() -> [f32; 16] {
        [0.0; 16]
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> [f32; 16] {
        [value; 16]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; 16] {
        // SAFETY: the caller points at 16 values; an array of f32 has no stricter alignment than an f32.
        unsafe { *from.cast() }
    }

    #[inline(always)]
    unsafe fn store(value: [f32; 16], to: *mut f32) {
        // SAFETY: as in `load`.
        unsafe { *to.cast() = value }
    }

    #[inline(always)]
    unsafe fn even(from: *const u16) -> [f32; 16] {
        // SAFETY: the caller points at 16 pairs.
        let pairs: [[u16; 2]; 16] = unsafe { *from.cast() };
        pairs.map(|pair| f32::from_bits(u32::from(pair[0]) << 16))
    }

    #[inline(always)]
    unsafe fn odd(from: *const u16) -> [f32; 16] {
        // SAFETY: the caller points at 16 pairs.
        let pairs: [[u16; 2]; 16] = unsafe { *from.cast() };
        pairs.map(|pair| f32::from_bits(u32::from(pair[1]) << 16))
    }

    #[inline(always)]
    unsafe fn multiply_add(x: [f32; 16], w: [f32; 16], sum: [f32; 16]) -> [f32; 16] {
        // Two roundings: a fused operation would be a call where the target has no such instruction.
        std::array::from_fn(|i| x[i] * w[i] + sum[i])
    }

    #[inline(always)]
    unsafe fn sum(value: [f32; 16]) -> f32 {
        let mut value = value;
        for width in [8, 4, 2, 1] {
            for i in 0..width {
                value[i] += value[i + width];
            }
        }
        value[0]
    }

    #[inline(always)]
    unsafe fn zero_int() -> [i32; 16] {
        [0; 16]
    }

    #[inline(always)]
    unsafe fn widen(from: *const i8) -> [[i16; 2]; 16] {
        // SAFETY: the caller points at 16 pairs.
        let pairs: [[i8; 2]; 16] = unsafe { *from.cast() };
        pairs.map(|pair| pair.map(i16::from))
    }

    #[inline(always)]
    unsafe fn dot_pairs(x: *const i16, w: [[i16; 2]; 16], sum: [i32; 16]) -> [i32; 16] {
        // SAFETY: the caller points at two values.
        let x = unsafe { *x.cast::<[i16; 2]>() }.map(i32::from);
        std::array::from_fn(|i| x[0] * i32::from(w[i][0]) + x[1] * i32::from(w[i][1]) + sum[i])
    }

    #[inline(always)]
    unsafe fn scale_add(sum: [i32; 16], x_scale: f32, w_scale: [f32; 16], total: [f32; 16]) -> [f32; 16] {
        std::array::from_fn(|i| sum[i] as f32 * x_scale * w_scale[i] + total[i])
    }
}
