//! The container of a world file: chunks that each carry their own checksums, so that one that is damaged costs only itself.
//!
//! A file is `RHEAWRLD`, the layout's version, and chunks of: marker, kind, length, checksum of these; payload, its checksum.
//! All numbers are little endian. After a damaged chunk the next marker with a right checksum is looked for.

use crate::limits::MAX_CHUNK_BYTES;

/// The first bytes of a file.
pub(super) const MAGIC: [u8; 8] = *b"RHEAWRLD";
const MARKER: [u8; 4] = [0x89, b'R', b'W', b'C'];
/// Marker, kind, length, checksum.
const HEAD_BYTES: usize = 4 + 4 + 8 + 4;

/// What a chunk holds.
pub(super) type Kind = [u8; 4];

/// Appends a chunk.
pub(super) fn put(file: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
    let start = file.len();
    file.extend(MARKER);
    file.extend(kind);
    file.extend((payload.len() as u64).to_le_bytes());
    let check = crc32fast::hash(&file[start..]);
    file.extend(check.to_le_bytes());
    file.extend(payload);
    file.extend(crc32fast::hash(payload).to_le_bytes());
}

/// What was found at a place of a file.
pub(super) enum Found<'a> {
    /// A whole chunk.
    Chunk(Kind, &'a [u8]),
    /// Something that is no chunk, from `offset` on.
    Damage { offset: usize, what: String },
}

/// All chunks of the bytes after the magic and version, in order, with everything that is no chunk.
pub(super) fn chunks(bytes: &[u8], mut at: usize) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    while at < bytes.len() {
        match chunk(bytes, at) {
            Ok((kind, payload, next)) => {
                found.push(Found::Chunk(kind, payload));
                at = next;
            }
            Err((what, next)) => {
                found.push(Found::Damage { offset: at, what });
                // Past a chunk whose head is right; else on to the next head that is.
                at = next.unwrap_or_else(|| next_head(bytes, at + 1));
            }
        }
    }
    found
}

type Whole<'a> = (Kind, &'a [u8], usize);

fn chunk(bytes: &[u8], at: usize) -> Result<Whole<'_>, (String, Option<usize>)> {
    let Some((kind, length)) = head(bytes, at) else {
        return Err(("no chunk begins here".to_owned(), None));
    };
    let from = at + HEAD_BYTES;
    if length > MAX_CHUNK_BYTES {
        return Err((format!("a chunk of {length} bytes; allowed are {MAX_CHUNK_BYTES}"), None));
    }
    let body = bytes.get(from..).and_then(|rest| rest.split_at_checked(length));
    let Some((payload, check)) = body.and_then(|(payload, rest)| rest.first_chunk::<4>().map(|check| (payload, check)))
    else {
        let left = bytes.len().saturating_sub(from);
        return Err((format!("cut short: a chunk of {length} bytes has only {left} left"), None));
    };
    let next = from + length + 4;
    if crc32fast::hash(payload) != u32::from_le_bytes(*check) {
        let name = String::from_utf8_lossy(&kind).into_owned();
        return Err((format!("altered: the checksum of a {name} chunk is wrong"), Some(next)));
    }
    Ok((kind, payload, next))
}

/// Kind and length of the chunk whose head is at `at`, if it is right.
fn head(bytes: &[u8], at: usize) -> Option<(Kind, usize)> {
    let head: &[u8; HEAD_BYTES] = bytes.get(at..)?.first_chunk()?;
    let (start, check) = head.split_at(HEAD_BYTES - 4);
    let right = start.starts_with(&MARKER) && crc32fast::hash(start).to_le_bytes() == check;
    let kind: Kind = start.get(4..8)?.try_into().ok()?;
    let length = u64::from_le_bytes(start.get(8..16)?.try_into().ok()?);
    right.then_some((kind, usize::try_from(length).ok()?))
}

fn next_head(bytes: &[u8], from: usize) -> usize {
    (from..bytes.len()).find(|at| bytes[*at] == MARKER[0] && head(bytes, *at).is_some()).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_costs_one_chunk() {
        let mut file = Vec::new();
        put(&mut file, *b"AAAA", b"first");
        let second = file.len();
        put(&mut file, *b"BBBB", b"second");
        let third = file.len();
        put(&mut file, *b"CCCC", b"third");
        let kinds = |bytes: &[u8]| -> Vec<Kind> {
            let chunk = |found: Found<'_>| if let Found::Chunk(kind, _) = found { Some(kind) } else { None };
            chunks(bytes, 0).into_iter().filter_map(chunk).collect()
        };
        assert_eq!(kinds(&file), [*b"AAAA", *b"BBBB", *b"CCCC"]);
        for at in second..third {
            let mut altered = file.clone();
            altered[at] ^= 0x40;
            assert_eq!(kinds(&altered), [*b"AAAA", *b"CCCC"], "byte {at}");
        }
        for cut in 0..file.len() {
            assert!(kinds(&file[..cut]).len() < 3);
        }
    }
}
