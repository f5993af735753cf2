//! `rhea bench kernels`: matrix products beside candle's and beside what this machine can do at all.
//!
//! Every product first passes a gate: its result must differ from candle's f32 result by no more than rounding explains.
//! Then both run in alternating pairs; the table shows medians.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use rhea_bench::Row;
use rhea_nn::kernels::measure::{self, Case, Limits, Timing};
use rhea_nn::kernels::{Arithmetic, Format};

use crate::cli::BenchKernelsArgs;
use crate::fault::WithHint as _;
use crate::say::say;

/// Weights `(n, k)`: a projection, the two sides of a feed-forward layer, and a large square.
const SHAPES: [(usize, usize); 4] = [(512, 512), (2048, 512), (512, 2048), (2048, 2048)];
/// Rows: one token, a guidance pair, a small batch, a picture's canvas, a prompt, a training-sized block.
const ROWS: [usize; 6] = [1, 2, 8, 64, 256, 1024];
/// The shape whose numbers go into the JSON list under names without a shape.
const NAMED_SHAPE: (usize, usize) = (2048, 2048);
/// The peer of every row.
const PEER: &str = "candle f32 matmul";

/// Runs the measurement.
///
/// # Errors
/// When a product fails its gate, or the JSON file cannot be written.
pub fn run(args: &BenchKernelsArgs) -> Result<ExitCode> {
    let arithmetic = rhea_nn::kernels::arithmetic();
    let limits = measure::limits(arithmetic);
    print_limits(&limits, arithmetic);
    let mut rows = Vec::new();
    for format in Format::ALL {
        say!();
        say!("{} weights          ours  GFLOP/s     GB/s    candle  ratio  of floor", format.name());
        for (n, k) in SHAPES {
            let mut one_row_secs = None;
            for m in ROWS {
                let case = Case { format, m, n, k };
                let (row, timing) = measured(case, args.pairs as usize, &limits)?;
                print_row(case, &timing, &row);
                if m == 1 {
                    one_row_secs = Some(timing.ours_secs);
                } else if let (2, Some(one)) = (m, one_row_secs) {
                    say!("                        two rows cost {:.2} times one", timing.ours_secs / one);
                }
                rows.push(row);
            }
        }
    }
    if let Some(path) = &args.json {
        write_json(&rows, path)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A product of the shape whose numbers have names without a shape.
///
/// # Errors
/// When it fails its gate.
pub fn named(format: Format, m: usize, pairs: usize, limits: &Limits) -> Result<Row> {
    let (n, k) = NAMED_SHAPE;
    measured(Case { format, m, n, k }, pairs, limits).map(|(row, _)| row)
}

fn measured(case: Case, pairs: usize, limits: &Limits) -> Result<(Row, Timing)> {
    let Case { format, m, n, k } = case;
    let arithmetic = rhea_nn::kernels::arithmetic();
    let timing = measure::compare(arithmetic, case, pairs).context("measuring the peer")?;
    if timing.difference.is_nan() || timing.difference > case.allowed_difference() {
        let (got, allowed) = (timing.difference, case.allowed_difference());
        bail!("{m} x {k} x {n} in {} differs from f32 by {got:.2e}; {allowed:.0e} is allowed", format.name());
    }
    Ok((row(case, &timing, limits), timing))
}

/// Says what the machine can do.
pub fn print_limits(limits: &Limits, arithmetic: Arithmetic) {
    let Limits { threads, read_gb_s, f32_gflop_s, bf16_gflop_s, int8_gop_s } = limits;
    say!("kernels {} and {} on {threads} threads", arithmetic.unit.name(), arithmetic.isa.name());
    say!("memory read             {:6.1} GB/s one thread, {:6.1} GB/s all", read_gb_s[0], read_gb_s[1]);
    for (what, rate) in [
        ("f32 multiply-add        ", f32_gflop_s),
        ("bf16 multiply-add       ", bf16_gflop_s),
        ("int8 as 16-bit pairs    ", int8_gop_s),
    ] {
        say!("{what}{:6.1} Gop/s one thread, {:6.1} Gop/s all", rate[0], rate[1]);
    }
}

fn print_row(case: Case, timing: &Timing, row: &Row) {
    let Case { m, n, k, .. } = case;
    let size = format!("{m} x {k} x {n}");
    let gflop_s = case.flop() / timing.ours_secs / 1e9;
    let gb_s = timing.bytes as f64 / timing.ours_secs / 1e9;
    let (ours, peer) = (micros(timing.ours_secs), micros(timing.peer_secs));
    let share = row.floor_share.unwrap_or(f64::NAN);
    say!("{size:18} {ours:>10} {gflop_s:8.1} {gb_s:8.1} {peer:>9} {:6.2} {:8.0} %", timing.ratio, share * 100.0);
}

fn micros(secs: f64) -> String {
    format!("{:.0} us", secs * 1e6)
}

fn row(case: Case, timing: &Timing, limits: &Limits) -> Row {
    let Case { format, m, n, k } = case;
    // Few rows are a matter of bytes, many of multiplications.
    let few = m <= 2;
    let amount = if few { timing.bytes as f64 } else { case.flop() };
    let kind = if few { "gemv" } else { "gemm" };
    let mut name = format!("{kind}_{}_m{m}", format.name());
    if (n, k) != NAMED_SHAPE {
        name += &format!("_n{n}_k{k}");
    }
    Row {
        name,
        ours: amount / timing.ours_secs / 1e9,
        // The same work at the peer's time: its own weights are f32.
        peer: Some(amount / timing.peer_secs / 1e9),
        peer_name: PEER,
        ratio: Some(timing.ratio),
        unit: if few { "GB/s" } else { "GFLOP/s" },
        floor_share: Some(case.floor_secs(limits, timing.bytes) / timing.ours_secs),
    }
}

fn write_json(rows: &[Row], path: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(rows).context("writing the numbers as JSON")?;
    std::fs::write(path, text + "\n")
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
        .hint("Choose another file with --json.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_the_promised_names() {
        let limits = Limits {
            threads: 2,
            read_gb_s: [10.0, 20.0],
            f32_gflop_s: [50.0, 100.0],
            bf16_gflop_s: [50.0, 100.0],
            int8_gop_s: [50.0, 100.0],
        };
        let timing = Timing { ours_secs: 1e-3, peer_secs: 2e-3, ratio: 2.0, bytes: 4_000_000, difference: 0.0 };
        let (n, k) = NAMED_SHAPE;
        assert!(SHAPES.contains(&NAMED_SHAPE));
        let named = |format, m| row(Case { format, m, n, k }, &timing, &limits);
        let names: Vec<String> = [(Format::Bf16, 256), (Format::Bf16, 1024), (Format::Int8, 1), (Format::Int8, 2)]
            .map(|(format, m)| named(format, m).name)
            .to_vec();
        assert_eq!(names, ["gemm_bf16_m256", "gemm_bf16_m1024", "gemv_int8_m1", "gemv_int8_m2"]);
        let one = named(Format::Int8, 1);
        assert_eq!((one.ours, one.peer, one.unit), (4.0, Some(2.0), "GB/s"));
        assert!((one.floor_share.unwrap_or_default() - 0.2).abs() < 1e-9);
        let other = row(Case { format: Format::F32, m: 8, n: 512, k: 512 }, &timing, &limits);
        assert_eq!((other.name.as_str(), other.unit), ("gemm_f32_m8_n512_k512", "GFLOP/s"));
    }
}
