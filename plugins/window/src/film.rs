//! What the windows of recordings and plans share beyond the pages: something that plays, and a line of news.

use std::path::PathBuf;

use bevy::app::AppExit;
use bevy::ecs::component::Mutable;
use bevy::prelude::*;

use crate::actions::{ActionId, Context};
use crate::bindings::Bindings;
use crate::input::{ActionPlugin, Fired, InputSystems, PadNews};
use crate::pages::load_user_files;
use crate::preferences::Preferences;
use crate::screenshot::{ScreenshotFolder, ScreenshotPlugin, Shot};
use crate::user_file::UserFolder;

/// A window's recording or plan.
pub trait Film: Resource + Component<Mutability = Mutable> {
    /// Does it play?
    fn plays(&self) -> bool;

    /// Plays, or stops playing.
    fn play_or_pause(&mut self);

    /// Shows news, or none.
    fn tell(&mut self, news: Option<String>);

    /// Does what this window alone has; playing, stopping and leaving are done already.
    fn act(&mut self, id: ActionId);

    /// Stops playing; says whether it played.
    fn stop(&mut self) -> bool {
        let plays = self.plays();
        if plays {
            self.play_or_pause();
        }
        plays
    }
}

/// Something to tell the user.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub struct News(pub String);

/// Lets devices work a film: needs Bevy's `InputPlugin`. With gamepads that go, playing stops.
pub fn add_film<F: Film>(app: &mut App, context: Context, film: F) {
    app.add_plugins(ActionPlugin(context))
        .add_message::<News>()
        .insert_resource(film)
        .add_systems(Update, (act::<F>, hear::<F>).chain().in_set(InputSystems::Send));
}

/// Reads the user's files and takes screenshots for a film in a real window; what comes of both is [`News`].
pub struct FilmPlugin {
    /// Where screenshots go.
    pub screenshots: PathBuf,
}

impl Plugin for FilmPlugin {
    fn build(&self, app: &mut App) {
        app.add_plugins(ScreenshotPlugin)
            .insert_resource(UserFolder::of_system())
            .insert_resource(ScreenshotFolder(self.screenshots.clone()))
            .add_systems(Startup, take_user_files)
            .add_systems(Update, tell_shots);
    }
}

fn act<F: Film>(mut fired: MessageReader<Fired>, mut film: ResMut<F>, mut exit: MessageWriter<AppExit>) {
    for Fired(id) in fired.read() {
        match id {
            ActionId::Play => film.play_or_pause(),
            ActionId::Stop => {
                film.stop();
                film.tell(None);
            }
            ActionId::Quit => {
                exit.write(AppExit::Success);
            }
            _ => {}
        }
        film.act(*id);
    }
}

/// News of screenshots, files and gamepads; when the gamepad in use goes, the film stops.
fn hear<F: Film>(
    mut news: MessageReader<News>,
    mut pads: MessageReader<PadNews>,
    bindings: Res<Bindings>,
    mut film: ResMut<F>,
) {
    for pad in pads.read() {
        let stops = *pad == PadNews::InUseGone && film.stop();
        film.tell(Some(pad.told(&bindings, stops.then_some(ActionId::Play))));
    }
    for News(told) in news.read() {
        film.tell(Some(told.clone()));
    }
}

fn take_user_files(
    folder: Res<UserFolder>,
    mut bindings: ResMut<Bindings>,
    mut likes: ResMut<Preferences>,
    mut news: MessageWriter<News>,
) {
    for (what, hint) in load_user_files(&folder, &mut bindings, &mut likes) {
        news.write(News(format!("{what}. {hint}")));
    }
}

fn tell_shots(mut shots: MessageReader<Shot>, mut news: MessageWriter<News>) {
    for Shot::Saved(told) | Shot::Failed(told) in shots.read() {
        news.write(News(told.clone()));
    }
}
