//! Everything that can be asked of a model, asked of any: what it answers is compared between ways to run it.

use std::collections::BTreeMap;

use rhea_nn::transformer::{
    Branch, CanvasToken, Half, KvStore, Mix, NO_ID, Parameters, Transformer, TransformerConfig,
};
use rhea_nn::weights::{Stored, Weights, save};

use super::{CODES, EOL, Numbers, VISUAL};

pub fn config() -> TransformerConfig {
    TransformerConfig {
        hidden_size: 24,
        intermediate_size: 40,
        num_hidden_layers: 4,
        head_dim: 8,
        initializer_range: 0.3,
        max_position_embeddings: 400,
        eol_token_id: Some(EOL),
        ..TransformerConfig::nano(VISUAL + CODES)
    }
}

pub fn parameters(seed: u64) -> Parameters {
    let mut numbers = Numbers(seed);
    Parameters::fresh(config(), || (numbers.bits() % 2000) as f32 / 580.0 - 1.7).unwrap()
}

/// Three branches in their lanes, as guidance has them, and a fork.
struct Story {
    store: KvStore,
    branches: Vec<Branch>,
}

pub fn cells(numbers: &mut Numbers, count: usize) -> Vec<CanvasToken> {
    let ids = numbers.ids(count);
    ids.into_iter().map(|id| CanvasToken { id, marks: [7, NO_ID] }).collect()
}

pub fn both(model: &Transformer, store: &mut KvStore) -> Vec<f32> {
    let mut all = model.last_logits(store, Half::Text).unwrap().to_vec();
    all.extend_from_slice(model.last_logits(store, Half::Visual).unwrap());
    all
}

/// The same things asked of any model; everything that it answers.
pub fn tell(model: &Transformer) -> Vec<Vec<f32>> {
    let mut numbers = Numbers(4);
    let mut said = Vec::new();
    let store = model.new_store_for(400, 4).unwrap();
    let branches = (0..3).map(|lane| store.branch_on(lane)).collect();
    let Story { mut store, mut branches } = Story { store, branches };
    // Prompts of their own, one of them over several pages.
    for (branch, len) in branches.iter_mut().zip([70, 5, 33]) {
        model.extend(&mut store, &mut [(branch, &numbers.ids(len))]).unwrap();
        said.push(both(model, &mut store));
        said.push(model.logits(&mut store, len / 2..len, Half::Visual).unwrap().to_vec());
    }
    // All of them together, each with its own ids.
    let more: Vec<Vec<u32>> = [2, 9, 1].map(|len| numbers.ids(len)).to_vec();
    let mut reads: Vec<(&mut Branch, &[u32])> = branches.iter_mut().zip(&more).map(|(b, m)| (b, &m[..])).collect();
    model.extend_for_last(&mut store, &mut reads).unwrap();
    said.push(both(model, &mut store));
    // A fork writes to a shared page, which is copied on every rank; its origin goes on.
    let mut fork = branches[1].fork();
    model.extend(&mut store, &mut [(&mut fork, &numbers.ids(3))]).unwrap();
    said.push(both(model, &mut store));
    model.extend(&mut store, &mut [(&mut branches[1], &numbers.ids(2))]).unwrap();
    said.push(both(model, &mut store));
    // Canvases of two branches, whole and in part.
    let canvas = cells(&mut numbers, 12);
    let pair = [(&branches[0], &canvas[..]), (&branches[1], &canvas[..])];
    said.push(model.denoise(&mut store, &pair, 4).unwrap().to_vec());
    said.push(model.denoise_cells(&mut store, &pair, 4, Some(&[1, 5, 11])).unwrap().to_vec());
    said.push(model.denoise(&mut store, &[(&fork, &canvas)], 4).unwrap().to_vec());
    // The finished picture is kept, and words follow it.
    let codes: Vec<u32> = (0..12).map(|i| i * 7 % CODES as u32).collect();
    let mut all: Vec<&mut Branch> = branches.iter_mut().collect();
    model.commit(&mut store, &mut all, &codes, 4).unwrap();
    said.push(both(model, &mut store));
    branches[0].truncate(65);
    drop(fork);
    // Greedy tokens with guidance of the first two branches.
    let mut drawn = vec![3_u32];
    for _ in 0..24 {
        let token = [*drawn.last().unwrap()];
        let (first, rest) = branches.split_at_mut(1);
        model.extend(&mut store, &mut [(&mut first[0], &token), (&mut rest[0], &token)]).unwrap();
        let logits = model.last_logits(&mut store, Half::Visual).unwrap();
        let (conditional, others) = logits.split_at_mut(CODES);
        Mix::Towards(2.5).apply(conditional, others);
        let best = (0..CODES).reduce(|a, b| if conditional[b] > conditional[a] { b } else { a }).unwrap();
        drawn.push((VISUAL + best) as u32);
    }
    said.push(drawn.iter().map(|id| *id as f32).collect());
    said
}

/// As [`parameters`] with positions enough for a long memory.
pub fn long_parameters(seed: u64) -> Parameters {
    let mut numbers = Numbers(seed);
    let config = TransformerConfig { max_position_embeddings: 2400, ..config() };
    Parameters::fresh(config, || (numbers.bits() % 2000) as f32 / 580.0 - 1.7).unwrap()
}

/// A long memory in passes of 512 rows, then words behind it, which the first reader reads alone, then more of it, a canvas and
/// greedy tokens.
pub fn remember(model: &Transformer, rows: usize) -> (Vec<Vec<f32>>, Vec<u32>) {
    let mut numbers = Numbers(6);
    let mut store = model.new_store(rows + 200).unwrap();
    let mut branch = store.branch();
    let mut said = Vec::new();
    for ids in numbers.ids(rows).chunks(512) {
        model.extend_for_last(&mut store, &mut [(&mut branch, ids)]).unwrap();
        said.push(both(model, &mut store));
    }
    for id in numbers.ids(7) {
        model.extend(&mut store, &mut [(&mut branch, &[id])]).unwrap();
    }
    model.extend(&mut store, &mut [(&mut branch, &numbers.ids(70))]).unwrap();
    said.push(model.logits(&mut store, 0..70, Half::Visual).unwrap().to_vec());
    let canvas = cells(&mut numbers, 64);
    said.push(model.denoise_cells(&mut store, &[(&branch, &canvas)], 8, Some(&[0, 9, 40])).unwrap().to_vec());
    let mut drawn = vec![3_u32];
    for _ in 0..16 {
        model.extend(&mut store, &mut [(&mut branch, &[*drawn.last().unwrap()])]).unwrap();
        let logits = model.last_logits(&mut store, Half::Visual).unwrap();
        let best = (0..CODES).reduce(|a, b| if logits[b] > logits[a] { b } else { a }).unwrap();
        drawn.push((VISUAL + best) as u32);
    }
    let heads = config().num_key_value_heads;
    for (layer, head) in (0..config().num_hidden_layers).flat_map(|layer| (0..heads).map(move |head| (layer, head))) {
        let (k, v) = store.head(&branch, layer, head);
        said.extend([k, v]);
    }
    (said, drawn)
}

/// Values by name.
pub fn tensors(parameters: &Parameters) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let of = |var: &candle_core::Var| (var.dims().to_vec(), var.flatten_all().unwrap().to_vec1::<f32>().unwrap());
    parameters.vars().iter().map(|(name, var)| (name.clone(), of(var))).collect()
}

/// Weights in a file, as a folder has them.
pub fn folder(dir: &std::path::Path, seed: u64) -> Weights {
    let path = dir.join(format!("{seed}.safetensors"));
    save(&path, &tensors(&parameters(seed)), Stored::F32).unwrap();
    Weights::open(&path).unwrap()
}
