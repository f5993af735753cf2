//! What a view shows: the objects in it, how much of it they cover, and where they are.

use std::collections::BTreeMap;

use rhea_scene::{Colour, Noun, Rendered, Scene};
use rhea_session::Bearing;

/// An object is in view when it covers at least this share of the pixels (82 pixels of 128 x 128).
pub const IN_VIEW_SHARE: f32 = 0.005;

/// An object is worth a word when it covers at least this share of the pixels (328 pixels of 128 x 128).
pub const NAMED_SHARE: f32 = 0.02;

/// Objects whose mean depth is below this are near, metres.
const NEAR_M: f32 = 1.8;

/// Objects whose mean depth is above this are far, metres.
const FAR_M: f32 = 5.0;

/// How far an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// Below 1.8 m.
    Near,
    /// In between.
    Middle,
    /// Above 5 m.
    Far,
}

/// An object in a view.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Its id in the scene.
    pub object_id: u16,
    /// The colour it is named by.
    pub colour: Colour,
    /// What it is.
    pub noun: Noun,
    /// Share of the view's pixels, 0 to 1.
    pub share: f32,
    /// Where the middle of its pixels is.
    pub bearing: Bearing,
    /// How far its pixels are on average.
    pub distance: Distance,
}

impl Seen {
    /// How people call it: "red door".
    #[must_use]
    pub fn phrase(&self) -> String {
        format!("{} {}", self.colour.name(), self.noun.word())
    }
}

/// Sums over the pixels of one object.
#[derive(Default)]
struct Pixels {
    count: usize,
    columns: usize,
    depth_m: f64,
}

/// The objects in view, from [`IN_VIEW_SHARE`] on, the largest first.
#[must_use]
pub fn visible(rendered: &Rendered, scene: &Scene) -> Vec<Seen> {
    let width = rendered.rgbd.width.max(1);
    let mut found: BTreeMap<u16, Pixels> = BTreeMap::new();
    for (pixel, (&id, &depth_m)) in rendered.ids.iter().zip(&rendered.rgbd.depth_m).enumerate() {
        if id != 0 {
            let pixels = found.entry(id).or_default();
            pixels.count += 1;
            pixels.columns += pixel % width;
            pixels.depth_m += f64::from(depth_m);
        }
    }
    let all = rendered.ids.len().max(1) as f32;
    let mut seen: Vec<Seen> = Vec::new();
    for (object_id, pixels) in found {
        let share = pixels.count as f32 / all;
        let Some(object) = scene.object(object_id).filter(|_| share >= IN_VIEW_SHARE) else {
            continue;
        };
        // Exact thirds in whole numbers: the mean column is columns / count, its middle half a pixel further.
        let (position, third) = (3 * (2 * pixels.columns + pixels.count), 2 * pixels.count * width);
        let bearing = match position {
            p if p < third => Bearing::Left,
            p if p > 2 * third => Bearing::Right,
            _ => Bearing::Ahead,
        };
        let distance = match (pixels.depth_m / pixels.count as f64) as f32 {
            m if m < NEAR_M => Distance::Near,
            m if m > FAR_M => Distance::Far,
            _ => Distance::Middle,
        };
        seen.push(Seen { object_id, colour: object.colour, noun: object.noun, share, bearing, distance });
    }
    seen.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.object_id.cmp(&b.object_id)));
    seen
}
