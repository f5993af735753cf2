//! Which id means what: text entries first, then control tokens, then one id per visual code.
//!
//! ```text
//! [0, text_count)                      byte-level BPE entries
//! [text_count, visual_base)            control tokens such as <|image start|>
//! [visual_base, visual_base + count)   <|visual token 000000|> ...
//! ```

use std::collections::BTreeMap;
use std::ops::Range;

use crate::error::TokensError;
use crate::limits::MAX_VISUAL_CODES;

/// Surface forms of the control tokens of a new vocabulary, in the order of their ids. The first fourteen are Emu3.5's.
pub(crate) const CONTROL_NAMES: [&str; 17] =
    [PAD, BOS, EOS, BSS, ESS, BOC, EOC, BOG, EOG, EOL, EOF, IMG, BOI, EOI, HOLE, PARTIAL, CANVAS];
const PAD: &str = "<|endoftext|>";
const BOS: &str = "<|extra_203|>";
const EOS: &str = "<|extra_204|>";
const BSS: &str = "<|extra_100|>";
const ESS: &str = "<|extra_101|>";
const BOC: &str = "<|extra_50|>";
const EOC: &str = "<|extra_51|>";
const BOG: &str = "<|extra_60|>";
const EOG: &str = "<|extra_61|>";
const EOL: &str = "<|extra_200|>";
const EOF: &str = "<|extra_201|>";
const IMG: &str = "<|image token|>";
const BOI: &str = "<|image start|>";
const EOI: &str = "<|image end|>";
const HOLE: &str = "<|hole|>";
const PARTIAL: &str = "<|partial|>";
const CANVAS: &str = "<|canvas|>";

/// The ids of the control tokens that the grammar and the templates use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlIds {
    /// Padding and end of plain text, `<|endoftext|>`.
    pub pad: u32,
    /// Begin of a sequence, `<|extra_203|>`.
    pub bos: u32,
    /// End of a sequence, `<|extra_204|>`.
    pub eos: u32,
    /// Begin of the answer, `<|extra_100|>`.
    pub bss: u32,
    /// End of the answer, `<|extra_101|>`.
    pub ess: u32,
    /// Begin of the thoughts before a picture, `<|extra_50|>`.
    pub boc: u32,
    /// End of the thoughts before a picture, `<|extra_51|>`.
    pub eoc: u32,
    /// Begin of the thoughts before the whole answer, `<|extra_60|>`.
    pub bog: u32,
    /// End of the thoughts before the whole answer, `<|extra_61|>`.
    pub eog: u32,
    /// Between two rows of a picture, `<|extra_200|>`.
    pub eol: u32,
    /// End of a frame, `<|extra_201|>`; pictures do not use it.
    pub eof: u32,
    /// Between the header and the first row of a picture, `<|image token|>`.
    pub img: u32,
    /// Begin of a picture, `<|image start|>`.
    pub boi: u32,
    /// End of a picture, `<|image end|>`.
    pub eoi: u32,
    /// A cell nothing is known about, `<|hole|>`; Rhea's own.
    pub hole: Option<u32>,
    /// Marks a cell that is known in part, `<|partial|>`; Rhea's own.
    pub partial: Option<u32>,
    /// Marks a cell of the picture being drawn, `<|canvas|>`; Rhea's own.
    pub canvas: Option<u32>,
}

/// The layout of a model's ids.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    control: ControlIds,
    names: BTreeMap<String, u32>,
    names_by_id: BTreeMap<u32, String>,
    digits: [u32; 10],
    star: u32,
    text_count: u32,
    visual_base: u32,
    visual_count: u32,
}

impl Vocabulary {
    /// Lays out a vocabulary.
    ///
    /// `text` finds the ids of the digits and `*`, `control` lists every special token with its id, and the visual codes
    /// follow the last special token unless the specials list them too (as Emu3.5's file does).
    ///
    /// # Errors
    /// When a token of the grammar is missing, ids overlap, or the number of codes is out of range.
    pub fn new(
        text_count: u32,
        text: impl Fn(&str) -> Option<u32>,
        control: impl IntoIterator<Item = (String, u32)>,
        visual_count: u32,
    ) -> Result<Self, TokensError> {
        if visual_count == 0 || visual_count > MAX_VISUAL_CODES {
            let (value, max) = (u64::from(visual_count), u64::from(MAX_VISUAL_CODES));
            return Err(TokensError::OutOfRange { what: "the number of visual codes", value, min: 1, max });
        }
        let mut names = BTreeMap::new();
        let mut names_by_id = BTreeMap::new();
        let mut listed_codes = BTreeMap::new();
        for (name, id) in control {
            if let Some(code) = code_of_name(&name) {
                listed_codes.insert(code, id);
                continue;
            }
            let reused = names_by_id.insert(id, name.clone()).is_some();
            if reused || names.insert(name.clone(), id).is_some() || id < text_count {
                return Err(TokensError::Format(format!("special token {name:?} with id {id} overlaps another token")));
            }
        }
        let after_control = names_by_id.keys().next_back().map_or(text_count, |last| last.saturating_add(1));
        let visual_base = listed_codes.get(&0).copied().unwrap_or(after_control);
        let overlap = || TokensError::Format(format!("visual codes do not fit behind id {}", after_control - 1));
        if visual_base < after_control || visual_base.checked_add(visual_count).is_none() {
            return Err(overlap());
        }
        if listed_codes.iter().any(|(&code, &id)| code >= visual_count || id != visual_base + code) {
            return Err(overlap());
        }
        let mut digits = [0; 10];
        for (id, name) in digits.iter_mut().zip(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]) {
            *id = text(name).ok_or(TokensError::MissingToken(name))?;
        }
        let star = text("*").ok_or(TokensError::MissingToken("*"))?;
        let control = control_ids(&names)?;
        Ok(Self { control, names, names_by_id, digits, star, text_count, visual_base, visual_count })
    }

    /// The ids of the control tokens.
    #[must_use]
    pub fn control(&self) -> &ControlIds {
        &self.control
    }

    /// All ids: text entries, control tokens and visual codes. One row of the embedding each.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a vocabulary is never empty")]
    pub fn len(&self) -> usize {
        (self.visual_base + self.visual_count) as usize
    }

    /// Number of text entries; text ids are below it.
    #[must_use]
    pub fn text_count(&self) -> u32 {
        self.text_count
    }

    /// The id of visual code 0.
    #[must_use]
    pub fn visual_base(&self) -> u32 {
        self.visual_base
    }

    /// The number of visual codes.
    #[must_use]
    pub fn visual_count(&self) -> u32 {
        self.visual_count
    }

    /// The ids of all visual codes.
    #[must_use]
    pub fn visual_ids(&self) -> Range<u32> {
        self.visual_base..self.visual_base + self.visual_count
    }

    /// The id of a visual code.
    ///
    /// # Errors
    /// When there is no such code.
    pub fn visual(&self, code: u32) -> Result<u32, TokensError> {
        if code < self.visual_count {
            return Ok(self.visual_base + code);
        }
        let (value, max) = (u64::from(code), u64::from(self.visual_count - 1));
        Err(TokensError::OutOfRange { what: "a visual code", value, min: 0, max })
    }

    /// The visual code of an id, or `None` when the id is no visual code.
    #[must_use]
    pub fn code(&self, id: u32) -> Option<u32> {
        id.checked_sub(self.visual_base).filter(|&code| code < self.visual_count)
    }

    /// Is the id an entry of the text vocabulary?
    #[must_use]
    pub fn is_text(&self, id: u32) -> bool {
        id < self.text_count
    }

    /// The id of a control token or visual code by its surface form.
    #[must_use]
    pub fn id_of(&self, name: &str) -> Option<u32> {
        let visual = || code_of_name(name).and_then(|code| self.visual(code).ok());
        self.names.get(name).copied().or_else(visual)
    }

    /// The surface form of a control token or visual code.
    #[must_use]
    pub fn name_of(&self, id: u32) -> Option<String> {
        let visual = || self.code(id).map(|code| format!("<|visual token {code:06}|>"));
        self.names_by_id.get(&id).cloned().or_else(visual)
    }

    /// The ids of a number in decimal, one per digit.
    pub fn number(&self, value: usize) -> impl Iterator<Item = u32> {
        value.to_string().into_bytes().into_iter().map(|digit| self.digits[usize::from(digit - b'0')])
    }

    /// The value of a digit's id.
    pub(crate) fn digit(&self, id: u32) -> Option<usize> {
        self.digits.iter().position(|&digit| digit == id)
    }

    /// The id of `*`, which stands between rows and columns in a picture's header.
    pub fn star(&self) -> u32 {
        self.star
    }
}

fn control_ids(names: &BTreeMap<String, u32>) -> Result<ControlIds, TokensError> {
    let need = |name: &'static str| names.get(name).copied().ok_or(TokensError::MissingToken(name));
    let find = |name: &str| names.get(name).copied();
    Ok(ControlIds {
        pad: need(PAD)?,
        bos: need(BOS)?,
        eos: need(EOS)?,
        bss: need(BSS)?,
        ess: need(ESS)?,
        boc: need(BOC)?,
        eoc: need(EOC)?,
        bog: need(BOG)?,
        eog: need(EOG)?,
        eol: need(EOL)?,
        eof: need(EOF)?,
        img: need(IMG)?,
        boi: need(BOI)?,
        eoi: need(EOI)?,
        hole: find(HOLE),
        partial: find(PARTIAL),
        canvas: find(CANVAS),
    })
}

/// The code in `<|visual token NNNNNN|>`: exactly six digits.
fn code_of_name(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("<|visual token ")?.strip_suffix("|>")?;
    let six_digits = digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit());
    if six_digits { digits.parse().ok() } else { None }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
pub(crate) mod tests {
    use super::*;

    /// The layout of the published Emu3.5 vocabulary (ids from its reference implementation).
    pub(crate) fn emu35() -> Vocabulary {
        let text = |s: &str| match s.as_bytes() {
            [b'*'] => Some(9),
            [d @ b'0'..=b'9'] => Some(15 + u32::from(d - b'0')),
            _ => None,
        };
        let mut control: Vec<(String, u32)> =
            vec![("<|endoftext|>".into(), 151_643), ("<|im_start|>".into(), 151_644), ("<|im_end|>".into(), 151_645)];
        control.extend((0..205).map(|i| (format!("<|extra_{i}|>"), 151_646 + i)));
        let framing = ["<|image token|>", "<|image start|>", "<|image end|>"];
        control.extend(framing.into_iter().zip(151_851..).map(|(name, id)| (name.to_owned(), id)));
        Vocabulary::new(151_643, text, control, 131_072).unwrap()
    }

    #[test]
    fn the_published_layout_comes_out() {
        let v = emu35();
        assert_eq!((v.len(), v.visual_base()), (282_926, 151_854));
        let c = v.control();
        assert_eq!((c.bos, c.eos, c.bss, c.ess, c.eol, c.eof), (151_849, 151_850, 151_746, 151_747, 151_846, 151_847));
        assert_eq!((c.boc, c.eoc, c.bog, c.eog, c.pad), (151_696, 151_697, 151_706, 151_707, 151_643));
        assert_eq!((c.img, c.boi, c.eoi, c.hole), (151_851, 151_852, 151_853, None));
        assert_eq!(v.id_of("<|visual token 065536|>"), Some(217_390));
        assert_eq!(v.name_of(282_925).as_deref(), Some("<|visual token 131071|>"));
        for strange in ["<|visual token 131072|>", "<|visual token 1|>", "<|extra_205|>", "<|visual token +00001|>"] {
            assert_eq!(v.id_of(strange), None, "{strange}");
        }
        assert_eq!((v.code(151_853), v.code(151_854), v.code(282_926)), (None, Some(0), None));
        assert!(v.visual(131_072).is_err());
    }

    #[test]
    fn overlapping_layouts_are_refused() {
        let text = |s: &str| s.bytes().next().map(u32::from);
        let control = |from: u32| CONTROL_NAMES.into_iter().zip(from..).map(|(n, id)| (n.to_owned(), id));
        assert!(Vocabulary::new(300, text, control(300), 16).is_ok());
        assert!(Vocabulary::new(300, text, control(299), 16).is_err());
        assert!(Vocabulary::new(300, text, control(300), 0).is_err());
        assert!(Vocabulary::new(300, text, control(300), u32::MAX).is_err());
        assert!(Vocabulary::new(300, text, control(u32::MAX - 20), 16).is_err());
        assert!(Vocabulary::new(300, text, control(300).filter(|(n, _)| n != BOI), 16).is_err());
        let listed = |code_0: u32| control(300).chain([("<|visual token 000000|>".to_owned(), code_0)]);
        assert!(Vocabulary::new(300, text, listed(317), 16).is_ok());
        assert!(Vocabulary::new(300, text, listed(316), 16).is_err());
    }
}
