//! Greetings and frames.
//!
//! ```text
//! greeting: "RHEA-ENG" version:u32        frame: length:u32 crc32:u32 message (postcard), little-endian
//! ```
//!
//! Invariant: nothing is reserved for a frame before its length is known to be allowed, and never more than has come.

use std::io::{ErrorKind, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ChildError;
use crate::limits;

const MAGIC: &[u8; 8] = b"RHEA-ENG";

/// Sends the greeting.
///
/// # Errors
/// When the pipe is broken.
pub(crate) fn greet(to: &mut impl Write, version: u32) -> Result<(), ChildError> {
    let greeting = [MAGIC.as_slice(), &version.to_le_bytes()].concat();
    to.write_all(&greeting).and_then(|()| to.flush()).map_err(ChildError::Pipe)
}

/// Reads the other end's greeting; `None` when it hung up before it said anything.
///
/// # Errors
/// When it says something else, or speaks another version.
pub(crate) fn expect_greeting(from: &mut impl Read) -> Result<Option<()>, ChildError> {
    let mut greeting = Vec::with_capacity(12);
    from.take(12).read_to_end(&mut greeting).map_err(ChildError::Pipe)?;
    if greeting.is_empty() {
        return Ok(None);
    }
    let (magic, version) = greeting.split_at(greeting.len().min(MAGIC.len()));
    match <[u8; 4]>::try_from(version).map(u32::from_le_bytes) {
        Ok(limits::PROTOCOL) if magic == MAGIC => Ok(Some(())),
        Ok(theirs) if magic == MAGIC => Err(ChildError::Version { ours: limits::PROTOCOL, theirs }),
        _ => Err(ChildError::NotAnEngine { said: String::from_utf8_lossy(&greeting).into_owned() }),
    }
}

/// A message as a frame.
///
/// # Errors
/// When it is over the limit.
pub(crate) fn frame(message: &impl Serialize) -> Result<Vec<u8>, ChildError> {
    let frame = postcard::to_extend(message, vec![0; 8]).map_err(|e| ChildError::Damaged(e.to_string()))?;
    let mut frame = frame;
    let (head, body) = frame.split_at_mut(8);
    if body.len() > limits::MESSAGE_BYTES {
        return Err(ChildError::TooLarge { bytes: body.len() });
    }
    let length = u32::try_from(body.len()).map_err(|_| ChildError::TooLarge { bytes: body.len() })?;
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4..].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
    Ok(frame)
}

/// Sends a message.
///
/// # Errors
/// When it is over the limit, or the pipe is broken.
pub(crate) fn send(to: &mut impl Write, message: &impl Serialize) -> Result<(), ChildError> {
    let frame = frame(message)?;
    to.write_all(&frame).and_then(|()| to.flush()).map_err(ChildError::Pipe)
}

/// Reads a message; `None` when the other end hung up.
///
/// # Errors
/// When the message is over the limit, cut off, damaged or unknown.
pub(crate) fn receive<T: DeserializeOwned>(from: &mut impl Read) -> Result<Option<T>, ChildError> {
    let mut head = [0; 8];
    match from.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(ChildError::Pipe(error)),
    }
    let [a, b, c, d, crc @ ..] = head;
    let bytes = u32::from_le_bytes([a, b, c, d]) as usize;
    if bytes > limits::MESSAGE_BYTES {
        return Err(ChildError::TooLarge { bytes });
    }
    let mut body = Vec::new();
    from.take(bytes as u64).read_to_end(&mut body).map_err(ChildError::Pipe)?;
    if body.len() < bytes {
        return Ok(None);
    }
    if crc32fast::hash(&body) != u32::from_le_bytes(crc) {
        return Err(ChildError::Damaged("its checksum is wrong".to_owned()));
    }
    match postcard::take_from_bytes(&body) {
        Ok((message, [])) => Ok(Some(message)),
        Ok((_, rest)) => Err(ChildError::Damaged(format!("{} bytes are left over", rest.len()))),
        Err(error) => Err(ChildError::Damaged(error.to_string())),
    }
}

/// What the other end hears of a value.
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
pub(crate) fn sent<T: Serialize + DeserializeOwned>(value: &T) -> T {
    receive(&mut frame(value).unwrap().as_slice()).unwrap().unwrap()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_were_sent_and_one_after_the_other() {
        let mut pipe = Vec::new();
        send(&mut pipe, &(7_u32, "a view")).unwrap();
        send(&mut pipe, &(8_u32, "another")).unwrap();
        let mut from = pipe.as_slice();
        let first: (u32, String) = receive(&mut from).unwrap().unwrap();
        let second: (u32, String) = receive(&mut from).unwrap().unwrap();
        assert_eq!((first, second), ((7, "a view".to_owned()), (8, "another".to_owned())));
        assert!(receive::<(u32, String)>(&mut from).unwrap().is_none(), "hung up");
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_anything_is_reserved() {
        let mut head = u32::MAX.to_le_bytes().to_vec();
        head.extend([0; 4]);
        // Nothing follows: had it been believed, reading would say that the message is cut off.
        let error = receive::<String>(&mut head.as_slice()).unwrap_err();
        assert!(matches!(error, ChildError::TooLarge { bytes } if bytes == u32::MAX as usize), "{error}");
        assert!(error.to_string().contains("67108864"), "{error}");
        let large = vec![1_u8; limits::MESSAGE_BYTES + 1];
        assert!(matches!(frame(&large), Err(ChildError::TooLarge { .. })));
    }

    #[test]
    fn what_is_cut_off_damaged_or_something_else_is_told_apart() {
        let whole = frame(&"a long enough message").unwrap();
        assert!(receive::<String>(&mut &whole[..whole.len() - 1]).unwrap().is_none(), "cut off is hung up");
        let mut damaged = whole.clone();
        damaged[12] ^= 1;
        assert!(receive::<String>(&mut damaged.as_slice()).unwrap_err().to_string().contains("checksum"));
        let longer = frame(&(1_u8, 2_u8)).unwrap();
        assert!(receive::<u8>(&mut longer.as_slice()).unwrap_err().to_string().contains("left over"));
        let wrong = frame(&[0xff_u8; 3]).unwrap();
        assert!(receive::<bool>(&mut wrong.as_slice()).is_err());
    }

    #[test]
    fn a_greeting_tells_engines_versions_and_others_apart() {
        let greeting = |version: u32| {
            let mut pipe = Vec::new();
            greet(&mut pipe, version).unwrap();
            expect_greeting(&mut pipe.as_slice())
        };
        assert_eq!(greeting(limits::PROTOCOL).unwrap(), Some(()));
        let other = greeting(limits::PROTOCOL + 1).unwrap_err().to_string();
        let named = |version: u32| other.contains(&format!("version {version}"));
        assert!(named(limits::PROTOCOL) && named(limits::PROTOCOL + 1), "{other}");
        assert_eq!(expect_greeting(&mut [].as_slice()).unwrap(), None);
        for said in [&b"HTTP/1.1 400 Bad Request"[..], b"usage", b"RHEA-ENG"] {
            let error = expect_greeting(&mut &said[..]).unwrap_err();
            assert!(matches!(error, ChildError::NotAnEngine { .. }), "{error}");
        }
    }
}
