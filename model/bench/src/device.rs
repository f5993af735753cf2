//! How fast layers of the published size are on a device, beside what its memory allows.
//!
//! Weights are random and made on the device; layers are as wide as Emu3.5's and fewer, and what 64 of them would take is computed
//! from the time of two depths. On the processor everything is an eighth as wide: that run says nothing about speed, it shows that the
//! measurement works.

use std::time::Instant;

use candle_core::{DType, Tensor};
use rhea_nn::NnError;
use rhea_nn::device::OnDevice;
use rhea_nn::kernels::{Arithmetic, Format};
use rhea_nn::transformer::{
    Branch, CanvasToken, Half, KvStore, Loading, NO_ID, Transformer, TransformerConfig, WeightForm,
};

use crate::error::BenchError;
use crate::pairs::{Row, Times, alone, timed};

/// Layers of the published model.
const PUBLISHED_LAYERS: usize = 64;
/// Rows that each of the two branches holds.
const CONTEXT: usize = 1024;
/// Cells of a canvas on a CUDA device, a picture of 512 x 512 px, and on the processor.
const CELLS: [usize; 2] = [1024, 64];
/// Bytes that are copied to measure a memory, on a CUDA device and on the processor.
const COPIED: [usize; 2] = [1 << 30, 1 << 26];
/// Ids in front of the visual ones: no text is drawn.
const TEXT_IDS: usize = 64;
/// Steps before the first that is timed: both orders in which two branches take pages are recorded by then, and compared.
const RECORDED_AFTER: usize = 24;
/// Most layers that are asked for: their weights have to fit beside each other in both depths.
pub const MOST_DEVICE_LAYERS: usize = 16;

/// The sizes that are measured.
fn sizes(on: &OnDevice, layers: usize) -> TransformerConfig {
    // An eighth keeps eight query heads to a key head.
    let (share, codes) = if on.is_cuda() { (1, 131_072) } else { (8, 8192) };
    TransformerConfig {
        hidden_size: 5120 / share,
        intermediate_size: 25_600 / share,
        num_hidden_layers: layers,
        num_attention_heads: 64 / share,
        num_key_value_heads: 8 / share,
        head_dim: 128,
        max_position_embeddings: 4096,
        rope_theta: 1e6,
        eol_token_id: Some(1),
        ..TransformerConfig::nano(TEXT_IDS + codes)
    }
}

/// Bytes of weights that a next-token step reads: layers and the head of pictures.
fn weight_bytes(config: &TransformerConfig, value: usize) -> (f64, f64) {
    let (d, f, heads) = (config.hidden_size, config.intermediate_size, config.head_shape());
    let layer = d * heads.qkv_width() + heads.q_width() * d + 3 * f * d;
    let head = (config.vocab_size - TEXT_IDS) * d;
    ((layer * value) as f64, (head * value) as f64)
}

/// Reading and writing of the device's memory, bytes a second.
fn bandwidth(on: &OnDevice) -> Result<f64, BenchError> {
    let bytes = COPIED[usize::from(!on.is_cuda())];
    let values = Tensor::zeros(bytes / 4, DType::F32, on.device())?;
    let times = alone(timed(|| {
        let copy = values.copy()?;
        on.finish().map_err(NnError::from)?;
        drop(copy);
        Ok::<(), BenchError>(())
    }))?;
    Ok(2.0 * bytes as f64 / times.ours_secs)
}

/// A pair of guidance branches with a context.
struct Pair {
    model: Transformer,
    store: KvStore,
    branches: [Branch; 2],
}

impl Pair {
    fn new(on: &OnDevice, config: &TransformerConfig, form: WeightForm) -> Result<Self, BenchError> {
        let loading = Loading { form, positions: 0 };
        let model = Transformer::random_on_device(config.clone(), TEXT_IDS, loading, on)?;
        let mut store = model.new_store_for(2 * CONTEXT, 2)?;
        let mut branches = [store.branch(), store.branch()];
        let ids: Vec<u32> = (0..CONTEXT as u32).map(|i| i * 7 % 900 + 2).collect();
        for branch in &mut branches {
            for ids in ids.chunks(512) {
                model.extend_for_last(&mut store, &mut [(&mut *branch, ids)])?;
            }
        }
        Ok(Self { model, store, branches })
    }

    /// One token for both branches, and its logits.
    fn step(&mut self) -> Result<(), BenchError> {
        let [first, second] = &mut self.branches;
        self.model.extend(&mut self.store, &mut [(&mut *first, &[70]), (&mut *second, &[70])])?;
        let logits = self.model.last_logits(&mut self.store, Half::Visual)?;
        let finite = logits.iter().all(|logit| logit.is_finite());
        first.truncate(CONTEXT);
        second.truncate(CONTEXT);
        if finite { Ok(()) } else { Err(BenchError::Peer("a device gave logits that are not finite".to_owned())) }
    }

    fn steps(&mut self) -> Result<Times, BenchError> {
        // What is recorded has to be recorded and compared before it is timed.
        let records = self.model.device().is_some_and(|on| on.replays().is_some());
        (0..if records { RECORDED_AFTER } else { 0 }).try_for_each(|_| self.step())?;
        alone(timed(|| (0..4).try_for_each(|_| self.step())))
            .map(|times| Times { ours_secs: times.ours_secs / 4.0, ..times })
    }

    fn canvas(&mut self, cells: usize) -> Result<Times, BenchError> {
        let cells: Vec<CanvasToken> =
            (0..cells as u32).map(|i| CanvasToken { id: 70 + i % 512, marks: [NO_ID; 2] }).collect();
        let Self { model, store, branches: [first, second] } = self;
        let rounds = timed(|| {
            model.denoise(store, &[(&*first, &cells[..]), (&*second, &cells[..])], 32)?;
            Ok::<(), BenchError>(())
        });
        alone(rounds)
    }
}

/// Steps, canvases and the memory of a device: rows of the list, the last ones computed for the whole published model.
///
/// # Errors
/// When there is no such number of layers, or the device's memory is full.
pub fn device_speed(on: &OnDevice, layers: usize, tell: &mut dyn FnMut(&str)) -> Result<Vec<Row>, BenchError> {
    if !(2..=MOST_DEVICE_LAYERS).contains(&layers) {
        let what = format!("{layers} layers; allowed are 2 to {MOST_DEVICE_LAYERS}");
        return Err(BenchError::Disagree { name: "device", what });
    }
    let row = |name: &str, ours: f64, unit, floor_share| Row {
        name: name.to_owned(),
        ours,
        peer: None,
        peer_name: "",
        ratio: None,
        unit,
        floor_share,
    };
    let bytes_a_sec = bandwidth(on)?;
    let mut rows = vec![row("device_memory", bytes_a_sec / 1e9, "GB/s", None)];
    let bf16 = WeightForm::Packed(Arithmetic { format: Format::Bf16, ..rhea_nn::kernels::arithmetic() });
    for (form, value) in [(bf16, on.short_type().size_in_bytes()), (WeightForm::Fp8, 1)] {
        let began = Instant::now();
        let (shallow, deep) = (sizes(on, layers / 2), sizes(on, layers));
        let name = if form == WeightForm::Fp8 {
            "fp8"
        } else if value == 2 {
            "bf16"
        } else {
            "f32"
        };
        let half = Pair::new(on, &shallow, form)?.steps()?.ours_secs;
        let mut pair = Pair::new(on, &deep, form)?;
        let whole = pair.steps()?.ours_secs;
        let pieces = match on.replays() {
            None => None,
            Some(_) => {
                on.pause_replays(true);
                let pieces = pair.steps();
                on.pause_replays(false);
                Some(pieces?.ours_secs)
            }
        };
        let (layer_bytes, head_bytes) = weight_bytes(&deep, value);
        let kv = (2 * CONTEXT * 2 * deep.head_shape().kv_width() * on.short_type().size_in_bytes()) as f64;
        let floor = |layers: usize| ((layer_bytes + kv) * layers as f64 + head_bytes) / bytes_a_sec;
        rows.push(Row {
            peer: pieces.map(|secs| 1.0 / secs),
            peer_name: if pieces.is_some() { "piece by piece" } else { "" },
            ratio: pieces.map(|secs| secs / whole),
            ..row(&format!("device_step_{name}"), 1.0 / whole, "pairs/s", Some(floor(layers) / whole))
        });
        // What depth adds, and what every step takes besides.
        let layer = (whole - half) / (layers - layers / 2) as f64;
        let all = whole + layer * (PUBLISHED_LAYERS - layers) as f64;
        let name_all = format!("device_step_{name}_x64");
        rows.push(row(&name_all, 1.0 / all, "pairs/s", Some(floor(PUBLISHED_LAYERS) / all)));
        let cells = CELLS[usize::from(!on.is_cuda())];
        let canvas = pair.canvas(cells)?.ours_secs;
        let flops = 2.0 * (layer_bytes * layers as f64 + head_bytes) / value as f64 * (2 * cells) as f64;
        rows.push(row(&format!("device_canvas_{name}"), flops / canvas / 1e12, "TFLOP/s", None));
        tell(&format!("{name}: {layers} layers, {:.1} s", began.elapsed().as_secs_f64()));
    }
    Ok(rows)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_a_step_reads_is_the_published_model() {
        // 34.1 billion values less embedding, text head and norms.
        let cuda = TransformerConfig {
            hidden_size: 5120,
            intermediate_size: 25_600,
            num_attention_heads: 64,
            num_key_value_heads: 8,
            head_dim: 128,
            ..TransformerConfig::nano(TEXT_IDS + 131_072)
        };
        let (layer, head) = weight_bytes(&cuda, 2);
        let norms = 64 * (2 * 5120 + 2 * 128) + 5120;
        let values = 34_103_460_864_u64 - (282_926 + 151_854) * 5120 - norms;
        assert_eq!(layer * 64.0 + head, 2.0 * values as f64);
    }

    #[test]
    fn wrong_depths_are_refused() {
        assert!(device_speed(&OnDevice::processor(), 1, &mut |_| ()).unwrap_err().to_string().contains("2 to 16"));
    }
}
