//! Times written by a pattern such as `%d/%m/%Y %H:%M:%S`.
//!
//! ```text
//! %Y %y(20yy) %m %d %b(Jan, any case)   %H %I %p(AM PM) %M %S   %f fraction, any digits   %z +07:00 +0700 Z   %s Unix seconds   %%
//! ```
//! Numbers take as many digits as their width, fewer where something else follows. A blank in the pattern matches any
//! number of blanks. What the pattern does not name is 0 (1 for month and day); the zone is then the rule's.

use super::time::{Civil, Unit, Zone, zone_minutes};

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Field(u8),
    Blank,
    Literal(u8),
}

/// A pattern, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
    /// It says the zone itself, or needs none.
    pub(crate) has_zone: bool,
}

impl Pattern {
    /// The pattern must say year, month and day, or the Unix seconds.
    pub(crate) fn parse(pattern: &str) -> Result<Self, String> {
        if pattern.len() > 100 {
            return Err("has more than 100 bytes".into());
        }
        let (mut parts, mut bytes) = (Vec::new(), pattern.bytes());
        while let Some(byte) = bytes.next() {
            parts.push(match byte {
                b'%' => match bytes.next() {
                    Some(b'%') => Part::Literal(b'%'),
                    Some(field) if b"YymdbHIpMSfzs".contains(&field) => Part::Field(field),
                    Some(other) => return Err(format!("%{} is not known", char::from(other))),
                    None => return Err("ends with %".into()),
                },
                b' ' => Part::Blank,
                other => Part::Literal(other),
            });
        }
        let has = |field: u8| parts.contains(&Part::Field(field));
        let date = (has(b'Y') || has(b'y')) && (has(b'm') || has(b'b')) && has(b'd');
        if !date && !has(b's') {
            return Err("says neither a whole date (%Y %m %d) nor Unix seconds (%s)".into());
        }
        if has(b'I') != has(b'p') {
            return Err("%I and %p belong together".into());
        }
        Ok(Self { has_zone: has(b'z') || has(b's'), parts })
    }

    /// Milliseconds since the epoch.
    pub(crate) fn read(&self, text: &str, zone: Zone) -> Result<i64, String> {
        self.find(text.as_bytes(), zone).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            format!("{shown:?} is no time of the pattern in time_format")
        })
    }

    fn find(&self, mut text: &[u8], zone: Zone) -> Option<i64> {
        let (mut hour12, mut afternoon, mut seconds) = (None, None, None);
        let mut at =
            Civil { year: 1970, month: 1, day: 1, hour: 0, minute: 0, second: 0, millis: 0, zone: zone.0 };
        for part in &self.parts {
            match part {
                Part::Blank => text = text.trim_ascii_start(),
                Part::Literal(byte) => text = text.strip_prefix(&[*byte])?,
                Part::Field(field) => match field {
                    b'Y' => at.year = digits(&mut text, 4)?,
                    b'y' => at.year = 2_000 + digits(&mut text, 2)?,
                    b'm' => at.month = digits(&mut text, 2)?,
                    b'd' => at.day = digits(&mut text, 2)?,
                    b'H' => at.hour = digits(&mut text, 2)?,
                    b'M' => at.minute = digits(&mut text, 2)?,
                    b'S' => at.second = digits(&mut text, 2)?,
                    b'I' => hour12 = Some(digits(&mut text, 2).filter(|hour| (1..=12).contains(hour))?),
                    b's' => seconds = Some(digits(&mut text, 11)?),
                    b'f' => at.millis = fraction(&mut text)?,
                    b'b' => at.month = month(&mut text)?,
                    b'p' => afternoon = Some(half(&mut text)?),
                    _ => at.zone = offset(&mut text)?,
                },
            }
        }
        if !text.is_empty() {
            return None;
        }
        if let Some(seconds) = seconds {
            return Some(Unit::Seconds.whole(seconds).ok()? + at.millis);
        }
        if let (Some(hour), Some(afternoon)) = (hour12, afternoon) {
            at.hour = hour % 12 + if afternoon { 12 } else { 0 };
        }
        at.ms()
    }
}

fn digits(text: &mut &[u8], most: usize) -> Option<i64> {
    let n = text.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(n);
    *text = rest;
    (n > 0).then(|| digits.iter().fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0')))
}

fn fraction(text: &mut &[u8]) -> Option<i64> {
    let n = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(n);
    *text = rest;
    let millis = digits.iter().map(|byte| i64::from(byte - b'0')).chain(std::iter::repeat(0)).take(3);
    (n > 0).then(|| millis.fold(0, |sum, digit| sum * 10 + digit))
}

fn month(text: &mut &[u8]) -> Option<i64> {
    let (name, rest) = text.split_at_checked(3)?;
    *text = rest;
    let at = MONTHS.iter().position(|month| month.as_bytes().eq_ignore_ascii_case(name))?;
    i64::try_from(at + 1).ok()
}

/// Whether it is after noon.
fn half(text: &mut &[u8]) -> Option<bool> {
    let (name, rest) = text.split_at_checked(2)?;
    *text = rest;
    match name.to_ascii_uppercase().as_slice() {
        b"AM" => Some(false),
        b"PM" => Some(true),
        _ => None,
    }
}

fn offset(text: &mut &[u8]) -> Option<i64> {
    let all = *text;
    let mut take = |n: usize| {
        let (zone, rest) = all.split_at_checked(n)?;
        *text = rest;
        Some(zone)
    };
    match all.first()? {
        b'Z' | b'z' => zone_minutes(take(1)?),
        _ if all.get(3) == Some(&b':') => zone_minutes(take(6)?),
        _ => {
            let zone = take(5)?;
            zone_minutes(&[zone[0], zone[1], zone[2], b':', zone[3], zone[4]])
        }
    }
}
