//! Times in payloads: RFC 3339 text with or without a zone, and numbers since the epoch. Written by hand because a
//! reading's decode has half a microsecond.
//!
//! Always: what comes out lies within the years 0 to 9999 or is refused, so that no sum with it overflows.

/// Offset from UTC in minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Zone(pub(crate) i64);

impl Zone {
    /// Where Sukoharjo is.
    pub(crate) const WIB: Self = Self(7 * 60);

    /// `+07:00`, `Z`, `UTC`, or one of Indonesia's zones, none of which has had a summer time since 1950.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let minutes = match text {
            "UTC" => Some(0),
            "WIB" | "Asia/Jakarta" | "Asia/Pontianak" => Some(7 * 60),
            "WITA" | "Asia/Makassar" => Some(8 * 60),
            "WIT" | "Asia/Jayapura" => Some(9 * 60),
            other => zone_minutes(other.as_bytes()),
        };
        minutes.map(Self).ok_or_else(|| format!("{text:?} is no zone that is known here"))
    }
}

/// RFC 3339 with seconds, any fraction (cut to milliseconds) and zone, to milliseconds since the epoch. A leap
/// second counts as the second after it.
pub(super) fn rfc3339(text: &str) -> Result<i64, String> {
    parse(text.as_bytes(), None).ok_or_else(|| {
        format!("{:?} is no RFC 3339 time with a zone, such as 2026-01-31T07:00:00Z", short(text))
    })
}

/// The same where the zone may be left out: then `zone` holds.
pub(super) fn local(text: &str, zone: Zone) -> Result<i64, String> {
    parse(text.as_bytes(), Some(zone.0))
        .ok_or_else(|| format!("{:?} is no time such as 2026-01-31T14:00:00", short(text)))
}

/// A number of milliseconds. Below 10¹¹ (March 1973) it must be seconds by mistake, from 10¹⁴ on (the year 5138)
/// microseconds, and is refused.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and below 2^53")]
pub(super) fn epoch_ms(number: f64) -> Result<i64, String> {
    if number.fract() != 0.0 || !(1e11..1e14).contains(&number) {
        return Err(format!("the time {number} is not in whole milliseconds since 1970-01-01T00:00:00Z"));
    }
    Ok(number as i64)
}

/// What a number of units since 1970-01-01T00:00:00Z counts. Each begins where the one before would be in the year
/// 5138, so that a number can be of one only: a wrong unit is refused, never read as another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Unit {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Seconds, "unix_s"),
        (Self::Milliseconds, "unix_ms"),
        (Self::Microseconds, "unix_us"),
        (Self::Nanoseconds, "unix_ns"),
    ];

    /// By its name in the configuration.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(unit, _)| unit)
    }

    fn of(size: f64) -> Option<Self> {
        match size {
            1e8..1e11 => Some(Self::Seconds),
            1e11..1e14 => Some(Self::Milliseconds),
            1e14..1e17 => Some(Self::Microseconds),
            1e17..1e20 => Some(Self::Nanoseconds),
            _ => None,
        }
    }

    fn check(self, size: f64) -> Result<(), String> {
        let found = Self::of(size);
        if found == Some(self) {
            return Ok(());
        }
        let name = |wanted| Self::ALL.iter().find(|(unit, _)| *unit == wanted).map_or("", |(_, name)| name);
        Err(match found {
            Some(other) => {
                format!("the time {size} looks like {}, not {}: set time_format", name(other), name(self))
            }
            None => format!("the time {size} is not within the years 1973 to 5138 as {}", name(self)),
        })
    }

    /// Milliseconds since the epoch, cut.
    #[expect(clippy::cast_precision_loss, reason = "only its size counts")]
    pub(super) fn whole(self, number: i64) -> Result<i64, String> {
        self.check(number as f64)?;
        Ok(match self {
            Self::Seconds => number * 1_000,
            Self::Milliseconds => number,
            Self::Microseconds => number / 1_000,
            Self::Nanoseconds => number / 1_000_000,
        })
    }

    /// The same of a number with a fraction, to the nearest millisecond.
    #[expect(clippy::cast_possible_truncation, reason = "checked to be below 1e20 units, so below 1e14 ms")]
    pub(super) fn float(self, number: f64) -> Result<i64, String> {
        self.check(number)?;
        Ok(match self {
            Self::Seconds => (number * 1e3).round() as i64,
            Self::Milliseconds => number.round() as i64,
            Self::Microseconds => (number / 1e3).round() as i64,
            Self::Nanoseconds => (number / 1e6).round() as i64,
        })
    }
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// A time of day on a date, in UTC, as parts; None where there is no such time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) millis: i64,
    /// Minutes east of UTC.
    pub(crate) zone: i64,
}

impl Civil {
    pub(crate) fn ms(self) -> Option<i64> {
        let Self { year, month, day, hour, minute, second, millis, zone } = self;
        let there_is = (0..=9_999).contains(&year)
            && (1..=12).contains(&month)
            && day >= 1
            && day <= days_in(year, month)
            && hour <= 23
            && minute <= 59
            && second <= 60;
        let minutes = || (days_from_civil(year, month, day) * 24 + hour) * 60 + minute - zone;
        there_is.then(|| (minutes() * 60 + second) * 1_000 + millis)
    }
}

fn parse(text: &[u8], zone: Option<i64>) -> Option<i64> {
    let year = number(text, 0, 4)?;
    let (month, day) = (number(text, 5, 2)?, number(text, 8, 2)?);
    let (hour, minute, second) = (number(text, 11, 2)?, number(text, 14, 2)?, number(text, 17, 2)?);
    let marks = text[4] == b'-' && text[7] == b'-' && text[13] == b':' && text[16] == b':';
    if !marks || !matches!(text[10], b'T' | b't' | b' ') {
        return None;
    }
    let mut at = 19;
    let mut millis = 0;
    if text.get(at) == Some(&b'.') {
        let digits = text[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        for n in 0..3 {
            millis = millis * 10 + if n < digits { i64::from(text[at + 1 + n] - b'0') } else { 0 };
        }
        at += 1 + digits;
    }
    let zone = if at == text.len() { zone? } else { zone_minutes(&text[at..])? };
    Civil { year, month, day, hour, minute, second, millis, zone }.ms()
}

pub(super) fn number(text: &[u8], at: usize, digits: usize) -> Option<i64> {
    text.get(at..at + digits)?
        .iter()
        .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

/// `Z` or `+07:00`.
pub(super) fn zone_minutes(text: &[u8]) -> Option<i64> {
    let sign = match text.first()? {
        b'Z' | b'z' if text.len() == 1 => return Some(0),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = (number(text, 1, 2)?, number(text, 4, 2)?);
    (text.len() == 6 && text[3] == b':' && hours < 24 && minutes < 60)
        .then_some(sign * (hours * 60 + minutes))
}

/// Milliseconds since the epoch as RFC 3339 in UTC.
pub(crate) fn written(ms: i64) -> String {
    let (days, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // The same calendar the other way round, from 0000-03-01 on.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days - era * 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600_000, of_day / 60_000 % 60, of_day / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", of_day % 1_000)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}
