//! The window: plays the tape, orders views, lays everything out, keeps labels.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bevy::image::ImageSampler;
use bevy::prelude::*;
use bevy::winit::{UpdateMode, WinitSettings};
use bevy_egui::{EguiContexts, EguiPrimaryContextPass, EguiUserTextures, egui};
use crossbeam::channel::{Receiver, bounded};
use rhea_picture::Rgbd;
use rhea_session::replay::Replay;
use rhea_session::review::{Difference, Labels, Opinion, Tape};
use rhea_window::actions::{ActionId, Context};
use rhea_window::display::NoWindow;
use rhea_window::host::{self, Shown};
use rhea_window::preferences::Preferences;
use rhea_window::{
    Film, FilmPlugin, InputSystems, Pages, Picture, Sampling, Typing, ViewOnScreen, ViewToSave, add_film, theme,
};

use crate::labels::KeptLabels;
use crate::loader::{Found, Loader};
use crate::panels::{self, Typed};
use crate::{timeline, words};

/// Records of a long way.
const FAR: isize = 10;
/// Width of the side panel, points.
const SIDE_WIDTH: f32 = 380.0;
/// Time between two frames while something moves, and while nothing does.
const FRAME: Duration = Duration::from_millis(16);
/// See [`FRAME`].
const IDLE: Duration = Duration::from_millis(200);

/// What there is to review.
pub struct Reviewed {
    /// The recording.
    pub replay: Replay,
    /// What was said about it before.
    pub labels: Labels,
    /// Another recording to show beside it, and where the two part.
    pub beside: Option<(Replay, Option<Difference>)>,
    /// Saves the world as it was at a record, to go on from; gives back its file.
    pub branch: Brancher,
}

/// Saves the world as it was at a record; gives back its file, or says why there is none.
pub type Brancher = Arc<dyn Fn(usize) -> Result<PathBuf, String> + Send + Sync>;

/// One recording on screen.
struct Side {
    loader: Loader,
    /// The newest view, and how many there have been.
    view: Option<Arc<Rgbd>>,
    serial: u64,
    shown: ViewOnScreen,
    asked: Option<usize>,
    fault: Option<String>,
}

#[derive(Resource)]
pub(crate) struct Review {
    replay: Arc<Replay>,
    tape: Tape,
    labels: KeptLabels,
    branch: Brancher,
    /// A branch that is being saved.
    branching: Option<Receiver<Result<PathBuf, String>>>,
    sides: Vec<Side>,
    strip: Picture,
    typed: Typed,
    news: Option<String>,
}

/// Opens the window and runs it until it is closed.
///
/// # Errors
/// The window cannot be opened, or the system gives no thread to read with.
pub fn run(reviewed: Reviewed) -> Result<(), NoWindow> {
    let recording = reviewed.replay.path();
    let screenshots = recording.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let review = Review::new(reviewed)?;
    host::open(words::TITLE, |app| {
        add_film(app, Context::Review, review);
        app.add_plugins(FilmPlugin { screenshots })
            .insert_resource(pace(FRAME))
            .add_systems(Update, (play, load, save).chain().after(InputSystems::Send))
            .add_systems(EguiPrimaryContextPass, lay_out);
    })
}

fn pace(wait: Duration) -> WinitSettings {
    let mode = UpdateMode::reactive_low_power(wait);
    WinitSettings { focused_mode: mode, unfocused_mode: mode }
}

impl Film for Review {
    fn plays(&self) -> bool {
        self.tape.plays()
    }

    fn play_or_pause(&mut self) {
        self.tape.play_or_pause();
    }

    fn tell(&mut self, news: Option<String>) {
        self.news = news;
    }

    fn act(&mut self, id: ActionId) {
        let tape = &mut self.tape;
        match id {
            ActionId::Next => tape.step(1),
            ActionId::Previous => tape.step(-1),
            ActionId::FarOn => tape.step(FAR),
            ActionId::FarBack => tape.step(-FAR),
            ActionId::First => tape.go(0),
            ActionId::Last => tape.go(usize::MAX),
            ActionId::Faster => tape.change_speed(1),
            ActionId::Slower => tape.change_speed(-1),
            ActionId::LoopFrom => tape.set_from(),
            ActionId::LoopTo => tape.set_to(),
            ActionId::NextFailed => self.seek_grave(true),
            ActionId::LastFailed => self.seek_grave(false),
            ActionId::Search => self.typed.focus = true,
            ActionId::NextHit => self.next_hit(),
            ActionId::Accept => self.opine(Opinion::Accept),
            ActionId::Reject => self.opine(Opinion::Reject),
            ActionId::Branch => self.branch(),
            // The rest is the same in every window, or another window's.
            _ => {}
        }
    }
}

impl Review {
    pub(crate) fn new(reviewed: Reviewed) -> Result<Self, NoWindow> {
        let side = |replay: &Arc<Replay>| -> Result<Side, NoWindow> {
            let loader = Loader::start(Arc::clone(replay)).map_err(|e| NoWindow::Failed(e.to_string()))?;
            Ok(Side { loader, view: None, serial: 0, shown: ViewOnScreen::default(), asked: None, fault: None })
        };
        let replay = Arc::new(reviewed.replay);
        let mut tape = Tape::new(&replay.steps);
        let mut sides = vec![side(&replay)?];
        let mut news = None;
        if let Some((other, difference)) = reviewed.beside {
            sides.push(side(&Arc::new(other))?);
            news = Some(match difference {
                Some(Difference { record, what }) => {
                    tape.go(record);
                    words::they_part(record, &what)
                }
                None => words::NO_DIFFERENCE.to_owned(),
            });
        }
        Ok(Self {
            tape,
            labels: KeptLabels::new(reviewed.labels, replay.path()),
            replay,
            branch: reviewed.branch,
            branching: None,
            sides,
            strip: Picture::default(),
            typed: Typed::default(),
            news,
        })
    }

    fn seek_grave(&mut self, forward: bool) {
        if !self.tape.seek_grave(forward) {
            self.news = Some(words::NO_GRAVE.to_owned());
        }
    }

    fn branch(&mut self) {
        if self.branching.is_some() {
            return;
        }
        let (at, branch, (done, branching)) = (self.tape.at(), Arc::clone(&self.branch), bounded(1));
        // A long recording takes seconds to be gone through; no frame waits for it.
        let thread = std::thread::Builder::new().name("branch".to_owned());
        match thread.spawn(move || drop(done.send(branch(at)))) {
            Ok(_) => {
                self.branching = Some(branching);
                self.news = Some(words::branching(at));
            }
            Err(why) => self.news = Some(why.to_string()),
        }
    }

    fn next_hit(&mut self) {
        if !self.tape.seek_words(&self.typed.search) {
            self.news = Some(words::not_said(self.typed.search.trim()));
        }
    }

    /// The number of the record at the playhead.
    fn record(&self) -> Option<u64> {
        self.replay.steps.get(self.tape.at()).map(|step| step.record)
    }

    fn opine(&mut self, opinion: Opinion) {
        if let Some(record) = self.record() {
            self.labels.opine(record, opinion);
        }
    }
}

fn play(
    time: Res<Time<Real>>,
    pads: Query<(), With<Gamepad>>,
    mut review: ResMut<Review>,
    mut winit: ResMut<WinitSettings>,
) {
    review.tape.advance(time.delta_secs_f64());
    // Gamepads are read between frames only.
    let wanted = pace(if review.tape.plays() || !pads.is_empty() { FRAME } else { IDLE });
    // Writing an equal value would wake the event loop again and again.
    if winit.focused_mode != wanted.focused_mode {
        *winit = wanted;
    }
}

/// Takes what was read, and orders what is to be seen now.
fn load(
    mut review: ResMut<Review>,
    likes: Res<Preferences>,
    mut kept: ResMut<ViewToSave>,
    mut images: ResMut<Assets<Image>>,
    mut textures: ResMut<EguiUserTextures>,
) {
    let review = &mut *review;
    let mut grown = None;
    for (index, side) in review.sides.iter_mut().enumerate() {
        while let Some(found) = side.loader.take() {
            match found {
                Found::View(_, Ok(view)) => {
                    if index == 0 {
                        kept.0 = Some(Arc::clone(&view));
                    }
                    (side.view, side.fault) = (Some(view), None);
                    side.serial += 1;
                }
                Found::View(record, Err(why)) => side.fault = Some(format!("record {record}: {why}")),
                Found::Strip(strip) if index == 0 => upload(&mut review.strip, &strip, &mut images, &mut textures),
                Found::Grown(replay) if index == 0 => grown = Some(replay),
                Found::Strip(_) | Found::Grown(_) => {}
            }
        }
        if let Some(view) = &side.view {
            side.shown.refresh(view, side.serial, Sampling::quick_of(&likes), &mut images, &mut textures);
        }
    }
    if let Some(replay) = grown {
        review.tape.take(&replay.steps);
        review.replay = replay;
    }
    if let Some(branched) = review.branching.as_ref().and_then(|branching| branching.try_recv().ok()) {
        review.branching = None;
        review.news = Some(match branched {
            Ok(path) => words::branched(&path),
            Err(why) => why,
        });
    }
    let shows = review.tape.shows();
    for side in review.sides.iter_mut().filter(|side| side.asked != shows) {
        shows.iter().for_each(|record| side.loader.ask(*record));
        side.asked = shows;
    }
}

/// Labels go to the disk when nobody types; what cannot be saved is tried again.
fn save(typing: Res<Typing>, mut review: ResMut<Review>) {
    if !typing.0
        && let Some(why) = review.labels.save()
    {
        review.news = Some(why);
    }
}

fn upload(into: &mut Picture, view: &Rgbd, images: &mut Assets<Image>, textures: &mut EguiUserTextures) {
    let rgba = view.rgb.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect();
    into.set((view.width, view.height), rgba, ImageSampler::nearest(), images, textures);
}

fn lay_out(mut contexts: EguiContexts, mut review: ResMut<Review>, shown: Res<Shown>, mut pages: Pages) -> Result {
    let ctx = contexts.ctx_mut()?.clone();
    let review = &mut *review;
    pages.begin(&ctx);
    pages.set_recording(Some(review.replay.path()));
    let builder = egui::UiBuilder::new().layer_id(egui::LayerId::background()).max_rect(ctx.viewport_rect());
    let mut root = egui::Ui::new(ctx.clone(), "window".into(), builder);
    let panel = |margin| egui::Frame::NONE.fill(theme::PANEL).inner_margin(margin);
    let clicked = egui::Panel::bottom("status")
        .frame(panel(egui::Margin::symmetric(16, 6)))
        .show(&mut root, |ui| panels::status(ui, &review.tape, &pages.bindings, *pages.device))
        .inner;
    pages.ask(clicked);
    let pressed = egui::Panel::bottom("timeline")
        .frame(panel(egui::Margin::symmetric(16, 8)))
        .show(&mut root, |ui| timeline::show(ui, &review.tape, review.labels.all(), &review.strip))
        .inner;
    let record = review.record();
    let label = record.map(|record| review.labels.get(record)).unwrap_or_default();
    let done = egui::Panel::right("side")
        .exact_size(SIDE_WIDTH)
        .resizable(false)
        .frame(panel(egui::Margin::same(14)))
        .show(&mut root, |ui| {
            let news = review.news.as_deref();
            panels::side(ui, &review.replay, &review.tape, &label, &mut review.typed, news)
        })
        .inner;
    let middle = egui::Frame::NONE.fill(theme::BACKGROUND);
    egui::CentralPanel::default()
        .frame(middle)
        .show(&mut root, |ui| views(ui, &mut review.sides, Sampling::quick_of(&pages.likes)));
    if let Some(record) = pressed {
        review.tape.go(record);
    }
    if let (Some(record), Some(label)) = (record, done.label) {
        review.labels.set(record, label);
    }
    if done.next_hit {
        review.next_hit();
    }
    pages.show(&ctx, words::HELP_FOOT);
    shown.set();
    Ok(())
}

#[cfg(test)]
impl Review {
    /// To where one can go both ways, with words to look for that are said further on.
    pub(crate) fn go_to_the_middle(&mut self, search: &str) {
        self.tape.go(self.tape.len() / 2);
        search.clone_into(&mut self.typed.search);
    }

    pub(crate) fn silence(&mut self) {
        self.news = None;
    }

    /// Everything that an action can change.
    pub(crate) fn told(&self) -> String {
        let Self { tape, labels, typed, news, .. } = self;
        let (at, last, range) = (tape.at(), tape.len() - 1, tape.range());
        let label = self.record().and_then(|record| labels.get(record).opinion);
        let (plays, speed, search) = (tape.plays(), tape.speed(), typed.focus);
        format!(
            "at {at}; last {last}; plays {plays}; speed {speed}; range {range:?}; label {label:?}; search {search}; {news:?};"
        )
    }
}

/// The views side by side.
fn views(ui: &mut egui::Ui, sides: &mut [Side], sampling: Sampling) {
    let space = ui.available_rect_before_wrap();
    let width = space.width() / sides.len().max(1) as f32;
    for (index, side) in sides.iter_mut().enumerate() {
        let left = space.left() + width * index as f32;
        let part = egui::Rect::from_min_size(egui::pos2(left, space.top()), egui::vec2(width, space.height()));
        if let Some(fault) = &side.fault {
            let font = egui::FontId::proportional(15.0);
            ui.painter().text(part.center(), egui::Align2::CENTER_CENTER, fault, font, theme::ERROR);
        } else if let Some(view) = &side.view {
            side.shown.show(ui, part, view, sampling);
        }
    }
}

/// The file that a branch at a record goes to: beside the recording, `walk-record12.world`.
#[must_use]
pub fn branch_path(recording: &Path, record: usize) -> PathBuf {
    let stem = recording.file_stem().map_or_else(|| "walk".into(), |stem| stem.to_string_lossy());
    recording.with_file_name(format!("{stem}-record{record}.world"))
}
