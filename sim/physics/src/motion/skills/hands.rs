//! Changing the hold: between two arms, and between two grasps of one.

use super::*;

impl<'a> Builder<'a> {
    /// Gives a long thing to the other arm: each holds one end of it.
    pub(super) fn handover(&self, thing: usize, to: &str) -> Tried<'a> {
        let arms = &self.world.stage.arms;
        let Some(taker) = arms.iter().position(|a| a.name == to) else {
            return Err((0, stuck(Code::Ground, "names", format!("there is no arm `{to}`"))));
        };
        let Form::Box { size_m } = self.form(thing) else {
            return Err((0, stuck(Code::Width, "handover", "only long boxes can change hands")));
        };
        let Some(giver) = (0..arms.len()).find(|a| *a != taker) else {
            return Err((0, stuck(Code::Pre, "handover", "there is only one arm")));
        };
        let offset = size_m[0] / 2.0 - 0.02;
        let ends: Vec<f64> = vec![-offset, offset];
        let end_grasp = |end: f64, flip: f64| {
            let z = size_m[2] / 2.0;
            Grasp { thing_from_tcp: looking_down(V3(end, 0.0, z), flip), width_m: size_m[1] }
        };
        let (from, at) = (arms[giver].world_from_base.p, arms[taker].world_from_base.p);
        let middle = (from + at) * 0.5;
        let line = libm::atan2(at.1 - from.1, at.0 - from.0);
        let mut best = None;
        for end in ends {
            for flip in [0.0, PI] {
                let mut draft = self.fresh();
                if self.held_by(thing) != Some(giver) {
                    match self.pick(draft, giver, thing, end_grasp(end, flip)) {
                        Ok(done) => draft = done,
                        Err(e) => {
                            best = farther(best, e);
                            continue;
                        }
                    }
                }
                let Some(held) = draft.moment.held[giver] else { continue };
                let own_end = held.tcp_from_thing.inv().p.0;
                // The giver's end points back to the giver.
                let yaw = if own_end <= 0.0 { line } else { line + PI };
                let carried = Pose::new(V3(middle.0, middle.1, HANDOVER_M), Rot::yaw(yaw));
                for other_flip in [0.0, PI] {
                    let taken = end_grasp(if own_end <= 0.0 { offset } else { -offset }, other_flip);
                    let mut draft = draft.clone();
                    match self.change_hands(&mut draft, thing, giver, taker, carried, taken) {
                        Ok(()) => return Ok(draft),
                        Err(e) => best = farther(best, e),
                    }
                }
            }
        }
        Err(best.unwrap_or_else(|| (0, stuck(Code::Width, "handover", "there is no way to hold both ends"))))
    }

    fn change_hands(
        &self,
        draft: &mut Draft<'a>,
        thing: usize,
        giver: usize,
        taker: usize,
        carried: Pose,
        taken: Grasp,
    ) -> Result<(), (usize, Stuck)> {
        let arms = &self.world.stage.arms;
        let gripper =
            arms[taker].robot.needs_gripper().map_err(|e| (0, stuck(Code::Pre, "handover", e.to_string())))?;
        let Some(held) = draft.moment.held[giver] else { return Ok(()) };
        let goal = carried * held.tcp_from_thing.inv();
        let around = draft.moment.around(self.world, giver);
        let near = draft.facing(giver, goal.p);
        let q = draft.reach("offer", giver, goal, &near, &around, &Allowed::default()).map_err(|s| (6, s))?;
        draft.travel("offer", giver, &q, &around).map_err(|s| (7, s))?;
        draft.meant(goal);
        let goal = carried * taken.thing_from_tcp;
        let above = Pose::new(goal.p + V3(0.0, 0.0, HOVER_M), goal.r);
        draft.set_opening(taker, taken.open_m(gripper));
        let around = draft.moment.around(self.world, taker);
        let touch = Allowed { fingers: vec![Owner::Thing(thing)], ..Allowed::default() };
        let near = draft.facing(taker, goal.p);
        let q_take = draft.reach("take", taker, goal, &near, &around, &touch).map_err(|s| (8, s))?;
        let q_above =
            draft.reach("above take", taker, above, &q_take, &around, &Allowed::default()).map_err(|s| (9, s))?;
        draft.travel("above take", taker, &q_above, &around).map_err(|s| (10, s))?;
        draft.meant(above);
        draft.line("take", taker, goal, touch.clone()).map_err(|s| (11, s))?;
        draft.meant(goal);
        draft.grip(taker, thing, taken);
        draft.set_opening(
            giver,
            (draft.moment.opening_m[giver] + 2.0 * grasp::APPROACH_GAP_M).min(gripper.max_opening_m),
        );
        let from = draft.tcp(giver);
        draft.line("let go", giver, Pose::new(from.p + V3(0.0, 0.0, HOVER_M), from.r), touch).map_err(|s| (12, s))?;
        let around = draft.moment.around(self.world, giver);
        draft.travel("home", giver, &arms[giver].home.clone(), &around).map_err(|s| (13, s))?;
        Ok(())
    }

    /// Puts what is held on the table and takes it again with the hand turned by a quarter or more.
    pub(super) fn regrasp(&self, thing: usize) -> Tried<'a> {
        let Some(arm) = self.held_by(thing) else { return Err((0, stuck(Code::Pre, "regrasp", "no hand holds it"))) };
        let Some(held) = self.world.logic.arms[arm].held else {
            return Err((0, stuck(Code::Pre, "regrasp", "no hand holds it")));
        };
        let before = held.tcp_from_thing.inv();
        let mut best = None;
        for spot in spots(self.world, thing, self.world.pose(thing), Relation::On, None) {
            let laid = match self.lay_at(self.fresh(), arm, thing, spot) {
                Ok(draft) => draft,
                Err(e) => {
                    best = farther(best, e);
                    continue;
                }
            };
            let Some(gripper) = &self.world.stage.arms[arm].robot.gripper else { continue };
            for g in grasp::candidates(&self.form(thing), gripper) {
                let turned = (before.r.inv() * g.thing_from_tcp.r).angle() > 0.7;
                if !turned || g.width_m + SPARE_WIDTH_M > gripper.max_opening_m {
                    continue;
                }
                let mut draft = laid.clone();
                draft.motion.placed = None;
                match self.pick(draft, arm, thing, g) {
                    Ok(done) => return Ok(done),
                    Err(e) => best = farther(best, e),
                }
            }
        }
        Err(best.unwrap_or_else(|| (0, stuck(Code::Width, "regrasp", "there is no other way to hold it"))))
    }
}
