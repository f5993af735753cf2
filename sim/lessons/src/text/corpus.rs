//! Lines to train the text vocabulary on.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rhea_scene::{Colour, Move, Noun, SceneKind, Theme};

use super::everyday::WORDS;
use rhea_session::Bearing;

use super::see::{Distance, NAMED_SHARE, Seen};
use super::speak::{article, caption_of, narrate};

/// The task tags of the prompts.
const TASKS: [&str; 6] = ["t2i", "x2i", "howto", "story", "explore", "vla"];

/// Words of walls and floors.
const SURFACES: [&str; 28] = [
    "red",
    "orange",
    "peach",
    "yellow",
    "cream",
    "sand",
    "green",
    "sage",
    "mint",
    "teal",
    "light blue",
    "blue",
    "navy",
    "purple",
    "lilac",
    "pink",
    "white",
    "grey",
    "dark grey",
    "brown",
    "terracotta",
    "black",
    "checked",
    "striped",
    "sand block",
    "grey block",
    "white and teal",
    "cream and brown",
];

/// How a plain line ends.
const ENDS: [&str; 5] = ["", ".", ".", "?", "!"];

/// `n` lines in the proportions of real use: commands, narrations, captions, prompts, numbers and plain English.
///
/// The same `n` and `seed` give the same lines.
pub fn corpus(n: usize, seed: u64) -> impl Iterator<Item = String> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let words: Vec<&'static str> = WORDS.split_whitespace().collect();
    (0..n).map(move |_| match rng.random_range(0..20) {
        0..5 => command(&mut rng),
        5..9 => narrate(&view(&mut rng), &theme(&mut rng), &mut rng),
        9..12 => caption_line(&mut rng),
        12..14 => prompt_line(&mut rng),
        14 => numbers(&mut rng),
        _ => sentence(&words, &mut rng),
    })
}

/// A view of up to four random objects.
fn view(rng: &mut impl Rng) -> Vec<Seen> {
    let count = rng.random_range(0..=4);
    (0..count).map(|_| object(rng)).collect()
}

fn object(rng: &mut impl Rng) -> Seen {
    let bearings = [Bearing::Left, Bearing::Ahead, Bearing::Right];
    let distances = [Distance::Near, Distance::Middle, Distance::Far];
    Seen {
        object_id: 1,
        colour: *one(&Colour::ALL, rng),
        noun: *one(&Noun::ALL, rng),
        share: NAMED_SHARE,
        bearing: *one(&bearings, rng),
        distance: *one(&distances, rng),
    }
}

fn theme(rng: &mut impl Rng) -> Theme {
    Theme { walls: format!("{} walls", one(&SURFACES, rng)), floor: format!("{} floor", one(&SURFACES, rng)) }
}

fn place_line(rng: &mut impl Rng) -> String {
    let Theme { walls, floor } = theme(rng);
    let kind = *one(&SceneKind::ALL, rng);
    let sky = if kind == SceneKind::Courtyard { " under the sky" } else { "" };
    format!("a {} with {walls} and {} {floor}{sky}", kind.word(), article(&floor))
}

fn caption_line(rng: &mut impl Rng) -> String {
    let place = place_line(rng);
    caption_of(&place, &view(rng), rng)
}

fn prompt_line(rng: &mut impl Rng) -> String {
    let task = *one(&TASKS, rng);
    let text = if task == "explore" { format!("{}. {}", place_line(rng), command(rng)) } else { caption_line(rng) };
    let interleaved =
        if task == "howto" { " Please generate a response with interleaved text and images." } else { "" };
    format!("You are a helpful assistant for {task} task.{interleaved} USER: {text} ASSISTANT: ")
}

/// A command of a walk: mostly moves in the words of [`Move::command`].
fn command(rng: &mut impl Rng) -> String {
    let metres = *one(&[0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0], rng);
    let angle_rad = (*one(&[5, 10, 15, 20, 30, 45, 60, 75, 90, 120, 150, 180], rng) as f32).to_radians();
    let sign = *one(&[1.0, -1.0], rng);
    let stay = Move::default();
    let step = match rng.random_range(0..10) {
        0..3 => Move { forward_m: metres, ..stay },
        3 => Move { forward_m: -metres, ..stay },
        4 => Move { right_m: sign * metres, ..stay },
        5 | 6 => Move { turn_rad: sign * angle_rad, ..stay },
        7 => Move { turn_rad: sign * angle_rad, forward_m: metres, ..stay },
        8 => Move { look_rad: sign * angle_rad, ..stay },
        _ => return format!("go to the {}", object(rng).phrase()),
    };
    step.command()
}

fn numbers(rng: &mut impl Rng) -> String {
    format!(
        "{}*{} {}.{}",
        rng.random_range(1..100),
        rng.random_range(1..100),
        rng.random_range(0..50),
        rng.random_range(0..100)
    )
}

/// A line of plain English words.
fn sentence(words: &[&'static str], rng: &mut impl Rng) -> String {
    let count = rng.random_range(5..12);
    let picked: Vec<&str> = (0..count).filter_map(|_| words.choose(rng).copied()).collect();
    let mut line = picked.join(" ");
    if rng.random_bool(0.5) {
        line = line.chars().take(1).flat_map(char::to_uppercase).chain(line.chars().skip(1)).collect();
    }
    line.push_str(ENDS[rng.random_range(0..ENDS.len())]);
    line
}

/// One of a list that is never empty.
fn one<'a, T>(list: &'a [T], rng: &mut impl Rng) -> &'a T {
    &list[rng.random_range(0..list.len())]
}
