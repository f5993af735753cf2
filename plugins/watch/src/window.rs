//! The window: receives the film, plays it, orders drawings, lays everything out, asks for changes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bevy::image::ImageSampler;
use bevy::prelude::*;
use bevy::winit::{UpdateMode, WinitSettings};
use bevy_egui::{EguiContexts, EguiPrimaryContextPass, EguiUserTextures, egui};
use crossbeam::channel::{Receiver, Sender};
use rhea_physics::checks::{Check, Verdict};
use rhea_physics::film::{Still, culprits};
use rhea_physics::recheck::Change;
use rhea_physics::scene::CameraSpec;
use rhea_physics::world::stage::Stage;
use rhea_picture::Rgbd;
use rhea_review::KeptLabels;
use rhea_session::review::Opinion;
use rhea_window::actions::{ActionId, Context};
use rhea_window::display::NoWindow;
use rhea_window::host::{self, Shown};
use rhea_window::{Film, FilmPlugin, InputSystems, Pages, Picture, Typing, access, add_film, theme};

use crate::hold::Held;
use crate::orbit::Orbit;
use crate::painter::{CLOSE, CULPRIT, Drawn, Order, Painter};
use crate::panels::{self, Typed};
use crate::player::{End, Player, Reel};
use crate::{record_of, timeline, words};

/// Steps of a long way.
const FAR: isize = 5;
/// Width of the side panel, points.
const SIDE_WIDTH: f32 = 400.0;
/// Most pixels of a drawing while something moves, and while nothing does.
const MOVING_PX: f32 = 90_000.0;
/// See [`MOVING_PX`].
const RESTING_PX: f32 = 420_000.0;
/// Time between two frames while something moves, and while nothing does.
const FRAME: Duration = Duration::from_millis(33);
/// See [`FRAME`].
const IDLE: Duration = Duration::from_millis(200);

/// What there is to show.
pub struct Show {
    /// What stands on the table.
    pub stage: Arc<Stage>,
    /// How it stands at the beginning.
    pub first: Still,
    /// The scene's camera.
    pub camera: CameraSpec,
    /// The film, while it is made.
    pub film: Receiver<Reel>,
    /// Who judges the rest of the plan again after a change; `None` where nothing can be changed.
    pub desk: Option<Sender<Ask>>,
    /// Where screenshots go.
    pub screenshots: PathBuf,
}

/// A change to be judged: answered by [`Reel::Cut`], the new steps and [`Reel::Over`], or by [`Reel::Refused`].
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// The step that is changed, counted from 0.
    pub step: usize,
    /// What is otherwise.
    pub change: Change,
}

#[derive(Resource)]
pub(crate) struct Watch {
    stage: Arc<Stage>,
    home: CameraSpec,
    orbit: Orbit,
    film: Receiver<Reel>,
    desk: Option<Sender<Ask>>,
    /// A change is being judged.
    busy: bool,
    player: Player,
    painter: Painter,
    ordered: Option<Order>,
    /// A drawing is on its way.
    awaited: bool,
    /// What is on screen.
    drawn: Option<Drawn>,
    scene: Picture,
    truth: Picture,
    imagined: Picture,
    /// The step whose key-frames are on the graphics card.
    key_frames_of: Option<usize>,
    /// How much of both key-frames in one is the simulated one.
    share: f32,
    space_px: [f32; 2],
    dragged: bool,
    /// The mouse moves things.
    moves: bool,
    held: Option<Held>,
    labels: Option<KeptLabels>,
    /// The file that the film is recorded in.
    recording: Option<PathBuf>,
    typed: Typed,
    news: Option<String>,
}

/// Opens the window and runs it until it is closed.
///
/// # Errors
/// The window cannot be opened, or the system gives no thread to draw with.
pub fn run(show: Show) -> Result<(), NoWindow> {
    let screenshots = show.screenshots.clone();
    let watch = Watch::new(show)?;
    host::open(words::TITLE, |app| {
        add_film(app, Context::Plan, watch);
        app.add_plugins(FilmPlugin { screenshots })
            .insert_resource(pace(FRAME))
            .add_systems(Update, (receive, play, draw, save).chain().after(InputSystems::Send))
            .add_systems(EguiPrimaryContextPass, lay_out);
    })
}

fn pace(wait: Duration) -> WinitSettings {
    let mode = UpdateMode::reactive_low_power(wait);
    WinitSettings { focused_mode: mode, unfocused_mode: mode }
}

impl Film for Watch {
    fn plays(&self) -> bool {
        self.player.runs()
    }

    fn play_or_pause(&mut self) {
        self.player.run_or_pause();
    }

    fn tell(&mut self, news: Option<String>) {
        self.news = news;
    }

    fn act(&mut self, id: ActionId) {
        let player = &mut self.player;
        match id {
            ActionId::Next => player.one_step(),
            ActionId::Previous => player.back(),
            ActionId::FarOn => player.skip(FAR),
            ActionId::FarBack => player.skip(-FAR),
            ActionId::SkipOn => player.skip(1),
            ActionId::SkipBack => player.skip(-1),
            ActionId::First => player.restart(),
            ActionId::Last => player.choose(player.steps().len().saturating_sub(1)),
            ActionId::Faster => player.change_speed(1),
            ActionId::Slower => player.change_speed(-1),
            ActionId::NextFailed => self.seek_grave(true),
            ActionId::LastFailed => self.seek_grave(false),
            ActionId::NextCheck => player.next_check(),
            ActionId::Camera => self.orbit = Orbit::from_camera(&self.home),
            ActionId::MoveThings => self.set_moves(!self.moves),
            ActionId::Edit => self.typed.focus = true,
            ActionId::Accept => self.opine(Opinion::Accept),
            ActionId::Reject => self.opine(Opinion::Reject),
            ActionId::Stop => self.set_moves(false),
            // The rest is the same in every window, or another window's.
            _ => {}
        }
    }
}

impl Watch {
    pub(crate) fn new(show: Show) -> Result<Self, NoWindow> {
        let painter = Painter::start(show.stage.clone()).map_err(|e| NoWindow::Failed(e.to_string()))?;
        Ok(Self {
            orbit: Orbit::from_camera(&show.camera),
            home: show.camera,
            stage: show.stage,
            film: show.film,
            desk: show.desk,
            busy: false,
            player: Player::new(show.first),
            painter,
            ordered: None,
            awaited: false,
            drawn: None,
            scene: Picture::default(),
            truth: Picture::default(),
            imagined: Picture::default(),
            key_frames_of: None,
            share: 0.5,
            space_px: [0.0; 2],
            dragged: false,
            moves: false,
            held: None,
            labels: None,
            recording: None,
            typed: Typed::default(),
            news: None,
        })
    }

    fn seek_grave(&mut self, forward: bool) {
        if !self.player.seek_grave(forward) {
            self.news = Some(words::NO_REJECT.to_owned());
        }
    }

    fn opine(&mut self, opinion: Opinion) {
        if let (Some(step), Some(labels)) = (self.player.index(), &mut self.labels) {
            labels.opine(record_of(step), opinion);
        }
    }

    /// Can the plan be changed now?
    fn changes(&self) -> bool {
        self.desk.is_some() && self.player.end().is_some() && !self.busy
    }

    /// Things are moved as they stand before a step.
    fn set_moves(&mut self, moves: bool) {
        self.moves = moves && self.changes();
        self.held = None;
        if self.moves {
            self.player.choose_beginning(self.player.index().unwrap_or(0));
        }
    }

    /// Has the rest of the plan judged again.
    fn ask(&mut self, change: Change) {
        let (Some(step), Some(desk), true) = (self.player.index(), &self.desk, self.changes()) else {
            self.news = Some(words::CHOOSE_STEP.to_owned());
            return;
        };
        match desk.try_send(Ask { step, change }) {
            Ok(()) => (self.busy, self.news) = (true, Some(words::CHECKING.to_owned())),
            Err(_) => self.news = Some(words::NO_DESK.to_owned()),
        }
    }
}

#[cfg(test)]
impl Watch {
    /// To the end of a step, looked at from aside.
    pub(crate) fn rest_at(&mut self, step: usize) {
        self.player.choose(step);
        if self.player.runs() {
            self.player.run_or_pause();
        }
        self.orbit.drag(40.0, 10.0);
        self.news = None;
    }

    /// Everything that an action can change.
    pub(crate) fn told(&self) -> String {
        let Self { player, labels, typed, moves, news, .. } = self;
        let (at, runs, speed, share) = (player.index(), player.runs(), player.speed(), player.share());
        let check = player.check().map(|(index, _)| index);
        let label = labels.as_ref().zip(at).and_then(|(labels, step)| labels.get(record_of(step)).opinion);
        let (edit, home) = (typed.focus, self.orbit == Orbit::from_camera(&self.home));
        format!(
            "at {at:?}; share {share}; runs {runs}; speed {speed}; check {check:?}; label {label:?}; edit {edit}; moves {moves}; \
             home {home}; {news:?};"
        )
    }
}

/// Takes the film as it comes.
pub(crate) fn receive(mut watch: ResMut<Watch>) {
    while let Ok(reel) = watch.film.try_recv() {
        let watch = &mut *watch;
        match reel {
            Reel::Step(step) => watch.player.push(*step),
            Reel::Over { says, good, account } => {
                watch.player.finish(End { says, good, account });
                watch.busy = false;
            }
            Reel::Cut(keep) => {
                watch.player.cut(keep);
                (watch.key_frames_of, watch.moves) = (None, false);
            }
            Reel::Refused(says) => (watch.news, watch.busy) = (Some(says), false),
            Reel::Recorded(path, labels) => {
                watch.labels = Some(KeptLabels::new(labels, &path));
                watch.news = Some(words::recorded(&path));
                watch.recording = Some(path);
            }
        }
    }
}

fn play(
    time: Res<Time<Real>>,
    pads: Query<(), With<Gamepad>>,
    mut watch: ResMut<Watch>,
    mut winit: ResMut<WinitSettings>,
) {
    watch.player.advance(time.delta_secs_f64());
    // Gamepads are read between frames only.
    let busy = !pads.is_empty() || watch.player.runs() || watch.awaited || watch.dragged || watch.held.is_some();
    let wanted = pace(if busy { FRAME } else { IDLE });
    // Writing an equal value would wake the event loop again and again.
    if winit.focused_mode != wanted.focused_mode {
        *winit = wanted;
    }
}

/// Labels go to the disk when nobody types.
fn save(typing: Res<Typing>, mut watch: ResMut<Watch>) {
    if !typing.0
        && let Some(why) = watch.labels.as_mut().and_then(KeptLabels::save)
    {
        watch.news = Some(why);
    }
}

/// Takes a drawing that is ready, and orders the next one if something changed.
fn draw(mut watch: ResMut<Watch>, mut images: ResMut<Assets<Image>>, mut textures: ResMut<EguiUserTextures>) {
    let watch = &mut *watch;
    if let Some(drawn) = watch.painter.ready() {
        watch.awaited = false;
        upload(&mut watch.scene, &drawn.0.rgbd, ImageSampler::linear(), &mut images, &mut textures);
        watch.drawn = Some(drawn);
    }
    if watch.key_frames_of != watch.player.index()
        && let Some(step) = watch.player.step()
    {
        upload(&mut watch.truth, &step.truth, ImageSampler::nearest(), &mut images, &mut textures);
        if let Some(imagined) = &step.imagined {
            upload(&mut watch.imagined, imagined, ImageSampler::nearest(), &mut images, &mut textures);
        }
    }
    watch.key_frames_of = watch.player.index();
    let [width, height] = watch.space_px;
    if watch.awaited || width < 1.0 || height < 1.0 {
        return;
    }
    let most = if watch.player.runs() || watch.dragged || watch.held.is_some() { MOVING_PX } else { RESTING_PX };
    let scale = (most / (width * height)).sqrt().min(1.0);
    let mut still = watch.player.still().clone();
    if let Some(held) = watch.held
        && let Some(pose) = still.things.get_mut(held.thing)
    {
        pose.p = held.at;
    }
    let order = Order {
        still,
        way: watch.player.step().map(|s| s.way.clone()).unwrap_or_default(),
        marks: watch.player.check().map(|(_, check)| marks(&watch.player, check)).unwrap_or_default(),
        camera: watch.orbit.camera(),
        size_px: [width, height].map(|side| (side * scale).max(1.0) as usize),
    };
    if watch.ordered.as_ref() != Some(&order) {
        watch.painter.ask(order.clone());
        watch.ordered = Some(order);
        watch.awaited = true;
    }
}

/// Names to paint, and with what: nobody is to blame for a check that passed.
fn marks(player: &Player, check: &Check) -> (Vec<String>, [u8; 3]) {
    let paint = match check.verdict {
        Verdict::Reject => CULPRIT,
        Verdict::Warn => CLOSE,
        Verdict::Pass | Verdict::Unknown => return Default::default(),
    };
    (player.step().map(|step| culprits(&step.report, check)).unwrap_or_default(), paint)
}

fn upload(
    into: &mut Picture,
    picture: &Rgbd,
    sampler: ImageSampler,
    images: &mut Assets<Image>,
    textures: &mut EguiUserTextures,
) {
    let rgba = picture.rgb.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect();
    into.set((picture.width, picture.height), rgba, sampler, images, textures);
}

fn lay_out(mut contexts: EguiContexts, mut watch: ResMut<Watch>, shown: Res<Shown>, mut pages: Pages) -> Result {
    let ctx = contexts.ctx_mut()?.clone();
    let watch = &mut *watch;
    pages.begin(&ctx);
    pages.set_recording(watch.recording.as_deref());
    let builder = egui::UiBuilder::new().layer_id(egui::LayerId::background()).max_rect(ctx.viewport_rect());
    let mut root = egui::Ui::new(ctx.clone(), "window".into(), builder);
    let panel = |margin| egui::Frame::NONE.fill(theme::PANEL).inner_margin(margin);
    let clicked = egui::Panel::bottom("status")
        .frame(panel(egui::Margin::symmetric(16, 6)))
        .show(&mut root, |ui| panels::status(ui, &watch.player, watch.moves, &pages.bindings, *pages.device))
        .inner;
    pages.ask(clicked);
    let side = egui::Panel::right("side").exact_size(SIDE_WIDTH).resizable(false);
    let chosen = watch.player.index();
    let label = watch.labels.as_ref().zip(chosen).map(|(labels, step)| labels.get(record_of(step)));
    let about = panels::Side {
        title: &watch.stage.scene.name,
        changes: watch.desk.is_some() && watch.player.end().is_some(),
        busy: watch.busy,
        label: label.as_ref(),
        news: watch.news.as_deref(),
    };
    let done = side
        .frame(panel(egui::Margin::same(14)))
        .show(&mut root, |ui| panels::side(ui, &about, &watch.player, &mut watch.typed, watch.moves))
        .inner;
    egui::Panel::bottom("foot")
        .frame(panel(egui::Margin::symmetric(16, 8)))
        .show(&mut root, |ui| panels::foot(ui, &watch.player, &watch.truth, &watch.imagined, &mut watch.share));
    let pressed = egui::Panel::bottom("timeline")
        .frame(panel(egui::Margin::symmetric(16, 6)))
        .show(&mut root, |ui| timeline::show(ui, &watch.player, watch.labels.as_ref().map(KeptLabels::all)))
        .inner;
    let middle = egui::Frame::NONE.fill(theme::BACKGROUND);
    egui::CentralPanel::default().frame(middle).show(&mut root, |ui| scene(ui, watch));
    done.step.inspect(|step| watch.player.choose(*step));
    done.check.inspect(|check| watch.player.choose_check(*check));
    pressed.inspect(|share| watch.player.seek(*share));
    done.moves.inspect(|moves| watch.set_moves(*moves));
    if let Some(words) = done.recheck {
        watch.ask(Change { words: Some(words), moved: None });
    }
    if let (Some(label), Some(step), Some(labels)) = (done.label, chosen, &mut watch.labels) {
        labels.set(record_of(step), label);
    }
    pages.show(&ctx, words::HELP_FOOT);
    shown.set();
    Ok(())
}

/// The scene, which can be turned and zoomed, and whose things can be moved.
fn scene(ui: &mut egui::Ui, watch: &mut Watch) {
    let space = ui.available_rect_before_wrap();
    let scale = ui.ctx().pixels_per_point();
    watch.space_px = [space.width() * scale, space.height() * scale];
    let response = ui.allocate_rect(space, egui::Sense::drag());
    access::name(&response, egui::WidgetType::Image, words::SCENE);
    let share =
        |at: egui::Pos2| [(at.x - space.left()) / space.width(), (at.y - space.top()) / space.height()].map(f64::from);
    let at = response.interact_pointer_pos().map(share);
    // Where the pointer went down, not how far it has come since.
    let down = ui.input(|input| input.pointer.press_origin()).map(share);
    if watch.moves
        && response.drag_started()
        && let (Some(from), Some((view, order))) = (down, &watch.drawn)
    {
        let still = &order.still;
        let foot = |thing: usize| still.things.get(thing).map_or_else(Default::default, |pose| pose.p);
        watch.held = Held::take(&watch.stage, view, &order.camera, from, foot);
    }
    if let (Some(held), Some(at), Some((view, order))) = (&mut watch.held, at, &watch.drawn) {
        held.drag(&order.camera, [view.rgbd.width, view.rgbd.height], at);
    }
    if response.drag_stopped()
        && let Some(held) = watch.held.take()
    {
        watch.ask(Change { words: None, moved: Some((held.thing, [held.at.0, held.at.1])) });
    }
    watch.dragged = response.dragged() && watch.held.is_none();
    if watch.dragged {
        let by = response.drag_delta();
        watch.orbit.drag(by.x, by.y);
    }
    if response.hovered() {
        let scroll = ui.input(|input| input.smooth_scroll_delta.y);
        if scroll != 0.0 {
            watch.orbit.zoom(scroll);
        }
    }
    watch.scene.draw(ui.painter(), space, egui::Color32::WHITE);
}
