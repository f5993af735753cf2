//! A walk as `transforms.json`: the layout of instant-ngp and nerfstudio, with depths, for NeRF and splatting tools.

use std::path::Path;

use anyhow::Result;
use rhea_picture::{save_depth, save_picture};
use rhea_scene::Pose;
use serde_json::{Value, json};

use super::WRITE_HINT;
use super::walk::{Walk, each};
use crate::fault::WithHint as _;

/// Writes `transforms.json`, `images/NNNNN.png` and `depth/NNNNN.png` (16 bit, millimetres, planar) into a folder.
///
/// # Errors
/// When a picture of the recording is damaged or the folder cannot be written.
pub(super) fn write(walk: &Walk, folder: &Path) -> Result<()> {
    for part in ["images", "depth"] {
        std::fs::create_dir_all(folder.join(part)).hint(WRITE_HINT)?;
    }
    let camera = walk.replay.header.camera;
    let mut frames = Vec::new();
    each(&walk.views(usize::MAX), |step, record| {
        let view = walk.replay.view(record)?;
        let (image, depth) = (format!("images/{step:05}.png"), format!("depth/{step:05}.png"));
        save_picture(&folder.join(&image), &view.picture()).hint(WRITE_HINT)?;
        save_depth(&folder.join(&depth), &view).hint(WRITE_HINT)?;
        if let Some(record) = walk.replay.steps.get(record) {
            frames.push(json!({
                "file_path": image,
                "depth_file_path": depth,
                "transform_matrix": world_from_camera(&record.pose),
            }));
        }
        Ok(())
    })?;
    let focal = camera.focal_px();
    let scene = json!({
        "camera_model": "OPENCV",
        "w": camera.width, "h": camera.height,
        "fl_x": focal, "fl_y": focal,
        "cx": camera.width as f32 / 2.0, "cy": camera.height as f32 / 2.0,
        "k1": 0.0, "k2": 0.0, "p1": 0.0, "p2": 0.0,
        "depth_unit_scale_factor": 0.001,
        "source": walk.source(),
        "frames": frames,
    });
    let text = serde_json::to_string_pretty(&scene)?;
    std::fs::write(folder.join("transforms.json"), text).hint(WRITE_HINT)
}

/// The camera's axes as columns in the convention of OpenGL (x right, y up, z backwards), in the walk's own world: y up, metres.
fn world_from_camera(pose: &Pose) -> Value {
    let (right, up, forward, at) = (pose.right(), pose.up(), pose.forward(), pose.position_m);
    let row = |k: usize| [right[k], up[k], -forward[k], at[k]];
    json!([row(0), row(1), row(2), [0.0, 0.0, 0.0, 1.0]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walker_at_rest_has_the_unit_matrix_and_one_who_turned_left_looks_along_minus_x() {
        let eye = Pose { position_m: [1.0, 1.5, -2.0], yaw_rad: 0.0, pitch_rad: 0.0 };
        let unit = json!([[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.5], [0.0, 0.0, 1.0, -2.0], [0.0, 0.0, 0.0, 1.0]]);
        let near = |a: &Value, b: &Value| {
            let flat = |v: &Value| -> Vec<f64> {
                v.as_array()
                    .into_iter()
                    .flatten()
                    .flat_map(|r| r.as_array().into_iter().flatten())
                    .filter_map(Value::as_f64)
                    .collect()
            };
            let (a, b) = (flat(a), flat(b));
            a.len() == 16 && a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6)
        };
        assert!(near(&world_from_camera(&eye), &unit), "{}", world_from_camera(&eye));
        // z backwards: a camera that looks along -x has +x as its third column.
        let left = Pose { yaw_rad: std::f32::consts::FRAC_PI_2, ..eye };
        let want = json!([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.5], [-1.0, 0.0, 0.0, -2.0], [0.0, 0.0, 0.0, 1.0]]);
        assert!(near(&world_from_camera(&left), &want), "{}", world_from_camera(&left));
    }
}
