//! The window: receives the film, plays it, orders drawings, lays everything out.

use std::sync::Arc;
use std::time::Duration;

use bevy::app::AppExit;
use bevy::image::ImageSampler;
use bevy::prelude::*;
use bevy::winit::{UpdateMode, WinitSettings};
use bevy_egui::{EguiContexts, EguiPrimaryContextPass, EguiUserTextures, egui};
use crossbeam::channel::Receiver;
use rhea_explore::display::NoWindow;
use rhea_explore::host::{self, Shown};
use rhea_explore::{Picture, theme};
use rhea_physics::checks::{Check, Verdict};
use rhea_physics::film::Still;
use rhea_physics::scene::CameraSpec;
use rhea_physics::world::stage::Stage;
use rhea_picture::Rgbd;

use crate::keys::{Action, KEYS};
use crate::orbit::Orbit;
use crate::painter::{CLOSE, CULPRIT, Order, Painter};
use crate::panels::{self, Clicked};
use crate::player::{Player, Reel};

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
}

#[derive(Resource)]
struct Watch {
    stage: Arc<Stage>,
    home: CameraSpec,
    orbit: Orbit,
    film: Receiver<Reel>,
    player: Player,
    painter: Painter,
    ordered: Option<Order>,
    /// A drawing is on its way.
    awaited: bool,
    scene: Picture,
    truth: Picture,
    imagined: Picture,
    /// The step whose key-frames are on the graphics card.
    key_frames_of: Option<usize>,
    space_px: [f32; 2],
    dragged: bool,
    themed: bool,
}

/// Opens the window and runs it until it is closed.
///
/// # Errors
/// The window cannot be opened, or the system gives no thread to draw with.
pub fn run(show: Show) -> Result<(), NoWindow> {
    let painter = Painter::start(show.stage.clone()).map_err(|e| NoWindow::Failed(e.to_string()))?;
    let watch = Watch {
        orbit: Orbit::from_camera(&show.camera),
        home: show.camera,
        stage: show.stage,
        film: show.film,
        player: Player::new(show.first),
        painter,
        ordered: None,
        awaited: false,
        scene: Picture::default(),
        truth: Picture::default(),
        imagined: Picture::default(),
        key_frames_of: None,
        space_px: [0.0; 2],
        dragged: false,
        themed: false,
    };
    host::open("Rhea plan", |app| {
        app.insert_resource(watch)
            .insert_resource(pace(FRAME))
            .add_systems(Update, (act, play, draw).chain())
            .add_systems(EguiPrimaryContextPass, lay_out);
    })
}

fn pace(wait: Duration) -> WinitSettings {
    let mode = UpdateMode::reactive_low_power(wait);
    WinitSettings { focused_mode: mode, unfocused_mode: mode }
}

fn act(keys: Res<ButtonInput<KeyCode>>, mut watch: ResMut<Watch>, mut exit: MessageWriter<AppExit>) {
    for (action, chords, _) in KEYS {
        if !keys.any_just_pressed(chords.iter().copied()) {
            continue;
        }
        match action {
            Action::RunOrPause => watch.player.run_or_pause(),
            Action::Step => watch.player.one_step(),
            Action::Back => watch.player.back(),
            Action::Restart => watch.player.restart(),
            Action::NextCheck => watch.player.next_check(),
            Action::Camera => watch.orbit = Orbit::from_camera(&watch.home),
            Action::Quit => {
                exit.write(AppExit::Success);
            }
        }
    }
}

fn play(time: Res<Time<Real>>, mut watch: ResMut<Watch>, mut winit: ResMut<WinitSettings>) {
    while let Ok(reel) = watch.film.try_recv() {
        watch.player.take(reel);
    }
    watch.player.advance(time.delta_secs_f64());
    let busy = watch.player.runs() || watch.awaited || watch.dragged;
    let wanted = pace(if busy { FRAME } else { IDLE });
    // Writing an equal value would wake the event loop again and again.
    if winit.focused_mode != wanted.focused_mode {
        *winit = wanted;
    }
}

/// Takes a drawing that is ready, and orders the next one if something changed.
fn draw(mut watch: ResMut<Watch>, mut images: ResMut<Assets<Image>>, mut textures: ResMut<EguiUserTextures>) {
    let watch = &mut *watch;
    if let Some(picture) = watch.painter.ready() {
        watch.awaited = false;
        upload(&mut watch.scene, &picture, ImageSampler::linear(), &mut images, &mut textures);
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
    let most = if watch.player.runs() || watch.dragged { MOVING_PX } else { RESTING_PX };
    let scale = (most / (width * height)).sqrt().min(1.0);
    let order = Order {
        still: watch.player.still().clone(),
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
    let held = player.step().and_then(|s| s.report.skill.as_ref()).and_then(|s| s.thing()).map(str::to_owned);
    let parts = check.culprit.iter().flat_map(|name| name.split(" and ").map(str::to_owned));
    (parts.filter_map(|name| if name == "held thing" { held.clone() } else { Some(name) }).collect(), paint)
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

fn lay_out(mut contexts: EguiContexts, mut watch: ResMut<Watch>, shown: Res<Shown>) -> Result {
    let ctx = contexts.ctx_mut()?.clone();
    let watch = &mut *watch;
    if !std::mem::replace(&mut watch.themed, true) {
        theme::apply(&ctx);
    }
    let builder = egui::UiBuilder::new().layer_id(egui::LayerId::background()).max_rect(ctx.viewport_rect());
    let mut root = egui::Ui::new(ctx.clone(), "window".into(), builder);
    let panel = |margin| egui::Frame::NONE.fill(theme::PANEL).inner_margin(margin);
    egui::Panel::bottom("status")
        .frame(panel(egui::Margin::symmetric(16, 6)))
        .show(&mut root, |ui| panels::status(ui, &watch.player));
    let side = egui::Panel::right("side").exact_size(SIDE_WIDTH).resizable(false);
    let clicked = side
        .frame(panel(egui::Margin::same(14)))
        .show(&mut root, |ui| panels::side(ui, &watch.stage.scene.name, &watch.player))
        .inner;
    egui::Panel::bottom("foot")
        .frame(panel(egui::Margin::symmetric(16, 8)))
        .show(&mut root, |ui| panels::foot(ui, &watch.player, &watch.truth, &watch.imagined));
    let middle = egui::Frame::NONE.fill(theme::BACKGROUND);
    egui::CentralPanel::default().frame(middle).show(&mut root, |ui| scene(ui, watch));
    match clicked {
        Some(Clicked::Step(index)) => watch.player.choose(index),
        Some(Clicked::Check(index)) => watch.player.choose_check(index),
        None => {}
    }
    shown.set();
    Ok(())
}

/// The scene, which can be turned and zoomed.
fn scene(ui: &mut egui::Ui, watch: &mut Watch) {
    let space = ui.available_rect_before_wrap();
    let scale = ui.ctx().pixels_per_point();
    watch.space_px = [space.width() * scale, space.height() * scale];
    let held = ui.allocate_rect(space, egui::Sense::drag());
    watch.dragged = held.dragged();
    if held.dragged() {
        let by = held.drag_delta();
        watch.orbit.drag(by.x, by.y);
    }
    if held.hovered() {
        let scroll = ui.input(|input| input.smooth_scroll_delta.y);
        if scroll != 0.0 {
            watch.orbit.zoom(scroll);
        }
    }
    watch.scene.draw(ui.painter(), space, egui::Color32::WHITE);
}
