//! The random model as a GGUF file with 8-bit weights, for engines that read such files.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use candle_core::quantized::gguf_file::{Value, write};
use candle_core::quantized::{GgmlDType, QTensor};

use crate::error::BenchError;
use crate::model::RandomModel;

/// Writes the file: matrices as q8_0, norms as f32, metadata of the architecture `qwen3`, no vocabulary.
///
/// # Errors
/// When the file cannot be written.
pub fn write_q8_0(random: &RandomModel, path: &Path) -> Result<(), BenchError> {
    let config = random.parameters.config();
    let number = |value: usize| Value::U32(value as u32);
    let text = |value: &str| Value::String(value.to_owned());
    let metadata = [
        ("general.architecture", text("qwen3")),
        ("general.name", text("random")),
        // What a reader computes with: f32.
        ("general.dtype", Value::U32(0)),
        ("tokenizer.ggml.model", text("no_vocab")),
        ("qwen3.vocab_size", number(config.vocab_size)),
        ("qwen3.context_length", number(config.max_position_embeddings)),
        ("qwen3.embedding_length", number(config.hidden_size)),
        ("qwen3.block_count", number(config.num_hidden_layers)),
        ("qwen3.feed_forward_length", number(config.intermediate_size)),
        ("qwen3.attention.head_count", number(config.num_attention_heads)),
        ("qwen3.attention.head_count_kv", number(config.num_key_value_heads)),
        ("qwen3.attention.key_length", number(config.head_dim)),
        ("qwen3.attention.value_length", number(config.head_dim)),
        ("qwen3.attention.layer_norm_rms_epsilon", Value::F32(config.rms_norm_eps as f32)),
        ("qwen3.rope.freq_base", Value::F32(config.rope_theta as f32)),
    ];
    let mut tensors = Vec::new();
    for (name, var) in random.parameters.vars() {
        let matrix = var.dims().len() == 2;
        let kind = if matrix { GgmlDType::Q8_0 } else { GgmlDType::F32 };
        tensors.push((gguf_name(name), QTensor::quantize(var.as_tensor(), kind)?));
    }
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(name, value)| (*name, value)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let file = File::create(path).map_err(candle_core::Error::from)?;
    Ok(write(&mut BufWriter::new(file), &metadata, &tensors)?)
}

/// The name of a tensor in GGUF files from its name in safetensors files.
fn gguf_name(name: &str) -> String {
    let name = name.strip_prefix("model.").unwrap_or(name).replace("layers.", "blk.");
    [
        ("embed_tokens", "token_embd"),
        ("lm_head", "output"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
        ("post_attention_layernorm", "ffn_norm"),
        ("input_layernorm", "attn_norm"),
    ]
    .iter()
    .fold(if name == "norm.weight" { "output_norm.weight".to_owned() } else { name }, |name, (from, to)| {
        name.replace(from, to)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_format() {
        for (from, to) in [
            ("model.embed_tokens.weight", "token_embd.weight"),
            ("lm_head.weight", "output.weight"),
            ("model.norm.weight", "output_norm.weight"),
            ("model.layers.3.self_attn.q_proj.weight", "blk.3.attn_q.weight"),
            ("model.layers.0.self_attn.k_norm.weight", "blk.0.attn_k_norm.weight"),
            ("model.layers.11.post_attention_layernorm.weight", "blk.11.ffn_norm.weight"),
            ("model.layers.1.mlp.down_proj.weight", "blk.1.ffn_down.weight"),
        ] {
            assert_eq!(gguf_name(from), to);
        }
    }
}
