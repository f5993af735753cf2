//! Things with names, and where they stand: what narrations said, made firm by the pictures.
//!
//! A narration says "a red door on the left". The thing is looked for in that third of the view as a patch of that colour; the
//! patch's depth gives its place in the world. A name without such a patch is not believed.

use rhea_memory::{MapThing, Memory, PlanMotion};
use rhea_picture::Rgbd;
use rhea_scene::{Camera, Colour, Noun, Pose};

use crate::explore::REMINDER;
use crate::words::{Bearing, Mention, mentions};

/// Smallest patch of a colour that can be a named thing, share of the view.
const LEAST_PATCH: f32 = 0.004;
/// A larger patch is a wall, share of the view.
const MOST_PATCH: f32 = 0.4;
/// How near the border of two thirds of the view a thing may be called by either, thirds.
const BORDER: f32 = 0.1;
/// Sightings this near to each other are of one thing, metres.
const SAME_THING_M: f32 = 1.2;
/// So many views must name a thing before it is told of where it is out of view.
pub(crate) const FIRM_SIGHTINGS: usize = 2;
/// Shades of a paint, as factors: lit, half lit, in the shade.
const SHADES: [f32; 4] = [1.0, 0.8, 0.62, 0.46];
/// The mean colour of a patch must be so much nearer to its own name than to any other: the share of that distance.
const CLEAR: f32 = 0.6;
/// A pixel farther than this from every shade of every colour has no name, squared levels.
const FAR2: i32 = 60 * 60 * 3;
/// Within this angle something is ahead, radians (25 degrees).
const AHEAD_RAD: f32 = 0.436;
/// Beyond this angle something is behind, radians (135 degrees).
const BEHIND_RAD: f32 = 2.356;

/// A thing that was seen and named.
#[derive(Clone, Debug, PartialEq)]
pub struct Landmark {
    /// Its colour.
    pub colour: Colour,
    /// What it is.
    pub noun: Noun,
    /// The mean of where its sightings put it, metres.
    pub position_m: [f32; 3],
    /// The views that named it, ascending.
    pub views: Vec<usize>,
}

impl Landmark {
    /// How people call it: "red door".
    #[must_use]
    pub fn phrase(&self) -> String {
        format!("{} {}", self.colour.name(), self.noun.word())
    }
}

/// Where something is, seen from a pose.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Whereabouts {
    /// To the left of the heading, radians.
    pub angle_rad: f32,
    /// On the plan, metres.
    pub distance_m: f32,
}

impl Whereabouts {
    /// Of a point, from a pose.
    #[must_use]
    pub fn of(point_m: [f32; 3], pose: &Pose) -> Self {
        let there = Pose { position_m: point_m, ..*pose };
        let way = PlanMotion::between(pose, &there);
        Self { angle_rad: (-way.right_m).atan2(way.ahead_m), distance_m: way.ahead_m.hypot(way.right_m) }
    }

    /// In words: "behind you, 140 degrees to the left".
    #[must_use]
    pub fn words(&self) -> String {
        let side = if self.angle_rad >= 0.0 { "left" } else { "right" };
        let degrees = self.angle_rad.abs().to_degrees().round();
        match self.angle_rad.abs() {
            a if a < AHEAD_RAD => "ahead of you".to_owned(),
            a if a > BEHIND_RAD => format!("behind you, {degrees} degrees to the {side}"),
            _ => format!("on your {side}, {degrees} degrees"),
        }
    }

    /// As [`Whereabouts::words`], shortly: "behind you".
    #[must_use]
    pub fn short(&self) -> &'static str {
        match self.angle_rad {
            a if a.abs() < AHEAD_RAD => "ahead of you",
            a if a.abs() > BEHIND_RAD => "behind you",
            a if a > 0.0 => "on your left",
            _ => "on your right",
        }
    }
}

/// All landmarks of a walk.
#[derive(Clone, Debug, Default)]
pub struct Landmarks {
    /// One entry per believed mention: view and thing.
    sightings: Vec<(usize, Mention, [f32; 3])>,
}

impl Landmarks {
    /// Those of a memory.
    #[must_use]
    pub fn of(memory: &Memory) -> Self {
        let mut landmarks = Self::default();
        for (index, view) in memory.views().iter().enumerate() {
            landmarks.see(index, &view.narration, &view.rgbd, &view.pose);
        }
        landmarks
    }

    /// Takes in what was said about a view.
    pub fn see(&mut self, index: usize, narration: &str, view: &Rgbd, pose: &Pose) {
        // What memory itself reminded of is no sighting.
        let told = narration.split(REMINDER).next().unwrap_or("");
        for mention in mentions(told) {
            if let Some(point_m) = found(view, pose, &mention) {
                self.sightings.push((index, mention, point_m));
            }
        }
    }

    /// Drops what views from `views` on said.
    pub fn cut(&mut self, views: usize) {
        self.sightings.retain(|(index, ..)| *index < views);
    }

    /// The things, those named most often first, equal ones in the order they were seen.
    #[must_use]
    pub fn all(&self) -> Vec<Landmark> {
        let mut things: Vec<Landmark> = Vec::new();
        for (index, mention, point_m) in &self.sightings {
            let same = |thing: &&mut Landmark| {
                (thing.colour, thing.noun) == (mention.colour, mention.noun)
                    && apart(thing.position_m, *point_m) < SAME_THING_M
            };
            match things.iter_mut().find(same) {
                Some(thing) => {
                    let n = thing.views.len() as f32;
                    for (mean, value) in thing.position_m.iter_mut().zip(point_m) {
                        *mean = (*mean * n + value) / (n + 1.0);
                    }
                    thing.views.push(*index);
                }
                None => things.push(Landmark {
                    colour: mention.colour,
                    noun: mention.noun,
                    position_m: *point_m,
                    views: vec![*index],
                }),
            }
        }
        things.sort_by_key(|thing| std::cmp::Reverse(thing.views.len()));
        things
    }

    /// Things that several views named, for a map.
    #[must_use]
    pub fn on_the_map(&self) -> Vec<MapThing> {
        let firm = self.all().into_iter().filter(|thing| thing.views.len() >= FIRM_SIGHTINGS);
        firm.map(|thing| MapThing { name: thing.phrase(), at_m: [thing.position_m[0], thing.position_m[2]] }).collect()
    }

    /// The thing that a text names: by colour and noun, by its noun alone, or by its colour alone; the one named most often.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<Landmark> {
        let all = self.all();
        if let Some(named) = mentions(text).first() {
            return all.into_iter().find(|thing| (thing.colour, thing.noun) == (named.colour, named.noun));
        }
        let text = text.to_lowercase();
        let says = |word: &str| text.split(|c: char| !c.is_alphanumeric()).any(|part| part == word);
        all.into_iter().find(|thing| text.contains(thing.noun.word()) || says(thing.colour.name()))
    }
}

/// Is a mention borne out by the picture? A patch of its colour lies where it is said to be, and not at the border to elsewhere.
#[must_use]
pub fn is_grounded(view: &Rgbd, mention: &Mention) -> bool {
    patch(view, mention, -BORDER).is_some()
}

/// Where the thing of a mention stands in the world.
fn found(view: &Rgbd, pose: &Pose, mention: &Mention) -> Option<[f32; 3]> {
    let patch = patch(view, mention, BORDER)?;
    let (w, n) = (view.width, patch.len() as f32);
    let mut depths: Vec<f32> = patch.iter().filter_map(|i| view.depth_m.get(*i).copied()).collect();
    depths.sort_by(f32::total_cmp);
    let depth_m = depths.get(depths.len() / 2).copied()?;
    let x = patch.iter().map(|i| (i % w) as f32 + 0.5).sum::<f32>() / n;
    let y = patch.iter().map(|i| (i / w) as f32 + 0.5).sum::<f32>() / n;
    let focal = Camera { width: w, height: view.height, fov_x_rad: Camera::FOV_X_RAD }.focal_px();
    let (a, b) = ((x - w as f32 * 0.5) / focal * depth_m, (view.height as f32 * 0.5 - y) / focal * depth_m);
    let (right, up, forward) = (pose.right(), pose.up(), pose.forward());
    Some(std::array::from_fn(|k| pose.position_m[k] + forward[k] * depth_m + right[k] * a + up[k] * b))
}

/// The largest connected patch of the mention's colour whose middle lies where it is said to be, or less than `slack` thirds of the
/// view beside it: its pixels.
fn patch(view: &Rgbd, mention: &Mention, slack: f32) -> Option<Vec<usize>> {
    let (w, h) = (view.width, view.height);
    if w == 0 || h == 0 || view.rgb.len() != 3 * w * h {
        return None;
    }
    let mut free: Vec<bool> =
        view.rgb.chunks_exact(3).map(|p| named([p[0], p[1], p[2]]) == Some(mention.colour)).collect();
    let mut best: Option<Vec<usize>> = None;
    for start in 0..w * h {
        if !free[start] {
            continue;
        }
        free[start] = false;
        let mut pixels = vec![start];
        let mut next = 0;
        while let Some(i) = pixels.get(next).copied() {
            next += 1;
            let (x, y) = (i % w, i / w);
            let around = [
                (x > 0).then(|| i - 1),
                (x + 1 < w).then_some(i + 1),
                (y > 0).then(|| i - w),
                (y + 1 < h).then_some(i + w),
            ];
            for near in around.into_iter().flatten() {
                if std::mem::take(&mut free[near]) {
                    pixels.push(near);
                }
            }
        }
        let share = pixels.len() as f32 / (w * h) as f32;
        let middle = 3.0 * pixels.iter().map(|i| (i % w) as f32 + 0.5).sum::<f32>() / pixels.len() as f32 / w as f32;
        let there = match mention.bearing {
            Some(Bearing::Left) => middle < 1.0 + slack,
            Some(Bearing::Ahead) => (1.0 - slack..2.0 + slack).contains(&middle),
            Some(Bearing::Right) => middle > 2.0 - slack,
            None => true,
        };
        let fits = there && (LEAST_PATCH..MOST_PATCH).contains(&share);
        if fits && best.as_ref().is_none_or(|old| old.len() < pixels.len()) {
            best = Some(pixels);
        }
    }
    best.filter(|pixels| is_clearly(view, pixels, mention.colour))
}

/// Is the mean colour of some pixels clearly nearest to one name?
fn is_clearly(view: &Rgbd, pixels: &[usize], colour: Colour) -> bool {
    let channel = |k: usize| pixels.iter().map(|i| f32::from(view.rgb[3 * i + k])).sum::<f32>() / pixels.len() as f32;
    let mean = [channel(0), channel(1), channel(2)];
    let distance = |colour: Colour| {
        let shade = |shade: f32| {
            let part = |(mean, paint): (f32, u8)| (mean - f32::from(paint) * shade).powi(2);
            mean.into_iter().zip(colour.paint().0).map(part).sum::<f32>().sqrt()
        };
        SHADES.into_iter().map(shade).fold(f32::MAX, f32::min)
    };
    let own = distance(colour);
    Colour::ALL.into_iter().filter(|other| *other != colour).all(|other| own <= CLEAR * distance(other))
}

/// The colour whose paint, in some light, is nearest to a pixel.
fn named(rgb: [u8; 3]) -> Option<Colour> {
    let mut best: Option<(i32, Colour)> = None;
    for colour in Colour::ALL {
        let paint = colour.paint().0;
        for shade in SHADES {
            let distance2: i32 =
                rgb.iter().zip(paint).map(|(a, b)| (i32::from(*a) - (f32::from(b) * shade) as i32).pow(2)).sum();
            if distance2 < FAR2 && best.is_none_or(|(least, _)| distance2 < least) {
                best = Some((distance2, colour));
            }
        }
    }
    best.map(|(_, colour)| colour)
}

fn apart(a: [f32; 3], b: [f32; 3]) -> f32 {
    (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f32>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grey view with a red square in its left third, 3 m away.
    fn view() -> Rgbd {
        let mut view = Rgbd::filled(60, 60, [164, 166, 172]);
        view.depth_m.fill(5.0);
        for i in 0..60 * 60 {
            if (6..16).contains(&(i % 60)) && (30..44).contains(&(i / 60)) {
                view.rgb[3 * i..3 * i + 3].copy_from_slice(&[180, 48, 42]);
                view.depth_m[i] = 3.0;
            }
        }
        view
    }

    const EYE: Pose = Pose { position_m: [0.0, 1.5, 0.0], yaw_rad: 0.0, pitch_rad: 0.0 };

    #[test]
    fn a_named_thing_is_found_where_its_colour_is() {
        let mut landmarks = Landmarks::default();
        landmarks.see(3, "You see a red door on the left and a blue ball ahead.", &view(), &EYE);
        let all = landmarks.all();
        assert_eq!(all.len(), 1, "nothing in the picture is blue");
        let [x, _, z] = all[0].position_m;
        // The square's middle is 19 px left of the picture's; the focal length is 35.75 px.
        assert!((x + 3.0 * 19.0 / 35.75).abs() < 0.05 && (z + 3.0).abs() < 0.01, "{x} {z}");
        assert_eq!(landmarks.find("where is the red door").map(|thing| thing.views), Some(vec![3]));
        assert_eq!(landmarks.find("the door").map(|thing| thing.noun), Some(Noun::Door));
        assert_eq!(landmarks.find("the green door"), None);
        landmarks.cut(3);
        assert!(landmarks.all().is_empty());
    }

    #[test]
    fn a_thing_said_to_be_on_the_other_side_is_not_believed() {
        let mention = |bearing| Mention { colour: Colour::Red, noun: Noun::Door, bearing };
        assert!(is_grounded(&view(), &mention(Some(Bearing::Left))) && is_grounded(&view(), &mention(None)));
        assert!(!is_grounded(&view(), &mention(Some(Bearing::Right))));
    }

    #[test]
    fn directions_are_told_from_the_heading() {
        let east = |yaw_deg: f32| Whereabouts::of([4.0, 1.0, 0.0], &Pose { yaw_rad: yaw_deg.to_radians(), ..EYE });
        assert_eq!(east(0.0).words(), "on your right, 90 degrees");
        assert_eq!(
            (east(-90.0).short(), east(90.0).short(), east(180.0).short()),
            ("ahead of you", "behind you", "on your left")
        );
        assert_eq!(east(50.0).words(), "behind you, 140 degrees to the right");
        assert!((east(0.0).distance_m - 4.0).abs() < 1e-6);
    }
}
