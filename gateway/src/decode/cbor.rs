//! As much CBOR (RFC 8949) as SenML needs: a reader that borrows from the payload.
//!
//! Always: what is read is bounded by the payload, nesting is at most [`MAX_DEPTH`], nothing is allocated but for texts
//! that come in pieces. Own code, because a reader of this size is smaller than any dependency.

use std::borrow::Cow;

/// Levels of nesting at most.
const MAX_DEPTH: usize = 16;

/// What was wrong, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) what: &'static str,
    pub(super) at: usize,
}

/// How many members a list or map has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Known(u64),
    /// Until a break.
    Open,
}

/// A label of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Label<'a> {
    Number(i64),
    Text(Cow<'a, str>),
}

/// Reads item after item.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Major type, additional information, argument.
type Head = (u8, u8, u64);

const OPEN: u8 = 31;

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(super) fn bad<T>(&self, what: &'static str) -> Result<T, Bad> {
        Err(Bad { what, at: self.at })
    }

    fn take(&mut self, n: u64) -> Result<&'a [u8], Bad> {
        let end = usize::try_from(n).ok().and_then(|n| self.at.checked_add(n));
        let Some(taken) = end.and_then(|end| self.bytes.get(self.at..end)) else {
            return self.bad("the payload ends too early");
        };
        self.at += taken.len();
        Ok(taken)
    }

    fn head(&mut self) -> Result<Head, Bad> {
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 31);
        let argument = match info {
            0..=23 => u64::from(info),
            24..=27 => self.take(1 << (info - 24))?.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
            OPEN if matches!(major, 2..=5 | 7) => 0,
            _ => return self.bad("a head that CBOR does not have"),
        };
        Ok((major, info, argument))
    }

    /// Whether a break comes, which is taken.
    pub(super) fn is_break(&mut self) -> bool {
        let is = self.bytes.get(self.at) == Some(&0xff);
        self.at += usize::from(is);
        is
    }

    fn opened(&mut self, wanted: u8, what: &'static str) -> Result<Length, Bad> {
        match self.head()? {
            (major, OPEN, _) if major == wanted => Ok(Length::Open),
            (major, _, n) if major == wanted => Ok(Length::Known(n)),
            _ => self.bad(what),
        }
    }

    pub(super) fn list(&mut self) -> Result<Length, Bad> {
        self.opened(4, "a list is expected")
    }

    pub(super) fn map(&mut self) -> Result<Length, Bad> {
        self.opened(5, "a map is expected")
    }

    pub(super) fn label(&mut self) -> Result<Label<'a>, Bad> {
        match self.bytes.get(self.at).map(|byte| byte >> 5) {
            Some(0 | 1) => {
                let (major, _, n) = self.head()?;
                match i64::try_from(n) {
                    Ok(n) => Ok(Label::Number(if major == 0 { n } else { -1 - n })),
                    Err(_) => self.bad("a label that is no small number"),
                }
            }
            _ => Ok(Label::Text(self.text()?)),
        }
    }

    pub(super) fn text(&mut self) -> Result<Cow<'a, str>, Bad> {
        match self.head()? {
            (3, OPEN, _) => {
                let mut whole = String::new();
                while !self.is_break() {
                    match self.head()? {
                        (3, info, n) if info != OPEN => whole.push_str(self.utf8(n)?),
                        _ => return self.bad("a piece of a text is no text"),
                    }
                }
                Ok(Cow::Owned(whole))
            }
            (3, _, n) => Ok(Cow::Borrowed(self.utf8(n)?)),
            _ => self.bad("a text is expected"),
        }
    }

    fn utf8(&mut self, n: u64) -> Result<&'a str, Bad> {
        match std::str::from_utf8(self.take(n)?) {
            Ok(text) => Ok(text),
            Err(_) => self.bad("a text that is not UTF-8"),
        }
    }

    pub(super) fn boolean(&mut self) -> Result<bool, Bad> {
        match self.head()? {
            (7, 20, _) => Ok(false),
            (7, 21, _) => Ok(true),
            _ => self.bad("true or false is expected"),
        }
    }

    /// A whole number, a float of any size, or a decimal fraction (tag 4).
    #[expect(clippy::cast_precision_loss, reason = "readings are doubles")]
    #[expect(clippy::cast_possible_truncation, reason = "the head says how many bits there are")]
    pub(super) fn number(&mut self) -> Result<f64, Bad> {
        match self.head()? {
            (0, _, n) => Ok(n as f64),
            (1, _, n) => Ok(-1.0 - n as f64),
            (7, 25, bits) => Ok(half(bits as u16)),
            (7, 26, bits) => Ok(f64::from(f32::from_bits(bits as u32))),
            (7, 27, bits) => Ok(f64::from_bits(bits)),
            (6, _, 4) => {
                if self.list()? != Length::Known(2) {
                    return self.bad("a decimal fraction has two parts");
                }
                let (exponent, mantissa) = (self.whole()?, self.whole()?);
                // The decimal parser rounds once, so that 2734 × 10⁻² is exactly 27.34.
                match format!("{mantissa}e{exponent}").parse() {
                    Ok(number) => Ok(number),
                    Err(_) => self.bad("a decimal fraction that is no number"),
                }
            }
            _ => self.bad("a number is expected"),
        }
    }

    fn whole(&mut self) -> Result<i128, Bad> {
        match self.head()? {
            (0, _, n) => Ok(i128::from(n)),
            (1, _, n) => Ok(-1 - i128::from(n)),
            _ => self.bad("a whole number is expected"),
        }
    }

    /// Passes over one item, whatever it is.
    pub(super) fn skip(&mut self) -> Result<(), Bad> {
        self.skip_at(0)
    }

    fn skip_at(&mut self, depth: usize) -> Result<(), Bad> {
        if depth > MAX_DEPTH {
            return self.bad("nested too deep");
        }
        let (major, info, n) = self.head()?;
        match (major, info) {
            (2 | 3, OPEN) => {
                while !self.is_break() {
                    self.skip_at(depth + 1)?;
                }
            }
            (2 | 3, _) => drop(self.take(n)?),
            (4 | 5, OPEN) => {
                while !self.is_break() {
                    self.skip_at(depth + 1)?;
                }
            }
            (4 | 5, _) => {
                // Each takes a byte at least, so that a false length ends with the payload.
                for _ in 0..if major == 5 { n.saturating_mul(2) } else { n } {
                    self.skip_at(depth + 1)?;
                }
            }
            (6, _) => self.skip_at(depth + 1)?,
            (7, OPEN) => return self.bad("a break that ends nothing"),
            _ => {}
        }
        Ok(())
    }
}

/// A half-precision float (RFC 8949, appendix D).
fn half(bits: u16) -> f64 {
    let (exponent, mantissa) = (i32::from(bits >> 10 & 31), f64::from(bits & 1_023));
    let size = match exponent {
        0 => mantissa * 2.0_f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1_024.0) * 2.0_f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_form_are_read_as_rfc_8949_appendix_a_says() {
        for (bytes, value) in [
            (&[0x00][..], 0.0),
            (&[0x18, 0x64], 100.0),
            (&[0x1b, 0, 0, 0, 0xe8, 0xd4, 0xa5, 0x10, 0], 1e12),
            (&[0x39, 0x03, 0xe7], -1_000.0),
            (&[0xf9, 0x3e, 0x00], 1.5),
            (&[0xf9, 0x00, 0x01], 5.960_464_477_539_063e-8),
            (&[0xf9, 0xc4, 0x00], -4.0),
            (&[0xfa, 0x47, 0xc3, 0x50, 0x00], 100_000.0),
            (&[0xfb, 0xc0, 0x10, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66], -4.1),
            (&[0xc4, 0x82, 0x21, 0x19, 0x6a, 0xb3], 273.15),
        ] {
            assert_eq!(Reader::new(bytes).number(), Ok(value), "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_cut_short_or_false_is_an_error_with_its_place() {
        let mut bytes = vec![0x9b];
        bytes.extend([0xff; 8]);
        assert_eq!(Reader::new(&bytes).skip().map_err(|bad| bad.at), Err(9));
        assert!(Reader::new(&[0x81; 100]).skip().is_err_and(|bad| bad.what == "nested too deep"));
        assert!(
            Reader::new(&[0x62, 0x61]).text().is_err() && Reader::new(&[0x62, 0xff, 0xff]).text().is_err()
        );
        assert_eq!(Reader::new(&[0x7f, 0x61, 0x61, 0x61, 0x62, 0xff]).text().as_deref(), Ok("ab"));
    }
}
