//! Every action of a walk through the devices and the same plugins, on a puppet's walk, without a window.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use bevy::app::AppExit;
use bevy::input::InputPlugin;
use bevy::prelude::*;
use crossbeam::channel::{Receiver, Sender, bounded};
use rhea_session::ScriptStart;
use rhea_window::actions::{Action, ActionId, Context, Effect, action};
use rhea_window::preferences::Preferences;
use rhea_window::{ExportPage, HelpPage, InputSystems, Palette, SettingsPage};

use crate::faked::{By, Faked};
use crate::puppet::{Go, PATIENCE, PuppetOpener};
use crate::window::{Desk, desk_actions};
use crate::{ModelPlugin, OrderPlugin, SessionThread, StartPage, StartPagePlugin, Walk};

/// A walk after its first step.
struct Stage {
    faked: Faked,
    pad: Entity,
    announced: Receiver<String>,
    go: Sender<Go>,
    _thread: SessionThread,
}

impl Stage {
    fn new() -> Self {
        let (announced_out, announced) = bounded(64);
        let (go, go_in) = bounded(64);
        let opener = PuppetOpener { announced: announced_out, go: go_in };
        let start = ScriptStart::Caption("a test".into());
        let (thread, link) = SessionThread::start(Box::new(opener), Some(start)).unwrap();
        let mut app = App::new();
        app.add_plugins((MinimalPlugins, InputPlugin, ModelPlugin, OrderPlugin, StartPagePlugin))
            .insert_resource(link)
            .init_resource::<Desk>()
            .add_systems(Update, desk_actions.after(InputSystems::Read));
        let mut faked = Faked { app, context: Context::Explore };
        let pad = faked.pad();
        let mut stage = Self { faked, pad, announced, go, _thread: thread };
        stage.until(|walk| walk.seen.is_some() && walk.running.is_none());
        stage.faked.tap(KeyCode::KeyW, false);
        assert_eq!(stage.next_command(), "go forward 0.5 m");
        stage.go.send(Go::Draw).unwrap();
        stage.go.send(Go::Tell).unwrap();
        stage.until(|walk| walk.step() == 1 && walk.running.is_none());
        stage.faked.app.world_mut().resource_mut::<Walk>().banner = None;
        stage
    }

    fn until(&mut self, reached: impl Fn(&Walk) -> bool) {
        let began = Instant::now();
        while !reached(self.faked.app.world().resource::<Walk>()) {
            assert!(began.elapsed() < PATIENCE, "waited in vain");
            std::thread::sleep(Duration::from_millis(1));
            self.faked.app.update();
        }
    }

    fn next_command(&self) -> String {
        self.announced.recv_timeout(PATIENCE).unwrap()
    }

    /// Everything that an action can change, but for commands.
    fn state(&self) -> String {
        let world = self.faked.app.world();
        let walk = world.resource::<Walk>();
        let pages = (
            world.resource::<HelpPage>().0,
            world.resource::<SettingsPage>().is_open(),
            world.resource::<Palette>().is_open(),
            world.resource::<ExportPage>().is_open(),
            world.resource::<StartPage>().is_shown(walk),
            world.resource::<Preferences>().smooth,
            world.resource::<Messages<AppExit>>().len(),
        );
        let (paused, roaming) = (walk.paused, walk.roaming);
        format!("paused {paused}; roaming {roaming}; {} {pages:?}", world.resource::<Desk>().told())
    }
}

/// The command that an action sends, for those that send one.
fn command(row: &Action) -> Option<&'static str> {
    match (row.id, row.effect) {
        (_, Effect::Step { command, .. }) => Some(command),
        (ActionId::Undo, _) => Some("undo"),
        (ActionId::Bookmark, _) => Some("pin"),
        (ActionId::RoamStep, _) => Some("explore 1 step"),
        _ => None,
    }
}

#[test]
fn every_action_does_what_it_says_by_each_of_its_controls() {
    let mut asked = 0;
    // Stop has a test of its own; pictures of a window need one.
    for row in Context::Explore.actions().filter(|row| !matches!(row.id, ActionId::Stop | ActionId::Screenshot)) {
        for by in Faked::ways(row, Entity::PLACEHOLDER) {
            let mut stage = Stage::new();
            let by = if let By::Button(_, button) = by { By::Button(stage.pad, button) } else { by };
            let before = stage.state();
            stage.faked.ask(row, by);
            if let Some(command) = command(row) {
                assert_eq!(stage.next_command(), command, "{}", row.label);
            } else if row.id == ActionId::Branch {
                // A puppet's walk has no memory to branch from, and says so of the right step.
                stage.until(|walk| walk.banner.as_ref().is_some_and(|b| b.message.what.contains("branch at step 1")));
            } else {
                let after = stage.state();
                let done = match row.id {
                    ActionId::Pause => after.contains("paused true"),
                    ActionId::Roam => after.contains("roaming true"),
                    ActionId::Map => after.contains("map false"),
                    ActionId::Origins => after.contains("origins true"),
                    ActionId::Text => after.contains(r#"text ("", true)"#),
                    ActionId::GoTo => after.contains(r#"text ("go to the ", true)"#),
                    _ => before != after,
                };
                assert!(done, "{}: {before} -> {after}", row.label);
            }
            asked += 1;
        }
    }
    assert!(asked > 60, "{asked}");
}

#[test]
fn stop_ends_what_runs_by_each_of_its_controls() {
    for by in 0..3 {
        let mut stage = Stage::new();
        let by = Faked::ways(action(ActionId::Stop), stage.pad)[by];
        stage.faked.tap(KeyCode::KeyE, false);
        assert_eq!(stage.next_command(), "turn right 15 degrees");
        stage.until(|walk| walk.running.is_some());
        stage.faked.ask(action(ActionId::Stop), by);
        stage.until(|walk| walk.running.is_none());
        assert_eq!(stage.faked.app.world().resource::<Walk>().step(), 1, "nothing was drawn");
    }
}
