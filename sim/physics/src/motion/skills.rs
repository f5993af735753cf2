//! Each skill as motion.

use std::cell::Cell;
use std::rc::Rc;

use super::draft::{Allowed, Draft};
use super::spots::{Spot, spots};
use super::{Motion, Placement, Stuck, Then};
use crate::checks::Code;
use crate::grasp::{self, Grasp};
use crate::kinematics::Owner;
use crate::math::{PI, Pose, Rot, V3};
use crate::scene::form::Form;
use crate::skill::{Relation, Skill, Towards};
use crate::world::World;
use crate::world::stage::looking_down;

/// Height of the tool above a grasp from which it goes straight down, metres.
const HOVER_M: f64 = 0.1;
/// How far a push goes without a target, metres.
const PUSH_M: f64 = 0.1;
/// Angle that empties a cup, radians.
const POUR_RAD: f64 = 2.0;
/// Height at which things change hands, metres.
const HANDOVER_M: f64 = 0.28;
/// Largest tilt at which a thing counts as upright and is grasped from above, radians.
const UPRIGHT_RAD: f64 = 0.15;

/// How hard to look for a motion.
#[derive(Clone, Copy, Debug)]
pub struct ProposeOptions {
    /// Seed of path search.
    pub seed: u64,
    /// Nodes of all path searches together.
    pub rrt_nodes: usize,
    /// Grasps to try.
    pub grasps: usize,
    /// Places to try for each grasp.
    pub places: usize,
}

impl Default for ProposeOptions {
    fn default() -> Self {
        Self { seed: 1, rrt_nodes: 4_000, grasps: 8, places: 60 }
    }
}

type Tried<'a> = Result<Draft<'a>, (usize, Stuck)>;

/// A motion for a skill; see the module. Names that are not in the scene and skills whose preconditions fail are the business
/// of earlier checks: here they give a motion that is stuck.
#[must_use]
pub fn propose(world: &World, skill: &Skill, options: &ProposeOptions) -> Motion {
    let builder = Builder { world, options: *options, nodes: Rc::new(Cell::new(options.rrt_nodes)) };
    match builder.build(skill) {
        Ok(draft) => draft.motion,
        Err((_, stuck)) => Motion { stuck: Some(stuck), ..Motion::default() },
    }
}

struct Builder<'a> {
    world: &'a World,
    options: ProposeOptions,
    nodes: Rc<Cell<usize>>,
}

fn stuck(code: Code, at: &str, note: impl Into<String>) -> Stuck {
    Stuck { code, at: at.to_owned(), value: 0.0, threshold: 0.0, culprit: Vec::new(), note: note.into() }
}

/// Keeps the failure that came farthest.
fn farther(best: Option<(usize, Stuck)>, new: (usize, Stuck)) -> Option<(usize, Stuck)> {
    match best {
        Some(b) if b.0 >= new.0 => Some(b),
        _ => Some(new),
    }
}

impl<'a> Builder<'a> {
    fn find(&self, name: &str) -> Result<usize, (usize, Stuck)> {
        self.world
            .stage
            .scene
            .find(name)
            .ok_or_else(|| (0, stuck(Code::Ground, "names", format!("there is no `{name}`"))))
    }

    fn fresh(&self) -> Draft<'a> {
        Draft::new(self.world, self.options.seed, self.nodes.clone())
    }

    fn form(&self, thing: usize) -> Form {
        self.world.stage.thing(thing).form
    }

    fn held_by(&self, thing: usize) -> Option<usize> {
        self.world.logic.arms.iter().position(|a| a.held.is_some_and(|h| h.thing == thing))
    }

    /// Arms with free hands and a gripper, the nearest to a point first.
    fn free_arms(&self, p: V3) -> Vec<usize> {
        let arms = &self.world.stage.arms;
        let mut free: Vec<usize> = (0..arms.len())
            .filter(|a| self.world.logic.arms[*a].held.is_none() && arms[*a].robot.gripper.is_some())
            .collect();
        free.sort_by(|a, b| arms[*a].world_from_base.p.distance(p).total_cmp(&arms[*b].world_from_base.p.distance(p)));
        free
    }

    fn build(&self, skill: &Skill) -> Tried<'a> {
        match skill {
            Skill::Pick { thing } => self.pick_any(self.fresh(), self.find(thing)?, None),
            Skill::Place { thing, relation, target } => {
                let target = if target == "table" { None } else { Some(self.find(target)?) };
                self.put(self.find(thing)?, *relation, target)
            }
            Skill::Stack { thing, target } => self.put(self.find(thing)?, Relation::On, Some(self.find(target)?)),
            Skill::Unstack { thing } => self.put(self.find(thing)?, Relation::On, None),
            Skill::Push { thing, to } | Skill::Pull { thing, to } => self.push(self.find(thing)?, to),
            Skill::Open { target } => {
                let target = self.find(target)?;
                match self.form(target) {
                    Form::Drawer { travel_m, .. } => self.slide(target, travel_m),
                    _ => {
                        let lid = self
                            .world
                            .lid_on(target)
                            .ok_or_else(|| (0, stuck(Code::Pre, "open", "there is no lid on it")))?;
                        self.put(lid, Relation::On, None)
                    }
                }
            }
            Skill::Close { target } => {
                let target = self.find(target)?;
                if let Form::Drawer { .. } = self.form(target) {
                    return self.slide(target, 0.0);
                }
                let lid =
                    self.lid_for(target).ok_or_else(|| (0, stuck(Code::Pre, "close", "there is no lid for it")))?;
                self.put(lid, Relation::On, Some(target))
            }
            Skill::Pour { from, into } => self.pour(self.find(from)?, self.find(into)?),
            Skill::Handover { thing, to } => self.handover(self.find(thing)?, to),
            Skill::Regrasp { thing } => self.regrasp(self.find(thing)?),
            Skill::Wipe { target } => self.wipe(self.find(target)?),
            Skill::Press { target } => self.press(self.find(target)?),
            Skill::Home => self.home(),
        }
    }

    /// The free lid whose size fits a container best.
    fn lid_for(&self, container: usize) -> Option<usize> {
        let size = self.form(container).size_m();
        let misfit = |i: &usize| (self.form(*i).size_m().0 - size.0).abs() + (self.form(*i).size_m().1 - size.1).abs();
        let lids = (0..self.world.stage.scene.things.len()).filter(|i| matches!(self.form(*i), Form::Lid { .. }));
        lids.min_by(|a, b| misfit(a).total_cmp(&misfit(b)))
    }

    /// Takes a thing with one of the arms; `only` limits arm and grasp.
    fn pick_any(&self, draft: Draft<'a>, thing: usize, only: Option<(usize, &dyn Fn(&Grasp) -> bool)>) -> Tried<'a> {
        let mut best = None;
        for (arm, grasp) in self.grasps(thing, only)? {
            match self.pick(draft.clone(), arm, thing, grasp) {
                Ok(done) => return Ok(done),
                Err(e) => best = farther(best, e),
            }
        }
        Err(best.unwrap_or_else(|| (0, stuck(Code::Width, "grasp", "there is no way to hold it from above"))))
    }

    /// Arms and grasps to try, and why there are none.
    fn grasps(
        &self,
        thing: usize,
        only: Option<(usize, &dyn Fn(&Grasp) -> bool)>,
    ) -> Result<Vec<(usize, Grasp)>, (usize, Stuck)> {
        let pose = self.world.pose(thing);
        if pose.r.tilt() > UPRIGHT_RAD {
            return Err((
                0,
                stuck(
                    Code::Reach,
                    "grasp",
                    format!("it lies on its side, tilted by {:.0} degrees", pose.r.tilt().to_degrees()),
                ),
            ));
        }
        let arms = match only {
            Some((arm, _)) => vec![arm],
            None => self.free_arms(pose.p),
        };
        if arms.is_empty() {
            return Err((0, stuck(Code::Pre, "grasp", "no arm has a free hand")));
        }
        let mut list = Vec::new();
        let mut widest: Option<(f64, f64)> = None;
        for arm in arms {
            let Some(gripper) = &self.world.stage.arms[arm].robot.gripper else { continue };
            let near = self.fresh().facing(arm, pose.p);
            let place = &self.world.stage.arms[arm];
            let rest = place.robot.frames(place.world_from_base, &near).tcp.r;
            let mut fitting: Vec<Grasp> = Vec::new();
            for g in grasp::candidates(&self.form(thing), gripper) {
                if g.width_m + grasp::SPARE_M + 1e-3 > gripper.max_opening_m {
                    if widest.is_none_or(|(w, _)| g.width_m < w) {
                        widest = Some((g.width_m, gripper.max_opening_m - grasp::SPARE_M));
                    }
                } else if only.is_none_or(|(_, ok)| ok(&g)) {
                    fitting.push(g);
                }
            }
            // The hand that turns least comes first; equal widths differ in nothing else.
            fitting.sort_by(|a, b| {
                let turn = |g: &Grasp| (rest.inv() * (pose * g.thing_from_tcp).r).angle();
                turn(a).total_cmp(&turn(b))
            });
            list.extend(fitting.into_iter().take(self.options.grasps).map(|g| (arm, g)));
        }
        match (list.is_empty(), widest) {
            (true, Some((width, room))) => Err((
                0,
                Stuck {
                    code: Code::Width,
                    at: "grasp".to_owned(),
                    value: width,
                    threshold: room,
                    culprit: vec![self.world.stage.thing(thing).name.clone()],
                    note: "it is wider than the gripper opens".to_owned(),
                },
            )),
            _ => Ok(list),
        }
    }

    fn pick(&self, mut draft: Draft<'a>, arm: usize, thing: usize, grasp: Grasp) -> Tried<'a> {
        let gripper = self.world.stage.arms[arm]
            .robot
            .needs_gripper()
            .map_err(|e| (0, stuck(Code::Pre, "grasp", e.to_string())))?;
        let goal = draft.moment.pose(self.world, thing) * grasp.thing_from_tcp;
        let above = goal * Pose::at(V3(0.0, 0.0, -HOVER_M));
        let mut touch = Allowed { fingers: vec![Owner::Thing(thing)], ..Allowed::default() };
        touch.fingers.extend(self.world.loads(thing).into_iter().map(Owner::Thing));
        draft.set_opening(arm, grasp.open_m(gripper));
        let around = draft.moment.around(self.world, arm);
        let near = draft.facing(arm, goal.p);
        let q_grasp = draft.reach("grasp", arm, goal, &near, &around, &touch).map_err(|s| (1, s))?;
        let q_above =
            draft.reach("pregrasp", arm, above, &q_grasp, &around, &Allowed::default()).map_err(|s| (2, s))?;
        draft.travel("pregrasp", arm, &q_above, &around).map_err(|s| (3, s))?;
        draft.meant(above);
        draft.line("grasp", arm, goal, touch).map_err(|s| (4, s))?;
        draft.meant(goal);
        draft.grip(arm, thing, grasp);
        let mut lift = Allowed { fingers: vec![Owner::Thing(thing)], held: self.supports(thing) };
        lift.fingers.extend(self.world.loads(thing).into_iter().map(Owner::Thing));
        let lifted = Pose::new(goal.p + V3(0.0, 0.0, HOVER_M), goal.r);
        draft.line("lift", arm, lifted, lift).map_err(|s| (5, s))?;
        draft.meant(lifted);
        Ok(draft)
    }

    /// What a thing touches now: it may go on touching it while it is lifted.
    fn supports(&self, thing: usize) -> Vec<Owner> {
        let mut owners: Vec<Owner> =
            self.world.touches(thing).iter().map(|t| t.with).filter(|o| !matches!(o, Owner::Arm(_))).collect();
        owners.push(Owner::Table);
        owners.extend(self.world.loads(thing).into_iter().map(Owner::Thing));
        owners.sort_unstable();
        owners.dedup();
        owners
    }

    /// Picks a thing unless a hand has it, and puts it at one of the spots.
    fn put(&self, thing: usize, relation: Relation, target: Option<usize>) -> Tried<'a> {
        let now = self.world.pose(thing);
        let places = spots(self.world, thing, now, relation, target);
        if places.is_empty() {
            let name = target.map_or("table".to_owned(), |t| self.world.stage.thing(t).name.clone());
            let note = match target.and_then(|t| self.world.stage.cavity(t)) {
                Some(_) if relation == Relation::In => "it does not fit inside",
                None if relation == Relation::In => "it has no inside",
                _ => "there is no room",
            };
            let mut why = stuck(Code::Inside, "place", note);
            if relation != Relation::In {
                why.code = Code::Support;
            }
            why.culprit = vec![name];
            return Err((0, why));
        }
        let mut best = None;
        if let Some(arm) = self.held_by(thing) {
            return self.lay(&self.fresh(), arm, thing, &places);
        }
        let loads = self.world.loads(thing);
        for (arm, grasp) in self.grasps(thing, None)? {
            let picked = match self.pick(self.fresh(), arm, thing, grasp) {
                Ok(draft) => draft,
                Err(e) => {
                    best = farther(best, e);
                    continue;
                }
            };
            debug_assert!(picked.moment.riding == loads);
            match self.lay(&picked, arm, thing, &places) {
                Ok(done) => return Ok(done),
                Err(e) => best = farther(best, e),
            }
        }
        Err(best.unwrap_or_else(|| (0, stuck(Code::Width, "grasp", "there is no way to hold it from above"))))
    }

    /// Puts what the arm holds at the first spot that works.
    fn lay(&self, draft: &Draft<'a>, arm: usize, thing: usize, places: &[Spot]) -> Tried<'a> {
        let mut best = None;
        let mut falls: Option<Draft<'a>> = None;
        for spot in places.iter().take(self.options.places) {
            match self.lay_at(draft.clone(), arm, thing, *spot) {
                // A place at which the thing would not stay is the last resort: the checks then say why.
                Ok(done) if crate::checks::stays(self.world, &done.motion) => return Ok(done),
                Ok(done) if falls.is_none() => falls = Some(done),
                Ok(_) => {}
                Err(e) => best = farther(best, e),
            }
        }
        if let Some(done) = falls {
            return Ok(done);
        }
        Err(best.unwrap_or_else(|| (6, stuck(Code::Support, "place", "there is no room"))))
    }

    fn lay_at(&self, mut draft: Draft<'a>, arm: usize, thing: usize, spot: Spot) -> Tried<'a> {
        let Some(held) = draft.moment.held[arm] else {
            return Err((5, stuck(Code::Pre, "place", "the hand is empty")));
        };
        let goal = spot.pose * held.tcp_from_thing.inv();
        let rim = spot.into.and_then(|c| self.world.stage.cavity(c)).map_or(0.0, |room| room.depth_m + 0.02);
        let above = Pose::new(goal.p + V3(0.0, 0.0, HOVER_M.max(rim)), goal.r);
        let mut owners = vec![spot.on];
        owners.extend(spot.into.map(Owner::Thing));
        owners.extend(spot.into.map(Owner::Tray));
        if let Owner::Thing(below) = spot.on {
            // Things on the same board or in the same container may be touched by what is set down, not by the hand.
            owners.extend(
                spot.into.iter().flat_map(|_| self.world.loads(below)).filter(|l| *l != thing).map(Owner::Thing),
            );
        }
        let riders = draft.moment.riding.iter().copied().map(Owner::Thing);
        let down = Allowed { fingers: Vec::new(), held: owners.iter().copied().chain(riders).collect() };
        let around = draft.moment.around(self.world, arm);
        let near = draft.facing(arm, goal.p);
        // The thing is let go a millimetre above its support; the posture there must be free but for that.
        let q_goal = draft.reach("place", arm, goal, &near, &around, &down).map_err(|s| (6, s))?;
        let q_above = draft.reach("preplace", arm, above, &q_goal, &around, &Allowed::default()).map_err(|s| (7, s))?;
        draft.carry("preplace", arm, above, &q_above, &around).map_err(|s| (8, s))?;
        draft.meant(above);
        draft.line("place", arm, goal, down).map_err(|s| (9, s))?;
        draft.meant(goal);
        let gripper = self.world.stage.arms[arm]
            .robot
            .needs_gripper()
            .map_err(|e| (0, stuck(Code::Pre, "place", e.to_string())))?;
        let opened = (draft.moment.opening_m[arm] + 2.0 * grasp::APPROACH_GAP_M).min(gripper.max_opening_m);
        draft.release(arm, opened);
        draft.motion.placed = Some(Placement { thing, pose: spot.pose, on: spot.on, into: spot.into });
        let mut away = Allowed { fingers: vec![Owner::Thing(thing)], ..Allowed::default() };
        away.fingers.extend(self.world.loads(thing).into_iter().map(Owner::Thing));
        draft.line("retreat", arm, above, away).map_err(|s| (10, s))?;
        draft.meant(above);
        if self.world.stage.arms.len() > 1 {
            // With two arms on a table, an idle one gets out of the way.
            let home = self.world.stage.arms[arm].home.clone();
            let around = draft.moment.around(self.world, arm);
            draft.travel("home", arm, &home, &around).map_err(|s| (11, s))?;
        }
        Ok(draft)
    }

    /// Pushes with closed fingers, from the side that is away from the target.
    fn push(&self, thing: usize, to: &Towards) -> Tried<'a> {
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
                    draft.then(Then::Wait(super::REST_SECS));
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
    fn slide(&self, drawer: usize, out_m: f64) -> Tried<'a> {
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

    /// Empties a cup: its lip stays over the middle of the container while it tilts.
    fn pour(&self, cup: usize, into: usize) -> Tried<'a> {
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
            if place.robot.gripper.as_ref().is_none_or(|g| 2.0 * radius_m + grasp::SPARE_M > g.max_opening_m) {
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

    /// Gives a long thing to the other arm: each holds one end of it.
    fn handover(&self, thing: usize, to: &str) -> Tried<'a> {
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
    fn regrasp(&self, thing: usize) -> Tried<'a> {
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
                if !turned || g.width_m + grasp::SPARE_M > gripper.max_opening_m {
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

    fn wipe(&self, target: usize) -> Tried<'a> {
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

    fn press(&self, target: usize) -> Tried<'a> {
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

    fn home(&self) -> Tried<'a> {
        let mut draft = self.fresh();
        for arm in 0..self.world.stage.arms.len() {
            let home = self.world.stage.arms[arm].home.clone();
            let around = draft.moment.around(self.world, arm);
            draft.travel("home", arm, &home, &around).map_err(|s| (1, s))?;
        }
        Ok(draft)
    }
}
