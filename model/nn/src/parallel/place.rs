//! Who holds what of a model.

use std::ops::Range;

use super::limits;
use crate::transformer::{HeadShape, TransformerConfig, TransformerError};

/// Inner values that are cut together where there are enough of them: the block of 8-bit weights, so that a rank's weights are
/// rounded as those of the whole.
const INNER_BLOCK: usize = 64;
/// Ids that are cut together where there are enough of them: the outputs of a panel.
const ID_BLOCK: usize = 16;

/// How a model is spread over ranks: `lanes` groups of ranks, one for each guidance branch, each of which holds the whole model,
/// cut into `tensor` parts of every layer or into `stages` runs of layers. Parts may be held by `context` readers each, which share
/// out the rows of long passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Parts of every layer: heads and inner size.
    pub tensor: usize,
    /// Runs of layers.
    pub stages: usize,
    /// Ranks that hold the same part of all layers and all keys and values, and read different rows of a pass.
    pub context: usize,
    /// Groups of ranks that read different branches; they share nothing but logits.
    pub lanes: usize,
}

impl Spread {
    /// Everything on one rank.
    pub const SINGLE: Self = Self { tensor: 1, stages: 1, context: 1, lanes: 1 };

    /// Ranks that read one branch together: they hold one whole model, or `context` copies of its layers.
    #[must_use]
    pub fn lane_ranks(self) -> usize {
        self.tensor * self.stages * self.context
    }

    /// All ranks.
    #[must_use]
    pub fn ranks(self) -> usize {
        self.lane_ranks() * self.lanes
    }

    /// Numbers of parts that the layers of a model can be cut into.
    #[must_use]
    pub fn tensor_parts(config: &TransformerConfig) -> Vec<usize> {
        let HeadShape { heads, kv_heads, .. } = config.head_shape();
        let most = heads.min(config.intermediate_size).min(limits::RANKS);
        let fits = |parts: &usize| {
            heads.is_multiple_of(*parts) && (kv_heads.is_multiple_of(*parts) || parts.is_multiple_of(kv_heads))
        };
        (1..=most).filter(fits).collect()
    }

    /// Can a model with these settings be spread so? `visual_start` is its first visual id.
    ///
    /// # Errors
    /// What cannot be cut, and what is allowed.
    pub fn check(self, config: &TransformerConfig, visual_start: usize) -> Result<(), TransformerError> {
        let refuse = |text: String| Err(TransformerError::Input(text));
        let Self { tensor, stages, context, lanes } = self;
        if tensor == 0
            || stages == 0
            || context == 0
            || !(1..=limits::LANES).contains(&lanes)
            || self.ranks() > limits::RANKS
        {
            return refuse(format!(
                "a model on {tensor} x {stages} x {context} x {lanes} ranks; allowed are 1 to {} in 1 to {} lanes",
                limits::RANKS,
                limits::LANES
            ));
        }
        if tensor > 1 && stages > 1 {
            return refuse(format!("layers in {tensor} parts and in {stages} runs; allowed is one of both"));
        }
        if context > 1 && stages > 1 {
            return refuse(format!("{context} readers of layers in {stages} runs; allowed is one of both"));
        }
        let parts = Self::tensor_parts(config);
        if !parts.contains(&tensor) {
            let HeadShape { heads, kv_heads, .. } = config.head_shape();
            return refuse(format!(
                "layers in {tensor} parts: {heads} heads over {kv_heads} key heads can be cut into {parts:?}"
            ));
        }
        let layers = config.num_hidden_layers;
        if stages > layers {
            return refuse(format!("{stages} runs of layers; this model has {layers} layers"));
        }
        let ids = visual_start.min(config.vocab_size.saturating_sub(visual_start));
        if self.lane_ranks() > ids {
            return refuse(format!("a vocabulary with {ids} ids of a kind on {} ranks", self.lane_ranks()));
        }
        Ok(())
    }
}

/// A rank's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// How the model is spread.
    pub spread: Spread,
    /// The rank's number, below [`Spread::ranks`]: lane by lane.
    pub rank: usize,
}

impl Place {
    /// The only rank.
    pub const ONLY: Self = Self { spread: Spread::SINGLE, rank: 0 };

    /// Its lane.
    #[must_use]
    pub fn lane(self) -> usize {
        self.rank / self.spread.lane_ranks()
    }

    /// Its number in its lane.
    #[must_use]
    pub fn in_lane(self) -> usize {
        self.rank % self.spread.lane_ranks()
    }

    /// Its run of layers.
    #[must_use]
    pub fn stage(self) -> usize {
        if self.spread.stages > 1 { self.in_lane() / self.spread.tensor } else { 0 }
    }

    /// Its number among the readers of its lane.
    #[must_use]
    pub fn reader(self) -> usize {
        if self.spread.context > 1 { self.in_lane() / self.spread.tensor } else { 0 }
    }

    /// What it holds of a model. The vocabulary is cut over all ranks of a lane, layers only as the spread says.
    #[must_use]
    pub fn slice(self, config: &TransformerConfig, visual_start: usize) -> Slice {
        let Spread { tensor, stages, .. } = self.spread;
        let (part, shape) = (self.in_lane() % tensor, config.head_shape());
        let group = shape.group();
        // Fewer key heads than ranks: several ranks hold the same one, each with query heads of its own.
        let kv_heads = if shape.kv_heads >= tensor {
            share(shape.kv_heads, 1, tensor, part)
        } else {
            let head = part * shape.kv_heads / tensor;
            head..head + 1
        };
        let heads = share(shape.heads, 1, tensor, part);
        debug_assert!(heads.start / group >= kv_heads.start && (heads.end - 1) / group < kv_heads.end);
        let (ranks, index) = (self.spread.lane_ranks(), self.in_lane());
        let visual = share(config.vocab_size - visual_start, ID_BLOCK, ranks, index);
        Slice {
            shape: HeadShape { heads: heads.len(), kv_heads: kv_heads.len(), head_dim: shape.head_dim },
            heads,
            kv_heads,
            inner: share(config.intermediate_size, INNER_BLOCK, tensor, part),
            layers: share(config.num_hidden_layers, 1, stages, self.stage()),
            text: share(visual_start, ID_BLOCK, ranks, index),
            visual,
        }
    }
}

/// What a rank holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Its heads, as an attention of its own.
    pub shape: HeadShape,
    /// Query heads.
    pub heads: Range<usize>,
    /// Key and value heads.
    pub kv_heads: Range<usize>,
    /// Inner values of the feed-forward layers.
    pub inner: Range<usize>,
    /// Layers.
    pub layers: Range<usize>,
    /// Text and control ids of embedding and head.
    pub text: Range<usize>,
    /// Visual codes of embedding and head, counted from 0.
    pub visual: Range<usize>,
}

impl Slice {
    /// Keys and values of one token, in values: of all layers of the rank.
    #[must_use]
    pub fn kv_values(&self) -> usize {
        self.layers.len() * 2 * self.shape.kv_width()
    }
}

/// Part `index` of `parts` of `len` things, cut at multiples of `block` where every part then has one.
fn share(len: usize, block: usize, parts: usize, index: usize) -> Range<usize> {
    let block = if len / block >= parts { block } else { 1 };
    let at = |index: usize| if index == parts { len } else { len / block * index / parts * block };
    at(index)..at(index + 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn published() -> TransformerConfig {
        TransformerConfig {
            hidden_size: 5120,
            intermediate_size: 25_600,
            num_hidden_layers: 64,
            num_attention_heads: 64,
            num_key_value_heads: 8,
            head_dim: 128,
            ..TransformerConfig::nano(282_926)
        }
    }

    #[test]
    fn slices_of_a_lane_are_the_whole_model_once() {
        let visual = 151_854;
        for config in [published(), TransformerConfig { vocab_size: 282_926, ..TransformerConfig::nano(300) }] {
            let parts = Spread::tensor_parts(&config);
            let spreads = parts.iter().map(|tensor| Spread { tensor: *tensor, ..Spread::SINGLE });
            let stages = [2, 3, 5].map(|stages| Spread { stages, lanes: 2, ..Spread::SINGLE });
            let readers = [(1, 3), (2, 2)].map(|(tensor, context)| Spread { tensor, context, ..Spread::SINGLE });
            for spread in spreads.chain(stages).chain(readers) {
                spread.check(&config, visual).unwrap();
                let slice = |rank: usize| Place { spread, rank }.slice(&config, visual);
                let lane: Vec<Slice> = (0..spread.lane_ranks()).map(slice).collect();
                let joined = |of: &dyn Fn(&Slice) -> Range<usize>, len: usize| {
                    let mut next = 0;
                    for slice in &lane {
                        assert_eq!(of(slice).start, next);
                        next = of(slice).end;
                    }
                    assert_eq!(next, len);
                };
                joined(&|s| s.text.clone(), visual);
                joined(&|s| s.visual.clone(), config.vocab_size - visual);
                if spread.stages > 1 {
                    joined(&|s| s.layers.clone(), config.num_hidden_layers);
                } else if spread.context == 1 {
                    joined(&|s| s.inner.clone(), config.intermediate_size);
                    joined(&|s| s.heads.clone(), config.num_attention_heads);
                } else {
                    // Readers hold the same of every layer.
                    let of_layers = |s: &Slice| (s.heads.clone(), s.inner.clone(), s.layers.clone());
                    let (first, others) = lane.split_at(spread.tensor);
                    let same = |readers: &[Slice]| readers.iter().zip(first).all(|(a, b)| of_layers(a) == of_layers(b));
                    assert!(others.chunks(spread.tensor).all(same), "{spread:?}");
                }
                // Every query head stands beside its key head, and the lanes are alike.
                let group = config.head_shape().group();
                for (rank, slice) in lane.iter().enumerate() {
                    for (own, head) in slice.heads.clone().enumerate() {
                        assert_eq!(slice.kv_heads.start + own / slice.shape.group(), head / group, "{spread:?}");
                    }
                    let twin = Place { spread, rank: rank + spread.lane_ranks() * (spread.lanes - 1) };
                    assert_eq!(twin.slice(&config, visual), *slice);
                }
            }
        }
        assert_eq!(Spread::tensor_parts(&published()), [1, 2, 4, 8, 16, 32, 64]);
        assert_eq!(Spread::tensor_parts(&TransformerConfig::nano(300)), [1, 2, 4]);
    }

    #[test]
    fn what_cannot_be_cut_is_refused_with_what_can() {
        let refuse = |tensor, stages, lanes, says: &str| {
            let error =
                Spread { tensor, stages, lanes, context: 1 }.check(&TransformerConfig::nano(300), 100).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        };
        refuse(3, 1, 1, "[1, 2, 4]");
        refuse(2, 2, 1, "one of both");
        refuse(1, 7, 1, "6 layers");
        refuse(1, 1, 4, "1 to 3 lanes");
        refuse(0, 1, 1, "allowed are 1 to 64");
        let readers = Spread { context: 2, stages: 2, ..Spread::SINGLE };
        let error = readers.check(&TransformerConfig::nano(300), 100).unwrap_err().to_string();
        assert!(error.contains("2 readers of layers in 2 runs"), "{error}");
    }
}
