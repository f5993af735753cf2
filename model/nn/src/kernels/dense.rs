//! f32 products of row-major or transposed operands through the `gemm` crate: what training uses where there are no tiles.

/// f32 product through the `gemm` crate; strides are (row, column) in elements.
#[allow(unsafe_code, reason = "the gemm crate takes raw pointers; the lengths are checked here")]
pub(super) fn gemm_f32(
    m: usize,
    n: usize,
    k: usize,
    a: &[f32],
    a_strides: (usize, usize),
    b: &[f32],
    b_strides: (usize, usize),
    out: &mut [f32],
) {
    if m == 0 || n == 0 {
        return;
    }
    let last = |rows: usize, columns: usize, s: (usize, usize)| (rows - 1) * s.0 + (columns - 1) * s.1;
    assert!(out.len() >= m * n);
    if k == 0 {
        out[..m * n].fill(0.0);
        return;
    }
    assert!(last(m, k, a_strides) < a.len() && last(k, n, b_strides) < b.len(), "gemm operand out of range");
    let threads = rayon::current_num_threads();
    let parallelism =
        if threads > 1 && m * n * k > 1 << 18 { gemm::Parallelism::Rayon(threads) } else { gemm::Parallelism::None };
    // SAFETY: the assertions above keep every element that the sizes and strides address inside the slices.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.as_ptr(),
            a_strides.1 as isize,
            a_strides.0 as isize,
            b.as_ptr(),
            b_strides.1 as isize,
            b_strides.0 as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}
