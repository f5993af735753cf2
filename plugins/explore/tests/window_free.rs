//! The input plugins without a window: faked devices in, commands and screen state out.
#![allow(clippy::unwrap_used, reason = "tests")]

mod puppet;

use std::time::{Duration, Instant};

use bevy::input::ButtonState;
use bevy::input::InputPlugin;
use bevy::input::gamepad::{
    GamepadAxis, GamepadConnection, GamepadConnectionEvent, RawGamepadAxisChangedEvent, RawGamepadEvent,
};
use bevy::input::keyboard::{Key, KeyboardInput};
use bevy::prelude::*;
use bevy::window::FileDragAndDrop;
use crossbeam::channel::{Receiver, Sender, bounded};
use puppet::{Go, PATIENCE, PuppetOpener};
use rhea_explore::{
    Chosen, MOVE_QUEUE, ModelPlugin, OrderPlugin, SessionLink, SessionThread, StartPage, StartPagePlugin, Walk, Weight,
};
use rhea_session::ScriptStart;
use rhea_window::{Held, Typing};

/// An app without a window on a puppet's walk.
struct Stage {
    app: App,
    announced: Receiver<String>,
    go: Sender<Go>,
    thread: Option<SessionThread>,
}

impl Stage {
    fn new() -> Self {
        let mut stage = Self::begun_with(Some(ScriptStart::Caption("a test".into())));
        stage.until("the world is open", |walk| walk.narration == "the beginning" && walk.running.is_none());
        stage
    }

    fn begun_with(start: Option<ScriptStart>) -> Self {
        let (announced_out, announced) = bounded(64);
        let (go, go_in) = bounded(64);
        let opener = PuppetOpener { announced: announced_out, go: go_in };
        let (thread, link) = SessionThread::start(Box::new(opener), start).unwrap();
        let mut app = App::new();
        app.add_plugins((MinimalPlugins, InputPlugin, ModelPlugin, OrderPlugin, StartPagePlugin)).insert_resource(link);
        Self { app, announced, go, thread: Some(thread) }
    }

    fn update(&mut self) {
        self.app.update();
    }

    fn walk(&self) -> &Walk {
        self.app.world().resource::<Walk>()
    }

    fn link(&self) -> &SessionLink {
        self.app.world().resource::<SessionLink>()
    }

    fn until(&mut self, what: &str, reached: impl Fn(&Walk) -> bool) {
        let began = Instant::now();
        while !reached(self.walk()) {
            assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
            std::thread::sleep(Duration::from_millis(1));
            self.update();
        }
    }

    fn key(&mut self, key_code: KeyCode, state: ButtonState) {
        let window = Entity::PLACEHOLDER;
        let logical_key = Key::Unidentified(bevy::input::keyboard::NativeKey::Unidentified);
        self.app.world_mut().write_message(KeyboardInput {
            key_code,
            logical_key,
            state,
            text: None,
            repeat: false,
            window,
        });
        self.update();
    }

    fn tap(&mut self, key_code: KeyCode) {
        self.key(key_code, ButtonState::Pressed);
        self.key(key_code, ButtonState::Released);
    }

    fn next_command(&self) -> String {
        self.announced.recv_timeout(PATIENCE).unwrap()
    }

    fn silent(&self) -> bool {
        self.announced.recv_timeout(Duration::from_millis(40)).is_err()
    }

    fn connect_pad(&mut self) -> Entity {
        let pad = self.app.world_mut().spawn_empty().id();
        let connection = GamepadConnection::Connected { name: "test pad".into(), vendor_id: None, product_id: None };
        self.app.world_mut().write_message(GamepadConnectionEvent::new(pad, connection));
        self.update();
        pad
    }

    fn stick(&mut self, pad: Entity, axis: GamepadAxis, value: f32) {
        let raw = RawGamepadEvent::from(RawGamepadAxisChangedEvent::new(pad, axis, value));
        self.app.world_mut().write_message(raw);
        self.update();
    }
}

#[test]
fn a_key_press_becomes_a_command_and_its_view_is_shown() {
    let mut stage = Stage::new();
    stage.tap(KeyCode::KeyW);
    assert_eq!(stage.next_command(), "go forward 0.5 m");
    stage.go.send(Go::Draw).unwrap();
    stage.go.send(Go::Tell).unwrap();
    stage.until("the step is done", |walk| walk.narration == "half of it and the rest");
    let walk = stage.walk();
    assert_eq!((walk.step(), walk.trail.len()), (1, 2));
    assert!(walk.last_view_ms > 0.0);
}

#[test]
fn without_a_world_the_start_page_is_there_and_what_it_offers_is_done() {
    let mut stage = Stage::begun_with(None);
    stage.update();
    let shown = |stage: &Stage| stage.app.world().resource::<StartPage>().is_shown(stage.walk());
    assert!(shown(&stage));
    stage.tap(KeyCode::Escape);
    assert!(shown(&stage), "there is nothing to go back to");
    let choose = |stage: &mut Stage, what| {
        stage.app.world_mut().resource_mut::<StartPage>().choose(what);
        stage.update();
    };
    // What cannot be opened leaves the page there, with a word about it.
    choose(&mut stage, Chosen::Open(ScriptStart::Picture("no picture".into())));
    stage.until("it is refused", |walk| walk.banner.is_some() && walk.running.is_none());
    assert!(shown(&stage) && stage.walk().banner.as_ref().unwrap().message.what == "no such world");
    choose(&mut stage, Chosen::Open(ScriptStart::Caption("mine".into())));
    stage.until("the world is open", |walk| walk.narration == "the beginning" && walk.running.is_none());
    assert!(!shown(&stage) && stage.walk().world == "mine");

    stage.tap(KeyCode::F3);
    assert!(shown(&stage));
    stage.tap(KeyCode::Escape);
    assert!(!shown(&stage));
    // A world that cannot be opened leaves the walk that is open.
    choose(&mut stage, Chosen::Open(ScriptStart::Picture("no picture".into())));
    stage.until("it is refused", |walk| walk.banner.is_some() && walk.running.is_none());
    stage.tap(KeyCode::KeyW);
    assert_eq!(stage.next_command(), "go forward 0.5 m");
    stage.tap(KeyCode::Escape);
    stage.until("the step is stopped", |walk| walk.running.is_none());

    let window = Entity::PLACEHOLDER;
    let mut told = |file: &str| {
        stage.app.world_mut().write_message(FileDragAndDrop::DroppedFile { window, path_buf: file.into() });
        stage.update();
        stage.update();
        stage.walk().banner.as_ref().unwrap().message.what.clone()
    };
    assert_eq!(told("song.mp3"), "song.mp3 is nothing to begin with.");
    // This page knows of no program.
    assert!(told("walk.mcap").contains("could not be started"));
}

#[test]
fn a_walk_that_cannot_branch_says_so_and_goes_on() {
    let mut stage = Stage::new();
    stage.link().branch(3).unwrap();
    stage.until("it is refused", |walk| walk.banner.is_some());
    assert_eq!(stage.walk().banner.as_ref().unwrap().message.what, "This walk cannot branch at step 3.");
    stage.tap(KeyCode::KeyW);
    assert_eq!(stage.next_command(), "go forward 0.5 m");
}

#[test]
fn letters_are_text_while_somebody_types() {
    let mut stage = Stage::new();
    stage.app.world_mut().resource_mut::<Typing>().0 = true;
    stage.tap(KeyCode::KeyW);
    assert!(stage.silent());
    // The key that ends the typing is still down afterwards; it must not count as pressed.
    stage.key(KeyCode::KeyX, ButtonState::Pressed);
    stage.app.world_mut().resource_mut::<Typing>().0 = false;
    stage.update();
    assert!(stage.silent());
    stage.tap(KeyCode::KeyA);
    assert_eq!(stage.next_command(), "step left 0.25 m");
}

#[test]
fn a_stick_past_its_dead_zone_becomes_a_command_and_a_small_push_does_not() {
    let mut stage = Stage::new();
    let pad = stage.connect_pad();
    assert!(stage.walk().banner.as_ref().unwrap().message.what.contains("test pad"));
    stage.stick(pad, GamepadAxis::LeftStickY, 0.3);
    assert!(stage.silent());
    stage.stick(pad, GamepadAxis::LeftStickY, 0.9);
    assert_eq!(stage.next_command(), "go forward 0.5 m");
    stage.stick(pad, GamepadAxis::LeftStickY, 0.45);
    assert!(stage.app.world().resource::<Held>().any(), "between press and release it keeps its state");
    stage.stick(pad, GamepadAxis::LeftStickY, 0.0);
    assert!(!stage.app.world().resource::<Held>().any());
}

#[test]
fn an_unplugged_pad_holds_nothing_and_says_so() {
    let mut stage = Stage::new();
    let pad = stage.connect_pad();
    stage.stick(pad, GamepadAxis::RightStickX, -1.0);
    assert_eq!(stage.next_command(), "turn left 15 degrees");
    assert!(stage.app.world().resource::<Held>().any());
    stage.app.world_mut().write_message(GamepadConnectionEvent::new(pad, GamepadConnection::Disconnected));
    stage.update();
    stage.update();
    assert!(!stage.app.world().resource::<Held>().any());
    assert!(stage.walk().banner.as_ref().unwrap().message.what.contains("gone"));
}

#[test]
fn at_most_four_moves_wait_and_the_rest_is_counted() {
    let mut stage = Stage::new();
    stage.tap(KeyCode::KeyQ);
    assert_eq!(stage.next_command(), "turn left 15 degrees");
    for _ in 0..MOVE_QUEUE + 3 {
        stage.tap(KeyCode::KeyE);
    }
    assert_eq!(stage.link().waiting(), MOVE_QUEUE);
    assert_eq!(stage.walk().refused, 3);
    stage.tap(KeyCode::Escape);
    assert_eq!(stage.link().waiting(), 0);
    stage.until("the running step is dropped", |walk| walk.running.is_none());
    assert!(stage.silent(), "stop clears the queue");
    assert_eq!(stage.walk().step(), 0, "a stopped step changes nothing");
}

#[test]
fn of_a_thousand_commands_at_once_four_wait_the_rest_is_counted_and_nothing_lags_behind() {
    let mut stage = Stage::new();
    stage.tap(KeyCode::KeyQ);
    stage.next_command();
    let taken = (0..1000).filter(|_| stage.link().submit("go forward 0.5 m".to_owned()).is_ok()).count();
    assert_eq!((taken, stage.link().waiting()), (MOVE_QUEUE, MOVE_QUEUE));
    for _ in 0..1000 {
        stage.tap(KeyCode::KeyE);
    }
    assert_eq!((stage.walk().refused, stage.link().waiting()), (1000, MOVE_QUEUE));
    for _ in 0..2 * (MOVE_QUEUE + 1) {
        stage.go.send(Go::Draw).unwrap();
    }
    stage.until("all that waited is done", |walk| walk.step() == 1 + MOVE_QUEUE as u64 && walk.running.is_none());
    while stage.announced.try_recv().is_ok() {}
    stage.tap(KeyCode::KeyA);
    assert_eq!(stage.next_command(), "step left 0.25 m", "the next key is the next command");
}

#[test]
fn a_held_key_repeats_only_after_its_view_is_shown() {
    let mut stage = Stage::new();
    stage.key(KeyCode::KeyW, ButtonState::Pressed);
    assert_eq!(stage.next_command(), "go forward 0.5 m");
    // Longer than the delay before repeating: nothing may queue up behind a view that is being drawn.
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(400) {
        stage.update();
    }
    assert_eq!(stage.link().waiting(), 0);
    stage.go.send(Go::Draw).unwrap();
    stage.until("the view is shown", |walk| walk.step() == 1);
    stage.update();
    assert_eq!(stage.next_command(), "go forward 0.5 m", "the narration was cut for the next step");
    stage.key(KeyCode::KeyW, ButtonState::Released);
    stage.go.send(Go::Draw).unwrap();
    stage.until("the second view is shown", |walk| walk.step() == 2);
    assert!(stage.silent());
}

#[test]
fn a_new_move_cuts_the_narration_but_keeps_the_view() {
    let mut stage = Stage::new();
    stage.tap(KeyCode::KeyX);
    assert_eq!(stage.next_command(), "turn around");
    stage.go.send(Go::Draw).unwrap();
    stage.until("it is being told", |walk| walk.talking && walk.step() == 1);
    stage.tap(KeyCode::KeyS);
    assert_eq!(stage.next_command(), "go back 0.5 m");
    assert_eq!(stage.walk().step(), 1);
    stage.tap(KeyCode::Escape);
    stage.until("all is quiet", |walk| walk.running.is_none());
    assert_eq!((stage.walk().step(), stage.walk().trail.len()), (1, 2));
}

#[test]
fn undo_drops_the_view_being_drawn_or_takes_the_last_one_back() {
    let mut stage = Stage::new();
    stage.tap(KeyCode::KeyW);
    stage.next_command();
    stage.go.send(Go::Draw).unwrap();
    stage.go.send(Go::Tell).unwrap();
    stage.until("one step is done", |walk| walk.step() == 1 && walk.running.is_none());
    stage.tap(KeyCode::KeyW);
    stage.next_command();
    stage.tap(KeyCode::Backspace);
    stage.until("the second step is dropped", |walk| walk.running.is_none());
    assert_eq!(stage.walk().step(), 1);
    stage.tap(KeyCode::KeyZ);
    assert_eq!(stage.next_command(), "undo");
    stage.until("the first step is undone", |walk| walk.step() == 0);
    assert_eq!((stage.walk().trail.len(), stage.walk().narration.as_str()), (1, "the beginning"));
}

#[test]
fn a_walker_by_himself_goes_step_by_step_until_somebody_moves() {
    let mut stage = Stage::new();
    stage.tap(KeyCode::KeyG);
    for step in 1..=2 {
        stage.update();
        assert_eq!(stage.next_command(), "explore 1 step");
        stage.go.send(Go::Draw).unwrap();
        stage.until("it is being told", |walk| walk.talking && walk.step() == step);
        assert!(stage.silent(), "the next step waits until this one is told");
        stage.go.send(Go::Tell).unwrap();
        // The next one may run already.
        stage.until("the step is told", |walk| !walk.talking);
    }
    stage.update();
    assert_eq!(stage.next_command(), "explore 1 step");
    stage.tap(KeyCode::KeyA);
    assert!(!stage.walk().roaming);
    stage.go.send(Go::Draw).unwrap();
    assert_eq!(stage.next_command(), "step left 0.25 m", "a move cuts the narration and ends the exploring");
    stage.tap(KeyCode::Escape);
    stage.until("all is quiet", |walk| walk.running.is_none());
    assert!(stage.silent());
}

#[test]
fn pause_holds_waiting_moves_until_it_is_lifted() {
    let mut stage = Stage::new();
    stage.tap(KeyCode::KeyP);
    assert!(stage.walk().paused);
    std::thread::sleep(Duration::from_millis(20));
    stage.tap(KeyCode::KeyW);
    assert!(stage.silent());
    assert_eq!(stage.link().waiting(), 1);
    stage.tap(KeyCode::Space);
    assert_eq!(stage.next_command(), "go forward 0.5 m");
}

#[test]
fn a_panic_becomes_a_banner_and_a_new_world_can_begin() {
    let mut stage = Stage::new();
    stage.tap(KeyCode::KeyW);
    stage.next_command();
    stage.go.send(Go::Panic).unwrap();
    stage.until("the banner is up", |walk| walk.banner.as_ref().is_some_and(|banner| banner.weight == Weight::Error));
    let banner = stage.walk().banner.clone().unwrap();
    assert!(banner.message.what.contains("the puppet fell"), "{}", banner.message.what);
    assert!(!banner.message.hint.is_empty());
    stage.link().open(ScriptStart::Caption("another".into())).unwrap();
    stage.until("another world is open", |walk| walk.world == "another" && walk.running.is_none());
    stage.tap(KeyCode::KeyW);
    assert_eq!(stage.next_command(), "go forward 0.5 m");
}

#[test]
fn an_error_leaves_the_walk_where_it_was() {
    let mut stage = Stage::new();
    stage.tap(KeyCode::KeyW);
    stage.next_command();
    stage.go.send(Go::Refuse).unwrap();
    stage.until("the banner is up", |walk| walk.banner.is_some() && walk.running.is_none());
    assert_eq!(stage.walk().step(), 0);
    stage.tap(KeyCode::KeyW);
    assert_eq!(stage.next_command(), "go forward 0.5 m");
}

#[test]
fn closing_ends_the_thread_and_tells_what_was_recorded() {
    let mut stage = Stage::new();
    stage.tap(KeyCode::KeyW);
    stage.next_command();
    stage.go.send(Go::Draw).unwrap();
    stage.until("the view is there", |walk| walk.step() == 1);
    let thread = stage.thread.take().unwrap();
    drop(stage);
    let summary = thread.finish(PATIENCE).unwrap();
    assert_eq!(summary.steps, 1);
    assert_eq!(summary.replays, [std::path::PathBuf::from("after 1 steps")]);
    assert!(summary.problems.is_empty());
}
