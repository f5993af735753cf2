//! Every action of the window through the devices and the same plugins, on a recorded walk, without a window.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bevy::app::AppExit;
use bevy::input::InputPlugin;
use bevy::prelude::*;
use rhea_session::replay::ReplayReader;
use rhea_session::review::Labels;
use rhea_window::actions::{ActionId, Context};
use rhea_window::preferences::Preferences;
use rhea_window::{ExportPage, HelpPage, Palette, SettingsPage, add_film};

use crate::faked::Faked;
use crate::window::{Review, Reviewed};

struct Stage {
    faked: Faked,
    pad: Entity,
    branched: Arc<AtomicUsize>,
}

impl Stage {
    fn new() -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../replays/room-v2.mcap");
        let replay = ReplayReader::open(&file).unwrap();
        let (labels, branched) = (Labels::none_of(&replay), Arc::new(AtomicUsize::new(usize::MAX)));
        let at = Arc::clone(&branched);
        let branch = Arc::new(move |record| {
            at.store(record, Ordering::SeqCst);
            Ok(PathBuf::from("a.world"))
        });
        let mut review = Review::new(Reviewed { replay, labels, beside: None, branch }).unwrap();
        review.go_to_the_middle("turn");
        let mut app = App::new();
        app.add_plugins((MinimalPlugins, InputPlugin));
        add_film(&mut app, Context::Review, review);
        let mut faked = Faked { app, context: Context::Review };
        let pad = faked.pad();
        faked.app.update();
        faked.app.world_mut().resource_mut::<Review>().silence();
        Self { faked, pad, branched }
    }

    /// Everything that an action of this window can change.
    fn state(&self) -> String {
        let world = self.faked.app.world();
        let review = world.resource::<Review>().told();
        let pages = (
            world.resource::<HelpPage>().0,
            world.resource::<SettingsPage>().is_open(),
            world.resource::<Palette>().is_open(),
            world.resource::<ExportPage>().is_open(),
            world.resource::<Preferences>().smooth,
            world.resource::<Messages<AppExit>>().len(),
        );
        format!("{review} {pages:?}")
    }
}

/// What the action has to do from the middle of a recording that is at rest.
fn done(id: ActionId, before: &str, after: &str) -> bool {
    let part = |state: &str, name: &str| {
        let rest = state.split_once(&format!("{name} ")).unwrap().1;
        rest.split(';').next().unwrap().to_owned()
    };
    let at = |state: &str| part(state, "at").parse::<isize>().unwrap();
    let (last, moved) = (part(before, "last").parse::<isize>().unwrap(), at(after) - at(before));
    match id {
        ActionId::Next => moved == 1,
        ActionId::Previous => moved == -1,
        ActionId::FarOn => moved == 10.min(last - at(before)),
        ActionId::FarBack => moved == -(10.min(at(before))),
        ActionId::First => at(after) == 0,
        ActionId::Last => at(after) == last,
        ActionId::Play => part(after, "plays") == "true",
        ActionId::Faster => part(after, "speed").parse::<f64>().unwrap() > 1.0,
        ActionId::Slower => part(after, "speed").parse::<f64>().unwrap() < 1.0,
        ActionId::LoopFrom => part(after, "range") == format!("({}, {last})", at(before)),
        ActionId::LoopTo => part(after, "range") == format!("(0, {})", at(before)),
        ActionId::Accept => part(after, "label") == "Some(Accept)",
        ActionId::Reject => part(after, "label") == "Some(Reject)",
        ActionId::Search => part(after, "search") == "true",
        _ => before != after,
    }
}

#[test]
fn every_action_does_what_it_says_by_each_of_its_controls() {
    let mut asked = 0;
    // Stop has a test of its own; pictures of a window need one.
    for row in Context::Review.actions().filter(|row| !matches!(row.id, ActionId::Stop | ActionId::Screenshot)) {
        for by in Faked::ways(row, Stage::new().pad) {
            let mut stage = Stage::new();
            let before = stage.state();
            stage.faked.ask(row, by);
            let after = stage.state();
            assert!(done(row.id, &before, &after), "{}: {before} -> {after}", row.label);
            if row.id == ActionId::Branch {
                let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
                while stage.branched.load(Ordering::SeqCst) == usize::MAX && std::time::Instant::now() < until {
                    std::thread::yield_now();
                }
                assert!(before.contains(&format!("at {};", stage.branched.load(Ordering::SeqCst))), "{before}");
            }
            asked += 1;
        }
    }
    assert!(asked > 50, "{asked}");
}

#[test]
fn stop_and_a_pad_that_goes_end_playing() {
    let Stage { mut faked, pad, .. } = Stage::new();
    faked.ends_playing::<Review>(pad);
    let told = faked.app.world().resource::<Review>().told();
    assert!(told.contains("in use is gone") && told.contains("Space goes on"), "{told}");
}
