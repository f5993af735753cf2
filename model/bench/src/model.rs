//! A transformer with random weights that every engine can load.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rhea_nn::kernels::Arithmetic;
use rhea_nn::transformer::{Parameters, Transformer, TransformerConfig, TransformerError};

/// Sizes of the layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerSizes {
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the feed-forward layer.
    pub intermediate: usize,
    /// Layers.
    pub layers: usize,
    /// Query heads of 64.
    pub heads: usize,
    /// Key heads.
    pub kv_heads: usize,
}

impl LayerSizes {
    /// Thirty million parameters: 8 layers of width 512.
    pub const M30: Self = Self { hidden: 512, intermediate: 1536, layers: 8, heads: 8, kv_heads: 4 };
    /// Small enough for a test.
    pub const TINY: Self = Self { hidden: 64, intermediate: 128, layers: 2, heads: 2, kv_heads: 1 };
}

/// Random weights with a vocabulary of text ids and visual codes.
pub struct RandomModel {
    /// The weights, f32.
    pub parameters: Parameters,
    /// The first visual id.
    pub visual_start: usize,
}

impl RandomModel {
    /// Weights from a seed.
    ///
    /// # Errors
    /// When the sizes are not supported.
    pub fn new(sizes: LayerSizes, text: usize, visual: usize, seed: u64) -> Result<Self, TransformerError> {
        let config = TransformerConfig {
            hidden_size: sizes.hidden,
            intermediate_size: sizes.intermediate,
            num_hidden_layers: sizes.layers,
            num_attention_heads: sizes.heads,
            num_key_value_heads: sizes.kv_heads,
            head_dim: 64,
            max_position_embeddings: 4096,
            // Wide enough that the most likely token is clear, and greedy tokens can be compared between engines.
            initializer_range: 0.05,
            ..TransformerConfig::nano(text + visual)
        };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // The sum of twelve uniform numbers is near enough to a normal one.
        let normal = move || (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
        Ok(Self { parameters: Parameters::fresh(config, normal)?, visual_start: text })
    }

    /// Packed for decoding.
    ///
    /// # Errors
    /// As [`Transformer::load`].
    pub fn packed(&self, arithmetic: impl Into<Arithmetic>) -> Result<Transformer, TransformerError> {
        Transformer::from_parameters(&self.parameters, arithmetic, self.visual_start)
    }

    /// Number of weights.
    #[must_use]
    pub fn count(&self) -> usize {
        self.parameters.layout().total()
    }
}
