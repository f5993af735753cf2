//! MCAP records as slices: no allocation, every length checked against what is there.

/// Bytes of the magic at both ends of an MCAP file.
pub(super) const MAGIC: &[u8] = mcap::MAGIC;
/// Opcode and length before every record.
pub(super) const RECORD_HEAD_BYTES: u64 = 9;

/// A cursor over bytes from outside; every read says whether there was enough.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(count)?;
        self.0 = tail;
        Some(head)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A string with a 32-bit length before it.
    pub(super) fn string(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.u32()?).ok()?;
        std::str::from_utf8(self.bytes(length)?).ok()
    }

    /// Opcode and body of the next record.
    pub(super) fn record(&mut self) -> Option<(u8, &'a [u8])> {
        let opcode = self.u8()?;
        let length = usize::try_from(self.u64()?).ok()?;
        Some((opcode, self.bytes(length)?))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }
}

/// The records inside the body of a chunk record, when the chunk is whole and its CRC right.
pub(super) fn chunk_records(body: &[u8]) -> Result<&[u8], String> {
    let mut cursor = Cursor::new(body);
    let mut head = || {
        cursor.u64()?;
        cursor.u64()?;
        let size = cursor.u64()?;
        let crc = cursor.u32()?;
        let compression = cursor.string()?;
        let stored = cursor.u64()?;
        Some((size, crc, compression, stored))
    };
    let (size, crc, compression, stored) = head().ok_or("chunk header is cut or damaged")?;
    if !compression.is_empty() {
        return Err(format!("chunk is compressed with {compression:?}; Rhea writes chunks without compression"));
    }
    if stored != cursor.len() as u64 || size != stored {
        return Err(format!("chunk claims {size} bytes in {stored}, holds {}", cursor.len()));
    }
    let records = cursor.rest();
    let found = crc32fast::hash(records);
    if found != crc {
        return Err(format!("chunk checksum is {found:08x}, should be {crc:08x}"));
    }
    Ok(records)
}

/// A message record.
pub(super) struct Message<'a> {
    pub(super) channel: u16,
    pub(super) log_time_ns: u64,
    pub(super) payload: &'a [u8],
}

/// The parts of a message record's body.
pub(super) fn message(body: &[u8]) -> Option<Message<'_>> {
    let mut cursor = Cursor::new(body);
    let channel = cursor.u16()?;
    cursor.u32()?;
    let log_time_ns = cursor.u64()?;
    cursor.u64()?;
    Some(Message { channel, log_time_ns, payload: cursor.rest() })
}

/// A channel record: id and topic.
pub(super) fn channel(body: &[u8]) -> Option<(u16, &str)> {
    let mut cursor = Cursor::new(body);
    let id = cursor.u16()?;
    cursor.u16()?;
    Some((id, cursor.string()?))
}
