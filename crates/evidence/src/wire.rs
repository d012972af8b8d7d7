//! A message's fields where they lie, read strictly: nothing is copied, nothing is allocated.
//!
//! What passes is in canonical form as far as one message can tell: fields in ascending order, those
//! that are not repeated at most once, numbers in their shortest form, no default written out. Whoever
//! reads with it names every field; one that he does not know is refused. The rule is that of
//! `canonical::decode`, and `tests/bytes` compares the two.

use crate::canonical::Malformed;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of one message (protobuf encoding guide, "Message Structure").
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
    last: u64,
    repeated: &'static [u64],
}

impl<'a> Fields<'a> {
    /// `repeated`: the fields that may stand more than once. Packed ones stand once.
    pub(crate) fn of(bytes: &'a [u8], repeated: &'static [u64]) -> Self {
        Self { rest: bytes, last: 0, repeated }
    }

    /// Bytes that are not read yet.
    pub(crate) fn rest_size(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = varint(&mut self.rest)?;
        let number = key >> 3;
        let again = number == self.last && self.repeated.contains(&number);
        if number <= self.last && !again {
            return Err(Malformed::NotCanonical);
        }
        self.last = number;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut self.rest)?),
            2 => {
                let size = varint(&mut self.rest)?;
                let size = usize::try_from(size).map_err(|_| Malformed::NotProtobuf)?;
                let (bytes, rest) =
                    self.rest.split_at_checked(size).ok_or(Malformed::NotProtobuf)?;
                self.rest = rest;
                Value::Bytes(bytes)
            }
            _ => return Err(Malformed::NotProtobuf),
        };
        Ok(Some((number, value)))
    }
}

/// The one field of a message that is a oneof and nothing else; number 0 if it is not set.
pub(crate) fn only_field(bytes: &[u8]) -> Result<(u64, Value<'_>), Malformed> {
    let mut fields = Fields::of(bytes, &[]);
    let field = fields.next()?.unwrap_or((0, Value::Number(0)));
    if fields.next()?.is_some() { Err(Malformed::NotCanonical) } else { Ok(field) }
}

/// Outside a oneof a default is not written out.
impl<'a> Value<'a> {
    pub(crate) fn uint64(self) -> Result<u64, Malformed> {
        match self {
            Self::Number(0) => Err(Malformed::NotCanonical),
            Self::Number(number) => Ok(number),
            Self::Bytes(_) => Err(Malformed::NotProtobuf),
        }
    }

    pub(crate) fn uint32(self) -> Result<u32, Malformed> {
        u32::try_from(self.uint64()?).map_err(|_| Malformed::NotCanonical)
    }

    pub(crate) fn int64(self) -> Result<i64, Malformed> {
        self.uint64().map(u64::cast_signed)
    }

    pub(crate) fn enumeration(self) -> Result<i32, Malformed> {
        i32::try_from(self.int64()?).map_err(|_| Malformed::NotCanonical)
    }

    pub(crate) fn enumeration_in_oneof(self) -> Result<i32, Malformed> {
        if let Self::Number(0) = self { Ok(0) } else { self.enumeration() }
    }

    /// A flag is there if it is set.
    pub(crate) fn set_flag(self) -> Result<(), Malformed> {
        if self.uint64()? == 1 { Ok(()) } else { Err(Malformed::NotCanonical) }
    }

    pub(crate) fn bytes(self) -> Result<&'a [u8], Malformed> {
        let bytes = self.message()?;
        if bytes.is_empty() { Err(Malformed::NotCanonical) } else { Ok(bytes) }
    }

    pub(crate) fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed::NotProtobuf)
    }

    pub(crate) fn text_in_oneof(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.message()?).map_err(|_| Malformed::NotProtobuf)
    }

    /// May be there and empty.
    pub(crate) fn message(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number(_) => Err(Malformed::NotProtobuf),
        }
    }

    /// How many numbers a packed list holds; each at most `max`.
    pub(crate) fn packed(self, max: u64) -> Result<usize, Malformed> {
        // Not packed: a reader takes it, and no author writes it.
        let Self::Bytes(mut rest) = self else { return Err(Malformed::NotCanonical) };
        let mut count = 0;
        while !rest.is_empty() {
            if varint(&mut rest)? > max {
                return Err(Malformed::NotCanonical);
            }
            count += 1;
        }
        if count == 0 { Err(Malformed::NotCanonical) } else { Ok(count) }
    }
}

fn varint(rest: &mut &[u8]) -> Result<u64, Malformed> {
    // Most keys and sizes are one byte.
    if let [byte @ 0..0x80, after @ ..] = rest {
        *rest = after;
        return Ok(u64::from(*byte));
    }
    let mut value = 0;
    for (at, byte) in rest.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            // 64 bits end in the first of the tenth byte.
            if at == 9 && *byte > 1 {
                return Err(Malformed::NotProtobuf);
            }
            if *byte == 0 {
                return Err(Malformed::NotCanonical);
            }
            *rest = rest.get(at + 1..).unwrap_or_default();
            return Ok(value);
        }
    }
    Err(Malformed::NotProtobuf)
}
