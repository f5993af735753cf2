//! Pouring: a cup is held from the side and turned about the hand's own axis.

use super::*;

impl<'a> Builder<'a> {
    /// Empties a cup: its lip stays over the middle of the container while it tilts.
    pub(super) fn pour(&self, cup: usize, into: usize) -> Tried<'a> {
        let form = self.form(cup);
        let size = form.size_m();
        let mut best = None;
        let starts: Vec<(Option<(usize, Grasp)>, usize)> = match self.held_by(cup) {
            Some(arm) => vec![(None, arm)],
            None => self.side_grasps(cup).into_iter().map(|(arm, g)| (Some((arm, g)), arm)).collect(),
        };
        for (grasp, arm) in starts {
            let draft = match grasp {
                None => self.fresh(),
                Some((arm, grasp)) => match self.pick(self.fresh(), arm, cup, grasp) {
                    Ok(draft) => draft,
                    Err(e) => {
                        best = farther(best, e);
                        continue;
                    }
                },
            };
            let Some(held) = draft.moment.held[arm] else { continue };
            let upright = draft.moment.pose(self.world, cup).r;
            let bowl = self.world.centre(into);
            let lip_at = V3(bowl.0, bowl.1, self.world.pose(into).p.2 + self.form(into).size_m().2 + 0.03);
            // Held from the side, a turn of the hand about its own axis tilts the cup.
            let along = (draft.tcp(arm).r).turn(V3::UP);
            for axis in [along, -along] {
                let Some(axis) = V3(axis.0, axis.1, 0.0).unit() else { continue };
                let lean = axis.cross(V3::UP);
                let lip = upright.inv().turn(lean) * (size.0 / 2.0) + V3(0.0, 0.0, size.2);
                let at = |angle: f64| {
                    let r = Rot::about(axis, angle) * upright;
                    // The cup hangs below its lip until it lies; it stays above the rim all the while.
                    let clear = V3(0.0, 0.0, size.2 * libm::cos(angle).max(0.0));
                    Pose::new(lip_at + clear - r.turn(lip), r) * held.tcp_from_thing.inv()
                };
                let mut draft = draft.clone();
                let tried = (|| {
                    let around = draft.moment.around(self.world, arm);
                    let near = draft.facing(arm, at(0.0).p);
                    let q = draft
                        .reach("before pouring", arm, at(0.0), &near, &around, &Allowed::default())
                        .map_err(|s| (6, s))?;
                    draft.carry("before pouring", arm, at(0.0), &q, &around).map_err(|s| (8, s))?;
                    draft.meant(at(0.0));
                    let steps = 24;
                    let tilt: Vec<Pose> = (1..=steps).map(|i| at(POUR_RAD * f64::from(i) / f64::from(steps))).collect();
                    draft.follow("pour", arm, &tilt, Allowed::default(), None).map_err(|s| (9, s))?;
                    draft.meant(at(POUR_RAD));
                    draft.then(Then::Wait(1.0));
                    let mut back = draft.motion.legs.last().map(|l| l.timed.path.clone()).unwrap_or_default();
                    back.reverse();
                    draft.go("upright", arm, back, Allowed::default(), None).map_err(|s| (10, s))?;
                    Ok(())
                })();
                match tried {
                    Ok(()) => return Ok(draft),
                    Err(e) => best = farther(best, e),
                }
            }
        }
        Err(best.unwrap_or_else(|| (0, stuck(Code::Width, "grasp", "there is no way to hold the cup"))))
    }

    /// Grasps of a cup from the side, those that face it first: hands above an opening are in the way of what is poured.
    fn side_grasps(&self, cup: usize) -> Vec<(usize, Grasp)> {
        let pose = self.world.pose(cup);
        let Form::Cup { radius_m, height_m, .. } = self.form(cup) else { return Vec::new() };
        let mut list = Vec::new();
        for arm in self.free_arms(pose.p) {
            let place = &self.world.stage.arms[arm];
            if place.robot.gripper.as_ref().is_none_or(|g| 2.0 * radius_m + SPARE_WIDTH_M > g.max_opening_m) {
                continue;
            }
            let from = place.world_from_base.p;
            let facing = libm::atan2(pose.p.1 - from.1, pose.p.0 - from.0) - pose.r.heading();
            // The wall has twelve flat staves; both pads meet one in its middle.
            let nearest = (facing / (PI / 6.0)).round();
            for turn in [0.0, 1.0, -1.0, 2.0, -2.0] {
                let yaw = (nearest + turn) * PI / 6.0;
                for roll in [0.0, PI] {
                    // From looking down to looking along yaw: pitch up by a quarter turn.
                    let r = Rot::yaw(yaw) * Rot::about(V3(0.0, 1.0, 0.0), PI / 2.0) * Rot::yaw(roll);
                    let p = V3(0.0, 0.0, (height_m * 0.62).max(0.055));
                    list.push((arm, Grasp { thing_from_tcp: Pose::new(p, r), width_m: 2.0 * radius_m }));
                }
            }
        }
        list
    }
}
