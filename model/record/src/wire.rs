//! The wire format of protocol buffers: fields as tags and values. Numbers are those of the format's public documentation.

use crate::error::RecordError;
use crate::limits::MAX_PARTS;

/// A field's value as it stands on the wire.
pub(crate) enum Value<'a> {
    /// int32, sint32, bool, enum.
    Varint(u64),
    /// double.
    Fixed64([u8; 8]),
    /// string, bytes, message, map entry.
    Bytes(Reader<'a>),
    /// Of no use here.
    Fixed32,
}

/// Reads the fields of one message.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    /// Where the first of `bytes` stands in the record.
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    fn wrong(&self, what: &'static str) -> RecordError {
        RecordError::Format { what, at: self.offset }
    }

    /// The next field with its number, or `None` at the end.
    pub(crate) fn field(&mut self) -> Result<Option<(u32, Value<'a>)>, RecordError> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok().filter(|number| (1..1 << 29).contains(number));
        let number = number.ok_or_else(|| self.wrong("no such field number"))?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(self.array()?),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| self.wrong("a length beyond the end"))?;
                let offset = self.offset;
                Value::Bytes(Reader { bytes: self.take(length)?, offset })
            }
            5 => {
                self.array::<4>()?;
                Value::Fixed32
            }
            _ => return Err(self.wrong("an unknown kind of field")),
        };
        Ok(Some((number, value)))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or_else(|| self.wrong("a length beyond the end"))?;
        self.bytes = rest;
        self.offset += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let at = self.offset;
        self.take(N)?.try_into().map_err(|_| RecordError::Format { what: "a number cut short", at })
    }

    fn varint(&mut self) -> Result<u64, RecordError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.wrong("a number that does not end"))
    }

    fn into_string(self) -> Result<String, RecordError> {
        let at = self.offset;
        String::from_utf8(self.bytes.to_vec()).map_err(|_| RecordError::Format { what: "text that is not UTF-8", at })
    }
}

impl<'a> Value<'a> {
    fn bytes(self, at: usize) -> Result<Reader<'a>, RecordError> {
        match self {
            Self::Bytes(reader) => Ok(reader),
            _ => Err(RecordError::Format { what: "a field of the wrong kind", at }),
        }
    }
}

/// Fields of known types, read from a message; counts the messages of the whole record.
pub(crate) struct Fields<'a, 'c> {
    reader: Reader<'a>,
    parts: &'c mut usize,
}

impl<'a, 'c> Fields<'a, 'c> {
    /// The fields of a message; `parts` counts the messages of the record.
    pub(crate) fn new(reader: Reader<'a>, parts: &'c mut usize) -> Self {
        Self { reader, parts }
    }

    pub(crate) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, RecordError> {
        self.reader.field()
    }

    pub(crate) fn string(&self, value: Value<'a>) -> Result<String, RecordError> {
        value.bytes(self.reader.offset)?.into_string()
    }

    pub(crate) fn blob(&self, value: Value<'a>) -> Result<Vec<u8>, RecordError> {
        Ok(value.bytes(self.reader.offset)?.bytes.to_vec())
    }

    pub(crate) fn number(&self, value: Value<'a>) -> Result<u64, RecordError> {
        match value {
            Value::Varint(number) => Ok(number),
            _ => Err(self.reader.wrong("a field of the wrong kind")),
        }
    }

    pub(crate) fn double(&self, value: Value<'a>) -> Result<f64, RecordError> {
        match value {
            Value::Fixed64(bytes) => Ok(f64::from_le_bytes(bytes)),
            _ => Err(self.reader.wrong("a field of the wrong kind")),
        }
    }

    /// A message inside this one.
    pub(crate) fn message<T>(
        &mut self,
        value: Value<'a>,
        read: impl FnOnce(Fields<'a, '_>) -> Result<T, RecordError>,
    ) -> Result<T, RecordError> {
        *self.parts += 1;
        if *self.parts > MAX_PARTS {
            return Err(RecordError::Parts);
        }
        read(Fields { reader: value.bytes(self.reader.offset)?, parts: self.parts })
    }
}

/// Writes the fields of a message. Fields that hold their default are left out, as proto3 wants it.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn tag(&mut self, field: u32, kind: u64) {
        self.varint(u64::from(field) << 3 | kind);
    }

    /// A field of bytes, written even when there are none.
    pub(crate) fn always(&mut self, field: u32, bytes: &[u8]) {
        self.tag(field, 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn bytes(&mut self, field: u32, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.always(field, bytes);
        }
    }

    pub(crate) fn number(&mut self, field: u32, value: u64) {
        if value != 0 {
            self.tag(field, 0);
            self.varint(value);
        }
    }

    pub(crate) fn double(&mut self, field: u32, value: f64) {
        // Minus zero is not the default.
        if value.to_bits() != 0 {
            self.tag(field, 1);
            self.0.extend_from_slice(&value.to_le_bytes());
        }
    }

    pub(crate) fn message(&mut self, field: u32, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.always(field, &inner.0);
    }
}

/// int32 on the wire: negative numbers take their 64 bit form.
pub(crate) fn from_int32(value: i32) -> u64 {
    i64::from(value) as u64
}

/// The int32 of a number on the wire; the upper half is not looked at, as in other readers.
pub(crate) fn to_int32(number: u64) -> i32 {
    number as i32
}

/// sint32 on the wire: 0, -1, 1, -2 ... become 0, 1, 2, 3 ...
pub(crate) fn from_sint32(value: i32) -> u64 {
    u64::from(((value << 1) ^ (value >> 31)) as u32)
}

/// The sint32 of a number on the wire.
pub(crate) fn to_sint32(number: u64) -> i32 {
    let number = number as u32;
    (number >> 1) as i32 ^ -((number & 1) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_numbers_survive() {
        for value in [0, 1, -1, 5, -300, i32::MAX, i32::MIN] {
            assert_eq!(to_int32(from_int32(value)), value);
            assert_eq!(to_sint32(from_sint32(value)), value);
        }
        // Values of the format's documentation.
        assert_eq!([0, -1, 1, -2, i32::MAX, i32::MIN].map(from_sint32), [0, 1, 2, 3, 0xffff_fffe, 0xffff_ffff]);
        let mut writer = Writer::default();
        writer.number(1, 150);
        assert_eq!(writer.finish(), [0x08, 0x96, 0x01]);
    }
}
