//! The gradient of the whole network against finite differences, and training against decoding.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use candle_core::Tensor;

use super::*;
use crate::kernels::Unit;
use crate::transformer::ops::check::{assert_close, values};
use crate::transformer::{
    Batch, CanvasToken, Half, NO_ID, Parameters, Token, Transformer, TransformerConfig, Visible, cell_position,
};

const VISUAL: usize = 20;

fn config() -> TransformerConfig {
    TransformerConfig {
        hidden_size: 24,
        intermediate_size: 40,
        num_hidden_layers: 2,
        head_dim: 8,
        initializer_range: 0.3,
        max_position_embeddings: 40,
        ..TransformerConfig::nano(36)
    }
}

fn parameters() -> Parameters {
    let mut source = values(20_000, 9).into_iter();
    Parameters::fresh(config(), || source.next().unwrap_or(0.1) * 1.7).unwrap()
}

/// Prefix of 4, a canvas of 2 x 2, its clean copy with end-of-line 5 and end 6, two words.
fn sequence() -> Vec<Token> {
    let mut tokens: Vec<Token> = [1, 2, 3, 7].iter().zip(0..).map(|(id, i)| Token::causal(*id, i)).collect();
    for (j, id) in [21, 8, 8, 30].into_iter().enumerate() {
        let visible = Visible { causal: 4, block_start: 4, block_end: 8 };
        let marks = [9, if j == 3 { 10 } else { NO_ID }];
        tokens.push(Token { id, marks, position: cell_position(4, 2, j as u32), visible });
    }
    for (j, id) in [21, 22, 5, 23, 24, 6, 11, 12].into_iter().enumerate() {
        let j = j as u32;
        let visible = Visible { causal: 4, block_start: 8, block_end: 9 + j };
        tokens.push(Token { id, marks: [NO_ID; 2], position: 4 + j, visible });
    }
    tokens
}

fn targets(first: u32) -> Vec<LossRow> {
    let mut rows: Vec<LossRow> = [21, 22, 23, 24]
        .iter()
        .zip(4..)
        .map(|(target, row)| LossRow { row: first + row, target: *target, weight: 0.2 })
        .collect();
    rows.push(LossRow { row: first + 13, target: 11, weight: 0.5 });
    rows.push(LossRow { row: first + 14, target: 12, weight: 0.7 });
    rows
}

fn batch() -> (Batch, Vec<LossRow>) {
    let mut batch = Batch::default();
    let text: Vec<Token> = [4, 3, 2, 25, 26].iter().zip(0..).map(|(id, i)| Token::causal(*id, i)).collect();
    let second = batch.push(&text) + text.len();
    batch.push(&sequence());
    let mut rows = targets(second as u32);
    rows.push(LossRow { row: 3, target: 26, weight: 1.0 });
    (batch, rows)
}

fn pack(parameters: &Parameters, unit: Unit) -> Weights {
    Weights::pack(parameters, unit, VISUAL, &Weights::rope(parameters.config())).unwrap()
}

fn loss(parameters: &Parameters) -> f64 {
    let (batch, rows) = batch();
    let losses = Pass::default().run(&pack(parameters, Unit::F32), &batch, &rows, None).unwrap();
    losses.iter().zip(&rows).map(|(l, r)| f64::from(l.nats) * f64::from(r.weight)).sum()
}

#[test]
fn gradients_of_every_tensor_are_those_of_finite_differences() {
    let parameters = parameters();
    let weights = pack(&parameters, Unit::F32);
    let (batch, rows) = batch();
    let mut gradients = Gradients::zeros(Arc::clone(weights.layout()));
    let mut pass = Pass::default();
    pass.run(&weights, &batch, &rows, Some(&mut gradients)).unwrap();
    // Buffers are left over from the first run: a second one must not see them.
    gradients.clear();
    pass.run(&weights, &batch, &rows, Some(&mut gradients)).unwrap();
    for (i, (name, var)) in parameters.vars().iter().enumerate() {
        let grad = &gradients.values()[weights.layout().range(i)];
        let values = var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let scale = grad.iter().fold(0.0_f32, |m, g| m.max(g.abs()));
        assert!(scale > 0.0, "{name} has no gradient");
        // The element with the largest gradient and two others.
        let largest = grad.iter().position(|g| g.abs() == scale).unwrap();
        for at in [largest, grad.len() / 3, grad.len() * 3 / 4] {
            let step = 2e-3;
            let moved = |by: f32| {
                let mut values = values.clone();
                values[at] += by;
                var.set(&Tensor::from_vec(values, var.shape(), &candle_core::Device::Cpu).unwrap()).unwrap();
                loss(&parameters)
            };
            let want = (moved(step) - moved(-step)) / (2.0 * f64::from(step));
            moved(0.0);
            let got = f64::from(grad[at]);
            let allowed = 1e-2 * f64::from(scale) + 1e-3;
            assert!((got - want).abs() < allowed, "{name}[{at}]: gradient {got}, finite difference {want}");
        }
    }
}

#[test]
fn decoding_repeats_what_training_saw() {
    let parameters = parameters();
    let model = Transformer::from_parameters(&parameters, Unit::F32, VISUAL).unwrap();
    let mut store = model.new_store(30).unwrap();
    let sequence = sequence();
    let ids = |range: std::ops::Range<usize>| sequence[range].iter().map(|t| t.id).collect::<Vec<_>>();
    let mut branch = store.branch();
    model.extend(&mut store, &mut [(&mut branch, &ids(0..4))]).unwrap();
    let cells: Vec<CanvasToken> = sequence[4..8].iter().map(|t| CanvasToken { id: t.id, marks: t.marks }).collect();
    let canvas = model.denoise(&mut store, &[(&branch, &cells)], 2).unwrap().to_vec();
    assert_eq!(branch.len(), 4, "a canvas is not kept");
    model.extend(&mut store, &mut [(&mut branch, &ids(8..14))]).unwrap();
    let mut words = vec![model.last_logits(&mut store, Half::Text).unwrap().to_vec()];
    model.extend(&mut store, &mut [(&mut branch, &ids(14..15))]).unwrap();
    words.push(model.last_logits(&mut store, Half::Text).unwrap().to_vec());

    let mut batch = Batch::default();
    batch.push(&sequence);
    let rows = targets(0);
    let losses = Pass::default().run(&pack(&parameters, Unit::F32), &batch, &rows, None).unwrap();
    let nats = |logits: &[f32], target: u32| {
        let total: f64 = logits.iter().map(|v| f64::from(*v).exp()).sum();
        (total.ln() - f64::from(logits[target as usize])) as f32
    };
    let codes = model.half_len(Half::Visual);
    let mut got: Vec<f32> =
        (0..4).map(|j| nats(&canvas[j * codes..(j + 1) * codes], rows[j].target - VISUAL as u32)).collect();
    got.extend([nats(&words[0], 11), nats(&words[1], 12)]);
    assert_close(&got, &losses.iter().map(|l| l.nats).collect::<Vec<_>>(), 1e-5, "cross entropy");
}

#[test]
fn the_clean_copy_does_not_see_the_canvas() {
    let weights = pack(&parameters(), Unit::F32);
    let run = |sequence: &[Token]| {
        let mut batch = Batch::default();
        batch.push(sequence);
        Pass::default().run(&weights, &batch, &targets(0), None).unwrap()
    };
    let mut changed = sequence();
    changed[4].id = 33;
    let (before, after) = (run(&sequence()), run(&changed));
    assert_ne!(before[..4], after[..4], "cells see each other");
    assert_eq!(before[4..], after[4..], "words do not see the canvas");
}

#[test]
fn the_fast_unit_stays_near_f32() {
    let parameters = parameters();
    let (batch, rows) = batch();
    let run = |unit| {
        let weights = pack(&parameters, unit);
        let mut gradients = Gradients::zeros(Arc::clone(weights.layout()));
        Pass::default().run(&weights, &batch, &rows, Some(&mut gradients)).unwrap();
        gradients.values().to_vec()
    };
    let (want, got) = (run(Unit::F32), run(crate::kernels::unit()));
    let norm = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let difference: Vec<f32> = got.iter().zip(&want).map(|(a, b)| a - b).collect();
    assert!(norm(&difference) < 0.03 * norm(&want), "{} of {}", norm(&difference), norm(&want));
}
