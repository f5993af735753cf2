//! The published architecture's numbers: a tiny random model run by the public reference code.
//!
//! `RHEA_GOLDEN_DIR` names the folder that holds `transformer/`; without it these tests say so and pass.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::PathBuf;

use safetensors::SafeTensors;
use serde_json::Value;

use super::training::{Pass, Weights};
use super::{Batch, Half, KvStore, Parameters, Token, Transformer, TransformerConfig, TransformerError};
use crate::kernels::Unit;

/// Measured spread of the reference itself is 1.5e-5.
const TOLERANCE: f32 = 2e-4;
/// An arbitrary cut of the tiny vocabulary: both halves together are all logits.
const CUT: usize = 100;

struct Golden {
    config: TransformerConfig,
    weights: Vec<u8>,
    cases: Vec<u8>,
    json: Value,
}

impl Golden {
    fn open() -> Option<Self> {
        let Some(root) = std::env::var_os("RHEA_GOLDEN_DIR") else {
            eprintln!("skipped: RHEA_GOLDEN_DIR is not set");
            return None;
        };
        let dir = PathBuf::from(root).join("transformer");
        let text = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
        Some(Self {
            config: TransformerConfig::from_json(&text("config.json")).unwrap(),
            weights: std::fs::read(dir.join("model.safetensors")).unwrap(),
            cases: std::fs::read(dir.join("cases.safetensors")).unwrap(),
            json: serde_json::from_str(&text("cases.json")).unwrap(),
        })
    }

    fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, TransformerError> {
        let file = SafeTensors::deserialize(&self.weights).unwrap();
        let view = file.tensor(name).unwrap();
        assert_eq!(view.shape(), shape, "{name}");
        Ok(floats(view.data()))
    }

    fn model(&self) -> Transformer {
        Transformer::load(self.config.clone(), Unit::F32, CUT, |name, shape| self.read(name, shape)).unwrap()
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        floats(SafeTensors::deserialize(&self.cases).unwrap().tensor(name).unwrap().data())
    }

    fn ids(&self, name: &str) -> Vec<u32> {
        let file = SafeTensors::deserialize(&self.cases).unwrap();
        let view = file.tensor(name).unwrap();
        view.data().chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as u32).collect()
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// All logits of one row of the last pass.
fn logits(model: &Transformer, store: &mut KvStore, row: usize) -> Vec<f32> {
    let mut all = model.logits(store, row..row + 1, Half::Text).to_vec();
    all.extend_from_slice(model.logits(store, row..row + 1, Half::Visual));
    all
}

fn assert_near(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let worst = got.iter().zip(want).map(|(g, w)| (g - w).abs()).fold(0.0, f32::max);
    assert!(worst <= TOLERANCE, "{what}: largest difference {worst}");
}

#[test]
fn whole_sequences_give_the_published_logits() {
    let Some(golden) = Golden::open() else { return };
    let model = golden.model();
    for case in ["full0", "full1", "full2", "full3"] {
        let ids = golden.ids(&format!("{case}.input_ids"));
        let want = golden.floats(&format!("{case}.logits"));
        let mut store = model.new_store(ids.len()).unwrap();
        let mut branch = store.branch();
        model.extend(&mut store, &mut [(&mut branch, &ids)]).unwrap();
        for (row, want) in want.chunks(golden.config.vocab_size).enumerate() {
            assert_near(&logits(&model, &mut store, row), want, &format!("{case} row {row}"));
        }
    }
}

#[test]
fn cached_steps_give_the_published_logits_and_keys() {
    let Some(golden) = Golden::open() else { return };
    let model = golden.model();
    let vocab = golden.config.vocab_size;
    let ids = golden.ids("step.input_ids");
    let mut store = model.new_store(64).unwrap();
    let mut branch = store.branch();
    model.extend(&mut store, &mut [(&mut branch, &ids[..19])]).unwrap();
    assert_near(&logits(&model, &mut store, 18), &golden.floats("step.prefill_logits_last"), "prefill");
    for (i, want) in golden.floats("step.logits").chunks(vocab).enumerate() {
        model.extend(&mut store, &mut [(&mut branch, &ids[19 + i..20 + i])]).unwrap();
        assert_near(&logits(&model, &mut store, 0), want, &format!("step {i}"));
    }
    let (want_k, want_v) = (golden.floats("step.key_cache_layer0"), golden.floats("step.value_cache_layer0"));
    for head in 0..golden.config.num_key_value_heads {
        let (k, v) = store.head(&branch, 0, head);
        assert_near(&k, &want_k[head * k.len()..(head + 1) * k.len()], "keys");
        assert_near(&v, &want_v[head * v.len()..(head + 1) * v.len()], "values");
    }
    // Cutting back and reading several at once is the same again.
    branch.truncate(19);
    let want = golden.floats("chunk.logits");
    model.extend(&mut store, &mut [(&mut branch, &ids[19..19 + want.len() / vocab])]).unwrap();
    for (row, want) in want.chunks(vocab).enumerate() {
        assert_near(&logits(&model, &mut store, row), want, &format!("chunk row {row}"));
    }
}

#[test]
fn greedy_continuations_are_the_published_ones() {
    let Some(golden) = Golden::open() else { return };
    let model = golden.model();
    let numbers = |v: &Value| v.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as u32).collect::<Vec<_>>();
    for case in golden.json["greedy"].as_array().unwrap() {
        let mut store = model.new_store(64).unwrap();
        let mut branch = store.branch();
        let mut next = numbers(&case["prompt"]);
        let mut got = Vec::new();
        for _ in 0..32 {
            let last = next.len() - 1;
            model.extend(&mut store, &mut [(&mut branch, &next)]).unwrap();
            let all = logits(&model, &mut store, last);
            let best = (0..all.len()).max_by(|a, b| all[*a].total_cmp(&all[*b])).unwrap() as u32;
            got.push(best);
            next = vec![best];
        }
        assert_eq!(got, numbers(&case["continuation"]));
    }
}

#[test]
fn training_passes_give_the_published_hidden_states() {
    let Some(golden) = Golden::open() else { return };
    let parameters = Parameters::load(golden.config.clone(), |name, shape| golden.read(name, shape)).unwrap();
    let weights = Weights::pack(&parameters, Unit::F32, CUT, &Weights::rope(&golden.config)).unwrap();
    let mut batch = Batch::default();
    // A second sequence in the same batch must change nothing.
    for case in ["full2", "full1"] {
        let ids = golden.ids(&format!("{case}.input_ids"));
        batch.push(&ids.iter().zip(0..).map(|(id, i)| Token::causal(*id, i)).collect::<Vec<_>>());
    }
    let hidden = Pass::default().hidden(&weights, &batch).unwrap();
    let last = format!("full1.hidden{}", golden.config.num_hidden_layers);
    let want = golden.floats(&last);
    assert_near(&hidden[hidden.len() - want.len()..], &want, &last);
}
