//! The loop around a planner that answers step by step, with the ladder of repairs.
//!
//! ```text
//! words -> answer -> ground -> missing step put in -> propose -> check -> key-frame -> execute -> verdict into the words
//! ```
//!
//! From cheap to dear: the mask while the planner answers; other grasps, places and ways; a missing step, or what stands in
//! the way put aside; the verdict told and the step asked for again; back before an earlier step; refused with the check that
//! says no. "Done" counts when the goals hold, and a refusal when a check has said so before.
//!
//! Invariant: every executed step was judged by all checks, and every judged step is in the report.

use super::account::{Account, Level};
use super::ask::{Ask, StepPlanner};
use super::evidence::hopeless;
use super::legal::{every_skill, legal_skills};
use super::words::{Answer, Told};
use crate::checks::{Code, Verdict, check_goals};
use crate::error::PhysicsError;
use crate::eval::Clock;
use crate::ground::{Grounding, ground};
use crate::limits::{MAX_ANSWERS, MAX_REMEDIES};
use crate::motion::{Motion, ProposeOptions, propose};
use crate::run::{Outcome, Run};
use crate::skill::Skill;
use crate::symbolic::{At, Symbols};
use crate::world::World;

/// Stages of checks whose rejection another grasp, place or way can mend: motion and grasp, statics.
const OF_MOTION: std::ops::RangeInclusive<usize> = 1..=2;

/// Which levels of the ladder there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Answers are chosen among what can be said.
    pub mask: bool,
    /// Other grasps, places and ways are tried.
    pub geometry: bool,
    /// Missing steps are put in.
    pub symbolic: bool,
    /// Times that the same step is asked for again.
    pub resamples: u32,
    /// Times that an executed step is taken back.
    pub backtracks: u32,
    /// Key-frames are drawn.
    pub key_frames: bool,
}

impl Rules {
    /// Everything but key-frames.
    pub const FULL: Self =
        Self { mask: true, geometry: true, symbolic: true, resamples: 3, backtracks: 3, key_frames: false };
    /// The mask alone.
    pub const MASK_ONLY: Self = Self { geometry: false, symbolic: false, resamples: 0, backtracks: 0, ..Self::FULL };
    /// Every repair, but no mask.
    pub const NO_MASK: Self = Self { mask: false, ..Self::FULL };
    /// What the planner says, as it says it.
    pub const BARE: Self = Self { mask: false, ..Self::MASK_ONLY };
}

/// A state that can be gone back to.
struct Node {
    world: World,
    skill: Skill,
    executed: usize,
    earlier: usize,
    told: usize,
    refused: Vec<Answer>,
}

/// A task on its way up and down the ladder.
pub struct Climb<'a, 'p> {
    run: Run<'a>,
    planner: &'p mut dyn StepPlanner,
    words: String,
    rules: Rules,
    clock: Clock<'p>,
    told: Vec<Told>,
    /// Judged steps that are in `told`.
    synced: usize,
    nodes: Vec<Node>,
    /// Answers that were turned down in this state, and how often.
    refused: Vec<Answer>,
    tries: u32,
    /// Levels that are at work on the next accepted step.
    helping: Vec<Level>,
    /// Steps that were rejected, the last one at the end.
    rejected: Vec<(Skill, Code, String)>,
    account: Account,
    over: Option<Outcome>,
}

/// What was heard.
enum Heard {
    Answer(Answer),
    /// Words that mean nothing here, and why.
    Noise(String),
}

impl<'a, 'p> Climb<'a, 'p> {
    /// A task before its first step. `words` are the task and what stands where, as the planner is told them.
    #[must_use]
    pub fn new(run: Run<'a>, planner: &'p mut dyn StepPlanner, words: String, rules: Rules, clock: Clock<'p>) -> Self {
        Self {
            run,
            planner,
            words,
            rules,
            clock,
            told: Vec::new(),
            synced: 0,
            nodes: Vec::new(),
            refused: Vec::new(),
            tries: 0,
            helping: Vec::new(),
            rejected: Vec::new(),
            account: Account::default(),
            over: None,
        }
    }

    /// Runs the task to its end.
    ///
    /// # Errors
    /// The world cannot be copied, the planner cannot answer, or a fault cannot be planted where it is meant to be.
    pub fn run(mut self) -> Result<(Outcome, Account), PhysicsError> {
        for _ in 0..MAX_ANSWERS {
            match self.ask()? {
                Heard::Noise(why) => {
                    self.rejected.push((Skill::Home, Code::Ground, format!("GROUND: {why}")));
                    self.turned_down(None)?;
                }
                Heard::Answer(Answer::Done) => self.done()?,
                Heard::Answer(Answer::Cannot(code)) => self.cannot(code)?,
                Heard::Answer(Answer::Do(skill)) => self.attempt(skill)?,
            }
            if let Some(outcome) = self.over.take() {
                return Ok((outcome, self.account));
            }
        }
        self.give_up(&format!("no end after {MAX_ANSWERS} answers"));
        Ok((self.over.take().unwrap_or_default(), self.account))
    }

    /// Codes that have evidence: goals that cannot be met as asked for, and rejected steps.
    fn evidence(&self) -> Vec<(Code, String)> {
        let rejected = self.rejected.iter().rev().map(|(_, code, says)| (*code, says.clone()));
        rejected.chain(hopeless(self.run.world(), self.run.wanted())).collect()
    }

    fn allowed(&self) -> Vec<Answer> {
        let mut allowed: Vec<Answer> = legal_skills(self.run.world()).into_iter().map(Answer::Do).collect();
        allowed.push(Answer::Done);
        for (code, _) in self.evidence() {
            if !allowed.contains(&Answer::Cannot(code)) {
                allowed.push(Answer::Cannot(code));
            }
        }
        allowed.retain(|a| !self.refused.contains(a));
        allowed
    }

    fn ask(&mut self) -> Result<Heard, PhysicsError> {
        let allowed = self.rules.mask.then(|| self.allowed());
        if allowed.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Heard::Noise("nothing is left to say".to_owned()));
        }
        let ask = Ask {
            words: &self.words,
            told: &self.told,
            world: self.run.world(),
            allowed: allowed.as_deref(),
            again: self.tries,
        };
        let begin = (self.clock)();
        let said = self.planner.answer(&ask)?;
        let secs = (self.clock)() - begin;
        self.account.asked += 1;
        self.account.answer_secs += secs;
        self.account.tokens += said.tokens;
        if self.rules.mask {
            let mask = self.account.at(Level::Mask);
            mask.attempts += 1;
            mask.tokens += said.tokens;
            mask.secs += secs;
            if said.steered {
                self.helping.push(Level::Mask);
            }
        }
        if self.tries > 0 {
            let again = self.account.at(Level::Resample);
            again.attempts += 1;
            again.tokens += said.tokens;
            again.secs += secs;
            self.helping.push(Level::Resample);
        }
        Ok(self.hear(&said.text, allowed.as_deref()))
    }

    /// What words mean: exactly what can be said here, or what free text is grounded to.
    fn hear(&self, text: &str, allowed: Option<&[Answer]>) -> Heard {
        let text = text.trim().trim_end_matches('.');
        if let Some(answer) = allowed.and_then(|all| all.iter().find(|a| a.text() == text)) {
            return Heard::Answer(answer.clone());
        }
        if let Some(end) = Answer::ending(text) {
            return Heard::Answer(end);
        }
        let world = self.run.world();
        if let Some(skill) = every_skill(world).into_iter().find(|s| s.to_string() == text) {
            return Heard::Answer(Answer::Do(skill));
        }
        match ground(world, text, self.run.memory()) {
            Grounding::Skill { skill, .. } => Heard::Answer(Answer::Do(skill)),
            Grounding::Ambiguous { what, candidates } => {
                Heard::Noise(format!("`{what}` can mean: {}", candidates.join(", ")))
            }
            Grounding::Unknown { word, .. } => Heard::Noise(format!("`{word}` in `{text}` means nothing here")),
        }
    }

    fn done(&mut self) -> Result<(), PhysicsError> {
        let repairs = self.rules.resamples > 0;
        let mut copy = self.run.world().fork()?;
        let unmet = check_goals(&mut copy, self.run.wanted()).into_iter().any(|c| c.verdict == Verdict::Reject);
        if unmet && repairs {
            return self.turned_down(Some(Answer::Done));
        }
        self.over = Some(self.run.finished_here());
        Ok(())
    }

    fn cannot(&mut self, code: Code) -> Result<(), PhysicsError> {
        let proof = self.evidence().into_iter().find(|(c, _)| *c == code);
        match proof {
            Some((_, says)) => {
                self.account.planner_refused = true;
                self.refuse(Some(code), says);
                Ok(())
            }
            None if self.rules.resamples == 0 => {
                self.account.planner_refused = true;
                self.refuse(Some(code), format!("{}: the planner says so", code.name()));
                Ok(())
            }
            None => self.turned_down(Some(Answer::Cannot(code))),
        }
    }

    fn refuse(&mut self, code: Option<Code>, says: String) {
        let level = self.account.at(Level::Refuse);
        level.attempts += 1;
        self.over = Some(self.run.refused_here(code, says));
    }

    fn give_up(&mut self, otherwise: &str) {
        // What was rejected last has not been got round.
        match self.evidence().into_iter().next() {
            Some((code, says)) => self.refuse(Some(code), says),
            None => self.refuse(None, otherwise.to_owned()),
        }
    }

    /// An answer that does not count: asked again, or gone back, or given up.
    fn turned_down(&mut self, answer: Option<Answer>) -> Result<(), PhysicsError> {
        self.refused.extend(answer);
        self.helping.clear();
        self.tries += 1;
        if self.tries <= self.rules.resamples {
            return Ok(());
        }
        let gone_back = self.account.levels.iter().find(|l| l.level == Level::Backtrack).map_or(0, |l| l.attempts);
        let Some(node) = self.nodes.pop().filter(|_| gone_back < self.rules.backtracks as usize) else {
            self.give_up("the planner has no further step");
            return Ok(());
        };
        self.account.at(Level::Backtrack).attempts += 1;
        self.run.go_back(node.world, node.executed, node.earlier);
        // The dead end is told with the check that ended it.
        let code = self.rejected.last().map_or(Code::Progress, |(_, code, _)| *code);
        self.told.truncate(node.told);
        self.told.push(Told { text: node.skill.to_string(), rejected: Some(code) });
        self.refused = node.refused;
        self.refused.push(Answer::Do(node.skill));
        self.tries = 0;
        self.helping.push(Level::Backtrack);
        Ok(())
    }

    /// One answered step with everything that is put before it.
    fn attempt(&mut self, skill: Skill) -> Result<(), PhysicsError> {
        let node = if self.rules.backtracks > 0 { Some(self.run.world().fork()?) } else { None };
        let (executed, earlier) = self.run.lengths();
        let (told, refused) = (self.told.len(), self.refused.clone());
        if self.rules.symbolic && !self.put_before(&skill)? {
            return self.turned_down(Some(Answer::Do(skill)));
        }
        let mut cleared = false;
        loop {
            if self.judged(&skill)? {
                self.refused.clear();
                self.tries = 0;
                for level in std::mem::take(&mut self.helping) {
                    self.account.at(level).helped += 1;
                }
                self.nodes.extend(node.map(|world| Node { world, skill, executed, earlier, told, refused }));
                return Ok(());
            }
            if cleared || !self.rules.symbolic || !self.clear_way(&skill)? {
                return self.turned_down(Some(Answer::Do(skill)));
            }
            cleared = true;
        }
    }

    /// Puts what a step lacks before it; says whether the step can be tried.
    fn put_before(&mut self, skill: &Skill) -> Result<bool, PhysicsError> {
        let mut wanted = vec![skill.clone()];
        while let Some(next) = wanted.last().cloned() {
            let world = self.run.world();
            let remedy = Symbols::of(world).check(&world.stage, &next).err().and_then(|u| u.remedy);
            match remedy.filter(|r| wanted.len() <= MAX_REMEDIES && !wanted.contains(r)) {
                Some(remedy) => wanted.push(remedy),
                None if wanted.len() == 1 => return Ok(true),
                None => {
                    self.account.at(Level::Symbolic).attempts += 1;
                    if !self.judged(&next)? {
                        return Ok(false);
                    }
                    self.helping.push(Level::Symbolic);
                    wanted.pop();
                }
            }
        }
        Ok(true)
    }

    fn clear_way(&mut self, skill: &Skill) -> Result<bool, PhysicsError> {
        let begin = (self.clock)();
        let Some(cleared) = self.run.clear_way_of_last(skill)? else { return Ok(false) };
        let secs = (self.clock)() - begin;
        let level = self.account.at(Level::Symbolic);
        level.attempts += 1;
        level.secs += secs;
        if cleared {
            self.helping.push(Level::Symbolic);
        }
        self.sync();
        Ok(cleared)
    }

    /// Judges a step and carries it out if it is accepted: its first grasp, place and way, and when there is none, or what the
    /// arm or gravity would do with it is rejected, the full search for them.
    fn judged(&mut self, skill: &Skill) -> Result<bool, PhysicsError> {
        let full = *self.run.options();
        let narrow = ProposeOptions { grasps: 1, places: 1, rrt_nodes: 0, ..full };
        let motion = propose(self.run.world(), skill, &narrow);
        if motion.stuck.is_none() || !self.rules.geometry {
            if self.judged_motion(skill, motion)? {
                return Ok(true);
            }
            let code = self.rejected.last().map(|(_, code, _)| *code);
            if !self.rules.geometry || !code.is_some_and(|code| OF_MOTION.contains(&code.stage())) {
                return Ok(false);
            }
            // The step is not over yet.
            self.told.pop();
        }
        let begin = (self.clock)();
        let motion = propose(self.run.world(), skill, &full);
        let secs = (self.clock)() - begin;
        let level = self.account.at(Level::Geometry);
        level.attempts += 1;
        level.secs += secs;
        if motion.stuck.is_none() {
            self.helping.push(Level::Geometry);
        }
        self.judged_motion(skill, motion)
    }

    /// Judges a motion for a step and carries it out if it is accepted.
    fn judged_motion(&mut self, skill: &Skill, motion: Motion) -> Result<bool, PhysicsError> {
        let judged = self.run.judge(skill, "", motion)?;
        let accepted = judged.report.verdict != Verdict::Reject;
        let mut picture = None;
        if accepted && self.rules.key_frames {
            let text = skill.to_string();
            let ask =
                Ask { words: &self.words, told: &self.told, world: self.run.world(), allowed: None, again: self.tries };
            if let Some(frame) = self.planner.key_frame(&ask, &text)? {
                self.account.key_frames += 1;
                self.account.picture_tokens += frame.tokens;
                picture = Some(frame.picture);
            }
        } else if self.rules.key_frames {
            self.account.pictures_spared += 1;
        }
        let before = Symbols::of(self.run.world());
        if !accepted {
            let code = judged.report.first_code.unwrap_or(Code::Pre);
            self.rejected.push((skill.clone(), code, judged.report.says.clone()));
        }
        self.run.conclude(skill, &judged, picture);
        if accepted {
            self.rejected.retain(|(s, _, _)| s != skill);
            self.account.came_true += usize::from(came_true(self.run.world(), &before, skill));
        }
        self.sync();
        Ok(accepted)
    }

    /// Tells the planner of every step that was judged since.
    fn sync(&mut self) {
        for report in self.run.judged_steps().iter().skip(self.synced) {
            let rejected = report.first_code.filter(|_| report.verdict == Verdict::Reject);
            self.told.push(Told { text: report.text.clone(), rejected });
        }
        self.synced = self.run.judged_steps().len();
    }
}

/// Is the world behind a step as its skill says? Places on the table count as one; a hand may be another one.
fn came_true(world: &World, before: &Symbols, skill: &Skill) -> bool {
    let stage = &world.stage;
    let (meant, now) = (before.after(stage, skill), Symbols::of(world));
    let plain = |at: At| match at {
        At::Beside(..) | At::Aside(_) | At::Pushed(_) => At::Table,
        At::Held(_) => At::Held(0),
        other => other,
    };
    let Some(index) = skill.thing().and_then(|name| stage.scene.find(name)) else { return true };
    let there = match (meant.at[index], now.at[index]) {
        // Pushed to a mat is on the mat, or just beside it.
        (At::Pushed(to), At::On(on)) => to == on,
        (meant, now) => plain(meant) == plain(now),
    };
    there && meant.out[index] == now.out[index] && (!meant.pressed[index] || now.pressed[index])
}
