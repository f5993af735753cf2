//! A tiny transformer with random weights.
#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "tests")]

pub mod story;

use rhea_nn::kernels::Unit;
use rhea_nn::transformer::{Branch, Half, KvStore, Parameters, Transformer, TransformerConfig};

/// First visual id of [`model`].
pub const VISUAL: usize = 40;
/// Visual codes of [`model`].
pub const CODES: usize = 32;
/// The end-of-line id of [`model`].
pub const EOL: u32 = 5;

/// Reproducible numbers.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    pub fn ids(&mut self, count: usize) -> Vec<u32> {
        (0..count).map(|_| self.below(VISUAL + CODES) as u32).collect()
    }
}

/// 2 layers, 4 query heads over 2 key heads of 8, 400 positions, in f32.
pub fn model() -> Transformer {
    let config = TransformerConfig {
        hidden_size: 24,
        intermediate_size: 40,
        num_hidden_layers: 2,
        head_dim: 8,
        initializer_range: 0.3,
        max_position_embeddings: 400,
        eol_token_id: Some(EOL),
        ..TransformerConfig::nano(VISUAL + CODES)
    };
    let mut numbers = Numbers(9);
    let parameters = Parameters::fresh(config, || (numbers.bits() % 2000) as f32 / 580.0 - 1.7).unwrap();
    Transformer::from_parameters(&parameters, Unit::F32, VISUAL).unwrap()
}

/// Reads ids in blocks that begin at multiples of 64 rows of the branch.
pub fn read(model: &Transformer, store: &mut KvStore, branch: &mut Branch, mut ids: &[u32]) {
    while !ids.is_empty() {
        let (now, rest) = ids.split_at(ids.len().min(64 - branch.len() % 64));
        model.extend(store, &mut [(&mut *branch, now)]).unwrap();
        ids = rest;
    }
}

/// Logits of both halves behind the one branch of the last pass.
pub fn last(model: &Transformer, store: &mut KvStore) -> Vec<f32> {
    let mut all = model.last_logits(store, Half::Text).unwrap().to_vec();
    all.extend_from_slice(model.last_logits(store, Half::Visual).unwrap());
    all
}

/// Compares element by element.
#[track_caller]
pub fn assert_near(got: &[f32], want: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let worst = got.iter().zip(want).map(|(g, w)| (g - w).abs() / (1.0 + w.abs())).fold(0.0, f32::max);
    assert!(worst <= tolerance, "{what}: largest difference {worst}");
}
