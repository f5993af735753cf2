//! `rhea bench explore`: speed and memory of a real session on this machine.
//!
//! The walk is the one of `scenes/walks/long400.ron`, recorded to a temporary file like any other walk.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use rhea_engine::{Imagination, Imagine as _};
use rhea_session::replay::FileStorage;
use rhea_session::{Command, ExploreSession, Options, Script, SessionEvent, Setup, Start, StepControl, StepReport};
use serde::Serialize;

use crate::cli::BenchExploreArgs;
use crate::engine::{MODEL_HINT, open_inside, walking};
use crate::fault::WithHint as _;
use crate::progress::Progress;
use crate::say::{complain, say};
use crate::{machine, place};

/// The walk; it is repeated when more steps are asked for.
const WALK: &str = "scenes/walks/long400.ron";
/// Memory is read up to this step, when everything is loaded and warm.
const EARLY_STEP: usize = 20;
/// Memory is read again up to this step.
const LATE_STEP: usize = 400;
/// Memory is the median over so many steps: buffers that were just given back are resident for a few milliseconds more.
const READINGS: usize = 9;

/// The numbers, as written to the JSON file. Memory is `null` when the walk was too short to reach its step.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Numbers {
    /// Views a second: recall, drawing and decoding, without narration, as when walking with a held key.
    views_per_s: f64,
    /// Steps a second with each narration told to its end, recording included.
    narrated_steps_per_s: f64,
    /// From the start of the process to the first view that the model imagined, seconds; loading included.
    first_view_s: f64,
    /// From the start of the process to a loaded model, seconds.
    model_open_s: f64,
    /// Resident memory up to step 20, the median of nine steps, MB.
    rss_mb_step_20: Option<f64>,
    /// Resident memory up to step 400, likewise, MB.
    rss_mb_step_400: Option<f64>,
    /// Memory that the stored views take at the end, MB.
    stored_views_mb: f64,
    /// Memory that the views stored between both readings take, MB.
    stored_views_mb_between: Option<f64>,
    /// Steps walked.
    steps: u32,
    /// Threads that were available.
    threads: usize,
    /// Median time to a view, milliseconds.
    view_ms_median: f64,
    /// Time to a view that only one in twenty exceeds, milliseconds.
    view_ms_p95: f64,
    /// Median time that the picture decoder takes of it, milliseconds.
    picture_ms_median: f64,
    /// Median time from a view to the end of its narration, milliseconds.
    narration_ms_median: f64,
    /// Such a time that only one in twenty exceeds, milliseconds.
    narration_ms_p95: f64,
    /// Median time of a fork of the world at the end, milliseconds.
    fork_ms: f64,
    /// Median time to a view around step 20 over that of the first four steps.
    step_20_over_step_2: Option<f64>,
    /// The model folder's name.
    model: String,
}

/// Runs the measurement.
///
/// # Errors
/// When the model, the walk or the JSON file cannot be used.
pub fn run(args: &BenchExploreArgs) -> Result<ExitCode> {
    let folder = place::model_folder(args.model.model.as_deref())?;
    let script =
        Script::load(&place::shipped(WALK)?, &place::repository()).hint("Take the walk from the repository.")?;
    let start = match &args.world {
        Some(path) => Start::scene_file(path),
        None => Start::of_script(&script.start),
    };
    let start = start.hint("Name another scene with --world.")?;
    let moves = commands(&script, args.steps)?;
    let recording = Recording::new()?;
    let plan = args.spread.plan(&folder, &walking())?;
    let mut model = open_inside(&folder, plan.as_ref()).hint(MODEL_HINT)?;
    let mut numbers = Numbers {
        steps: args.steps,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        model_open_s: since_start(),
        model: model.name().to_owned(),
        ..Numbers::default()
    };
    let options = Options { seed: args.seed, ..Options::default() };
    let setup = Setup::new(options, Some(Box::new(recording.storage()?)));
    let control = StepControl::default();
    let mut imagined = imagined_start(&start).then_some(0);
    let mut watch = |event: SessionEvent| {
        if let SessionEvent::ViewReady(ready) = event
            && numbers.first_view_s == 0.0
            && ready.step >= *imagined.get_or_insert(1)
        {
            numbers.first_view_s = since_start();
        }
    };
    let (mut session, _) = ExploreSession::start(&start, setup, &mut model, &control, &mut watch)?;
    let progress = Progress::new(u64::from(args.steps));
    let mut reports: Vec<StepReport> = Vec::new();
    let mut memory = MemoryReadings::default();
    for (done, command) in (1_u64..).zip(moves) {
        let words = command.to_string();
        let report = session.step(command, &mut model, &StepControl::default(), &mut watch)?;
        progress.step(done, &words, report.narration.as_ref().map_or("", |note| note.text.as_str()));
        reports.push(report);
        memory.read(&session);
    }
    progress.finish();
    numbers.picture_ms_median = picture_ms(&session, &mut model)?;
    session.finish()?;
    numbers.fork_ms = fork_ms(&session);
    numbers.stored_views_mb = session.memory().bytes() as f64 / 1e6;
    numbers.take_memory(&memory);
    numbers.take_times(&reports);
    print_table(&numbers);
    if let Some(path) = &args.json {
        write_json(&numbers, path)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What was read after each step, MB.
#[derive(Default)]
struct MemoryReadings {
    resident: Vec<f64>,
    stored: Vec<f64>,
}

impl MemoryReadings {
    fn read(&mut self, session: &ExploreSession) {
        self.resident.extend(machine::resident_mb());
        self.stored.push(session.memory().bytes() as f64 / 1e6);
    }

    /// The median of the readings that end with `step`; `None` when the walk did not reach it.
    fn up_to(readings: &[f64], step: usize) -> Option<f64> {
        readings.get(step - READINGS..step).map(|part| share_below(&mut part.to_vec(), 0.5))
    }
}

/// The median time of the picture decoder on the last view of a walk, with what memory knows of it, milliseconds.
fn picture_ms(session: &ExploreSession, model: &mut Imagination) -> Result<f64> {
    const TIMES: usize = 21;
    let view = session.view().context("the walk has no view")?;
    let codes = model.round_trip(view, None)?.codes;
    let warp = session.memory().recall(&session.camera(), &session.pose(), Options::default().recall_views).warp;
    let mut millis = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let began = Instant::now();
        model.picture(&codes, Some(&warp))?;
        millis.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(share_below(&mut millis, 0.5))
}

/// The median time of a fork of the walk's world, milliseconds.
fn fork_ms(session: &ExploreSession) -> f64 {
    const TIMES: usize = 21;
    let fork = |_| {
        let began = Instant::now();
        let fork = std::hint::black_box(session.memory().clone());
        let millis = began.elapsed().as_secs_f64() * 1e3;
        drop(fork);
        millis
    };
    share_below(&mut (0..TIMES).map(fork).collect::<Vec<_>>(), 0.5)
}

/// The value that a share of all values does not exceed; 0 when there is none.
fn share_below(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let index = (share * values.len().saturating_sub(1) as f64).round() as usize;
    values.get(index).copied().unwrap_or_default()
}

/// A scene and a picture give their own first view; the model's begins with the first step.
fn imagined_start(start: &Start) -> bool {
    matches!(start, Start::Caption(_))
}

fn commands(script: &Script, steps: u32) -> Result<Vec<Command>> {
    // An undo in the walk would draw nothing and spoil the average.
    let moves: Vec<Command> = script.steps.iter().filter(|step| !matches!(step, Command::Undo)).cloned().collect();
    if moves.is_empty() {
        bail!("{WALK} has no moves");
    }
    Ok(moves.into_iter().cycle().take(steps as usize).collect())
}

fn since_start() -> f64 {
    machine::since_process_start().unwrap_or_default().as_secs_f64()
}

impl Numbers {
    fn take_memory(&mut self, memory: &MemoryReadings) {
        let resident = |step| MemoryReadings::up_to(&memory.resident, step);
        let stored = |step| MemoryReadings::up_to(&memory.stored, step);
        (self.rss_mb_step_20, self.rss_mb_step_400) = (resident(EARLY_STEP), resident(LATE_STEP));
        self.stored_views_mb_between = stored(LATE_STEP).zip(stored(EARLY_STEP)).map(|(late, early)| late - early);
    }

    /// Rates and times from the steps that drew a view; a blocked move draws none.
    fn take_times(&mut self, reports: &[StepReport]) {
        let drawn: Vec<_> =
            reports.iter().filter(|report| report.recall.is_some()).map(|report| report.timings).collect();
        let view_secs: Vec<f64> = drawn.iter().map(|times| times.recall_secs + times.imagine_secs).collect();
        let rate = |total: f64| if total > 0.0 { drawn.len() as f64 / total } else { 0.0 };
        self.views_per_s = rate(view_secs.iter().sum());
        self.narrated_steps_per_s = rate(drawn.iter().map(rhea_session::replay::Timings::total_secs).sum());
        let part = |steps: Range<usize>| view_secs.get(steps).map(|part| share_below(&mut part.to_vec(), 0.5));
        self.step_20_over_step_2 = part(16..24).zip(part(0..4)).map(|(late, early)| late / early);
        let at = |secs: &[f64], share: f64| share_below(&mut secs.to_vec(), share) * 1e3;
        (self.view_ms_median, self.view_ms_p95) = (at(&view_secs, 0.5), at(&view_secs, 0.95));
        let narration: Vec<f64> = drawn.iter().map(|times| times.narrate_secs).collect();
        (self.narration_ms_median, self.narration_ms_p95) = (at(&narration, 0.5), at(&narration, 0.95));
    }
}

fn print_table(numbers: &Numbers) {
    let mb = |value: Option<f64>| value.map_or_else(|| "not reached".to_owned(), |mb| format!("{mb:.1} MB"));
    say!("model                          {} on {} threads", numbers.model, numbers.threads);
    say!("model open                     {:.2} s after the process began", numbers.model_open_s);
    say!("first imagined view            {:.2} s after the process began", numbers.first_view_s);
    say!("views/s                        {:.2} ({} steps)", numbers.views_per_s, numbers.steps);
    say!("time to a view                 {:.0} ms median, {:.0} ms p95", numbers.view_ms_median, numbers.view_ms_p95);
    say!("of it in the picture decoder   {:.0} ms median", numbers.picture_ms_median);
    if let Some(ratio) = numbers.step_20_over_step_2 {
        say!("step 20 over step 2            {ratio:.2}");
    }
    say!(
        "narration after its view       {:.0} ms median, {:.0} ms p95",
        numbers.narration_ms_median,
        numbers.narration_ms_p95
    );
    say!("steps/s with narration         {:.2}", numbers.narrated_steps_per_s);
    say!("memory after step {EARLY_STEP}           {}", mb(numbers.rss_mb_step_20));
    say!("memory after step {LATE_STEP}          {}", mb(numbers.rss_mb_step_400));
    if let (Some(early), Some(late), Some(stored)) =
        (numbers.rss_mb_step_20, numbers.rss_mb_step_400, numbers.stored_views_mb_between)
    {
        say!("grown between them by          {:.1} MB; the views stored there take {stored:.1} MB", late - early);
    }
    say!("stored views at the end        {:.1} MB", numbers.stored_views_mb);
    let share = 100.0 * numbers.fork_ms / numbers.view_ms_median;
    say!("a fork of the world            {:.2} ms, {share:.2} % of a view", numbers.fork_ms);
}

fn write_json(numbers: &Numbers, path: &Path) -> Result<()> {
    let text = serde_json::to_string_pretty(numbers).context("writing the numbers as JSON")?;
    std::fs::write(path, text + "\n")
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
        .hint("Choose another file with --json.")
}

/// A recording that is removed when the measurement ends.
pub struct Recording(PathBuf);

impl Recording {
    /// A folder of this process.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("rhea-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)
            .map_err(|error| format!("cannot write to {}: {error}", folder.display()))
            .hint("Set TMPDIR to a folder that you may write to.")?;
        Ok(Self(folder))
    }

    /// The path of a file in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn storage(&self) -> Result<FileStorage> {
        FileStorage::create(&self.path("walk.mcap")).hint("Set TMPDIR to a folder that you may write to.")
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            complain!("warning: {} is left behind: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use rhea_scene::Pose;
    use rhea_session::replay::{RecallNote, Timings};

    use super::*;

    fn report(view_secs: f64, narrate_secs: f64, drawn: bool) -> StepReport {
        StepReport {
            step: 1,
            command: String::new(),
            pose: Pose { position_m: [0.0; 3], yaw_rad: 0.0, pitch_rad: 0.0 },
            clip: None,
            recall: drawn.then(RecallNote::default),
            narration: None,
            timings: Timings { recall_secs: 0.0, imagine_secs: view_secs, narrate_secs },
            recorded: true,
        }
    }

    #[test]
    fn rates_count_drawn_views_only() {
        let mut numbers = Numbers::default();
        numbers.take_times(&[report(0.2, 0.3, true), report(0.3, 0.2, true), report(9.0, 9.0, false)]);
        assert!((numbers.views_per_s - 4.0).abs() < 1e-9);
        assert!((numbers.narrated_steps_per_s - 2.0).abs() < 1e-9);
        assert!((numbers.view_ms_p95 - 300.0).abs() < 1e-9);
        assert!((numbers.narration_ms_p95 - 300.0).abs() < 1e-9 && numbers.step_20_over_step_2.is_none());
        let slower: Vec<StepReport> = (0..24).map(|i| report(if i < 16 { 0.1 } else { 0.2 }, 0.0, true)).collect();
        numbers.take_times(&slower);
        assert!((numbers.step_20_over_step_2.unwrap() - 2.0).abs() < 1e-9);
        numbers.take_times(&[]);
        assert_eq!(numbers.views_per_s, 0.0);
    }

    #[test]
    fn the_json_has_the_promised_names() {
        let json = serde_json::to_value(Numbers::default()).unwrap();
        for name in ["views_per_s", "first_view_s", "rss_mb_step_20", "rss_mb_step_400"] {
            assert!(json.get(name).is_some(), "{name}");
        }
    }
}
