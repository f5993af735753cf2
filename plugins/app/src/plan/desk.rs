//! The desk: judges the rest of a recorded plan again after a change, and records what comes of it beside the recording.

use std::path::PathBuf;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender};
use rhea_physics::checks::Verdict;
use rhea_physics::film::{FilmStep, Filming};
use rhea_physics::motion::ProposeOptions;
use rhea_physics::recheck::Rest;
use rhea_physics::run::Outcome;
use rhea_session::SystemClock;
use rhea_session::plans::{PlanError, PlanRecorder, RecordedPlan, as_they_were};
use rhea_session::replay::{EndNote, ReplayReader};
use rhea_session::review::Labels;
use rhea_watch::{Ask, Reel};

use super::recording::{Recording, next};

/// Time between two looks at a recording that is still being made.
const LOOK: Duration = Duration::from_millis(500);

/// Serves a window.
pub(crate) struct Desk {
    /// The recording that is shown.
    path: PathBuf,
    /// The one that was shown first: its branches are numbered by its name.
    first: PathBuf,
    /// Where robots lie that are no longer where they were.
    robots: PathBuf,
    /// To the window.
    reels: Sender<Reel>,
    /// From the window.
    asks: Receiver<Ask>,
}

impl Desk {
    /// A desk for a recording and its window.
    pub fn new(path: PathBuf, robots: PathBuf, reels: Sender<Reel>, asks: Receiver<Ask>) -> Self {
        Self { first: path.clone(), path, robots, reels, asks }
    }

    /// Tells the window where the plan is recorded, and what people said about it before; false when it was closed.
    pub fn introduce(&self, labels: Labels) -> bool {
        self.reels.send(Reel::Recorded(self.path.clone(), labels)).is_ok()
    }

    /// Judges changes until the window is closed.
    pub fn serve(mut self) {
        while let Ok(ask) = self.asks.recv() {
            let done = self.change(&ask).err().map(|why| Reel::Refused(why.to_string()));
            if done.is_some_and(|refused| self.reels.send(refused).is_err()) {
                return;
            }
        }
    }

    /// Shows a recording from step `shown` on while it grows, until it has its end; false when the window was closed.
    pub fn follow(&self, mut shown: usize) -> bool {
        let mut length = 0;
        loop {
            let now = std::fs::metadata(&self.path).map_or(0, |about| about.len());
            // A file that cannot be read just now is looked at again when it has grown further.
            if now != std::mem::replace(&mut length, now)
                && let Ok(plan) = self.plan()
                && let Ok(film) = plan.film(shown)
            {
                for step in film {
                    shown += 1;
                    if self.reels.send(Reel::Step(Box::new(step))).is_err() {
                        return false;
                    }
                }
                if let Some((says, end)) = plan.end() {
                    let over = Reel::Over { says, good: end.good, account: end.account.clone() };
                    return self.reels.send(over).is_ok();
                }
                if plan.replay.torn.is_none() {
                    let over = Reel::Over { says: "the recording ends here".to_owned(), good: false, account: None };
                    return self.reels.send(over).is_ok();
                }
            }
            match self.asks.recv_timeout(LOOK) {
                // Nothing can be changed before the end is known.
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn plan(&self) -> Result<RecordedPlan, PlanError> {
        RecordedPlan::new(ReplayReader::open(&self.path)?, &self.robots)
    }

    fn change(&mut self, ask: &Ask) -> Result<(), PlanError> {
        let plan = self.plan()?;
        let film = plan.film(0)?;
        let before = film.get(ask.step).map(|step| step.before.clone()).unwrap_or_default();
        let rest = Rest::new(&plan.stage, &before, &as_they_were(&film), ask.step, &ask.change)?;
        let (storage, path) = next(&self.first)?;
        let recorder = PlanRecorder::branch(Box::new(storage), Box::new(SystemClock::new()), &plan, ask.step)?;
        let mut recording = Recording::with(recorder, path);
        self.reels.send(Reel::Cut(ask.step)).ok();
        let mut sink = |mut step: FilmStep| {
            // Steps are counted over the whole plan.
            step.report.step += ask.step;
            recording.step(&step);
            self.reels.send(Reel::Step(Box::new(step))).ok();
        };
        let options = ProposeOptions { seed: plan.replay.header.seed, ..ProposeOptions::default() };
        let outcome = rest.run(plan.goals(), &options, &mut Filming::new(&mut sink))?;
        let (says, good) = (ending(&outcome), outcome.reached());
        recording.end(&says, &EndNote { good, goals: outcome.goals, account: None });
        self.path = recording.path().to_path_buf();
        let labels = ReplayReader::open(&self.path).map(|replay| Labels::none_of(&replay))?;
        self.reels.send(Reel::Over { says, good, account: None }).ok();
        self.reels.send(Reel::Recorded(self.path.clone(), labels)).ok();
        Ok(())
    }
}

/// How the rest of a plan ended, in one line.
fn ending(outcome: &Outcome) -> String {
    if let Some(refused) = &outcome.refused {
        return refused.says.clone();
    }
    let missed = outcome.goals.iter().find(|goal| goal.verdict == Verdict::Reject);
    let rejected = outcome.steps.iter().find(|step| step.verdict == Verdict::Reject);
    match (missed, rejected) {
        (Some(goal), _) => format!("not reached: {}", goal.note),
        (None, Some(step)) => format!("step {} is rejected: {}", step.step, step.says),
        (None, None) if outcome.goals.is_empty() => "every step was carried out".to_owned(),
        (None, None) => "every goal holds".to_owned(),
    }
}
