//! Narrations that tell what memory knows, against the ids of the scene: is what they name in view or was it seen, and does it lie
//! where they say?

use std::f32::consts::{FRAC_PI_2, PI};

use rhea_scene::{Pose, Rendered, Scene};
use rhea_session::{Bearing, Mention, REMINDER, Whereabouts, mentions};
use serde::Serialize;

use super::see::{Seen, visible};

/// A direction said in words is right when the thing lies at most this far outside of the sector that the words stand for, radians
/// (10 degrees): things are wide, and their middles lie at the borders too.
const SLACK_RAD: f32 = 0.175;
/// The words "ahead of you" stand for so much on either side, radians (25 degrees), and "behind you" for so much on either side of
/// straight behind (45 degrees).
const AHEAD_RAD: f32 = 0.436;
const BEHIND_RAD: f32 = FRAC_PI_2 / 2.0;

/// How true narrations are that tell of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Objects named.
    pub named: usize,
    /// Of these, objects that are in view, or were in an earlier view of the walk.
    pub known: usize,
    /// Objects named with a direction.
    pub directed: usize,
    /// Of these, objects that lie there.
    pub right: usize,
    /// Objects named out of memory, with the step that they were seen at.
    pub recalled: usize,
    /// Of these, objects that were in view at that step.
    pub step_right: usize,
}

impl Told {
    /// Adds another count.
    pub fn add(&mut self, other: &Self) {
        self.named += other.named;
        self.known += other.known;
        self.directed += other.directed;
        self.right += other.right;
        self.recalled += other.recalled;
        self.step_right += other.step_right;
    }

    /// Share of named objects that are in view or in memory; NaN when nothing was named.
    #[must_use]
    pub fn named_share(&self) -> f64 {
        self.known as f64 / self.named as f64
    }

    /// Share of directions that are right; NaN when none was said.
    #[must_use]
    pub fn direction_share(&self) -> f64 {
        self.right as f64 / self.directed as f64
    }
}

/// Follows one walk, and judges what is said at each of its steps.
#[derive(Clone, Debug, Default)]
pub struct Judge {
    /// What each view of the walk showed.
    seen: Vec<Vec<Seen>>,
}

impl Judge {
    /// Judges the words about the walk's next view, of which `truth` is the exact picture at `pose`. Steps are counted from 0, one a
    /// call.
    pub fn hear(&mut self, words: &str, truth: &Rendered, pose: &Pose, scene: &Scene) -> Told {
        self.seen.push(visible(truth, scene));
        let mut told = Told::default();
        let (of_view, of_memory) = words.split_once(REMINDER).unwrap_or((words, ""));
        let now = self.seen.len() - 1;
        for mention in mentions(of_view) {
            told.named += 1;
            told.known += usize::from(self.seen_at(now, &mention).next().is_some());
            if let Some(bearing) = mention.bearing {
                told.directed += 1;
                told.right += usize::from(self.seen_at(now, &mention).any(|seen| seen.bearing == bearing));
            }
        }
        for sentence in of_memory.split('.') {
            let Some(mention) = mentions(sentence).first().copied() else { continue };
            told.named += 1;
            let earlier = (0..=now).any(|step| self.seen_at(step, &mention).next().is_some());
            told.known += usize::from(earlier);
            if let Some(sector) = Sector::said(sentence) {
                told.directed += 1;
                let there = scene.objects().iter().filter(|o| (o.colour, o.noun) == (mention.colour, mention.noun));
                // The thing that is meant was seen on this walk; another of its kind behind a wall does not make it right.
                let seen = |id: u16| self.seen.iter().flatten().any(|seen| seen.object_id == id);
                let right = there.filter(|o| seen(o.id)).any(|o| sector.holds(o.position_m, pose));
                told.right += usize::from(right);
            }
            if let Some(step) = step_said(sentence) {
                told.recalled += 1;
                told.step_right += usize::from(self.seen_at(step, &mention).next().is_some());
            }
        }
        told
    }

    fn seen_at(&self, step: usize, mention: &Mention) -> impl Iterator<Item = &Seen> {
        let (colour, noun) = (mention.colour, mention.noun);
        let view = self.seen.get(step).map_or(&[][..], Vec::as_slice);
        view.iter().filter(move |seen| (seen.colour, seen.noun) == (colour, noun))
    }
}

/// A direction from the walker's heading, as it is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sector {
    Ahead,
    Behind,
    Side(Bearing),
}

impl Sector {
    fn said(sentence: &str) -> Option<Self> {
        match () {
            () if sentence.contains("behind you") => Some(Self::Behind),
            () if sentence.contains("on your left") => Some(Self::Side(Bearing::Left)),
            () if sentence.contains("on your right") => Some(Self::Side(Bearing::Right)),
            () if sentence.contains("ahead of you") => Some(Self::Ahead),
            () => None,
        }
    }

    /// Does a thing lie there? By the angle of its middle.
    fn holds(self, point_m: [f32; 3], pose: &Pose) -> bool {
        let angle_rad = Whereabouts::of(point_m, pose).angle_rad;
        let between = |low: f32, high: f32| (low - SLACK_RAD..=high + SLACK_RAD).contains(&angle_rad);
        match self {
            Self::Ahead => between(-AHEAD_RAD, AHEAD_RAD),
            Self::Behind => angle_rad.abs() >= PI - BEHIND_RAD - SLACK_RAD,
            Self::Side(Bearing::Left) => between(AHEAD_RAD, PI - BEHIND_RAD),
            Self::Side(Bearing::Right) => between(-(PI - BEHIND_RAD), -AHEAD_RAD),
            Self::Side(Bearing::Ahead) => false,
        }
    }
}

/// The number behind "seen at step".
fn step_said(sentence: &str) -> Option<usize> {
    let (_, after) = sentence.split_once("seen at step ")?;
    after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use rhea_scene::{Camera, Move, Renderer, Threads, generate_any};

    use super::*;

    #[test]
    fn what_was_seen_is_right_where_it_stands_and_wrong_elsewhere() {
        let mut judged = 0;
        for seed in 5_000_000..5_000_012 {
            let scene = generate_any(seed);
            let renderer = Renderer::new(&scene);
            let draw = |pose: &Pose| renderer.render(pose, &Camera::square(64), Threads::One);
            let Some(start) = scene.starts().first().copied() else { continue };
            let first = draw(&start);
            let around = start.apply(&Move::turn_deg(180.0));
            let seen = visible(&first, &scene);
            // Nothing else of that name, and nothing of it in sight when the walker has turned.
            let alone = |s: &&Seen| {
                scene.objects().iter().filter(|o| (o.colour, o.noun) == (s.colour, s.noun)).count() == 1
                    && s.bearing == Bearing::Ahead
            };
            let Some(thing) = seen.iter().find(alone) else { continue };
            judged += 1;
            let hear = |words: &str| {
                let mut judge = Judge::default();
                let phrase = thing.phrase();
                let at_first = judge.hear(&format!("You see a {phrase} ahead."), &first, &start, &scene);
                assert_eq!(at_first, Told { named: 1, known: 1, directed: 1, right: 1, ..Told::default() });
                judge.hear(&words.replace("THING", &phrase), &draw(&around), &around, &scene)
            };
            let right = hear("Remember: the THING is behind you, seen at step 0.");
            assert_eq!(right, Told { named: 1, known: 1, directed: 1, right: 1, recalled: 1, step_right: 1 });
            let wrong = hear("Remember: the THING is ahead of you, seen at step 7.");
            assert_eq!(wrong, Told { named: 1, known: 1, directed: 1, recalled: 1, ..Told::default() });
            assert_eq!(hear("Only walls.").named, 0);
        }
        assert!(judged >= 3, "{judged}");
    }

    #[test]
    fn sectors_join_without_gaps() {
        let pose = Pose { position_m: [0.0, 1.5, 0.0], yaw_rad: 0.3, pitch_rad: 0.0 };
        let sectors = [Sector::Ahead, Sector::Behind, Sector::Side(Bearing::Left), Sector::Side(Bearing::Right)];
        for degrees in -179..180 {
            let there = pose.apply(&Move { forward_m: 3.0, ..Move::turn_deg(degrees as f32) }).position_m;
            let holds = sectors.iter().filter(|sector| sector.holds(there, &pose)).count();
            assert!((1..=2).contains(&holds), "{degrees}");
            let said = Whereabouts::of(there, &pose).short();
            assert!(Sector::said(said).unwrap().holds(there, &pose), "{degrees}: {said}");
        }
    }
}
