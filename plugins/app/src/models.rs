//! `rhea models`: which models are at hand, whether a folder is whole, and where a published one is. Nothing is downloaded.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use rhea_engine::OpenOptions;
use rhea_engine::limits::CONFIG_BYTES;
use rhea_engine::spread::devices_found;
use rhea_nn::transformer::{Layout, TransformerConfig, WeightForm};
use rhea_nn::vision::{VisionConfig, check_folder};
use rhea_nn::weights::Weights;
use rhea_tokens::TextTokenizer;

use crate::cli::ModelsWhat;
use crate::hub::{Hub, ModelName, PUBLISHED};
use crate::say::say;
use crate::{fault, place};

/// Bytes of a gigabyte, as the pages of published models count it.
const GB: f64 = 1e9;

/// Does what the arguments say.
///
/// # Errors
/// When a name is none, or a model was not fetched.
pub fn run(what: &ModelsWhat) -> Result<ExitCode> {
    match what {
        ModelsWhat::List => list(),
        ModelsWhat::Capacity { model, context } => crate::capacity::run(model, *context),
        ModelsWhat::Verify { folder } => Ok(verify(folder)),
        ModelsWhat::Plan { folder, spread, quant, context, branches } => {
            let folder = place::model_folder(folder.as_deref())?;
            let form = quant.as_deref().and_then(WeightForm::named);
            let (vision, branches) = (Some(place::vision_folder(&folder)?), usize::from(*branches));
            let options = OpenOptions { form, context: *context, branches, vision, ..OpenOptions::default() };
            spread.choice()?.checked(&folder, &options, &devices_found())?;
            say!("It fits.");
            Ok(ExitCode::SUCCESS)
        }
        ModelsWhat::Where { name } => {
            let name: ModelName = name.parse()?;
            say!("{}", Hub::standard().require(&name)?.display());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The shipped model, the one that `$RHEA_MODEL` names, what was fetched, and what could be.
fn list() -> Result<ExitCode> {
    let hub = Hub::standard();
    if let Ok(folder) = place::model_folder(None) {
        say!("default  {}  {}", folder.display(), summary(&folder));
    }
    let fetched = hub.names();
    for name in &fetched {
        // Other kinds of models share the cache.
        if let Some(folder) = hub.find(name).filter(|folder| of_our_kind(folder)) {
            say!("fetched  {name}  {}  {}", folder.display(), summary(&folder));
        }
    }
    for model in PUBLISHED.iter().filter(|model| !fetched.iter().any(|name| name.to_string() == model.name)) {
        say!("missing  {}  {}; {} GB, licence {}", model.name, model.what, model.size_gb, model.licence);
    }
    say!("cache    {}", hub.folder().display());
    Ok(ExitCode::SUCCESS)
}

/// Is it a transformer or a vision tokenizer of this family?
fn of_our_kind(folder: &Path) -> bool {
    let text = read_config(&folder.join("config.json")).unwrap_or_default();
    let fields: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    matches!(fields["model_type"].as_str(), Some("Emu3" | "Emu3p5VisionVQ"))
}

fn summary(folder: &Path) -> String {
    match Weights::open_folder(folder) {
        Ok(weights) => format!("{:.2} GB of weights in {} files", weights.bytes() as f64 / GB, weights.files()),
        Err(error) => format!("weights are not usable: {error}"),
    }
}

/// One part of a folder: what it is, and what was found or is wrong.
type Finding = (&'static str, Result<String, String>);

/// Checks every part of a folder without loading its weights, and prints a line for each.
fn verify(folder: &Path) -> ExitCode {
    let findings = if is_vision(folder) { vec![vision(folder)] } else { model(folder) };
    for (about, found) in &findings {
        match found {
            Ok(what) => say!("ok   {about:10} {what}"),
            Err(what) => say!("BAD  {about:10} {}", what.split_whitespace().collect::<Vec<_>>().join(" ")),
        }
    }
    let whole = findings.iter().all(|(_, found)| found.is_ok());
    say!(
        "{}",
        if whole { "This folder can be used." } else { "This folder cannot be used; see the lines marked BAD." }
    );
    if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A folder of a vision tokenizer alone has its sizes where a model has its transformer's.
fn is_vision(folder: &Path) -> bool {
    let text = read_config(&folder.join("config.json")).unwrap_or_default();
    let fields: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    fields["model_type"] == "Emu3p5VisionVQ" || fields.get("codebook_size").is_some()
}

fn model(folder: &Path) -> Vec<Finding> {
    let config = read_config(&folder.join("config.json"))
        .and_then(|text| TransformerConfig::from_json(&text).map_err(|e| e.to_string()));
    let sizes = config.as_ref().map(describe).map_err(Clone::clone);
    let mut findings = vec![("config", sizes)];
    if let Ok(config) = &config {
        findings.push(("weights", weights(folder, config)));
    }
    let codes = place::vision_folder(folder).map_err(|e| said(&e)).and_then(|vision_folder| {
        let config = VisionConfig::open_folder(&vision_folder).map_err(|e| e.to_string())?;
        findings.push(vision(&vision_folder));
        Ok(config.codebook_size)
    });
    match codes {
        Ok(codes) => findings.push(("text", text(folder, codes, config.as_ref().ok()))),
        Err(what) => findings.push(("vision", Err(what))),
    }
    findings
}

fn describe(config: &TransformerConfig) -> String {
    let (layers, width, ids) = (config.num_hidden_layers, config.hidden_size, config.vocab_size);
    let values = Layout::new(config).total() as f64;
    format!("{layers} layers of width {width}, {ids} ids, {:.1} million values", values / 1e6)
}

/// Every tensor must be there with its shape, in a type that can be read.
fn weights(folder: &Path, config: &TransformerConfig) -> Result<String, String> {
    let weights = Weights::open_folder(folder).map_err(|e| e.to_string())?;
    let layout = Layout::new(config);
    for spec in layout.specs() {
        weights.stored(&spec.name, &spec.shape).map_err(|e| e.to_string())?;
    }
    let (tensors, files) = (layout.specs().len(), weights.files());
    Ok(format!("{tensors} tensors, {:.2} GB in {files} files", weights.bytes() as f64 / GB))
}

fn vision(folder: &Path) -> Finding {
    let check = || {
        let config = check_folder(folder).map_err(|e| e.to_string())?;
        let weights = Weights::open_folder(folder).map_err(|e| e.to_string())?;
        let (codes, dim) = (config.codebook_size, config.embed_dim);
        let size = weights.bytes() as f64 / GB;
        Ok(format!("{codes} codes of {dim} values, {} tensors, {size:.2} GB", weights.shapes().len()))
    };
    ("vision", check())
}

fn text(folder: &Path, codes: usize, config: Option<&TransformerConfig>) -> Result<String, String> {
    let codes = u32::try_from(codes).unwrap_or(u32::MAX);
    let tokenizer = TextTokenizer::open(folder, codes).map_err(|e| e.to_string())?;
    let vocabulary = tokenizer.vocabulary();
    if let Some(config) = config.filter(|config| config.vocab_size != vocabulary.len()) {
        return Err(format!("{} ids with {codes} codes; config.json has {}", vocabulary.len(), config.vocab_size));
    }
    let control = vocabulary.visual_base() - vocabulary.text_count();
    Ok(format!("{} entries, {control} control tokens, {codes} codes", vocabulary.text_count()))
}

/// What is wrong and what to do, without the names that those lines have at the end of a program.
fn said(error: &anyhow::Error) -> String {
    let lines = fault::lines(error);
    let bare = lines.iter().map(|line| line.split_once(": ").map_or(line.as_str(), |(_, said)| said));
    bare.collect::<Vec<_>>().join(". ")
}

fn read_config(path: &Path) -> Result<String, String> {
    let said = |e: std::io::Error| format!("{}: {e}", path.display());
    let size = std::fs::metadata(path).map_err(said)?.len();
    if size > CONFIG_BYTES {
        return Err(format!("{}: {size} bytes; up to {CONFIG_BYTES} are allowed", path.display()));
    }
    std::fs::read_to_string(path).map_err(said)
}
