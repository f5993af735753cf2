//! The sizes of a vision tokenizer.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::settings;
use crate::error::NnError;

/// Sizes of an IBQ vision tokenizer. The first fields are those of published Emu3.5 folders; the last two are Rhea's own
/// and default to the published architecture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisionConfig {
    /// Channels of the finest level, a multiple of 32.
    pub ch: usize,
    /// Channels of each level, in multiples of `ch`.
    pub ch_mult: Vec<usize>,
    /// Residual blocks a level in the encoder; the decoder has one more.
    pub num_res_blocks: usize,
    /// Resolutions whose level has attention after each block.
    pub attn_resolutions: Vec<usize>,
    /// Nominal side of the (patched) input; decides with `attn_resolutions` which levels have attention.
    pub resolution: usize,
    /// Channels of the encoder's output.
    pub z_channels: usize,
    /// Length of a code vector.
    pub embed_dim: usize,
    /// Number of codes.
    pub codebook_size: usize,
    /// Channels of the input picture: 3 for colour, 4 for colour and depth.
    pub in_channels: usize,
    /// Channels of the output picture.
    pub out_ch: usize,
    /// Pixels a side that become channels before the first convolution; 1 in published folders.
    #[serde(default = "one")]
    pub patch_size: usize,
    /// Does the decoder take warped memory (see `MemorySkip`)? Needs colour and depth.
    #[serde(default)]
    pub memory_skip: bool,
}

fn one() -> usize {
    1
}

impl VisionConfig {
    /// The shipped model's sizes: 128 x 128 RGB-D to 8 x 8 codes of 4,096.
    #[must_use]
    pub fn nano() -> Self {
        Self {
            ch: 64,
            ch_mult: vec![1, 2, 4],
            num_res_blocks: 1,
            attn_resolutions: vec![],
            resolution: 32,
            z_channels: 256,
            embed_dim: 16,
            codebook_size: 4096,
            in_channels: 4,
            out_ch: 4,
            patch_size: 4,
            memory_skip: true,
        }
    }

    /// Reads and checks the settings of a folder: `config.json`, or `config.yaml` where there is no other.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_folder(dir: &Path) -> Result<Self, NnError> {
        let yaml = dir.join("config.yaml");
        let json = dir.join("config.json");
        Self::open(if yaml.is_file() && !json.exists() { &yaml } else { &json })
    }

    /// Reads and checks a settings file, in the flat form of published `config.json` files or with the sizes under `ddconfig`
    /// as in published `config.yaml` files.
    ///
    /// # Errors
    /// When the file is missing, cannot be parsed, lacks a field, or holds settings that cannot work or are not supported.
    pub fn open(path: &Path) -> Result<Self, NnError> {
        let wrong = |what: String| NnError::Config { path: path.into(), what };
        let mut fields = settings::read(path)?;
        if let Some(Value::Object(sizes)) = fields.remove("ddconfig") {
            fields.extend(sizes);
            if let Some(codes) = fields.remove("n_embed") {
                fields.insert("codebook_size".to_owned(), codes);
            }
        }
        // Settings of the published class that change what is computed, where they are not as published.
        let published = [("model_type", Value::from("Emu3p5VisionVQ")), ("double_z", false.into())];
        for (name, allowed) in published {
            if let Some(value) = fields.get(name).filter(|value| !value.is_null() && **value != allowed) {
                return Err(wrong(format!("{name} is {value}; allowed is {allowed}")));
            }
        }
        let config: Self = serde_json::from_value(fields.into()).map_err(|e| wrong(e.to_string()))?;
        config.check().map_err(wrong)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        let range = |name: &str, value: usize, low: usize, high: usize| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(format!("{name} is {value}; allowed are {low} to {high}"))
            }
        };
        range("ch", self.ch, 32, 4096)?;
        range("ch_mult's length", self.ch_mult.len(), 1, 8)?;
        for m in &self.ch_mult {
            range("ch_mult", *m, 1, 64)?;
        }
        if !self.ch.is_multiple_of(32) {
            return Err(format!("ch is {}; it must be a multiple of the 32 normalisation groups", self.ch));
        }
        range("num_res_blocks", self.num_res_blocks, 1, 32)?;
        range("z_channels", self.z_channels, 1, 65_536)?;
        range("embed_dim", self.embed_dim, 1, 65_536)?;
        range("codebook_size", self.codebook_size, 1, 1 << 24)?;
        range("in_channels", self.in_channels, 3, 4)?;
        range("patch_size", self.patch_size, 1, 16)?;
        range("resolution", self.resolution, 1, 65_536)?;
        if self.in_channels != self.out_ch {
            return Err(format!("in_channels {} and out_ch {} must be equal", self.in_channels, self.out_ch));
        }
        if self.memory_skip && (self.in_channels != 4 || self.patch_size != 4 || self.ch_mult.len() != 3) {
            return Err("memory_skip needs in_channels 4, patch_size 4 and three levels".into());
        }
        Ok(())
    }

    /// Channels of level `level`.
    #[must_use]
    pub fn channels(&self, level: usize) -> usize {
        self.ch * self.ch_mult[level]
    }

    /// Has level `level` attention?
    #[must_use]
    pub fn attention(&self, level: usize) -> bool {
        self.attn_resolutions.contains(&(self.resolution >> level))
    }

    /// Pixels a side that one code stands for.
    #[must_use]
    pub fn downsampling(&self) -> usize {
        self.patch_size << (self.ch_mult.len() - 1)
    }
}
