//! Each skill as motion.

use std::cell::Cell;
use std::rc::Rc;

mod contact;
mod hands;
mod pour;

use super::draft::{Allowed, Draft};
use super::spots::{Spot, spots};
use super::{Motion, Placement, Stuck, Then};
use crate::checks::Code;
use crate::checks::thresholds::SPARE_WIDTH_M;
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
            Skill::Pick { thing } => self.pick_any(&self.fresh(), self.find(thing)?),
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

    /// Takes a thing with one of the arms.
    fn pick_any(&self, draft: &Draft<'a>, thing: usize) -> Tried<'a> {
        let mut best = None;
        for (arm, grasp) in self.grasps(thing)? {
            match self.pick(draft.clone(), arm, thing, grasp) {
                Ok(done) => return Ok(done),
                Err(e) => best = farther(best, e),
            }
        }
        Err(best.unwrap_or_else(|| (0, stuck(Code::Width, "grasp", "there is no way to hold it from above"))))
    }

    /// Arms and grasps to try, and why there are none.
    fn grasps(&self, thing: usize) -> Result<Vec<(usize, Grasp)>, (usize, Stuck)> {
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
        let arms = self.free_arms(pose.p);
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
                if g.width_m + SPARE_WIDTH_M + 1e-3 > gripper.max_opening_m {
                    if widest.is_none_or(|(w, _)| g.width_m < w) {
                        widest = Some((g.width_m, gripper.max_opening_m - SPARE_WIDTH_M));
                    }
                } else {
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
        for (arm, grasp) in self.grasps(thing)? {
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
}
