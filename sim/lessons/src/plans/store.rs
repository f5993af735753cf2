//! Episodes, made once and kept as lines of JSON.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Mutex;

use rayon::prelude::*;
use rhea_nn::vision::VisionTokenizer;
use rhea_physics::tasks::Family;
use rhea_physics::world::stage::RobotShelf;

use super::episode::{Episode, EpisodeMaker};
use crate::LessonError;
use crate::frames::TRAINING_SEEDS;

/// Every so many seeds of a feasible family one episode is carried out with views; the others are plans on paper.
const SEEN_EVERY: u64 = 12;
/// Episodes made between two writes.
const PART: u64 = 44;

/// What is made for one number: families in turn, one seed after the other.
fn made(maker: &mut EpisodeMaker<'_>, first_seed: u64, index: u64) -> Result<Option<Episode>, LessonError> {
    let families = Family::ALL.len() as u64;
    let family = Family::ALL[(index % families) as usize].0;
    let seed = first_seed + index / families;
    let seen = (index / families) % SEEN_EVERY == index % SEEN_EVERY;
    // Which check stands in the way of an infeasible task is known when it was tried.
    if seen || family == Family::F11 { maker.carried_out(family, seed, seen) } else { maker.on_paper(family, seed) }
}

/// Opens `plans.jsonl` in a folder and makes what is missing of `count` episodes with task seeds from `first_seed` on; episodes
/// that the search planner failed on are left out.
///
/// # Errors
/// When seeds are outside the training range, the folder cannot be used, or a robot cannot be read.
pub fn episodes(
    dir: &Path,
    (first_seed, count): (u64, u64),
    robots: &Path,
    vision: &VisionTokenizer,
    on_episode: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Episode>, LessonError> {
    let last = first_seed + count / Family::ALL.len() as u64 + 1;
    if !TRAINING_SEEDS.contains(&first_seed) || last > TRAINING_SEEDS.end {
        return Err(LessonError::Seeds { first: first_seed, last, allowed: TRAINING_SEEDS });
    }
    std::fs::create_dir_all(dir).map_err(|source| LessonError::File { path: dir.into(), source })?;
    let path = dir.join("plans.jsonl");
    let failed = |source| LessonError::File { path: path.clone(), source };
    let mut file = OpenOptions::new().read(true).create(true).append(true).open(&path).map_err(failed)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    // A line for every number; null where nothing was learned.
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let mut lines: Vec<Option<Episode>> = whole.lines().map_while(|l| serde_json::from_str(l).ok()).collect();
    file.set_len(whole.len() as u64).map_err(failed)?;
    if let Some(first) = lines.iter().flatten().next()
        && (first.seed < first_seed || first.seed > first_seed + SEEN_EVERY)
    {
        let what = format!("plans.jsonl begins with task seed {}, not {first_seed}", first.seed);
        return Err(LessonError::Cache { path: dir.into(), what });
    }
    while (lines.len() as u64) < count {
        let from = lines.len() as u64;
        let shelves: Mutex<Vec<RobotShelf>> = Mutex::new(Vec::new());
        let part: Vec<Result<Option<Episode>, LessonError>> = (from..count.min(from + PART))
            .into_par_iter()
            .map(|index| {
                // Robots are read once a thread, not once an episode.
                let shelf = shelves.lock().ok().and_then(|mut s| s.pop()).unwrap_or_default();
                let mut maker = EpisodeMaker { robots, vision, shelf };
                let episode = made(&mut maker, first_seed, index);
                if let Ok(mut shelves) = shelves.lock() {
                    shelves.push(maker.shelf);
                }
                episode
            })
            .collect();
        for episode in part {
            let episode = episode?;
            let line = serde_json::to_string(&episode).map_err(|e| LessonError::Text(e.to_string()))?;
            file.write_all((line + "\n").as_bytes()).map_err(failed)?;
            lines.push(episode);
        }
        on_episode(lines.len());
    }
    lines.truncate(count as usize);
    Ok(lines.into_iter().flatten().collect())
}
