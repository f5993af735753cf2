//! Emu3.5's published text vocabulary: `emu3.tiktoken`, and the control tokens that follow it by rule.
//!
//! A line is an entry in base64, a space and its rank, which is also its id. Text is joined by rank: of all neighbours whose
//! joined bytes are an entry, those of the lowest rank are joined first, whatever parts they came from. The tokenizer library
//! wants pairs instead, so every way to cut an entry into two entries becomes a pair, in the order of the joined ranks.

use std::collections::HashMap;
use std::path::Path;

use tokenizers::Tokenizer;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;

use crate::bytes::char_of_byte;
use crate::error::TokensError;
use crate::limits::MAX_ENTRY_BYTES;
use crate::text::{WORD_PATTERN, read_file};

/// The file of a folder that lists the text entries.
pub(crate) const ENTRIES_FILE: &str = "emu3.tiktoken";
/// The file that may stand beside it: picture tokens, then visual codes, one name a line.
const VISION_FILE: &str = "emu3_vision_tokens.txt";

/// Control tokens of Qwen, before the extras.
const PLAIN_NAMES: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
/// Number of `<|extra_0|>`, `<|extra_1|>` ...
const EXTRAS: u32 = 205;
/// Control tokens of pictures, behind the extras.
const PICTURE_NAMES: [&str; 3] = ["<|image token|>", "<|image start|>", "<|image end|>"];

/// A vocabulary file of a folder, read and checked.
pub(crate) struct Tiktoken {
    /// The bytes of each entry, by id.
    pub entries: Vec<Vec<u8>>,
    /// Every control token with its id; the visual codes come right behind them.
    pub control: Vec<(String, u32)>,
}

impl Tiktoken {
    /// Reads the files of a folder. `visual_count` is checked against the list of picture tokens where there is one.
    pub(crate) fn open(dir: &Path, visual_count: u32) -> Result<Self, TokensError> {
        let entries = read_entries(&read_file(&dir.join(ENTRIES_FILE))?)?;
        let vision = dir.join(VISION_FILE);
        if vision.is_file() {
            check_vision_names(&read_file(&vision)?, visual_count)?;
        }
        let extras = (0..EXTRAS).map(|number| format!("<|extra_{number}|>"));
        let names = PLAIN_NAMES.into_iter().map(str::to_owned).chain(extras);
        let names = names.chain(PICTURE_NAMES.into_iter().map(str::to_owned));
        // The number of entries fits: the file is at most 64 MiB.
        let control = names.zip(entries.len() as u32..).collect();
        Ok(Self { entries, control })
    }

    /// The library's tokenizer over the entries, without control tokens.
    pub(crate) fn tokenizer(&self) -> Result<Tokenizer, TokensError> {
        let format = |e: tokenizers::Error| TokensError::Format(e.to_string());
        let alphabet: [char; 256] = std::array::from_fn(|byte| char_of_byte(byte as u8));
        let spell = |bytes: &Vec<u8>| bytes.iter().map(|&byte| alphabet[usize::from(byte)]).collect::<String>();
        let spelled: Vec<String> = self.entries.iter().map(spell).collect();
        let merges = self.pairs().into_iter();
        let merges = merges.map(|(left, right)| (spelled[left as usize].clone(), spelled[right as usize].clone()));
        let merges = merges.collect();
        let vocab: Vocab = spelled.into_iter().zip(0..).collect();
        // A word that is an entry is that entry, even where no joining leads to it.
        let model = BPE::builder().vocab_and_merges(vocab, merges).ignore_merges(true).build().map_err(format)?;
        let pattern = SplitPattern::Regex(WORD_PATTERN.to_owned());
        let words = Split::new(pattern, SplitDelimiterBehavior::Isolated, false).map_err(format)?;
        let bytes = ByteLevel::new(false, false, false);
        let mut tokenizer = Tokenizer::new(model);
        tokenizer.with_normalizer(Some(NFC)).map_err(format)?;
        tokenizer.with_pre_tokenizer(Some(Sequence::new(vec![words.into(), bytes.into()])));
        Ok(tokenizer)
    }

    /// Every pair of entries that joins to an entry, in the order of the joined entries.
    fn pairs(&self) -> Vec<(u32, u32)> {
        let ids: HashMap<&[u8], u32> = self.entries.iter().map(Vec::as_slice).zip(0..).collect();
        let mut pairs = Vec::with_capacity(2 * self.entries.len());
        for entry in &self.entries {
            let first = pairs.len();
            for cut in 1..entry.len() {
                let (left, right) = entry.split_at(cut);
                if let (Some(&left), Some(&right)) = (ids.get(left), ids.get(right)) {
                    pairs.push((left, right));
                }
            }
            pairs[first..].sort_unstable();
        }
        pairs
    }
}

/// The entries of a file, by rank.
fn read_entries(file: &[u8]) -> Result<Vec<Vec<u8>>, TokensError> {
    let mut entries: Vec<Vec<u8>> = Vec::new();
    for (number, line) in file.split(|&byte| byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let wrong = |what: &str| TokensError::Format(format!("{ENTRIES_FILE}, line {}: {what}", number + 1));
        let at = line.iter().position(|&byte| byte == b' ').ok_or_else(|| wrong("no space before the rank"))?;
        let (entry, rank) = (&line[..at], &line[at + 1..]);
        let rank = std::str::from_utf8(rank).ok().and_then(|rank| rank.trim_end().parse::<usize>().ok());
        if rank != Some(entries.len()) {
            return Err(wrong(&format!("the rank must be {}, in order", entries.len())));
        }
        if entry.is_empty() || entry.len() > MAX_ENTRY_BYTES {
            return Err(wrong(&format!("an entry has 1 to {MAX_ENTRY_BYTES} characters")));
        }
        entries.push(base64::decode(entry).map_err(|e| wrong(&e.to_string()))?);
    }
    let mut sorted: Vec<&[u8]> = entries.iter().map(Vec::as_slice).collect();
    sorted.sort_unstable();
    if let Some(same) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(TokensError::Format(format!("{ENTRIES_FILE} lists {:?} twice", String::from_utf8_lossy(same[0]))));
    }
    match (0..=u8::MAX).find(|&byte| sorted.binary_search(&[byte].as_slice()).is_err()) {
        Some(byte) => Err(TokensError::Format(format!("{ENTRIES_FILE} has no entry for the byte {byte:#04x}"))),
        None => Ok(entries),
    }
}

/// The list of picture tokens must say what the rule says.
fn check_vision_names(file: &[u8], visual_count: u32) -> Result<(), TokensError> {
    let wrong = |what: String| TokensError::Format(format!("{VISION_FILE}: {what}"));
    let mut lines = file.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let codes = (0..visual_count).map(|code| format!("<|visual token {code:06}|>"));
    for name in PICTURE_NAMES.into_iter().map(str::to_owned).chain(codes) {
        let line =
            lines.next().ok_or_else(|| wrong(format!("{name} is missing; the model has {visual_count} codes")))?;
        if line.trim_ascii_end() != name.as_bytes() {
            return Err(wrong(format!("{:?} stands where {name} belongs", String::from_utf8_lossy(line))));
        }
    }
    match lines.next() {
        Some(_) => Err(wrong(format!("it lists more than the {visual_count} codes of the model"))),
        None => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// A file with the 256 bytes and some entries more.
    fn file(more: &[&str]) -> String {
        let bytes = (0..=u8::MAX).map(|byte| vec![byte]).chain(more.iter().map(|entry| entry.as_bytes().to_vec()));
        bytes.enumerate().map(|(rank, entry)| format!("{} {rank}\n", base64::encode(entry))).collect()
    }

    #[test]
    fn lower_ranks_join_first_and_whole_words_win() {
        let entries = read_entries(file(&["bc", "ab", "abcd", "xyz"]).as_bytes()).unwrap();
        let tokenizer = Tiktoken { entries, control: Vec::new() }.tokenizer().unwrap();
        let ids = |text: &str| tokenizer.encode(text, false).unwrap().get_ids().to_vec();
        // "bc" before "ab"; "abcd" has no two entries that join to it and stands as a word only.
        assert_eq!(ids("abc"), [u32::from(b'a'), 256]);
        assert_eq!(ids("abcd"), [258]);
        assert_eq!(ids("abcde"), [u32::from(b'a'), 256, u32::from(b'd'), u32::from(b'e')]);
        assert_eq!(ids("xyz"), [259]);
    }

    #[test]
    fn broken_files_name_the_line() {
        let good = file(&["ab"]);
        assert_eq!(read_entries(good.as_bytes()).unwrap().len(), 257);
        let long = format!("{good}{} 257\n", "A".repeat(MAX_ENTRY_BYTES + 1));
        let changes = [
            (good.replace("AQ== 1\n", "AQ== 2\n"), "line 2: the rank"),
            (good.replace("AQ== 1\n", "AQ==1\n"), "line 2: no space"),
            (good.replace("AQ== 1\n", "A?== 1\n"), "line 2: Invalid"),
            (good.replace("AQ== 1\n", " 1\n"), "line 2: an entry has 1 to"),
            (good.replace("AQ== 1\n", "AA== 1\n"), "twice"),
            (good.lines().take(255).map(|line| format!("{line}\n")).collect(), "no entry for the byte 0xff"),
            (long, "line 258: an entry has 1 to"),
        ];
        for (text, want) in changes {
            let error = read_entries(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(want), "{error} / {want}");
        }
    }

    #[test]
    fn picture_names_must_follow_the_rule() {
        let names: String = PICTURE_NAMES.iter().map(|name| format!("{name}\n")).collect();
        let good = format!("{names}<|visual token 000000|>\n<|visual token 000001|>\n");
        check_vision_names(good.as_bytes(), 2).unwrap();
        assert!(check_vision_names(good.as_bytes(), 1).is_err());
        assert!(check_vision_names(good.as_bytes(), 3).is_err());
        assert!(check_vision_names(good.replace("000001", "000002").as_bytes(), 2).is_err());
    }
}
