//! Learning a vocabulary.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use rhea_tokens::{TextTokenizer, train_bpe};

#[test]
fn the_same_lines_give_the_same_file() {
    assert_eq!(common::json(), common::json());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.json");
    train_bpe(common::lines().into_iter().rev(), 400, &path).unwrap();
    assert_eq!(std::fs::read(path).unwrap(), common::json(), "the order of the lines does not matter");
}

#[test]
fn merges_are_those_of_the_textbook() {
    // Words: "ab" 3 times, " ab" and " abc" 4 times each. Pairs: a+b 11, space+a 8, b+c 4. First a+b, then space+ab 8 times, then
    // spaceab+c 4 times; nothing else stands twice.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.json");
    let lines = ["ab ab abc", "ab ab abc", "ab ab abc ab abc"].map(str::to_owned);
    assert_eq!(train_bpe(lines, 1000, &path).unwrap(), 259);
    let tokenizer = TextTokenizer::from_file(&path, 8).unwrap();
    let pieces = |text: &str| -> Vec<String> {
        tokenizer.encode_text(text).unwrap().iter().map(|&id| tokenizer.decode(&[id])).collect()
    };
    assert_eq!(pieces("ab abc ab c"), ["ab", " abc", " ab", " ", "c"]);
    assert_eq!(tokenizer.encode_text("ab ab abc").unwrap(), [256, 257, 258]);
    assert_eq!(tokenizer.vocabulary().text_count(), 259);
    assert_eq!(tokenizer.vocabulary().len(), 259 + 17 + 8);
}

#[test]
fn sizes_out_of_range_are_refused() {
    let path = std::path::Path::new("/no/such/folder/t.json");
    assert!(train_bpe(common::lines(), 255, path).is_err());
    assert!(train_bpe(common::lines(), 1 << 20, path).is_err());
    assert!(train_bpe(common::lines(), 256, path).is_err(), "the folder does not exist");
}
