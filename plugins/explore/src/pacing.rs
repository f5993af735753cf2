//! How often the window draws itself: the model needs the processor more than the window does.
//!
//! The window updates for its own events and for reports of the session, and slowly in between; of these updates only those
//! in which something on screen changes are drawn. It never waits for the session.

use std::time::{Duration, Instant};

use bevy::ecs::system::SystemParam;
use bevy::prelude::*;
use bevy::render::renderer::RenderAdapterInfo;
use bevy::render::view::screenshot::Screenshot;
use bevy::window::{RequestRedraw, WindowResized, WindowScaleFactorChanged};
use bevy::winit::{UpdateMode, WinitSettings};
use bevy_egui::{EguiContexts, EguiInput, EguiPostUpdateSet, EguiPreUpdateSet, EguiRenderOutput, egui};

use crate::start_page::StartPage;
use crate::walk::Walk;
use rhea_window::{Fired, Held, Typing};

/// Shortest time between two frames.
const FRAME: Duration = Duration::from_millis(33);
/// The same when frames are drawn by the processor that the model runs on.
const FRAME_SOFTWARE: Duration = Duration::from_millis(66);
/// Update while nothing happens. Reports and window events come without it; it only decides how soon a gamepad that is
/// plugged in is noticed.
const IDLE: Duration = Duration::from_millis(500);
/// Update while nothing happens but a gamepad is connected: pads are read only then.
const IDLE_WITH_PAD: Duration = Duration::from_millis(33);
/// Update while a key is held, which decides when it begins to repeat.
const HELD: Duration = Duration::from_millis(100);
/// A frame is drawn at least this often, for window systems that forget what was drawn behind another window.
const REFRESH: Duration = Duration::from_millis(1900);
/// After the start every frame is drawn, until pipelines and fonts have settled.
const SETTLING: Duration = Duration::from_secs(2);

/// Adds the pacing systems; needs Bevy's winit and render plugins and bevy_egui.
pub struct PacingPlugin;

impl Plugin for PacingPlugin {
    fn build(&self, app: &mut App) {
        let calm = UpdateMode::reactive_low_power(IDLE);
        app.insert_resource(WinitSettings { focused_mode: calm, unfocused_mode: calm })
            .add_systems(
                PreUpdate,
                drop_idle_input.after(EguiPreUpdateSet::ProcessInput).before(EguiPreUpdateSet::BeginPass),
            )
            .add_systems(
                PostUpdate,
                something_changed
                    .pipe(draw_or_skip)
                    .after(EguiPostUpdateSet::ProcessOutput)
                    .before(EguiPostUpdateSet::PostProcessOutput),
            )
            .add_systems(Last, choose_tick);
    }
}

/// bevy_egui reports the modifier keys in every frame and every key that repeats, and egui asks for another frame after every
/// event: together they would keep the window drawing for ever. Keys are passed on only to a text field.
fn drop_idle_input(mut inputs: Query<&mut EguiInput>, typing: Res<Typing>, mut last: Local<Option<egui::Modifiers>>) {
    for mut input in &mut inputs {
        input.events.retain(|event| match event {
            egui::Event::ModifiersChanged(now) => last.replace(*now) != Some(*now),
            egui::Event::Key { .. } | egui::Event::Text(_) => typing.0,
            _ => true,
        });
    }
}

/// Everything that can change what is on screen.
#[derive(SystemParam)]
struct Changes<'w, 's> {
    walk: Res<'w, Walk>,
    start_page: Res<'w, StartPage>,
    fired: MessageReader<'w, 's, Fired>,
    resized: MessageReader<'w, 's, WindowResized>,
    rescaled: MessageReader<'w, 's, WindowScaleFactorChanged>,
    screenshots: Query<'w, 's, (), With<Screenshot>>,
}

fn something_changed(
    mut changes: Changes,
    mut contexts: EguiContexts,
    outputs: Query<&EguiRenderOutput>,
    mut asks_again: Local<bool>,
    mut redraw: MessageWriter<RequestRedraw>,
) -> bool {
    let acted = changes.fired.read().count() > 0;
    let reshaped = changes.resized.read().count() + changes.rescaled.read().count() > 0;
    // egui lays a new window out in two passes, and letters that were never shown before reach the graphics card one frame
    // late: after a frame that asked for another, the other one is drawn as well.
    let new_glyphs = outputs.iter().any(|output| !output.textures_delta.set.is_empty());
    if new_glyphs {
        redraw.write(RequestRedraw);
    }
    let asks = new_glyphs || contexts.ctx_mut().is_ok_and(|ctx| ctx.has_requested_repaint());
    let asked_before = std::mem::replace(&mut *asks_again, asks);
    let told = changes.walk.is_changed() || changes.start_page.is_changed();
    told || acted || reshaped || asks || asked_before || !changes.screenshots.is_empty()
}

/// Draws this update or leaves the last frame on screen. Two changes in quick succession wait for each other, so that a moving
/// mouse costs no more than a steady picture.
fn draw_or_skip(
    In(changed): In<bool>,
    mut cameras: Query<&mut Camera>,
    adapter: Option<Res<RenderAdapterInfo>>,
    mut started: Local<Option<Instant>>,
    mut last_drawn: Local<Option<Instant>>,
) {
    let settling = started.get_or_insert_with(Instant::now).elapsed() < SETTLING;
    let stale = last_drawn.is_none_or(|last| last.elapsed() >= REFRESH);
    let draw = changed || settling || stale;
    for mut camera in &mut cameras {
        camera.is_active = draw;
    }
    if !draw {
        return;
    }
    let software = adapter.is_some_and(|adapter| format!("{:?}", adapter.device_type) == "Cpu");
    let frame = if software { FRAME_SOFTWARE } else { FRAME };
    if let Some(spare) = last_drawn.and_then(|last| frame.checked_sub(last.elapsed())) {
        std::thread::sleep(spare);
    }
    *last_drawn = Some(Instant::now());
}

fn choose_tick(
    held: Res<Held>,
    pads: Query<(), With<Gamepad>>,
    page: Res<StartPage>,
    mut winit: ResMut<WinitSettings>,
) {
    let wait = if !pads.is_empty() {
        IDLE_WITH_PAD
    } else if held.any() || page.looks() {
        HELD
    } else {
        IDLE
    };
    let mode = UpdateMode::reactive_low_power(wait);
    // Writing an equal value would wake the event loop again and again.
    if winit.focused_mode != mode {
        *winit = WinitSettings { focused_mode: mode, unfocused_mode: mode };
    }
}
