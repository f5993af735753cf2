//! Bytes that arrive piece by piece, handed out as text as soon as it is certain.

/// Collects bytes and hands out the longest text that no later byte can change.
///
/// All pieces together, [`Utf8Buffer::finish`] included, are what lossy decoding of all bytes at once gives.
#[derive(Clone, Debug, Default)]
pub struct Utf8Buffer {
    held: Vec<u8>,
}

impl Utf8Buffer {
    /// Adds bytes and returns the text that is now certain; it may be empty. Holds back at most three bytes.
    pub fn push(&mut self, bytes: &[u8]) -> String {
        self.held.extend_from_slice(bytes);
        let mut text = String::new();
        loop {
            let (valid, broken) = match std::str::from_utf8(&self.held) {
                Ok(all) => (all.len(), Some(0)),
                Err(error) => (error.valid_up_to(), error.error_len()),
            };
            text.push_str(&String::from_utf8_lossy(self.held.get(..valid).unwrap_or_default()));
            let Some(broken) = broken else {
                self.held.drain(..valid); // what is left may become a character
                return text;
            };
            self.held.drain(..valid + broken);
            if broken == 0 {
                return text;
            }
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }

    /// The rest, with a replacement character for a cut one.
    #[must_use]
    pub fn finish(self) -> String {
        String::from_utf8_lossy(&self.held).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_add_up_to_lossy_decoding() {
        let broken: &[u8] = b"ok \xF0\x9F\x98 x \xFF\xE4\xBD\xA0 \xE4\xBD";
        for bytes in ["plain, caf\u{e9}, \u{1f600}, \u{4f60}".as_bytes(), broken] {
            for step in 1..5 {
                let mut buffer = Utf8Buffer::default();
                let mut text = String::new();
                for piece in bytes.chunks(step) {
                    text += &buffer.push(piece);
                    assert!(buffer.held.len() <= 3);
                }
                text += &buffer.finish();
                assert_eq!(text, String::from_utf8_lossy(bytes), "pieces of {step}");
            }
        }
    }
}
