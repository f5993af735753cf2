//! Rhea and stock candle compute the same thing.
#![cfg(feature = "peers")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[test]
fn all_measurements_pass_their_checks() {
    let mut rows = rhea_bench::decode_30m().unwrap();
    rows.extend(rhea_bench::denoise_256().unwrap());
    rows.push(rhea_bench::train_samples().unwrap());
    for row in rows {
        println!("{row:?}");
        assert!(row.ours > 0.0 && row.peer.unwrap() > 0.0 && row.ratio.unwrap() > 0.0, "{row:?}");
    }
}
