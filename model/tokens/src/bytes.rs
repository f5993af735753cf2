//! The byte-level alphabet of GPT-2: one printable character for each of the 256 byte values.
//!
//! Vocabulary files spell tokens in these characters. Printable ASCII and Latin-1 stand for themselves, the other 68 bytes
//! are written as U+0100, U+0101, ... in byte order.

/// The character that stands for a byte.
pub(crate) fn char_of_byte(byte: u8) -> char {
    if stands_for_itself(byte) {
        return char::from(byte);
    }
    let others_before = (0..byte).filter(|&b| !stands_for_itself(b)).count() as u32;
    char::from_u32(0x100 + others_before).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte a character stands for.
pub(crate) fn byte_of_char(character: char) -> Option<u8> {
    let code = u32::from(character);
    match u8::try_from(code) {
        Ok(byte) => stands_for_itself(byte).then_some(byte),
        Err(_) => {
            let index = usize::try_from(code.checked_sub(0x100)?).ok()?;
            (0..=u8::MAX).filter(|&b| !stands_for_itself(b)).nth(index)
        }
    }
}

/// The bytes a vocabulary entry stands for, or `None` when a character is outside the alphabet.
pub(crate) fn bytes_of_entry(entry: &str) -> Option<Vec<u8>> {
    entry.chars().map(byte_of_char).collect()
}

/// The whole alphabet in the order of its characters, which is also the order of the first 256 ids of Qwen and Emu3.5.
pub(crate) fn alphabet() -> Vec<char> {
    let mut characters: Vec<char> = (0..=u8::MAX).map(char_of_byte).collect();
    characters.sort_unstable();
    characters
}

fn stands_for_itself(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_is_that_of_gpt2() {
        for byte in 0..=u8::MAX {
            assert_eq!(byte_of_char(char_of_byte(byte)), Some(byte));
        }
        // Known spellings: space, newline, tab, and 0xAD (soft hyphen), the last of the shifted bytes.
        assert_eq!([b' ', b'\n', b'\t', 0xAD].map(char_of_byte), ['Ġ', 'Ċ', 'ĉ', 'Ń']);
        assert_eq!(byte_of_char('\u{144}'), None);
        assert_eq!(byte_of_char(' '), None);
        // Ids of Emu3.5 from its published vocabulary: '!' 0, '*' 9, '0' 15, newline 198, space 220, 0xAD 255.
        let alphabet = alphabet();
        let id = |byte| alphabet.iter().position(|&c| c == char_of_byte(byte));
        let want = [0, 9, 15, 198, 220, 255].map(Some);
        assert_eq!([b'!', b'*', b'0', b'\n', b' ', 0xAD].map(id), want);
    }
}
