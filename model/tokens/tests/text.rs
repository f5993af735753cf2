//! Text to ids and back: nothing is lost, and no text becomes a control token.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use rhea_tokens::limits::MAX_TEXT_BYTES;
use rhea_tokens::{TextTokenizer, TokensError, Utf8Buffer};

/// Every name of the grammar, and a few visual codes.
fn names() -> Vec<String> {
    let fixed = "<|endoftext|> <|extra_203|> <|extra_204|> <|extra_100|> <|extra_101|> <|extra_50|> <|extra_51|> <|extra_60|> \
                 <|extra_61|> <|extra_200|> <|extra_201|> <|hole|> <|partial|> <|canvas|>";
    let spaced =
        ["<|image token|>", "<|image start|>", "<|image end|>", "<|visual token 000000|>", "<|visual token 000063|>"];
    fixed.split_whitespace().chain(spaced).map(str::to_owned).collect()
}

#[test]
fn names_of_control_tokens_stay_text() {
    let tokenizer = common::tokenizer();
    let v = tokenizer.vocabulary();
    let check = |text: &str| {
        let ids = tokenizer.encode_text(text).unwrap();
        assert!(ids.iter().all(|&id| v.is_text(id)), "{text:?} became {ids:?}");
        assert_eq!(tokenizer.decode(&ids), text);
    };
    for name in names() {
        assert!(v.id_of(&name).is_some(), "{name} is a name");
        check(&name);
        check(&format!("go to {name}{name} now"));
        let control = tokenizer.encode_control(&name).unwrap();
        assert_eq!(control, [v.id_of(&name).unwrap()], "templates may use {name}");
    }
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut parts = names();
    parts.extend(
        ["<|", "|>", "<", " ", "\n", "0", "13", "a door", "image", "caf\u{e9}", "\u{1f600}", "  "].map(str::to_owned),
    );
    for _ in 0..500 {
        let count = rng.random_range(1..12);
        let text: String = (0..count).map(|_| parts.choose(&mut rng).unwrap().as_str()).collect();
        check(&text);
    }
}

#[test]
fn templates_mix_text_and_control_tokens() {
    let tokenizer = common::tokenizer();
    let v = tokenizer.vocabulary();
    let ids =
        tokenizer.encode_control("<|extra_203|>a <|not one|> 12<|image start|><|visual token 000007|><|").unwrap();
    assert_eq!(ids.first(), Some(&v.control().bos));
    assert_eq!(ids.iter().filter(|&&id| !v.is_text(id)).count(), 3);
    assert!(ids.contains(&v.visual(7).unwrap()));
    assert_eq!(tokenizer.decode(&ids), "<|extra_203|>a <|not one|> 12<|image start|><|visual token 000007|><|");
    assert_eq!(tokenizer.decode_plain(&ids), "a <|not one|> 12<|");
}

#[test]
fn text_survives_up_to_nfc() {
    let tokenizer = common::tokenizer();
    // The right column is the NFC form by the Unicode tables.
    let composed = [
        ("cafe\u{301}", "caf\u{e9}"),
        ("A\u{30a} \u{212b}", "\u{c5} \u{c5}"),
        ("\u{1112}\u{1161}\u{11ab}", "\u{d55c}"),
        ("q\u{307}\u{323}", "q\u{323}\u{307}"),
    ];
    let same = [
        "",
        " ",
        "  two  spaces ",
        "line\r\n\r\nend\n",
        "\u{4f60}\u{597d}",
        "\u{1f468}\u{200d}\u{1f469}",
        "I'M he'd",
        "\0\u{7f}\u{2028}",
    ];
    for (text, want) in composed.into_iter().chain(same.map(|s| (s, s))) {
        let ids = tokenizer.encode_text(text).unwrap();
        assert_eq!(tokenizer.decode(&ids), want);
        let mut buffer = Utf8Buffer::default();
        let mut streamed: String = ids.iter().map(|&id| tokenizer.decode_stream(id, &mut buffer)).collect();
        streamed += &buffer.finish();
        assert_eq!(streamed, want);
    }
    let cut = tokenizer.encode_text("\u{4f60}").unwrap();
    assert_eq!(tokenizer.decode(&cut[..cut.len() - 1]), "\u{FFFD}");
    assert_eq!(tokenizer.decode(&[u32::MAX]), "\u{FFFD}");
}

#[test]
fn every_digit_is_a_token() {
    let tokenizer = common::tokenizer();
    let ids = tokenizer.encode_text("1234567890").unwrap();
    assert_eq!(ids, [16, 17, 18, 19, 20, 21, 22, 23, 24, 15], "as in Qwen and Emu3.5");
    assert_eq!(tokenizer.encode_text("8*8").unwrap(), [23, 9, 23]);
    assert_eq!(tokenizer.encode_text("15 degrees").unwrap()[..2], [16, 20]);
}

#[test]
fn long_and_nasty_texts_are_bounded() {
    let tokenizer = common::tokenizer();
    assert!(matches!(tokenizer.encode_text(&"a".repeat(MAX_TEXT_BYTES + 1)), Err(TokensError::TooLarge { .. })));
    for unit in ["a", " ", "\t\n", "!", "\u{301}", " a", "<|"] {
        let text = unit.repeat(MAX_TEXT_BYTES / unit.len());
        let ids = tokenizer.encode_text(&text).unwrap();
        assert_eq!(tokenizer.decode(&ids), text, "{unit:?} repeated");
    }
}

#[test]
fn broken_files_are_errors() {
    let json = String::from_utf8(common::json()).unwrap();
    let load = |text: &str| TextTokenizer::from_json(text.as_bytes(), common::CODES).map(|_| ());
    load(&json).unwrap();
    let changes = [
        ("\"<|image end|>\"", "\"<|image bend|>\""),
        ("\"!\": 0", "\"!\": 1"),
        ("\"!\": 0", "\"\u{4f60}\": 0"),
        ("\"BPE\"", "\"Unigram\""),
    ];
    for (from, to) in changes {
        let changed = json.replacen(from, to, 1);
        assert_ne!(changed, json, "{from} is there");
        assert!(load(&changed).is_err(), "{from} -> {to}");
    }
    // Whole words may be looked up only where no special token can be a word.
    let words = json.replacen("\"ignore_merges\": false", "\"ignore_merges\": true", 1);
    assert_ne!(words, json);
    load(&words).unwrap();
    assert!(load(&words.replacen("\"!\": 0", "\"!\": 0, \"<|endoftext|>\": 9999", 1)).is_err());
    for cut in [0, 1, json.len() / 2, json.len() - 3] {
        assert!(load(&json[..cut]).is_err());
    }
    let empty = tempfile::tempdir().unwrap();
    let error = TextTokenizer::open(empty.path(), 8).err().unwrap().to_string();
    assert!(error.contains("tokenizer.json") && error.contains("emu3.tiktoken"), "{error}");
    assert!(TextTokenizer::from_file(std::path::Path::new("/no/such/tokenizer.json"), 8).is_err());
}
