//! What all windows of Rhea share: size, log, background, the camera that egui draws on, and how they end.
//!
//! Invariant: closing the window in any way ends [`open`]; a window that cannot be opened is told in one sentence.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bevy::app::AppExit;
use bevy::log::LogPlugin;
use bevy::prelude::*;
use bevy::render::view::Msaa;
use bevy::window::{ExitCondition, PresentMode, WindowDestroyed, WindowResolution};
use bevy_egui::EguiPlugin;

use crate::display::NoWindow;

/// Size of a new window, logical pixels.
const SIZE: (u32, u32) = (1280, 860);
/// Smallest useful window, logical pixels.
const MIN_SIZE: (f32, f32) = (720.0, 480.0);
/// Warnings of other crates that say nothing to a user: software drivers, missing desktop settings.
const LOG_FILTER: &str = "error,rhea=info,rhea_explore=info,rhea_review=info,rhea_watch=info,rhea_window=info,wgpu_hal=off,winit=off,calloop=off";

/// Set once the first frame was laid out: from then on a failure is no reason to do without a window.
#[derive(Resource, Clone, Default)]
pub struct Shown(Arc<AtomicBool>);

impl Shown {
    /// The first frame was laid out.
    pub fn set(&self) {
        if !self.0.swap(true, Ordering::AcqRel) {
            tracing::info!(target: "rhea", "first frame");
        }
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Opens a window with what `build` adds to it and runs it until it is closed. A [`Shown`] is among its resources.
///
/// # Errors
/// [`NoWindow::Failed`] when the windowing code gives up before the first frame. A failure later ends the window like
/// closing it, with a line in the log.
pub fn open(title: &str, build: impl FnOnce(&mut App)) -> Result<(), NoWindow> {
    let shown = Shown::default();
    let shown_later = shown.clone();
    keep_quiet_until(shown.clone());
    let ran = catch_unwind(AssertUnwindSafe(move || {
        let mut app = App::new();
        add_window(&mut app, title);
        app.insert_resource(shown_later);
        build(&mut app);
        app.run()
    }));
    match ran {
        Ok(_) => Ok(()),
        Err(_) if shown.get() => {
            bevy::log::error!("the window failed; what was done up to here is kept");
            Ok(())
        }
        Err(panic) => {
            let message = panic.downcast_ref::<String>().cloned();
            let message = message.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(NoWindow::Failed(message.unwrap_or_else(|| "no reason given".to_owned())))
        }
    }
}

/// A window that cannot be opened is told in one sentence by whoever called [`open`]; the trace of the windowing code's panic
/// would only bury it. Later panics are printed as always.
fn keep_quiet_until(shown: Shown) {
    let previous = std::panic::take_hook();
    let opening = std::thread::current().id();
    std::panic::set_hook(Box::new(move |panic| {
        if shown.get() || std::thread::current().id() != opening {
            previous(panic);
        }
    }));
}

fn add_window(app: &mut App, title: &str) {
    let window = Window {
        title: title.to_owned(),
        name: Some("rhea".to_owned()),
        resolution: WindowResolution::new(SIZE.0, SIZE.1),
        resize_constraints: bevy::window::WindowResizeConstraints {
            min_width: MIN_SIZE.0,
            min_height: MIN_SIZE.1,
            ..default()
        },
        present_mode: PresentMode::AutoVsync,
        ..default()
    };
    let window =
        WindowPlugin { primary_window: Some(window), exit_condition: ExitCondition::OnPrimaryClosed, ..default() };
    let plugins = DefaultPlugins.set(window);
    // Whoever logs already goes on to.
    let plugins = match tracing::dispatcher::has_been_set() {
        true => plugins.disable::<LogPlugin>(),
        false => plugins.set(LogPlugin { filter: LOG_FILTER.to_owned(), ..default() }),
    };
    app.add_plugins(plugins)
        .add_plugins(EguiPlugin::default())
        .insert_resource(ClearColor(Color::srgb_u8(0x0e, 0x11, 0x16)))
        .add_systems(Startup, spawn_camera)
        .add_systems(Update, leave_when_destroyed);
}

fn spawn_camera(mut commands: Commands) {
    commands.spawn((Camera2d, Msaa::Off));
}

/// A window that another program destroys ends like one that is closed.
fn leave_when_destroyed(mut destroyed: MessageReader<WindowDestroyed>, mut exit: MessageWriter<AppExit>) {
    if destroyed.read().count() > 0 {
        exit.write(AppExit::Success);
    }
}
