//! The window: puts the plugins together, lays the parts out, and runs until it is closed.
//!
//! Invariant: closing the window in any way ends [`run`], and the session goes on to its own orderly end.

use std::path::PathBuf;
use std::sync::Arc;

use bevy::app::AppExit;
use bevy::prelude::*;
use bevy::winit::{EventLoopProxyWrapper, WinitUserEvent};
use bevy_egui::{EguiContexts, EguiPrimaryContextPass, EguiUserTextures, egui};
use rhea_session::ScriptStart;
use rhea_window::actions::ActionId;
use rhea_window::bindings::Bindings;
use rhea_window::display::NoWindow;
use rhea_window::host::{self, Shown};
use rhea_window::preferences::Preferences;
use rhea_window::user_file::UserFolder;
use rhea_window::{
    Fired, InputSystems, Pages, Sampling, ScreenshotFolder, ScreenshotPlugin, Shot, ViewOnScreen, ViewToSave, access,
    ctrl_touched, load_user_files, theme,
};

use crate::hud;
use crate::link::{MOVE_QUEUE, SessionLink};
use crate::map::{self, MapCanvas};
use crate::model::ModelPlugin;
use crate::orders::{OrderPlugin, submit};
use crate::origins::OriginsOnScreen;
use crate::pacing::PacingPlugin;
use crate::report::Failure;
use crate::start_page::{self, Chosen, Offers, StartPage, StartPagePlugin};
use crate::strip::{self, Strip, Wish};
use crate::text_box::{self, Entered, TextBox};
use crate::walk::Walk;
use crate::words;

/// Width of the side panel, points.
const SIDE_WIDTH: f32 = 300.0;

/// What a window needs to know.
pub struct WindowSettings {
    /// Where screenshots go.
    pub out: PathBuf,
    /// What the start page offers.
    pub offers: Offers,
}

/// What the window itself remembers.
#[derive(Resource)]
pub(crate) struct Desk {
    map: bool,
    text: TextBox,
    view: ViewOnScreen,
    canvas: MapCanvas,
    origins: bool,
    overlay: OriginsOnScreen,
    strip: Strip,
    /// Place in the trail of the view that is looked at instead of the present one, and what is on screen when that ends.
    looking: Option<(usize, u64)>,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            map: true,
            text: TextBox::default(),
            view: ViewOnScreen::default(),
            canvas: MapCanvas::default(),
            origins: false,
            overlay: OriginsOnScreen::default(),
            strip: Strip::default(),
            looking: None,
        }
    }
}

#[cfg(test)]
impl Desk {
    /// Everything that an action can change.
    pub(crate) fn told(&self) -> String {
        format!("map {}; origins {}; text {:?};", self.map, self.origins, self.text.told())
    }
}

/// Opens the window and runs it until it is closed.
///
/// # Errors
/// [`NoWindow::Failed`] when the windowing code gives up before the first frame. A failure later ends the window like
/// closing it, with a line in the log.
pub fn run(link: SessionLink, settings: WindowSettings) -> Result<(), NoWindow> {
    host::open("Rhea", |app| {
        build(app);
        app.insert_resource(UserFolder::of_system())
            .insert_resource(link)
            .insert_resource(ScreenshotFolder(settings.out))
            .insert_resource(StartPage::new(settings.offers));
    })
}

fn build(app: &mut App) {
    app.add_plugins((ModelPlugin, OrderPlugin, ScreenshotPlugin, StartPagePlugin, PacingPlugin))
        .init_resource::<Desk>()
        .add_systems(Startup, (connect_waker, take_user_files))
        .add_systems(Update, (desk_actions.after(InputSystems::Read), start_page::arrive, refresh_pictures).chain())
        .add_systems(Update, (tell_shots, keep_view))
        .add_systems(EguiPrimaryContextPass, lay_out);
}

fn connect_waker(link: Res<SessionLink>, proxy: Res<EventLoopProxyWrapper>) {
    let proxy = proxy.clone();
    // The event loop is gone while the window closes; nobody needs waking then.
    link.set_waker(move || {
        proxy.send_event(WinitUserEvent::WakeUp).ok();
    });
}

/// A file that cannot be used is told on screen, and all is as usual.
fn take_user_files(
    folder: Res<UserFolder>,
    mut bindings: ResMut<Bindings>,
    mut likes: ResMut<Preferences>,
    mut walk: ResMut<Walk>,
) {
    for (what, hint) in load_user_files(&folder, &mut bindings, &mut likes) {
        walk.fail(Failure::new(what, hint));
    }
}

fn tell_shots(mut shots: MessageReader<Shot>, mut walk: ResMut<Walk>) {
    for shot in shots.read() {
        match shot {
            Shot::Saved(told) => walk.inform(told),
            Shot::Failed(why) => walk.fail(Failure::new(why, words::MAKE_ROOM)),
        }
    }
}

/// The view that a screenshot saves beside the window.
fn keep_view(walk: Res<Walk>, mut kept: ResMut<ViewToSave>) {
    if walk.is_changed() {
        kept.0 = walk.seen.as_ref().map(|seen| Arc::clone(&seen.view));
    }
}

/// What the window itself does.
pub(crate) fn desk_actions(
    mut fired: MessageReader<Fired>,
    mut desk: ResMut<Desk>,
    link: Res<SessionLink>,
    mut walk: ResMut<Walk>,
    mut exit: MessageWriter<AppExit>,
) {
    for Fired(id) in fired.read() {
        match id {
            ActionId::Map => desk.map = !desk.map,
            ActionId::Origins => desk.origins = !desk.origins,
            ActionId::Text => desk.text.focus(),
            ActionId::GoTo => desk.text.begin(words::GO_TO),
            ActionId::Branch if walk.seen.is_some() => {
                let looked_at = desk.looking.and_then(|(place, _)| walk.trail.get(place));
                let step = looked_at.map_or(walk.step(), |seen| seen.step);
                grant(Wish::Branch(step), &mut desk, &link, &mut walk);
            }
            ActionId::Stop => desk.looking = None,
            ActionId::Quit => {
                exit.write(AppExit::Success);
            }
            _ => {}
        }
    }
}

/// Pictures are uploaded before the layout, so that a view is on screen in the frame in which it is reported.
fn refresh_pictures(
    mut desk: ResMut<Desk>,
    walk: Res<Walk>,
    likes: Res<Preferences>,
    mut images: ResMut<Assets<Image>>,
    mut textures: ResMut<EguiUserTextures>,
) {
    let Some(seen) = &walk.seen else { return };
    let Desk { view, canvas, overlay, origins, strip, looking, .. } = &mut *desk;
    // A new view ends the look back.
    *looking = looking.filter(|(place, serial)| *serial == walk.view_serial && *place < walk.trail.len());
    let (shown, serial) = match *looking {
        Some((place, _)) => (&walk.trail[place], u64::MAX - place as u64),
        None => (seen, walk.view_serial),
    };
    view.refresh(&shown.view, serial, Sampling::of(&likes), &mut images, &mut textures);
    strip.refresh(&walk.trail, &mut images, &mut textures);
    canvas.update(&walk.map, walk.map_serial, &mut images, &mut textures);
    if let Some(parts) = seen.origins.as_ref().filter(|_| *origins) {
        overlay.refresh(parts, walk.view_serial, &mut images, &mut textures);
    }
}

fn lay_out(
    mut contexts: EguiContexts,
    mut desk: ResMut<Desk>,
    mut walk: ResMut<Walk>,
    mut start: ResMut<StartPage>,
    keys: Res<ButtonInput<KeyCode>>,
    link: Res<SessionLink>,
    shown: Res<Shown>,
    mut pages: Pages,
) -> Result {
    let ctx = contexts.ctx_mut()?.clone();
    let desk = &mut *desk;
    pages.begin(&ctx);
    pages.set_recording(walk.replay.as_deref());
    let builder = egui::UiBuilder::new().layer_id(egui::LayerId::background()).max_rect(ctx.viewport_rect());
    let mut root = egui::Ui::new(ctx.clone(), "window".into(), builder);
    let waiting = link.waiting();

    let bar = egui::Frame::NONE.fill(theme::PANEL).inner_margin(egui::Margin::symmetric(16, 6));
    egui::Panel::bottom("status").frame(bar).show(&mut root, |ui| {
        hud::status(ui, &walk, waiting, &pages.control(ActionId::Help));
    });
    let (from_side, clicked) = side_panel(&mut root, &walk, desk, &pages);
    pages.ask(clicked);
    let low = egui::Frame::NONE.fill(theme::BACKGROUND).inner_margin(egui::Margin::symmetric(24, 10));
    let begins = start.is_shown(&walk);
    let (mut wish, mut thing) = (None, None);
    let said = egui::Panel::bottom("words").frame(low).show_separator_line(false);
    let entered = match begins {
        true => None,
        false => {
            said.show(&mut root, |ui| {
                if walk.trail.len() > 1 {
                    wish = desk.strip.show(ui, &walk, desk.looking.map(|(place, _)| place));
                }
                thing = hud::narration(ui, &walk);
                let entered = desk.text.show(ui, ctrl_touched(&keys));
                text_box::hint(ui);
                entered
            })
            .inner
        }
    };
    let middle = egui::Frame::NONE.fill(theme::BACKGROUND).inner_margin(egui::Margin::same(16));
    let dismissed = egui::CentralPanel::default()
        .frame(middle)
        .show(&mut root, |ui| {
            // Drawing the page changes nothing that has to be drawn.
            let page = start.bypass_change_detection();
            match begins {
                true => {
                    start_page::show(ui, page, walk.seen.is_some());
                    walk.banner.as_ref().is_some_and(|banner| hud::banner(ui, banner))
                }
                false => central(ui, &walk, desk, Sampling::of(&pages.likes), &mut wish),
            }
        })
        .inner;
    pages.show(&ctx, &words::holding(MOVE_QUEUE));
    if dismissed {
        walk.banner = None;
    }
    if let Some(name) = from_side.or(thing) {
        walk.roaming = false;
        submit(&link, &mut walk, format!("go to the {name}"));
    }
    if let Some(wish) = wish {
        grant(wish, desk, &link, &mut walk);
    }
    match entered {
        Some(Entered::Command(command)) => {
            walk.roaming = false;
            submit(&link, &mut walk, command);
        }
        Some(Entered::Caption(caption)) => {
            start.choose(Chosen::Open(ScriptStart::Caption(caption)));
        }
        None => {}
    }
    shown.set();
    Ok(())
}

/// Does what is wanted of an earlier view.
fn grant(wish: Wish, desk: &mut Desk, link: &SessionLink, walk: &mut ResMut<Walk>) {
    desk.looking = match wish {
        Wish::Look(place) => Some((place, walk.view_serial)),
        Wish::Back | Wish::Go(_) | Wish::Branch(_) => None,
    };
    // Another picture is to be uploaded before it can be drawn.
    walk.set_changed();
    match wish {
        Wish::Go(step) => {
            walk.roaming = false;
            submit(link, walk, format!("go back to step {step}"));
        }
        Wish::Branch(step) => match link.branch(step) {
            Ok(()) => walk.inform(words::another_walk(step)),
            Err(refusal) => walk.fail(Failure::new(refusal.to_string(), words::TRY_AGAIN)),
        },
        Wish::Look(_) | Wish::Back => {}
    }
}

/// World, map, things and keys; returns the name of a thing that is to be walked to, and the action that was clicked.
fn side_panel(root: &mut egui::Ui, walk: &Walk, desk: &Desk, pages: &Pages) -> (Option<String>, Option<ActionId>) {
    let frame = egui::Frame::NONE.fill(theme::PANEL).inner_margin(egui::Margin::same(16));
    egui::Panel::right("side")
        .exact_size(SIDE_WIDTH)
        .resizable(false)
        .frame(frame)
        .show(root, |ui| {
            egui::ScrollArea::vertical()
                .auto_shrink([false, false])
                .show(ui, |ui| {
                    hud::side(ui, walk);
                    ui.add_space(10.0);
                    if desk.map {
                        map::show(ui, ui.available_width(), &walk.map, &desk.canvas);
                    }
                    ui.add_space(12.0);
                    let thing = hud::things(ui, walk);
                    (thing, hud::reminders(ui, &pages.bindings, *pages.device))
                })
                .inner
        })
        .inner
}

/// The view and the banner over it; returns true when the banner was dismissed.
fn central(ui: &mut egui::Ui, walk: &Walk, desk: &mut Desk, sampling: Sampling, wish: &mut Option<Wish>) -> bool {
    let space = ui.available_rect_before_wrap();
    match &walk.seen {
        Some(seen) => {
            let back =
                desk.looking.and_then(|(place, _)| walk.trail.get(place).map(|seen| (seen, walk.told_at(place))));
            let rect = desk.view.show(ui, space, back.map_or(&seen.view, |(seen, _)| &seen.view), sampling);
            let told = back.map_or(walk.narration.as_str(), |(_, told)| told);
            let response = ui.interact(rect, ui.id().with("view"), egui::Sense::hover());
            access::name(&response, egui::WidgetType::Image, words::view(walk.step(), told));
            if let Some((seen, told)) = back {
                *wish = strip::card(ui, seen, told).or(*wish);
            } else if desk.origins {
                match &seen.origins {
                    Some(origins) => desk.overlay.show(ui.painter(), rect, origins),
                    None => hud::no_origins(ui.painter(), rect),
                }
            }
        }
        None => {
            let (text, colour) = hud::doing(walk, 0);
            let text = format!("{text} …");
            let font = egui::FontId::proportional(theme::NARRATION_PT);
            ui.painter().text(space.center(), egui::Align2::CENTER_CENTER, text, font, colour);
        }
    }
    walk.banner.as_ref().is_some_and(|banner| hud::banner(ui, banner))
}
