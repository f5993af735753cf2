//! What every window has over its own parts: the help page, the settings, the palette; and its look.

use std::path::Path;

use bevy::ecs::system::SystemParam;
use bevy::prelude::*;
use bevy_egui::egui;

use crate::actions::{ActionId, Context};
use crate::bindings::{self, Bindings};
use crate::exports::{self, ExportPage};
use crate::input::{Device, Fired, Typing};
use crate::palette::{self, Palette};
use crate::preferences::{self, Preferences};
use crate::settings::{self, SettingsPage};
use crate::user_file::UserFolder;
use crate::{help, theme, words};

/// Is the help page on screen?
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HelpPage(pub bool);

/// Opens and closes the pages.
pub(crate) fn turn(
    mut fired: MessageReader<Fired>,
    mut help: ResMut<HelpPage>,
    mut palette: ResMut<Palette>,
    (mut settings, mut likes): (ResMut<SettingsPage>, ResMut<Preferences>),
) {
    for Fired(id) in fired.read() {
        match id {
            ActionId::Help => help.0 = !help.0,
            ActionId::Palette => palette.toggle(),
            ActionId::Settings => settings.toggle(),
            ActionId::Sampling => likes.smooth = !likes.smooth,
            ActionId::Stop => {
                help.0 = false;
                settings.close();
            }
            _ => {}
        }
    }
}

/// What the user likes, and his own keys. For each file that cannot be used, and for keys that two actions want: what is wrong, and
/// what to do about it.
#[must_use]
pub fn load_user_files(folder: &UserFolder, bindings: &mut Bindings, likes: &mut Preferences) -> Vec<(String, String)> {
    let mut told = Vec::new();
    let files = [preferences::FILE, bindings::FILE].map(|name| folder.file(name));
    let [Some(liked), Some(keys)] = files else { return told };
    match Preferences::load(&liked) {
        Ok(own) => *likes = own,
        Err(why) => told.push((why.to_string(), words::MEND_FILE.to_owned())),
    }
    match Bindings::load(&keys) {
        Ok((own, conflicts)) => {
            if !conflicts.is_empty() {
                told.push((conflicts.join("; "), words::shows_keys(&own.shortest(ActionId::Help))));
            }
            *bindings = own;
        }
        Err(why) => told.push((why.to_string(), words::MEND_FILE.to_owned())),
    }
    told
}

/// What the pages and all prompts are written from.
#[derive(SystemParam)]
pub struct Pages<'w, 's> {
    /// Which control does what.
    pub bindings: ResMut<'w, Bindings>,
    /// What the user likes.
    pub likes: ResMut<'w, Preferences>,
    /// The device whose controls prompts name.
    pub device: Res<'w, Device>,
    context: Res<'w, Context>,
    settings: ResMut<'w, SettingsPage>,
    folder: Res<'w, UserFolder>,
    palette: ResMut<'w, Palette>,
    help: ResMut<'w, HelpPage>,
    exports: ResMut<'w, ExportPage>,
    typing: ResMut<'w, Typing>,
    fired: MessageWriter<'w, Fired>,
    themed: Local<'s, bool>,
}

impl Pages<'_, '_> {
    /// Sets colours, sizes and motion; before anything is drawn.
    pub fn begin(&mut self, ctx: &egui::Context) {
        if !std::mem::replace(&mut *self.themed, true) {
            theme::apply(ctx);
        }
        theme::move_things(ctx, self.likes.calm);
        ctx.set_zoom_factor(f32::from(self.likes.size_percent) * 0.01);
    }

    /// Says what the export page exports.
    pub fn set_recording(&mut self, recording: Option<&Path>) {
        self.exports.set_recording(recording);
    }

    /// Asks for what was clicked.
    pub fn ask(&mut self, clicked: Option<ActionId>) {
        if let Some(id) = clicked {
            self.fired.write(Fired(id));
        }
    }

    /// The name of an action's control on the device in use.
    #[must_use]
    pub fn control(&self, id: ActionId) -> String {
        self.device.names(self.bindings.of(id))
    }

    /// Draws the pages that are open, over everything else; `foot` stands below the help. Notes whether somebody types.
    pub fn show(&mut self, ctx: &egui::Context, foot: &str) {
        if self.help.0 {
            let mut open = true;
            help::show(ctx, &mut open, *self.context, &self.bindings, foot);
            self.help.0 = open;
        }
        let Self { context, settings, bindings, likes, folder, palette, device, .. } = self;
        settings::show(ctx, settings, **context, bindings, likes, folder);
        exports::show(ctx, &mut self.exports, **context);
        let clicked = palette::show(ctx, palette, **context, bindings, **device);
        self.ask(clicked);
        self.typing.0 = ctx.egui_wants_keyboard_input();
    }
}
