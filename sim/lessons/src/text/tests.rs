#![allow(clippy::unwrap_used, reason = "tests")]

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rhea_picture::Rgbd;
use rhea_scene::{Camera, Colour, Move, Noun, Rendered, Renderer, Scene, SceneKind, Threads, generate};
use rhea_tokens::{TextTokenizer, bpe_json};

use super::*;

/// Text entries of the shipped vocabulary.
const TEXT_ENTRIES: usize = 1024;

fn scene() -> Scene {
    Scene::from_ron(
        r##"Scene(
            name: "test", kind: Room, outline_m: [(-3, -3), (3, -3), (3, 3), (-3, 3)],
            walls: (height_m: 2.6, material: Flat("teal")),
            floor: Check(a: "white", b: "red", size_m: 0.5), above: Ceiling(Flat("white")),
            objects: [
                (id: 1, noun: Door, colour: Red, position_m: (0, 0, -2.9), size_m: (0.9, 2, 0.1)),
                (id: 2, noun: Ball, colour: Orange, position_m: (-2, 0, -2), size_m: (0.5, 0.5, 0.5)),
                (id: 7, noun: PlantPot, colour: White, position_m: (2, 0, -2), size_m: (0.5, 0.9, 0.5)),
                (id: 8, noun: Ball, colour: Orange, position_m: (2, 0, 2), size_m: (0.5, 0.5, 0.5)),
            ],
            starts: [(x_m: 0, z_m: 1, yaw_deg: 0)],
        )"##,
    )
    .unwrap()
}

/// A view of 30 x 10 pixels drawn as letters: one row, repeated ten times; a digit is an object, a dot the wall.
fn view(row: &str, depth_m: f32) -> Rendered {
    assert_eq!(row.len(), 30);
    let ids: Vec<u16> = row.chars().map(|c| c.to_digit(10).map_or(0, |id| id as u16)).collect();
    let pixels = 300;
    let rgbd = Rgbd { width: 30, height: 10, rgb: vec![0; pixels * 3], depth_m: vec![depth_m; pixels] };
    Rendered { rgbd, ids: ids.repeat(10) }
}

#[test]
fn the_largest_objects_come_first_with_their_places() {
    let rendered = view("222.....1111111111......77777.", 3.0);
    let seen = visible(&rendered, &scene());
    let summary: Vec<(u16, String, f32, Bearing)> =
        seen.iter().map(|s| (s.object_id, s.phrase(), s.share, s.bearing)).collect();
    let want = [
        (1, "red door".to_owned(), 100.0 / 300.0, Bearing::Ahead),
        (7, "white plant pot".to_owned(), 50.0 / 300.0, Bearing::Right),
        (2, "orange ball".to_owned(), 30.0 / 300.0, Bearing::Left),
    ];
    assert_eq!(summary, want);
    assert!(seen.iter().all(|s| s.distance == Distance::Middle));
    assert_eq!(visible(&view("..............11..............", 1.0), &scene())[0].distance, Distance::Near);
    assert_eq!(visible(&view("..............11..............", 9.0), &scene())[0].distance, Distance::Far);
}

#[test]
fn specks_are_neither_seen_nor_named() {
    let mut rendered = view("..............................", 3.0);
    rendered.ids[0] = 1; // 1 of 300 pixels is 0.33 %
    assert_eq!(visible(&rendered, &scene()), []);
    rendered.ids[1] = 1; // 0.67 %
    let seen = visible(&rendered, &scene());
    assert_eq!(seen.len(), 1);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..20 {
        assert_eq!(named_objects(&narration(&seen, &scene(), &mut rng)), [], "0.67 % is in view but not worth a word");
        assert_eq!(named_objects(&caption(&scene(), &seen, &mut rng)), []);
    }
}

#[test]
fn narrations_read_as_english() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut told = |row: &str, depth_m| {
        let seen = visible(&view(row, depth_m), &scene());
        let mut texts: Vec<String> = (0..40).map(|_| narration(&seen, &scene(), &mut rng)).collect();
        texts.sort();
        texts.dedup();
        texts
    };
    assert_eq!(told("..............................", 2.0), ["There are only teal walls.", "You see teal walls."]);
    let list = "a red door far ahead and an orange ball on the left.";
    assert_eq!(told("22..........1111..............", 9.0), [format!("There is {list}"), format!("You see {list}")]);
    let three = "a red door close ahead, a white plant pot on the right and an orange ball on the left.";
    let got = told("22..........1111......777.....", 1.0);
    assert_eq!(got, [format!("There is {three}"), format!("You see {three}")]);
    assert_eq!(world_sentence(&scene()), "a room with teal walls and a checked floor.");
}

#[test]
fn what_is_told_twice_is_told_once() {
    let seen = visible(&view("222.....................88....", 3.0), &scene());
    assert_eq!(seen.len(), 2);
    let text = narration(&seen, &scene(), &mut ChaCha8Rng::seed_from_u64(0));
    assert_eq!(named_objects(&text), [(Colour::Orange, Noun::Ball)]);
}

#[test]
fn tellings_are_read_back() {
    let text = "There is a RED door ahead, a white plant pot on the right and an orange ball; left over: green, pot, red red box.";
    let want = [
        (Colour::Red, Noun::Door, Some(Bearing::Ahead)),
        (Colour::White, Noun::PlantPot, Some(Bearing::Right)),
        (Colour::Orange, Noun::Ball, Some(Bearing::Left)),
        (Colour::Red, Noun::Box, None),
    ];
    let got: Vec<_> = mentions(text).iter().map(|m| (m.colour, m.noun, m.bearing)).collect();
    assert_eq!(got, want);
    for nothing in
        ["", "red", "door", "white plant", "teal walls and a white floor", "\u{1f600} red\u{301} door", "red. Door"]
    {
        assert_eq!(mentions(nothing), [], "{nothing}");
    }
    // All names are read back as themselves; none is hidden by another.
    for colour in Colour::ALL {
        for noun in Noun::ALL {
            let text = format!("a {} {} ahead", colour.name(), noun.word());
            assert_eq!(mentions(&text), [Mention { colour, noun, bearing: Some(Bearing::Ahead) }]);
        }
    }
}

#[test]
fn lies_are_found() {
    let rendered = view("22..........1111..............", 3.0);
    let check = |text| {
        let t = in_view(text, &rendered, &scene());
        (t.named, t.in_view, t.placed, t.in_place)
    };
    assert_eq!(check("You see a red door ahead and an orange ball on the left."), (2, 2, 2, 2));
    assert_eq!(check("You see a red door on the right and an orange ball."), (2, 2, 1, 0));
    assert_eq!(check("You see a blue door ahead and a white plant pot."), (2, 0, 1, 0));
    assert_eq!(check("You see teal walls."), (0, 0, 0, 0));
}

#[test]
fn tellings_of_generated_scenes_are_true_and_short() {
    let (json, entries) = bpe_json(corpus(6000, 0), TEXT_ENTRIES).unwrap();
    assert_eq!(entries, TEXT_ENTRIES);
    let tokenizer = TextTokenizer::from_json(&json, 4096).unwrap();
    let tokens = |text: &str| tokenizer.encode_text(text).unwrap().len();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (mut named, mut longest) = (0, (0, 0));
    for seed in 0..24 {
        let scene = generate(SceneKind::ALL[seed as usize % 3], 100 + seed);
        let renderer = Renderer::new(&scene);
        for _ in 0..3 {
            let pose = scene.starts()[0].apply(&Move::turn_deg(rng.random_range(0.0..360.0)));
            let rendered = renderer.render(&pose, &Camera::square(64), Threads::One);
            let seen = visible(&rendered, &scene);
            let (told, captioned) = (narration(&seen, &scene, &mut rng), caption(&scene, &seen, &mut rng));
            for text in [&told, &captioned] {
                let truth = in_view(text, &rendered, &scene);
                assert_eq!(
                    (truth.in_view, truth.placed, truth.in_place),
                    (truth.named, truth.named, truth.named),
                    "{text}"
                );
                named += truth.named;
            }
            longest = (longest.0.max(tokens(&told)), longest.1.max(tokens(&captioned)));
        }
    }
    assert!(named > 40, "only {named} objects were named");
    assert!(longest.0 <= 28 && longest.1 <= 28, "narration and caption of {longest:?} tokens");
}

#[test]
fn the_corpus_is_the_same_every_time() {
    let lines: Vec<String> = corpus(500, 9).collect();
    assert_eq!(lines, corpus(500, 9).collect::<Vec<_>>());
    assert_ne!(lines, corpus(500, 10).collect::<Vec<_>>());
    assert_eq!(lines.len(), 500);
    let commands = lines.iter().filter(|line| Move::parse(line).is_ok()).count();
    assert!((60..250).contains(&commands), "{commands} of 500 lines are commands that sessions understand");
}
