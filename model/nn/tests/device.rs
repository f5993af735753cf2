//! The layers on a device against those of this project's kernels: extend, denoise, commit, forks, guided pairs, ranks. The device
//! is the processor, through the operations that run on CUDA devices too.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::path::Path;

use common::story::{both, config, folder, long_parameters, parameters, remember, tell, tensors};
use common::{CODES, Numbers, VISUAL, assert_near};
use rhea_nn::NnError;
use rhea_nn::device::OnDevice;
use rhea_nn::kernels::{Arithmetic, Format, Unit};
use rhea_nn::parallel::{Place, Spread};
use rhea_nn::transformer::{Branch, Half, KvStore, Loading, Transformer, WeightForm};
use rhea_nn::weights::{Stored, Weights, save};

/// Logits of f32 sums in another order.
const TOLERANCE: f32 = 1e-4;

fn exact() -> WeightForm {
    WeightForm::Packed(Arithmetic::from(Unit::F32))
}

fn on_device(weights: &Weights, form: WeightForm, place: Place) -> Result<Transformer, NnError> {
    let loading = Loading { form, positions: 0 };
    Transformer::on_device(config(), weights, VISUAL, loading, (place, &OnDevice::processor()))
}

fn by_kernels(weights: &Weights) -> Transformer {
    let loading = Loading { form: exact(), positions: 0 };
    Transformer::from_weights(config(), weights, VISUAL, loading).unwrap()
}

fn spread(dir: &Path, spread: Spread) -> Transformer {
    let path = dir.join("9.safetensors");
    let build = move |place| on_device(&Weights::open(&path)?, WeightForm::Stored, place);
    Transformer::spread(spread, 1, build).unwrap()
}

#[test]
fn a_device_says_what_the_kernels_say() {
    let dir = tempfile::tempdir().unwrap();
    let weights = folder(dir.path(), 9);
    let want = tell(&by_kernels(&weights));
    for form in [WeightForm::Stored, exact()] {
        let got = tell(&on_device(&weights, form, Place::ONLY).unwrap());
        assert_eq!(got.last(), want.last(), "greedy tokens");
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            assert_near(got, want, TOLERANCE, &format!("{form:?}, {i}"));
        }
    }
}

#[test]
fn ranks_on_devices_say_what_the_kernels_say() {
    let dir = tempfile::tempdir().unwrap();
    let want = tell(&by_kernels(&folder(dir.path(), 9)));
    let lanes = [(2, 1, 1), (4, 1, 1), (1, 2, 1), (1, 1, 2), (2, 1, 2), (1, 2, 3)];
    let lanes = lanes.map(|(tensor, stages, lanes)| Spread { tensor, stages, lanes, context: 1 });
    let readers = [(1, 2, 1), (1, 4, 1), (2, 2, 1), (1, 2, 2)];
    let readers = readers.map(|(tensor, context, lanes)| Spread { tensor, context, lanes, stages: 1 });
    for size in lanes.into_iter().chain(readers) {
        let got = tell(&spread(dir.path(), size));
        assert_eq!(got.last(), want.last(), "greedy tokens");
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            assert_near(got, want, TOLERANCE, &format!("{size:?}, {i}"));
        }
    }
}

#[test]
fn readers_on_devices_hold_a_long_memory_and_share_it_with_the_kernels() {
    let parameters = long_parameters(9);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long.safetensors");
    save(&path, &tensors(&parameters), Stored::F32).unwrap();
    let loading = Loading { form: exact(), positions: 0 };
    let config = parameters.config().clone();
    let open = |devices: fn(usize) -> bool, context: usize| {
        let (path, config) = (path.clone(), config.clone());
        let build = move |place: Place| {
            let (config, weights) = (config.clone(), Weights::open(&path)?);
            if devices(place.rank) {
                Transformer::on_device(config, &weights, VISUAL, loading, (place, &OnDevice::processor()))
            } else {
                Transformer::from_weights_at(config, &weights, VISUAL, loading, place)
            }
        };
        Transformer::spread(Spread { context, ..Spread::SINGLE }, 1, build).unwrap()
    };
    let (want, drawn) = remember(&open(|_| false, 1), 700);
    // All readers on devices, and one beside one of the kernels, whichever is the first.
    for (number, devices) in [|_| true, |rank| rank == 0, |rank| rank != 0].into_iter().enumerate() {
        for context in [2, 3] {
            let model = open(devices, context);
            assert_eq!(model.readers(), context);
            let (got, tokens) = remember(&model, 700);
            assert_eq!(tokens, drawn, "{number}, {context}");
            for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                assert_near(got, want, TOLERANCE, &format!("{number}, {context}: {i}"));
            }
        }
    }
}

#[test]
fn branches_in_many_pieces_read_what_whole_ones_read() {
    let dir = tempfile::tempdir().unwrap();
    let weights = folder(dir.path(), 9);
    let (device, kernels) = (on_device(&weights, exact(), Place::ONLY).unwrap(), by_kernels(&weights));
    // Two branches that take pages in turn, so that neither has two pages that follow each other.
    let turns = |model: &Transformer| {
        let mut numbers = Numbers(6);
        let mut store = model.new_store(1600).unwrap();
        let (mut first, mut second) = (store.branch(), store.branch());
        for _ in 0..11 {
            let ids = numbers.ids(64);
            let positions = |branch: &Branch| (branch.len() as u32..).zip(&ids).map(|(row, id)| (row, *id));
            for branch in [&mut first, &mut second] {
                // Positions stay inside those that there are.
                let tokens: Vec<_> = positions(branch)
                    .map(|(row, id)| rhea_nn::transformer::Token {
                        position: row % 400,
                        ..rhea_nn::transformer::Token::causal(id, row)
                    })
                    .collect();
                model.extend_at(&mut store, &mut [(branch, &tokens)]).unwrap();
            }
        }
        let mut all = both(model, &mut store);
        for head in 0..2 {
            let (k, v) = store.head(&second, 1, head);
            all.extend(k);
            all.extend(v);
        }
        all
    };
    assert_near(&turns(&device), &turns(&kernels), TOLERANCE, "eleven pieces");
}

#[test]
fn steps_cross_pages_and_come_back_to_them() {
    let dir = tempfile::tempdir().unwrap();
    let weights = folder(dir.path(), 9);
    // More branches in turn than steps are remembered of; each crosses the end of a page, is cut back behind it, and forked there.
    let steps = |model: &Transformer| {
        let mut numbers = Numbers(8);
        let mut store = model.new_store_for(200, 24).unwrap();
        let mut branches: Vec<Branch> = (0..10).map(|_| store.branch()).collect();
        let mut said = Vec::new();
        let mut step = |branches: &mut [&mut Branch], count: usize, said: &mut Vec<f32>| {
            for _ in 0..count {
                let id = numbers.ids(1);
                let mut reads: Vec<(&mut Branch, &[u32])> = branches.iter_mut().map(|b| (&mut **b, &id[..])).collect();
                model.extend(&mut store, &mut reads).unwrap();
                said.extend(both(model, &mut store));
            }
        };
        for turn in 0..3 {
            for branch in &mut branches {
                step(&mut [&mut *branch], 25, &mut said);
                if turn == 2 {
                    branch.truncate(61);
                    let mut fork = branch.fork();
                    step(&mut [&mut *branch, &mut fork], 6, &mut said);
                    step(&mut [&mut fork], 2, &mut said);
                }
            }
        }
        said
    };
    let (device, kernels) = (on_device(&weights, exact(), Place::ONLY).unwrap(), by_kernels(&weights));
    assert_near(&steps(&device), &steps(&kernels), TOLERANCE, "steps");
}

/// The nearest 8-bit float with 4 bits of exponent and 3 behind the leading one; ties go to the even one.
fn nearest_fp8(value: f32) -> f32 {
    let (least, largest) = (-6, 448.0);
    let exponent = if value == 0.0 { least } else { (value.abs().log2().floor() as i32).max(least) };
    let step = 2.0_f32.powi(exponent - 3);
    ((value / step).round_ties_even() * step).clamp(-largest, largest)
}

/// A file whose matrices, but for the embedding, hold what fp8 with a scale for every output can say.
fn rounded_folder(dir: &Path) -> Weights {
    let parameters = parameters(9);
    let tensors = parameters.vars().iter().map(|(name, var)| {
        let (dims, mut values) = (var.dims().to_vec(), var.flatten_all().unwrap().to_vec1::<f32>().unwrap());
        if let ([_, width], false) = (&dims[..], name.contains("embed_tokens")) {
            for row in values.chunks_exact_mut(*width) {
                let scale = row.iter().fold(0.0_f32, |most, v| most.max(v.abs())) * (1.0_f64 / 448.0) as f32;
                row.iter_mut().for_each(|v| *v = nearest_fp8(*v / scale) * scale);
            }
        }
        (name.clone(), (dims, values))
    });
    let path = dir.join("rounded.safetensors");
    save(&path, &tensors.collect(), Stored::F32).unwrap();
    Weights::open(&path).unwrap()
}

#[test]
fn fp8_weights_are_the_nearest_there_are() {
    let dir = tempfile::tempdir().unwrap();
    let weights = folder(dir.path(), 9);
    let fp8 = on_device(&weights, WeightForm::Fp8, Place::ONLY).unwrap();
    let ids = Numbers(3).ids(40);
    let logits = |model: &Transformer| {
        let mut store = model.new_store(64).unwrap();
        let mut branch = store.branch();
        model.extend(&mut store, &mut [(&mut branch, &ids)]).unwrap();
        model.logits(&mut store, 0..40, Half::Visual).unwrap().to_vec()
    };
    let (got, want) = (logits(&fp8), logits(&by_kernels(&rounded_folder(dir.path()))));
    assert_eq!(got.len(), 40 * CODES);
    assert_near(&got, &want, TOLERANCE, "fp8 against weights that were rounded before");
    let whole = logits(&by_kernels(&weights));
    let rms = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v * v)).sum::<f64>().sqrt();
    let off = rms(&mut got.iter().zip(&whole).map(|(a, b)| a - b)) / rms(&mut whole.iter().copied());
    println!("fp8: logits of a tiny random model off by {off:.3} rms");
    assert!(off > 0.001, "nothing was rounded");
    // 8 bits a value and a scale for each output.
    let bytes = |model: &Transformer| model.rank_bytes()[0] as f64;
    assert!(bytes(&fp8) < 0.6 * bytes(&by_kernels(&weights)));
}

#[test]
fn what_a_device_cannot_hold_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let weights = folder(dir.path(), 9);
    let int8 = WeightForm::Packed(Arithmetic { format: Format::Int8, ..Arithmetic::from(Unit::F32) });
    for form in [WeightForm::Q8, WeightForm::Q4K, int8] {
        let error = on_device(&weights, form, Place::ONLY).unwrap_err().to_string();
        assert!(error.contains("allowed there are stored, f32, bf16 and fp8"), "{error}");
    }
    let loading = Loading { form: WeightForm::Fp8, positions: 0 };
    let error = Transformer::from_weights(config(), &weights, VISUAL, loading).unwrap_err().to_string();
    assert!(error.contains("fp8 weights are those of CUDA devices"), "{error}");
    let model = on_device(&weights, WeightForm::Stored, Place::ONLY).unwrap();
    assert!(model.new_store(0).is_err());
    let mut store: KvStore = model.new_store(64).unwrap();
    let mut branch = store.branch();
    let full = model.extend(&mut store, &mut [(&mut branch, &[1; 70])]).unwrap_err().to_string();
    assert!(full.contains("memory is full") && branch.is_empty(), "{full}");
}
