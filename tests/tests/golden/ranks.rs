//! The golden folders on several ranks: the reference's logits and greedy tokens, whatever the spread.

use rhea_engine::Cancel;
use rhea_engine::generate::{GenerateMemory, Pace, answer_tokens};
use rhea_nn::device::OnDevice;
use rhea_nn::kernels::{Arithmetic, Unit, arithmetic};
use rhea_nn::parallel::Spread;
use rhea_nn::transformer::{Half, Loading, Transformer, TransformerConfig, WeightForm};
use rhea_nn::weights::Weights;

use crate::e2e;
use crate::fixtures::{group, json};
use crate::transformer::{Golden, best, logits};
use crate::vocabulary::emu35;

/// What ranks may differ from one rank, in f32.
const TOLERANCE: f32 = 1e-4;
/// The spreads that are compared: layers in parts and in runs, guidance lanes with and without, readers.
const SPREADS: [(usize, usize, usize, usize); 10] = [
    (1, 1, 1, 1),
    (2, 1, 1, 1),
    (4, 1, 1, 1),
    (1, 2, 1, 1),
    (1, 4, 1, 1),
    (1, 1, 1, 2),
    (2, 1, 1, 2),
    (1, 1, 2, 1),
    (1, 1, 3, 1),
    (2, 1, 2, 1),
];

/// Those that are compared on devices; what ranks do there between layers is the same.
const ON_DEVICES: [(usize, usize, usize, usize); 5] =
    [(1, 1, 1, 1), (2, 1, 1, 1), (1, 2, 1, 1), (1, 1, 2, 1), (1, 1, 1, 2)];

/// A folder on ranks, each of which opens it itself; without a form, through the operations of CUDA devices.
fn spread(
    dir: std::path::PathBuf,
    first: usize,
    form: Option<WeightForm>,
    (tensor, stages, context, lanes): (usize, usize, usize, usize),
) -> Transformer {
    let build = move |place| {
        let config = TransformerConfig::from_json(&std::fs::read_to_string(dir.join("config.json")).unwrap())?;
        let (weights, positions) = (Weights::open_folder(&dir)?, 1024);
        match form {
            Some(form) => Transformer::from_weights_at(config, &weights, first, Loading { form, positions }, place),
            None => {
                let loading = Loading { form: WeightForm::Stored, positions };
                Transformer::on_device(config, &weights, first, loading, (place, &OnDevice::processor()))
            }
        }
    };
    Transformer::spread(Spread { tensor, stages, context, lanes }, 1, build).unwrap()
}

#[test]
fn golden_ranks_logits_and_greedy_tokens() {
    let golden = Golden::open();
    let packed = WeightForm::Packed(Arithmetic { unit: Unit::F32, ..arithmetic() });
    let mut compared = 0;
    let mut worst: f32 = 0.0;
    for form in [Some(WeightForm::Stored), Some(packed), None] {
        let alone = golden.model(form.unwrap_or(packed));

        for size in SPREADS.into_iter().filter(|size| form.is_some() || ON_DEVICES.contains(size)) {
            let model = spread(group("transformer"), crate::transformer::CUT, form, size);
            for (prompt, want) in golden.greedy() {
                let rows = prompt.len() + want.len();
                let (mut store, mut alone_store) = (model.new_store(rows).unwrap(), alone.new_store(rows).unwrap());
                // In the lane of the second guidance branch, where there is one.
                let (mut branch, mut alone_branch) = (store.branch_on(1), alone_store.branch());
                let mut next = prompt.clone();
                for want in want {
                    model.extend(&mut store, &mut [(&mut branch, &next)]).unwrap();
                    alone.extend(&mut alone_store, &mut [(&mut alone_branch, &next)]).unwrap();
                    let got = logits(&model, &mut store, next.len() - 1);
                    let exact = logits(&alone, &mut alone_store, next.len() - 1);
                    let off = got.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                    assert!(off <= TOLERANCE, "{size:?} {form:?}: logits are off by {off}");
                    worst = worst.max(off);
                    assert_eq!(best(&got), want, "{size:?} {form:?}");
                    next = vec![want];
                    compared += 1;
                }
            }
            let mut store = model.new_store(64).unwrap();
            let mut branch = store.branch();
            assert!(model.extend(&mut store, &mut [(&mut branch, &[u32::MAX - 1])]).is_err());
            assert!(model.last_logits(&mut store, Half::Text).is_err());
        }
    }
    println!("golden ranks: {compared} greedy tokens, logits within {worst:.1e}");
    assert!(compared > 100);
}

#[test]
fn golden_ranks_e2e_with_guidance() {
    let Some(dir) = e2e::folder() else { return };
    let vocabulary = emu35();
    let cases: Vec<e2e::Case> = json(&dir.join("cases.json"));
    let mut tokens = 0;
    for size in [(2, 1, 1, 1), (4, 1, 1, 1), (1, 2, 1, 1), (1, 1, 1, 2), (2, 1, 1, 2), (1, 1, 2, 1)] {
        let model = spread(dir.clone(), vocabulary.visual_base() as usize, Some(WeightForm::Stored), size);
        for case in &cases {
            let mut memory = GenerateMemory::new(&model, 1024, 2).unwrap();
            let asked = e2e::request(case, Pace::Fused);
            let calm = Cancel::default();
            let got = answer_tokens(&model, &vocabulary, &mut memory, &asked, None, &calm, &mut |_| {}).unwrap();
            assert_eq!(got.ids, case.generated, "{} {size:?}", case.label);
            tokens += got.ids.len();
        }
    }
    println!("golden ranks e2e: {tokens} tokens of guided answers");
}
