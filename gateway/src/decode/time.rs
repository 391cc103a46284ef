//! Times in payloads: RFC 3339 text, or whole milliseconds since the epoch. Written by hand because a reading's
//! decode has half a microsecond.

/// RFC 3339 with seconds, any fraction (cut to milliseconds) and zone, to milliseconds since the epoch. A leap
/// second counts as the second after it.
pub(super) fn rfc3339(text: &str) -> Result<i64, String> {
    parse(text.as_bytes()).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        format!("{shown:?} is no RFC 3339 time with a zone, such as 2026-01-31T07:00:00Z")
    })
}

/// A number of milliseconds. Below 10¹¹ (March 1973) it must be seconds by mistake and is refused.
#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and below 2^53")]
pub(super) fn epoch_ms(number: f64) -> Result<i64, String> {
    if number.fract() != 0.0 || !(1e11..9e15).contains(&number) {
        return Err(format!("the time {number} is not in whole milliseconds since 1970-01-01T00:00:00Z"));
    }
    Ok(number as i64)
}

fn parse(text: &[u8]) -> Option<i64> {
    let year = number(text, 0, 4)?;
    let (month, day) = (number(text, 5, 2)?, number(text, 8, 2)?);
    let (hour, minute, second) = (number(text, 11, 2)?, number(text, 14, 2)?, number(text, 17, 2)?);
    let marks = text[4] == b'-' && text[7] == b'-' && text[13] == b':' && text[16] == b':';
    if !marks || !matches!(text[10], b'T' | b't' | b' ') {
        return None;
    }
    if !(1..=12).contains(&month)
        || day < 1
        || day > days_in(year, month)
        || hour > 23
        || minute > 59
        || second > 60
    {
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
    let zone = zone_minutes(&text[at..])?;
    let minutes = (days_from_civil(year, month, day) * 24 + hour) * 60 + minute - zone;
    Some((minutes * 60 + second) * 1_000 + millis)
}

fn number(text: &[u8], at: usize, digits: usize) -> Option<i64> {
    text.get(at..at + digits)?
        .iter()
        .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

fn zone_minutes(text: &[u8]) -> Option<i64> {
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
