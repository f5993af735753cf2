//! `model.safetensors.index.json`: which shard holds which tensor.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use serde::Deserialize;

use super::{WeightsFault, limits};
use crate::error::NnError;

/// The name of the file.
pub const INDEX_FILE: &str = "model.safetensors.index.json";

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The tensors of each shard, by file name.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, Vec<String>>, NnError> {
    let failed = |source| NnError::File { doing: "reading", path: path.into(), source };
    let wrong = |what: String| WeightsFault::Index(what).at(path);
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > limits::INDEX_BYTES {
        return Err(wrong(format!("{size} bytes; up to {} are allowed", limits::INDEX_BYTES)));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let index: Index = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    let mut shards = BTreeMap::<String, Vec<String>>::new();
    for (name, file) in index.weight_map {
        shards.entry(file).or_default().push(name);
    }
    if shards.is_empty() || shards.len() > limits::SHARDS {
        return Err(wrong(format!("{} shards; allowed are 1 to {}", shards.len(), limits::SHARDS)));
    }
    match shards.keys().find(|file| !is_plain(file)) {
        Some(file) => Err(WeightsFault::ShardName { file: file.clone() }.at(path)),
        None => Ok(shards),
    }
}

/// Is it the name of a file, and of nothing outside the folder? Both separators are refused on every system.
fn is_plain(file: &str) -> bool {
    let mut parts = Path::new(file).components();
    let one = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
    one && !file.contains(['/', '\\', '\0']) && file.ends_with(".safetensors")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_in_the_same_folder_are_plain() {
        assert!(is_plain("model-00001-of-00015.safetensors"));
        for file in ["../x.safetensors", "/x.safetensors", "a/x.safetensors", "a\\x.safetensors", "..", "", "x.bin"] {
            assert!(!is_plain(file), "{file}");
        }
    }
}
