//! Lessons for the world model: first views from captions, next views from commands, and the words that go with them.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rhea_engine::{CellState, known_cells};
use rhea_memory::warp;
use rhea_nn::vision::VisionTokenizer;
use rhea_picture::{Rgbd, Warp};
use rhea_scene::{Camera, Move, Pose, Scene};
use rhea_tokens::documents::{Document, caption_document, explore_document};
use rhea_tokens::prompts::{caption_prefix, explore_prefix};
use rhea_tokens::{Grid, TextTokenizer, Vocabulary};
use rhea_train::world::{CanvasCell, NextTokenForm, WorldSample, WorldSource};

use crate::LessonError;
use crate::frames::{FrameStore, SIDE_PX, VIEWS};
use crate::own::OwnViews;
use crate::plans::PlanLessons;
use crate::text::{caption, narration, visible, world_sentence};

/// One set of frames with the model's own views of them.
pub struct WorldFrames<'a> {
    /// Views and poses.
    pub frames: &'a FrameStore,
    /// What the model makes of them.
    pub own: &'a OwnViews,
}

/// Lessons for the world model.
pub struct WorldLessons<'a> {
    /// Training frames.
    pub training: WorldFrames<'a>,
    /// Frames that are only looked at for figures.
    pub held_out: WorldFrames<'a>,
    /// The frozen vision tokenizer.
    pub vision: &'a VisionTokenizer,
    /// The text tokenizer.
    pub text: &'a TextTokenizer,
    /// Seed of all choices.
    pub seed: u64,
    /// Share of lessons that are words about a finished view alone, 0 to 1.
    pub words: f32,
    /// Share of lessons that have a next-token form, 0 to 1; see [`NEXT_TOKEN_SHARE`].
    pub next_token_share: f64,
    /// Lessons of plans, and their share of all lessons for training, 0 to 1.
    pub plans: Option<(&'a PlanLessons, f32)>,
}

/// Share of next-token forms among lessons for training.
pub const NEXT_TOKEN_SHARE: f64 = 0.2;

/// Share of next views that are drawn without memory.
const FORGET: f32 = 0.2;
/// Share of next views on the way back of a walk out and back: memory holds the view itself, as it was first drawn.
const PALINDROMES: f64 = 0.5;
/// Share of remembered cells that show another view's code, between these, in the lessons that have such errors.
const ERRORS: std::ops::Range<f64> = 0.05..0.15;
/// Share of next views whose memory has errors.
const WITH_ERRORS: f64 = 0.5;

/// A step of a walk as a lesson: from one view to another, and the views that memory may hold.
struct Course {
    from: usize,
    to: usize,
    known: std::ops::Range<usize>,
}

impl Course {
    /// Onwards from the view before, or on the way back from the one behind, with everything seen until the turn in memory.
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        let to = rng.random_range(1..VIEWS);
        if to + 1 < VIEWS && rng.random_bool(PALINDROMES) {
            let turn = rng.random_range(to + 1..VIEWS);
            return Self { from: to + 1, to, known: 0..turn + 1 };
        }
        Self { from: to - 1, to, known: 0..to }
    }
}

/// The move from one pose to another, rounded as people say it: whole degrees and tenths of a metre.
#[must_use]
pub fn move_between(from: &Pose, to: &Pose) -> Move {
    let turn =
        (to.yaw_rad - from.yaw_rad + std::f32::consts::PI).rem_euclid(std::f32::consts::TAU) - std::f32::consts::PI;
    let delta = [to.position_m[0] - from.position_m[0], to.position_m[2] - from.position_m[2]];
    let (s, c) = to.yaw_rad.sin_cos();
    let tenth = |v: f32| (v * 10.0).round() / 10.0;
    let degree = |v: f32| v.to_degrees().round().to_radians();
    Move {
        forward_m: tenth(-s * delta[0] - c * delta[1]),
        right_m: tenth(c * delta[0] - s * delta[1]),
        turn_rad: degree(turn),
        look_rad: degree(to.pitch_rad - from.pitch_rad),
    }
}

/// What memory knows of each cell, given the codes of the filled warp; the same division as at run time.
fn canvas_cells(warp: &Warp, codes: &[u32], grid: Grid) -> Result<Vec<CanvasCell>, LessonError> {
    let states = known_cells(warp, grid.rows(), grid.cols())?;
    let cell = |(state, code): (&CellState, &u32)| match state {
        CellState::Known => CanvasCell::Known(*code),
        CellState::Partial => CanvasCell::Partial(*code),
        CellState::Hole => CanvasCell::Hole,
    };
    Ok(states.iter().zip(codes).map(cell).collect())
}

impl WorldLessons<'_> {
    fn grid(&self) -> Result<Grid, LessonError> {
        let (rows, cols) = self.vision.grid();
        Grid::new(rows, cols).map_err(|e| LessonError::Text(e.to_string()))
    }

    fn vocabulary(&self) -> &Vocabulary {
        self.text.vocabulary()
    }

    fn lesson(&self, set: &WorldFrames<'_>, rng: &mut ChaCha8Rng) -> Result<WorldSample, LessonError> {
        let scene = rng.random_range(0..set.frames.scenes());
        if rng.random::<f32>() < self.words {
            return self.words(set, scene, rng);
        }
        if rng.random::<f32>() < 0.2 {
            return self.first_view(set, scene, rng);
        }
        let forget = rng.random::<f32>() < FORGET;
        self.next_view(set, scene, forget, rng)
    }

    fn first_view(
        &self,
        set: &WorldFrames<'_>,
        index: usize,
        rng: &mut ChaCha8Rng,
    ) -> Result<WorldSample, LessonError> {
        let view = rng.random_range(0..VIEWS);
        let scene = set.frames.scene(index);
        let seen = visible(&set.frames.view(index, view)?, scene);
        let caption = caption(scene, &seen, rng);
        let grid = self.grid()?;
        let codes = set.own.codes(index, view).to_vec();
        let words = |e: rhea_tokens::TokensError| LessonError::Text(e.to_string());
        let prefix = caption_prefix(self.text, &caption).map_err(words)?;
        let form = if rng.random_bool(self.next_token_share) {
            Some(self.form(caption_document(self.text, &caption, (grid, &codes)).map_err(words)?))
        } else {
            None
        };
        self.sample(prefix, grid, vec![CanvasCell::Hole; codes.len()], codes, "", form)
    }

    fn next_view(
        &self,
        set: &WorldFrames<'_>,
        index: usize,
        forget: bool,
        rng: &mut ChaCha8Rng,
    ) -> Result<WorldSample, LessonError> {
        let course = Course::draw(rng);
        let view = course.to;
        let scene = set.frames.scene(index);
        let poses = set.frames.poses(index);
        let command = move_between(&poses[course.from], &poses[view]).command();
        let world = if rng.random_bool(0.7) { world_sentence(scene) } else { String::new() };
        let text = self.narration(set, index, view, scene, rng)?;
        let grid = self.grid()?;
        let codes = set.own.codes(index, view).to_vec();
        let words = |e: rhea_tokens::TokensError| LessonError::Text(e.to_string());
        let canvas =
            if forget { vec![CanvasCell::Hole; codes.len()] } else { self.memory(set, index, &course, grid, rng)? };
        let form = if rng.random_bool(self.next_token_share) {
            let warped: Vec<Option<u32>> = canvas
                .iter()
                .map(|c| match c {
                    CanvasCell::Known(code) | CanvasCell::Partial(code) => Some(*code),
                    CanvasCell::Hole => None,
                })
                .collect();
            let memory = (!forget).then_some(&warped[..]);
            let document =
                explore_document(self.text, (&world, &command), memory, (grid, &codes), &text).map_err(words)?;
            Some(self.form(document))
        } else {
            None
        };
        let prefix = explore_prefix(self.text, &world, &command, None, grid).map_err(words)?;
        self.sample(prefix, grid, canvas, codes, &text, form)
    }

    /// A finished view and the words about it: what narration reads, without a canvas.
    fn words(&self, set: &WorldFrames<'_>, index: usize, rng: &mut ChaCha8Rng) -> Result<WorldSample, LessonError> {
        let view = rng.random_range(0..VIEWS);
        let (scene, poses) = (set.frames.scene(index), set.frames.poses(index));
        let came = if view > 0 { move_between(&poses[view - 1], &poses[view]) } else { Move::default() };
        let command = if rng.random_bool(0.15) { Move::default() } else { came }.command();
        let world = if rng.random_bool(0.8) { world_sentence(scene) } else { String::new() };
        let text = self.narration(set, index, view, scene, rng)?;
        let (grid, codes) = (self.grid()?, set.own.codes(index, view).to_vec());
        let words = |e: rhea_tokens::TokensError| LessonError::Text(e.to_string());
        let document = explore_document(self.text, (&world, &command), None, (grid, &codes), &text).map_err(words)?;
        let learn = (0..document.ids.len()).map(|i| document.text.contains(&i)).collect();
        let form = NextTokenForm { ids: document.ids, learn };
        let prefix = explore_prefix(self.text, &world, &command, None, grid).map_err(words)?;
        self.sample(prefix, grid, vec![CanvasCell::Hole; codes.len()], codes, &text, Some(form))
    }

    fn narration(
        &self,
        set: &WorldFrames<'_>,
        index: usize,
        view: usize,
        scene: &Scene,
        rng: &mut ChaCha8Rng,
    ) -> Result<String, LessonError> {
        Ok(narration(&visible(&set.frames.view(index, view)?, scene), scene, rng))
    }

    /// The canvas of a view: earlier views of the walk, true or as the model drew them, warped and encoded.
    fn memory(
        &self,
        set: &WorldFrames<'_>,
        index: usize,
        course: &Course,
        grid: Grid,
        rng: &mut ChaCha8Rng,
    ) -> Result<Vec<CanvasCell>, LessonError> {
        let view = course.to;
        let others = course.known.clone().filter(|other| *other != course.from);
        let mut chosen: Vec<usize> = others.filter(|_| rng.random_bool(0.25)).collect();
        if chosen.is_empty() || rng.random_bool(0.85) {
            chosen.push(course.from);
        }
        // Memory is warped in the order in which it was seen.
        chosen.sort_unstable();
        let crisp = rng.random_bool(0.4);
        let mut sources: Vec<(Rgbd, Pose)> = Vec::new();
        for other in chosen.iter().rev().take(5).rev() {
            let mut source = set.own.view(index, *other)?;
            if crisp {
                let truth = set.frames.view(index, *other)?.rgbd;
                source.rgb = truth.rgb;
                if rng.random_bool(0.5) {
                    source.depth_m = truth.depth_m;
                }
            }
            sources.push((source, set.frames.poses(index)[*other]));
        }
        let sources: Vec<(&Rgbd, &Pose)> = sources.iter().map(|(v, p)| (v, p)).collect();
        let warp = warp(&sources, &Camera::square(SIDE_PX), &set.frames.poses(index)[view]);
        let mut codes = self.vision.encode(&warp.filled())?;
        if rng.random_bool(WITH_ERRORS) {
            // Errors look like the model's own: another of its views of the same place, at the same cell.
            let (share, other) = (rng.random_range(ERRORS), rng.random_range(0..VIEWS));
            for (code, wrong) in codes.iter_mut().zip(set.own.codes(index, other)) {
                if rng.random_bool(share) {
                    *code = *wrong;
                }
            }
        }
        canvas_cells(&warp, &codes, grid)
    }

    fn sample(
        &self,
        mut prefix: Vec<u32>,
        grid: Grid,
        canvas: Vec<CanvasCell>,
        codes: Vec<u32>,
        narration: &str,
        next_token_form: Option<NextTokenForm>,
    ) -> Result<WorldSample, LessonError> {
        let control = self.vocabulary().control();
        prefix.extend(grid.header(self.vocabulary()));
        let mut narration_ids = self.text.encode_text(narration).map_err(|e| LessonError::Text(e.to_string()))?;
        if !narration.is_empty() {
            narration_ids.extend([control.ess, control.eos]);
        }
        Ok(WorldSample {
            prefix_ids: prefix,
            rows: grid.rows(),
            cols: grid.cols(),
            target_codes: codes,
            canvas,
            narration_ids,
            next_token_form,
        })
    }

    fn form(&self, document: Document) -> NextTokenForm {
        let learn = document
            .ids
            .iter()
            .enumerate()
            .map(|(i, id)| {
                let code = document.picture.contains(&i) && self.vocabulary().code(*id).is_some();
                code || document.text.contains(&i)
            })
            .collect();
        NextTokenForm { ids: document.ids, learn }
    }
}

impl WorldSource for WorldLessons<'_> {
    fn sample(&self, index: u64) -> Result<WorldSample, String> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        if let Some((plans, share)) = self.plans
            && rng.random::<f32>() < share
        {
            return plans.lesson(self.text, &mut rng).map_err(|e| e.to_string());
        }
        self.lesson(&self.training, &mut rng).map_err(|e| e.to_string())
    }

    fn held_out(&self, n: usize) -> Result<Vec<WorldSample>, String> {
        let mut rng = ChaCha8Rng::seed_from_u64(0x68_656c_6421);
        (0..n).map(|_| self.lesson(&self.held_out, &mut rng).map_err(|e| e.to_string())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_move_between_two_poses_leads_from_one_to_the_other() {
        let from = Pose { position_m: [1.0, 1.5, -2.0], yaw_rad: 3.0, pitch_rad: 0.0 };
        let step = Move { forward_m: 0.7, right_m: -0.2, turn_rad: 40f32.to_radians(), look_rad: 5f32.to_radians() };
        let back = move_between(&from, &from.apply(&step));
        assert!((back.forward_m - 0.7).abs() < 1e-4 && (back.right_m + 0.2).abs() < 1e-4, "{back:?}");
        assert!(
            (back.turn_rad - step.turn_rad).abs() < 1e-4 && (back.look_rad - step.look_rad).abs() < 1e-4,
            "{back:?}"
        );
    }
}
