//! A tiny random transformer: logits, hidden states and keys of whole, cached, chunked and batched reading; greedy text.

use rhea_nn::device::OnDevice;
use rhea_nn::kernels::{Arithmetic, Format, Unit, arithmetic};
use rhea_nn::parallel::Place;
use rhea_nn::transformer::training::{Pass, Weights as Trained};
use rhea_nn::transformer::{
    Batch, Half, KvStore, Loading, Parameters, Token, Transformer, TransformerConfig, WeightForm,
};
use rhea_nn::weights::Weights;
use serde_json::Value;

use crate::fixtures::{Tensors, group, json};

/// Measured spread of the reference itself is 1.5e-5.
const TOLERANCE: f32 = 2e-4;
/// An arbitrary cut of the tiny vocabulary: both halves together are all logits.
pub const CUT: usize = 100;

pub struct Golden {
    pub config: TransformerConfig,
    pub weights: Weights,
    cases: Tensors,
    json: Value,
}

impl Golden {
    pub fn open() -> Self {
        let dir = group("transformer");
        Self {
            config: TransformerConfig::from_json(&std::fs::read_to_string(dir.join("config.json")).unwrap()).unwrap(),
            weights: Weights::open_folder(&dir).unwrap(),
            cases: Tensors::open(&dir.join("cases.safetensors")),
            json: json(&dir.join("cases.json")),
        }
    }

    /// The model as its file has it (f32), packed in f32 for the kernels, and through the operations of CUDA devices.
    fn models(&self) -> [Transformer; 3] {
        let packed = WeightForm::Packed(Arithmetic { unit: Unit::F32, ..arithmetic() });
        let loading = Loading { form: WeightForm::Stored, positions: 0 };
        let on = (Place::ONLY, &OnDevice::processor());
        let device = Transformer::on_device(self.config.clone(), &self.weights, CUT, loading, on).unwrap();
        [self.model(WeightForm::Stored), self.model(packed), device]
    }

    pub fn model(&self, form: WeightForm) -> Transformer {
        let loading = Loading { form, positions: 0 };
        Transformer::from_weights(self.config.clone(), &self.weights, CUT, loading).unwrap()
    }

    fn ids(&self, name: &str) -> Vec<u32> {
        self.cases.i64(name).into_iter().map(|id| u32::try_from(id).unwrap()).collect()
    }

    pub fn greedy(&self) -> Vec<(Vec<u32>, Vec<u32>)> {
        let numbers = |v: &Value| v.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as u32).collect::<Vec<_>>();
        let cases = self.json["greedy"].as_array().unwrap().iter();
        cases.map(|case| (numbers(&case["prompt"]), numbers(&case["continuation"]))).collect()
    }
}

/// All logits of one row of the last pass.
pub fn logits(model: &Transformer, store: &mut KvStore, row: usize) -> Vec<f32> {
    let mut all = model.logits(store, row..row + 1, Half::Text).unwrap().to_vec();
    all.extend_from_slice(model.logits(store, row..row + 1, Half::Visual).unwrap());
    all
}

#[track_caller]
fn assert_near(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let worst = got.iter().zip(want).map(|(g, w)| (g - w).abs()).fold(0.0, f32::max);
    assert!(worst <= TOLERANCE, "{what}: largest difference {worst}");
}

pub fn best(logits: &[f32]) -> u32 {
    (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]).then(b.cmp(a))).unwrap() as u32
}

#[test]
fn golden_transformer_whole_sequences() {
    let golden = Golden::open();
    let mut cases = 0;
    for model in golden.models() {
        for case in 0.. {
            if !golden.cases.has(&format!("full{case}.input_ids")) {
                break;
            }
            let ids = golden.ids(&format!("full{case}.input_ids"));
            let want = golden.cases.f32(&format!("full{case}.logits"));
            let mut store = model.new_store(ids.len()).unwrap();
            let mut branch = store.branch();
            model.extend(&mut store, &mut [(&mut branch, &ids)]).unwrap();
            for (row, want) in want.chunks(golden.config.vocab_size).enumerate() {
                assert_near(&logits(&model, &mut store, row), want, &format!("full{case} row {row}"));
            }
            cases += 1;
        }
    }
    println!("golden transformer, whole sequences: {cases} cases");
    assert!(cases >= 8);
}

#[test]
fn golden_transformer_hidden_states() {
    let golden = Golden::open();
    let layers = golden.config.num_hidden_layers;
    let ids = golden.ids("full1.input_ids");
    for count in 0..layers {
        for model in golden.models() {
            let model = model.first_layers(count);
            let mut store = model.new_store(ids.len()).unwrap();
            let mut branch = store.branch();
            model.extend(&mut store, &mut [(&mut branch, &ids)]).unwrap();
            let want = golden.cases.f32(&format!("full1.hidden{count}"));
            assert_near(model.residual(&store), &want, &format!("input of layer {count}"));
        }
    }
    // Behind the final norm, as training computes it; a second sequence in the same batch must change nothing.
    let read = |name: &str, shape: &[usize]| golden.weights.values_f32(name, shape);
    let parameters = Parameters::load::<rhea_nn::NnError>(golden.config.clone(), read).unwrap();
    let weights = Trained::pack(&parameters, Unit::F32, CUT, &Trained::rope(&golden.config)).unwrap();
    let mut batch = Batch::default();
    for case in ["full2", "full1"] {
        let ids = golden.ids(&format!("{case}.input_ids"));
        batch.push(&ids.iter().zip(0..).map(|(id, i)| Token::causal(*id, i)).collect::<Vec<_>>());
    }
    let hidden = Pass::default().hidden(&weights, &batch).unwrap();
    let want = golden.cases.f32(&format!("full1.hidden{layers}"));
    assert_near(&hidden[hidden.len() - want.len()..], &want, "behind the final norm");
    println!("golden transformer, hidden states: {} cases", layers + 1);
}

#[test]
fn golden_transformer_cached_steps_and_chunks() {
    let golden = Golden::open();
    let vocab = golden.config.vocab_size;
    let ids = golden.ids("step.input_ids");
    let mut cases = 0;
    for model in golden.models() {
        let mut store = model.new_store(64).unwrap();
        let mut branch = store.branch();
        model.extend(&mut store, &mut [(&mut branch, &ids[..19])]).unwrap();
        assert_near(&logits(&model, &mut store, 18), &golden.cases.f32("step.prefill_logits_last"), "prefill");
        for (i, want) in golden.cases.f32("step.logits").chunks(vocab).enumerate() {
            model.extend(&mut store, &mut [(&mut branch, &ids[19 + i..20 + i])]).unwrap();
            assert_near(&logits(&model, &mut store, 0), want, &format!("step {i}"));
            cases += 1;
        }
        let (want_k, want_v) = (golden.cases.f32("step.key_cache_layer0"), golden.cases.f32("step.value_cache_layer0"));
        for head in 0..golden.config.num_key_value_heads {
            let (k, v) = store.head(&branch, 0, head);
            assert_near(&k, &want_k[head * k.len()..(head + 1) * k.len()], "keys");
            assert_near(&v, &want_v[head * v.len()..(head + 1) * v.len()], "values");
            cases += 2;
        }
        // Cutting back and reading several at once is the same again.
        branch.truncate(19);
        let want = golden.cases.f32("chunk.logits");
        model.extend(&mut store, &mut [(&mut branch, &ids[19..19 + want.len() / vocab])]).unwrap();
        for (row, want) in want.chunks(vocab).enumerate() {
            assert_near(&logits(&model, &mut store, row), want, &format!("chunk row {row}"));
            cases += 1;
        }
    }
    println!("golden transformer, cached steps, keys, values and chunks: {cases} cases");
}

/// The reference pads the shorter sequence at its left and masks it. Here it is a branch of its own: there is no padding.
#[test]
fn golden_transformer_batch_of_two_lengths() {
    let golden = Golden::open();
    let vocab = golden.config.vocab_size;
    let (ids, mask, positions) = ("batch.input_ids", "batch.attention_mask", "batch.position_ids");
    let (ids, mask, positions) = (golden.ids(ids), golden.cases.i64(mask), golden.cases.i64(positions));
    let width = golden.cases.shape("batch.input_ids")[1];
    let rows: Vec<Vec<u32>> = (0..2)
        .map(|row| {
            let valid = (row * width..(row + 1) * width).filter(|i| mask[*i] == 1);
            assert!(valid.clone().map(|i| positions[i]).eq(0..valid.clone().count() as i64), "positions count from 0");
            valid.map(|i| ids[i]).collect()
        })
        .collect();
    for model in golden.models() {
        let mut store = model.new_store(200).unwrap();
        let (mut short, mut long) = (store.branch(), store.branch());
        model.extend(&mut store, &mut [(&mut short, &rows[0]), (&mut long, &rows[1])]).unwrap();
        let wants = [golden.cases.f32("batch.logits_row0_valid"), golden.cases.f32("batch.logits_row1")].concat();
        assert_eq!(wants.len() / vocab, rows[0].len() + rows[1].len());
        for (row, want) in wants.chunks(vocab).enumerate() {
            assert_near(&logits(&model, &mut store, row), want, &format!("batch row {row}"));
        }
    }
    println!("golden transformer, left-padded batch: 2 sequences, {} rows", rows[0].len() + rows[1].len());
}

#[test]
fn golden_transformer_greedy() {
    let golden = Golden::open();
    let mut cases = 0;
    for model in golden.models() {
        for (prompt, want) in golden.greedy() {
            let mut store = model.new_store(64).unwrap();
            let mut branch = store.branch();
            let (mut next, mut got) = (prompt, Vec::new());
            for _ in 0..want.len() {
                let last = next.len() - 1;
                model.extend(&mut store, &mut [(&mut branch, &next)]).unwrap();
                let id = best(&logits(&model, &mut store, last));
                got.push(id);
                next = vec![id];
            }
            assert_eq!(got, want);
            cases += 1;
        }
    }
    println!("golden transformer, greedy continuations: {cases} cases");
}

/// Quantised on loading: logits stay within 2 % (rms, of the deviation of the logits), and greedy text is the same or parts
/// where the reference itself was undecided.
#[test]
fn golden_transformer_quantised() {
    let golden = Golden::open();
    let bf16 = WeightForm::Packed(Arithmetic { unit: Unit::F32, format: Format::Bf16, ..arithmetic() });
    for (form, limit) in [(bf16, 0.01), (WeightForm::Q8, 0.02), (WeightForm::Q4K, 0.02)] {
        let (model, exact) = (golden.model(form), golden.model(WeightForm::Stored));
        let (mut error, mut size) = (0.0, 0.0);
        for case in 0..4 {
            let ids = golden.ids(&format!("full{case}.input_ids"));
            let want = golden.cases.f32(&format!("full{case}.logits"));
            let mut store = model.new_store(ids.len()).unwrap();
            let mut branch = store.branch();
            model.extend(&mut store, &mut [(&mut branch, &ids)]).unwrap();
            for (row, want) in want.chunks(golden.config.vocab_size).enumerate() {
                for (g, w) in logits(&model, &mut store, row).iter().zip(want) {
                    error += f64::from(g - w).powi(2);
                    size += f64::from(*w).powi(2);
                }
            }
        }
        let relative = (error / size).sqrt();
        println!("golden transformer, {}: relative error of logits {:.2} %", form.name(), relative * 100.0);
        assert!(relative < limit, "{}: {relative}", form.name());
        for (number, (prompt, want)) in golden.greedy().into_iter().enumerate() {
            // Along the reference's own text, so that every step is compared.
            let (mut store, mut exact_store) = (model.new_store(64).unwrap(), exact.new_store(64).unwrap());
            let (mut branch, mut exact_branch) = (store.branch(), exact_store.branch());
            let (mut next, mut parted) = (prompt, None);
            for (step, want) in want.into_iter().enumerate() {
                let last = next.len() - 1;
                model.extend(&mut store, &mut [(&mut branch, &next)]).unwrap();
                exact.extend(&mut exact_store, &mut [(&mut exact_branch, &next)]).unwrap();
                let got = best(&logits(&model, &mut store, last));
                if got != want && parted.is_none() {
                    let exact = logits(&exact, &mut exact_store, last);
                    let margin = exact[want as usize] - exact[got as usize];
                    parted = Some(margin);
                    println!("  greedy {number}: first difference at step {step}, margin {margin:.4}");
                }
                next = vec![want];
            }
            match parted {
                None => println!("  greedy {number}: equal"),
                Some(margin) => assert!(margin < 0.1, "{}: greedy {number} parts at margin {margin}", form.name()),
            }
        }
    }
}
