//! Reading task scenes, with file and line of what is wrong.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::PhysicsError;
use crate::limits::MAX_FILE_BYTES;
use crate::scene::spec::TaskScene;

/// Reads a text file after looking at its size.
///
/// # Errors
/// The file is missing, no text, or larger than [`MAX_FILE_BYTES`].
pub fn read_text(what: &'static str, path: &Path) -> Result<String, PhysicsError> {
    let read = |source| PhysicsError::Read { what, source, path: path.to_owned() };
    let found = std::fs::metadata(path).map_err(read)?.len();
    if found > MAX_FILE_BYTES {
        return Err(PhysicsError::FileTooLong { what, found, allowed: MAX_FILE_BYTES, path: path.to_owned() });
    }
    std::fs::read_to_string(path).map_err(read)
}

/// Reads any RON value; errors carry file, line and column.
///
/// # Errors
/// See [`PhysicsError::Syntax`].
pub fn parse_ron<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, PhysicsError> {
    let options = ron::Options::default().with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
    options.from_str(text).map_err(|error| PhysicsError::Syntax {
        path: path.to_owned(),
        line: error.span.start.line,
        column: error.span.start.col,
        what: error.code.to_string(),
    })
}

/// A scene from its text; `path` is for messages only.
///
/// # Errors
/// File, line and what is allowed. A value that is not allowed is reported at the line that names its owner.
pub fn parse_scene(text: &str, path: &Path) -> Result<TaskScene, PhysicsError> {
    let scene: TaskScene = parse_ron(text, path)?;
    scene.check().map_err(|error| locate(error, text, path))?;
    Ok(scene)
}

/// A scene from a file.
///
/// # Errors
/// See [`parse_scene`] and [`read_text`].
pub fn load_scene(path: &Path) -> Result<TaskScene, PhysicsError> {
    parse_scene(&read_text("the scene", path)?, path)
}

/// Adds the line on which the quoted name of the error stands first.
pub(crate) fn locate(error: PhysicsError, text: &str, path: &Path) -> PhysicsError {
    let what = error.to_string();
    let name = what.split('`').nth(1).map(|n| format!("\"{n}\""));
    let field = what.split(": ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or_default().to_owned();
    let named = name.and_then(|n| text.lines().position(|l| l.contains(&n))).unwrap_or(0);
    // The field itself may stand a few lines below the name.
    let line = text
        .lines()
        .skip(named)
        .take(12)
        .position(|l| !field.is_empty() && l.contains(&field))
        .map_or(named, |o| named + o);
    PhysicsError::Syntax { path: path.to_owned(), line: line + 1, column: 1, what }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const GOOD: &str = r#"(
    name: "one block",
    robots: [(name: "arm", model: "../robots/rhea_arm7.urdf")],
    things: [
        (
            name: "red_block", noun: "block", colour: Red,
            form: Box(size_m: (0.05, 0.05, 0.05)),
            mass_kg: 0.1,
            at_m: (0.45, 0.1),
        ),
    ],
)"#;

    fn fault(text: &str) -> String {
        parse_scene(text, Path::new("s.ron")).unwrap_err().to_string()
    }

    #[test]
    fn a_small_scene_is_read() {
        let scene = parse_scene(GOOD, Path::new("s.ron")).unwrap();
        assert_eq!((scene.things.len(), scene.find("red_block")), (1, Some(0)));
    }

    #[test]
    fn what_is_wrong_is_said_with_file_line_and_what_is_allowed() {
        let nan = fault(&GOOD.replace("mass_kg: 0.1", "mass_kg: NaN"));
        assert!(nan.starts_with("s.ron:8:") && nan.contains("0.001 to 50"), "{nan}");
        let typo = fault(&GOOD.replace("form: Box(", "form: Bax("));
        assert!(typo.starts_with("s.ron:7:") && typo.contains("Cylinder"), "{typo}");
        let field = fault(&GOOD.replace("mass_kg", "mass"));
        assert!(field.starts_with("s.ron:8:") && field.contains("mass_kg"), "{field}");
        let lost = fault(&GOOD.replace("at_m:", "on: \"shelf_9\", at_m:"));
        assert!(lost.contains("no thing to stand on `shelf_9`") && lost.contains("red_block"), "{lost}");
    }

    #[test]
    fn ten_thousand_things_are_refused() {
        let one = "(name: \"b\", noun: \"b\", colour: Red, form: Ball(radius_m: 0.02), at_m: (0.1, 0.1)),";
        let many = fault(&format!("(name: \"x\", robots: [], things: [{}])", one.repeat(10_000)));
        assert!(many.contains("10000 things") && many.contains("at most 128"), "{many}");
    }
}
