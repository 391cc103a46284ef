//! Times as RFC 3339 text and payloads as JSON, by hand: a device in software writes a few hundred thousand
//! of them a second.

use std::fmt::Write as _;

use pantau_proto::TimeMs;

/// Length of a time's text: `2026-11-24T04:46:51.123Z`.
pub(crate) const TIME_LEN: usize = 24;

pub(crate) const DAY_MS: i64 = 86_400_000;

/// RFC 3339, UTC, milliseconds. For the years 0 to 9999.
pub(crate) fn time_text(time: TimeMs) -> [u8; TIME_LEN] {
    let (days, ms) = (time.0.div_euclid(DAY_MS), time.0.rem_euclid(DAY_MS));
    let (year, month, day) = civil(days);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    digits(&mut text[0..4], year);
    digits(&mut text[5..7], month);
    digits(&mut text[8..10], day);
    digits(&mut text[11..13], ms / 3_600_000);
    digits(&mut text[14..16], ms / 60_000 % 60);
    digits(&mut text[17..19], ms / 1_000 % 60);
    digits(&mut text[20..23], ms % 1_000);
    text
}

/// Writes the last digits of `number`, as many as there is room for.
pub(crate) fn digits(room: &mut [u8], mut number: i64) {
    for digit in room.iter_mut().rev() {
        #[expect(clippy::cast_possible_truncation, reason = "one decimal digit")]
        {
            *digit = b'0' + number.rem_euclid(10) as u8;
        }
        number /= 10;
    }
}

/// Year, month and day of a day since 1970-01-01 (Howard Hinnant's `civil_from_days`).
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// `{"time":"…","air_temperature":27.3}`: our own JSON.
pub(crate) fn payload(time: TimeMs, values: &[(&str, f64)]) -> String {
    let mut text = String::with_capacity(64 + 32 * values.len());
    text.push_str("{\"time\":\"");
    text.extend(time_text(time).map(char::from));
    text.push('"');
    for (name, value) in values {
        // Writing to a String cannot fail.
        let _ = write!(text, ",\"{name}\":{value}");
    }
    text.push('}');
    text
}

/// `value` rounded to a whole number of steps of `1 / per_unit`, so that its text is short.
pub(crate) fn round(value: f64, per_unit: f64) -> f64 {
    (value * per_unit).round() / per_unit
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use pantau_proto::TimeMs;
    use proptest::prelude::*;

    use super::{payload, time_text};

    #[test]
    fn a_payload_is_our_own_json() {
        let text = payload(TimeMs(1_385_881_200_007), &[("air_temperature", 27.3), ("rainfall", 0.0)]);
        assert_eq!(text, r#"{"time":"2013-12-01T07:00:00.007Z","air_temperature":27.3,"rainfall":0}"#);
    }

    proptest! {
        #[test]
        fn every_time_is_read_back_by_a_library(ms in -62_135_596_800_000_i64..253_402_207_200_000) {
            let text = String::from_utf8(time_text(TimeMs(ms)).to_vec()).unwrap();
            prop_assert_eq!(text.parse::<jiff::Timestamp>().unwrap().as_millisecond(), ms, "{}", text);
        }
    }
}
