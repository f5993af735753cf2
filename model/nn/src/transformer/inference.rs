//! Decoding: the weights packed once, and forward passes over a [`KvStore`].

use std::sync::Arc;

use super::ops::heads::{self, HeadNorms, HeadsMut};
use super::ops::rope::Rope;
use super::ops::{add, attention, rmsnorm, swiglu};
use super::sequence::check_sequence;
use super::{KvStore, NO_ID, Parameters, Token, TransformerConfig, TransformerError, Visible, cell_position, sized};
use crate::kernels::{Packed, Unit, product};

/// Rows times query heads per key head up to which attention works on single rows instead of stacked products.
const FEW_STACKED_ROWS: usize = 8;

#[derive(Debug)]
struct Layer {
    input_norm: Vec<f32>,
    qkv: Packed,
    q_norm: Vec<f32>,
    k_norm: Vec<f32>,
    o: Packed,
    post_norm: Vec<f32>,
    gate_up: Packed,
    down: Packed,
}

/// Which part of the vocabulary logits are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// Text and control ids, `[0, visual_start)`.
    Text,
    /// Visual codes, `[visual_start, vocab_size)`, counted from 0.
    Visual,
}

/// A cell of a canvas: what stands in it and how it is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanvasToken {
    /// Vocabulary id: a visual code, or the id of a hole.
    pub id: u32,
    /// Marks whose embeddings are added; [`NO_ID`] adds nothing.
    pub marks: [u32; 2],
}

/// A loaded transformer, ready to decode. Immutable: several stores may read it.
#[derive(Debug)]
pub struct Transformer {
    config: TransformerConfig,
    unit: Unit,
    rope: Arc<Rope>,
    visual_start: usize,
    embedding: Vec<f32>,
    layers: Vec<Layer>,
    norm: Vec<f32>,
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
        unit: Unit,
        visual_start: usize,
        mut read: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        config.check()?;
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
                qkv: Packed::from_nk(unit, &qkv, shape.qkv_width(), d),
                q_norm: part("self_attn.q_norm", &[shape.head_dim])?,
                k_norm: part("self_attn.k_norm", &[shape.head_dim])?,
                o: Packed::from_nk(unit, &part("self_attn.o_proj", &[d, shape.q_width()])?, d, shape.q_width()),
                post_norm: part("post_attention_layernorm", &[d])?,
                gate_up: Packed::from_nk(unit, &gate_up, 2 * f, d),
                down: Packed::from_nk(unit, &part("mlp.down_proj", &[d, f])?, d, f),
            });
        }
        let norm = tensor("model.norm.weight", &[d])?;
        let head = tensor("lm_head.weight", &[vocab, d])?;
        let (text, visual) = head.split_at(visual_start * d);
        let rope = Arc::new(Rope::new(config.head_dim, config.rope_theta, config.max_position_embeddings));
        Ok(Self {
            unit,
            rope,
            visual_start,
            embedding,
            layers,
            norm,
            text_head: Packed::from_nk(unit, text, visual_start, d),
            visual_head: Packed::from_nk(unit, visual, vocab - visual_start, d),
            config,
        })
    }

    /// Packs parameters that are being trained, for evaluation.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn from_parameters(parameters: &Parameters, unit: Unit, visual_start: usize) -> Result<Self, TransformerError> {
        let mut vars = parameters.vars().iter();
        Self::load(parameters.config().clone(), unit, visual_start, |name, _| {
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

    /// An empty memory of `capacity` rows.
    ///
    /// # Errors
    /// As [`KvStore::new`].
    pub fn new_store(&self, capacity: usize) -> Result<KvStore, TransformerError> {
        KvStore::new(&self.config, capacity)
    }

    /// Reads `ids` causally and keeps them. [`Self::logits`] of the last row may follow.
    ///
    /// # Errors
    /// When they do not fit the store, or an id is not in the vocabulary.
    pub fn extend(&self, store: &mut KvStore, ids: &[u32]) -> Result<(), TransformerError> {
        let start = store.len() as u32;
        let tokens: Vec<Token> = ids.iter().zip(start..).map(|(id, index)| Token::causal(*id, index)).collect();
        self.rows(store, &tokens)?;
        store.commit(tokens.len());
        Ok(())
    }

    /// Reads `ids` causally and returns the logits of the last of them.
    ///
    /// # Errors
    /// As [`Self::extend`].
    pub fn next<'s>(&self, store: &'s mut KvStore, ids: &[u32], half: Half) -> Result<&'s [f32], TransformerError> {
        self.extend(store, ids)?;
        Ok(self.logits(store, ids.len() - 1..ids.len(), half))
    }

    /// Reads a canvas of `cells` in rows of `cols`: each sees everything committed and all cells. Keeps nothing.
    /// Returns visual logits `(cells, codes)`; row `j` speaks about cell `j`.
    ///
    /// # Errors
    /// When the canvas does not fit the store, `cols` is zero, or an id is not in the vocabulary.
    pub fn denoise<'s>(
        &self,
        store: &'s mut KvStore,
        cells: &[CanvasToken],
        cols: usize,
    ) -> Result<&'s [f32], TransformerError> {
        if cols == 0 {
            return Err(TransformerError::Input("a canvas with rows of 0 cells; at least 1 is needed".to_owned()));
        }
        let base = store.len() as u32;
        let end = base + cells.len() as u32;
        let visible = Visible { causal: base, block_start: base, block_end: end };
        let tokens: Vec<Token> = cells
            .iter()
            .zip(0..)
            .map(|(cell, j)| Token {
                id: cell.id,
                marks: cell.marks,
                position: cell_position(base, cols as u32, j),
                visible,
            })
            .collect();
        self.rows(store, &tokens)?;
        Ok(self.logits(store, 0..cells.len(), Half::Visual))
    }

    /// Logits of rows of the last forward pass, `(rows, half_len)`.
    ///
    /// # Panics
    /// When the last pass had fewer rows.
    pub fn logits<'s>(&self, store: &'s mut KvStore, rows: std::ops::Range<usize>, half: Half) -> &'s [f32] {
        let d = self.config.hidden_size;
        let n = rows.len();
        let head = match half {
            Half::Text => &self.text_head,
            Half::Visual => &self.visual_head,
        };
        let work = &mut store.work;
        let input = &work.stream[rows.start * d..rows.end * d];
        let normed = sized(&mut work.normed, n * d);
        let eps = self.config.rms_norm_eps as f32;
        rmsnorm::forward(input, &self.norm, eps, normed, sized(&mut work.scales, n));
        let logits = sized(&mut work.logits, n * head.n());
        product(normed, n, head, None, logits);
        logits
    }

    /// Logits of the last row of the last forward pass.
    ///
    /// # Errors
    /// When there was no pass.
    pub fn last_logits<'s>(&self, store: &'s mut KvStore, half: Half) -> Result<&'s [f32], TransformerError> {
        let rows = store.work.positions.len();
        if rows == 0 {
            return Err(TransformerError::Input("logits of a memory that has read nothing".to_owned()));
        }
        Ok(self.logits(store, rows - 1..rows, half))
    }

    /// The layers over `tokens`, whose keys are written behind the committed rows.
    fn rows(&self, store: &mut KvStore, tokens: &[Token]) -> Result<(), TransformerError> {
        let n = tokens.len();
        store.check_room(n)?;
        let start = store.len();
        check_sequence(tokens, start + n, self.config.vocab_size, self.rope.positions())?;
        let (d, f, shape) = (self.config.hidden_size, self.config.intermediate_size, self.config.head_shape());
        let eps = self.config.rms_norm_eps as f32;
        let capacity = store.capacity();
        let work = &mut store.work;
        work.positions.clear();
        work.positions.extend(tokens.iter().map(|t| t.position));
        work.visible.clear();
        work.visible.extend(tokens.iter().map(|t| t.visible));
        for (token, out) in tokens.iter().zip(sized(&mut work.stream, n * d).chunks_exact_mut(d)) {
            out.copy_from_slice(&self.embedding[token.id as usize * d..][..d]);
            for mark in token.marks.iter().filter(|mark| **mark != NO_ID) {
                add(&self.embedding[*mark as usize * d..][..d], out);
            }
        }
        for (i, layer) in self.layers.iter().enumerate() {
            let (k, v, work) = store.layer_mut(i);
            let normed = sized(&mut work.normed, n * d);
            let scales = sized(&mut work.scales, n * (shape.heads + shape.kv_heads));
            rmsnorm::forward(&work.stream[..n * d], &layer.input_norm, eps, normed, scales);
            let qkv = sized(&mut work.qkv, n * shape.qkv_width());
            product(normed, n, &layer.qkv, None, qkv);
            let q = sized(&mut work.q, n * shape.q_width());
            let norms = HeadNorms { q: &layer.q_norm, k: &layer.k_norm, eps };
            let to = HeadsMut { q, k, v, capacity, kv_row: start };
            heads::split(qkv, shape, &work.positions, &self.rope, norms, to, scales);

            let (keys, work) = store.keys(i, start + n);
            let q = &work.q[..n * shape.q_width()];
            let out = sized(&mut work.heads_context, n * shape.q_width());
            if n * shape.group() <= FEW_STACKED_ROWS {
                let scores = sized(&mut work.scores, keys.len);
                attention::forward_few(shape, q, keys, &work.visible, scores, out);
            } else {
                attention::forward(self.unit, shape, q, keys, &work.visible, None, out, &mut work.attention);
            }
            let context = sized(&mut work.context, n * shape.q_width());
            heads::merge(out, shape, n, context);
            let normed = sized(&mut work.normed, n * d);
            product(context, n, &layer.o, None, normed);
            add(normed, &mut work.stream[..n * d]);
            let scales = sized(&mut work.scales, n);
            rmsnorm::forward(&work.stream[..n * d], &layer.post_norm, eps, normed, scales);
            let gate_up = sized(&mut work.gate_up, n * 2 * f);
            product(normed, n, &layer.gate_up, None, gate_up);
            let act = sized(&mut work.act, n * f);
            swiglu::forward(gate_up, f, act);
            product(act, n, &layer.down, None, normed);
            add(normed, &mut work.stream[..n * d]);
        }
        Ok(())
    }
}
