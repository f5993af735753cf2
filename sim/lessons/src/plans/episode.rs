//! Plans of the search planner as lessons: on paper alone, or carried out in the simulation with a view of every step.

use std::path::Path;

use rhea_nn::vision::VisionTokenizer;
use rhea_physics::checks::Code;
use rhea_physics::checks::{StepReport, Verdict};
use rhea_physics::eval::world_of;
use rhea_physics::motion::ProposeOptions;
use rhea_physics::plan::{Answer, Told, scene_text};
use rhea_physics::planner::{NoPlan, plan};
use rhea_physics::run::watch_goals;
use rhea_physics::tasks::{Family, task};
use rhea_physics::view::{look, scene_camera};
use rhea_physics::world::World;
use rhea_physics::world::facts::Goal;
use rhea_physics::world::stage::RobotShelf;
use serde::{Deserialize, Serialize};

use crate::LessonError;

/// A step of an episode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpisodeStep {
    /// The instruction.
    pub text: String,
    /// Why it was rejected.
    pub rejected: Option<Code>,
}

/// A task with the plan that the search planner made for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// The family.
    pub family: Family,
    /// The seed.
    pub seed: u64,
    /// What was asked.
    pub goals: Vec<Goal>,
    /// What stood where at the beginning, in words.
    pub scene: String,
    /// The steps in order, rejected ones included.
    pub steps: Vec<EpisodeStep>,
    /// What is said at the end.
    pub end: String,
    /// Codes of the view at the beginning and behind every step; empty for a plan on paper.
    pub views: Vec<Vec<u32>>,
}

impl Episode {
    /// The steps as a planner is told them.
    #[must_use]
    pub fn told(&self) -> Vec<(String, String)> {
        let told = |s: &EpisodeStep| {
            let told = Told { text: s.text.clone(), rejected: s.rejected };
            let verdict = told.verdict();
            (told.text, verdict)
        };
        self.steps.iter().map(told).collect()
    }
}

/// Makes episodes of one robot folder.
pub struct EpisodeMaker<'a> {
    /// The folder of the robots.
    pub robots: &'a Path,
    /// Encodes views; plans on paper need none.
    pub vision: &'a VisionTokenizer,
    /// Robots that were read.
    pub shelf: RobotShelf,
}

impl EpisodeMaker<'_> {
    fn world(&mut self, family: Family, seed: u64) -> Result<(World, Vec<Goal>), LessonError> {
        let task = task(family, seed);
        let world = world_of(&task, self.robots, &mut self.shelf)?;
        Ok((world, task.goals))
    }

    /// The plan on paper: no motion, no checks, no views. `None` when the search gave up.
    ///
    /// # Errors
    /// When a robot cannot be read.
    pub fn on_paper(&mut self, family: Family, seed: u64) -> Result<Option<Episode>, LessonError> {
        let (world, goals) = self.world(family, seed)?;
        let (steps, end) = match plan(&world, &goals, &[]) {
            Ok(steps) => (steps, Answer::Done),
            Err(NoPlan::Unknown(_)) => (Vec::new(), Answer::Cannot(Code::Ground)),
            Err(NoPlan::Impossible(_)) => (Vec::new(), Answer::Cannot(Code::Pre)),
            Err(NoPlan::TooLarge(_)) => return Ok(None),
        };
        let steps = steps.iter().map(|s| EpisodeStep { text: s.to_string(), rejected: None }).collect();
        let scene = scene_text(&world);
        Ok(Some(Episode { family, seed, goals, scene, steps, end: end.text(), views: Vec::new() }))
    }

    /// The plan carried out step by step, with a view of every step when `seen`. `None` when the search planner failed, which
    /// teaches nothing.
    ///
    /// # Errors
    /// When a robot cannot be read, or the tokenizer fails.
    pub fn carried_out(&mut self, family: Family, seed: u64, seen: bool) -> Result<Option<Episode>, LessonError> {
        let (mut world, goals) = self.world(family, seed)?;
        let refuse = task(family, seed).refuse;
        let scene = scene_text(&world);
        let camera = scene_camera(&world);
        let (side, vision) = (self.vision.side_px(), self.vision);
        let mut pictures = Vec::new();
        if seen {
            pictures.push(look(&world, &camera, side).rgbd);
        }
        let mut steps = Vec::new();
        let mut on_step = |world: &World, report: &StepReport| {
            let Some(skill) = &report.skill else { return };
            let rejected = report.first_code.filter(|_| report.verdict == Verdict::Reject);
            steps.push(EpisodeStep { text: skill.to_string(), rejected });
            if seen {
                pictures.push(look(world, &camera, side).rgbd);
            }
        };
        let outcome = watch_goals(&mut world, &goals, &ProposeOptions::default(), &mut on_step)?;
        let end = match outcome.refused.as_ref().map(|r| r.code) {
            None if refuse.is_empty() && outcome.reached() => Answer::Done,
            Some(Some(code)) if refuse.contains(&code) => Answer::Cannot(code),
            _ => return Ok(None),
        };
        let mut views = Vec::with_capacity(pictures.len());
        for part in pictures.chunks(8) {
            views.extend(vision.encode_batch(&part.iter().collect::<Vec<_>>())?);
        }
        Ok(Some(Episode { family, seed, goals, scene, steps, end: end.text(), views }))
    }
}
