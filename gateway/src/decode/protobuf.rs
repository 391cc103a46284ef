//! The wire form of protobuf (encoding of messages), field by field: what both protobuf formats are read with.
//!
//! Always: borrows from the payload and allocates nothing, so that no payload takes more memory than itself; groups,
//! which proto3 does not have, are refused. Generated code would make a vector of a message of two bytes each.

/// A field's value by its wire type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// What is wrong with a message.
pub(super) type Bad = &'static str;

/// Number and value of each field, in order.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    pub(super) fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Bad> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 || number > 536_870_911 {
            return Err("a field number that protobuf does not have");
        }
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(usize::try_from(length).map_err(|_| CUT)?)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err("a wire type that proto3 does not have"),
        };
        Ok(Some((number, value)))
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], Bad> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(CUT)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Bad> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(CUT)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn varint(&mut self) -> Result<u64, Bad> {
        let mut number = 0_u64;
        for (n, byte) in self.rest.iter().enumerate().take(10) {
            number |= u64::from(byte & 0x7f) << (7 * n);
            if byte & 0x80 == 0 {
                if n == 9 && *byte > 1 {
                    break;
                }
                self.rest = &self.rest[n + 1..];
                return Ok(number);
            }
        }
        Err(if self.rest.len() < 10 { CUT } else { "a number of more than 64 bits" })
    }
}

const CUT: Bad = "the message ends too early";

impl<'a> Value<'a> {
    pub(super) fn varint(self) -> Result<u64, Bad> {
        if let Value::Varint(number) = self { Ok(number) } else { Err("a field of another wire type") }
    }

    pub(super) fn bytes(self) -> Result<&'a [u8], Bad> {
        if let Value::Bytes(bytes) = self { Ok(bytes) } else { Err("a field of another wire type") }
    }

    pub(super) fn text(self) -> Result<&'a str, Bad> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "a text that is not UTF-8")
    }

    pub(super) fn double(self) -> Result<f64, Bad> {
        if let Value::Fixed64(bits) = self {
            Ok(f64::from_bits(bits))
        } else {
            Err("a field of another wire type")
        }
    }

    pub(super) fn float(self) -> Result<f32, Bad> {
        if let Value::Fixed32(bits) = self {
            Ok(f32::from_bits(bits))
        } else {
            Err("a field of another wire type")
        }
    }

    /// A `sint64`.
    pub(super) fn zigzag(self) -> Result<i64, Bad> {
        let number = self.varint()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }
}
