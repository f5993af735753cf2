//! The settings of a transformer, exactly the fields that Emu3.5 publishes in `config.json`.

use serde::{Deserialize, Serialize};

use super::TransformerError;

/// Limits on what a configuration may ask for, checked before anything is allocated.
pub mod limits {
    /// Entries of the vocabulary.
    pub const VOCABULARY: usize = 1 << 20;
    /// Width of the residual stream and of the feed-forward layer.
    pub const WIDTH: usize = 1 << 17;
    /// Layers.
    pub const LAYERS: usize = 512;
    /// Heads.
    pub const HEADS: usize = 1024;
    /// Positions.
    pub const POSITIONS: usize = 1 << 20;
    /// Scores of attention that stand in a device's memory at once: heads times rows times keys.
    pub const DEVICE_SCORES: usize = 1 << 26;
}

/// The transformer's settings. Every field that changes what is computed is required, so that no default of another family
/// slips in; the defaults of the published class are those of an older, smaller model. Fields that decoding does not look at
/// may be missing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TransformerConfig {
    /// Must be `["Emu3ForCausalLM"]`.
    pub architectures: Vec<String>,
    /// Must be `"Emu3"`.
    pub model_type: String,
    /// Entries of the vocabulary: text, specials, visual codes.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Layers.
    pub num_hidden_layers: usize,
    /// Query heads; a multiple of `num_key_value_heads`.
    pub num_attention_heads: usize,
    /// Key and value heads.
    pub num_key_value_heads: usize,
    /// Size of a head; even. Independent of `hidden_size / num_attention_heads`.
    pub head_dim: usize,
    /// Positions that the rotary tables are made for.
    pub max_position_embeddings: usize,
    /// Added to the mean square under the root of every RMS norm.
    pub rms_norm_eps: f64,
    /// Base of the rotary angles.
    pub rope_theta: f64,
    /// Id of `<|endoftext|>`, used for padding.
    pub pad_token_id: u32,
    /// Id that begins a stream.
    pub bos_token_id: u32,
    /// Id that ends a stream.
    pub eos_token_id: u32,
    /// Must be `"silu"`.
    pub hidden_act: String,
    /// Dropout of the published training; ignored here.
    #[serde(default)]
    pub attention_dropout: f64,
    /// Standard deviation of fresh weights; only training looks at it.
    #[serde(default = "usual_deviation")]
    pub initializer_range: f64,
    /// Must be false: the head is a matrix of its own.
    pub tie_word_embeddings: bool,
    /// Must be null or missing.
    pub rope_scaling: Option<serde_json::Value>,
    /// Published for other runtimes; ignored here.
    #[serde(default = "yes")]
    pub use_cache: bool,
    /// How another runtime slices the same products; ignored here.
    #[serde(default = "one")]
    pub pretraining_tp: usize,
    /// Begin of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boi_token_id: Option<u32>,
    /// End of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eoi_token_id: Option<u32>,
    /// End of a picture's header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub img_token_id: Option<u32>,
    /// End of a row of codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eol_token_id: Option<u32>,
    /// End of a frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eof_token_id: Option<u32>,
    /// Area of input pictures in square pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_area: Option<usize>,
}

fn usual_deviation() -> f64 {
    0.02
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}

/// Settings of related architectures that change what is computed, with the values at which they change nothing. The
/// published class does not know them; a folder that sets one is of another architecture.
fn foreign(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "attention_bias" | "mlp_bias" | "qkv_bias" | "use_sliding_window" => &["false", "null"],
        "sliding_window" | "quantization_config" | "final_logit_softcapping" | "attn_logit_softcapping" => &["null"],
        "num_experts" | "num_local_experts" => &["null", "0"],
        "partial_rotary_factor" | "logit_scale" | "logits_scaling" | "embedding_multiplier" | "residual_multiplier" => {
            &["null", "1", "1.0"]
        }
        _ => return None,
    })
}

impl TransformerConfig {
    /// The small model that Rhea brings: 6 layers of width 256, 4 heads of 64 over 2 key heads.
    ///
    /// Control ids are zero or missing; the tokenizer's owner fills them in.
    #[must_use]
    pub fn nano(vocab: usize) -> Self {
        Self {
            architectures: vec!["Emu3ForCausalLM".to_owned()],
            model_type: "Emu3".to_owned(),
            vocab_size: vocab,
            hidden_size: 256,
            intermediate_size: 768,
            num_hidden_layers: 6,
            num_attention_heads: 4,
            num_key_value_heads: 2,
            head_dim: 64,
            max_position_embeddings: 2048,
            rms_norm_eps: 1e-6,
            rope_theta: 10_000.0,
            pad_token_id: 0,
            bos_token_id: 0,
            eos_token_id: 0,
            hidden_act: "silu".to_owned(),
            attention_dropout: 0.0,
            initializer_range: 0.02,
            tie_word_embeddings: false,
            rope_scaling: None,
            use_cache: true,
            pretraining_tp: 1,
            boi_token_id: None,
            eoi_token_id: None,
            img_token_id: None,
            eol_token_id: None,
            eof_token_id: None,
            image_area: Some(128 * 128),
        }
    }

    /// Reads and checks a `config.json`.
    ///
    /// # Errors
    /// When a field is missing or of the wrong type, or as [`Self::check`].
    pub fn from_json(text: &str) -> Result<Self, TransformerError> {
        let wrong = |e: serde_json::Error| TransformerError::Config(e.to_string());
        let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).map_err(wrong)?;
        for (name, value) in &fields {
            match foreign(name) {
                Some(neutral) if !neutral.contains(&value.to_string().as_str()) => {
                    let allowed = neutral.join(" or ");
                    return Err(TransformerError::Config(format!("{name} is {value}; allowed is {allowed}")));
                }
                _ => {}
            }
        }
        let config: Self = serde_json::from_value(fields.into()).map_err(wrong)?;
        config.check()?;
        Ok(config)
    }

    /// Refuses settings that this implementation does not compute, by name.
    ///
    /// # Errors
    /// The first setting that is not supported, what it is and what is allowed.
    pub fn check(&self) -> Result<(), TransformerError> {
        let refuse = |text: String| Err(TransformerError::Config(text));
        if self.model_type != "Emu3" {
            return refuse(format!("model_type is {:?}; allowed is \"Emu3\"", self.model_type));
        }
        if !self.architectures.iter().any(|a| a == "Emu3ForCausalLM") {
            return refuse(format!("architectures is {:?}; it must name \"Emu3ForCausalLM\"", self.architectures));
        }
        if self.hidden_act != "silu" {
            return refuse(format!("hidden_act is {:?}; allowed is \"silu\"", self.hidden_act));
        }
        if self.tie_word_embeddings {
            return refuse("tie_word_embeddings is true; only an untied head is supported".to_owned());
        }
        if let Some(scaling) = &self.rope_scaling {
            return refuse(format!("rope_scaling is {scaling}; allowed is null"));
        }
        let sizes = [
            ("vocab_size", self.vocab_size, limits::VOCABULARY),
            ("hidden_size", self.hidden_size, limits::WIDTH),
            ("intermediate_size", self.intermediate_size, limits::WIDTH),
            ("num_hidden_layers", self.num_hidden_layers, limits::LAYERS),
            ("num_attention_heads", self.num_attention_heads, limits::HEADS),
            ("num_key_value_heads", self.num_key_value_heads, limits::HEADS),
            ("head_dim", self.head_dim, limits::WIDTH),
            ("max_position_embeddings", self.max_position_embeddings, limits::POSITIONS),
        ];
        for (name, value, limit) in sizes {
            if value == 0 || value > limit {
                return refuse(format!("{name} is {value}; allowed are 1 to {limit}"));
            }
        }
        if !self.num_attention_heads.is_multiple_of(self.num_key_value_heads) {
            return refuse(format!(
                "num_attention_heads is {}; it must be a multiple of num_key_value_heads, {}",
                self.num_attention_heads, self.num_key_value_heads
            ));
        }
        if !self.head_dim.is_multiple_of(2) {
            return refuse(format!("head_dim is {}; it must be even", self.head_dim));
        }
        for (name, value) in [("rms_norm_eps", self.rms_norm_eps), ("rope_theta", self.rope_theta)] {
            if !(value.is_finite() && value > 0.0) {
                return refuse(format!("{name} is {value}; it must be positive"));
            }
        }
        Ok(())
    }

    /// Heads and their size.
    #[must_use]
    pub fn head_shape(&self) -> HeadShape {
        HeadShape { heads: self.num_attention_heads, kv_heads: self.num_key_value_heads, head_dim: self.head_dim }
    }
}

/// Heads of an attention layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadShape {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; query head `h` reads key head `h / (heads / kv_heads)`.
    pub kv_heads: usize,
    /// Size of a head.
    pub head_dim: usize,
}

impl HeadShape {
    /// Query heads per key head.
    #[must_use]
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// Width of the queries of one row.
    #[must_use]
    pub fn q_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Width of the keys (or values) of one row.
    #[must_use]
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// Width of queries, keys and values of one row.
    #[must_use]
    pub fn qkv_width(&self) -> usize {
        self.q_width() + 2 * self.kv_width()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn json_with(field: &str, value: serde_json::Value) -> String {
        let mut json = serde_json::to_value(TransformerConfig::nano(300)).unwrap();
        json[field] = value;
        json.to_string()
    }

    #[test]
    fn unsupported_settings_are_refused_by_name() {
        use serde_json::json;
        for (field, value) in [
            ("model_type", json!("llama")),
            ("hidden_act", json!("gelu")),
            ("tie_word_embeddings", json!(true)),
            ("rope_scaling", json!({"type": "linear", "factor": 2.0})),
            ("num_key_value_heads", json!(3)),
            ("head_dim", json!(63)),
            ("vocab_size", json!(1_u64 << 40)),
            ("rms_norm_eps", json!(0.0)),
            ("architectures", json!([])),
            ("attention_bias", json!(true)),
            ("sliding_window", json!(4096)),
            ("quantization_config", json!({"quant_method": "gptq"})),
        ] {
            let name = if field == "num_key_value_heads" { "num_attention_heads" } else { field };
            let error = TransformerConfig::from_json(&json_with(field, value)).unwrap_err().to_string();
            assert!(error.contains(name), "{field}: {error}");
        }
    }

    #[test]
    fn every_field_that_is_computed_with_is_required() {
        let full = serde_json::to_value(TransformerConfig::nano(300)).unwrap();
        assert!(TransformerConfig::from_json(&full.to_string()).is_ok());
        let ignored =
            ["attention_dropout", "image_area", "initializer_range", "pretraining_tp", "rope_scaling", "use_cache"];
        let fields: Vec<&String> = full.as_object().unwrap().keys().collect();
        assert_eq!(fields.len(), 17 + ignored.len(), "{fields:?}");
        for field in fields.into_iter().filter(|field| !ignored.contains(&field.as_str())) {
            let mut without = full.clone();
            without.as_object_mut().unwrap().remove(field);
            let error = TransformerConfig::from_json(&without.to_string()).unwrap_err().to_string();
            assert!(error.contains(field.as_str()), "{field}: {error}");
        }
    }
}
