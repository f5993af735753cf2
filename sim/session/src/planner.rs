//! The model as the planner of robot tasks: it reads words as it was trained on them and answers with the next step.
//!
//! Invariant: an answer is one of the allowed ones where a list is given, and what the model wrote by itself where none is.

use rhea_engine::{Cancel, EngineError, Filter, Speak};
use rhea_physics::PhysicsError;
use rhea_physics::plan::{Ask, KeyFrame, Said, StepPlanner};
use rhea_physics::view::{look, scene_camera};
use rhea_picture::{Rgbd, Warp};
use rhea_tokens::plans::{PlanSoFar, answer_ids, full_stop};
use rhea_tokens::{Grid, TokensError};

/// Temperatures of free answers: the first is greedy, later ones wander.
const TEMPERATURES: [f32; 4] = [0.0, 0.7, 0.9, 1.1];
/// How often an answer is asked for again when the engine that gives it was lost.
const TRIES_AGAIN: u32 = 2;
/// Passes over the canvas of a key-frame.
const PASSES: u32 = 4;

/// A loaded model that plans.
pub struct ModelPlanner {
    model: Box<dyn Speak>,
    seed: u64,
}

impl ModelPlanner {
    /// Plans with a model; `seed` is that of free answers and of key-frames.
    #[must_use]
    pub fn new(model: impl Speak + 'static, seed: u64) -> Self {
        Self::of(Box::new(model), seed)
    }

    /// As [`Self::new`].
    #[must_use]
    pub fn of(model: Box<dyn Speak>, seed: u64) -> Self {
        Self { model, seed }
    }

    fn prefix(&self, ask: &Ask<'_>, view: Option<(Grid, &[u32])>) -> Result<Vec<u32>, TokensError> {
        let steps: Vec<(String, String)> = ask.told.iter().map(|t| (t.text.clone(), t.verdict())).collect();
        PlanSoFar { head: ask.words, steps: &steps, view }.prefix(self.model.text())
    }

    /// The same request to the same model gives the same answer, so one that was lost on the way is asked for again.
    fn try_again<T>(&mut self, ask: impl Fn(&mut Self) -> Result<T, EngineError>) -> Result<T, EngineError> {
        for _ in 0..TRIES_AGAIN {
            match ask(self) {
                Err(EngineError::Elsewhere(_)) => {}
                done => return done,
            }
        }
        ask(self)
    }

    fn said(&mut self, ask: &Ask<'_>) -> Result<Said, EngineError> {
        let prefix = self.prefix(ask, None)?;
        let text = self.model.text();
        if let Some(allowed) = ask.allowed {
            let stop = full_stop(text)?;
            let ids = allowed.iter().map(|answer| Ok([answer_ids(text, &answer.text())?, stop.clone()].concat()));
            let ids: Vec<Vec<u32>> = ids.collect::<Result<_, TokensError>>()?;
            let chosen = self.model.choose(&prefix, &ids, &Cancel::default())?;
            let tokens = ids[chosen.index].len();
            return Ok(Said { text: allowed[chosen.index].text(), tokens, steered: chosen.steered });
        }
        let at = (ask.again as usize).min(TEMPERATURES.len() - 1);
        let filter = Filter { temperature: TEMPERATURES[at], ..Filter::GREEDY };
        let seed = self.seed.wrapping_add(u64::from(ask.again)).wrapping_add(ask.told.len() as u64 * 16);
        let written = self.model.write_text(&prefix, filter, seed, &Cancel::default(), &mut |_| ())?;
        let tokens = self.model.text().encode_text(&written)?.len();
        Ok(Said { text: written.trim().to_owned(), tokens, steered: false })
    }

    fn drawn(&mut self, ask: &Ask<'_>, answer: &str) -> Result<KeyFrame, EngineError> {
        let view = look(ask.world, &scene_camera(ask.world), self.model.side_px()).rgbd;
        let before = self.model.encode(&view)?;
        let grid = self.model.grid();
        let (rows, cols) = (grid.rows(), grid.cols());
        let mut prompt = self.prefix(ask, Some((grid, &before)))?;
        let text = self.model.text();
        prompt.extend(answer_ids(text, answer)?);
        prompt.extend(full_stop(text)?);
        let how = (Filter::GREEDY, PASSES, self.seed);
        let (codes, _) = self.model.revise_picture(&prompt, &before, how, &Cancel::default())?;
        let kept: Vec<bool> = codes.iter().zip(&before).map(|(code, before)| code == before).collect();
        let picture = self.model.picture(&codes, Some(&kept_of(&view, &kept, (rows, cols))))?;
        Ok(KeyFrame { picture, tokens: codes.len() })
    }
}

/// What is known of the view behind a step: the present view where the model left its cells as they are.
fn kept_of(view: &Rgbd, kept: &[bool], (rows, cols): (usize, usize)) -> Warp {
    let (w, h) = (view.width, view.height);
    let mut warp = Warp::empty(w, h);
    (0..w * h).filter(|i| kept[i / w * rows / h * cols + i % w * cols / w]).for_each(|i| warp.keep(i, view));
    warp
}

fn failed(error: EngineError) -> PhysicsError {
    PhysicsError::Planner(error.to_string())
}

impl StepPlanner for ModelPlanner {
    fn name(&self) -> String {
        format!("the model {}", self.model.name())
    }

    fn begin(&mut self, seed: u64) {
        self.seed = seed;
    }

    fn answer(&mut self, ask: &Ask<'_>) -> Result<Said, PhysicsError> {
        self.try_again(|planner| planner.said(ask)).map_err(failed)
    }

    fn key_frame(&mut self, ask: &Ask<'_>, answer: &str) -> Result<Option<KeyFrame>, PhysicsError> {
        self.try_again(|planner| planner.drawn(ask, answer)).map(Some).map_err(failed)
    }
}
