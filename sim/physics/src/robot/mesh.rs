//! Meshes of robots. A mesh counts as the box around it: larger than it is, never smaller, and quick to test.

use std::path::{Component, Path};

use crate::error::PhysicsError;
use crate::limits::{MAX_FILE_BYTES, MAX_MESH_TRIANGLES};
use crate::math::{Pose, V3};
use crate::scene::form::{Prim, Solid};

/// The box around an STL file that lies in the robot's own folder.
pub(super) fn bounding_box(name: &str, scale: V3, robot: &Path) -> Result<Solid, PhysicsError> {
    let place = format!("robot {}", robot.display());
    let local = name.split_once("://").map_or(name, |(_, rest)| rest);
    let inside = Path::new(local).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if !inside {
        return Err(PhysicsError::invalid(
            place,
            format!("mesh `{name}` is outside the robot's folder; only files in it are read"),
        ));
    }
    let path = robot.parent().unwrap_or(Path::new(".")).join(local);
    let read = |source| PhysicsError::Read { what: "a mesh", source, path: path.clone() };
    // A link may lead out of the folder although its name does not.
    let folder = robot.parent().unwrap_or(Path::new(".")).canonicalize().map_err(read)?;
    let real = path.canonicalize().map_err(read)?;
    if !real.starts_with(&folder) {
        return Err(PhysicsError::invalid(place, format!("mesh `{name}` leads outside the robot's folder")));
    }
    let found = std::fs::metadata(&real).map_err(read)?.len();
    if found > MAX_FILE_BYTES {
        return Err(PhysicsError::FileTooLong { what: "a mesh", found, allowed: MAX_FILE_BYTES, path });
    }
    let bytes = std::fs::read(&real).map_err(read)?;
    let points =
        points(&bytes).map_err(|what| PhysicsError::invalid(place.clone(), format!("mesh `{name}`: {what}")))?;
    let mut low = V3(f64::MAX, f64::MAX, f64::MAX);
    let mut high = -low;
    for p in points {
        let p = V3(p.0 * scale.0, p.1 * scale.1, p.2 * scale.2);
        low = V3(low.0.min(p.0), low.1.min(p.1), low.2.min(p.2));
        high = V3(high.0.max(p.0), high.1.max(p.1), high.2.max(p.2));
    }
    if !(low.is_finite() && high.is_finite()) || high.0 < low.0 {
        return Err(PhysicsError::invalid(place, format!("mesh `{name}` has no finite corner")));
    }
    let half = (high - low) * 0.5;
    Ok(Solid {
        owner_from_solid: Pose::at((high + low) * 0.5),
        prim: Prim::Box(V3(half.0.max(1e-3), half.1.max(1e-3), half.2.max(1e-3))),
    })
}

/// Corners of a binary or ASCII STL file.
fn points(bytes: &[u8]) -> Result<Vec<V3>, String> {
    let count = bytes.get(80..84).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes) as usize;
    let too_many = |n: usize| format!("{n} triangles; allowed are at most {MAX_MESH_TRIANGLES}");
    // A binary file is exactly as long as its count says; an ASCII one practically never is.
    if bytes.len() as u64 == 84 + 50 * count as u64 {
        if count > MAX_MESH_TRIANGLES {
            return Err(too_many(count));
        }
        let float = |b: &[u8]| b.try_into().map_or(f64::NAN, |b| f64::from(f32::from_le_bytes(b)));
        let corner = |b: &[u8]| V3(float(&b[0..4]), float(&b[4..8]), float(&b[8..12]));
        return Ok(bytes[84..]
            .chunks_exact(50)
            .flat_map(|t| [&t[12..24], &t[24..36], &t[36..48]].map(corner))
            .collect());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "neither a binary nor an ASCII STL file".to_owned())?;
    let mut corners = Vec::new();
    for line in text.lines() {
        let Some(rest) = line.trim().strip_prefix("vertex ") else { continue };
        let mut values = rest.split_whitespace().map(str::parse::<f64>);
        match (values.next(), values.next(), values.next()) {
            (Some(Ok(x)), Some(Ok(y)), Some(Ok(z))) => corners.push(V3(x, y, z)),
            _ => {
                return Err(format!(
                    "a corner is not three numbers: {}",
                    line.trim().chars().take(60).collect::<String>()
                ));
            }
        }
        if corners.len() > 3 * MAX_MESH_TRIANGLES {
            return Err(too_many(corners.len() / 3));
        }
    }
    if corners.is_empty() { Err("no triangles; STL files are read".to_owned()) } else { Ok(corners) }
}
