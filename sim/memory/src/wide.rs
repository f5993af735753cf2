//! Loops in the widest vector instructions that the processor has.
//!
//! Invariant: results are the same to the bit on every processor; nothing here may reorder or fuse sums.

/// Runs `work` compiled for AVX2 where there is AVX2. What it calls must be inlined into it to gain anything.
#[multiversion::multiversion(targets("x86_64+avx2"))]
pub(crate) fn wide<R, F: FnOnce() -> R>(work: F) -> R {
    work()
}
