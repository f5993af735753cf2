//! The same next views by parallel and by next-token decoding: time and truth side by side.

use std::ops::Range;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rhea_engine::{Decoding, Imagine, ViewTimings};
use rhea_picture::psnr;
use rhea_scene::generate_any;
use rhea_session::Options;
use serde::Serialize;

use super::counted::Counted;
use super::figures::Mean;
use super::walks::{LEAST_SHARE, Place, score, stops, walk};
use crate::LessonError;

/// One way of decoding.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct WayFigures {
    /// Median time of a picture's codes: passes of the transformer, with its prompt, and sampling; seconds.
    pub codes_secs: f64,
    /// Median time of a whole view: codes, the encoding of memory and the picture decoder too; seconds.
    pub view_secs: f64,
    /// What memory (a true view) sees, against truth, dB.
    pub seen_psnr: f64,
    /// What nobody has seen yet, against truth, dB.
    pub unseen_psnr: f64,
    /// Forward passes of the transformer a view, mean.
    pub mean_passes: f64,
}

/// Both ways.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DecodingPair {
    /// A canvas in a few passes.
    pub parallel: WayFigures,
    /// One token after the other.
    pub next_token: WayFigures,
    /// Median of the ratios of the codes' times, view by view.
    pub codes_ratio: f64,
    /// The same of whole views.
    pub view_ratio: f64,
    /// Views compared.
    pub views: usize,
}

/// Draws the second view of short walks through `seeds` both ways, in turns; `on_scene` hears how many scenes are done.
///
/// # Errors
/// When the model fails.
pub fn compare_decodings(
    model: &mut dyn Imagine,
    seeds: Range<u64>,
    on_scene: &mut dyn FnMut(usize),
) -> Result<DecodingPair, LessonError> {
    let ways = [None, Some(Decoding::NextToken)];
    let mut timings = [Vec::new(), Vec::new()];
    let [mut seen, mut unseen, mut passes] = [[Mean::default(); 2]; 3];
    for (done, seed) in seeds.enumerate() {
        let scene = generate_any(seed);
        let Some(place) = Place::new(&scene, model.side_px()) else { continue };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for (from, step) in stops(&place, 3, &mut rng) {
            for (way, decoding) in ways.into_iter().enumerate() {
                let mut counted = Counted::new(model);
                let options = Options { decoding, narrate: false, ..Options::default() };
                let told = walk(&mut counted, &place, &from, &[step], options)?;
                passes[way].add(counted.mean_passes());
                timings[way].extend_from_slice(counted.timings());
                let Some(next) = told.get(1) else { continue };
                let truth = place.truth(&next.pose).rgbd;
                for (mean, known) in [(&mut seen[way], true), (&mut unseen[way], false)] {
                    let part: Vec<bool> = next.seen.iter().map(|seen| *seen == known).collect();
                    if part.iter().filter(|of| **of).count() as f32 > LEAST_SHARE * part.len() as f32 {
                        mean.add(score(psnr(&next.view, &truth, Some(&part))));
                    }
                }
            }
        }
        on_scene(done + 1);
    }
    let secs = |way: usize, of: fn(&ViewTimings) -> f64| -> Vec<f64> { timings[way].iter().map(of).collect() };
    let ratio = |of: fn(&ViewTimings) -> f64| {
        median(secs(0, of).into_iter().zip(secs(1, of)).map(|(parallel, next)| next / parallel).collect())
    };
    let codes = |view: &ViewTimings| view.codes_secs;
    let whole = |view: &ViewTimings| view.prepare_secs + view.codes_secs + view.picture_secs;
    let figures = |way: usize| WayFigures {
        codes_secs: median(secs(way, codes)),
        view_secs: median(secs(way, whole)),
        seen_psnr: seen[way].get(),
        unseen_psnr: unseen[way].get(),
        mean_passes: passes[way].get(),
    };
    Ok(DecodingPair {
        parallel: figures(0),
        next_token: figures(1),
        codes_ratio: ratio(codes),
        view_ratio: ratio(whole),
        views: timings[0].len(),
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
