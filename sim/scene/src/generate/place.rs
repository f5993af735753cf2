//! Footprints on the floor plan and whether they overlap.

/// A turned rectangle on the floor plan, metres.
#[derive(Clone, Copy, Debug)]
pub(super) struct Footprint {
    pub(super) centre: [f32; 2],
    /// Half extents along its own x and z.
    pub(super) half: [f32; 2],
    pub(super) yaw_rad: f32,
}

impl Footprint {
    /// Its own axes on the plan.
    fn axes(&self) -> [[f32; 2]; 2] {
        let (s, c) = self.yaw_rad.sin_cos();
        [[c, -s], [s, c]]
    }

    /// The four corners.
    pub(super) fn corners(&self) -> [[f32; 2]; 4] {
        let [x, z] = self.axes();
        [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)].map(|(a, b): (f32, f32)| {
            let (u, v) = (a * self.half[0], b * self.half[1]);
            [self.centre[0] + x[0] * u + z[0] * v, self.centre[1] + x[1] * u + z[1] * v]
        })
    }

    /// Do two footprints come closer than `gap`? Exact for overlap, a little careful at corners.
    pub(super) fn meets(&self, other: &Self, gap: f32) -> bool {
        let d = [other.centre[0] - self.centre[0], other.centre[1] - self.centre[1]];
        let reach = |footprint: &Self, axis: [f32; 2]| {
            let [x, z] = footprint.axes();
            footprint.half[0] * (x[0] * axis[0] + x[1] * axis[1]).abs()
                + footprint.half[1] * (z[0] * axis[0] + z[1] * axis[1]).abs()
        };
        let mut axes = self.axes().into_iter().chain(other.axes());
        axes.all(|axis| {
            let apart = (d[0] * axis[0] + d[1] * axis[1]).abs();
            apart < reach(self, axis) + reach(other, axis) + gap
        })
    }
}

/// One side of a wall, seen from the room: things can hang on it or stand against it.
#[derive(Clone, Debug)]
pub(super) struct Side {
    pub(super) from: [f32; 2],
    /// Unit vector along the wall.
    pub(super) along: [f32; 2],
    /// Unit vector into the room.
    pub(super) inward: [f32; 2],
    pub(super) length: f32,
    /// Parts of the wall that are covered, as intervals along it.
    pub(super) taken: Vec<[f32; 2]>,
}

impl Side {
    /// The side of the wall from `a` to `b` with the room on the left hand (`along` turned towards `+` in x, z order).
    pub(super) fn new(a: [f32; 2], b: [f32; 2]) -> Self {
        let d = [b[0] - a[0], b[1] - a[1]];
        let length = (d[0] * d[0] + d[1] * d[1]).sqrt().max(1e-3);
        let along = [d[0] / length, d[1] / length];
        Self { from: a, along, inward: [-along[1], along[0]], length, taken: Vec::new() }
    }

    /// Heading that turns an own `+z` into the room, degrees.
    pub(super) fn yaw_deg(&self) -> f32 {
        self.inward[0].atan2(self.inward[1]).to_degrees()
    }

    /// A point `at` metres along the wall and `off` metres in front of it.
    pub(super) fn point(&self, at: f32, off: f32) -> [f32; 2] {
        [0, 1].map(|i| self.from[i] + self.along[i] * at + self.inward[i] * off)
    }

    /// Is the interval free of covered parts?
    pub(super) fn is_free(&self, low: f32, high: f32) -> bool {
        self.taken.iter().all(|[a, b]| high <= *a || low >= *b)
    }
}
