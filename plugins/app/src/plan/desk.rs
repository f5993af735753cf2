//! The desk: judges the rest of a recorded plan again after a change, and records what comes of it beside the recording.

use std::path::{Path, PathBuf};
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
        // A window that was closed takes no more; the branch is recorded all the same.
        self.path = rejudge(&self.path, &self.first, &self.robots, ask, &mut |reel| drop(self.reels.send(reel)))?;
        Ok(())
    }
}

/// Judges the rest of a recorded plan again after a change, records it as a branch beside `first`, and says where. `tell` hears where
/// the plan was cut, the new steps, how they ended, and the recording.
///
/// # Errors
/// When the recording cannot be used, or the change makes no sense; nothing is recorded then.
pub(crate) fn rejudge(
    path: &Path,
    first: &Path,
    robots: &Path,
    ask: &Ask,
    tell: &mut dyn FnMut(Reel),
) -> Result<PathBuf, PlanError> {
    let plan = RecordedPlan::new(ReplayReader::open(path)?, robots)?;
    let film = plan.film(0)?;
    let before = film.get(ask.step).map(|step| step.before.clone()).unwrap_or_default();
    let rest = Rest::new(&plan.stage, &before, &as_they_were(&film), ask.step, &ask.change)?;
    let (storage, path) = next(first)?;
    let recorder = PlanRecorder::branch(Box::new(storage), Box::new(SystemClock::new()), &plan, ask.step)?;
    let mut recording = Recording::with(recorder, path);
    tell(Reel::Cut(ask.step));
    let mut sink = |mut step: FilmStep| {
        // Steps are counted over the whole plan.
        step.report.step += ask.step;
        recording.step(&step);
        tell(Reel::Step(Box::new(step)));
    };
    let options = ProposeOptions { seed: plan.replay.header.seed, ..ProposeOptions::default() };
    let outcome = rest.run(plan.goals(), &options, &mut Filming::new(&mut sink))?;
    let (says, good) = (ending(&outcome), outcome.reached());
    recording.end(&says, &EndNote { good, goals: outcome.goals, account: None });
    let branch = recording.path().to_path_buf();
    let labels = ReplayReader::open(&branch).map(|replay| Labels::none_of(&replay))?;
    tell(Reel::Over { says, good, account: None });
    tell(Reel::Recorded(branch.clone(), labels));
    Ok(branch)
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use clap::Parser as _;
    use crossbeam::channel::bounded;
    use rhea_physics::recheck::Change;

    use super::*;
    use crate::cli::{Cli, Job};

    /// What the window is told about a change: the step that it was cut at, the steps' words, how it ended, where it is recorded.
    fn told(film: &Receiver<Reel>) -> Result<(usize, Vec<String>, bool, PathBuf), String> {
        let next = || film.recv_timeout(Duration::from_secs(60)).unwrap();
        let cut = match next() {
            Reel::Cut(at) => at,
            Reel::Refused(why) => return Err(why),
            _ => panic!("neither a cut nor a refusal"),
        };
        let (mut steps, mut good) = (Vec::new(), false);
        loop {
            match next() {
                Reel::Step(step) => steps.push(format!("{}. {}", step.report.step, step.report.text)),
                Reel::Over { good: ended, .. } => good = ended,
                Reel::Recorded(path, _) => return Ok((cut, steps, good, path)),
                _ => panic!("what else?"),
            }
        }
    }

    #[test]
    fn changes_are_judged_and_recorded_beside_the_plan_which_stays() {
        let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let folder = tempfile::tempdir().unwrap();
        let script = home.join("scenes/tasks/put_on_shelf.ron");
        let words = ["rhea".into(), "plan".into(), script.into_os_string(), "--out".into(), folder.path().into()];
        let Some(Job::Plan(args)) = Cli::try_parse_from(words).unwrap().job else { panic!("no plan") };
        super::super::run(&args).unwrap();
        let path = folder.path().join("plan.mcap");
        let before = std::fs::read(&path).unwrap();

        let (reels, film) = bounded(64);
        let (asks, asked) = bounded(1);
        let desk = Desk::new(path.clone(), home.join("scenes/robots"), reels, asked);
        let thread = std::thread::spawn(move || {
            if desk.follow(0) {
                desk.serve()
            }
        });
        let shown: Vec<Reel> = (0..4).map(|_| film.recv_timeout(Duration::from_secs(60)).unwrap()).collect();
        assert!(matches!(&shown[..], [Reel::Step(_), Reel::Step(_), Reel::Step(_), Reel::Over { good: true, .. }]));

        let ask = |step, words: Option<&str>, moved| {
            asks.send(Ask { step, change: Change { words: words.map(str::to_owned), moved } }).unwrap();
            told(&film)
        };
        let (cut, steps, good, branch) = ask(1, Some("put the red block in the bin"), None).unwrap();
        assert_eq!(
            (cut, good, &branch),
            (1, false, &folder.path().join("plan-2.mcap")),
            "the red block is not on the shelf"
        );
        assert_eq!(steps, ["2. put the red block in the bin", "3. put the blue cube in the bin"]);
        // The next change is one of the branch.
        let (_, steps, _, branch) = ask(2, None, Some((1, [0.5, -0.05]))).unwrap();
        assert_eq!(
            (steps.as_slice(), &branch),
            (&["3. put the blue cube in the bin".to_owned()][..], &folder.path().join("plan-3.mcap"))
        );
        for (step, words, moved, why) in [
            (0, Some("sing a song"), None, "`sing` means nothing"),
            (9, None, None, "step 10"),
            (0, None, Some((0, [7.0, 0.0])), "not on the table"),
        ] {
            let refused = ask(step, words, moved).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        assert!(!folder.path().join("plan-4.mcap").exists(), "what is refused leaves nothing");
        drop(asks);
        thread.join().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), before, "a recording is never changed");
        let plan = |file: &Path| RecordedPlan::new(ReplayReader::open(file).unwrap(), Path::new("/nowhere")).unwrap();
        assert_eq!(plan(&branch).film(0).unwrap().len(), 3);
        let of = plan(&branch).replay.header.plan.unwrap().branch_of;
        assert_eq!(of, Some(("plan-2.mcap".to_owned(), 2)));
    }
}
