//! The eleven families.

use rhea_scene::Colour;

use super::build::Desk;
use super::{Family, Task};
use crate::checks::Code;
use crate::scene::form::Form;
use crate::scene::spec::{RobotPlace, Thing};
use crate::world::facts::Goal;

/// The task of a family and seed.
#[must_use]
pub fn task(family: Family, seed: u64) -> Task {
    let (desk, goals, refuse) = match family {
        Family::F1 => pick_place(seed),
        Family::F2 => stack(seed),
        Family::F3 => sort(seed),
        Family::F4 => pour(seed),
        Family::F5 => drawer(seed),
        Family::F6 => push(seed),
        Family::F7 => handover(seed),
        Family::F8 => tidy(seed),
        Family::F9 => blocked(seed),
        Family::F10 => kitchen(seed),
        Family::F11 => infeasible(seed),
    };
    Task { family, seed, scene: desk.scene, goals, refuse }
}

type Made = (Desk, Vec<Goal>, Vec<Code>);

fn on(thing: &str, target: &str) -> Goal {
    Goal::On { thing: thing.to_owned(), target: target.to_owned() }
}

fn inside(thing: &str, target: &str) -> Goal {
    Goal::In { thing: thing.to_owned(), target: target.to_owned() }
}

fn closed(target: &str) -> Goal {
    Goal::Closed { target: target.to_owned() }
}

/// Adds up to `count` graspable things of different colours; their names.
fn clutter(desk: &mut Desk, count: usize, but: &[Colour]) -> Vec<String> {
    let colours: Vec<Colour> = desk.colours(8).into_iter().filter(|c| !but.contains(c)).take(count).collect();
    let mut names = Vec::new();
    for colour in colours {
        let thing = desk.graspable(colour);
        names.extend(desk.add(thing));
    }
    names
}

fn pick_place(seed: u64) -> Made {
    // A quarter of these tasks is for the small arm.
    let small = seed % 4 == 3;
    let mut desk = Desk::new("pick and place", 1, seed, small);
    let noun = ["shelf", "bin", "tray", "mat"][desk.below(4)];
    let target = if small {
        desk.receiver("mat", Colour::Grey, [0.26, -0.16])
    } else {
        let side = if desk.coin() { 0.36 } else { -0.36 };
        desk.receiver(noun, Colour::Grey, [0.42, side])
    };
    let many = [2, 4, 6][desk.below(3)];
    let names = if small {
        let colours = desk.colours(3);
        colours
            .into_iter()
            .filter_map(|c| {
                let mut cube = desk.cube(c, 0.03);
                cube.mass_kg = 0.04;
                desk.add(cube)
            })
            .collect()
    } else {
        clutter(&mut desk, many, &[Colour::Grey])
    };
    let mut goals = Vec::new();
    for name in names.iter().take(1 + usize::from(desk.coin() && !small)) {
        let holds = matches!(noun, "bin" | "tray") && !small;
        goals.push(if holds { inside(name, &target) } else { on(name, &target) });
    }
    (desk, goals, Vec::new())
}

fn stack(seed: u64) -> Made {
    let mut desk = Desk::new("stack", 2, seed, false);
    let count = 2 + desk.below(4);
    let colours = desk.colours(count);
    let mut names = Vec::new();
    let mut side = desk.between(0.05, 0.058);
    for colour in colours {
        let cube = desk.cube(colour, side);
        side -= 0.002;
        names.extend(desk.add(cube));
    }
    let goals = names.windows(2).map(|pair| on(&pair[1], &pair[0])).collect();
    (desk, goals, Vec::new())
}

fn sort(seed: u64) -> Made {
    let mut desk = Desk::new("sort", 3, seed, false);
    let colours = desk.colours(2);
    let bins = [desk.receiver("bin", colours[0], [0.4, 0.4]), desk.receiver("bin", colours[1], [0.4, -0.4])];
    desk.fan_rad = 0.5;
    let mut goals = Vec::new();
    let count = 3 + desk.below(4);
    for i in 0..count {
        let colour = colours[i % 2];
        let side = desk.between(0.034, 0.042);
        let mut cube = desk.cube(colour, side);
        cube.name = format!("{}_block_{}", colour.name(), i / 2 + 1);
        if let Some(name) = desk.add(cube) {
            goals.push(inside(&name, &bins[i % 2]));
        }
    }
    (desk, goals, Vec::new())
}

fn pour(seed: u64) -> Made {
    let mut desk = Desk::new("pour", 4, seed, false);
    desk.ring_m = [0.38, 0.56];
    desk.fan_rad = 0.7;
    let colours = desk.colours(2);
    let bowl = Thing::new(
        format!("{}_bowl", colours[0].name()),
        "bowl",
        colours[0],
        Form::Cup { radius_m: 0.085, height_m: 0.06, wall_m: 0.005 },
        [0.0; 2],
    );
    let bowl = desk.add(Thing { mass_kg: 0.5, fixed: true, ..bowl }).unwrap_or_default();
    let cup = Thing::new(
        format!("{}_cup", colours[1].name()),
        "cup",
        colours[1],
        Form::Cup { radius_m: 0.035, height_m: 0.085, wall_m: 0.004 },
        [0.0; 2],
    );
    let cup = desk.add(Thing { mass_kg: 0.12, upright_deg: Some(15.0), ..cup }).unwrap_or_default();
    let at = desk.scene.things.iter().find(|t| t.name == cup).map_or([0.0; 2], |t| t.at_m);
    let count = 20 + desk.below(21);
    for i in 0..count {
        // In layers of six around the middle; each layer is let fall on the one below.
        let (layer, angle) = (i / 6, (i % 6) as f64 * crate::math::PI / 3.0);
        let p = [at[0] + 0.017 * libm::cos(angle), at[1] + 0.017 * libm::sin(angle)];
        let mut bead = Thing::new(format!("bead_{}", i + 1), "bead", Colour::Yellow, Form::Ball { radius_m: 0.006 }, p);
        bead.mass_kg = 0.002;
        bead.friction = 0.2;
        bead.on = Some(cup.clone());
        // Height comes from the layer: beads are stacked by name order on the cup's floor.
        bead.lift_m = 0.013 * layer as f64;
        desk.scene.things.push(bead);
    }
    let goal = Goal::Poured { noun: "bead".to_owned(), into: bowl, share: 0.9 };
    (desk, vec![goal], Vec::new())
}

fn cabinet(desk: &mut Desk, colour: Colour, side: f64) -> String {
    let form = Form::Drawer { size_m: [0.22, 0.24, 0.1], travel_m: 0.16 };
    let mut thing = Thing::new(format!("{}_drawer", colour.name()), "drawer", colour, form, [0.72, side]);
    thing.mass_kg = 5.0;
    // The drawer slides out towards the arm.
    desk.keep([0.5, side], 0.16);
    desk.put(thing)
}

fn drawer(seed: u64) -> Made {
    let mut desk = Desk::new("drawer", 5, seed, false);
    let side = desk.between(-0.08, 0.08);
    let drawer = cabinet(&mut desk, Colour::White, side);
    let mut goals = Vec::new();
    let count = 1 + desk.below(2);
    desk.fan_rad = 1.25;
    for colour in desk.colours(8).into_iter().filter(|c| *c != Colour::White).take(count) {
        let size = desk.between(0.03, 0.042);
        let cube = desk.cube(colour, size);
        if let Some(name) = desk.add(cube) {
            goals.push(inside(&name, &drawer));
        }
    }
    if desk.coin() {
        goals.push(closed(&drawer));
    }
    clutter(&mut desk, 2, &[Colour::White, Colour::Red, Colour::Blue, Colour::Green, Colour::Yellow]);
    (desk, goals, Vec::new())
}

fn push(seed: u64) -> Made {
    let mut desk = Desk::new("push", 6, seed, false);
    let colours = desk.colours(2);
    let side = desk.between(0.1, 0.13);
    let height = desk.between(0.05, 0.08);
    let form = if desk.coin() {
        Form::Box { size_m: [side, side, height] }
    } else {
        Form::Cylinder { radius_m: side / 2.0, height_m: height }
    };
    // One way across, so that box and mat leave room for the hand.
    let from = [desk.between(0.42, 0.5), if desk.coin() { -0.16 } else { 0.16 }];
    let by = desk.between(0.15, 0.24);
    let to = [from[0], from[1] - by * from[1].signum()];
    let mut parcel = Thing::new(format!("{}_box", colours[0].name()), "box", colours[0], form, from);
    parcel.mass_kg = desk.between(0.2, 0.6);
    parcel.friction = desk.between(0.3, 0.6);
    let mat =
        Thing::new(format!("{}_mat", colours[1].name()), "mat", colours[1], Form::Mat { size_m: [0.15, 0.15] }, to);
    let (parcel, mat) = (desk.put(parcel), desk.put(mat));
    let names = colours;
    clutter(&mut desk, 2, &names);
    let goal = Goal::Near { thing: parcel, target: mat, within_m: 0.02 };
    (desk, vec![goal], Vec::new())
}

fn handover(seed: u64) -> Made {
    let mut desk = Desk::new("hand over", 7, seed, false);
    desk.scene.table.centre_m = [0.65, 0.0];
    desk.scene.table.size_m = [1.8, 1.4];
    desk.scene.robots = vec![
        RobotPlace { name: "near_arm".to_owned(), model: "rhea_arm7.urdf".to_owned(), base_m: [0.0; 3], yaw_deg: 0.0 },
        RobotPlace {
            name: "far_arm".to_owned(),
            model: "rhea_arm7.urdf".to_owned(),
            base_m: [1.3, 0.0, 0.0],
            yaw_deg: 180.0,
        },
    ];
    let colours = desk.colours(3);
    let size = [desk.between(0.2, 0.26), desk.between(0.03, 0.045), desk.between(0.03, 0.045)];
    let at = [desk.between(0.32, 0.4), desk.between(-0.15, 0.15)];
    let mut bar = Thing::new(format!("{}_bar", colours[0].name()), "bar", colours[0], Form::Box { size_m: size }, at);
    bar.mass_kg = desk.between(0.08, 0.2);
    bar.friction = 0.8;
    let bar = desk.put(bar);
    let side = desk.between(-0.2, 0.2);
    let mat = Thing::new(
        format!("{}_mat", colours[1].name()),
        "mat",
        colours[1],
        Form::Mat { size_m: [0.3, 0.3] },
        [0.95, side],
    );
    let mat = desk.put(mat);
    let goal = if desk.coin() { on(&bar, &mat) } else { Goal::Held { thing: bar, arm: Some("far_arm".to_owned()) } };
    (desk, vec![goal], Vec::new())
}

fn tidy(seed: u64) -> Made {
    let mut desk = Desk::new("tidy up", 8, seed, false);
    let bin = desk.receiver("bin", Colour::Grey, [0.36, 0.42]);
    let shelf = desk.receiver("shelf", Colour::Brown, [0.4, -0.42]);
    desk.fan_rad = 0.55;
    let count = 4 + desk.below(3);
    let names = clutter(&mut desk, count, &[Colour::Grey]);
    let goals = names
        .iter()
        .enumerate()
        .map(|(i, n)| if i % 2 == 0 { inside(n, &bin) } else { on(n, &shelf) })
        .take(6)
        .collect();
    (desk, goals, Vec::new())
}

fn blocked(seed: u64) -> Made {
    let mut desk = Desk::new("in the way", 9, seed, false);
    match seed % 3 {
        0 => {
            // Something stands on what is wanted.
            let mat = desk.receiver("mat", Colour::Grey, [0.4, 0.36]);
            let colours = desk.colours(3);
            let below = desk.cube(colours[0], 0.054);
            let yaw = below.yaw_deg;
            let below = desk.add(below).unwrap_or_default();
            let at = desk.scene.things.last().map_or([0.0; 2], |t| t.at_m);
            let mut above = desk.cube(colours[1], 0.048);
            (above.at_m, above.on, above.yaw_deg) = (at, Some(below.clone()), yaw);
            desk.scene.things.push(above);
            let extra = desk.cube(colours[2], 0.045);
            desk.add(extra);
            (desk, vec![on(&below, &mat)], Vec::new())
        }
        1 => {
            // A lid is on the bin.
            let bin = Thing::new(
                "grey_bin",
                "bin",
                Colour::Grey,
                Form::Bin { size_m: [0.16, 0.16, 0.08], wall_m: 0.008 },
                [0.42, 0.28],
            );
            let bin = desk.put(Thing { fixed: true, mass_kg: 1.0, ..bin });
            let mut lid =
                Thing::new("brown_lid", "lid", Colour::Brown, Form::Lid { size_m: [0.17, 0.17, 0.01] }, [0.42, 0.28]);
            lid.on = Some(bin.clone());
            lid.mass_kg = 0.15;
            desk.scene.things.push(lid);
            let colours = desk.colours(2);
            let side = desk.between(0.034, 0.042);
            let cube = desk.cube(colours[0], side);
            let name = desk.add(cube).unwrap_or_default();
            let mut goals = vec![inside(&name, &bin)];
            if desk.coin() {
                goals.push(closed(&bin));
            }
            (desk, goals, Vec::new())
        }
        _ => {
            // The thing is in a closed drawer.
            let side = desk.between(-0.06, 0.06);
            let drawer = cabinet(&mut desk, Colour::White, side);
            let mat = desk.receiver("mat", Colour::Grey, [0.3, 0.36]);
            let colours: Vec<Colour> = desk.colours(8).into_iter().filter(|c| *c != Colour::White).collect();
            let mut cube = desk.cube(colours[0], 0.04);
            (cube.at_m, cube.on, cube.yaw_deg) = ([0.7, side], Some(drawer.clone()), 0.0);
            let name = cube.name.clone();
            desk.scene.things.push(cube);
            let mut goals = vec![on(&name, &mat)];
            if desk.coin() {
                goals.push(closed(&drawer));
            }
            (desk, goals, Vec::new())
        }
    }
}

fn kitchen(seed: u64) -> Made {
    let mut desk = Desk::new("kitchen", 10, seed, false);
    let drawer = cabinet(&mut desk, Colour::White, 0.0);
    let shelf = desk.receiver("shelf", Colour::Brown, [0.35, -0.43]);
    let button =
        Thing::new("red_button", "button", Colour::Red, Form::Button { radius_m: 0.03, height_m: 0.025 }, [0.36, 0.42]);
    let button = desk.put(button);
    desk.fan_rad = 1.3;
    let colours: Vec<Colour> =
        desk.colours(8).into_iter().filter(|c| ![Colour::White, Colour::Red].contains(c)).collect();
    let mut goals = Vec::new();
    for colour in &colours[..1 + desk.below(2)] {
        let mut mug = Thing::new(
            format!("{}_mug", colour.name()),
            "mug",
            *colour,
            Form::Cup { radius_m: 0.033, height_m: 0.08, wall_m: 0.004 },
            [0.0; 2],
        );
        mug.mass_kg = 0.15;
        mug.upright_deg = Some(15.0);
        if let Some(name) = desk.add(mug) {
            goals.push(on(&name, &shelf));
        }
    }
    let cube = desk.cube(colours[4], 0.036);
    if let Some(name) = desk.add(cube) {
        goals.push(inside(&name, &drawer));
        goals.push(closed(&drawer));
    }
    if desk.coin() {
        goals.push(Goal::Pressed { target: button });
    }
    if desk.coin() {
        goals.push(Goal::Wiped { target: shelf.clone() });
        // Wiping comes before the mugs stand there.
        goals.retain(|g| !matches!(g, Goal::On { target, .. } if *target == shelf));
    }
    (desk, goals, Vec::new())
}

fn infeasible(seed: u64) -> Made {
    let mut desk = Desk::new("cannot be done", 11, seed, false);
    let mat = desk.receiver("mat", Colour::Grey, [0.42, 0.3]);
    let colours = desk.colours(3);
    let near = desk.cube(colours[1], 0.05);
    desk.add(near);
    let mut thing = desk.cube(colours[0], 0.05);
    let (goal, codes) = match seed % 6 {
        0 => {
            thing.at_m = [1.0, desk.between(-0.3, 0.3)];
            let name = desk.put(thing);
            (on(&name, &mat), vec![Code::Reach])
        }
        1 => {
            thing.mass_kg = desk.between(12.0, 20.0);
            let name = desk.add(thing).unwrap_or_default();
            (on(&name, &mat), vec![Code::Force, Code::Torque])
        }
        2 => {
            thing.form = Form::Box { size_m: [0.12, 0.13, 0.06] };
            let name = desk.add(thing).unwrap_or_default();
            let shelf = desk.receiver("shelf", Colour::Brown, [0.4, -0.42]);
            (on(&name, &shelf), vec![Code::Width])
        }
        3 => {
            let bin = Thing::new(
                "white_bin",
                "bin",
                Colour::White,
                Form::Bin { size_m: [0.07, 0.07, 0.06], wall_m: 0.008 },
                [0.42, -0.3],
            );
            let bin = desk.put(Thing { fixed: true, ..bin });
            thing.form = Form::Box { size_m: [0.075, 0.06, 0.06] };
            let name = desk.add(thing).unwrap_or_default();
            (inside(&name, &bin), vec![Code::Inside])
        }
        4 => (on("golden_crown", &mat), vec![Code::Ground]),
        _ => {
            let form = Form::Ball { radius_m: 0.025 };
            let ball = Thing::new(format!("{}_ball", colours[2].name()), "ball", colours[2], form, [0.0; 2]);
            let ball = desk.add(ball).unwrap_or_default();
            let name = desk.add(thing).unwrap_or_default();
            (on(&name, &ball), vec![Code::Pre])
        }
    };
    (desk, vec![goal], codes)
}
