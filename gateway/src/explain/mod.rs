//! `decode`: what would come of a payload, and why not, without a gateway that runs.
//!
//! Always: the same decoders, conversions and bounds as in the gateway and ingest, so that what it shows is what would
//! be stored; nothing is stored and nothing is sent.

mod show;

use std::hint::black_box;
use std::io::Read;
use std::time::Duration;

use pantau_proto::v1::Reason;
use pantau_proto::{Flags, SeriesName, TimeMs, quantity, units};

use crate::config::{Config, DecodeRule, Format};
use crate::decode::{Columns, Decoder, Refusal, UNTIMED};
use crate::{cli, clock};

/// No packet that the configuration allows is larger.
const MAX_PAYLOAD: u64 = 16 << 20;

/// What one payload comes to.
#[derive(Debug, Clone, Default)]
pub struct Explanation {
    readings: Vec<Line>,
    refusals: Vec<Refusal>,
    ignored: Vec<String>,
    online: Option<(String, bool)>,
    requests: Vec<String>,
    time_from: &'static str,
}

#[derive(Debug, Clone)]
struct Line {
    series: SeriesName,
    time: Option<i64>,
    value: f64,
    unit: String,
    stored: f64,
    stored_unit: &'static str,
    flags: Flags,
}

/// Answers the command: the text, and whether anything could be read.
///
/// # Errors
/// Bad arguments, configuration or input, in a sentence.
pub fn run(asked: &cli::Decode, input: &mut impl Read, now: TimeMs) -> Result<(String, bool), String> {
    let rules = rules(asked)?;
    let mut payload = Vec::new();
    input
        .take(MAX_PAYLOAD + 1)
        .read_to_end(&mut payload)
        .map_err(|error| format!("the payload cannot be read from standard input: {error}"))?;
    if payload.len() as u64 > MAX_PAYLOAD {
        return Err(format!("the payload has more than {MAX_PAYLOAD} bytes, which no gateway takes"));
    }
    if let Some(times) = asked.repeat {
        let took = measure(&rules, &asked.topic, &payload, now, times.max(1));
        return Ok((format!("{:.3} us a payload\n", took.as_secs_f64() * 1e6), true));
    }
    let explained = explain(&rules, &asked.topic, &payload, now);
    let text = if asked.json { explained.json() } else { explained.table() };
    Ok((text, explained.is_read()))
}

fn rules(asked: &cli::Decode) -> Result<Vec<DecodeRule>, String> {
    let format = asked.profile.as_deref().map(named).transpose()?;
    let mut rules = match &asked.config {
        Some(file) => {
            let config = pantau_settings::load::<Config>(file).map_err(|error| error.to_string())?;
            config.decode_rules()
        }
        None => Vec::new(),
    };
    let Some(format) = format else { return Ok(rules) };
    rules.retain(|rule| rule.format == format);
    rules.truncate(1);
    if rules.is_empty() && format == Format::Json {
        return Err(
            "format json needs a mapping: name a configuration that has such a rule by --config".into()
        );
    }
    if rules.is_empty() {
        let usual = format.usual_topics().unwrap_or("#");
        rules.push(DecodeRule::new(usual, format));
        // Devices may have other topics than usual; then the first level names the device.
        rules.push(DecodeRule::new("#", format));
    }
    Ok(rules)
}

fn named(name: &str) -> Result<Format, String> {
    Format::ALL.into_iter().find(|(_, known)| *known == name).map(|(format, _)| format).ok_or_else(|| {
        let all: Vec<&str> = Format::ALL.iter().map(|(_, name)| *name).collect();
        format!("there is no format {name:?}; there are: {}", all.join(", "))
    })
}

/// What comes of one payload by these rules.
#[must_use]
pub fn explain(rules: &[DecodeRule], topic: &str, payload: &[u8], now: TimeMs) -> Explanation {
    let decoder = Decoder::new(rules);
    let mut batch = decoder.batch();
    batch.notes.ignored = Some(Vec::new());
    let mut columns = Columns::default();
    let refusal = batch.decode(topic, payload, now, &mut columns).err();
    let mut explained = Explanation {
        refusals: refusal.into_iter().collect(),
        ignored: batch.notes.ignored.take().unwrap_or_default(),
        time_from: batch.notes.time_from,
        online: batch.said_online(),
        requests: batch.requests(),
        ..Explanation::default()
    };
    for (n, name) in columns.names.lines().enumerate() {
        match line(&columns, n, name) {
            Ok(line) => explained.readings.push(line),
            Err(refusal) => explained.refusals.push(refusal),
        }
    }
    explained
}

/// How long one decoding takes, as the gateway does it: without the explanation.
fn measure(rules: &[DecodeRule], topic: &str, payload: &[u8], now: TimeMs, times: u32) -> Duration {
    let decoder = Decoder::new(rules);
    let mut columns = Columns::with_capacity(16);
    let start = columns.mark();
    let began = clock::monotonic();
    for _ in 0..times {
        // What it says of other messages is not kept, or the second would be a repeat of the first.
        let decoded = decoder.batch().decode(black_box(topic), black_box(payload), now, &mut columns);
        drop(black_box(decoded));
        columns.back_to(start);
    }
    (clock::monotonic() - began) / times
}

/// A reading as ingest would store it, or why it would not.
fn line(columns: &Columns, n: usize, name: &str) -> Result<Line, Refusal> {
    let series = SeriesName::new(name).map_err(|error| Refusal::new(Reason::BadName, error.to_string()))?;
    let Some(quantity) = quantity(series.quantity()) else {
        return Err(Refusal::new(
            Reason::UnknownQuantity,
            format!("{name}: there is no quantity {:?} in the catalogue", series.quantity()),
        ));
    };
    let unit = columns.units.split('\n').nth(n).unwrap_or("");
    let Some(conversion) = units::conversion(quantity, unit) else {
        let known: Vec<&str> = units::known(quantity).collect();
        return Err(Refusal::new(
            Reason::UnknownUnit,
            format!("{name}: {unit:?} is no unit of it; known are {}", known.join(", ")),
        ));
    };
    let (value, time) = (columns.values[n], columns.times[n]);
    let stored = conversion.to_catalogue(value);
    if !stored.is_finite() {
        return Err(Refusal::new(
            Reason::NotFinite,
            format!("{name}: the value is not finite once converted"),
        ));
    }
    let mut flags = Flags(columns.flags.get(n).and_then(|flags| u16::try_from(*flags).ok()).unwrap_or(0));
    if time == UNTIMED {
        flags |= Flags::ARRIVAL_TIME;
    }
    if !quantity.is_plausible(stored) {
        flags |= Flags::OUT_OF_RANGE;
    }
    let unit = if unit.is_empty() { quantity.unit } else { unit }.to_owned();
    let time = (time != UNTIMED).then_some(time);
    Ok(Line { series, time, value, unit, stored, stored_unit: quantity.unit, flags })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn asked(profile: &str, topic: &str, json: bool) -> cli::Decode {
        cli::Decode { config: None, profile: Some(profile.into()), topic: topic.into(), json, repeat: None }
    }

    fn run_on(asked: &cli::Decode, payload: &str) -> Result<(String, bool), String> {
        run(asked, &mut payload.as_bytes(), TimeMs(1_795_500_000_000))
    }

    #[test]
    fn a_table_shows_values_before_and_after_and_where_the_time_came_from() {
        let payload = r#"{"Time":"2026-11-24T14:00:00","BME280":{"Temperature":212,"Humidity":71,"Wisdom":7},"TempUnit":"F"}"#;
        let (text, read) = run_on(&asked("tasmota", "tele/s1/SENSOR", false), payload).unwrap();
        assert!(read);
        for word in [
            "212 [degF]",
            "100 Cel",
            "out_of_range",
            "2026-11-24T07:00:00.000Z (Time)",
            "passed over: BME280.Wisdom",
        ] {
            assert!(text.contains(word), "{word}: {text}");
        }
        let (text, read) = run_on(&asked("tasmota", "tele/s1/LWT", false), "Offline\n").unwrap();
        assert!(read && text == "s1 is offline\n", "{text}");
    }

    #[test]
    fn what_ingest_would_refuse_is_refused_here_with_a_mend() {
        let payload = r#"{"wisdom":1,"ph":{"value":7,"unit":"V"},"pm10":2}"#;
        let (text, read) = run_on(&asked("pantau", "pantau/s1", true), payload).unwrap();
        assert!(read);
        let answer: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["readings"][0]["series"], "s1/pm10");
        assert_eq!(answer["readings"][0]["time_from"], "arrival");
        assert_eq!(answer["refused"][0]["reason"], "unknown_quantity");
        assert_eq!(answer["refused"][1]["reason"], "unknown_unit");
        assert!(answer["refused"][1]["mend"].as_str().is_some_and(|mend| !mend.is_empty()));
        let (text, read) = run_on(&asked("senml_json", "any", false), "{}").unwrap();
        assert!(!read && text.contains("refused: bad_payload") && text.contains("mend:"), "{text}");
    }

    #[test]
    fn a_repeated_decoding_says_only_how_long_it_takes() {
        let asked = cli::Decode { repeat: Some(10), ..asked("pantau", "pantau/s1/ph", false) };
        let (text, read) = run_on(&asked, "7.1").unwrap();
        assert!(read && text.ends_with(" us a payload\n"), "{text}");
    }

    #[test]
    fn a_profile_that_is_not_there_or_needs_a_mapping_is_a_bad_argument() {
        assert!(run_on(&asked("wisdom", "a", false), "").unwrap_err().contains("zigbee2mqtt"));
        assert!(run_on(&asked("json", "a", false), "").unwrap_err().contains("--config"));
        let missing = cli::Decode { config: Some("/no/such.toml".into()), ..asked("tasmota", "a", false) };
        assert!(run_on(&missing, "").unwrap_err().contains("/no/such.toml"));
    }
}
