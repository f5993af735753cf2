//! The weights of a transformer, packed once for decoding. What is done with them stands in `passes.rs`.

use std::sync::Arc;

use super::ops::rope::Rope;
use super::{KvStore, Parameters, TransformerConfig, TransformerError};
use crate::kernels::{Arithmetic, Packed};

#[derive(Debug)]
pub(super) struct Layer {
    pub input_norm: Vec<f32>,
    pub qkv: Packed,
    pub q_norm: Vec<f32>,
    pub k_norm: Vec<f32>,
    pub o: Packed,
    pub post_norm: Vec<f32>,
    pub gate_up: Packed,
    pub down: Packed,
}

/// Which part of the vocabulary logits are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// Text and control ids, `[0, visual_start)`.
    Text,
    /// Visual codes, `[visual_start, vocab_size)`, counted from 0.
    Visual,
}

/// A loaded transformer, ready to decode. Immutable: several stores may read it.
#[derive(Debug)]
pub struct Transformer {
    pub(super) config: TransformerConfig,
    pub(super) arithmetic: Arithmetic,
    pub(super) rope: Arc<Rope>,
    visual_start: usize,
    pub(super) embedding: Vec<f32>,
    pub(super) layers: Vec<Layer>,
    pub(super) norm: Vec<f32>,
    text_head: Packed,
    visual_head: Packed,
}

impl Transformer {
    /// Reads the tensors by HF name and shape, and packs them. Ids from `visual_start` on are visual codes.
    ///
    /// # Errors
    /// What the reader says, a tensor of the wrong size, settings that are not supported, or a `visual_start` outside the
    /// vocabulary.
    pub fn load<E: From<TransformerError>>(
        config: TransformerConfig,
        arithmetic: impl Into<Arithmetic>,
        visual_start: usize,
        mut read: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        config.check()?;
        let arithmetic = arithmetic.into();
        let vocab = config.vocab_size;
        if visual_start == 0 || visual_start >= vocab {
            let text = format!("first visual id {visual_start}; allowed are 1 to {} in this vocabulary", vocab - 1);
            return Err(TransformerError::Input(text).into());
        }
        let mut tensor = |name: &str, shape: &[usize]| {
            let values = read(name, shape)?;
            if values.len() == shape.iter().product::<usize>() {
                return Ok(values);
            }
            let what = format!("holds {} values; the settings ask for {shape:?}", values.len());
            Err(E::from(TransformerError::Tensor { name: name.to_owned(), what }))
        };
        let (d, f, shape) = (config.hidden_size, config.intermediate_size, config.head_shape());
        let embedding = tensor("model.embed_tokens.weight", &[vocab, d])?;
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for i in 0..config.num_hidden_layers {
            let mut part = |name: &str, shape: &[usize]| tensor(&format!("model.layers.{i}.{name}.weight"), shape);
            let mut qkv = part("self_attn.q_proj", &[shape.q_width(), d])?;
            qkv.extend(part("self_attn.k_proj", &[shape.kv_width(), d])?);
            qkv.extend(part("self_attn.v_proj", &[shape.kv_width(), d])?);
            let mut gate_up = part("mlp.gate_proj", &[f, d])?;
            gate_up.extend(part("mlp.up_proj", &[f, d])?);
            layers.push(Layer {
                input_norm: part("input_layernorm", &[d])?,
                qkv: Packed::for_decoding(arithmetic, &qkv, shape.qkv_width(), d),
                q_norm: part("self_attn.q_norm", &[shape.head_dim])?,
                k_norm: part("self_attn.k_norm", &[shape.head_dim])?,
                o: Packed::for_decoding(
                    arithmetic,
                    &part("self_attn.o_proj", &[d, shape.q_width()])?,
                    d,
                    shape.q_width(),
                ),
                post_norm: part("post_attention_layernorm", &[d])?,
                gate_up: Packed::for_decoding(arithmetic, &gate_up, 2 * f, d),
                down: Packed::for_decoding(arithmetic, &part("mlp.down_proj", &[d, f])?, d, f),
            });
        }
        let norm = tensor("model.norm.weight", &[d])?;
        let head = tensor("lm_head.weight", &[vocab, d])?;
        let (text, visual) = head.split_at(visual_start * d);
        let rope = Arc::new(Rope::new(config.head_dim, config.rope_theta, config.max_position_embeddings));
        Ok(Self {
            arithmetic,
            rope,
            visual_start,
            embedding,
            layers,
            norm,
            text_head: Packed::for_decoding(arithmetic, text, visual_start, d),
            visual_head: Packed::for_decoding(arithmetic, visual, vocab - visual_start, d),
            config,
        })
    }

    /// Packs parameters that are being trained, for evaluation.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_parameters(
        parameters: &Parameters,
        arithmetic: impl Into<Arithmetic>,
        visual_start: usize,
    ) -> Result<Self, TransformerError> {
        let mut vars = parameters.vars().iter();
        Self::load(parameters.config().clone(), arithmetic, visual_start, |name, _| {
            // The order of loading differs from the layout's, so look each name up.
            let found = vars.clone().find(|(n, _)| n == name).or_else(|| {
                vars = parameters.vars().iter();
                vars.clone().find(|(n, _)| n == name)
            });
            let missing = || TransformerError::Tensor { name: name.to_owned(), what: "is missing".to_owned() };
            Ok(found.ok_or_else(missing)?.1.flatten_all()?.to_vec1::<f32>()?)
        })
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &TransformerConfig {
        &self.config
    }

    /// What the weights are packed for.
    #[must_use]
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }

    /// The first visual id.
    #[must_use]
    pub fn visual_start(&self) -> usize {
        self.visual_start
    }

    /// Number of logits of a half of the vocabulary.
    #[must_use]
    pub fn half_len(&self, half: Half) -> usize {
        match half {
            Half::Text => self.visual_start,
            Half::Visual => self.config.vocab_size - self.visual_start,
        }
    }

    pub(super) fn head(&self, half: Half) -> &Packed {
        match half {
            Half::Text => &self.text_head,
            Half::Visual => &self.visual_head,
        }
    }

    /// An empty memory of `capacity` rows.
    ///
    /// # Errors
    /// As [`KvStore::new`].
    pub fn new_store(&self, capacity: usize) -> Result<KvStore, TransformerError> {
        KvStore::new(&self.config, capacity)
    }
}
