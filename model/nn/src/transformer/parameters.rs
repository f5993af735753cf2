//! The named tensors of a transformer, in the published names and order, and where each lies in one flat gradient.

use std::ops::Range;

use candle_core::{Device, Tensor, Var};

use super::{TransformerConfig, TransformerError};

/// Name and shape of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// HF name.
    pub name: String,
    /// Shape, `[out, in]` for matrices.
    pub shape: Vec<usize>,
    /// How fresh weights are drawn.
    pub init: Init,
}

impl TensorSpec {
    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Is it empty? Never, in a checked configuration.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// How fresh weights are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// All ones: norms.
    One,
    /// Normal with the configured deviation.
    Normal,
    /// Normal, narrowed by the root of twice the number of layers: matrices that write to the residual stream.
    Residual,
}

/// Tensors of one layer.
const PER_LAYER: usize = 11;

/// Where every tensor lies when all of them stand one after the other: embedding, layers, norm, head.
///
/// Queries, keys and values of a layer are neighbours, and so are gate and up, so that a fused product writes one range.
#[derive(Clone, Debug)]
pub struct Layout {
    specs: Vec<TensorSpec>,
    starts: Vec<usize>,
    layers: usize,
    hidden: usize,
}

impl Layout {
    /// The layout of a configuration.
    #[must_use]
    pub fn new(config: &TransformerConfig) -> Self {
        let heads = config.head_shape();
        let (d, f) = (config.hidden_size, config.intermediate_size);
        let mut specs = Vec::new();
        let mut add =
            |name: String, shape: &[usize], init| specs.push(TensorSpec { name, shape: shape.to_vec(), init });
        add("model.embed_tokens.weight".to_owned(), &[config.vocab_size, d], Init::Normal);
        for i in 0..config.num_hidden_layers {
            let name = |part: &str| format!("model.layers.{i}.{part}.weight");
            add(name("input_layernorm"), &[d], Init::One);
            add(name("self_attn.q_proj"), &[heads.q_width(), d], Init::Normal);
            add(name("self_attn.k_proj"), &[heads.kv_width(), d], Init::Normal);
            add(name("self_attn.v_proj"), &[heads.kv_width(), d], Init::Normal);
            add(name("self_attn.q_norm"), &[heads.head_dim], Init::One);
            add(name("self_attn.k_norm"), &[heads.head_dim], Init::One);
            add(name("self_attn.o_proj"), &[d, heads.q_width()], Init::Residual);
            add(name("post_attention_layernorm"), &[d], Init::One);
            add(name("mlp.gate_proj"), &[f, d], Init::Normal);
            add(name("mlp.up_proj"), &[f, d], Init::Normal);
            add(name("mlp.down_proj"), &[d, f], Init::Residual);
        }
        add("model.norm.weight".to_owned(), &[d], Init::One);
        add("lm_head.weight".to_owned(), &[config.vocab_size, d], Init::Normal);
        let mut starts = vec![0];
        for spec in &specs {
            starts.push(starts.last().copied().unwrap_or(0) + spec.len());
        }
        Self { specs, starts, layers: config.num_hidden_layers, hidden: d }
    }

    /// Names and shapes, in order.
    #[must_use]
    pub fn specs(&self) -> &[TensorSpec] {
        &self.specs
    }

    /// Values of all tensors together.
    #[must_use]
    pub fn total(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// Range of tensor `index`.
    #[must_use]
    pub fn range(&self, index: usize) -> Range<usize> {
        self.starts[index]..self.starts[index + 1]
    }

    fn span(&self, layer: usize, first: usize, count: usize) -> Range<usize> {
        let index = 1 + layer * PER_LAYER + first;
        self.starts[index]..self.starts[index + count]
    }

    pub(super) fn embedding(&self) -> Range<usize> {
        self.range(0)
    }

    pub(super) fn layer(&self, layer: usize) -> LayerRanges {
        LayerRanges {
            input_norm: self.span(layer, 0, 1),
            qkv: self.span(layer, 1, 3),
            q_norm: self.span(layer, 4, 1),
            k_norm: self.span(layer, 5, 1),
            o: self.span(layer, 6, 1),
            post_norm: self.span(layer, 7, 1),
            gate_up: self.span(layer, 8, 2),
            down: self.span(layer, 10, 1),
        }
    }

    pub(super) fn norm(&self) -> Range<usize> {
        self.range(1 + self.layers * PER_LAYER)
    }

    /// The rows `[first, last)` of the head.
    pub(super) fn head_rows(&self, rows: Range<usize>) -> Range<usize> {
        let start = self.range(2 + self.layers * PER_LAYER).start;
        start + rows.start * self.hidden..start + rows.end * self.hidden
    }
}

/// Ranges of one layer's tensors, fused where products are.
#[derive(Clone, Debug)]
pub(super) struct LayerRanges {
    pub input_norm: Range<usize>,
    pub qkv: Range<usize>,
    pub q_norm: Range<usize>,
    pub k_norm: Range<usize>,
    pub o: Range<usize>,
    pub post_norm: Range<usize>,
    pub gate_up: Range<usize>,
    pub down: Range<usize>,
}

/// The trainable tensors of a transformer, f32.
#[derive(Clone, Debug)]
pub struct Parameters {
    config: TransformerConfig,
    layout: Layout,
    vars: Vec<(String, Var)>,
}

impl Parameters {
    /// Fresh weights from a source of standard normal values.
    ///
    /// # Errors
    /// When the configuration is not supported.
    pub fn fresh(config: TransformerConfig, mut normal: impl FnMut() -> f32) -> Result<Self, TransformerError> {
        config.check()?;
        let residual = (1.0 / (2.0 * config.num_hidden_layers as f64).sqrt()) as f32;
        let deviation = config.initializer_range as f32;
        let layout = Layout::new(&config);
        let mut values = layout.specs().iter().map(|spec| match spec.init {
            Init::One => vec![1.0; spec.len()],
            Init::Normal => (0..spec.len()).map(|_| normal() * deviation).collect(),
            Init::Residual => (0..spec.len()).map(|_| normal() * deviation * residual).collect::<Vec<f32>>(),
        });
        let all: Vec<Vec<f32>> = values.by_ref().collect();
        drop(values);
        Self::from_values(config, layout, all)
    }

    /// Weights from a reader of tensors by name and shape, such as a safetensors file.
    ///
    /// # Errors
    /// What the reader says, or a tensor with another number of values than its shape.
    pub fn load<E: From<TransformerError>>(
        config: TransformerConfig,
        mut read: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>,
    ) -> Result<Self, E> {
        config.check()?;
        let layout = Layout::new(&config);
        let mut all = Vec::with_capacity(layout.specs().len());
        for spec in layout.specs() {
            let values = read(&spec.name, &spec.shape)?;
            check_len(spec, values.len())?;
            all.push(values);
        }
        Ok(Self::from_values(config, layout, all)?)
    }

    fn from_values(config: TransformerConfig, layout: Layout, all: Vec<Vec<f32>>) -> Result<Self, TransformerError> {
        let mut vars = Vec::with_capacity(all.len());
        for (spec, values) in layout.specs().iter().zip(all) {
            let tensor = Tensor::from_vec(values, spec.shape.as_slice(), &Device::Cpu)?;
            vars.push((spec.name.clone(), Var::from_tensor(&tensor)?));
        }
        Ok(Self { config, layout, vars })
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &TransformerConfig {
        &self.config
    }

    /// Where tensors lie in a flat gradient.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Names and variables, in the order of the layout.
    #[must_use]
    pub fn vars(&self) -> &[(String, Var)] {
        &self.vars
    }

    /// All values in the order of the layout.
    ///
    /// # Errors
    /// When a variable's shape was changed from outside.
    pub fn flat(&self) -> Result<Vec<f32>, TransformerError> {
        let mut flat = Vec::with_capacity(self.layout.total());
        for (spec, (_, var)) in self.layout.specs().iter().zip(&self.vars) {
            let before = flat.len();
            flat.extend(var.flatten_all()?.to_vec1::<f32>()?);
            check_len(spec, flat.len() - before)?;
        }
        Ok(flat)
    }
}

fn check_len(spec: &TensorSpec, found: usize) -> Result<(), TransformerError> {
    if found == spec.len() {
        return Ok(());
    }
    let what = format!("holds {found} values; the settings ask for {:?}", spec.shape);
    Err(TransformerError::Tensor { name: spec.name.clone(), what })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_the_paper() {
        let config = TransformerConfig {
            hidden_size: 5120,
            intermediate_size: 25600,
            num_hidden_layers: 64,
            num_attention_heads: 64,
            num_key_value_heads: 8,
            head_dim: 128,
            ..TransformerConfig::nano(282_926)
        };
        let layout = Layout::new(&config);
        // 707 tensors of 34,103,460,864 values: the published 34.1 B.
        assert_eq!(layout.specs().len(), 707);
        assert_eq!(layout.total(), 34_103_460_864);
    }

    #[test]
    fn fused_ranges_hold_neighbours() {
        let layout = Layout::new(&TransformerConfig::nano(300));
        let ranges = layout.layer(3);
        let at = |name: &str| {
            let index = layout.specs().iter().position(|s| s.name == format!("model.layers.3.{name}.weight")).unwrap();
            layout.range(index)
        };
        assert_eq!(ranges.qkv, at("self_attn.q_proj").start..at("self_attn.v_proj").end);
        assert_eq!(ranges.gate_up, at("mlp.gate_proj").start..at("mlp.up_proj").end);
        assert_eq!(ranges.k_norm, at("self_attn.k_norm"));
        assert_eq!(ranges.down, at("mlp.down_proj"));
        assert_eq!(layout.head_rows(0..300).end, layout.total());
        assert_eq!(layout.norm().end, layout.head_rows(0..300).start);
    }

    #[test]
    fn a_tensor_of_the_wrong_size_is_named() {
        let read = |name: &str, shape: &[usize]| {
            let n: usize = shape.iter().product();
            Ok::<_, TransformerError>(vec![0.0; if name == "model.layers.1.mlp.up_proj.weight" { n - 1 } else { n }])
        };
        let error = Parameters::load(TransformerConfig::nano(300), read).unwrap_err().to_string();
        assert!(error.contains("model.layers.1.mlp.up_proj.weight") && error.contains("[768, 256]"), "{error}");
    }
}
