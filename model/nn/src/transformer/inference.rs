//! The weights of a transformer, packed once for decoding. What is done with them stands in `passes.rs`.

use std::sync::Arc;

use super::matrix::{FromValues, FromWeights, Matrix, Role, Source, Table, WeightForm};
use super::ops::rope::Rope;
use super::{KvStore, Parameters, TransformerConfig, TransformerError, limits};
use crate::NnError;
use crate::kernels::{self, Arithmetic};
use crate::weights::Weights;

#[derive(Debug)]
pub(super) struct Layer {
    pub input_norm: Vec<f32>,
    pub qkv: Matrix,
    pub q_norm: Vec<f32>,
    pub k_norm: Vec<f32>,
    pub o: Matrix,
    pub post_norm: Vec<f32>,
    pub gate_up: Matrix,
    pub down: Matrix,
}

/// Which part of the vocabulary logits are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// Text and control ids, `[0, visual_start)`.
    Text,
    /// Visual codes, `[visual_start, vocab_size)`, counted from 0.
    Visual,
}

/// How a transformer is loaded from files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loading {
    /// How matrices are held.
    pub form: WeightForm,
    /// Positions that will be asked for. `max_position_embeddings` of published settings is not a limit: the rotary tables
    /// are made for whichever is more.
    pub positions: usize,
}

/// A loaded transformer, ready to decode. Immutable: several stores may read it.
#[derive(Debug)]
pub struct Transformer {
    pub(super) config: TransformerConfig,
    pub(super) arithmetic: Arithmetic,
    pub(super) rope: Arc<Rope>,
    visual_start: usize,
    pub(super) embedding: Table,
    pub(super) layers: Vec<Layer>,
    pub(super) norm: Vec<f32>,
    text_head: Matrix,
    visual_head: Matrix,
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
        read: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        let arithmetic = arithmetic.into();
        let positions = config.max_position_embeddings;
        Self::build(config, (visual_start, positions), arithmetic, FromValues { arithmetic, read })
    }

    /// Takes the tensors of mapped files, by HF name, in the form that `loading` says. Other tensors of the files are not
    /// looked at.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape or type, settings that are not supported, or a `visual_start` outside
    /// the vocabulary.
    pub fn from_weights(
        config: TransformerConfig,
        weights: &Weights,
        visual_start: usize,
        loading: Loading,
    ) -> Result<Self, NnError> {
        let arithmetic = match loading.form {
            WeightForm::Packed(arithmetic) => arithmetic,
            _ => kernels::arithmetic(),
        };
        let positions = config.max_position_embeddings.max(loading.positions);
        if positions > limits::POSITIONS {
            let text = format!("{positions} positions; up to {} are allowed", limits::POSITIONS);
            return Err(TransformerError::Input(text).into());
        }
        Self::build(config, (visual_start, positions), arithmetic, FromWeights { weights, form: loading.form })
    }

    fn build<S: Source>(
        config: TransformerConfig,
        (visual_start, positions): (usize, usize),
        arithmetic: Arithmetic,
        mut source: S,
    ) -> Result<Self, S::Error> {
        config.check()?;
        let vocab = config.vocab_size;
        if visual_start == 0 || visual_start >= vocab {
            let text = format!("first visual id {visual_start}; allowed are 1 to {} in this vocabulary", vocab - 1);
            return Err(TransformerError::Input(text).into());
        }
        let (d, f, shape) = (config.hidden_size, config.intermediate_size, config.head_shape());
        let embedding = source.table("model.embed_tokens.weight", [vocab, d])?;
        let mut layers = Vec::with_capacity(config.num_hidden_layers);
        for i in 0..config.num_hidden_layers {
            let name = |part: &str| format!("model.layers.{i}.{part}.weight");
            let qkv = [("q", shape.q_width()), ("k", shape.kv_width()), ("v", shape.kv_width())]
                .map(|(part, rows)| (name(&format!("self_attn.{part}_proj")), rows));
            let gate_up = ["gate", "up"].map(|part| (name(&format!("mlp.{part}_proj")), f));
            layers.push(Layer {
                input_norm: source.vector(&name("input_layernorm"), d)?,
                qkv: source.matrix(&qkv, d, Role::Attention)?,
                q_norm: source.vector(&name("self_attn.q_norm"), shape.head_dim)?,
                k_norm: source.vector(&name("self_attn.k_norm"), shape.head_dim)?,
                o: source.matrix(&[(name("self_attn.o_proj"), d)], shape.q_width(), Role::Attention)?,
                post_norm: source.vector(&name("post_attention_layernorm"), d)?,
                gate_up: source.matrix(&gate_up, d, Role::Other)?,
                down: source.matrix(&[(name("mlp.down_proj"), d)], f, Role::Other)?,
            });
        }
        let norm = source.vector("model.norm.weight", d)?;
        let mut head = |rows| source.rows("lm_head.weight", [vocab, d], rows);
        let (text_head, visual_head) = (head(0..visual_start)?, head(visual_start..vocab)?);
        let rope = Arc::new(Rope::new(config.head_dim, config.rope_theta, positions));
        Ok(Self { arithmetic, rope, visual_start, embedding, layers, norm, text_head, visual_head, config })
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

    /// The same transformer cut off behind its first layers, perhaps none: what stands in [`Self::residual`] after a pass is
    /// then what enters the next layer.
    #[must_use]
    pub fn first_layers(mut self, count: usize) -> Self {
        self.layers.truncate(count);
        self
    }

    /// Bytes of the weights: in memory of their own, and in mapped files.
    #[must_use]
    pub fn weight_bytes(&self) -> (u64, u64) {
        let layers = self.layers.iter().flat_map(|layer| [&layer.qkv, &layer.o, &layer.gate_up, &layer.down]);
        let matrices = layers.chain([&self.text_head, &self.visual_head]).map(Matrix::bytes);
        matrices.chain([self.embedding.bytes()]).fold((0, 0), |sum, now| (sum.0 + now.0, sum.1 + now.1))
    }

    /// Rotary positions that there are.
    #[must_use]
    pub fn positions(&self) -> usize {
        self.rope.positions()
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

    pub(super) fn head(&self, half: Half) -> &Matrix {
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
