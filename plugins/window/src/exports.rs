//! The export page (Ctrl+E): the recording in forms that other programs read, written by `rhea export` in a process of its own.
//!
//! Invariant: no frame waits for an export; one runs at a time, and stopping it or closing the window leaves the recording as it is.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bevy::prelude::*;
use bevy_egui::egui::{self, Align2, RichText, vec2};

use crate::actions::{ActionId, Context};
use crate::input::Fired;
use crate::theme;
use crate::words;

/// Errors of an export that are read, bytes.
const MAX_ERROR_BYTES: u64 = 16 * 1024;
/// Time between two looks at the progress.
const LOOK: Duration = Duration::from_millis(200);

/// What a recording can become: the name that `--to` takes, what it is, and where it is offered.
const FORMS: [(&str, &str, &[Context]); 8] = [
    ("html", words::AS_PAGE, &[Context::Explore, Context::Review, Context::Plan]),
    ("webp", words::AS_WEBP, &[Context::Explore, Context::Review, Context::Plan]),
    ("gif", words::AS_GIF, &[Context::Explore, Context::Review, Context::Plan]),
    ("frames", words::AS_FRAMES, &[Context::Explore, Context::Review, Context::Plan]),
    ("sheet", words::AS_SHEET, &[Context::Explore, Context::Review, Context::Plan]),
    ("transforms", words::AS_CAMERAS, &[Context::Explore, Context::Review]),
    ("lerobot", words::AS_LEROBOT, &[Context::Plan]),
    ("record", words::AS_RECORD, &[Context::Explore, Context::Review, Context::Plan]),
];

/// The page's state.
#[derive(Resource, Default)]
pub struct ExportPage {
    open: bool,
    /// What is exported; the window says.
    recording: Option<PathBuf>,
    /// The program that exports; this one unless said otherwise.
    program: Option<PathBuf>,
    wanted: Option<&'static str>,
    running: Option<Running>,
    told: String,
}

/// An export that is being written.
struct Running {
    child: Arc<Mutex<Child>>,
    /// Share that is done, thousandths.
    done: Arc<AtomicU32>,
    ended: Mutex<Receiver<Result<String, String>>>,
}

impl ExportPage {
    /// Is it on screen?
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// What the last export did, in a sentence; empty before.
    #[must_use]
    pub fn told(&self) -> &str {
        &self.told
    }

    /// Is one being written?
    #[must_use]
    pub fn runs(&self) -> bool {
        self.running.is_some()
    }

    /// Says what is exported.
    pub fn set_recording(&mut self, recording: Option<&Path>) {
        if self.recording.as_deref() != recording {
            self.recording = recording.map(Path::to_path_buf);
        }
    }

    /// Has another program export.
    pub fn set_program(&mut self, program: PathBuf) {
        self.program = Some(program);
    }

    /// Begins to write a form, one of those that `--to` takes, unless another one is being written.
    pub fn begin(&mut self, form: &str) {
        if self.running.is_some() {
            return;
        }
        let Some(recording) = &self.recording else {
            self.told = words::NOTHING_RECORDED.to_owned();
            return;
        };
        let program = self.program.clone().map_or_else(std::env::current_exe, Ok);
        match program.and_then(|program| Running::start(&program, recording, form)) {
            Ok(running) => (self.running, self.told) = (Some(running), String::new()),
            Err(why) => self.told = words::not_exported(&why.to_string()),
        }
    }

    /// Stops what is being written.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            // A process that has just ended is as good as stopped.
            running.child.lock().unwrap_or_else(PoisonError::into_inner).kill().ok();
            words::EXPORT_STOPPED.clone_into(&mut self.told);
        }
    }

    fn look(&mut self) {
        let Some(running) = &self.running else { return };
        let ended = running.ended.lock().unwrap_or_else(PoisonError::into_inner).try_recv();
        self.told = match ended {
            Ok(Ok(told)) => told,
            Ok(Err(why)) => words::not_exported(&why),
            Err(TryRecvError::Disconnected) => words::not_exported(words::EXPORT_STOPPED),
            Err(TryRecvError::Empty) => return,
        };
        self.running = None;
    }
}

#[cfg(test)]
impl ExportPage {
    pub(crate) fn open_for_test(&mut self) {
        self.open = true;
    }

    pub(crate) fn wanted(&self) -> Option<&'static str> {
        self.wanted
    }
}

impl Running {
    fn start(program: &Path, recording: &Path, form: &str) -> std::io::Result<Self> {
        let mut command = Command::new(program);
        command.arg("export").arg(recording).args(["--to", form]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (child, done) = (Arc::new(Mutex::new(child)), Arc::new(AtomicU32::new(0)));
        let (tell, ended) = sync_channel(1);
        let (waits, share) = (Arc::clone(&child), Arc::clone(&done));
        std::thread::Builder::new().name("export".to_owned()).spawn(move || {
            let mut last = String::new();
            for line in out.into_iter().flat_map(|out| BufReader::new(out).lines()).map_while(Result::ok) {
                if let Some(thousandths) = progress(&line) {
                    share.store(thousandths, Ordering::Relaxed);
                }
                last = line;
            }
            let mut why = String::new();
            // What cannot be read of the reason is missing from it, no more.
            err.into_iter().for_each(|err| drop(err.take(MAX_ERROR_BYTES).read_to_string(&mut why)));
            let good = waits.lock().unwrap_or_else(PoisonError::into_inner).wait().is_ok_and(|status| status.success());
            // Whoever stopped it does not listen.
            tell.send(if good { Ok(last) } else { Err(why.trim().to_owned()) }).ok();
        })?;
        Ok(Self { child, done, ended: Mutex::new(ended) })
    }
}

/// The share that a line such as `step 10/40: view 10` tells of, thousandths.
fn progress(line: &str) -> Option<u32> {
    let (at, of) = line.strip_prefix("step ")?.split_once(':')?.0.split_once('/')?;
    let [at, of] = [at, of].map(|text| text.trim().parse::<u32>().ok());
    Some(((u64::from(at?) * 1000).checked_div(u64::from(of?))?).min(1000) as u32)
}

/// Opens and closes the page, begins what was clicked, and looks whether it has ended.
pub(crate) fn work(mut fired: MessageReader<Fired>, mut page: ResMut<ExportPage>) {
    for Fired(id) in fired.read() {
        match id {
            ActionId::Export => page.open = !page.open,
            ActionId::Stop => page.open = false,
            _ => {}
        }
    }
    if let Some(form) = page.wanted {
        page.wanted = None;
        page.begin(form);
    }
    if page.running.is_some() {
        page.look();
    }
}

/// Draws the open page.
pub(crate) fn show(ctx: &egui::Context, page: &mut ExportPage, context: Context) {
    if !page.open {
        return;
    }
    let mut open = true;
    egui::Window::new(words::EXPORT)
        .open(&mut open)
        .anchor(Align2::CENTER_CENTER, vec2(0.0, 0.0))
        .collapsible(false)
        .resizable(false)
        .fixed_size(vec2(520.0, 0.0))
        .show(ctx, |ui| {
            let file = page.recording.as_deref().map(|file| file.display().to_string());
            ui.label(RichText::new(file.as_deref().unwrap_or(words::NOTHING_RECORDED)).color(theme::DIM));
            ui.separator();
            let ready = page.running.is_none() && page.recording.is_some();
            for (form, label, contexts) in &FORMS {
                if contexts.contains(&context) && ui.add_enabled(ready, egui::Button::new(*label)).clicked() {
                    page.wanted = Some(form);
                }
            }
            let share = page.running.as_ref().map(|running| running.done.load(Ordering::Relaxed) as f32 / 1000.0);
            if let Some(share) = share {
                ui.separator();
                ui.add(egui::ProgressBar::new(share).show_percentage());
                if ui.button(words::STOP_EXPORT).clicked() {
                    page.stop();
                }
                ctx.request_repaint_after(LOOK);
            } else if !page.told.is_empty() {
                ui.separator();
                ui.add(egui::Label::new(RichText::new(&page.told).color(theme::NEWS)).wrap());
            }
        });
    page.open = open;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_read_from_what_the_program_prints() {
        assert_eq!(progress("step 10/40: view 10: "), Some(250));
        assert_eq!(progress("step 41/40: view"), Some(1000));
        for line in ["", "step", "step x/4: y", "step 1/0: y", "8 views", "step 1/4 view"] {
            assert_eq!(progress(line), None, "{line}");
        }
    }

    #[test]
    fn without_a_recording_or_a_program_nothing_is_written_and_it_is_said() {
        let mut page = ExportPage::default();
        page.begin("html");
        assert!(page.told() == words::NOTHING_RECORDED && !page.runs());
        page.set_recording(Some(Path::new("walk.mcap")));
        page.set_program(PathBuf::from("/nowhere/rhea"));
        page.begin("html");
        assert!(page.told().contains("could not be exported") && !page.runs(), "{}", page.told());
    }
}
