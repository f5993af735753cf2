#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rhea_physics::checks::Code;
use rhea_physics::tasks::Family;
use rhea_tokens::TextTokenizer;

use super::*;

fn repository() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn tokenizer() -> TextTokenizer {
    TextTokenizer::from_file(&repository().join("model/nano/tokenizer.json"), 4096).unwrap()
}

fn episode() -> Episode {
    let step = |text: &str, rejected| EpisodeStep { text: text.to_owned(), rejected };
    Episode {
        family: Family::F5,
        seed: 3,
        goals: vec![rhea_physics::world::facts::Goal::In {
            thing: "red_block".to_owned(),
            target: "white_drawer".to_owned(),
        }],
        scene: "There: white drawer closed, red block.".to_owned(),
        steps: vec![
            step("open the white drawer", None),
            step("put the red block in the white drawer", Some(Code::Path)),
            step("put the red block in the white drawer", None),
        ],
        end: "done".to_owned(),
        views: (0..4).map(|v| vec![v; 64]).collect(),
    }
}

#[test]
fn what_is_learned_is_every_instruction_and_never_a_verdict_or_the_users_words() {
    let (text, episode) = (tokenizer(), episode());
    let steps = episode.told();
    let so_far = PlanSoFar { head: "put it away. There: a block.", steps: &steps[..2], view: None };
    let form = form(&text, &so_far, &steps[2].0, None).unwrap();
    let mut learned: Vec<String> = Vec::new();
    let mut open = false;
    for (id, learn) in form.ids.iter().zip(&form.learn) {
        if *learn && !open {
            learned.push(String::new());
        }
        open = *learn;
        if *learn {
            *learned.last_mut().unwrap() += &text.decode_plain(&[*id]);
        }
    }
    assert_eq!(
        learned,
        [" open the white drawer", " put the red block in the white drawer", " put the red block in the white drawer."]
    );
    let whole = text.decode_plain(&form.ids);
    let told = "So far: open the white drawer. put the red block in the white drawer, no: path. ASSISTANT: ";
    assert!(whole.contains(told), "{whole}");
    let control = text.vocabulary().control();
    assert_eq!(form.ids[form.ids.len() - 2..], [control.ess, control.eos]);
}

#[test]
fn a_key_frame_begins_as_the_view_before_the_step_and_ends_as_the_one_behind_it() {
    let text = tokenizer();
    let lessons = PlanLessons::new(vec![episode()], Grid::new(8, 8).unwrap()).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for _ in 0..20 {
        let sample = lessons.with_view(&lessons.episodes[0], true, &text, &mut rng).unwrap();
        let CanvasCell::Partial(before) = sample.canvas[0] else { panic!("{:?}", sample.canvas[0]) };
        assert!(before != 1, "a rejected step has no key-frame");
        assert_eq!(sample.target_codes, vec![before + 1; 64]);
        assert_eq!(sample.prefix_ids.last(), Grid::new(8, 8).unwrap().header(text.vocabulary()).last());
    }
}

#[test]
fn colours_are_exchanged_as_whole_words_and_each_only_once() {
    let mut colours = COLOURS;
    colours.swap(0, 1);
    assert_eq!(
        recoloured("put the red block on the blue block, redder.", &colours),
        "put the blue block on the red block, redder."
    );
}
