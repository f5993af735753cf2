//! Makes a `tokenizer.json` from lines of text: byte-level BPE with every byte in its alphabet.
//!
//! Rhea counts the merges itself instead of using the tokenizer library's trainer, whose worker threads and hash tables leave the
//! order of equally frequent merges open. Here ties go to the pair with the smaller ids, so the same lines give the same file.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};
use tokenizers::NormalizedString;
use tokenizers::{Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, Tokenizer};

use crate::bytes::alphabet;
use crate::error::TokensError;
use crate::limits::MAX_TRAINED_ENTRIES;
use crate::text::WORD_PATTERN;
use crate::vocabulary::CONTROL_NAMES;

/// A pair of ids has to stand this often in the lines to be merged.
const MIN_PAIR_COUNT: i64 = 2;

/// Learns a text vocabulary and writes it with the control tokens to `out`, as [`bpe_json`] gives it.
///
/// Returns the number of text entries.
///
/// # Errors
/// When `vocab_size` is out of range or the file cannot be written.
pub fn train_bpe(lines: impl IntoIterator<Item = String>, vocab_size: usize, out: &Path) -> Result<usize, TokensError> {
    let (json, entries) = bpe_json(lines, vocab_size)?;
    std::fs::write(out, json).map_err(|source| TokensError::File { action: "write", source, path: out.to_owned() })?;
    Ok(entries)
}

/// Learns a text vocabulary: the content of its `tokenizer.json`, and the number of text entries.
///
/// `vocab_size` is the number of text entries asked for: 256 bytes and up to `vocab_size - 256` merges. There are fewer when the
/// lines do not hold enough repeated pairs. The same lines, in any order, give the same file.
///
/// # Errors
/// When `vocab_size` is out of range (256 to 65,536).
pub fn bpe_json(lines: impl IntoIterator<Item = String>, vocab_size: usize) -> Result<(Vec<u8>, usize), TokensError> {
    if !(256..=MAX_TRAINED_ENTRIES).contains(&vocab_size) {
        let (value, max) = (vocab_size as u64, MAX_TRAINED_ENTRIES as u64);
        return Err(TokensError::OutOfRange { what: "the number of text entries", value, min: 256, max });
    }
    let mut entries: Vec<String> = alphabet().into_iter().map(String::from).collect();
    let words = count_words(lines, &entries)?;
    let merges = learn_merges(words, vocab_size, &mut entries);
    Ok((tokenizer_json(&entries, &merges)?, entries.len()))
}

/// The distinct words of the lines as ids of the alphabet, with how often each stands there.
fn count_words(
    lines: impl IntoIterator<Item = String>,
    alphabet: &[String],
) -> Result<Vec<(Vec<u32>, i64)>, TokensError> {
    let format = |e: tokenizers::Error| TokensError::Format(e.to_string());
    let tokenizer = Tokenizer::from_bytes(tokenizer_json(alphabet, &[])?).map_err(format)?;
    let (Some(normalizer), Some(splitter)) = (tokenizer.get_normalizer(), tokenizer.get_pre_tokenizer()) else {
        return Err(TokensError::Format("the template lost its splitting rules".to_owned()));
    };
    let ids: BTreeMap<&str, u32> = alphabet.iter().map(String::as_str).zip(0..).collect();
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for line in lines {
        let mut normal = NormalizedString::from(line);
        normalizer.normalize(&mut normal).map_err(format)?;
        let mut pieces = PreTokenizedString::from(normal);
        splitter.pre_tokenize(&mut pieces).map_err(format)?;
        for (piece, _, _) in pieces.get_splits(OffsetReferential::Normalized, OffsetType::Byte) {
            *counts.entry(piece.to_owned()).or_default() += 1;
        }
    }
    let spell =
        |word: &str| word.chars().filter_map(|c| ids.get(c.encode_utf8(&mut [0; 4]) as &str).copied()).collect();
    Ok(counts.into_iter().map(|(word, count)| (spell(&word), count)).collect())
}

/// Joins the most frequent pair again and again, appending to `entries`. Returns the pairs in the order of their ranks.
fn learn_merges(
    mut words: Vec<(Vec<u32>, i64)>,
    vocab_size: usize,
    entries: &mut Vec<String>,
) -> Vec<(String, String)> {
    let mut counts: BTreeMap<(u32, u32), i64> = BTreeMap::new();
    for (word, count) in &words {
        add_pairs(&mut counts, word, *count);
    }
    let mut merges = Vec::new();
    while entries.len() < vocab_size {
        let best = counts.iter().max_by_key(|&(&pair, &count)| (count, Reverse(pair)));
        let Some((&(left, right), _)) = best.filter(|&(_, &count)| count >= MIN_PAIR_COUNT) else {
            break;
        };
        let pair = (entries[left as usize].clone(), entries[right as usize].clone());
        let joined = format!("{}{}", pair.0, pair.1);
        // Two different pairs can spell the same entry.
        let known = entries.iter().position(|entry| *entry == joined);
        let new_id = known.unwrap_or(entries.len()) as u32;
        for (word, count) in &mut words {
            if word.windows(2).any(|w| w == [left, right]) {
                add_pairs(&mut counts, word, -*count);
                *word = merged(word, left, right, new_id);
                add_pairs(&mut counts, word, *count);
            }
        }
        counts.retain(|_, count| *count > 0);
        if known.is_none() {
            entries.push(joined);
        }
        merges.push(pair);
    }
    merges
}

fn add_pairs(counts: &mut BTreeMap<(u32, u32), i64>, word: &[u32], count: i64) {
    for pair in word.windows(2) {
        *counts.entry((pair[0], pair[1])).or_default() += count;
    }
}

fn merged(word: &[u32], left: u32, right: u32, new_id: u32) -> Vec<u32> {
    let mut out = Vec::with_capacity(word.len());
    let mut at = 0;
    while at < word.len() {
        let joins = word[at] == left && word.get(at + 1) == Some(&right);
        out.push(if joins { new_id } else { word[at] });
        at += if joins { 2 } else { 1 };
    }
    out
}

/// Entries with their ids, in the order of the ids (a JSON object type might sort them by name).
struct InIdOrder<'a>(&'a [String]);

impl Serialize for InIdOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (id, entry) in self.0.iter().enumerate() {
            map.serialize_entry(entry, &id)?;
        }
        map.end()
    }
}

#[derive(serde::Serialize)]
struct FilePart<'a> {
    version: &'a str,
    truncation: Option<()>,
    padding: Option<()>,
    added_tokens: Vec<AddedPart<'a>>,
    normalizer: Value,
    pre_tokenizer: Value,
    post_processor: Option<()>,
    decoder: Value,
    model: ModelPart<'a>,
}

#[derive(serde::Serialize)]
struct AddedPart<'a> {
    id: usize,
    content: &'a str,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    special: bool,
}

#[derive(serde::Serialize)]
struct ModelPart<'a> {
    r#type: &'a str,
    dropout: Option<f32>,
    unk_token: Option<&'a str>,
    continuing_subword_prefix: Option<&'a str>,
    end_of_word_suffix: Option<&'a str>,
    fuse_unk: bool,
    byte_fallback: bool,
    ignore_merges: bool,
    vocab: InIdOrder<'a>,
    merges: &'a [(String, String)],
}

/// The file's content: readable by the tokenizer libraries of other languages too.
fn tokenizer_json(entries: &[String], merges: &[(String, String)]) -> Result<Vec<u8>, TokensError> {
    let byte_level =
        json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false });
    let split =
        json!({ "type": "Split", "pattern": { "Regex": WORD_PATTERN }, "behavior": "Isolated", "invert": false });
    let added = |(content, id): (&'static str, usize)| {
        let (single_word, lstrip, rstrip, normalized) = (false, false, false, false);
        AddedPart { id, content, single_word, lstrip, rstrip, normalized, special: true }
    };
    let file = FilePart {
        version: "1.0",
        truncation: None,
        padding: None,
        added_tokens: CONTROL_NAMES.into_iter().zip(entries.len()..).map(added).collect(),
        normalizer: json!({ "type": "NFC" }),
        pre_tokenizer: json!({ "type": "Sequence", "pretokenizers": [split, byte_level.clone()] }),
        post_processor: None,
        decoder: byte_level,
        model: ModelPart {
            r#type: "BPE",
            dropout: None,
            unk_token: None,
            continuing_subword_prefix: None,
            end_of_word_suffix: None,
            fuse_unk: false,
            byte_fallback: false,
            ignore_merges: false,
            vocab: InIdOrder(entries),
            merges,
        },
    };
    let mut json = serde_json::to_vec_pretty(&file).map_err(|e| TokensError::Format(e.to_string()))?;
    json.push(b'\n');
    Ok(json)
}
