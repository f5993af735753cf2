//! Moving things with the mouse: which thing is under the pointer, and where on the table it is dragged to.

use rhea_physics::kinematics::Owner;
use rhea_physics::math::V3;
use rhea_physics::scene::CameraSpec;
use rhea_physics::view::{View, sight};
use rhea_physics::world::stage::Stage;

/// A direction that comes down less than this never meets the table within reach.
const LEVEL: f64 = 1e-3;

/// A thing in the hand of whoever looks on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Held {
    /// Which thing.
    pub thing: usize,
    /// Where its foot is now; only x and y change.
    pub at: V3,
    /// From the point that was taken hold of to the foot.
    grip: V3,
}

impl Held {
    /// Takes hold of the movable thing at a point of a drawing (0 to 1 from the left and from the top), if there is one.
    pub fn take(
        stage: &Stage,
        view: &View,
        camera: &CameraSpec,
        at: [f64; 2],
        foot: impl Fn(usize) -> V3,
    ) -> Option<Self> {
        let size = [view.rgbd.width, view.rgbd.height];
        let pixel = [0, 1].map(|k| ((at[k] * size[k] as f64) as usize).min(size[k].saturating_sub(1)));
        let Some(Owner::Thing(thing)) = *view.owners.get(pixel[1] * size[0] + pixel[0])? else { return None };
        if !stage.thing(thing).is_movable() {
            return None;
        }
        let foot = foot(thing);
        let touched = on_level(camera, size, at, foot.2)?;
        Some(Self { thing, at: foot, grip: foot - touched })
    }

    /// Drags it to a point of the drawing, on its own height.
    pub fn drag(&mut self, camera: &CameraSpec, size_px: [usize; 2], at: [f64; 2]) {
        if let Some(point) = on_level(camera, size_px, at, self.at.2) {
            self.at = V3(point.0 + self.grip.0, point.1 + self.grip.1, self.at.2);
        }
    }
}

/// Where the line of sight through a point of the picture meets a height.
fn on_level(camera: &CameraSpec, size_px: [usize; 2], at: [f64; 2], height_m: f64) -> Option<V3> {
    let (eye, along) = sight(camera, size_px, [0, 1].map(|k| at[k] * size_px[k] as f64));
    let down = along.unit()?.2;
    (down < -LEVEL && eye.2 > height_m).then(|| eye + along * ((height_m - eye.2) / along.2))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::path::Path;

    use rhea_physics::film::Still;
    use rhea_physics::scene::file::load_scene;
    use rhea_physics::view::{Drawing, scene_camera};
    use rhea_physics::world::World;
    use rhea_physics::world::stage::RobotShelf;

    use super::*;

    #[test]
    fn a_thing_is_taken_where_it_is_seen_and_follows_the_pointer() {
        let tasks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenes/tasks");
        let scene = load_scene(&tasks.join("one_block.ron")).unwrap();
        let world = World::new(Stage::new(scene, &tasks, &mut RobotShelf::default()).unwrap().into()).unwrap();
        let (stage, camera, size) = (world.stage.clone(), scene_camera(&world), [160, 120]);
        let draw = |still: &Still| Drawing::new(&stage, still).draw(&camera, size, 1);
        let still = Still::of(&world);
        let view = draw(&still);
        let block = stage.scene.find("red_block").unwrap();
        // The middle of the block's pixels.
        let middle = |view: &View| {
            let at = view.owners.iter().enumerate().filter(|(_, o)| **o == Some(Owner::Thing(block)));
            let (sum, count) =
                at.fold(([0.0; 2], 0.0), |([x, y], n), (i, _)| ([x + (i % 160) as f64, y + (i / 160) as f64], n + 1.0));
            [(sum[0] / count + 0.5) / 160.0, (sum[1] / count + 0.5) / 120.0]
        };
        let from = middle(&view);
        let foot = |thing: usize| still.things[thing].p;
        let mut held = Held::take(&stage, &view, &camera, from, foot).unwrap();
        assert_eq!((held.thing, held.at), (block, foot(block)));
        let to = [from[0] - 0.06, from[1] + 0.05];
        held.drag(&camera, size, to);
        let mut moved = still.clone();
        moved.things[block].p = held.at;
        let seen = middle(&draw(&moved));
        assert!((seen[0] - to[0]).abs() < 0.02 && (seen[1] - to[1]).abs() < 0.02, "{seen:?} instead of {to:?}");
        assert!(Held::take(&stage, &view, &camera, [0.01, 0.01], foot).is_none(), "nothing is there");
        let before = held;
        held.drag(&camera, size, [0.5, -40.0]);
        assert_eq!(held, before, "the sky is no place");
    }
}
