//! Zones: arms plan around what they have to keep out of, and slow down where people are; both measured on what is carried out.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use rhea_physics::checks::thresholds::NEAR_PEOPLE_MPS;
use rhea_physics::checks::{Claim, Code, Course, Step, StepReport, Verdict, check_step};
use rhea_physics::execute::execute_watched;
use rhea_physics::math::V3;
use rhea_physics::motion::{Motion, ProposeOptions, propose};
use rhea_physics::scene::spec::{Zone, ZoneRule};
use rhea_physics::skill::{Relation, Skill};
use rhea_physics::world::{STEP_SECS, World};

const THINGS: &str = r#"
(name: "block", noun: "block", colour: Red, form: Box(size_m: (0.05, 0.05, 0.05)), at_m: (0.45, -0.3)),
(name: "shelf", noun: "shelf", colour: Brown, form: Shelf(size_m: (0.2, 0.3, 0.1)), at_m: (0.45, 0.35)),
"#;

fn zone(rule: ZoneRule, centre_m: [f64; 3], size_m: [f64; 3]) -> Zone {
    Zone { name: "zone".to_owned(), rule, centre_m, size_m }
}

fn world(zones: Vec<Zone>) -> World {
    let mut scene = common::scene(THINGS);
    scene.zones = zones;
    scene.check().unwrap();
    common::world(scene)
}

fn put() -> Skill {
    Skill::Place { thing: "block".to_owned(), relation: Relation::On, target: "shelf".to_owned() }
}

fn judged(world: &World, motion: &Motion) -> StepReport {
    let claim = Some(Claim::meant(world, motion));
    let duration_secs = Some(motion.duration_secs());
    let step = Step { skill: Some(put()), claim, duration_secs, ..Step::default() };
    check_step(world, 1, &step, motion, &Course::default()).unwrap()
}

fn verdict(report: &StepReport, code: Code, unit: &str) -> Verdict {
    report.checks.iter().find(|c| c.code == code && c.unit == unit).unwrap().verdict
}

/// Where the tool and the joints are at every step of the simulation.
fn carried_out(world: &mut World, motion: &Motion) -> Vec<Vec<V3>> {
    let mut moments = Vec::new();
    let done = execute_watched(world, motion, &mut |world| {
        let frames = world.frames(0);
        moments.push(std::iter::once(frames.tcp.p).chain(frames.segments.iter().map(|f| f.p)).collect());
    });
    assert!(done.stopped.is_none(), "{:?}", done.stopped);
    moments
}

fn is_in(zone: &Zone, p: V3) -> bool {
    let inside = |p: f64, centre: f64, size: f64| (p - centre).abs() <= size / 2.0;
    let [c, s] = [zone.centre_m, zone.size_m];
    inside(p.0, c[0], s[0]) && inside(p.1, c[1], s[1]) && inside(p.2, c[2], s[2])
}

#[test]
fn the_straight_way_through_a_forbidden_zone_is_rejected_and_another_is_found() {
    let straight = propose(&world(Vec::new()), &put(), &ProposeOptions::default());
    let forbidden = zone(ZoneRule::KeepOut, [0.6, 0.0, 0.2], [0.22, 0.12, 0.4]);
    let mut zoned = world(vec![forbidden.clone()]);
    let through = judged(&zoned, &straight);
    assert_eq!(verdict(&through, Code::Keep, "m"), Verdict::Reject, "{}", through.says);
    let around = propose(&zoned, &put(), &ProposeOptions::default());
    assert!(around.stuck.is_none(), "{:?}", around.stuck);
    let accepted = judged(&zoned, &around);
    assert_ne!(accepted.verdict, Verdict::Reject, "{}", accepted.says);
    let moments = carried_out(&mut zoned, &around);
    assert!(moments.iter().flatten().all(|p| !is_in(&forbidden, *p)));
}

#[test]
fn where_people_are_the_tool_is_slow_and_elsewhere_it_is_not() {
    let people = zone(ZoneRule::Slow, [0.45, 0.35, 0.4], [0.5, 0.4, 0.8]);
    let mut zoned = world(vec![people.clone()]);
    let hurried = propose(&world(Vec::new()), &put(), &ProposeOptions::default());
    let report = judged(&zoned, &hurried);
    assert_eq!(verdict(&report, Code::Speed, "m/s"), Verdict::Reject, "{}", report.says);
    let motion = propose(&zoned, &put(), &ProposeOptions::default());
    let report = judged(&zoned, &motion);
    assert_eq!(verdict(&report, Code::Speed, "m/s"), Verdict::Pass, "{}", report.says);
    assert!(motion.duration_secs() > hurried.duration_secs());
    let tools: Vec<V3> = carried_out(&mut zoned, &motion).into_iter().map(|m| m[0]).collect();
    let speeds = |inside: bool| {
        let pairs = tools.windows(2).filter(|p| is_in(&people, p[0]) == inside && is_in(&people, p[1]) == inside);
        pairs.map(|p| p[0].distance(p[1]) / STEP_SECS).fold(0.0, f64::max)
    };
    assert!(speeds(true) > 0.05 && speeds(true) <= NEAR_PEOPLE_MPS, "{}", speeds(true));
    assert!(speeds(false) > NEAR_PEOPLE_MPS, "{}", speeds(false));
}
