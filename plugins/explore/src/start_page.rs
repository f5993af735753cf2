//! The start page: a new world from words, a scene or a picture; recent walks; robot tasks; the model.
//!
//! It only says what was chosen ([`Chosen`]); [`StartPagePlugin`] carries it out.
//!
//! Invariant: looking for recent walks never holds up a frame.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

use bevy::image::ImageSampler;
use bevy::prelude::*;
use bevy::window::FileDragAndDrop;
use bevy_egui::EguiUserTextures;
use bevy_egui::egui::{self, Color32, RichText, Sense, TextEdit, vec2};
use crossbeam::channel::{Receiver, bounded};
use rhea_session::ScriptStart;

use crate::link::SessionLink;
use crate::recent::{RecentWalk, ago, recent};
use crate::report::Failure;
use crate::walk::Walk;
use crate::words;
use rhea_window::Picture;
use rhea_window::actions::ActionId;
use rhea_window::theme;
use rhea_window::{Fired, InputSystems};

/// Longest caption, characters.
const MAX_CHARS: usize = 600;
/// Side of a recent walk's picture, points.
const THUMBNAIL: f32 = 112.0;
/// Captions to begin with, in words that the shipped model knows.
const EXAMPLES: [&str; 3] = words::EXAMPLES;

/// What the page offers.
#[derive(Clone, Debug, Default)]
pub struct Offers {
    /// Scenes to begin in.
    pub scenes: Vec<PathBuf>,
    /// Robot tasks to watch.
    pub tasks: Vec<PathBuf>,
    /// The folder below which walks are recorded.
    pub walks: PathBuf,
    /// Which model is loaded, and where it is.
    pub model: String,
    /// The program that reviews and plans.
    pub program: PathBuf,
}

/// What somebody chose.
#[derive(Clone, Debug, PartialEq)]
pub enum Chosen {
    /// Begin here, in this window.
    Open(ScriptStart),
    /// Look at a recording, in a window of its own.
    Review(PathBuf),
    /// Watch a robot task, in a window of its own.
    Plan(PathBuf),
}

impl Chosen {
    /// What a file that was dropped on the window is for; `None` when nothing can be done with it.
    #[must_use]
    pub fn of_file(file: &Path) -> Option<Self> {
        let kind = file.extension()?.to_str()?.to_lowercase();
        Some(match kind.as_str() {
            "ron" => Self::Open(ScriptStart::Scene(file.to_path_buf())),
            "world" => Self::Open(ScriptStart::World(file.to_path_buf())),
            "png" | "jpg" | "jpeg" => Self::Open(ScriptStart::Picture(file.to_path_buf())),
            "mcap" => Self::Review(file.to_path_buf()),
            _ => return None,
        })
    }
}

/// The page's state.
#[derive(Resource, Default)]
pub struct StartPage {
    offers: Offers,
    open: bool,
    caption: String,
    /// The caption gets the cursor with the next frame.
    wants_focus: bool,
    picture: String,
    recent: Vec<(RecentWalk, Picture)>,
    looking: Option<Receiver<Vec<RecentWalk>>>,
    chosen: Option<Chosen>,
}

impl StartPage {
    /// A page with these offers.
    #[must_use]
    pub fn new(offers: Offers) -> Self {
        let mut page = Self { offers, wants_focus: true, ..Self::default() };
        page.look();
        page
    }

    /// Is it on screen? Always when there is no world.
    #[must_use]
    pub fn is_shown(&self, walk: &Walk) -> bool {
        self.open || (walk.seen.is_none() && walk.running.is_none())
    }

    /// Is it looking for recent walks still?
    #[must_use]
    pub fn looks(&self) -> bool {
        self.looking.is_some()
    }

    /// Chooses; carried out with the next update.
    pub fn choose(&mut self, chosen: Chosen) {
        self.chosen = Some(chosen);
    }

    #[cfg(test)]
    pub(crate) fn take_chosen(&mut self) -> Option<Chosen> {
        self.chosen.take()
    }

    fn look(&mut self) {
        let home = self.offers.walks.clone();
        let (found, looking) = bounded(1);
        // Without a thread there are no recent walks.
        let thread = std::thread::Builder::new().name("recent walks".to_owned());
        self.looking = thread.spawn(move || drop(found.send(recent(&home)))).is_ok().then_some(looking);
    }
}

/// Opens, closes and obeys the page; needs a [`StartPage`] and Bevy's window plugin.
pub struct StartPagePlugin;

impl Plugin for StartPagePlugin {
    fn build(&self, app: &mut App) {
        let systems = (turn_pages, take_dropped, carry_out).chain().after(InputSystems::Read);
        app.init_resource::<StartPage>().add_message::<FileDragAndDrop>().add_systems(Update, systems);
    }
}

fn turn_pages(mut fired: MessageReader<Fired>, mut page: ResMut<StartPage>) {
    for Fired(id) in fired.read() {
        match id {
            ActionId::Start if !page.open => {
                (page.open, page.wants_focus) = (true, true);
                page.look();
            }
            ActionId::Start | ActionId::Stop => page.open = false,
            _ => {}
        }
    }
}

fn take_dropped(mut files: MessageReader<FileDragAndDrop>, mut page: ResMut<StartPage>, mut walk: ResMut<Walk>) {
    for event in files.read() {
        let FileDragAndDrop::DroppedFile { path_buf, .. } = event else { continue };
        match Chosen::of_file(path_buf) {
            Some(chosen) => page.choose(chosen),
            None => {
                walk.fail(Failure::new(words::nothing_to_begin(path_buf), words::DROP));
            }
        }
    }
}

fn carry_out(mut page: ResMut<StartPage>, link: Option<Res<SessionLink>>, mut walk: ResMut<Walk>) {
    if page.chosen.is_none() {
        return;
    }
    let Some(chosen) = page.chosen.take() else { return };
    let program = page.offers.program.clone();
    let started = match &chosen {
        Chosen::Open(start) => {
            let Some(link) = link else { return };
            match link.open(start.clone()) {
                Ok(()) => page.open = false,
                Err(refusal) => walk.fail(Failure::new(refusal.to_string(), words::TRY_AGAIN)),
            }
            return;
        }
        Chosen::Review(file) => beside(&program, &["review".as_ref(), file.as_os_str()]),
        Chosen::Plan(file) => beside(&program, &["plan".as_ref(), file.as_os_str(), "--watch".as_ref()]),
    };
    match started {
        Ok(()) => walk.inform(words::OPENING),
        Err(why) => {
            walk.fail(Failure::new(words::not_started(&program, &why), words::IN_TERMINAL));
        }
    }
}

/// Starts a program that goes on by itself.
fn beside(program: &Path, words: &[&std::ffi::OsStr]) -> std::io::Result<()> {
    let mut child = Command::new(program).args(words).stdin(Stdio::null()).spawn()?;
    std::thread::Builder::new().name("beside".to_owned()).spawn(move || drop(child.wait()))?;
    Ok(())
}

/// Takes the recent walks in when they are found.
pub(crate) fn arrive(
    mut page: ResMut<StartPage>,
    mut images: ResMut<Assets<Image>>,
    mut textures: ResMut<EguiUserTextures>,
) {
    let Some(found) = page.looking.as_ref().and_then(|looking| looking.try_recv().ok()) else { return };
    let page = &mut *page;
    page.looking = None;
    let mut pictures = std::mem::take(&mut page.recent).into_iter().map(|(_, picture)| picture);
    for walk in found {
        let mut picture = pictures.next().unwrap_or_default();
        let (size, rgb) = ((walk.view.width, walk.view.height), &walk.view.rgb);
        let rgba = rgb.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 255]).collect();
        picture.set(size, rgba, ImageSampler::linear(), &mut images, &mut textures);
        page.recent.push((walk, picture));
    }
}

/// Draws the page; says whether a world is open to go back to.
pub(crate) fn show(ui: &mut egui::Ui, page: &mut StartPage, can_go_back: bool) {
    egui::ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.label(RichText::new(words::WHERE_TO).size(26.0).strong());
            if can_go_back {
                ui.label(RichText::new(words::ESC_BACK).color(theme::DIM));
            }
        });
        ui.add_space(8.0);
        let mut chosen = None;
        begin(ui, page, &mut chosen);
        ui.add_space(14.0);
        go_on(ui, page, &mut chosen);
        ui.add_space(14.0);
        tasks(ui, page, &mut chosen);
        ui.add_space(14.0);
        title(ui, words::THE_MODEL);
        ui.label(page.offers.model.as_str());
        ui.label(RichText::new(words::LARGER_MODEL).small().color(theme::DIM));
        if chosen.is_some() {
            page.chosen = chosen;
        }
    });
}

fn title(ui: &mut egui::Ui, text: &str) {
    ui.label(RichText::new(text).color(theme::ACCENT));
}

fn begin(ui: &mut egui::Ui, page: &mut StartPage, chosen: &mut Option<Chosen>) {
    title(ui, words::FROM_WORDS);
    let focus = std::mem::take(&mut page.wants_focus);
    if field(ui, &mut page.caption, words::CAPTION_HINT, words::IMAGINE, focus) {
        *chosen = Some(Chosen::Open(ScriptStart::Caption(page.caption.trim().to_owned())));
    }
    ui.horizontal_wrapped(|ui| {
        for example in EXAMPLES {
            if ui.button(RichText::new(example).small()).clicked() {
                *chosen = Some(Chosen::Open(ScriptStart::Caption(example.to_owned())));
            }
        }
    });
    ui.add_space(8.0);
    title(ui, words::FROM_SCENE);
    ui.horizontal_wrapped(|ui| {
        for scene in &page.offers.scenes {
            if ui.button(name(scene)).clicked() {
                *chosen = Some(Chosen::Open(ScriptStart::Scene(scene.clone())));
            }
        }
        if page.offers.scenes.is_empty() {
            ui.label(RichText::new(words::NO_SCENES).color(theme::DIM));
        }
    });
    ui.add_space(8.0);
    title(ui, words::FROM_PICTURE);
    if field(ui, &mut page.picture, words::PICTURE_HINT, words::BEGIN, false) {
        *chosen = Some(Chosen::Open(ScriptStart::Picture(PathBuf::from(page.picture.trim()))));
    }
}

/// A line of text with a button; true when it was entered and is not empty. With `focus` it gets the cursor.
fn field(ui: &mut egui::Ui, text: &mut String, hint: &str, button: &str, focus: bool) -> bool {
    ui.horizontal(|ui| {
        let width = (ui.available_width() - 110.0).clamp(120.0, 560.0);
        let edit = TextEdit::singleline(text).hint_text(hint).char_limit(MAX_CHARS).desired_width(width);
        let response = ui.add(edit.margin(vec2(10.0, 6.0)));
        if focus {
            response.request_focus();
        }
        let enter = response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter));
        let ready = !text.trim().is_empty();
        (ui.add_enabled(ready, egui::Button::new(button)).clicked() || enter) && ready
    })
    .inner
}

fn go_on(ui: &mut egui::Ui, page: &StartPage, chosen: &mut Option<Chosen>) {
    title(ui, words::GO_ON);
    if page.recent.is_empty() {
        let text = if page.looks() { words::LOOKING } else { words::NO_WALKS };
        ui.label(RichText::new(text).color(theme::DIM));
        return;
    }
    let now = SystemTime::now();
    ui.horizontal_wrapped(|ui| {
        for (walk, picture) in &page.recent {
            ui.vertical(|ui| {
                ui.set_width(THUMBNAIL);
                let (rect, _) = ui.allocate_exact_size(vec2(THUMBNAIL, THUMBNAIL), Sense::hover());
                picture.draw(ui.painter(), rect, Color32::WHITE);
                ui.add(egui::Label::new(RichText::new(&walk.title).small()).truncate()).on_hover_text(&walk.title);
                let age = ago(now.duration_since(walk.written).unwrap_or_default());
                ui.label(RichText::new(words::walked(walk.steps, &age)).small().color(theme::DIM));
                ui.horizontal(|ui| {
                    let go =
                        ui.add_enabled(walk.world.is_some(), egui::Button::new(RichText::new(words::GO_ON).small()));
                    if let Some(world) = walk.world.as_ref().filter(|_| go.clicked()) {
                        *chosen = Some(Chosen::Open(ScriptStart::World(world.clone())));
                    }
                    if ui.button(RichText::new(words::REVIEW).small()).clicked() {
                        *chosen = Some(Chosen::Review(walk.replay.clone()));
                    }
                });
            });
        }
    });
}

fn tasks(ui: &mut egui::Ui, page: &StartPage, chosen: &mut Option<Chosen>) {
    if page.offers.tasks.is_empty() {
        return;
    }
    title(ui, words::WATCH_TASK);
    ui.horizontal_wrapped(|ui| {
        for task in &page.offers.tasks {
            if ui.button(RichText::new(name(task)).small()).clicked() {
                *chosen = Some(Chosen::Plan(task.clone()));
            }
        }
    });
}

/// A file's name as words.
fn name(file: &Path) -> String {
    file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().replace('_', " "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn dropped_files_are_told_apart_by_their_names() {
        let of = |name: &str| Chosen::of_file(Path::new(name));
        assert_eq!(of("a/room.ron"), Some(Chosen::Open(ScriptStart::Scene("a/room.ron".into()))));
        assert_eq!(of("b.WORLD"), Some(Chosen::Open(ScriptStart::World("b.WORLD".into()))));
        assert_eq!(of("c.jpeg"), Some(Chosen::Open(ScriptStart::Picture("c.jpeg".into()))));
        assert_eq!(of("d.mcap"), Some(Chosen::Review("d.mcap".into())));
        assert_eq!((of("e.txt"), of("none")), (None, None));
        assert_eq!(name(Path::new("scenes/tasks/put_on_shelf.ron")), "put on shelf");
    }
}
