//! How sure the model must be of a name before it says it.

use std::ops::Range;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rhea_engine::Imagine;
use rhea_scene::generate_any;
use rhea_session::Options;
use serde::Serialize;

use super::walks::{PLACES, Place, stops, walk};
use crate::LessonError;
use crate::frames::HELD_OUT_SEEDS;
use crate::text::{Truth, in_view};

/// Narration where clauses below a probability are not said.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct WordFigures {
    /// The least probability, 0 to 1.
    pub least_sure: f32,
    /// Views talked about.
    pub views: usize,
    /// Objects named in them.
    pub named: usize,
    /// Share of these that are in view.
    pub in_view: f64,
    /// Share of the objects named with a place that are in view there.
    pub in_place: f64,
}

/// The least probabilities that are compared.
const LEVELS: [f32; 10] = [0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];

/// Scenes for choosing the level: training's held-out ones, so that the benchmark's scenes have no say in it.
pub const WORD_SEEDS: Range<u64> = HELD_OUT_SEEDS.start..HELD_OUT_SEEDS.start + 32;

/// Narrates true views and next views of `seeds` at every level; `on_scene` hears how many scenes are done.
///
/// # Errors
/// When the model fails.
pub fn evaluate_words(
    model: &mut dyn Imagine,
    seeds: Range<u64>,
    on_scene: &mut dyn FnMut(usize),
) -> Result<Vec<WordFigures>, LessonError> {
    let mut sums = [(0, Truth::default()); LEVELS.len()];
    for (done, seed) in seeds.enumerate() {
        let scene = generate_any(seed);
        let Some(place) = Place::new(&scene, model.side_px()) else { continue };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for (from, step) in stops(&place, PLACES, &mut rng) {
            for (least_sure, (views, sum)) in LEVELS.into_iter().zip(&mut sums) {
                for told in
                    walk(model, &place, &from, &[step], Options { least_sure, recount: false, ..Options::default() })?
                {
                    let truth = in_view(&told.narration, &place.truth(&told.pose), place.scene);
                    *views += 1;
                    sum.named += truth.named;
                    sum.in_view += truth.in_view;
                    sum.placed += truth.placed;
                    sum.in_place += truth.in_place;
                }
            }
        }
        on_scene(done + 1);
    }
    let share = |part: usize, whole: usize| part as f64 / whole as f64;
    let figures = LEVELS.into_iter().zip(sums).map(|(least_sure, (views, sum))| WordFigures {
        least_sure,
        views,
        named: sum.named,
        in_view: share(sum.in_view, sum.named),
        in_place: share(sum.in_place, sum.placed),
    });
    Ok(figures.collect())
}
