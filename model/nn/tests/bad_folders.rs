//! Damaged and hostile weights folders: one clear error each, no panic, no large allocation.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rhea_nn::NnError;
use rhea_nn::transformer::{Layout, Loading, Transformer, TransformerConfig, WeightForm};
use rhea_nn::weights::{INDEX_FILE, Stored, Weights, WeightsFault, save};
use serde_json::{Value, json};

/// Opening any of the folders below must stay below this.
const MOST_BYTES: u64 = 8 << 20;
const VISUAL: usize = 40;

fn config() -> TransformerConfig {
    TransformerConfig {
        hidden_size: 16,
        intermediate_size: 32,
        num_hidden_layers: 2,
        head_dim: 8,
        max_position_embeddings: 64,
        ..TransformerConfig::nano(72)
    }
}

/// A good folder in two shards.
fn write(dir: &Path) {
    let layout = Layout::new(&config());
    let (mut map, half) = (serde_json::Map::new(), layout.specs().len() / 2);
    for (number, specs) in layout.specs().chunks(half + 1).enumerate() {
        let file = format!("model-{number}.safetensors");
        let tensors: BTreeMap<_, _> =
            specs.iter().map(|spec| (spec.name.clone(), (spec.shape.clone(), vec![0.1; spec.len()]))).collect();
        save(&dir.join(&file), &tensors, Stored::Bf16).unwrap();
        map.extend(specs.iter().map(|spec| (spec.name.clone(), Value::from(file.as_str()))));
    }
    fs::write(dir.join(INDEX_FILE), json!({ "weight_map": map }).to_string()).unwrap();
    fs::write(dir.join("config.json"), serde_json::to_string(&config()).unwrap()).unwrap();
}

fn open(dir: &Path, form: WeightForm) -> Result<Transformer, NnError> {
    let text = fs::read_to_string(dir.join("config.json")).unwrap();
    let config = TransformerConfig::from_json(&text)?;
    Transformer::from_weights(config, &Weights::open_folder(dir)?, VISUAL, Loading { form, positions: 64 })
}

/// Changes the header of a shard, keeping its length right.
fn change_header(path: &Path, change: impl Fn(&mut Value)) {
    let bytes = fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    change(&mut header);
    let text = header.to_string();
    let mut changed = (text.len() as u64).to_le_bytes().to_vec();
    changed.extend(text.as_bytes());
    changed.extend(&bytes[8 + length..]);
    fs::write(path, changed).unwrap();
}

fn change_json(path: &Path, change: impl Fn(&mut Value)) {
    let mut value: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

type Spoil = fn(&Path);
type Check = fn(&WeightsFault) -> bool;

const FIRST: &str = "model-0.safetensors";
const SECOND: &str = "model-1.safetensors";
const NORM: &str = "model.layers.0.input_layernorm.weight";
const EMBEDDING: &str = "model.embed_tokens.weight";

#[test]
fn every_damage_has_its_own_error() {
    let cases: &[(&str, Spoil, Check)] = &[
        ("a missing shard", |d| fs::remove_file(d.join(SECOND)).unwrap(), |f| *f == WeightsFault::NoFile),
        (
            "a truncated shard",
            |d| {
                let bytes = fs::read(d.join(SECOND)).unwrap();
                fs::write(d.join(SECOND), &bytes[..bytes.len() - 100]).unwrap();
            },
            |f| matches!(f, WeightsFault::Length { has, needs } if has + 100 == *needs),
        ),
        (
            "a shard cut within its header",
            |d| fs::write(d.join(FIRST), &fs::read(d.join(FIRST)).unwrap()[..60]).unwrap(),
            |f| matches!(f, WeightsFault::Length { has: 60, .. }),
        ),
        (
            "an empty shard",
            |d| fs::write(d.join(FIRST), []).unwrap(),
            |f| matches!(f, WeightsFault::Length { has: 0, .. }),
        ),
        (
            "a folder in place of a shard",
            |d| {
                fs::remove_file(d.join(FIRST)).unwrap();
                fs::create_dir(d.join(FIRST)).unwrap();
            },
            |f| matches!(f, WeightsFault::Header(_)),
        ),
        (
            "a header of absurd length",
            |d| {
                let mut bytes = fs::read(d.join(FIRST)).unwrap();
                bytes[..8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
                fs::write(d.join(FIRST), bytes).unwrap();
            },
            |f| matches!(f, WeightsFault::HeaderSize { bytes } if *bytes == 1 << 60),
        ),
        (
            "a header that is no JSON",
            |d| {
                let mut bytes = fs::read(d.join(FIRST)).unwrap();
                bytes[8] = b'!';
                fs::write(d.join(FIRST), bytes).unwrap();
            },
            |f| matches!(f, WeightsFault::Header(_)),
        ),
        (
            "a tensor of absurd shape",
            |d| change_header(&d.join(FIRST), |h| h[NORM]["shape"] = json!([1_u64 << 62, 1_u64 << 62])),
            |f| matches!(f, WeightsFault::Header(_)),
        ),
        (
            "offsets outside of the file",
            |d| change_header(&d.join(FIRST), |h| h[NORM]["data_offsets"] = json!([0, 1_u64 << 50])),
            |f| matches!(f, WeightsFault::Header(_) | WeightsFault::Length { .. }),
        ),
        (
            "a wrong shape",
            |d| change_header(&d.join(FIRST), |h| h[EMBEDDING]["shape"] = json!([16, 72])),
            |f| matches!(f, WeightsFault::Shape { name, found, wanted } if name == EMBEDDING && found == &[16, 72] && wanted == &[72, 16]),
        ),
        (
            "a wrong type",
            |d| change_header(&d.join(FIRST), |h| h[NORM]["dtype"] = json!("I16")),
            |f| matches!(f, WeightsFault::Type { name, found } if name == NORM && found == "I16"),
        ),
        (
            "a tensor that no shard has",
            |d| change_json(&d.join(INDEX_FILE), |i| drop(i["weight_map"].as_object_mut().unwrap().remove(NORM))),
            |f| matches!(f, WeightsFault::Missing { name } if name == NORM),
        ),
        (
            "a tensor that is not where the index says",
            |d| change_json(&d.join(INDEX_FILE), |i| i["weight_map"][NORM] = json!(SECOND)),
            |f| matches!(f, WeightsFault::NotInShard { name } if name == NORM),
        ),
        (
            "an index that leaves the folder",
            |d| change_json(&d.join(INDEX_FILE), |i| i["weight_map"][NORM] = json!("../x.safetensors")),
            |f| matches!(f, WeightsFault::ShardName { file } if file == "../x.safetensors"),
        ),
        (
            "an index with an absolute path",
            |d| change_json(&d.join(INDEX_FILE), |i| i["weight_map"][NORM] = json!("/etc/x.safetensors")),
            |f| matches!(f, WeightsFault::ShardName { .. }),
        ),
        (
            "an empty index",
            |d| fs::write(d.join(INDEX_FILE), r#"{"weight_map":{}}"#).unwrap(),
            |f| matches!(f, WeightsFault::Index(_)),
        ),
        (
            "an index that is none",
            |d| fs::write(d.join(INDEX_FILE), "[]").unwrap(),
            |f| matches!(f, WeightsFault::Index(_)),
        ),
    ];
    for form in [WeightForm::Stored, WeightForm::Q8] {
        for (what, spoil, check) in cases {
            let dir = tempfile::tempdir().unwrap();
            write(dir.path());
            open(dir.path(), form).unwrap();
            spoil(dir.path());
            let mut outcome = None;
            let spent = allocation_counter::measure(|| outcome = Some(open(dir.path(), form).map(|_| ())));
            let error = outcome.unwrap().unwrap_err();
            assert!(spent.bytes_max < MOST_BYTES, "{what}: {} bytes at once", spent.bytes_max);
            let text = error.to_string();
            assert!(text.contains(&dir.path().display().to_string()), "{what}: {text} does not name the file");
            match error {
                NnError::Weights { what: fault, .. } => assert!(check(&fault), "{what}: {fault:?}"),
                other => panic!("{what}: {other}"),
            }
        }
    }
}

#[test]
fn settings_of_another_kind_are_refused_before_any_file_is_opened() {
    for (field, value) in [
        ("architectures", json!(["LlamaForCausalLM"])),
        ("model_type", json!("emu4")),
        ("vocab_size", json!(1_u64 << 50)),
        ("num_hidden_layers", json!(1_000_000)),
        ("hidden_size", json!(-1)),
        ("rope_scaling", json!({ "type": "dynamic", "factor": 2.0 })),
    ] {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path());
        fs::remove_file(dir.path().join(FIRST)).unwrap();
        change_json(&dir.path().join("config.json"), |c| c[field] = value.clone());
        let mut outcome = None;
        let spent = allocation_counter::measure(|| outcome = Some(open(dir.path(), WeightForm::Stored).map(|_| ())));
        let text = outcome.unwrap().unwrap_err().to_string();
        let named = text.contains(field) || (field == "hidden_size" && text.contains("-1"));
        assert!(named && text.contains("config.json"), "{field}: {text}");
        assert!(spent.bytes_max < MOST_BYTES);
    }
}

#[test]
fn shards_without_an_index_are_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::new(&config());
    let tensors: BTreeMap<_, _> =
        layout.specs().iter().map(|spec| (spec.name.clone(), (spec.shape.clone(), vec![0.1; spec.len()]))).collect();
    fs::write(dir.path().join("config.json"), serde_json::to_string(&config()).unwrap()).unwrap();
    let missing = open(dir.path(), WeightForm::Stored).unwrap_err().to_string();
    assert!(missing.contains("model.safetensors") && missing.contains("no such file"), "{missing}");
    save(&dir.path().join("model.safetensors"), &tensors, Stored::F32).unwrap();
    assert_eq!(open(dir.path(), WeightForm::Stored).unwrap().weight_bytes().0, 0);
    // What is mapped is not held; of what is quantised, embedding and attention stay mapped.
    let (own, mapped) = open(dir.path(), WeightForm::Q8).unwrap().weight_bytes();
    let attention = 2 * (2 * 16 * 32 + 2 * 16 * 16);
    assert!(own > 0 && mapped == (72 * 16 + attention) * 4, "{own} {mapped}");
}
