//! Screenshots: the window, and the view of a walk, as PNG in a folder, numbered so that nothing is overwritten.

use std::path::{Path, PathBuf};

use bevy::prelude::*;
use bevy::render::view::screenshot::{Screenshot, ScreenshotCaptured};
use image::RgbImage;
use rhea_picture::Rgbd;

use crate::actions::ActionId;
use crate::input::{Fired, InputSystems};
use crate::words;

/// Screenshots of one folder.
const MAX_NUMBER: u32 = 9999;

/// Where screenshots go.
#[derive(Resource)]
pub struct ScreenshotFolder(pub PathBuf);

/// The view to save beside the window, where there is one.
#[derive(Resource, Default)]
pub struct ViewToSave(pub Option<std::sync::Arc<Rgbd>>);

/// What became of a screenshot, in a sentence for the user.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub enum Shot {
    /// It is saved.
    Saved(String),
    /// It is not.
    Failed(String),
}

/// Adds the screenshot action; needs Bevy's render plugins and a [`ScreenshotFolder`].
pub struct ScreenshotPlugin;

impl Plugin for ScreenshotPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<ViewToSave>().add_message::<Shot>().add_systems(Update, take.after(InputSystems::Send));
    }
}

fn take(
    mut fired: MessageReader<Fired>,
    (folder, view): (Res<ScreenshotFolder>, Res<ViewToSave>),
    mut commands: Commands,
    mut told: MessageWriter<Shot>,
) {
    if !fired.read().any(|fired| fired.0 == ActionId::Screenshot) {
        return;
    }
    let Some((window_file, view_file)) = free_names(&folder.0) else {
        told.write(failed(&folder.0, words::FULL_OF_SCREENSHOTS));
        return;
    };
    if let Some(view) = &view.0
        && let Err(why) = save_view(view, &view_file)
    {
        told.write(failed(&view_file, &why));
        return;
    }
    commands.spawn(Screenshot::primary_window()).observe(
        move |captured: On<ScreenshotCaptured>, mut told: MessageWriter<Shot>| {
            let image = captured.image.clone();
            let saved = image
                .try_into_dynamic()
                .map_err(|error| error.to_string())
                .and_then(|image| image.to_rgb8().save(&window_file).map_err(|error| error.to_string()));
            told.write(match saved {
                Ok(()) => Shot::Saved(words::screenshot(&window_file)),
                Err(why) => failed(&window_file, &why),
            });
        },
    );
}

fn failed(path: &Path, why: &str) -> Shot {
    Shot::Failed(words::no_screenshot(path, why))
}

/// The first pair of names (window, view) that is not taken.
fn free_names(folder: &Path) -> Option<(PathBuf, PathBuf)> {
    (1..=MAX_NUMBER)
        .map(|number| {
            (
                folder.join(format!("screenshot-{number:03}.png")),
                folder.join(format!("screenshot-{number:03}-view.png")),
            )
        })
        .find(|(window, view)| !window.exists() && !view.exists())
}

fn save_view(view: &Rgbd, path: &Path) -> Result<(), String> {
    let side = |px: usize| u32::try_from(px).map_err(|_| format!("a side of {px} px"));
    let picture =
        RgbImage::from_raw(side(view.width)?, side(view.height)?, view.rgb.clone()).ok_or("an incomplete view")?;
    picture.save(path).map_err(|error| error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn names_are_never_taken_twice() {
        let folder = std::env::temp_dir().join(format!("rhea-screenshot-names-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (_, first_view) = free_names(&folder).unwrap();
        save_view(&Rgbd::filled(3, 2, [9, 8, 7]), &first_view).unwrap();
        let (second, _) = free_names(&folder).unwrap();
        assert!(second.ends_with("screenshot-002.png"), "{}", second.display());
        assert_eq!(image::open(&first_view).unwrap().to_rgb8().get_pixel(2, 1).0, [9, 8, 7]);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_with_a_reason() {
        let why = save_view(&Rgbd::filled(1, 1, [0; 3]), Path::new("/nonexistent/view.png")).unwrap_err();
        assert!(!why.is_empty());
    }
}
