//! Pictures of robot tasks for the vision tokenizer: the table before and behind every step of a plan.

use std::path::Path;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use rhea_physics::eval::world_of;
use rhea_physics::motion::ProposeOptions;
use rhea_physics::run::watch_goals;
use rhea_physics::tasks::{Family, task};
use rhea_physics::view::{look, scene_camera};
use rhea_physics::world::stage::RobotShelf;
use rhea_picture::{Rgbd, Warp};

use crate::LessonError;
use crate::frames::{SIDE_PX, TRAINING_SEEDS};

/// Cells along each side of a view, as the tokenizer has them.
const CELLS: usize = 8;
/// A cell that changes by less than this on average is what it was, levels.
const SAME_LEVELS: f64 = 1.0;
/// Cells that are taken for changed although they are not, share.
const DROPPED: f64 = 0.2;

/// The views of tasks, each from one camera that does not move.
pub(crate) struct Tables(Vec<Vec<Rgbd>>);

impl Tables {
    /// Lets the search planner carry out `count` tasks, all families in turn, with seeds from `first_seed` on.
    ///
    /// # Errors
    /// When seeds are outside the training range, or a robot cannot be read.
    pub fn carried_out(first_seed: u64, count: u64, robots: &Path) -> Result<Self, LessonError> {
        let families = Family::ALL.len() as u64;
        let last = first_seed + count / families + 1;
        if last > TRAINING_SEEDS.end {
            return Err(LessonError::Seeds { first: first_seed, last, allowed: TRAINING_SEEDS });
        }
        let film = |shelf: &mut RobotShelf, index: u64| -> Result<Vec<Rgbd>, LessonError> {
            let task = task(Family::ALL[(index % families) as usize].0, first_seed + index / families);
            let mut world = world_of(&task, robots, shelf)?;
            let camera = scene_camera(&world);
            let mut views = vec![look(&world, &camera, SIDE_PX).rgbd];
            watch_goals(&mut world, &task.goals, &ProposeOptions::default(), &mut |world, _| {
                views.push(look(world, &camera, SIDE_PX).rgbd);
            })?;
            Ok(views)
        };
        let films = (0..count).into_par_iter().map_init(RobotShelf::default, film).collect::<Result<Vec<_>, _>>()?;
        Ok(Self(films))
    }

    /// A view, and what is known of it from the view before: its cells that stayed as they were.
    pub fn lesson(&self, rng: &mut ChaCha8Rng) -> Option<(Rgbd, Option<Warp>)> {
        let film = self.0.get(rng.random_range(0..self.0.len().max(1)))?;
        let at = rng.random_range(0..film.len());
        let known = at.checked_sub(1).map(|before| kept(&film[before], &film[at], rng));
        Some((film[at].clone(), known))
    }
}

fn kept(before: &Rgbd, behind: &Rgbd, rng: &mut ChaCha8Rng) -> Warp {
    let (w, side) = (before.width, before.width / CELLS);
    let mut warp = Warp::empty(w, before.height);
    for cell in 0..CELLS * CELLS {
        let (x, y) = (cell % CELLS * side, cell / CELLS * side);
        let pixels: Vec<usize> = (y..y + side).flat_map(|y| (x..x + side).map(move |x| y * w + x)).collect();
        let levels =
            |i: &usize| (0..3).map(|k| f64::from(before.rgb[3 * i + k].abs_diff(behind.rgb[3 * i + k]))).sum::<f64>();
        let change = pixels.iter().map(levels).sum::<f64>() / (3 * pixels.len()) as f64;
        if change < SAME_LEVELS && !rng.random_bool(DROPPED) {
            pixels.into_iter().for_each(|i| warp.keep(i, before));
        }
    }
    warp
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn what_is_known_of_a_view_is_exactly_so() {
        let robots = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenes/robots");
        let tables = Tables::carried_out(7, 4, &robots).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mut with_memory, mut known) = (0, 0);
        for _ in 0..40 {
            let (view, warp) = tables.lesson(&mut rng).unwrap();
            let Some(warp) = warp else { continue };
            with_memory += 1;
            known += warp.valid.iter().filter(|v| **v).count();
            let differs = |i: &usize| (0..3).any(|k| warp.view.rgb[3 * i + k].abs_diff(view.rgb[3 * i + k]) > 64);
            let wrong = (0..warp.valid.len()).filter(|i| warp.valid[*i]).filter(differs).count();
            assert!(wrong * 200 < warp.valid.len(), "{wrong} pixels");
        }
        assert!(with_memory > 10 && known > with_memory * SIDE_PX * SIDE_PX / 4);
        assert!(Tables::carried_out(TRAINING_SEEDS.end - 1, 400, &robots).is_err());
    }
}
