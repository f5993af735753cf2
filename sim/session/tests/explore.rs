//! Whole sessions with a stand-in model: every command, every way to fail, and what the replay says afterwards.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Disk, Fault, PAINTED_M, Painter, SIDE_PX, colour, read, repository};
use rhea_picture::Picture;
use rhea_scene::{Camera, Move, Renderer, Scene, Threads};
use rhea_session::replay::RecordKind;
use rhea_session::{
    Command, ExploreSession, FixedClock, Options, SessionError, SessionEvent, Setup, Start, StepControl, StepReport,
    Verdict,
};

fn room() -> Scene {
    Scene::from_ron(&std::fs::read_to_string(repository("scenes/worlds/room.ron")).unwrap()).unwrap()
}

fn in_the_room() -> Start {
    Start::Scene { scene: room(), pose: None }
}

fn setup(disk: &Disk) -> Setup {
    Setup {
        options: Options { seed: 100, ..Options::default() },
        storage: Some(Box::new(disk.clone())),
        clock: Box::new(FixedClock { next_secs: 1_700_000_000.0, tick_secs: 0.125 }),
    }
}

/// A session, its model, its disk and everything it told.
struct Walk {
    session: ExploreSession,
    model: Painter,
    disk: Disk,
    events: Vec<SessionEvent>,
}

impl Walk {
    fn from(start: &Start, disk: Disk, mut model: Painter) -> Self {
        let mut events = Vec::new();
        let control = StepControl::default();
        let (session, _) =
            ExploreSession::start(start, setup(&disk), &mut model, &control, &mut |event| events.push(event)).unwrap();
        Self { session, model, disk, events }
    }

    fn caption() -> Self {
        Self::from(&Start::Caption("a teal hall".to_owned()), Disk::default(), Painter::default())
    }

    fn go(&mut self, text: &str) -> Result<StepReport, SessionError> {
        self.with(text, &StepControl::default())
    }

    fn with(&mut self, text: &str, control: &StepControl) -> Result<StepReport, SessionError> {
        let events = &mut self.events;
        self.session.step(Command::Text(text.to_owned()), &mut self.model, control, &mut |event| events.push(event))
    }

    fn rgb(&self) -> Vec<u8> {
        self.session.view().unwrap().rgb.clone()
    }

    fn warnings(&self) -> Vec<&str> {
        self.events
            .iter()
            .filter_map(|event| if let SessionEvent::Warning(text) = event { Some(text.as_str()) } else { None })
            .collect()
    }
}

#[test]
fn sixty_steps_are_in_the_replay_as_they_were_acknowledged() {
    let mut walk = Walk::from(&in_the_room(), Disk::default(), Painter::default());
    let mut reports = Vec::new();
    for step in 0..60 {
        let text = ["turn left 15 degrees", "go forward 0.2 m", "step right 0.1 m", "look up 5 degrees"][step % 4];
        reports.push(walk.go(text).unwrap());
        // On the disk before the step returns.
        assert_eq!(read(&walk.disk.bytes()).unwrap().steps.len(), step + 2);
    }
    walk.session.finish().unwrap();
    let replay = read(&walk.disk.bytes()).unwrap();
    assert_eq!(replay.torn, None);
    assert_eq!((replay.header.seed, replay.header.model.as_str()), (100, "painter"));
    assert_eq!(replay.header.world, format!("{}.", room().caption()));
    assert_eq!(replay.steps.len(), 61);
    for (index, view) in walk.session.memory().views().iter().enumerate() {
        let step = &replay.steps[index];
        assert_eq!(step.pose, view.pose, "record {index}");
        assert_eq!(replay.view(index).unwrap().rgb, view.rgbd.rgb, "record {index}");
        assert_eq!(replay.codes(index).unwrap().codes, view.codes);
        assert_eq!(step.narration.as_ref().unwrap().text, view.narration);
        assert_eq!(step.recall.as_ref().unwrap().lineage, view.lineage);
        if let Some(report) = index.checked_sub(1).map(|i| &reports[i]) {
            assert!(report.recorded);
            assert_eq!(report.step, index as u64);
            assert_eq!((report.pose, &report.command), (step.pose, &step.command));
            assert_eq!((&report.recall, &report.narration), (&step.recall, &step.narration));
            assert_eq!(report.timings, step.timings);
        }
    }
    let seeds: Vec<u64> = walk.model.requests.iter().map(|request| request.seed).collect();
    assert_eq!(seeds, (101..161).collect::<Vec<u64>>(), "view n is drawn with seed + n");
}

#[test]
fn two_runs_leave_the_same_states() {
    let states = || {
        let mut walk = Walk::from(&in_the_room(), Disk::default(), Painter::default());
        for text in ["go forward 0.3 m", "turn right 40 degrees", "undo", "turn around"] {
            walk.go(text).unwrap();
        }
        read(&walk.disk.bytes()).unwrap().steps.iter().map(|step| step.state.clone()).collect::<Vec<_>>()
    };
    assert_eq!(states(), states());
}

#[test]
fn a_scene_gives_its_exact_first_view_and_nothing_more() {
    let mut walk = Walk::from(&in_the_room(), Disk::default(), Painter::default());
    let mut exact = Renderer::new(&room()).render(&room().starts()[0], &Camera::square(SIDE_PX), Threads::One);
    // Depths are kept as a file holds them.
    rhea_memory::pictures::round_depth(&mut exact.rgbd);
    assert_eq!(**walk.session.view().unwrap(), exact.rgbd);
    assert!(walk.model.requests.is_empty(), "the first view is not drawn");
    walk.go("turn around").unwrap();
    assert!(walk.rgb().chunks(3).all(|pixel| pixel == colour(101)), "behind the first view all is imagined");
}

#[test]
fn coming_back_recalls_instead_of_caching() {
    let mut walk = Walk::from(&in_the_room(), Disk::default(), Painter::default());
    let first = walk.rgb();
    walk.go("turn left 20 degrees").unwrap();
    let back = walk.go("turn right 20 degrees").unwrap();
    assert_eq!(walk.model.requests.len(), 2, "the revisit is drawn like any other view");
    let recall = back.recall.unwrap();
    assert!(recall.sources.contains(&0) && recall.coverage > 0.99, "{recall:?}");
    assert_eq!(Verdict::of(recall.coverage, recall.agreement_db), Verdict::Revisited);
    let same = walk.rgb().iter().zip(&first).filter(|(a, b)| a.abs_diff(**b) <= 4).count();
    assert!(same * 100 > first.len() * 97, "{same} of {}", first.len());
}

#[test]
fn undo_takes_the_last_view_back() {
    let mut walk = Walk::caption();
    let (pose, rgb) = (walk.session.pose(), walk.rgb());
    assert!(matches!(walk.go("undo"), Err(SessionError::NothingToUndo)));
    walk.go("turn around").unwrap();
    let turned = walk.rgb();
    let report = walk.go("undo").unwrap();
    assert_eq!((report.step, report.pose), (0, pose));
    assert_eq!((walk.session.pose(), walk.rgb(), walk.session.memory().len()), (pose, rgb, 1));
    assert!(walk.events.iter().any(|event| matches!(event, SessionEvent::Undone { step: 0, .. })));
    walk.go("turn around").unwrap();
    assert_ne!(walk.rgb(), turned, "after an undo the same command draws another view");
    let replay = read(&walk.disk.bytes()).unwrap();
    let kinds: Vec<_> = replay.steps.iter().map(|step| step.kind).collect();
    assert_eq!(kinds, [RecordKind::Start, RecordKind::Step, RecordKind::Undo, RecordKind::Step]);
    assert_eq!(replay.kept(), [0, 3]);
}

#[test]
fn a_cancelled_step_changes_nothing() {
    let mut walk = Walk::caption();
    walk.go("turn left 30 degrees").unwrap();
    let (pose, rgb) = (walk.session.pose(), walk.rgb());
    let control = StepControl::default();
    control.cancel.cancel();
    assert!(matches!(walk.with("turn left 60 degrees", &control), Err(SessionError::Cancelled)));
    assert_eq!((walk.session.pose(), walk.rgb(), walk.session.memory().len()), (pose, rgb, 2));
    walk.go("turn left 60 degrees").unwrap();
    // The same walk without the cancelled step.
    let mut calm = Walk::caption();
    calm.go("turn left 30 degrees").unwrap();
    calm.go("turn left 60 degrees").unwrap();
    assert_eq!(walk.rgb(), calm.rgb());
    let replay = read(&walk.disk.bytes()).unwrap();
    assert_eq!(replay.steps[2].kind, RecordKind::Cancelled);
    assert_eq!(replay.steps[2].command, "turn left 60 degrees");
    assert_eq!(replay.kept(), [0, 1, 3]);
}

#[test]
fn a_start_can_be_cancelled() {
    let control = StepControl::default();
    control.cancel.cancel();
    let start = Start::Caption("a hall".to_owned());
    let outcome =
        ExploreSession::start(&start, setup(&Disk::default()), &mut Painter::default(), &control, &mut |_| {});
    assert!(matches!(outcome, Err(SessionError::Cancelled)));
}

#[test]
fn cutting_the_narration_keeps_the_step() {
    for by_cancel in [true, false] {
        let mut walk = Walk::caption();
        let control = StepControl::default();
        let (session, model) = (&mut walk.session, &mut walk.model);
        let report = session
            .step(Command::Move(Move::turn_deg(90.0)), model, &control, &mut |event| {
                if matches!(&event, SessionEvent::NarrationText(text) if text.starts_with("You see paint")) {
                    if by_cancel { control.cancel.cancel() } else { control.hush.cancel() }
                }
            })
            .unwrap();
        let narration = report.narration.unwrap();
        assert!(narration.cut, "{narration:?}");
        assert!(narration.text.starts_with("You see paint number"), "{narration:?}");
        assert_eq!(walk.session.step_number(), 1);
        let replay = read(&walk.disk.bytes()).unwrap();
        assert_eq!(replay.steps[1].narration, Some(narration));
    }
}

#[test]
fn narration_is_streamed_or_switched_off() {
    let mut walk = Walk::caption();
    let report = walk.go("turn left").unwrap();
    let pieces: String = walk
        .events
        .iter()
        .skip_while(|event| !matches!(event, SessionEvent::StepStarted { step: 1, .. }))
        .filter_map(|event| if let SessionEvent::NarrationText(text) = event { Some(text.as_str()) } else { None })
        .collect();
    assert_eq!(pieces, report.narration.unwrap().text);
    let told = walk.model.told.len();
    assert_eq!(walk.model.told[1].prompt, "turn left 15 degrees");
    assert_eq!(walk.model.told[1].world, "a teal hall.");
    walk.session.set_narrate(false);
    assert_eq!(walk.go("turn left").unwrap().narration, None);
    assert_eq!(walk.model.told.len(), told);
}

#[test]
fn a_failing_model_changes_nothing() {
    for wrong_size in [false, true] {
        let at = Some(2);
        let model = if wrong_size {
            Painter { wrong_size_at: at, ..Painter::default() }
        } else {
            Painter { fails_at: at, ..Painter::default() }
        };
        let mut walk = Walk::from(&Start::Caption("a hall".to_owned()), Disk::default(), model);
        walk.go("turn left 90 degrees").unwrap();
        let (pose, rgb) = (walk.session.pose(), walk.rgb());
        let error = walk.go("turn left 90 degrees").unwrap_err();
        assert!(error.to_string().contains(if wrong_size { "33 x 33 px" } else { "non-finite" }), "{error}");
        assert_eq!((walk.session.pose(), walk.rgb(), walk.session.memory().len()), (pose, rgb, 2));
        assert!(walk.go("turn left 90 degrees").unwrap().recorded, "the session goes on");
        let replay = read(&walk.disk.bytes()).unwrap();
        assert_eq!(replay.steps[2].kind, RecordKind::Failed);
        assert_eq!(replay.steps[2].note.as_deref(), Some(error.to_string().as_str()));
    }
}

#[test]
fn a_wall_clips_the_way_or_blocks_it() {
    // Everything is painted 8 m away.
    let mut walk = Walk::caption();
    let report = walk.go("go forward 20 m").unwrap();
    let clip = report.clip.unwrap();
    assert_eq!(clip.asked_m, 20.0);
    assert!((PAINTED_M - 0.3..PAINTED_M - 0.1).contains(&clip.walked_m), "{clip:?}");
    assert!((walk.session.pose().position_m[2] + clip.walked_m).abs() < 1e-3, "the walker is where he was stopped");
    assert!(walk.events.iter().any(|event| matches!(event, SessionEvent::Clipped(_))));
    let replay = read(&walk.disk.bytes()).unwrap();
    assert!(replay.steps[1].note.as_ref().unwrap().contains("20.00 m"));

    let model = Painter { depth_m: Some(0.2), ..Painter::default() };
    let mut walk = Walk::from(&Start::Caption("a hall".to_owned()), Disk::default(), model);
    let blocked = walk.go("go forward 1 m").unwrap();
    assert_eq!((blocked.clip.unwrap().walked_m, blocked.recall), (0.0, None));
    assert_eq!((walk.model.requests.len(), walk.session.memory().len()), (1, 1), "nothing is drawn");
    let replay = read(&walk.disk.bytes()).unwrap();
    assert_eq!((replay.steps[1].kind, replay.steps[1].command.as_str()), (RecordKind::Blocked, "go forward 1 m"));
}

#[test]
fn words_that_are_no_command_change_nothing() {
    let mut walk = Walk::caption();
    let before = walk.disk.bytes();
    for text in ["", "dance", "go forward 1e9 m", &"a".repeat(10_000)] {
        let message = walk.go(text).unwrap_err().to_string();
        assert!(message.contains("turn left") && message.contains("undo"), "{message}");
    }
    let not_finite = Command::Move(Move::forward(f32::NAN));
    let control = StepControl::default();
    assert!(walk.session.step(not_finite, &mut walk.model, &control, &mut |_| {}).is_err());
    assert_eq!(walk.disk.bytes(), before);
}

#[test]
fn any_picture_can_be_a_start() {
    for (width, height) in [(SIDE_PX, SIDE_PX), (300, 120), (1, 1), (3, 500), (4096, 2)] {
        let rgb = (0..width * height).flat_map(|i| [(i % 200) as u8, 60, 90]).collect();
        let picture = Picture { width, height, rgb };
        let name = "photo.png".to_owned();
        let walk = Walk::from(&Start::Picture { picture, name }, Disk::default(), Painter::default());
        let view = walk.session.view().unwrap();
        assert_eq!((view.width, view.height), (SIDE_PX, SIDE_PX));
        assert!(view.depth_m.iter().all(|depth| *depth == PAINTED_M), "the depth is the model's");
        assert!(walk.warnings().is_empty());
        let replay = read(&walk.disk.bytes()).unwrap();
        assert!(replay.steps[0].note.as_ref().unwrap().contains("round trip 99.0 dB"));
    }
}

#[test]
fn a_picture_far_from_the_training_is_shown_with_a_word() {
    let picture = Picture::filled(64, 64, [10, 20, 30]);
    let model = Painter { round_trip_error: 60, ..Painter::default() };
    let walk = Walk::from(&Start::Picture { picture, name: "x.png".to_owned() }, Disk::default(), model);
    assert!(walk.rgb().chunks(3).all(|pixel| pixel == [10, 20, 30]), "its own colours stay");
    let [warning] = walk.warnings()[..] else { panic!("{:?}", walk.warnings()) };
    // 20 * log10(255 / 60)
    assert!(warning.contains("12.6 dB") && warning.contains("bigger model"), "{warning}");
}

#[test]
fn texts_have_a_limit() {
    for caption in [String::new(), "  ".to_owned(), "a".repeat(5000)] {
        let start = Start::Caption(caption);
        let control = StepControl::default();
        let outcome =
            ExploreSession::start(&start, setup(&Disk::default()), &mut Painter::default(), &control, &mut |_| {});
        assert!(matches!(outcome, Err(SessionError::Text { .. })));
    }
}

#[test]
fn a_failing_disk_is_a_warning_and_the_walk_goes_on() {
    let disk = Disk::failing(4..8, Fault::Short);
    let mut walk = Walk::from(&Start::Caption("a hall".to_owned()), disk, Painter::default());
    let recorded: Vec<bool> = (0..8).map(|_| walk.go("turn left 10 degrees").unwrap().recorded).collect();
    assert!(recorded.contains(&false) && recorded[7], "{recorded:?}");
    assert_eq!(walk.warnings().len(), recorded.iter().filter(|recorded| !**recorded).count());
    assert!(walk.warnings()[0].contains("tried again"), "{:?}", walk.warnings());
    walk.session.finish().unwrap();
    let replay = read(&walk.disk.bytes()).unwrap();
    assert_eq!((replay.steps.len(), replay.torn), (9, None));
}

#[test]
fn memory_holds_one_view_a_step_and_nothing_else() {
    let mut walk = Walk::caption();
    walk.session.set_narrate(false);
    let each = walk.session.memory().bytes();
    for _ in 0..40 {
        walk.go("turn left 9 degrees").unwrap();
    }
    assert_eq!(walk.session.memory().len(), 41);
    assert!(walk.session.memory().bytes() <= 42 * each);
}
