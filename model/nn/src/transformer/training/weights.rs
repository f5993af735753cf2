//! The parameters of one step, packed for the kernels.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use crate::kernels::Unit;
use crate::transformer::ops::add;
use crate::transformer::ops::linear::Trained;
use crate::transformer::ops::rope::Rope;
use crate::transformer::parameters::Layout;
use crate::transformer::{NO_ID, Parameters, Token, TransformerConfig, TransformerError};

#[derive(Debug)]
pub(super) struct LayerWeights {
    pub input_norm: Vec<f32>,
    pub qkv: Trained,
    pub q_norm: Vec<f32>,
    pub k_norm: Vec<f32>,
    pub o: Trained,
    pub post_norm: Vec<f32>,
    pub gate_up: Trained,
    pub down: Trained,
    /// Width of the feed-forward layer.
    pub intermediate: usize,
}

/// The parameters of one step, packed for the kernels in both directions.
#[derive(Debug)]
pub struct Weights {
    pub(super) config: TransformerConfig,
    pub(super) layout: Arc<Layout>,
    pub(super) unit: Unit,
    pub(super) rope: Arc<Rope>,
    pub(super) visual_start: usize,
    embedding: Vec<f32>,
    pub(super) layers: Vec<LayerWeights>,
    pub(super) norm: Vec<f32>,
    pub(super) text_head: Trained,
    pub(super) visual_head: Trained,
}

impl Weights {
    /// Packs the parameters. Ids from `visual_start` on are visual codes, with a softmax of their own.
    ///
    /// # Errors
    /// When `visual_start` does not cut the vocabulary in two parts.
    pub fn pack(
        parameters: &Parameters,
        unit: Unit,
        visual_start: usize,
        rope: &Arc<Rope>,
    ) -> Result<Self, TransformerError> {
        let config = parameters.config().clone();
        let vocab = config.vocab_size;
        if visual_start == 0 || visual_start >= vocab {
            let text = format!("first visual id {visual_start}; allowed are 1 to {} in this vocabulary", vocab - 1);
            return Err(TransformerError::Input(text));
        }
        let layout = Arc::new(parameters.layout().clone());
        let flat = parameters.flat()?;
        let heads = config.head_shape();
        let (d, f) = (config.hidden_size, config.intermediate_size);
        let values = |range: Range<usize>| flat[range].to_vec();
        let trained = |range: Range<usize>, n: usize, k: usize| Trained::pack(unit, &flat[range], n, k);
        let layers = (0..config.num_hidden_layers)
            .into_par_iter()
            .map(|i| {
                let at = layout.layer(i);
                LayerWeights {
                    input_norm: values(at.input_norm),
                    qkv: trained(at.qkv, heads.qkv_width(), d),
                    q_norm: values(at.q_norm),
                    k_norm: values(at.k_norm),
                    o: trained(at.o, d, heads.q_width()),
                    post_norm: values(at.post_norm),
                    gate_up: trained(at.gate_up, 2 * f, d),
                    down: trained(at.down, d, f),
                    intermediate: f,
                }
            })
            .collect();
        Ok(Self {
            unit,
            rope: Arc::clone(rope),
            visual_start,
            embedding: values(layout.embedding()),
            layers,
            norm: values(layout.norm()),
            text_head: trained(layout.head_rows(0..visual_start), visual_start, d),
            visual_head: trained(layout.head_rows(visual_start..vocab), vocab - visual_start, d),
            config,
            layout,
        })
    }

    /// The rotary tables that fit a configuration.
    #[must_use]
    pub fn rope(config: &TransformerConfig) -> Arc<Rope> {
        Arc::new(Rope::new(config.head_dim, config.rope_theta, config.max_position_embeddings))
    }

    /// Where parameters lie in a flat gradient.
    #[must_use]
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    pub(super) fn embed(&self, tokens: &[Token], out: &mut [f32]) {
        let d = self.config.hidden_size;
        for (token, out) in tokens.iter().zip(out.chunks_exact_mut(d)) {
            out.copy_from_slice(&self.embedding[token.id as usize * d..][..d]);
            for mark in token.marks.iter().filter(|mark| **mark != NO_ID) {
                add(&self.embedding[*mark as usize * d..][..d], out);
            }
        }
    }
}
