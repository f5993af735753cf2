//! One model on several ranks against the same model alone: extend, denoise, commit, forks, logits, draws; and ranks that fail.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::story::{both, config, folder, long_parameters, parameters, remember, tell};
use common::{CODES, Numbers, VISUAL, assert_near};
use rhea_nn::NnError;
use rhea_nn::kernels::{Arithmetic, Unit};
use rhea_nn::parallel::{Place, Spread};
use rhea_nn::transformer::{Branch, Half, Loading, Mix, Parameters, Transformer, WeightForm};
use rhea_nn::weights::Weights;

/// Logits of f32 sums in another order.
const TOLERANCE: f32 = 1e-5;

fn spread(tensor: usize, stages: usize, lanes: usize) -> Transformer {
    on(Spread { tensor, stages, lanes, context: 1 }, parameters(9))
}

fn on(spread: Spread, parameters: Parameters) -> Transformer {
    let build = move |place| Ok(Transformer::from_parameters_at(&parameters, Unit::F32, VISUAL, place)?);
    Transformer::spread(spread, 1, build).unwrap()
}

/// Spreads with readers that share out rows: parts, readers, lanes.
const READERS: [(usize, usize, usize); 6] = [(1, 2, 1), (1, 3, 1), (1, 4, 1), (2, 2, 1), (1, 2, 2), (2, 3, 1)];

fn readers((tensor, context, lanes): (usize, usize, usize)) -> Spread {
    Spread { tensor, context, lanes, stages: 1 }
}

/// All ways to spread the model that are tested, 1 to 6 ranks.
fn spreads() -> Vec<Transformer> {
    let all =
        [(2, 1, 1), (4, 1, 1), (1, 2, 1), (1, 4, 1), (1, 3, 1), (1, 1, 2), (2, 1, 2), (1, 2, 2), (1, 1, 3), (2, 1, 3)];
    let all = all.into_iter().map(|(tensor, stages, lanes)| spread(tensor, stages, lanes));
    all.chain(READERS.map(|size| on(readers(size), parameters(9)))).collect()
}

#[test]
fn several_ranks_say_what_one_says() {
    let want = tell(&spread(1, 1, 1));
    for model in spreads() {
        let got = tell(&model);
        assert_eq!(got.last(), want.last(), "greedy tokens");
        assert_eq!(got.len(), want.len());
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            assert_near(got, want, TOLERANCE, &format!("{} ranks in {} lanes, {i}", model.ranks(), model.lanes()));
        }
        // The same again: sums do not depend on timing.
        assert_eq!(tell(&model), got);
    }
}

#[test]
fn a_long_memory_is_the_same_whoever_reads_which_rows() {
    let (want, drawn) = remember(&on(Spread::SINGLE, long_parameters(9)), 2085);
    let mut worst: f32 = 0.0;
    for size in READERS.into_iter().filter(|size| size.0 == 1) {
        let model = on(readers(size), long_parameters(9));
        assert_eq!(model.readers(), size.1);
        let (got, tokens) = remember(&model, 2085);
        assert_eq!(tokens, drawn, "{size:?}");
        assert_eq!(got.len(), want.len());
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            assert_near(got, want, TOLERANCE, &format!("{size:?}, {i}"));
            worst = got.iter().zip(want).map(|(a, b)| (a - b).abs()).fold(worst, f32::max);
        }
    }
    println!("2,085 rows on up to 4 readers: logits, keys and values within {worst:.1e}");
}

#[test]
fn guidance_lanes_alone_change_no_bit() {
    let want = tell(&spread(1, 1, 1));
    for lanes in [2, 3] {
        assert_eq!(tell(&spread(1, 1, lanes)), want);
    }
}

#[test]
fn shortlists_are_the_largest_of_all_logits() {
    for model in spreads() {
        let mut numbers = Numbers(5);
        let mut store = model.new_store(300).unwrap();
        let mut branches: Vec<Branch> = (0..3).map(|lane| store.branch_on(lane)).collect();
        for mix in [Mix::Alone, Mix::Away(3.0), Mix::Towards(0.5), Mix::ThreeWay { text: 3.0, pictures: 1.5 }] {
            let ids = numbers.ids(3);
            let mut reads: Vec<_> = branches.iter_mut().map(|b| (b, &ids[..])).take(mix.branches()).collect();
            model.extend_for_last(&mut store, &mut reads).unwrap();
            for (half, len) in [(Half::Visual, CODES), (Half::Text, VISUAL)] {
                let mut logits = model.last_logits(&mut store, half).unwrap().to_vec();
                let (conditional, others) = logits.split_at_mut(len);
                mix.apply(conditional, others);
                for keep in [1, 7, 1000] {
                    let list = model.shortlist(&mut store, half, mix, keep).unwrap().unwrap();
                    let mut sorted = conditional.to_vec();
                    sorted.sort_by(|a, b| b.total_cmp(a));
                    let least = sorted[keep.min(len) - 1];
                    let all = (0..).zip(conditional.iter().copied());
                    assert_eq!(list.entries, all.filter(|(_, l)| *l >= least).collect::<Vec<_>>());
                    assert_eq!((list.len, list.broken, list.largest), (len, 0, sorted[0]));
                }
            }
            let other = if mix == Mix::Alone { Mix::Away(1.0) } else { Mix::Alone };
            assert!(model.shortlist(&mut store, Half::Text, other, 1).is_err(), "another number of branches");
        }
    }
    let alone = spread(1, 1, 1);
    let mut store = alone.new_store(64).unwrap();
    let mut branch = store.branch();
    alone.extend(&mut store, &mut [(&mut branch, &[1, 2])]).unwrap();
    assert_eq!(alone.shortlist(&mut store, Half::Text, Mix::Alone, 3).unwrap(), None);
}

fn of_file(weights: &Weights, form: WeightForm, place: Place) -> Result<Transformer, NnError> {
    Transformer::from_weights_at(config(), weights, VISUAL, Loading { form, positions: 0 }, place)
}

#[test]
fn files_are_cut_where_they_lie() {
    let dir = tempfile::tempdir().unwrap();
    let packed = WeightForm::Packed(Arithmetic::from(Unit::F32));
    folder(dir.path(), 9);
    for form in [WeightForm::Stored, packed] {
        let alone = of_file(&folder(dir.path(), 9), form, Place::ONLY).unwrap();
        let want = tell(&alone);
        for (tensor, stages) in [(2, 1), (4, 1), (1, 2)] {
            let path = dir.path().join("9.safetensors");
            let build = move |place| of_file(&Weights::open(&path)?, form, place);
            let model = Transformer::spread(Spread { tensor, stages, ..Spread::SINGLE }, 1, build).unwrap();
            for (got, want) in tell(&model).iter().zip(&want) {
                assert_near(got, want, TOLERANCE, &format!("{form:?} in {tensor} parts, {stages} runs"));
            }
            // No rank holds what another one holds, but for norms, key heads and the padding of such small panels.
            let held = model.rank_bytes();
            assert_eq!(held.len(), tensor * stages);
            let (own, mapped) = alone.weight_bytes();
            let most = (own + mapped) as f64 * if tensor == 4 { 0.40 } else { 0.58 };
            assert!(held.iter().all(|bytes| (*bytes as f64) < most), "{held:?} of {own} + {mapped}");
        }
    }
}

#[test]
fn ranks_that_were_given_different_models_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for seed in [9, 10] {
        folder(dir.path(), seed);
    }
    let path = dir.path().to_owned();
    let build = move |place: Place| {
        let seed = if place.rank == 2 { 10 } else { 9 };
        of_file(&Weights::open(&path.join(format!("{seed}.safetensors")))?, WeightForm::Stored, place)
    };
    let error = Transformer::spread(Spread { tensor: 4, ..Spread::SINGLE }, 1, build).unwrap_err().to_string();
    assert!(error.contains("rank 2 has opened another model than rank 0"), "{error}");
}

#[test]
fn what_a_rank_cannot_open_is_what_the_first_one_says() {
    let dir = tempfile::tempdir().unwrap();
    folder(dir.path(), 9);
    for broken in [0, 1, 3] {
        let path = dir.path().to_owned();
        let build = move |place: Place| {
            let name = if place.rank == broken { "missing" } else { "9" };
            of_file(&Weights::open(&path.join(format!("{name}.safetensors")))?, WeightForm::Stored, place)
        };
        let error = Transformer::spread(Spread { tensor: 4, ..Spread::SINGLE }, 1, build).unwrap_err().to_string();
        assert!(error.contains("missing.safetensors"), "{error}");
    }
    let parameters = parameters(9);
    let panics = move |place: Place| {
        assert_ne!(place.rank, 1, "a rank that panics");
        Ok(Transformer::from_parameters_at(&parameters, Unit::F32, VISUAL, place)?)
    };
    let error = Transformer::spread(Spread { tensor: 2, ..Spread::SINGLE }, 1, panics).unwrap_err().to_string();
    assert!(error.contains("rank 1 of the model stopped") && error.contains("a rank that panics"), "{error}");
}

#[test]
fn inputs_that_are_refused_leave_all_ranks_as_they_were() {
    let (model, other) = (spread(2, 1, 2), spread(2, 1, 1));
    let mut store = model.new_store(128).unwrap();
    let mut branch = store.branch_on(1);
    let mut stranger = other.new_store(64).unwrap();
    model.extend(&mut store, &mut [(&mut branch, &[1, 2, 3])]).unwrap();
    let before = both(&model, &mut store);
    let mut extend = |ids: &[u32]| model.extend(&mut store, &mut [(&mut branch, ids)]).unwrap_err().to_string();
    assert!(extend(&[1, 9999]).contains("9999"));
    assert!(extend(&[]).contains("at least 1"));
    assert!(extend(&[1; 200]).contains("memory is full"));
    let mut lost = stranger.branch();
    assert!(model.extend(&mut stranger, &mut [(&mut lost, &[1])]).unwrap_err().to_string().contains("another model"));
    assert!(model.logits(&mut store, 0..9, Half::Text).is_err());
    branch.truncate(2);
    model.extend(&mut store, &mut [(&mut branch, &[3])]).unwrap();
    assert_near(&both(&model, &mut store), &before, TOLERANCE, "after refusals");
}

#[test]
fn ranks_end_with_their_model_and_with_its_stores() {
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let ranks = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.filter(|name| name.starts_with("rhea-rank-6")).count()
    };
    if threads() == 0 {
        // No such folder outside of Linux.
        return;
    }
    // Nobody else in this file has a seventh rank.
    let parameters = parameters(9);
    let build = move |place| Ok(Transformer::from_parameters_at(&parameters, Unit::F32, VISUAL, place)?);
    let model = Transformer::spread(Spread { tensor: 4, lanes: 2, ..Spread::SINGLE }, 1, build).unwrap();
    let store = model.new_store(64).unwrap();
    assert!(ranks() > 0);
    drop(model);
    assert!(ranks() > 0, "the store still has its pages there");
    drop(store);
    // The system takes a moment to forget a thread that has ended.
    let began = std::time::Instant::now();
    while ranks() > 0 && began.elapsed().as_secs() < 10 {
        std::thread::yield_now();
    }
    assert_eq!(ranks(), 0);
}
