//! Values as people write them: sizes and lengths of time with their unit, addresses.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// A number of bytes, written `"4 GiB"`, `"64KiB"` or `"512 B"`. Shown with the greatest unit that leaves it whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

const SIZES: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const SPANS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Size {
    /// As a length in memory.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |unit: &&(&str, u64)| self.0 != 0 && self.0.is_multiple_of(unit.1);
        let (unit, bytes) = SIZES.iter().find(whole).unwrap_or(&("B", 1));
        write!(f, "{} {unit}", self.0 / bytes)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let what = "a whole number and B, KiB, MiB, GiB or TiB, such as \"64 MiB\"";
        let without_unit = |number| format!("\"{}\"", Self(number));
        input.deserialize_any(Units { what, units: &SIZES, without_unit }).map(Self)
    }
}

/// A length of time, written `"200ms"`, `"90s"`, `"15m"`, `"36h"` or `"7d"`.
///
/// # Errors
/// When it is anything else.
pub fn duration<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
    let what = "a whole number and ms, s, m, h or d, such as \"10m\"";
    let without_unit = |number| format!("\"{number}s\" for seconds");
    input.deserialize_any(Units { what, units: &SPANS, without_unit }).map(Duration::from_millis)
}

/// A whole number with one of some units.
struct Units<F> {
    what: &'static str,
    units: &'static [(&'static str, u64)],
    /// What to write instead of a bare number.
    without_unit: F,
}

impl<F: Fn(u64) -> String> de::Visitor<'_> for Units<F> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "text with {}", self.what)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let known = self.units.iter().find(|(name, _)| *name == unit.trim());
        match (number.parse::<u64>(), known) {
            (Ok(number), Some((_, factor))) if number.checked_mul(*factor).is_some() => Ok(number * factor),
            (Ok(number), None) if unit.is_empty() => self.visit_u64(number),
            _ => Err(wrong(format_args!("cannot read {text:?}"), format_args!("write {}", self.what))),
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        Err(wrong(
            format_args!("{number} has no unit"),
            format_args!("write {}", (self.without_unit)(number)),
        ))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(wrong(format_args!("{number} is below 0"), format_args!("write {}", self.what))),
        }
    }
}

/// An address to listen on.
///
/// # Errors
/// When it is anything but an IP address and a port.
pub fn address<'de, D: Deserializer<'de>>(input: D) -> Result<SocketAddr, D::Error> {
    input.deserialize_any(Address)
}

struct Address;

impl de::Visitor<'_> for Address {
    type Value = SocketAddr;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text with an IP address and a port")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SocketAddr, E> {
        let mend = "write an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\" (a name is not looked up)";
        text.parse().map_err(|_| wrong(format_args!("{text:?} is no address to listen on"), mend))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<SocketAddr, E> {
        self.visit_str(&number.to_string())
    }
}

const MEND: &str = "\n  mend: ";

/// An error of serde that carries its mend.
pub fn wrong<E: de::Error>(what: impl fmt::Display, mend: impl fmt::Display) -> E {
    E::custom(format_args!("{what}{MEND}{mend}"))
}

/// What [`wrong`] put together.
pub(crate) fn parted(said: &str) -> (&str, Option<&str>) {
    said.split_once(MEND).map_or((said, None), |(what, mend)| (what, Some(mend)))
}
