//! Skills that touch without carrying: pushing, drawers, wiping, pressing, and going home.

use super::*;

impl<'a> Builder<'a> {
    /// Pushes with closed fingers, from the side that is away from the target.
    pub(super) fn push(&self, thing: usize, to: &Towards) -> Tried<'a> {
        let centre = self.world.centre(thing);
        let way = match to {
            Towards::Side(side) => side.direction() * PUSH_M,
            Towards::Thing(name) => {
                let other = self.world.centre(self.find(name)?);
                V3(other.0 - centre.0, other.1 - centre.1, 0.0)
            }
        };
        let Some(d) = way.unit() else { return Err((0, stuck(Code::Pre, "push", "it is there already"))) };
        let size = self.form(thing).size_m();
        let inside = self.world.pose(thing).r.inv().turn(d);
        let half = match self.form(thing) {
            Form::Cylinder { radius_m, .. } | Form::Cup { radius_m, .. } | Form::Ball { radius_m } => radius_m,
            // Distance from the middle to the face in this direction.
            _ => (size.0 / 2.0 / inside.0.abs().max(1e-6)).min(size.1 / 2.0 / inside.1.abs().max(1e-6)),
        };
        let mut best = None;
        for arm in self.free_arms(centre) {
            let Some(gripper) = &self.world.stage.arms[arm].robot.gripper else { continue };
            let z = (size.2 * 0.4).max(size.2 - 0.05).max(gripper.tip_beyond_tcp_m + 0.008);
            let finger = gripper.pad_half_m[0];
            let heading = libm::atan2(d.1, d.0);
            let tool = |along: f64, height: f64| {
                let p = V3(centre.0, centre.1, 0.0) + d * along + V3(0.0, 0.0, height);
                looking_down(p, heading)
            };
            let start = -(half + finger + 0.02);
            let end = way.norm() - half - finger;
            for turn in [0.0, PI] {
                let spin = |pose: Pose| Pose::new(pose.p, pose.r * Rot::yaw(turn));
                let mut draft = self.fresh();
                draft.set_opening(arm, 0.0);
                let touch = Allowed { fingers: vec![Owner::Thing(thing)], ..Allowed::default() };
                let steps = [
                    spin(tool(start, z + HOVER_M)),
                    spin(tool(start, z)),
                    spin(tool(end, z)),
                    spin(tool(end - 0.015, z)),
                    spin(tool(end - 0.015, z + HOVER_M)),
                ];
                let tried = (|| {
                    let around = draft.moment.around(self.world, arm);
                    let near = draft.facing(arm, steps[1].p);
                    let q_start =
                        draft.reach("push start", arm, steps[1], &near, &around, &touch).map_err(|s| (1, s))?;
                    let q_above = draft
                        .reach("before push", arm, steps[0], &q_start, &around, &Allowed::default())
                        .map_err(|s| (2, s))?;
                    draft.travel("before push", arm, &q_above, &around).map_err(|s| (3, s))?;
                    draft.meant(steps[0]);
                    draft.line("push start", arm, steps[1], Allowed::default()).map_err(|s| (4, s))?;
                    draft.meant(steps[1]);
                    // Links other than the fingers see the thing where it ends.
                    let riders = self.world.loads(thing);
                    let mut touch = touch.clone();
                    touch.fingers.extend(riders.into_iter().map(Owner::Thing));
                    let moved = self.world.pose(thing);
                    draft.moment.moved.insert(thing, Pose::new(moved.p + way, moved.r));
                    draft.line("push", arm, steps[2], touch.clone()).map_err(|s| (5, s))?;
                    draft.meant(steps[2]);
                    draft.line("back", arm, steps[3], touch).map_err(|s| (6, s))?;
                    draft.line("retreat", arm, steps[4], Allowed::default()).map_err(|s| (7, s))?;
                    draft.then(Then::Wait(crate::motion::REST_SECS));
                    Ok(())
                })();
                match tried {
                    Ok(()) => return Ok(draft),
                    Err(e) => best = farther(best, e),
                }
            }
        }
        Err(best.unwrap_or_else(|| (0, stuck(Code::Pre, "push", "no arm has a free hand"))))
    }

    /// Slides a drawer until it is out by `out_m`.
    pub(super) fn slide(&self, drawer: usize, out_m: f64) -> Tried<'a> {
        let cabinet = self.world.pose(drawer);
        let is = self.world.logic.tray_m[drawer];
        let shift = |out: f64| cabinet * Pose::at(V3(-out, 0.0, 0.0));
        let mut best = None;
        for arm in self.free_arms(cabinet.p) {
            let Some(gripper) = &self.world.stage.arms[arm].robot.gripper else { continue };
            for grasp in grasp::handle_grasps(&self.form(drawer)) {
                let mut draft = self.fresh();
                let goal = shift(is) * grasp.thing_from_tcp;
                let above = Pose::new(goal.p + V3(0.0, 0.0, HOVER_M), goal.r);
                draft.set_opening(arm, grasp.open_m(gripper));
                let touch = Allowed { fingers: vec![Owner::Tray(drawer)], ..Allowed::default() };
                let tried = (|| {
                    let around = draft.moment.around(self.world, arm);
                    let near = draft.facing(arm, goal.p);
                    let q_grasp = draft.reach("handle", arm, goal, &near, &around, &touch).map_err(|s| (1, s))?;
                    let q_above = draft
                        .reach("above handle", arm, above, &q_grasp, &around, &Allowed::default())
                        .map_err(|s| (2, s))?;
                    draft.travel("above handle", arm, &q_above, &around).map_err(|s| (3, s))?;
                    draft.meant(above);
                    draft.line("handle", arm, goal, touch.clone()).map_err(|s| (4, s))?;
                    draft.meant(goal);
                    draft.then(Then::GripHandle(drawer));
                    draft.set_opening(arm, grasp.width_m);
                    // What is in the drawer comes along.
                    draft.moment.riding = self.world.loads(drawer);
                    let steps = ((out_m - is).abs() / 0.015).ceil().max(1.0) as usize;
                    let poses: Vec<Pose> = (1..=steps)
                        .map(|i| shift(is + (out_m - is) * i as f64 / steps as f64) * grasp.thing_from_tcp)
                        .collect();
                    draft.follow("slide", arm, &poses, touch.clone(), Some((drawer, out_m))).map_err(|s| (5, s))?;
                    draft.then(Then::Release);
                    draft.set_opening(arm, grasp.open_m(gripper));
                    let up = shift(out_m) * grasp.thing_from_tcp;
                    draft
                        .line("retreat", arm, Pose::new(up.p + V3(0.0, 0.0, HOVER_M), up.r), touch)
                        .map_err(|s| (6, s))?;
                    Ok(())
                })();
                match tried {
                    Ok(()) => {
                        draft.motion.handle = Some((drawer, grasp));
                        return Ok(draft);
                    }
                    Err(e) => best = farther(best, e),
                }
            }
        }
        Err(best.unwrap_or_else(|| (0, stuck(Code::Pre, "handle", "no arm has a free hand"))))
    }

    pub(super) fn wipe(&self, target: usize) -> Tried<'a> {
        let size = self.form(target).size_m();
        let Some(top) = self.form(target).top_m() else {
            return Err((0, stuck(Code::Pre, "wipe", "it has no top to wipe")));
        };
        let pose = self.world.pose(target);
        self.poke("wipe", target, Then::Wipe(target), |beyond| {
            let z = top + beyond + 0.003;
            let way = if size.1 >= size.0 { V3(0.0, 0.35 * size.1, 0.0) } else { V3(0.35 * size.0, 0.0, 0.0) };
            vec![pose.point(V3(0.0, 0.0, z) - way), pose.point(V3(0.0, 0.0, z) + way)]
        })
    }

    pub(super) fn press(&self, target: usize) -> Tried<'a> {
        let Form::Button { height_m, .. } = self.form(target) else {
            return Err((0, stuck(Code::Pre, "press", "it is no button")));
        };
        let pose = self.world.pose(target);
        self.poke("press", target, Then::Press(target), |beyond| {
            vec![pose.point(V3(0.0, 0.0, height_m + beyond + 0.0005))]
        })
    }

    /// Goes down with closed fingers to points at the tips, and up again.
    fn poke(&self, label: &'static str, target: usize, then: Then, points: impl Fn(f64) -> Vec<V3>) -> Tried<'a> {
        let mut best = None;
        for arm in self.free_arms(self.world.pose(target).p) {
            let Some(gripper) = &self.world.stage.arms[arm].robot.gripper else { continue };
            let points = points(gripper.tip_beyond_tcp_m);
            let (Some(first), Some(last)) = (points.first(), points.last()) else { continue };
            for yaw in [0.0, PI / 2.0, -PI / 2.0] {
                let mut draft = self.fresh();
                draft.set_opening(arm, 0.0);
                let place = &self.world.stage.arms[arm];
                let heading = place.world_from_base.r.heading() + yaw;
                let at = |p: V3| looking_down(p, heading);
                let hover = |p: V3| at(p + V3(0.0, 0.0, HOVER_M));
                let mut touch = Allowed { fingers: vec![Owner::Thing(target)], ..Allowed::default() };
                if matches!(self.form(target), Form::Mat { .. }) {
                    touch.fingers.push(Owner::Table);
                }
                let tried = (|| {
                    let around = draft.moment.around(self.world, arm);
                    let near = draft.facing(arm, *first);
                    let q = draft.reach(label, arm, at(*first), &near, &around, &touch).map_err(|s| (1, s))?;
                    let q_above = draft
                        .reach("above", arm, hover(*first), &q, &around, &Allowed::default())
                        .map_err(|s| (2, s))?;
                    draft.travel("above", arm, &q_above, &around).map_err(|s| (3, s))?;
                    draft.meant(hover(*first));
                    for point in &points {
                        draft.line(label, arm, at(*point), touch.clone()).map_err(|s| (4, s))?;
                        draft.meant(at(*point));
                    }
                    draft.then(then);
                    draft.line("retreat", arm, hover(*last), touch.clone()).map_err(|s| (5, s))
                })();
                match tried {
                    Ok(()) => return Ok(draft),
                    Err(e) => best = farther(best, e),
                }
            }
        }
        Err(best.unwrap_or_else(|| (0, stuck(Code::Pre, label, "no arm has a free hand"))))
    }

    pub(super) fn home(&self) -> Tried<'a> {
        let mut draft = self.fresh();
        for arm in 0..self.world.stage.arms.len() {
            let home = self.world.stage.arms[arm].home.clone();
            let around = draft.moment.around(self.world, arm);
            draft.travel("home", arm, &home, &around).map_err(|s| (1, s))?;
        }
        Ok(draft)
    }
}
