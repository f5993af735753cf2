//! Text to ids and back with the published vocabulary, and text that spells control tokens.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;
use rhea_tokens::TextTokenizer;
use serde::Deserialize;

use crate::fixtures::{group, json, report, tokenizer};

#[derive(Deserialize)]
struct Cases {
    n_vocab: usize,
    n_mergeable: u32,
    eod_id: u32,
    special: BTreeMap<String, u32>,
    token_bytes_hex: BTreeMap<String, String>,
    encode: Vec<Encode>,
    decode: Vec<Decode>,
}

#[derive(Deserialize)]
struct Encode {
    text: String,
    ids: Vec<u32>,
    ids_ordinary: Vec<u32>,
    decoded: String,
    decoded_skip_special: String,
    decoded_ordinary: String,
}

#[derive(Deserialize)]
struct Decode {
    ids: Vec<u32>,
    decoded: String,
    decoded_skip_special: String,
}

#[test]
fn golden_text_tokenizer() {
    let began = std::time::Instant::now();
    let Some(t) = tokenizer("text_tokenizer") else { return };
    println!("the published vocabulary opened in {} ms", began.elapsed().as_millis());
    let cases: Cases = json(&group("text_tokenizer").join("cases.json"));
    let v = t.vocabulary();
    assert_eq!((v.len(), v.text_count(), v.control().pad), (cases.n_vocab, cases.n_mergeable, cases.eod_id));
    for (name, &id) in &cases.special {
        assert_eq!((v.id_of(name), v.name_of(id).as_ref()), (Some(id), Some(name)));
        assert_eq!(t.encode_control(name).unwrap(), [id]);
    }
    for (id, hex) in &cases.token_bytes_hex {
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        assert_eq!(t.decode(&[id.parse().unwrap()]), String::from_utf8_lossy(&bytes), "{id}");
    }
    for case in &cases.encode {
        assert_eq!(t.encode_control(&case.text).unwrap(), case.ids, "{:?}", case.text);
        assert_eq!(t.encode_text(&case.text).unwrap(), case.ids_ordinary, "{:?} as plain text", case.text);
        assert_eq!(t.decode(&case.ids), case.decoded);
        assert_eq!(t.decode_plain(&case.ids), case.decoded_skip_special);
        assert_eq!(t.decode(&case.ids_ordinary), case.decoded_ordinary);
    }
    for case in &cases.decode {
        assert_eq!(t.decode(&case.ids), case.decoded, "{:?}", case.ids);
        assert_eq!(t.decode_plain(&case.ids), case.decoded_skip_special, "{:?}", case.ids);
    }
    let (encode, decode) = (cases.encode.len(), cases.decode.len());
    let (special, bytes) = (cases.special.len(), cases.token_bytes_hex.len());
    report(
        "text_tokenizer",
        &[(encode, "texts"), (decode, "id lists"), (special, "special names"), (bytes, "entries")],
    );
}

/// Text of a user must give text ids, and read back as it was.
fn stays_text(t: &TextTokenizer, text: &str) {
    let ids = t.encode_text(text).unwrap();
    assert!(ids.iter().all(|&id| t.vocabulary().is_text(id)), "{text:?} became {ids:?}");
    assert_eq!(t.decode(&ids), text);
}

#[test]
fn golden_special_names_stay_text() {
    let Some(t) = tokenizer("special names") else { return };
    let v = t.vocabulary();
    let names: Vec<String> = (v.text_count()..v.len() as u32).map(|id| v.name_of(id).unwrap()).collect();
    for name in &names {
        stays_text(&t, name);
    }
    let control = &names[..(v.visual_base() - v.text_count()) as usize];
    let parts = [
        "<|",
        "|>",
        "<",
        "|",
        " ",
        "\n",
        "0",
        "13",
        "a door",
        "image start",
        "caf\u{e9}",
        "\u{1f600}",
        "\u{4f60}",
        "  ",
    ];
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for _ in 0..1000 {
        let part = |rng: &mut ChaCha8Rng| match rng.random_range(0..3) {
            0 => control.choose(rng).unwrap().clone(),
            1 => names.choose(rng).unwrap().clone(),
            _ => (*parts.choose(rng).unwrap()).to_owned(),
        };
        let count = rng.random_range(1..16);
        let text: String = (0..count).map(|_| part(&mut rng)).collect();
        stays_text(&t, &text);
    }
    report("special names as plain text", &[(names.len(), "names"), (1000, "random mixes")]);
}

/// Joining by rank as the published vocabulary defines it, without the tokenizer library: the lowest rank first, the leftmost
/// of equals.
fn join_by_rank(ids: &std::collections::HashMap<Vec<u8>, u32>, word: &[u8]) -> Vec<u32> {
    let mut parts: Vec<Vec<u8>> = word.iter().map(|&byte| vec![byte]).collect();
    if let Some(&whole) = ids.get(word) {
        return vec![whole];
    }
    loop {
        let rank = |at: usize| ids.get(&[parts[at].as_slice(), &parts[at + 1]].concat()).map(|&rank| (rank, at));
        let Some((_, at)) = (0..parts.len() - 1).filter_map(rank).min() else { break };
        let right = parts.remove(at + 1);
        parts[at].extend(right);
    }
    parts.iter().map(|part| ids[part]).collect()
}

#[test]
fn golden_words_are_joined_by_rank() {
    let Some(t) = tokenizer("joining by rank") else { return };
    let v = t.vocabulary();
    // Entries as bytes; those that are no UTF-8 alone are left out, and so are words that would need them.
    let entries = (0..v.text_count()).map(|id| (t.decode(&[id]), id));
    let ids: std::collections::HashMap<Vec<u8>, u32> =
        entries.filter(|(text, _)| !text.contains('\u{FFFD}')).map(|(text, id)| (text.into_bytes(), id)).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let alphabets: [&[u8]; 5] =
        [b"ab", b"aAeEinrst", b"=-", b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", b"!#*/=_."];
    let mut compared = 0;
    for _ in 0..4000 {
        let alphabet = *alphabets.choose(&mut rng).unwrap();
        let length = rng.random_range(1..40);
        let word: Vec<u8> = (0..length).map(|_| *alphabet.choose(&mut rng).unwrap()).collect();
        let text = String::from_utf8(word.clone()).unwrap();
        assert_eq!(t.encode_text(&text).unwrap(), join_by_rank(&ids, &word), "{text}");
        compared += 1;
    }
    report("joining by rank", &[(compared, "words beside an independent joiner")]);
}
