//! Checkpoints of random weights in the published layout: names, shards, index and types as in the real one, sizes as asked.
//!
//! They are for measuring how a folder is opened and for trying what it needs; what they write means nothing. They hold no
//! vocabulary and no vision tokenizer.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use rhea_nn::transformer::{Layout, TensorSpec, TransformerConfig};
use rhea_nn::weights::INDEX_FILE;
use serde_json::{Value, json};

use crate::error::EngineError;

/// Ids of Emu3.5's vocabulary.
const VOCABULARY: usize = 282_926;
/// The first visual one.
pub const VISUAL_START: usize = 151_854;
/// Largest checkpoint: the size of the real one.
const MAX_BYTES: u64 = 70 << 30;
/// bf16 values that are made at once.
const CHUNK: usize = 1 << 16;
/// One, in bf16.
const ONE: u16 = 0x3f80;

/// A checkpoint to be made.
#[derive(Clone, Debug)]
pub struct Synthetic {
    config: TransformerConfig,
    shards: usize,
}

/// What was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Shards.
    pub shards: usize,
    /// Tensors.
    pub tensors: usize,
    /// Bytes of all shards.
    pub bytes: u64,
}

impl Synthetic {
    /// A bf16 checkpoint of about `bytes` in `shards` files: the published vocabulary and head size, a narrower model, and as
    /// many layers as it takes.
    ///
    /// # Errors
    /// When the size is outside of 32 MiB to 70 GiB, or there are no shards.
    pub fn new(bytes: u64, shards: usize) -> Result<Self, EngineError> {
        if !(32 << 20..=MAX_BYTES).contains(&bytes) || !(1..=rhea_nn::weights::limits::SHARDS).contains(&shards) {
            let text =
                format!("a checkpoint of {bytes} bytes in {shards} shards; allowed are 32 MiB to 70 GiB in 1 to 1024");
            return Err(EngineError::Request(text));
        }
        // Embedding and head are given half of the room at most; widths are those of the real model's proportions.
        let room = (bytes / 2 / 2) as usize / (2 * VOCABULARY);
        let hidden = (room / 16 * 16).clamp(16, 5120);
        let mut config = TransformerConfig {
            vocab_size: VOCABULARY,
            hidden_size: hidden,
            intermediate_size: hidden * 5,
            num_hidden_layers: 1,
            num_attention_heads: 8,
            num_key_value_heads: 1,
            head_dim: 128,
            max_position_embeddings: 9216,
            rope_theta: 1e6,
            pad_token_id: 151_643,
            bos_token_id: 151_849,
            eos_token_id: 151_850,
            img_token_id: Some(151_851),
            boi_token_id: Some(151_852),
            eoi_token_id: Some(151_853),
            eol_token_id: Some(151_846),
            eof_token_id: Some(151_847),
            image_area: Some(720 * 720),
            ..TransformerConfig::nano(VOCABULARY)
        };
        let one = Layout::new(&config).total() as u64 * 2;
        config.num_hidden_layers = 2;
        let layer = Layout::new(&config).total() as u64 * 2 - one;
        let most = rhea_nn::transformer::limits::LAYERS as u64;
        config.num_hidden_layers = (1 + bytes.saturating_sub(one).div_ceil(layer)).min(most) as usize;
        Ok(Self { config, shards })
    }

    /// Its settings.
    #[must_use]
    pub fn config(&self) -> &TransformerConfig {
        &self.config
    }

    /// Writes settings, shards and index to a folder, which is made where it is missing.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<Written, EngineError> {
        let failed =
            |e: std::io::Error| EngineError::Folder { what: format!("cannot be written: {e}"), path: dir.to_owned() };
        std::fs::create_dir_all(dir).map_err(failed)?;
        let layout = Layout::new(&self.config);
        let total = layout.total() as u64 * 2;
        let mut groups: Vec<Vec<&TensorSpec>> = vec![Vec::new()];
        let mut filled = 0;
        for spec in layout.specs() {
            let full = filled >= total.div_ceil(self.shards as u64) * groups.len() as u64;
            if full && groups.len() < self.shards {
                groups.push(Vec::new());
            }
            filled += spec.len() as u64 * 2;
            if let Some(group) = groups.last_mut() {
                group.push(spec);
            }
        }
        let (mut map, mut state) = (BTreeMap::new(), 0x9e37_79b9_7f4a_7c15_u64);
        for (number, group) in (1..).zip(&groups) {
            let name = format!("model-{number:05}-of-{:05}.safetensors", groups.len());
            write_shard(&dir.join(&name), group, &mut state).map_err(failed)?;
            map.extend(group.iter().map(|spec| (spec.name.clone(), Value::from(name.as_str()))));
        }
        let index = json!({ "metadata": { "total_size": total }, "weight_map": map });
        let settings = serde_json::to_string_pretty(&self.config).map_err(|e| failed(e.into()))?;
        std::fs::write(dir.join(INDEX_FILE), index.to_string()).map_err(failed)?;
        std::fs::write(dir.join("config.json"), settings + "\n").map_err(failed)?;
        Ok(Written { shards: groups.len(), tensors: map.len(), bytes: total })
    }
}

fn write_shard(path: &Path, specs: &[&TensorSpec], state: &mut u64) -> std::io::Result<()> {
    let (mut header, mut at) = (serde_json::Map::new(), 0);
    header.insert("__metadata__".to_owned(), json!({ "format": "pt" }));
    for spec in specs {
        let end = at + spec.len() as u64 * 2;
        header.insert(spec.name.clone(), json!({ "dtype": "BF16", "shape": spec.shape, "data_offsets": [at, end] }));
        at = end;
    }
    let mut text = Value::from(header).to_string();
    // Readers take values where they lie, so they begin at a multiple of 8.
    while !text.len().is_multiple_of(8) {
        text.push(' ');
    }
    let partial = path.with_extension("partial");
    let mut file = BufWriter::new(File::create(&partial)?);
    file.write_all(&(text.len() as u64).to_le_bytes())?;
    file.write_all(text.as_bytes())?;
    let mut bytes = Vec::with_capacity(2 * CHUNK);
    for spec in specs {
        let norm = spec.shape.len() == 1;
        let mut left = spec.len();
        while left > 0 {
            let now = left.min(CHUNK);
            bytes.clear();
            bytes.extend((0..now).flat_map(|_| if norm { ONE } else { random_bf16(state) }.to_le_bytes()));
            file.write_all(&bytes)?;
            left -= now;
        }
    }
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_data()?;
    std::fs::rename(partial, path)
}

/// Evenly spread over ±0.035, whose deviation is the 0.02 of fresh weights.
fn random_bf16(state: &mut u64) -> u16 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    let share = (*state >> 40) as f32 / (1 << 24) as f32 - 0.5;
    ((share * 0.07).to_bits() >> 16) as u16
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use rhea_nn::transformer::{Half, Loading, Transformer, WeightForm};
    use rhea_nn::weights::Weights;

    use super::*;

    #[test]
    fn a_checkpoint_of_the_published_layout_opens_and_runs_where_it_lies() {
        let dir = tempfile::tempdir().unwrap();
        let synthetic = Synthetic::new(40 << 20, 3).unwrap();
        let written = synthetic.write(dir.path()).unwrap();
        assert_eq!((written.shards, written.tensors), (3, 3 + 11 * synthetic.config().num_hidden_layers));
        assert!((40 << 20..60 << 20).contains(&written.bytes), "{}", written.bytes);
        let weights = Weights::open_folder(dir.path()).unwrap();
        assert_eq!((weights.bytes(), weights.files()), (written.bytes, 3));
        let config = TransformerConfig::from_json(&std::fs::read_to_string(dir.path().join("config.json")).unwrap());
        let loading = Loading { form: WeightForm::Stored, positions: 64 };
        let model = Transformer::from_weights(config.unwrap(), &weights, VISUAL_START, loading).unwrap();
        // All matrices stay in the file; norms alone are copied.
        assert_eq!(model.weight_bytes().0, 0);
        let mut store = model.new_store(64).unwrap();
        let mut branch = store.branch();
        model.extend(&mut store, &mut [(&mut branch, &[151_849, 5, 282_925])]).unwrap();
        let logits = model.last_logits(&mut store, Half::Visual).unwrap();
        assert!(logits.iter().all(|v| v.is_finite()) && logits.iter().any(|v| v.abs() > 1e-3));
        assert!(Synthetic::new(1, 1).is_err() && Synthetic::new(1 << 30, 0).is_err());
    }
}
