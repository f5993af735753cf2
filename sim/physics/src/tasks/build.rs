//! Helpers that furnish a table: random choices with a named generator, free places, things of usual sizes.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rhea_scene::Colour;

use crate::scene::form::Form;
use crate::scene::spec::{CameraSpec, TaskScene, Thing};

/// Colours that are told apart easily.
pub(super) const COLOURS: [Colour; 8] = [
    Colour::Red,
    Colour::Blue,
    Colour::Green,
    Colour::Yellow,
    Colour::Orange,
    Colour::Purple,
    Colour::Pink,
    Colour::White,
];
/// Room between things: half a hand fits in.
const GAP_M: f64 = 0.055;

/// A table in the making.
pub(super) struct Desk {
    rng: ChaCha8Rng,
    pub scene: TaskScene,
    /// Taken places: centre and radius.
    taken: Vec<([f64; 2], f64)>,
    /// Where things may stand: distance from the base, and angle.
    pub ring_m: [f64; 2],
    pub fan_rad: f64,
}

impl Desk {
    pub fn new(name: &str, stream: u64, seed: u64, small_arm: bool) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        let model = if small_arm { "rhea_arm5.urdf" } else { "rhea_arm7.urdf" };
        let mut scene = TaskScene::with_arm(format!("{name} {seed}"), model);
        scene.cameras = vec![
            CameraSpec { name: "front".to_owned(), eye_m: [1.35, 0.0, 0.8], at_m: [0.4, 0.0, 0.05], fov_deg: 50.0 },
            CameraSpec { name: "side".to_owned(), eye_m: [0.4, 1.2, 0.7], at_m: [0.4, 0.0, 0.05], fov_deg: 50.0 },
        ];
        let (ring_m, base) = if small_arm { ([0.2, 0.36], 0.1) } else { ([0.33, 0.66], 0.2) };
        Self { rng, scene, taken: vec![([0.0, 0.0], base)], ring_m, fan_rad: 1.1 }
    }

    /// A number of a range.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * f64::from(self.rng.next_u32()) / f64::from(u32::MAX)
    }

    /// An index below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        self.rng.next_u32() as usize % count.max(1)
    }

    /// Yes or no.
    pub fn coin(&mut self) -> bool {
        self.rng.next_u32() & 1 == 1
    }

    /// `count` different colours.
    pub fn colours(&mut self, count: usize) -> Vec<Colour> {
        let mut colours = COLOURS.to_vec();
        for i in (1..colours.len()).rev() {
            let j = self.below(i + 1);
            colours.swap(i, j);
        }
        colours.truncate(count.min(COLOURS.len()));
        colours
    }

    /// A free place for something of a radius, within the ring; the last try is taken even if it is tight.
    pub fn place(&mut self, radius: f64) -> Option<[f64; 2]> {
        for _ in 0..300 {
            let (r, a) = (self.between(self.ring_m[0], self.ring_m[1]), self.between(-self.fan_rad, self.fan_rad));
            let p = [r * libm::cos(a), r * libm::sin(a)];
            if self.is_free(p, radius) {
                self.taken.push((p, radius));
                return Some(p);
            }
        }
        None
    }

    /// Takes a place for something if it is free.
    pub fn is_free(&self, p: [f64; 2], radius: f64) -> bool {
        self.taken.iter().all(|(q, other)| {
            let (dx, dy) = (p[0] - q[0], p[1] - q[1]);
            (dx * dx + dy * dy).sqrt() > radius + other + GAP_M
        })
    }

    /// Keeps a place free.
    pub fn keep(&mut self, p: [f64; 2], radius: f64) {
        self.taken.push((p, radius));
    }

    /// Adds a thing at a free place; `None` if the table is full or the name is taken.
    pub fn add(&mut self, mut thing: Thing) -> Option<String> {
        let size = thing.form.size_m();
        let radius = 0.5 * (size.0 * size.0 + size.1 * size.1).sqrt();
        if self.scene.find(&thing.name).is_some() {
            return None;
        }
        thing.at_m = self.place(radius)?;
        let name = thing.name.clone();
        self.scene.things.push(thing);
        Some(name)
    }

    /// Adds a thing where it says it is.
    pub fn put(&mut self, thing: Thing) -> String {
        let size = thing.form.size_m();
        self.keep(thing.at_m, 0.5 * (size.0 * size.0 + size.1 * size.1).sqrt());
        let name = thing.name.clone();
        self.scene.things.push(thing);
        name
    }

    /// Friction and mass of usual things.
    pub fn usual(&mut self, mut thing: Thing, heavy: f64) -> Thing {
        thing.friction = self.between(0.45, 0.9);
        thing.mass_kg = self.between(0.05, heavy);
        thing.yaw_deg = self.between(-40.0, 40.0);
        thing
    }

    /// A cube.
    pub fn cube(&mut self, colour: Colour, side: f64) -> Thing {
        let thing =
            Thing::new(format!("{}_block", colour.name()), "block", colour, Form::Box { size_m: [side; 3] }, [0.0; 2]);
        self.usual(thing, 0.3)
    }

    /// One of several graspable things.
    pub fn graspable(&mut self, colour: Colour) -> Thing {
        let name = |noun: &str| format!("{}_{noun}", colour.name());
        let thing = match self.below(4) {
            0 => {
                let side = self.between(0.035, 0.055);
                Thing::new(name("block"), "block", colour, Form::Box { size_m: [side; 3] }, [0.0; 2])
            }
            1 => {
                let (r, h) = (self.between(0.02, 0.03), self.between(0.06, 0.1));
                Thing::new(name("can"), "can", colour, Form::Cylinder { radius_m: r, height_m: h }, [0.0; 2])
            }
            2 => {
                let (r, h) = (self.between(0.028, 0.036), self.between(0.07, 0.09));
                Thing::new(name("mug"), "mug", colour, Form::Cup { radius_m: r, height_m: h, wall_m: 0.004 }, [0.0; 2])
            }
            _ => {
                let (x, y, z) = (self.between(0.06, 0.1), self.between(0.03, 0.05), self.between(0.03, 0.05));
                Thing::new(name("book"), "book", colour, Form::Box { size_m: [x, y, z] }, [0.0; 2])
            }
        };
        self.usual(thing, 0.4)
    }

    /// A shelf, bin, tray or mat that stays where it is, at the edge of the ring.
    pub fn receiver(&mut self, noun: &str, colour: Colour, at_m: [f64; 2]) -> String {
        let form = match noun {
            "shelf" => Form::Shelf { size_m: [0.2, 0.26, 0.1] },
            "bin" => Form::Bin { size_m: [0.22, 0.22, 0.07], wall_m: 0.008 },
            "tray" => Form::Bin { size_m: [0.2, 0.26, 0.055], wall_m: 0.006 },
            _ => Form::Mat { size_m: [0.2, 0.24] },
        };
        let mut thing = Thing::new(format!("{}_{noun}", colour.name()), noun, colour, form, at_m);
        thing.fixed = true;
        thing.mass_kg = 1.0;
        self.put(thing)
    }
}
