//! Every action of the window through the devices and the same plugins, on a film, without a window.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use bevy::app::AppExit;
use bevy::input::InputPlugin;
use bevy::prelude::*;
use crossbeam::channel::bounded;
use rhea_physics::checks::{Check, Code};
use rhea_physics::film::Still;
use rhea_physics::scene::file::load_scene;
use rhea_physics::view::scene_camera;
use rhea_physics::world::World;
use rhea_physics::world::stage::{RobotShelf, Stage as Table};
use rhea_session::replay::ReplayReader;
use rhea_session::review::Labels;
use rhea_window::actions::{ActionId, Context};
use rhea_window::{ExportPage, HelpPage, Palette, SettingsPage, add_film};

use crate::faked::Faked;
use crate::player::tests::step;
use crate::player::{End, Reel};
use crate::window::{Show, Watch, receive};

/// Steps of the film; the third and the last but one are rejected.
const STEPS: usize = 14;
const MIDDLE: usize = 6;
const REJECTED: [usize; 2] = [2, 12];

fn show() -> Show {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tasks = root.join("scenes/tasks");
    let scene = load_scene(&tasks.join("one_block.ron")).unwrap();
    let world = World::new(Table::new(scene, &tasks, &mut RobotShelf::default()).unwrap().into()).unwrap();
    let (reels, film) = bounded(STEPS + 2);
    let recording = root.join("replays/stack-v3.mcap");
    let labels = Labels::none_of(&ReplayReader::open(&recording).unwrap());
    reels.send(Reel::Recorded(recording, labels)).unwrap();
    for index in 0..STEPS {
        let value = if REJECTED.contains(&index) { 1.2 } else { 0.1 };
        let check = |code| Check::at_most(code, value, "m", 1.0);
        reels.send(Reel::Step(Box::new(step(index + 1, vec![check(Code::Reach), check(Code::Path)])))).unwrap();
    }
    let End { says, good, account } = End { says: "over".to_owned(), good: false, account: None };
    reels.send(Reel::Over { says, good, account }).unwrap();
    let (stage, first, camera) = (world.stage.clone(), Still::of(&world), scene_camera(&world));
    let desk = Some(bounded(1).0);
    Show { stage, first, camera, film, desk, screenshots: PathBuf::new() }
}

struct Stage {
    faked: Faked,
    pad: Entity,
}

impl Stage {
    fn new() -> Self {
        let mut app = App::new();
        app.add_plugins((MinimalPlugins, InputPlugin));
        add_film(&mut app, Context::Plan, Watch::new(show()).unwrap());
        app.add_systems(Update, receive);
        let mut faked = Faked { app, context: Context::Plan };
        let pad = faked.pad();
        faked.app.update();
        faked.app.world_mut().resource_mut::<Watch>().rest_at(MIDDLE);
        Self { faked, pad }
    }

    /// Everything that an action of this window can change.
    fn state(&self) -> String {
        let world = self.faked.app.world();
        let pages = (
            world.resource::<HelpPage>().0,
            world.resource::<SettingsPage>().is_open(),
            world.resource::<Palette>().is_open(),
            world.resource::<ExportPage>().is_open(),
            world.resource::<Messages<AppExit>>().len(),
        );
        format!("{} {pages:?}", world.resource::<Watch>().told())
    }
}

/// What the action has to do from the end of a step in the middle of a film that is at rest.
fn done(id: ActionId, before: &str, after: &str) -> bool {
    let shows = |step: usize| after.contains(&format!("at Some({step});"));
    match id {
        ActionId::Play => after.contains("runs true"),
        ActionId::Next => shows(MIDDLE + 1) && after.contains("runs true"),
        ActionId::Previous => shows(MIDDLE - 1) || shows(MIDDLE) && after.contains("share 0;"),
        ActionId::SkipOn => shows(MIDDLE + 1),
        ActionId::SkipBack => shows(MIDDLE - 1),
        ActionId::FarOn => shows(MIDDLE + 5),
        ActionId::FarBack => shows(MIDDLE - 5),
        ActionId::First => after.contains("at None; share 0;"),
        ActionId::Last => shows(STEPS - 1),
        ActionId::Faster => after.contains("speed 2;"),
        ActionId::Slower => after.contains("speed 0.5;"),
        ActionId::LastFailed => shows(REJECTED[0]),
        ActionId::NextFailed => shows(REJECTED[1]),
        ActionId::MoveThings => after.contains("moves true"),
        ActionId::Edit => after.contains("edit true"),
        ActionId::Camera => before.contains("home false") && after.contains("home true"),
        ActionId::Accept => after.contains("label Some(Accept)"),
        ActionId::Reject => after.contains("label Some(Reject)"),
        _ => before != after,
    }
}

#[test]
fn every_action_does_what_it_says_by_each_of_its_controls() {
    let mut asked = 0;
    // Stop has a test of its own; pictures of a window need one.
    for row in Context::Plan.actions().filter(|row| !matches!(row.id, ActionId::Stop | ActionId::Screenshot)) {
        for by in Faked::ways(row, Stage::new().pad) {
            let mut stage = Stage::new();
            let before = stage.state();
            stage.faked.ask(row, by);
            let after = stage.state();
            assert!(done(row.id, &before, &after), "{}: {before} -> {after}", row.label);
            asked += 1;
        }
    }
    assert!(asked > 50, "{asked}");
}

#[test]
fn stop_and_a_pad_that_goes_end_playing() {
    let Stage { mut faked, pad, .. } = Stage::new();
    faked.ends_playing::<Watch>(pad);
    let told = faked.app.world().resource::<Watch>().told();
    assert!(told.contains("in use is gone") && told.contains("Space goes on"), "{told}");
}
