//! Decoding in steady state allocates nothing.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::OnceLock;

use common::{Numbers, model, read};
use rayon::{ThreadPool, ThreadPoolBuilder};
use rhea_nn::transformer::{CanvasToken, Half, NO_ID};

/// Allocations in `work`, which runs on the one thread of a pool: passes run on threads of rayon's.
fn allocations(work: impl FnOnce() + Send) -> u64 {
    static POOL: OnceLock<ThreadPool> = OnceLock::new();
    let pool = POOL.get_or_init(|| ThreadPoolBuilder::new().num_threads(1).build().unwrap());
    pool.install(|| allocation_counter::measure(work).count_total)
}

/// Products of a pass of [`model`]: four in each of its layers, and the head.
const PRODUCTS: u64 = 9;
/// What the f32 unit's products of several rows take for packing, each.
const PER_PRODUCT: u64 = 2;
/// Attention tasks of a pass over two canvases of 64 cells: 2 layers, 4 heads, 64 queries a task.
const TASKS: u64 = 2 * 2 * 4;
/// Scratch of a task: a dozen buffers, some of which grow.
const PER_TASK: u64 = 16;

#[test]
fn single_tokens_take_no_memory_once_warm() {
    let (model, mut numbers) = (model(), Numbers(1));
    let mut store = model.new_store(400).unwrap();
    let mut branch = store.branch();
    read(&model, &mut store, &mut branch, &numbers.ids(70));
    let mut tokens = |count: u32| {
        for i in 0..count {
            model.extend(&mut store, &mut [(&mut branch, &[i % 70])]).unwrap();
            model.last_logits(&mut store, Half::Visual).unwrap();
        }
    };
    assert!(allocations(|| tokens(1)) > 0, "the buffers are made on first use");
    assert_eq!(allocations(|| tokens(250)), 0, "over four pages");
}

#[test]
fn pairs_and_canvases_take_no_more_than_their_products_pack() {
    let (model, mut numbers) = (model(), Numbers(1));
    let mut store = model.new_store(800).unwrap();
    let (mut a, mut b) = (store.branch(), store.branch());
    read(&model, &mut store, &mut a, &numbers.ids(90));
    read(&model, &mut store, &mut b, &numbers.ids(30));
    let canvas = [CanvasToken { id: 50, marks: [7, NO_ID] }; 64];
    let mut round = |tokens: u32| {
        for i in 0..tokens {
            model.extend(&mut store, &mut [(&mut a, &[i % 70]), (&mut b, &[i % 70])]).unwrap();
            model.last_logits(&mut store, Half::Visual).unwrap();
        }
    };
    allocations(|| round(1));
    assert!(allocations(|| round(200)) <= 200 * PRODUCTS * PER_PRODUCT);
    let mut pass = || assert!(model.denoise(&mut store, &[(&a, &canvas), (&b, &canvas)], 8).is_ok());
    allocations(&mut pass);
    // Attention takes scratch for every task, whatever the branches hold.
    let (taken, allowed) = (allocations(pass), PRODUCTS * PER_PRODUCT + TASKS * PER_TASK);
    assert!(taken <= allowed, "{taken} allocations, {allowed} are what products and attention may take");
}
