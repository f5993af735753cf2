//! Later turns of a walk, and what of them stays when room is short.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use rhea_tokens::prompts::{Task, prompt, unconditional};
use rhea_tokens::{Conversation, Grid, TextTokenizer, encode_picture};

/// A picture of two cells, and how it reads.
fn view(t: &TextTokenizer, code: u32) -> (Vec<u32>, String) {
    let ids = encode_picture(t.vocabulary(), Grid::new(1, 2).unwrap(), &[code, code]).unwrap();
    let text = t.decode(&ids);
    (ids, text)
}

/// An answer of one picture and some words.
fn answer(t: &TextTokenizer, code: u32) -> Vec<u32> {
    [view(t, code).0, t.encode_text("You see a red door.").unwrap()].concat()
}

/// A walk of some turns, the last one not yet answered.
fn walk(t: &TextTokenizer, turns: u32) -> Conversation {
    let mut walk = Conversation::new(Task::Explore);
    walk.ask(t, "a room.", &[view(t, 60).0]).unwrap();
    for code in 1..turns {
        walk.answer(t.vocabulary(), &answer(t, code));
        walk.ask(t, &format!("turn {code}"), &[]).unwrap();
    }
    walk
}

#[test]
fn a_first_turn_is_the_prompt_of_the_task() {
    let t = common::tokenizer();
    let first = walk(&t, 1).prompt(&t, 1000).unwrap();
    let pictures = [view(&t, 60).0];
    assert_eq!(first.conditional, prompt(&t, Task::Explore, "a room.", &pictures).unwrap());
    assert_eq!(first.unconditional, unconditional(&t, &pictures).unwrap());
    assert!(Conversation::new(Task::Explore).prompt(&t, 1000).is_err());
}

#[test]
fn later_turns_continue_the_stream() {
    let t = common::tokenizer();
    let read = walk(&t, 3).prompt(&t, 1000).unwrap();
    let (start, one, two) = (view(&t, 60).1, view(&t, 1).1, view(&t, 2).1);
    let want = format!(
        "<|extra_203|>You are a helpful assistant for explore task. USER: a room.{start} ASSISTANT: <|extra_100|>{one}You see a \
         red door.<|extra_101|> USER: turn 1 ASSISTANT: <|extra_100|>{two}You see a red door.<|extra_101|> USER: turn 2 ASSISTANT: \
         <|extra_100|>"
    );
    assert_eq!(t.decode(&read.conditional), want);
    let want = format!("<|extra_203|>You are a helpful assistant. USER: {start} ASSISTANT: <|extra_100|>{one}{two}");
    assert_eq!(t.decode(&read.unconditional), want);
    assert_eq!(read.left_out, 0);
    // However the answer ended, one ESS stands behind it.
    let control = t.vocabulary().control();
    for end in [vec![], vec![control.ess], vec![control.ess, control.eos], vec![control.eos]] {
        let mut other = walk(&t, 2);
        other.answer(t.vocabulary(), &[answer(&t, 2), end].concat());
        other.ask(&t, "turn 2", &[]).unwrap();
        assert_eq!(other.prompt(&t, 1000).unwrap(), read);
    }
}

#[test]
fn the_anchor_and_the_latest_turns_stay() {
    let t = common::tokenizer();
    let long = walk(&t, 40);
    let whole = long.prompt(&t, usize::MAX).unwrap();
    let mut before = 0;
    for room in (0..=whole.conditional.len()).rev() {
        let Ok(read) = long.prompt(&t, room) else {
            let error = long.prompt(&t, room).unwrap_err().to_string();
            assert!(error.contains(&format!("at most {room} are allowed")), "{error}");
            // Only a room that cannot hold one turn behind the anchor is refused.
            assert_eq!(before, 38);
            return;
        };
        assert!(read.conditional.len() <= room && read.unconditional.len() <= room);
        assert!(read.left_out >= before, "less room never holds more");
        before = read.left_out;
        let text = t.decode(&read.conditional);
        assert!(text.contains(&view(&t, 60).1) && text.contains(&view(&t, 1).1), "the anchor stays");
        assert!(text.ends_with(" USER: turn 39 ASSISTANT: <|extra_100|>"));
        let turns: Vec<usize> = (1..40).filter(|n| text.contains(&format!("turn {n} "))).collect();
        assert_eq!(turns, (1 + read.left_out..40).collect::<Vec<_>>(), "the latest turns, all in a row");
    }
    panic!("an empty room was accepted");
}

#[test]
fn pictures_of_a_later_question_are_in_both_prompts() {
    let t = common::tokenizer();
    let mut walk = walk(&t, 2);
    walk.answer(t.vocabulary(), &answer(&t, 2));
    walk.ask(&t, "like this", &[view(&t, 9).0]).unwrap();
    let read = walk.prompt(&t, 1000).unwrap();
    let (one, two, nine) = (view(&t, 1).1, view(&t, 2).1, view(&t, 9).1);
    assert!(t.decode(&read.conditional).ends_with(&format!("USER: like this{nine} ASSISTANT: <|extra_100|>")));
    assert!(t.decode(&read.unconditional).ends_with(&format!("{one}{two}{nine}")));
}
