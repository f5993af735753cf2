//! A scene being furnished: what is placed, what is covered, which names are given away.

use super::place::{Footprint, Side};
use crate::colour::Colour;
use crate::material::{ArtStyle, Material};
use crate::object::{Noun, Object};
use crate::spec::Partition;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

/// Tries for one placement.
const TRIES: usize = 40;
/// Gap between things on the floor, metres.
const GAP_M: f32 = 0.12;
/// Things at least this high hide what hangs on the wall behind them, metres.
const TALL_M: f32 = 1.05;

/// Things higher than the first number keep the second away from lamps, metres.
const LAMP_FREE_M: [f32; 2] = [2.0, 1.7];

/// Colours for furniture and things on the floor.
pub(super) const BRIGHT: [Colour; 8] = [
    Colour::Red,
    Colour::Orange,
    Colour::Yellow,
    Colour::Green,
    Colour::Teal,
    Colour::Blue,
    Colour::Purple,
    Colour::Pink,
];
/// Colours for doors, tables, shelves.
pub(super) const SOLID: [Colour; 8] = [
    Colour::Red,
    Colour::Yellow,
    Colour::Green,
    Colour::Teal,
    Colour::Blue,
    Colour::White,
    Colour::Brown,
    Colour::Orange,
];

/// A scene being furnished.
pub(super) struct Draft<'a> {
    pub(super) rng: &'a mut ChaCha8Rng,
    pub(super) outline: Vec<[f32; 2]>,
    pub(super) sides: Vec<Side>,
    pub(super) objects: Vec<Object>,
    /// What stands on the floor or must stay free.
    pub(super) standing: Vec<Footprint>,
    /// Lamps on the plan; tall things keep away from them, for their shadows would fill the room.
    pub(super) lamps: Vec<[f32; 2]>,
    names: BTreeSet<(Noun, Colour)>,
}

impl<'a> Draft<'a> {
    /// An empty place. The outline runs so that the inside is on the left hand of every edge (positive area in x, z).
    pub(super) fn new(rng: &'a mut ChaCha8Rng, outline: Vec<[f32; 2]>) -> Self {
        let ends = outline.iter().copied().cycle().skip(1);
        let sides = outline.iter().copied().zip(ends).map(|(a, b)| Side::new(a, b)).collect();
        Self {
            rng,
            outline,
            sides,
            objects: Vec::new(),
            standing: Vec::new(),
            lamps: Vec::new(),
            names: BTreeSet::new(),
        }
    }

    /// Makes both sides of partitions usable and keeps their place free.
    pub(super) fn add_partitions(&mut self, partitions: &[Partition]) {
        for wall in partitions.iter().filter(|wall| wall.base_m < 0.1) {
            let (a, b) = (wall.from_m, wall.to_m);
            let front = Side::new(a, b);
            let half = wall.thickness_m * 0.5;
            let (a_front, b_front) = (front.point(0.0, half), front.point(front.length, half));
            let (a_back, b_back) = (front.point(0.0, -half), front.point(front.length, -half));
            let centre = [(a[0] + b[0]) * 0.5, (a[1] + b[1]) * 0.5];
            let yaw_rad = (-front.along[1]).atan2(front.along[0]);
            self.standing.push(Footprint { centre, half: [front.length * 0.5, half], yaw_rad });
            self.sides.push(Side::new(a_front, b_front));
            self.sides.push(Side::new(b_back, a_back));
        }
    }

    /// A number between `low` and `high`, in steps of 5 cm so that files read well.
    pub(super) fn size(&mut self, low: f32, high: f32) -> f32 {
        (self.rng.random_range(low..=high) * 20.0).round() / 20.0
    }

    pub(super) fn chance(&mut self, share: f32) -> bool {
        self.rng.random::<f32>() < share
    }

    /// A colour that no other thing of this noun has.
    fn colour(&mut self, noun: Noun, choice: &[Colour]) -> Option<Colour> {
        let free: Vec<Colour> = choice.iter().copied().filter(|c| !self.names.contains(&(noun, *c))).collect();
        // Rarely seen colours first: a scene in many colours has more landmarks.
        let uses = |colour: Colour| self.objects.iter().filter(|object| object.colour == colour).count();
        let least = free.iter().map(|c| uses(*c)).min()?;
        let rare: Vec<Colour> = free.iter().copied().filter(|c| uses(*c) == least).collect();
        rare.choose(self.rng).copied()
    }

    fn add(&mut self, noun: Noun, colour: Colour, at: [f32; 3], yaw_deg: f32, size_m: [f32; 3]) {
        self.names.insert((noun, colour));
        let id = u16::try_from(self.objects.len() + 1).unwrap_or(u16::MAX);
        // Adding zero turns -0 into 0.
        let tidy = |v: f32| (v * 1000.0).round() / 1000.0 + 0.0;
        self.objects.push(Object {
            id,
            noun,
            colour,
            position_m: at.map(tidy),
            yaw_deg: (yaw_deg * 10.0).round() / 10.0 + 0.0,
            size_m: size_m.map(tidy),
            material: None,
            parts: Vec::new(),
        });
    }

    /// Is the footprint inside the outline and clear of everything by `gap`?
    pub(super) fn is_clear(&self, footprint: &Footprint, gap: f32) -> bool {
        footprint.corners().iter().all(|corner| self.contains(*corner))
            && self.standing.iter().all(|other| !footprint.meets(other, gap))
            && self.sides.iter().all(|side| {
                let wall = Footprint {
                    centre: side.point(side.length * 0.5, -0.05),
                    half: [side.length * 0.5, 0.04],
                    yaw_rad: (-side.along[1]).atan2(side.along[0]),
                };
                !footprint.meets(&wall, 0.0)
            })
    }

    fn contains(&self, [x, z]: [f32; 2]) -> bool {
        let mut inside = false;
        let ends = self.outline.iter().cycle().skip(1);
        for (a, b) in self.outline.iter().zip(ends) {
            if (a[1] > z) != (b[1] > z) && x < a[0] + (b[0] - a[0]) * (z - a[1]) / (b[1] - a[1]) {
                inside = !inside;
            }
        }
        inside
    }

    /// Hangs a door, window or picture on a wall, its lower edge at `base`.
    pub(super) fn hang(&mut self, noun: Noun, choice: &[Colour], size: [f32; 3], base: f32) -> bool {
        let Some(colour) = self.colour(noun, choice) else { return false };
        let [w, h, d] = size;
        // Windows look out, so they need an outer wall.
        let sides = if noun == Noun::Window { self.outline.len() } else { self.sides.len() };
        for _ in 0..TRIES {
            let index = self.rng.random_range(0..sides);
            let room = self.sides[index].length - w - 0.5;
            if room < 0.0 {
                continue;
            }
            let at = self.rng.random_range(0.25..=0.25 + room) + w * 0.5;
            let side = &self.sides[index];
            let yaw_deg = side.yaw_deg();
            let centre = side.point(at, d * 0.5);
            let depth = if noun == Noun::Door { 0.9 } else { 0.12 };
            let keep = Footprint {
                centre: side.point(at, depth * 0.5),
                half: [w * 0.5, depth * 0.5],
                yaw_rad: yaw_deg.to_radians(),
            };
            let hidden = noun == Noun::Door && self.standing.iter().any(|other| keep.meets(other, 0.05));
            if !side.is_free(at - w * 0.5 - 0.2, at + w * 0.5 + 0.2) || hidden {
                continue;
            }
            self.sides[index].taken.push([at - w * 0.5, at + w * 0.5]);
            if noun == Noun::Door {
                self.standing.push(keep);
            }
            self.add(noun, colour, [centre[0], base, centre[1]], yaw_deg, [w, h, d]);
            if noun == Noun::Picture {
                self.paint_last(colour);
            }
            return true;
        }
        false
    }

    /// Gives the last object, a picture, its canvas.
    fn paint_last(&mut self, a: Colour) {
        let style = ArtStyle::ALL.choose(self.rng).copied().unwrap_or(ArtStyle::Disc);
        let others: Vec<Colour> =
            Colour::ALL.into_iter().filter(|c| *c != a && !matches!(c, Colour::Grey | Colour::Brown)).collect();
        let b = others.choose(self.rng).copied().unwrap_or(Colour::White);
        let c = others.iter().copied().filter(|c| *c != b).collect::<Vec<_>>();
        let c = c.choose(self.rng).copied().unwrap_or(Colour::Yellow);
        if let Some(picture) = self.objects.last_mut() {
            picture.material = Some(Material::Art { style, a: a.paint(), b: b.paint(), c: c.paint() });
        }
    }

    /// Puts a thing with its back to a wall.
    pub(super) fn lean(&mut self, noun: Noun, choice: &[Colour], size: [f32; 3]) -> bool {
        let Some(colour) = self.colour(noun, choice) else { return false };
        let [w, h, d] = size;
        for _ in 0..TRIES {
            let index = self.rng.random_range(0..self.sides.len());
            let room = self.sides[index].length - w - 0.1;
            if room < 0.0 {
                continue;
            }
            let at = self.rng.random_range(0.05..=0.05 + room) + w * 0.5;
            let side = &self.sides[index];
            let yaw_deg = side.yaw_deg();
            let centre = side.point(at, d * 0.5 + 0.03);
            let footprint = Footprint { centre, half: [w * 0.5, d * 0.5], yaw_rad: yaw_deg.to_radians() };
            let hides = h >= TALL_M && !side.is_free(at - w * 0.5 - 0.1, at + w * 0.5 + 0.1);
            if hides || !self.is_clear(&footprint, GAP_M) {
                continue;
            }
            if h >= TALL_M {
                self.sides[index].taken.push([at - w * 0.5, at + w * 0.5]);
            }
            self.standing.push(footprint);
            self.add(noun, colour, [centre[0], 0.0, centre[1]], yaw_deg, size);
            return true;
        }
        false
    }

    /// Puts a thing somewhere on the floor, `gap` away from everything, turned by `yaw_deg` (none: any way).
    pub(super) fn scatter(
        &mut self,
        noun: Noun,
        choice: &[Colour],
        size: [f32; 3],
        gap: f32,
        yaw_deg: Option<f32>,
    ) -> Option<Footprint> {
        let colour = self.colour(noun, choice)?;
        let [xs, zs] = [0, 1].map(|i| {
            let values = self.outline.iter().map(|corner| corner[i]);
            values.fold([f32::MAX, f32::MIN], |[low, high], v| [low.min(v), high.max(v)])
        });
        for _ in 0..TRIES {
            let centre = [self.rng.random_range(xs[0]..xs[1]), self.rng.random_range(zs[0]..zs[1])];
            let yaw_deg = yaw_deg.unwrap_or_else(|| f32::from(self.rng.random_range(-17_i8..=18)) * 10.0);
            let footprint = Footprint { centre, half: [size[0] * 0.5, size[2] * 0.5], yaw_rad: yaw_deg.to_radians() };
            let wide = Footprint { half: footprint.half.map(|h| h + gap), ..footprint };
            let [x, z] = centre;
            let shades = size[1] > LAMP_FREE_M[0]
                && self
                    .lamps
                    .iter()
                    .any(|[lx, lz]| (lx - x) * (lx - x) + (lz - z) * (lz - z) < LAMP_FREE_M[1] * LAMP_FREE_M[1]);
            if !shades && self.is_clear(&wide, 0.0) {
                // Rugs lie under things.
                if noun != Noun::Rug {
                    self.standing.push(footprint);
                }
                self.add(noun, colour, [centre[0], 0.0, centre[1]], yaw_deg, size);
                return Some(footprint);
            }
        }
        None
    }

    /// Puts a thing at a place relative to a footprint, if that is free; `turn_deg` is relative too.
    pub(super) fn beside(
        &mut self,
        noun: Noun,
        choice: &[Colour],
        size: [f32; 3],
        of: &Footprint,
        offset: [f32; 2],
        turn_deg: f32,
    ) -> bool {
        let Some(colour) = self.colour(noun, choice) else { return false };
        let (s, c) = of.yaw_rad.sin_cos();
        let centre = [of.centre[0] + c * offset[0] + s * offset[1], of.centre[1] + c * offset[1] - s * offset[0]];
        let yaw_rad = of.yaw_rad + turn_deg.to_radians();
        let footprint = Footprint { centre, half: [size[0] * 0.5, size[2] * 0.5], yaw_rad };
        if !self.is_clear(&footprint, 0.03) {
            return false;
        }
        self.standing.push(footprint);
        let yaw_deg = crate::moves::wrapped(yaw_rad).to_degrees();
        self.add(noun, colour, [centre[0], 0.0, centre[1]], yaw_deg, size);
        true
    }
}
