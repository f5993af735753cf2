//! The export page of the windows with the real program: what was clicked is written beside the recording.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::{Duration, Instant};

use bevy::input::InputPlugin;
use bevy::prelude::*;
use rhea_window::actions::Context;
use rhea_window::{ActionPlugin, ExportPage};

fn app(recording: &Path) -> App {
    let mut app = App::new();
    app.add_plugins((MinimalPlugins, InputPlugin, ActionPlugin(Context::Review)));
    let mut page = app.world_mut().resource_mut::<ExportPage>();
    page.set_recording(Some(recording));
    page.set_program(env!("CARGO_BIN_EXE_rhea").into());
    app
}

/// Goes on until no export runs; what was said of it.
fn said(app: &mut App) -> String {
    let until = Instant::now() + Duration::from_secs(120);
    while app.world().resource::<ExportPage>().runs() && Instant::now() < until {
        app.update();
        std::thread::sleep(Duration::from_millis(5));
    }
    app.world().resource::<ExportPage>().told().to_owned()
}

#[test]
fn forms_are_written_beside_the_recording_and_failures_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("walk.mcap");
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../replays/room-v2.mcap"), &recording).unwrap();
    let mut app = app(&recording);
    for (form, file, begins) in [("html", "walk.html", "<!"), ("record", "walk.pb", "")] {
        app.world_mut().resource_mut::<ExportPage>().begin(form);
        let said = said(&mut app);
        assert!(said.contains(file) && said.contains("SHA-256"), "{said}");
        let written = std::fs::read(folder.path().join(file)).unwrap();
        assert!(written.len() > 10_000 && written.starts_with(begins.as_bytes()));
    }
    app.world_mut().resource_mut::<ExportPage>().begin("lerobot");
    let told = said(&mut app);
    assert!(told.contains("could not be exported") && told.contains("LeRobot has robot plans"), "{told}");
    std::fs::write(&recording, "no recording").unwrap();
    app.world_mut().resource_mut::<ExportPage>().begin("html");
    assert!(said(&mut app).contains("could not be exported"));
}

#[test]
fn an_export_is_stopped() {
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../replays/room-v2.mcap");
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("walk.mcap");
    std::fs::copy(recording, &copy).unwrap();
    let mut app = app(&copy);
    let mut page = app.world_mut().resource_mut::<ExportPage>();
    page.begin("gif");
    assert!(page.runs());
    page.stop();
    assert!(!page.runs());
    assert_eq!(page.told(), "The export was stopped.");
}
