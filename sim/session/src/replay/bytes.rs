//! Bytes and checksums of a replay: the state hash chain, CRC-32 of MCAP chunks, base64 of pictures.
//!
//! All three are small and fixed by outside documents, so they are written here and held to published values by tests.

/// A running FNV-1a hash of 64 bits: quick and stable, made to find accidents; it is no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fnv(pub u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// The hash after `bytes`.
    #[must_use]
    pub fn after(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)))
    }

    /// The hash after one message of a replay: topic, length and payload, so that no two lists of messages agree.
    #[must_use]
    pub fn after_message(self, topic: &str, payload: &[u8]) -> Self {
        self.after(topic.as_bytes()).after(&(payload.len() as u64).to_le_bytes()).after(payload)
    }
}

const fn crc32_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0xedb8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

/// A running CRC-32 (IEEE 802.3, as in MCAP, zip and PNG).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crc32(u32);

impl Default for Crc32 {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl Crc32 {
    /// The checksum after `bytes`.
    #[must_use]
    pub fn after(self, bytes: &[u8]) -> Self {
        const TABLE: [u32; 256] = crc32_table();
        Self(bytes.iter().fold(self.0, |crc, byte| (crc >> 8) ^ TABLE[((crc ^ u32::from(*byte)) & 0xff) as usize]))
    }

    /// The checksum as it stands in a file.
    #[must_use]
    pub fn value(self) -> u32 {
        !self.0
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Standard base64 with padding (RFC 4648).
#[must_use]
pub fn base64_encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..4 {
            if position <= group.len() {
                text.push(BASE64[(bits >> (18 - 6 * position) & 0x3f) as usize] as char);
            } else {
                text.push('=');
            }
        }
    }
    text
}

/// The bytes of standard base64 with padding; `None` when the text is anything else.
#[must_use]
pub fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let padding = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    let (digits, _) = text.split_at(text.len() - padding);
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    for group in digits.chunks(4) {
        let mut bits = 0_u32;
        for byte in group {
            bits = bits << 6 | base64_value(*byte)?;
        }
        bits <<= 6 * (4 - group.len());
        let all = bits.to_be_bytes();
        let (_, three) = all.split_at(1);
        bytes.extend(three.iter().take(group.len() - 1));
    }
    Some(bytes)
}

fn base64_value(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn checksums_agree_with_published_values() {
        assert_eq!(
            Crc32::default().after(b"1234").after(b"56789").value(),
            0xcbf4_3926,
            "the check value of CRC-32/ISO-HDLC"
        );
        assert_eq!(Fnv::default().after(b"foobar").0, 0x8594_4171_f739_67e8, "the FNV authors' test vector");
    }

    #[test]
    fn base64_agrees_with_rfc_4648() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in vectors {
            assert_eq!(base64_encode(plain.as_bytes()), coded);
            assert_eq!(base64_decode(coded).unwrap(), plain.as_bytes());
        }
        for bad in ["Zg", "Z===", "Zm9v=", "Zm9 ", "Z=9v", "===="] {
            assert_eq!(base64_decode(bad), None, "{bad}");
        }
    }
}
