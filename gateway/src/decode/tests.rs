#![allow(clippy::unwrap_used, clippy::expect_used)]

use pantau_proto::v1::Reason;
use proptest::prelude::*;

use super::*;
use crate::config::Format;

mod mapping;
mod protobuf;
mod rights;
mod senml;
mod vendors;

fn rules() -> Decoder {
    Decoder::new(&[DecodeRule::new("pantau/#", Format::Pantau)])
}

/// Name, unit, time and value.
type Found = (String, String, i64, f64);

const ARRIVAL: TimeMs = TimeMs(1_795_500_000_000);

/// What a payload gives by these rules, and the refusal.
fn decode_by(decoder: &Decoder, topic: &str, payload: &[u8]) -> (Vec<Found>, Option<Refusal>) {
    let (out, refusal) = columns(decoder, topic, payload);
    let units = out.units.split('\n').map(str::to_owned).chain(std::iter::repeat(String::new()));
    let readings = out.names.lines().zip(units).zip(out.times.iter().zip(&out.values));
    (readings.map(|((name, unit), (time, value))| (name.to_owned(), unit, *time, *value)).collect(), refusal)
}

/// The same as it goes to the spool.
fn columns(decoder: &Decoder, topic: &str, payload: &[u8]) -> (Columns, Option<Refusal>) {
    let mut out = Columns::default();
    let mut batch = decoder.batch();
    let refusal = batch.decode(topic, payload, ARRIVAL, &mut out).err();
    batch.commit();
    assert_eq!(out.times.len(), out.values.len());
    assert_eq!(out.names.lines().count(), out.len());
    assert!(out.units.is_empty() || out.units.split('\n').count() == out.len() + 1);
    assert!(out.flags.is_empty() || out.flags.len() == out.len());
    assert!(out.values.iter().all(|value| value.is_finite()));
    (out, refusal)
}

/// A rule without a word more.
fn only(topics: &str, format: Format) -> Decoder {
    Decoder::new(&[DecodeRule::new(topics, format)])
}

fn decode(topic: &str, payload: &[u8]) -> (Vec<Found>, Option<Refusal>) {
    decode_by(&rules(), topic, payload)
}

fn refused(topic: &str, payload: &[u8]) -> Refusal {
    let (readings, refusal) = decode(topic, payload);
    assert!(readings.is_empty(), "{readings:?}");
    refusal.unwrap()
}

#[test]
fn a_bare_number_takes_its_series_from_the_topic() {
    let (readings, refusal) = decode("pantau/jkt-air-07/pm2_5", b" 23.4\n");
    assert_eq!(readings, [("jkt-air-07/pm2_5".into(), String::new(), UNTIMED, 23.4)]);
    assert_eq!(refusal, None);
    let (readings, _) = decode("pantau/a/soil_moisture/deep", b"-1e-3");
    assert_eq!(readings[0].0, "a/soil_moisture/deep");
}

#[test]
fn a_payload_that_is_no_number_is_refused_by_its_reason() {
    assert_eq!(refused("pantau/a/pm10", b"dry").reason, Reason::BadPayload);
    assert_eq!(refused("pantau/a/pm10", b"").reason, Reason::BadPayload);
    assert_eq!(refused("pantau/a/pm10", b"\xff\xfe").reason, Reason::BadPayload);
    assert_eq!(refused("pantau/a/pm10", b"NaN").reason, Reason::NotFinite);
    assert_eq!(refused("pantau/a/pm10", b"-inf").reason, Reason::NotFinite);
    assert_eq!(refused("pantau/a/pm10", b"1e999").reason, Reason::NotFinite);
    assert_eq!(refused("pantau/sp ace/pm10", b"1").reason, Reason::BadName);
    assert_eq!(refused("pantau/a/pm10/x/y", b"1").reason, Reason::BadName);
    assert_eq!(refused("other/a/pm10", b"1").reason, Reason::UnknownTopic);
    assert_eq!(refused("pantau", b"1").reason, Reason::UnknownTopic);
}

#[test]
fn json_gives_one_reading_a_member_at_the_payloads_time() {
    let payload = br#"{"air_temperature": 27.4, "time": "2026-01-31T14:00:00.250+07:00", "air_pressure": {"value": 29.9, "unit": "inHg"}, "soil_moisture/deep": 1, "ph": null}"#;
    let (readings, refusal) = decode("pantau/s1", payload);
    assert_eq!(refusal, None);
    let time = 1_769_842_800_250;
    assert_eq!(
        readings,
        [
            ("s1/air_temperature".into(), String::new(), time, 27.4),
            ("s1/air_pressure".into(), "inHg".into(), time, 29.9),
            ("s1/soil_moisture/deep".into(), String::new(), time, 1.0),
        ]
    );
}

#[test]
fn json_without_a_time_is_untimed_and_epoch_milliseconds_are_taken() {
    assert_eq!(decode("pantau/a", br#"{"pm10":1}"#).0[0].2, UNTIMED);
    assert_eq!(decode("pantau/a", br#"{"time":null,"pm10":1}"#).0[0].2, UNTIMED);
    assert_eq!(decode("pantau/a", br#"{"pm10":1,"time":1769842800250}"#).0[0].2, 1_769_842_800_250);
}

#[test]
fn a_time_that_cannot_be_read_refuses_the_whole_payload() {
    for time in [
        "1769842800",
        "-1",
        "\"yesterday\"",
        "\"2026-02-30T00:00:00Z\"",
        "\"2026-01-31T07:00:00\"",
        "true",
        "\"2026-01-31T24:00:00Z\"",
        "\"2026-01-31T07:00:00.Z\"",
        "\"2026-01-31T07:00:00+0700\"",
        "[]",
        "1769842800250.5",
        // Found by the fuzzer: microseconds were a time in the year 58,866.
        "1769842800000000",
    ] {
        let payload = format!(r#"{{"time":{time},"pm10":1}}"#);
        assert_eq!(refused("pantau/a", payload.as_bytes()).reason, Reason::BadPayload, "{time}");
    }
}

#[test]
fn a_bad_member_does_not_cost_the_good_ones() {
    let (readings, refusal) = decode("pantau/a", br#"{"pm10":1,"note":"hello","pm2_5":2,"b ad":3}"#);
    assert_eq!(readings.len(), 2);
    assert_eq!(refusal.unwrap().reason, Reason::BadPayload);
}

#[test]
fn json_that_is_broken_gives_no_reading_at_all() {
    for payload in [
        &br#"{"pm10":1,"#[..],
        b"{}",
        b"[1]",
        b"1",
        b"",
        b"{\"pm10\":1} x",
        b"{\"pm10\":1e999}",
        b"{\"pm10\":NaN}",
        b"{\"pm10\":{\"value\":1,\"what\":2}}",
        b"{\"pm10\":{\"unit\":\"x\"}}",
        b"{\"pm10\":{\"value\":{\"value\":1}}}",
        b"{\"pm10\":{\"value\":1,\"unit\":\"line\\nfeed\"}}",
    ] {
        let shown = String::from_utf8_lossy(payload);
        let (readings, refusal) = decode("pantau/a", payload);
        assert!(readings.is_empty() && refusal.is_some(), "{shown}");
    }
}

#[test]
fn more_readings_than_a_payload_may_hold_are_refused_as_a_whole() {
    let members: Vec<String> = (0..=MAX_READINGS).map(|n| format!("\"pm10/c{n}\":{n}")).collect();
    let payload = format!("{{{}}}", members.join(","));
    assert_eq!(refused("pantau/a", payload.as_bytes()).reason, Reason::TooLarge);
}

#[test]
fn the_first_filter_that_matches_decides() {
    let rule = |topics: &str, format| DecodeRule::new(topics, format);
    let decoder = Decoder::new(&[
        rule("a/+/+", Format::Number),
        rule("a/#", Format::PantauJson),
        rule("+/x", Format::PantauJson),
    ]);
    let (mut out, mut batch) = (Columns::default(), decoder.batch());
    let mut decode = |topic, payload: &[u8]| batch.decode(topic, payload, TimeMs(0), &mut out);
    decode("a/dev/pm10", b"1").unwrap();
    decode("a/dev", b"{\"pm10\":2}").unwrap();
    assert_eq!(decode("a/b/c/d", b"1").unwrap_err().reason, Reason::BadName);
    assert_eq!(decode("$SYS/x", b"{}").unwrap_err().reason, Reason::UnknownTopic);
    assert_eq!(out.names, "dev/pm10\ndev/pm10\n");
}

#[test]
fn a_filter_needs_a_wildcard_in_a_level_of_its_own() {
    for filter in
        ["", "a/b", "a/#/b", "a+/b", "a/b#", "x\0/+", "{device}/{device}", "a/{quantity}", "a/x{device}"]
    {
        assert!(TopicFilter::parse(filter).is_err(), "{filter:?}");
    }
    let found = |filter, topic| {
        let filter = TopicFilter::parse(filter).unwrap();
        filter.matched(topic).map(|matched| (matched.rest.to_owned(), matched.device.to_owned()))
    };
    let some = |rest: &str, device: &str| Some((rest.to_owned(), device.to_owned()));
    assert_eq!(found("city/+/up", "city/dev/up"), some("dev/up", "dev"));
    assert_eq!(found("city/+/up", "city/dev/down"), None);
    assert_eq!(found("#", "a/b"), some("a/b", "a"));
    assert_eq!(found("a/+", "a/b/c"), None);
    assert_eq!(found("v3/+/devices/{device}/#", "v3/app@t/devices/s1/up"), some("s1/up", "s1"));
    assert_eq!(found("+/{device}/#", "a/b"), some("b", "b"));
    assert_eq!(found("+/{device}/#", "a"), None);
    assert_eq!(found("a/+/#", "a/b"), some("b", "b"));
    assert_eq!(found("a/+/b", "a//b"), some("/b", ""));
    assert_eq!(found("city/{device}", "city/s1"), some("s1", "s1"));
}

#[test]
fn rfc_3339_agrees_with_known_times() {
    for (text, ms) in [
        ("1970-01-01T00:00:00Z", 0),
        ("2000-02-29T23:59:60Z", 951_868_800_000),
        ("1969-12-31T23:59:59.999Z", -1),
        ("2026-11-24t04:39:27.123456789z", 1_795_495_167_123),
        ("2013-07-01T05:00:00-04:00", 1_372_669_200_000),
    ] {
        assert_eq!(time::rfc3339(text), Ok(ms), "{text}");
    }
}

proptest! {
    #[test]
    fn no_payload_makes_a_decoder_panic(topic in "pantau/[a-z0-9/ ü]{0,20}", payload in prop::collection::vec(any::<u8>(), 0..200)) {
        decode(&topic, &payload);
    }

    #[test]
    fn no_json_like_text_makes_a_decoder_panic(payload in r#"\{("(time|pm10|value|unit)":(\{|\}|"[^"]{0,30}"|-?[0-9]{1,25}(\.[0-9]{1,5})?|null|\[),?){0,6}\}?"#) {
        decode("pantau/a", payload.as_bytes());
    }

    #[test]
    fn what_a_device_writes_comes_out_bit_for_bit(value in any::<f64>().prop_filter("finite", |v| v.is_finite()), time in 100_000_000_000_i64..9_000_000_000_000) {
        let (readings, _) = decode("pantau/a", format!("{{\"time\":{time},\"pm10\":{value:?}}}").as_bytes());
        prop_assert_eq!(readings[0].3.to_bits(), value.to_bits());
        prop_assert_eq!(readings[0].2, time);
        let (readings, _) = decode("pantau/a/pm10", format!("{value:e}").as_bytes());
        prop_assert_eq!(readings[0].3.to_bits(), value.to_bits());
    }

    #[test]
    fn every_instant_survives_being_written_as_rfc_3339(day in 0_i64..40_000, ms in 0_i64..86_400_000, zone in -720_i64..=840) {
        // Civil date from days, the other way round than the decoder's: count on from the epoch, year by year.
        let (mut left, mut year) = (day, 1970_i64);
        let leap = |y: i64| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
        while left >= 365 + i64::from(leap(year)) { left -= 365 + i64::from(leap(year)); year += 1; }
        let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut month = 0;
        while left >= lengths[month] { left -= lengths[month]; month += 1; }
        let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
        let text = format!("{year:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{:03}{}{:02}:{:02}",
            month + 1, left + 1, ms % 1_000, if zone < 0 { '-' } else { '+' }, zone.abs() / 60, zone.abs() % 60);
        prop_assert_eq!(time::rfc3339(&text), Ok(day * 86_400_000 + ms - zone * 60_000));
        let at = day * 86_400_000 + ms - zone * 60_000;
        prop_assert_eq!(time::rfc3339(&time::written(at)), Ok(at));
    }
}
