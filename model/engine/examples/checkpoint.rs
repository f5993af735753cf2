//! Makes a synthetic checkpoint of the published layout, opens it, reads a few tokens, and says what that took.
//!
//! ```sh
//! cargo run --release -p rhea-engine --example checkpoint -- DIR GIB
//! ```
#![allow(clippy::unwrap_used, reason = "an example")]

use std::time::Instant;

use rhea_engine::Bytes;
use rhea_engine::synthetic::{Synthetic, VISUAL_START};
use rhea_nn::transformer::{Half, Loading, Transformer, TransformerConfig, WeightForm};
use rhea_nn::weights::Weights;

/// Anonymous and mapped resident memory in bytes.
fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    (field("RssAnon:"), field("RssFile:"))
}

fn main() {
    let mut args = std::env::args().skip(1);
    let gib = |text: String| text.parse::<f64>().ok().filter(|gib| (0.01..=64.0).contains(gib));
    let (Some(dir), Some(gib)) = (args.next().map(std::path::PathBuf::from), args.next().and_then(gib)) else {
        eprintln!("usage: checkpoint DIR GIB; DIR is made where it is missing, GIB is 0.01 to 64");
        std::process::exit(2);
    };
    if !dir.join("config.json").exists() {
        let begun = Instant::now();
        let written = Synthetic::new((gib * f64::from(1 << 30)) as u64, 4).unwrap().write(&dir).unwrap();
        println!("made {written:?} in {:.1} s", begun.elapsed().as_secs_f64());
    }
    for form in ["stored", "q8_0", "q4_k"].map(|name| WeightForm::named(name).unwrap()) {
        let before = resident();
        let begun = Instant::now();
        let config = TransformerConfig::from_json(&std::fs::read_to_string(dir.join("config.json")).unwrap()).unwrap();
        let weights = Weights::open_folder(&dir).unwrap();
        let loading = Loading { form, positions: 9216 };
        let model = Transformer::from_weights(config, &weights, VISUAL_START, loading).unwrap();
        let opened = begun.elapsed().as_secs_f64();
        let after = resident();
        let (own, mapped) = model.weight_bytes();
        println!(
            "{}: opened {} in {opened:.2} s; memory of its own +{}, weights {} held and {} mapped",
            form.name(),
            Bytes(weights.bytes()),
            Bytes(after.0.saturating_sub(before.0)),
            Bytes(own),
            Bytes(mapped),
        );
        let mut store = model.new_store(1024).unwrap();
        let mut branch = store.branch();
        let mut times = Vec::new();
        for id in 0..6 {
            let begun = Instant::now();
            model.extend(&mut store, &mut [(&mut branch, &[151_854 + id])]).unwrap();
            assert!(model.last_logits(&mut store, Half::Visual).unwrap()[0].is_finite());
            times.push(begun.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        println!(
            "  a token: {:.3} s (median of 6); resident of its own {}, of files {}",
            times[3],
            Bytes(resident().0),
            Bytes(resident().1)
        );
    }
}
