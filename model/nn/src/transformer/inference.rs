//! The weights of a transformer, packed once for decoding. What is done with them stands in `passes.rs`.

use std::sync::Arc;

use super::device::DeviceNet;
use super::matrix::{FromValues, FromWeights, Matrix, Piece, Role, Source, StoredMatrix, Table, WeightForm};
use super::ops::rope::Rope;
use super::team::{Links, Team};
use super::{KvStore, Parameters, TransformerConfig, TransformerError, limits};
use crate::NnError;
use crate::kernels::{self, Arithmetic};
use crate::parallel::{Place, Slice};
use crate::weights::Weights;

/// Values of each end of a tensor that a fingerprint looks at.
const ENDS: usize = 64;

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
///
/// On several ranks ([`Transformer::spread`]) it is the first of them and speaks for all: passes, stores and logits are asked
/// of it as of one that is alone.
#[derive(Debug)]
pub struct Transformer {
    pub(super) config: TransformerConfig,
    pub(super) arithmetic: Arithmetic,
    pub(super) rope: Arc<Rope>,
    visual_start: usize,
    pub(super) place: Place,
    /// What of the model the tensors below hold.
    pub(super) slice: Slice,
    pub(super) embedding: Table,
    pub(super) layers: Vec<Layer>,
    pub(super) norm: Vec<f32>,
    text_head: Matrix,
    visual_head: Matrix,
    /// Where the layers and heads are on a device; those above are then empty.
    pub(super) device: Option<DeviceNet>,
    /// Of what it was loaded, in brief: ranks compare it.
    pub(super) fingerprint: u64,
    /// The other ranks, for one of several.
    pub(super) links: Option<Arc<Links>>,
    /// Who carries out what this one is asked for, for the first of several.
    pub(super) team: Option<Arc<Team>>,
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
        Self::load_at(config, arithmetic, visual_start, Place::ONLY, read)
    }

    /// As [`Self::load`], what one rank of several holds.
    ///
    /// # Errors
    /// As [`Self::load`], or when the model cannot be spread so.
    pub fn load_at<E: From<TransformerError>>(
        config: TransformerConfig,
        arithmetic: impl Into<Arithmetic>,
        visual_start: usize,
        place: Place,
        read: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        let arithmetic = arithmetic.into();
        let positions = config.max_position_embeddings;
        Self::build(config, (visual_start, positions), arithmetic, place, FromValues { arithmetic, read })
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
        Self::from_weights_at(config, weights, visual_start, loading, Place::ONLY)
    }

    /// As [`Self::from_weights`], what one rank of several holds: nothing else of the files is read.
    ///
    /// # Errors
    /// As [`Self::from_weights`], or when the model cannot be spread so.
    pub fn from_weights_at(
        config: TransformerConfig,
        weights: &Weights,
        visual_start: usize,
        loading: Loading,
        place: Place,
    ) -> Result<Self, NnError> {
        let arithmetic = match loading.form {
            WeightForm::Packed(arithmetic) => arithmetic,
            WeightForm::Fp8 => {
                let text = "fp8 weights are those of CUDA devices; allowed on the processor are stored, q8_0 and q4_k";
                return Err(TransformerError::Input(text.to_owned()).into());
            }
            _ => kernels::arithmetic(),
        };
        let positions = positions(&config, loading)?;
        let source = FromWeights { weights, form: loading.form };
        let mut model = Self::build(config, (visual_start, positions), arithmetic, place, source)?;
        if place.spread.ranks() > 1 {
            model.fingerprint = fingerprint(&model.config, weights);
        }
        Ok(model)
    }

    /// A model whose layers and heads are a net on a device.
    pub(super) fn of_net(
        config: TransformerConfig,
        (visual_start, positions): (usize, usize),
        place: Place,
        embedding: Table,
        net: DeviceNet,
    ) -> Self {
        let none = || Matrix::Stored(StoredMatrix::new(std::iter::empty()));
        Self {
            arithmetic: kernels::arithmetic(),
            rope: Arc::new(Rope::new(config.head_dim, config.rope_theta, positions)),
            visual_start,
            place,
            slice: place.slice(&config, visual_start),
            embedding,
            layers: Vec::new(),
            norm: Vec::new(),
            text_head: none(),
            visual_head: none(),
            device: Some(net),
            config,
            fingerprint: 0,
            links: None,
            team: None,
        }
    }

    fn build<S: Source>(
        config: TransformerConfig,
        (visual_start, positions): (usize, usize),
        arithmetic: Arithmetic,
        place: Place,
        mut source: S,
    ) -> Result<Self, S::Error> {
        check_sizes(&config, visual_start, place)?;
        let vocab = config.vocab_size;
        let slice = place.slice(&config, visual_start);
        let (d, shape) = (config.hidden_size, config.head_shape());
        let visual = slice.visual.start + visual_start..slice.visual.end + visual_start;
        let embedding = source.table("model.embed_tokens.weight", [vocab, d], &ids(&slice, visual_start))?;
        let mut layers = Vec::with_capacity(slice.layers.len());
        for i in slice.layers.clone() {
            let name = |part: &str| format!("model.layers.{i}.{part}.weight");
            let LayerPieces { qkv, o, gate_up, down } = pieces(&config, &slice, i);
            layers.push(Layer {
                input_norm: source.vector(&name("input_layernorm"), d)?,
                qkv: source.matrix(&qkv, Role::Attention)?,
                q_norm: source.vector(&name("self_attn.q_norm"), shape.head_dim)?,
                k_norm: source.vector(&name("self_attn.k_norm"), shape.head_dim)?,
                o: source.matrix(&[o], Role::Attention)?,
                post_norm: source.vector(&name("post_attention_layernorm"), d)?,
                gate_up: source.matrix(&gate_up, Role::Other)?,
                down: source.matrix(&[down], Role::Other)?,
            });
        }
        let norm = source.vector("model.norm.weight", d)?;
        let mut head = |rows| source.matrix(&[Piece::rows("lm_head.weight", [vocab, d], rows)], Role::Other);
        let (text_head, visual_head) = (head(slice.text.clone())?, head(visual)?);
        let rope = Arc::new(Rope::new(config.head_dim, config.rope_theta, positions));
        let (device, fingerprint, links, team) = (None, 0, None, None);
        Ok(Self {
            arithmetic,
            rope,
            visual_start,
            place,
            slice,
            embedding,
            layers,
            norm,
            text_head,
            visual_head,
            device,
            config,
            fingerprint,
            links,
            team,
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
        Self::from_parameters_at(parameters, arithmetic, visual_start, Place::ONLY)
    }

    /// As [`Self::from_parameters`], what one rank of several holds.
    ///
    /// # Errors
    /// As [`Self::load_at`].
    pub fn from_parameters_at(
        parameters: &Parameters,
        arithmetic: impl Into<Arithmetic>,
        visual_start: usize,
        place: Place,
    ) -> Result<Self, TransformerError> {
        let mut vars = parameters.vars().iter();
        Self::load_at(parameters.config().clone(), arithmetic, visual_start, place, |name, _| {
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
    /// then what enters the next layer. For a transformer that is alone; one of several ranks is returned as it is.
    #[must_use]
    pub fn first_layers(mut self, count: usize) -> Self {
        if self.links.is_none() {
            self.layers.truncate(count);
            if let Some(net) = &mut self.device {
                net.truncate(count);
            }
        }
        self
    }

    /// Bytes of the weights: in memory of their own, or of a device, and in mapped files; of several ranks, those of this one.
    #[must_use]
    pub fn weight_bytes(&self) -> (u64, u64) {
        if let Some(net) = &self.device {
            let (own, mapped) = self.embedding.bytes();
            return (own + net.bytes(), mapped);
        }
        let layers = self.layers.iter().flat_map(|layer| [&layer.qkv, &layer.o, &layer.gate_up, &layer.down]);
        let matrices = layers.chain([&self.text_head, &self.visual_head]).map(Matrix::bytes);
        matrices.chain([self.embedding.bytes()]).fold((0, 0), |sum, now| (sum.0 + now.0, sum.1 + now.1))
    }

    /// All bytes of weights that this rank holds, norms included.
    #[must_use]
    pub(super) fn held_bytes(&self) -> u64 {
        let norms = self.layers.iter().flat_map(|l| [&l.input_norm, &l.post_norm, &l.q_norm, &l.k_norm]);
        let norms: usize = norms.chain([&self.norm]).map(|norm| size_of_val(&norm[..])).sum();
        let (own, mapped) = self.weight_bytes();
        own + mapped + norms as u64
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

    /// Ranks that it runs on.
    #[must_use]
    pub fn ranks(&self) -> usize {
        self.place.spread.ranks()
    }

    /// Groups of ranks that read different branches.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.place.spread.lanes
    }

    /// An empty memory of `capacity` rows.
    ///
    /// # Errors
    /// Too few pages or rows for a store, or when a rank is lost.
    pub fn new_store(&self, capacity: usize) -> Result<KvStore, TransformerError> {
        let store = self.own_store(self.lanes(), capacity)?;
        match &self.team {
            Some(team) => team.adopt(store),
            None => Ok(store),
        }
    }

    /// What this rank keeps of a memory; the first one has the books of all `lanes`.
    pub(super) fn own_store(&self, lanes: usize, capacity: usize) -> Result<KvStore, TransformerError> {
        KvStore::of_slice(&self.slice, self.device.as_ref(), lanes, capacity)
    }

    /// An empty memory for `branches` branches of `rows` rows each; where branches have lanes of their own, each lane gets
    /// room for those that are its.
    ///
    /// # Errors
    /// As [`Self::new_store`].
    pub fn new_store_for(&self, rows: usize, branches: usize) -> Result<KvStore, TransformerError> {
        self.new_store(rows.saturating_mul(branches.div_ceil(self.lanes())))
    }
}

/// The matrices of a layer, as a slice has them.
pub(super) struct LayerPieces {
    pub qkv: [Piece; 3],
    pub o: Piece,
    pub gate_up: [Piece; 2],
    pub down: Piece,
}

/// What a slice takes of a layer's matrices.
pub(super) fn pieces(config: &TransformerConfig, slice: &Slice, layer: usize) -> LayerPieces {
    let (d, f, shape) = (config.hidden_size, config.intermediate_size, config.head_shape());
    let of_heads = |heads: &std::ops::Range<usize>| heads.start * shape.head_dim..heads.end * shape.head_dim;
    let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
    let rows = |part: &str, all: usize, rows: std::ops::Range<usize>| Piece::rows(name(part), [all, d], rows);
    LayerPieces {
        qkv: [
            rows("self_attn.q_proj", shape.q_width(), of_heads(&slice.heads)),
            rows("self_attn.k_proj", shape.kv_width(), of_heads(&slice.kv_heads)),
            rows("self_attn.v_proj", shape.kv_width(), of_heads(&slice.kv_heads)),
        ],
        o: Piece::columns(name("self_attn.o_proj"), [d, shape.q_width()], of_heads(&slice.heads)),
        gate_up: ["mlp.gate_proj", "mlp.up_proj"].map(|part| rows(part, f, slice.inner.clone())),
        down: Piece::columns(name("mlp.down_proj"), [d, f], slice.inner.clone()),
    }
}

/// The ids of a slice: its two ranges, which are one where nobody else holds any.
pub(super) fn ids(slice: &Slice, visual_start: usize) -> Vec<std::ops::Range<usize>> {
    let visual = slice.visual.start + visual_start..slice.visual.end + visual_start;
    if slice.text.end == visual.start {
        return std::iter::once(slice.text.start..visual.end).collect();
    }
    vec![slice.text.clone(), visual]
}

pub(super) fn check_sizes(
    config: &TransformerConfig,
    visual_start: usize,
    place: Place,
) -> Result<(), TransformerError> {
    config.check()?;
    let vocab = config.vocab_size;
    if visual_start == 0 || visual_start >= vocab {
        let text = format!("first visual id {visual_start}; allowed are 1 to {} in this vocabulary", vocab - 1);
        return Err(TransformerError::Input(text));
    }
    place.spread.check(config, visual_start)
}

/// Rotary positions to make tables for.
pub(super) fn positions(config: &TransformerConfig, loading: Loading) -> Result<usize, TransformerError> {
    let positions = config.max_position_embeddings.max(loading.positions);
    if positions > limits::POSITIONS {
        let text = format!("{positions} positions; up to {} are allowed", limits::POSITIONS);
        return Err(TransformerError::Input(text));
    }
    Ok(positions)
}

/// Settings, names, shapes and both ends of every tensor, as one number (FNV-1a): enough to tell checkpoints apart, and read in
/// no time.
pub(super) fn fingerprint(config: &TransformerConfig, weights: &Weights) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    add(format!("{config:?}").as_bytes());
    for (name, shape) in weights.shapes() {
        add(format!("{name}{shape:?}").as_bytes());
        if let Ok(tensor) = weights.stored(&name, &shape) {
            let ends = ENDS.min(tensor.len());
            for rows in [0..ends, tensor.len() - ends..tensor.len()] {
                if let Ok(end) = tensor.rows(1, rows) {
                    end.values().iter().for_each(|value| add(&value.to_bits().to_le_bytes()));
                }
            }
        }
    }
    hash
}
