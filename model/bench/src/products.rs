//! bf16 products beside PyTorch's.

use rhea_nn::kernels::{Arithmetic, Format, Packed, arithmetic, product};

use crate::error::BenchError;
use crate::pairs::{Row, alternate, timed};
use crate::torch::{NAME, Torch};

/// Products of one timed round.
const TIMES: usize = 10;
/// Outputs and inner values.
const SIDE: usize = 2048;

/// `m` rows times weights of 2048 x 2048, beside PyTorch: GFLOP/s. Our side's check is the one beside candle.
///
/// # Errors
/// What PyTorch says.
pub fn gemm_bf16(m: usize, torch: &mut Torch) -> Result<Row, BenchError> {
    let wave = |count: usize| (0..count).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<f32>>();
    let (x, w) = (wave(m * SIDE), wave(SIDE * SIDE));
    let packed = Packed::for_decoding(Arithmetic { format: Format::Bf16, ..arithmetic() }, &w, SIDE, SIDE);
    let mut out = vec![0.0; m * SIDE];
    let ours = timed(|| {
        (0..TIMES).for_each(|_| product(&x, m, &packed, None, &mut out));
        Ok::<(), BenchError>(())
    });
    let mut ours = ours;
    let each = || ours().map(|secs| secs / TIMES as f64);
    let times = alternate(NAME, each, || torch.product((m, SIDE, SIDE), TIMES))?;
    let flop = 2.0 * (m * SIDE * SIDE) as f64;
    Ok(Row::new(&format!("gemm_bf16_m{m}"), "GFLOP/s", times, |secs| flop / secs / 1e9))
}
