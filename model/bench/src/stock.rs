//! Stock candle: `candle-transformers`' Qwen3, unmodified, f32.

use std::collections::HashMap;

use candle_core::{DType, Device, IndexOp, Tensor};
use candle_nn::{Activation, VarBuilder};
use candle_transformers::models::qwen3::{Config, Model};

use crate::error::BenchError;
use crate::model::RandomModel;

/// How the report calls it.
pub const NAME: &str = "candle-transformers qwen3 f32";

/// The stock model over the same weights. What it has read is inside the model, so a state is a clone; its tensors are shared.
pub struct Stock {
    fresh: Model,
    /// Head of the visual codes, `(hidden, codes)`.
    head: Tensor,
    visual_start: usize,
}

impl Stock {
    /// Loads the weights.
    ///
    /// # Errors
    /// When candle refuses them.
    pub fn new(random: &RandomModel) -> Result<Self, BenchError> {
        let config = random.parameters.config();
        let tensors: HashMap<String, Tensor> =
            random.parameters.vars().iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        let head = &tensors["lm_head.weight"];
        let head = head.i(random.visual_start..)?.t()?.contiguous()?;
        let stock = Config {
            vocab_size: config.vocab_size,
            hidden_size: config.hidden_size,
            intermediate_size: config.intermediate_size,
            num_hidden_layers: config.num_hidden_layers,
            num_attention_heads: config.num_attention_heads,
            head_dim: config.head_dim,
            attention_bias: false,
            num_key_value_heads: config.num_key_value_heads,
            max_position_embeddings: config.max_position_embeddings,
            sliding_window: None,
            max_window_layers: config.num_hidden_layers,
            tie_word_embeddings: false,
            rope_theta: config.rope_theta,
            rms_norm_eps: config.rms_norm_eps,
            use_sliding_window: false,
            hidden_act: Activation::Silu,
        };
        let fresh = Model::new(&stock, VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu))?;
        Ok(Self { fresh, head, visual_start: random.visual_start })
    }

    /// A model that has read `ids`.
    ///
    /// # Errors
    /// What candle says.
    pub fn read(&self, ids: &[u32]) -> Result<Model, BenchError> {
        let mut model = self.fresh.clone();
        model.forward(&Tensor::new(ids, &Device::Cpu)?.unsqueeze(0)?, 0)?;
        Ok(model)
    }

    /// Visual logits of all rows of a causal pass over `ids` behind `offset` rows that `prefix` has read.
    ///
    /// # Errors
    /// What candle says.
    pub fn rows_behind(&self, prefix: &Model, offset: usize, ids: &[u32]) -> Result<Vec<f32>, BenchError> {
        let hidden = prefix.clone().forward(&Tensor::new(ids, &Device::Cpu)?.unsqueeze(0)?, offset)?;
        Ok(hidden.squeeze(0)?.matmul(&self.head)?.flatten_all()?.to_vec1()?)
    }

    /// Greedy visual tokens behind two prompts of one length, guided, the pair as one batch.
    ///
    /// # Errors
    /// What candle says.
    pub fn greedy(&self, prompts: &[Vec<u32>; 2], count: usize) -> Result<Vec<u32>, BenchError> {
        let mut model = self.fresh.clone();
        let mut read = 0;
        let mut next = |pair: Tensor| -> Result<u32, BenchError> {
            let length = pair.dim(1)?;
            let hidden = model.forward(&pair, read)?;
            read += length;
            let logits = hidden.i((.., length - 1, ..))?.contiguous()?.matmul(&self.head)?.to_vec2::<f32>()?;
            Ok(crate::passes::guided(&logits[0], &logits[1]) + self.visual_start as u32)
        };
        let [with, without] = prompts;
        let both = [Tensor::new(&with[..], &Device::Cpu)?, Tensor::new(&without[..], &Device::Cpu)?];
        let mut tokens = vec![next(Tensor::stack(&both, 0)?)?];
        while tokens.len() < count {
            let last = tokens[tokens.len() - 1];
            tokens.push(next(Tensor::new(&[[last], [last]], &Device::Cpu)?)?);
        }
        Ok(tokens)
    }
}
