//! The state hash chain of a replay.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_agrees_with_a_published_value() {
        assert_eq!(Fnv::default().after(b"foobar").0, 0x8594_4171_f739_67e8, "the FNV authors' test vector");
    }
}
