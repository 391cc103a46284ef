//! A reading: time, value, flags. Its identity is its series and its time.

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeMs(pub i64);

/// One value of one series at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// When it was measured; where the device did not say, when it arrived (flagged).
    pub time: TimeMs,
    /// In the unit of the series.
    pub value: f64,
    /// What is known about it.
    pub flags: Flags,
}

/// What is known about a reading beyond its value: 16 bits, stored with it. A flagged reading is stored,
/// never dropped.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// Outside of the plausible range of its quantity.
    pub const OUT_OF_RANGE: Self = Self(1);
    /// Jumps from its neighbours.
    pub const SPIKE: Self = Self(2);
    /// The sensor repeats one value.
    pub const STUCK: Self = Self(4);
    /// Came later than its series usually does.
    pub const LATE: Self = Self(8);
    /// Its time comes from a clock that was not trusted.
    pub const CLOCK_UNCERTAIN: Self = Self(16);
    /// A calibration was applied.
    pub const CALIBRATED: Self = Self(32);
    /// The payload had no time; the time is that of its arrival.
    pub const ARRIVAL_TIME: Self = Self(64);
    /// The device or its network said that the value is bad or stale.
    pub const BAD_QUALITY: Self = Self(128);
    /// Made up by a person or a program, not measured.
    pub const SIMULATED: Self = Self(256);

    const NAMES: [(Self, &'static str); 9] = [
        (Self::OUT_OF_RANGE, "out_of_range"),
        (Self::SPIKE, "spike"),
        (Self::STUCK, "stuck"),
        (Self::LATE, "late"),
        (Self::CLOCK_UNCERTAIN, "clock_uncertain"),
        (Self::CALIBRATED, "calibrated"),
        (Self::ARRIVAL_TIME, "arrival_time"),
        (Self::BAD_QUALITY, "bad_quality"),
        (Self::SIMULATED, "simulated"),
    ];

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether no bit is set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names of the bits that are set, lowest first. Bits without a name are left out.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, name)| name)
    }

    /// The flag of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(_, known)| *known == name).map(|(flag, _)| flag)
    }
}

impl BitOr for Flags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({:#06x}", self.0)?;
        self.names().try_for_each(|name| write!(f, " {name}"))?;
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::Flags;

    #[test]
    fn flags_name_their_bits_from_the_lowest() {
        let flags = Flags::ARRIVAL_TIME | Flags::SPIKE;
        assert_eq!(flags.names().collect::<Vec<_>>(), ["spike", "arrival_time"]);
        assert!(flags.contains(Flags::SPIKE) && !flags.contains(Flags::SPIKE | Flags::LATE));
        assert_eq!(format!("{flags:?}"), "Flags(0x0042 spike arrival_time)");
        for (flag, name) in Flags::NAMES {
            assert_eq!(Flags::named(name), Some(flag));
        }
    }
}
