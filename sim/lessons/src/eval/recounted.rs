//! A walk whose narration tells of memory too: things that are out of view, with direction and step.

use rhea_engine::{Decoding, Imagine};
use rhea_scene::{Camera, Renderer, Scene, Threads};
use rhea_session::{Command, ExploreSession, Options, SessionEvent, Setup, Start, StepControl};

use crate::LessonError;
use crate::text::{Judge, Told};

/// Lets the walker explore a scene by himself for `steps` steps from its first start, with the exact first view, and judges all that
/// is said on the way against the scene's ids. Nothing is counted in a scene without a start.
///
/// # Errors
/// When the model fails.
pub fn recounted_walk(
    model: &mut dyn Imagine,
    scene: &Scene,
    steps: usize,
    decoding: Option<Decoding>,
) -> Result<Told, LessonError> {
    let failed = |error: rhea_session::SessionError| LessonError::Text(error.to_string());
    let Some(pose) = scene.starts().first().copied() else { return Ok(Told::default()) };
    let (renderer, camera) = (Renderer::new(scene), Camera::square(model.side_px()));
    let start = Start::Scene { scene: scene.clone(), pose: Some(pose) };
    let (control, quiet) = (StepControl::default(), &mut |_: SessionEvent| ());
    let setup = Setup::new(Options { decoding, ..Options::default() }, None);
    let (mut session, report) = ExploreSession::start(&start, setup, model, &control, quiet).map_err(failed)?;
    let (mut judge, mut told) = (Judge::default(), Told::default());
    let mut hear = |words: Option<String>, session: &ExploreSession| {
        let pose = session.pose();
        let truth = renderer.render(&pose, &camera, Threads::All);
        told.add(&judge.hear(&words.unwrap_or_default(), &truth, &pose, scene));
    };
    hear(report.narration.map(|note| note.text), &session);
    for _ in 0..steps {
        let before = session.step_number();
        let report = session.step(Command::Explore(1), model, &control, quiet).map_err(failed)?;
        // A way that is blocked draws no view.
        if session.step_number() > before {
            hear(report.narration.map(|note| note.text), &session);
        }
    }
    Ok(told)
}
