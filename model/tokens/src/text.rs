//! Text to ids and back, over a byte-level BPE: a `tokenizer.json`, or Emu3.5's published `emu3.tiktoken`.
//!
//! The tokenizer library is never told of special tokens: what goes through [`TextTokenizer::encode_text`] cannot become a
//! control token, whatever it spells.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use tokenizers::{AddedVocabulary, Tokenizer};

use crate::bytes::bytes_of_entry;
use crate::error::TokensError;
use crate::limits::{MAX_TEXT_BYTES, MAX_TOKENIZER_FILE_BYTES};
use crate::tiktoken::{ENTRIES_FILE, Tiktoken};
use crate::utf8::Utf8Buffer;
use crate::vocabulary::Vocabulary;

/// Qwen's pre-tokenisation, which Emu3.5 uses: every digit alone, words with their leading space.
pub(crate) const WORD_PATTERN: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// A text tokenizer together with the vocabulary it belongs to.
pub struct TextTokenizer {
    tokenizer: Tokenizer,
    bytes: Vec<Vec<u8>>,
    vocabulary: Vocabulary,
}

/// The parts of a `tokenizer.json` that the vocabulary is laid out from.
#[derive(Deserialize)]
struct TokenizerFile {
    added_tokens: Vec<AddedEntry>,
    model: ModelPart,
}

#[derive(Deserialize)]
struct AddedEntry {
    id: u32,
    content: String,
}

#[derive(Deserialize)]
struct ModelPart {
    vocab: BTreeMap<String, u32>,
    #[serde(default)]
    ignore_merges: bool,
}

impl TextTokenizer {
    /// Opens the tokenizer of a model folder: `tokenizer.json`, or `emu3.tiktoken` with the control tokens of Emu3.5.
    /// `visual_count` is the number of visual codes of the model, from its vision tokenizer.
    ///
    /// # Errors
    /// When neither file is there, or the one found cannot be used; see [`TextTokenizer::from_file`].
    pub fn open(dir: &Path, visual_count: u32) -> Result<Self, TokensError> {
        let json = dir.join("tokenizer.json");
        if json.is_file() {
            return Self::from_file(&json, visual_count);
        }
        if !dir.join(ENTRIES_FILE).is_file() {
            return Err(TokensError::Format(format!("there is neither a tokenizer.json nor an {ENTRIES_FILE}")));
        }
        let file = Tiktoken::open(dir, visual_count)?;
        let tokenizer = file.tokenizer()?;
        let text_count = u32::try_from(file.entries.len()).unwrap_or(u32::MAX);
        let Tiktoken { entries, control } = file;
        let id_of =
            |text: &str| entries.iter().zip(0..).find_map(|(bytes, id)| (bytes == text.as_bytes()).then_some(id));
        let vocabulary = Vocabulary::new(text_count, id_of, control, visual_count)?;
        Ok(Self { tokenizer, bytes: entries, vocabulary })
    }

    /// Reads a `tokenizer.json`. `visual_count` as in [`TextTokenizer::open`].
    ///
    /// # Errors
    /// When the file cannot be read, is over 64 MiB, is no byte-level BPE, or lacks a token of the grammar.
    pub fn from_file(path: &Path, visual_count: u32) -> Result<Self, TokensError> {
        Self::from_json(&read_file(path)?, visual_count)
    }

    /// As [`TextTokenizer::from_file`], from the file's content.
    ///
    /// # Errors
    /// As [`TextTokenizer::from_file`].
    pub fn from_json(json: &[u8], visual_count: u32) -> Result<Self, TokensError> {
        let file: TokenizerFile = serde_json::from_slice(json).map_err(|e| TokensError::Format(e.to_string()))?;
        let control: Vec<(String, u32)> = file.added_tokens.into_iter().map(|t| (t.content, t.id)).collect();
        let Some(text_count) = control.iter().map(|&(_, id)| id).min() else {
            return Err(TokensError::Format("there are no added_tokens".to_owned()));
        };
        // With ignore_merges a word is the entry that it spells, and a special token among the entries could be spelled.
        if file.model.ignore_merges && file.model.vocab.values().any(|&id| id >= text_count) {
            return Err(TokensError::Format(
                "ignore_merges with special tokens in the vocabulary is unsafe".to_owned(),
            ));
        }
        let bytes = entry_bytes(&file.model.vocab, text_count)?;
        let vocabulary = Vocabulary::new(text_count, |s| file.model.vocab.get(s).copied(), control, visual_count)?;
        let mut tokenizer = Tokenizer::from_bytes(json).map_err(|e| TokensError::Format(e.to_string()))?;
        tokenizer.with_added_vocabulary(AddedVocabulary::new());
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|e| TokensError::Format(e.to_string()))?;
        Ok(Self { tokenizer, bytes, vocabulary })
    }

    /// The layout of the ids.
    #[must_use]
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Encodes text of a user. Names of control tokens in it are plain text. The text is NFC-normalised first.
    ///
    /// # Errors
    /// When the text is over 16 KiB.
    pub fn encode_text(&self, text: &str) -> Result<Vec<u32>, TokensError> {
        check_text(text)?;
        self.encode_ordinary(text)
    }

    /// Encodes a trusted template: names of control tokens and visual codes become their ids, the rest is text.
    ///
    /// # Errors
    /// When the library refuses the text.
    pub fn encode_control(&self, template: &str) -> Result<Vec<u32>, TokensError> {
        let mut ids = Vec::new();
        let (mut plain_from, mut search_from) = (0, 0);
        while let Some(start) = find_from(template, "<|", search_from) {
            let end = find_from(template, "|>", start + 2).map(|end| end + 2);
            match end.and_then(|end| Some((end, self.vocabulary.id_of(template.get(start..end)?)?))) {
                Some((end, id)) => {
                    ids.extend(self.encode_ordinary(template.get(plain_from..start).unwrap_or_default())?);
                    ids.push(id);
                    (plain_from, search_from) = (end, end);
                }
                None => search_from = start + 2,
            }
        }
        ids.extend(self.encode_ordinary(template.get(plain_from..).unwrap_or_default())?);
        Ok(ids)
    }

    /// Encodes text of any length without control tokens.
    pub(crate) fn encode_ordinary(&self, text: &str) -> Result<Vec<u32>, TokensError> {
        let encoding = self.tokenizer.encode_fast(text, false).map_err(|e| TokensError::Encode(e.to_string()))?;
        let ids = encoding.get_ids().to_vec();
        match ids.iter().find(|&&id| !self.vocabulary.is_text(id)) {
            Some(id) => Err(TokensError::Encode(format!("text became the control token {id}"))),
            None => Ok(ids),
        }
    }

    /// The text of ids. Control tokens and visual codes appear by name, broken UTF-8 and ids outside the vocabulary as
    /// U+FFFD.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut bytes = Vec::new();
        ids.iter().for_each(|&id| self.append(id, &mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The text of ids, without control tokens and visual codes.
    #[must_use]
    pub fn decode_plain(&self, ids: &[u32]) -> String {
        let mut bytes = Vec::new();
        ids.iter().filter(|&&id| self.vocabulary.is_text(id)).for_each(|&id| self.append(id, &mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Decodes one more id of a stream: the text that is now certain (perhaps none). End with [`Utf8Buffer::finish`].
    pub fn decode_stream(&self, id: u32, buffer: &mut Utf8Buffer) -> String {
        let mut bytes = Vec::new();
        self.append(id, &mut bytes);
        buffer.push(&bytes)
    }

    fn append(&self, id: u32, bytes: &mut Vec<u8>) {
        match self.bytes.get(id as usize) {
            Some(entry) => bytes.extend_from_slice(entry),
            None => match self.vocabulary.name_of(id) {
                Some(name) => bytes.extend_from_slice(name.as_bytes()),
                None => bytes.extend_from_slice("\u{FFFD}".as_bytes()),
            },
        }
    }
}

/// Reads a file of a tokenizer, up to 64 MiB.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, TokensError> {
    let failed = |source| TokensError::File { action: "read", source, path: path.to_owned() };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > MAX_TOKENIZER_FILE_BYTES {
        let (what, unit) = ("the tokenizer file", "bytes");
        return Err(TokensError::TooLarge { what, size, unit, limit: MAX_TOKENIZER_FILE_BYTES });
    }
    std::fs::read(path).map_err(failed)
}

/// Refuses texts of users over the limit.
pub(crate) fn check_text(text: &str) -> Result<(), TokensError> {
    if text.len() > MAX_TEXT_BYTES {
        let (size, limit) = (text.len() as u64, MAX_TEXT_BYTES as u64);
        return Err(TokensError::TooLarge { what: "the text", size, unit: "bytes", limit });
    }
    Ok(())
}

/// The bytes of each text entry, by id.
fn entry_bytes(vocab: &BTreeMap<String, u32>, text_count: u32) -> Result<Vec<Vec<u8>>, TokensError> {
    if vocab.len() < text_count as usize {
        let reason = format!("{} text entries, but the first special token has id {text_count}", vocab.len());
        return Err(TokensError::Format(reason));
    }
    let mut bytes = vec![Vec::new(); text_count as usize];
    for (entry, &id) in vocab {
        let Some(slot) = bytes.get_mut(id as usize) else {
            continue; // files may list the special tokens here as well
        };
        *slot = bytes_of_entry(entry).ok_or_else(|| TokensError::Format(format!("{entry:?} is not byte-level")))?;
    }
    match bytes.iter().position(Vec::is_empty) {
        Some(id) => Err(TokensError::Format(format!("no text entry has id {id}"))),
        None => Ok(bytes),
    }
}

fn find_from(text: &str, what: &str, from: usize) -> Option<usize> {
    text.get(from..)?.find(what).map(|at| from + at)
}
