//! The first, quick look at many views: 36 points of each, and which cells of a target they fall into.
//!
//! It knows no occlusion and no crispness; it only thins thousands of views out to the few dozen that are looked at closely.

use rhea_picture::Rgbd;
use rhea_scene::{Camera, Pose};

use crate::placement::{Lens, SKY_FROM_M, dot};
use crate::raster::high;
use crate::wide::wide;

/// Points along each side of a view, and cells along each side of a target.
const SIDE: usize = 6;
/// Points of a view.
const POINTS: usize = SIDE * SIDE;
/// The sky hangs here, metres: no step moves it.
const SKY_M: f32 = 1e5;

/// Half of [`SIDE`].
const HALF: f32 = SIDE as f32 * 0.5;
/// A bit that stands for no cell.
const NOWHERE: u32 = 63;

/// The whole part of a small number that is not negative, in the low bits.
#[inline(always)]
fn floor(value: f32) -> u32 {
    // Adding 1.5 * 2^23 leaves no bits behind the point.
    (value - 0.499_999 + 12_582_912.0).to_bits()
}

/// World points of a view, axis by axis, so that the projection is vector code.
#[derive(Clone, Debug)]
pub(crate) struct Coarse {
    axes: [[f32; POINTS]; 3],
}

/// Cells of a target, one bit each.
pub(crate) type Cells = u64;

impl Coarse {
    /// The points of `view`, drawn by `camera` (whose size does not matter) at `pose`.
    pub fn of(view: &Rgbd, camera: &Camera, pose: &Pose) -> Self {
        let lens = Lens::new(camera, view.width, view.height);
        let (right, up, forward) = (pose.right(), pose.up(), pose.forward());
        let mut axes = [[0.0; POINTS]; 3];
        #[allow(clippy::needless_range_loop, reason = "one index into three axes")]
        for i in 0..POINTS {
            let x = (2 * (i % SIDE) + 1) * view.width / (2 * SIDE);
            let y = (2 * (i / SIDE) + 1) * view.height / (2 * SIDE);
            let depth_m = view.depth_m.get(y * view.width + x).copied().unwrap_or(SKY_M);
            let depth_m = if depth_m >= SKY_FROM_M { SKY_M } else { depth_m };
            let [a, b] = lens.ray(x as f32 + 0.5, y as f32 + 0.5);
            for k in 0..3 {
                axes[k][i] = pose.position_m[k] + (forward[k] + right[k] * a + up[k] * b) * depth_m;
            }
        }
        Self { axes }
    }

    /// The cells of the target that the points fall into.
    #[inline(always)]
    pub fn cells(&self, target: &Target) -> Cells {
        let Target { eye, right, up, forward, scale, .. } = target;
        let [xs, ys, zs] = &self.axes;
        let mut index = [0_u32; POINTS];
        for i in 0..POINTS {
            let (x, y, z) = (xs[i] - eye[0], ys[i] - eye[1], zs[i] - eye[2]);
            let ahead = x * forward[0] + y * forward[1] + z * forward[2];
            let u = x * right[0] + y * right[1] + z * right[2];
            let v = x * up[0] + y * up[1] + z * up[2];
            let per = 1.0 / high(ahead, 1e-3);
            let (cx, cy) = (HALF + u * per * scale[0], HALF - v * per * scale[1]);
            let inside = (cx >= 0.0) & (cy >= 0.0) & (cx < SIDE as f32) & (cy < SIDE as f32) & (ahead > 1e-3);
            // Whole numbers in the last bits of the sum, because a cast would be no vector code.
            let cell = (floor(cy) & 7) * SIDE as u32 + (floor(cx) & 7);
            index[i] = if inside { cell } else { NOWHERE };
        }
        let mut cells = 0;
        for i in index {
            cells |= 1_u64 << (i & 63);
        }
        cells & ((1 << POINTS) - 1)
    }
}

/// A ball around all points of a view.
#[derive(Clone, Copy, Debug)]
struct Ball {
    centre_m: [f32; 3],
    radius_m: f32,
}

impl Ball {
    /// Around the box that the points fill.
    fn of(coarse: &Coarse) -> Self {
        let side = |k: usize| {
            let ends = (f32::INFINITY, f32::NEG_INFINITY);
            let (low, high) = coarse.axes[k].iter().fold(ends, |(low, high), v| (low.min(*v), high.max(*v)));
            (0.5 * (low + high), 0.5 * (high - low))
        };
        let [(x, a), (y, b), (z, c)] = [side(0), side(1), side(2)];
        Self { centre_m: [x, y, z], radius_m: (a * a + b * b + c * c).sqrt() }
    }

    /// May the target see any of it? Never wrongly no.
    #[inline(always)]
    fn may_be_seen(&self, target: &Target) -> bool {
        let Target { eye, right, up, forward, tangents, .. } = target;
        let to: [f32; 3] = std::array::from_fn(|k| self.centre_m[k] - eye[k]);
        let ahead = dot(to, *forward);
        let outside = |aside: f32, [tangent, steep]: [f32; 2]| (aside.abs() - ahead * tangent) * steep > self.radius_m;
        !(ahead < -self.radius_m || outside(dot(to, *right), tangents[0]) || outside(dot(to, *up), tangents[1]))
    }
}

/// The coarse copies of all views of a memory, each with the ball around it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overview {
    balls: Vec<Ball>,
    /// In runs of [`RUN`]: side by side, because all of them are read at every recall, and never moved as the list grows.
    runs: Vec<Vec<Coarse>>,
}

/// Coarse copies that lie side by side.
const RUN: usize = 64;

impl Overview {
    /// Bytes of one view.
    pub const BYTES: usize = size_of::<Coarse>() + size_of::<Ball>();

    pub fn push(&mut self, coarse: Coarse) {
        self.balls.push(Ball::of(&coarse));
        match self.runs.last_mut().filter(|run| run.len() < RUN) {
            Some(run) => run.push(coarse),
            None => {
                let mut run = Vec::with_capacity(RUN);
                run.push(coarse);
                self.runs.push(run);
            }
        }
    }

    pub fn pop(&mut self) {
        self.balls.pop();
        if let Some(run) = self.runs.last_mut() {
            run.pop();
            if run.is_empty() {
                self.runs.pop();
            }
        }
    }

    pub fn replace(&mut self, index: usize, coarse: Coarse) {
        if let (Some(ball), Some(view)) =
            (self.balls.get_mut(index), self.runs.get_mut(index / RUN).and_then(|run| run.get_mut(index % RUN)))
        {
            *ball = Ball::of(&coarse);
            *view = coarse;
        }
    }

    /// Those of `indices` that the target sees, with the cells, in their order.
    pub fn seen(&self, target: &Target, indices: &[usize]) -> Vec<(usize, Cells)> {
        let mut seen = Vec::new();
        wide(|| {
            for &index in indices.iter().filter(|index| self.balls[**index].may_be_seen(target)) {
                let cells = self.runs[index / RUN][index % RUN].cells(target);
                if cells != 0 {
                    seen.push((index, cells));
                }
            }
        });
        seen
    }
}

/// A camera to look at many views with.
pub(crate) struct Target {
    eye: [f32; 3],
    right: [f32; 3],
    up: [f32; 3],
    forward: [f32; 3],
    /// Cells per unit of slope, across and down.
    scale: [f32; 2],
    /// Tangent of half the field of view across and down, and the cosine that goes with it.
    tangents: [[f32; 2]; 2],
}

impl Target {
    pub fn new(camera: &Camera, pose: &Pose) -> Self {
        let lens = Lens::new(camera, camera.width, camera.height);
        let per = |pixels: usize| lens.focal_px * SIDE as f32 / pixels.max(1) as f32;
        let half = |pixels: usize| {
            let tangent = 0.5 * pixels as f32 * lens.per_focal;
            [tangent, 1.0 / (1.0 + tangent * tangent).sqrt()]
        };
        Self {
            tangents: [half(camera.width), half(camera.height)],
            eye: pose.position_m,
            right: pose.right(),
            up: pose.up(),
            forward: pose.forward(),
            scale: [per(camera.width), per(camera.height)],
        }
    }
}

/// Thins `seen` (cells and a penalty per view, oldest first) out to at most `most`: greedy coverage, begun anew whenever all
/// cells are covered, so that what is kept covers every cell several times. Returns positions in `seen`, ascending.
pub(crate) fn thin_out(seen: &[(Cells, f32)], most: usize) -> Vec<usize> {
    let all = seen.iter().fold(0, |all, (cells, _)| all | cells);
    let total = all.count_ones().max(1) as f32;
    let score = |position: usize, left: Cells| {
        let (cells, penalty) = seen[position];
        (cells & left).count_ones() as f32 / total - penalty
    };
    // By what they score while nothing is covered: nobody ever scores more, so a search ends at the first who cannot win.
    let mut order: Vec<(f32, usize)> = (0..seen.len()).map(|position| (score(position, all), position)).collect();
    order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut left = all;
    let mut kept = Vec::with_capacity(most);
    while kept.len() < most {
        let mut best: Option<(f32, usize, usize)> = None;
        for (place, (at_most, position)) in order.iter().enumerate() {
            if best.is_some_and(|(least, ..)| *at_most < least) {
                break;
            }
            if seen[*position].0 & left == 0 {
                continue;
            }
            let score = score(*position, left);
            // Of equal scores the older one.
            if best.is_none_or(|(least, first, _)| score > least || (score == least && *position < first)) {
                best = Some((score, *position, place));
            }
        }
        match best {
            Some((_, position, place)) => {
                order.remove(place);
                kept.push(position);
                left &= !seen[position].0;
                if left == 0 {
                    left = all;
                }
            }
            // What is left cannot be covered by views that are not taken yet.
            None if left != all => left = all,
            None => break,
        }
    }
    kept.sort_unstable();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSE: usize = 48;

    #[test]
    fn a_view_falls_onto_itself_and_not_behind() {
        let camera = Camera::square(64);
        let pose = Pose { position_m: [1.0, 1.5, 2.0], yaw_rad: 0.7, pitch_rad: 0.1 };
        let mut view = Rgbd::filled(64, 64, [1; 3]);
        view.depth_m.fill(3.0);
        let coarse = Coarse::of(&view, &camera, &pose);
        assert_eq!(coarse.cells(&Target::new(&camera, &pose)).count_ones(), 36);
        let behind = Pose { yaw_rad: 0.7 + std::f32::consts::PI, ..pose };
        assert_eq!(coarse.cells(&Target::new(&camera, &behind)), 0);
        // Turned by half the field of view, half of the columns are left.
        let aside = Pose { yaw_rad: 0.7 + Camera::FOV_X_RAD * 0.5, pitch_rad: 0.1, ..pose };
        let left = coarse.cells(&Target::new(&camera, &aside)).count_ones();
        assert!((6..=24).contains(&left), "{left}");
    }

    #[test]
    fn the_shortcut_keeps_what_the_plain_greedy_choice_keeps() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random
        };
        let seen: Vec<(Cells, f32)> =
            (0..300).map(|_| (next() & next() & ((1 << POINTS) - 1), (next() % 5) as f32 * 0.04)).collect();
        let all = seen.iter().fold(0, |all, (cells, _)| all | cells);
        let (mut left, mut plain) = (all, Vec::new());
        while plain.len() < CLOSE {
            let mut best: Option<(f32, usize)> = None;
            for (i, (cells, penalty)) in seen.iter().enumerate().filter(|(i, _)| !plain.contains(i)) {
                let gain = (cells & left).count_ones();
                let score = gain as f32 / all.count_ones() as f32 - penalty;
                if gain > 0 && best.is_none_or(|(least, _)| score > least) {
                    best = Some((score, i));
                }
            }
            match best {
                Some((_, i)) => {
                    plain.push(i);
                    left &= !seen[i].0;
                    left = if left == 0 { all } else { left };
                }
                None => left = all,
            }
        }
        plain.sort_unstable();
        assert_eq!(thin_out(&seen, CLOSE), plain);
    }

    #[test]
    fn what_the_ball_rules_out_has_no_cells() {
        let mut view = Rgbd::filled(64, 64, [1; 3]);
        view.depth_m.iter_mut().enumerate().for_each(|(i, depth)| *depth = 1.0 + (i % 7) as f32);
        let camera = Camera::square(64);
        let at = |n: usize| Pose {
            position_m: [0.7 * (n % 5) as f32, 1.5, 0.9 * (n / 5 % 5) as f32],
            yaw_rad: 0.4 * n as f32,
            pitch_rad: 0.1 * (n % 3) as f32,
        };
        let mut overview = Overview::default();
        (0..100).for_each(|n| overview.push(Coarse::of(&view, &camera, &at(n))));
        let mut ruled_out = 0;
        for n in 0..40 {
            let target = Target::new(&camera, &at(3 * n + 1));
            for (ball, view) in overview.balls.iter().zip(overview.runs.iter().flatten()) {
                ruled_out += usize::from(!ball.may_be_seen(&target));
                assert!(ball.may_be_seen(&target) || view.cells(&target) == 0);
            }
        }
        assert!(ruled_out > 200, "{ruled_out}");
    }

    #[test]
    fn thinning_keeps_what_covers_and_prefers_the_old() {
        let seen = [(0b1111, 0.0), (0b1111, 0.0), (0b11_0000, 0.0), (0b11_0000, 0.1), (0, 0.0)];
        assert_eq!(thin_out(&seen, 2), [0, 2]);
        assert_eq!(thin_out(&seen, 4), [0, 1, 2, 3]);
        assert_eq!(thin_out(&seen, 9), [0, 1, 2, 3]);
        assert_eq!(thin_out(&[], 3), [0_usize; 0]);
    }
}
