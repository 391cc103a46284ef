//! Little-endian reading and writing for every format of the engine. Exists so that no format code does arithmetic on
//! offsets by hand: a [`Cursor`] never reads past its end, and every length that it hands out is bounded by what is
//! really there, so that damaged input cannot make anyone allocate.

/// The input ended early or holds something impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed: {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Reads little-endian values from a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(Malformed("ends early"))?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Malformed("ends early"))?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[b]| b)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_le_bytes)
    }

    /// The counterpart of [`put_short`].
    pub(crate) fn short(&mut self) -> Result<i64, Malformed> {
        let mut folded = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            folded |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed());
            }
        }
        Err(Malformed("a number has more than ten bytes"))
    }

    /// A count of things of at least `min_size` bytes each: refused when that many cannot be there.
    pub(crate) fn count(&mut self, min_size: usize) -> Result<usize, Malformed> {
        let count = self.u32()? as usize;
        match count.checked_mul(min_size) {
            Some(bytes) if bytes <= self.rest.len() => Ok(count),
            _ => Err(Malformed("a count is larger than what follows")),
        }
    }

    /// Bytes after a u32 length.
    pub(crate) fn blob(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.u32()? as usize;
        self.take(len)
    }

    /// UTF-8 text after a u16 length.
    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        let len = self.u16()?;
        std::str::from_utf8(self.take(usize::from(len))?).map_err(|_| Malformed("text is not UTF-8"))
    }
}

/// A number in as few bytes as it needs, as protobuf's sint64: the sign in the lowest bit, seven bits a byte, the lowest first.
pub(crate) fn put_short(out: &mut Vec<u8>, number: i64) {
    let mut folded = (number << 1 ^ number >> 63).cast_unsigned();
    while folded >= 0x80 {
        out.push(folded as u8 | 0x80);
        folded >>= 7;
    }
    out.push(folded as u8);
}

/// Text after a u16 length; longer text is cut at a character's border (bounds are checked before, so that this only
/// concerns free words such as details).
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    let mut end = text.len().min(usize::from(u16::MAX));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let len = u16::try_from(end).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&text.as_bytes()[..end]);
}

/// A length or count as u32. Everything encoded is bounded far below by the journal's record bound, so that the
/// saturation is never seen; a reader would refuse it.
pub(crate) fn put_len(out: &mut Vec<u8>, len: usize) {
    out.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
}

/// Bytes after a u32 length.
pub(crate) fn put_blob(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

macro_rules! plain_arrays {
    ($put:ident, $get:ident, $ty:ty, $size:literal) => {
        /// The numbers one after the other.
        pub(crate) fn $put(out: &mut Vec<u8>, numbers: impl ExactSizeIterator<Item = $ty>) {
            let start = out.len();
            out.resize(start + numbers.len() * $size, 0);
            for (chunk, number) in out[start..].as_chunks_mut::<$size>().0.iter_mut().zip(numbers) {
                *chunk = number.to_le_bytes();
            }
        }

        /// `count` numbers one after the other.
        pub(crate) fn $get<'a>(
            cursor: &mut Cursor<'a>,
            count: usize,
        ) -> Result<impl ExactSizeIterator<Item = $ty> + use<'a>, Malformed> {
            let bytes = cursor.take(count.checked_mul($size).ok_or(Malformed("ends early"))?)?;
            Ok(bytes.as_chunks::<$size>().0.iter().map(|chunk| <$ty>::from_le_bytes(*chunk)))
        }
    };
}

plain_arrays!(put_u16s, get_u16s, u16, 2);
plain_arrays!(put_u32s, get_u32s, u32, 4);
plain_arrays!(put_i64s, get_i64s, i64, 8);
plain_arrays!(put_f64s, get_f64s, f64, 8);

/// Numbers one after the other.
pub(crate) fn put_u64s(out: &mut Vec<u8>, numbers: impl IntoIterator<Item = u64>) {
    numbers.into_iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
}
