//! Candle's Qwen3 with 8-bit weights, unmodified.

use std::path::Path;

use candle_core::quantized::gguf_file::Content;
use candle_core::{Device, Tensor};
use candle_transformers::models::quantized_qwen3::ModelWeights;

use crate::error::BenchError;
use crate::passes::largest;

/// How the report calls it.
pub const NAME: &str = "candle-transformers qwen3 q8_0, each prompt by itself";

/// Candle's quantised model.
pub struct Quantised {
    model: ModelWeights,
    visual_start: usize,
}

impl Quantised {
    /// Loads a GGUF file.
    ///
    /// # Errors
    /// When candle refuses it.
    pub fn open(path: &Path, visual_start: usize) -> Result<Self, BenchError> {
        let mut file = std::fs::File::open(path).map_err(candle_core::Error::from)?;
        let content = Content::read(&mut file)?;
        let model = ModelWeights::from_gguf(content, &mut file, &Device::Cpu)?;
        Ok(Self { model, visual_start })
    }

    /// Visual logits behind a prompt.
    ///
    /// # Errors
    /// What candle says.
    pub fn logits(&mut self, ids: &[u32]) -> Result<Vec<f32>, BenchError> {
        self.model.clear_kv_cache();
        let all = self.model.forward(&Tensor::new(ids, &Device::Cpu)?.unsqueeze(0)?, 0)?;
        let all: Vec<f32> = all.flatten_all()?.to_vec1()?;
        Ok(all.get(self.visual_start..).unwrap_or_default().to_vec())
    }

    /// Greedy visual tokens behind a prompt, without guidance: it takes one sequence at a time.
    ///
    /// # Errors
    /// What candle says.
    pub fn greedy(&mut self, prompt: &[u32], count: usize) -> Result<Vec<u32>, BenchError> {
        self.model.clear_kv_cache();
        let mut read = 0;
        let mut next = |ids: &[u32]| -> Result<u32, BenchError> {
            let logits = self.model.forward(&Tensor::new(ids, &Device::Cpu)?.unsqueeze(0)?, read)?;
            read += ids.len();
            let logits: Vec<f32> = logits.flatten_all()?.to_vec1()?;
            Ok(largest(&logits[self.visual_start..]) + self.visual_start as u32)
        };
        let mut tokens = vec![next(prompt)?];
        while tokens.len() < count {
            tokens.push(next(&[tokens[tokens.len() - 1]])?);
        }
        Ok(tokens)
    }
}
