//! `rhea models capacity`: floors of time and memory of a model on cards, as the tables of the guide's page on capacity.
//!
//! Everything here is computed; nothing is measured.

use std::process::ExitCode;

use anyhow::Result;
use rhea_engine::capacity::{Capacity, Card, Load, Placement};
use rhea_engine::limits::CONFIG_BYTES;
use rhea_nn::transformer::TransformerConfig;

use crate::cli::ModelArgs;
use crate::fault::{Fault, WithHint as _};
use crate::place;
use crate::say::say;

/// Passes over a canvas that a picture is said to take: what the published scheduler of discrete flows uses.
const PASSES: f64 = 25.0;
/// Contexts of the memory tables, tokens.
const CONTEXTS: [u32; 4] = [2_048, 8_192, 16_384, 32_768];
/// Bytes of a GiB.
const GIB: f64 = (1u64 << 30) as f64;
/// Bytes of a value of keys and values on cards: bf16.
const KV_BYTES: f64 = 2.0;
/// Placements of the tables.
const PLACEMENTS: [Placement; 7] = [
    Placement::Tensor(1),
    Placement::Tensor(4),
    Placement::Guidance(4),
    Placement::Layers(4),
    Placement::Tensor(8),
    Placement::Guidance(8),
    Placement::Layers(8),
];

/// Prints the tables, of the published Emu3.5 unless a model is named.
///
/// # Errors
/// A model folder that cannot be read.
pub fn run(model: &ModelArgs, context: u32) -> Result<ExitCode> {
    let of = |weight_bytes: f64| -> Result<Capacity> {
        if model.model.is_none() {
            return Ok(Capacity::published(weight_bytes, KV_BYTES));
        }
        let folder = place::model_folder(model.model.as_deref())?;
        let path = folder.join("config.json");
        let hint = "`rhea models verify DIR` says more.";
        let length = std::fs::metadata(&path).hint(hint)?.len();
        if length > CONFIG_BYTES {
            let what = format!("{}: {length} bytes; up to {CONFIG_BYTES} are allowed", path.display());
            return Err(Fault::new(what, hint).into());
        }
        let config = TransformerConfig::from_json(&std::fs::read_to_string(&path).hint(hint)?).hint(hint)?;
        // Without the vocabulary's files it is not known where visual ids begin; the whole head is the careful assumption.
        Ok(Capacity::new(&config, 0, weight_bytes, KV_BYTES))
    };
    let (bf16, fp8) = (of(2.0)?, of(1.0)?);
    for table in tables(&bf16, &fp8, context) {
        say!("{table}");
    }
    Ok(ExitCode::SUCCESS)
}

/// All tables, as Markdown.
fn tables(bf16: &Capacity, fp8: &Capacity, context: u32) -> Vec<String> {
    vec![
        weights(bf16, fp8, context),
        branches(bf16),
        next_token(bf16, fp8, context),
        canvas(bf16, context),
        fleet(bf16, fp8, context),
    ]
}

fn table(title: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let rule = vec!["---".to_owned(); head.len()];
    let rows = rows.iter().map(|row| line(row)).collect::<String>();
    format!("{title}\n\n{}{}{rows}", line(&head), line(&rule))
}

fn gib(bytes: f64) -> String {
    format!("{:.1}", bytes / GIB)
}

/// Does it fit, with a tenth of the card left for buffers and the driver?
fn fits(model: &Capacity, card: &Card, placement: Placement, load: &Load) -> bool {
    model.card_weights(placement) + model.card_kv(placement, load) <= 0.9 * card.bytes
}

fn weights(bf16: &Capacity, fp8: &Capacity, context: u32) -> String {
    let load = Load::picture(1024, context);
    let row = |placement: &Placement| {
        let fitting = |model: &Capacity| {
            let cards = Card::ALL.into_iter().filter(|card| fits(model, card, *placement, &load));
            let names: Vec<&str> = cards.map(|card| card.name).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        vec![
            format!("{} on {}", placement.name(), placement.cards()),
            gib(bf16.card_weights(*placement)),
            gib(fp8.card_weights(*placement)),
            gib(bf16.card_kv(*placement, &load)),
            fitting(bf16),
            fitting(fp8),
        ]
    };
    let title = format!(
        "GiB on each card, with guidance, {context} tokens of context and a picture of 1024 px (computed; the embedding, {} GiB in bf16, \
        stays in the machine's memory):",
        gib(bf16.embedding_bytes())
    );
    let head = ["plan and cards", "weights bf16", "weights fp8", "keys and values bf16", "bf16 fits", "fp8 fits"];
    table(&title, &head, &PLACEMENTS.iter().map(row).collect::<Vec<_>>())
}

fn branches(bf16: &Capacity) -> String {
    let row = |context: &u32| {
        let of = |branches: u32| gib(f64::from(branches) * f64::from(*context) * bf16.token_bytes());
        let in_f32 = gib(2.0 * f64::from(*context) * bf16.token_bytes() * 2.0);
        vec![context.to_string(), of(1), of(2), of(3), of(8), in_f32]
    };
    let title = format!(
        "GiB of keys and values in all, {:.0} KiB a token and branch in bf16 (computed; branches that share their beginning share its \
        pages, so this is the most):",
        bf16.token_bytes() / 1024.0
    );
    let head =
        ["tokens", "1 branch", "2 (guidance)", "3 (by pictures)", "8 (world branches)", "2, f32 on the processor"];
    table(&title, &head, &CONTEXTS.iter().map(row).collect::<Vec<_>>())
}

fn next_token(bf16: &Capacity, fp8: &Capacity, context: u32) -> String {
    let mut rows = Vec::new();
    for card in Card::ALL {
        for placement in PLACEMENTS {
            let (small, large) = (Load::picture(512, context), Load::picture(1024, context));
            if !fits(bf16, &card, placement, &large) && !fits(fp8, &card, placement, &large) {
                continue;
            }
            let ms = |model: &Capacity| {
                let ms = 1e3 * model.next_token_secs(&card, placement, &small);
                if fits(model, &card, placement, &small) { format!("{ms:.2}") } else { "does not fit".to_owned() }
            };
            let secs = |model: &Capacity, load: &Load| {
                let secs = model.picture_secs(&card, placement, load);
                if fits(model, &card, placement, load) { format!("{secs:.1}") } else { "-".to_owned() }
            };
            rows.push(vec![
                format!("{} x {}", placement.cards(), card.name),
                placement.name(),
                ms(bf16),
                // fp8 is not among the number forms of A100 cards; there it saves reading and nothing else.
                ms(fp8),
                secs(bf16, &small),
                secs(bf16, &large),
                secs(fp8, &large),
            ]);
        }
    }
    let title = format!(
        "Floor of a next-token step with guidance, milliseconds, and of a picture, seconds, after {context} tokens of context (computed):"
    );
    let head = ["cards", "plan", "ms, bf16", "ms, fp8", "512 px, bf16", "1024 px, bf16", "1024 px, fp8"];
    table(&title, &head, &rows)
}

fn canvas(bf16: &Capacity, context: u32) -> String {
    let mut rows = Vec::new();
    for card in Card::ALL {
        for placement in PLACEMENTS.into_iter().filter(|placement| !matches!(placement, Placement::Layers(_))) {
            let (small, large) = (Load::picture(512, context), Load::picture(1024, context));
            if !fits(bf16, &card, placement, &large) {
                continue;
            }
            let (a, b) = (bf16.canvas_secs(&card, placement, &small), bf16.canvas_secs(&card, placement, &large));
            rows.push(vec![
                format!("{} x {}", placement.cards(), card.name),
                placement.name(),
                format!("{:.0}", 1e3 * a),
                format!("{:.0}", 1e3 * b),
                format!("{:.1}", PASSES * a),
                format!("{:.1}", PASSES * b),
            ]);
        }
    }
    let title = format!(
        "Floor of a pass over a canvas with guidance, milliseconds, and of a picture of {PASSES} passes, seconds, bf16, after {context} \
        tokens of context (computed):"
    );
    let head = ["cards", "plan", "pass 512 px", "pass 1024 px", "512 px", "1024 px"];
    table(&title, &head, &rows)
}

/// Eight cards for as many pictures as they can make.
fn fleet(bf16: &Capacity, fp8: &Capacity, context: u32) -> String {
    let card = Card::H200;
    let mut rows = Vec::new();
    for (model, form) in [(bf16, "bf16"), (fp8, "fp8")] {
        for (placement, copies) in [
            (Placement::Tensor(1), 8),
            (Placement::Tensor(4), 2),
            (Placement::Tensor(8), 1),
            (Placement::Guidance(8), 1),
        ] {
            for pictures in [1, 8] {
                let load = Load { pictures, ..Load::picture(512, context) };
                if !fits(model, &card, placement, &load) {
                    continue;
                }
                let secs = model.picture_secs(&card, placement, &load);
                let canvas = PASSES * model.canvas_secs(&card, placement, &load);
                let an_hour = |secs: f64| format!("{:.0}", 3600.0 * f64::from(copies * pictures) / secs);
                rows.push(vec![
                    format!("{copies} x {}", placement.name()),
                    form.to_owned(),
                    pictures.to_string(),
                    format!("{secs:.1}"),
                    an_hour(secs),
                    an_hour(canvas),
                ]);
            }
        }
    }
    let title = format!(
        "Eight {} cards, pictures of 512 px with guidance after {context} tokens of context, ceilings (computed; canvases in bf16 \
        arithmetic, {PASSES} passes):",
        card.name
    );
    let head = [
        "copies x plan",
        "weights",
        "at once in each",
        "s each, token by token",
        "an hour, token by token",
        "an hour, canvas",
    ];
    table(&title, &head, &rows)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// The page of the guide has these tables, to the letter.
    #[test]
    fn the_guides_page_has_what_the_command_prints() {
        let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/src/capacity.md");
        let page = std::fs::read_to_string(page).unwrap();
        let all = tables(&Capacity::published(2.0, KV_BYTES), &Capacity::published(1.0, KV_BYTES), 8_192);
        for table in all {
            assert!(page.contains(&table), "`rhea models capacity` prints another table now:\n{table}");
        }
    }
}
