//! What is fuzzed, and what must hold whatever comes.

use std::hash::{DefaultHasher, Hash, Hasher as _};

use pantau_proto::{SeriesName, TimeMs};

use super::{Input, fuzz};
use crate::config::{DecodeRule, Format, JsonReading, JsonRule};
use crate::decode::{Columns, Decoder, MAX_READINGS, Refusal, UNTIMED};
use crate::explain::explain;
use crate::mqtt_server::packets;

const NOW: TimeMs = TimeMs(1_795_500_000_000);

fn number(what: impl Hash) -> u64 {
    // The same in each run, so that a seed tells the same story.
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

fn decoded(decoder: &Decoder, input: &Input) -> (Columns, Option<Refusal>) {
    let mut out = Columns::default();
    let mut batch = decoder.batch();
    let refusal = batch.decode(&input.topic, &input.payload, NOW, &mut out).err();
    batch.commit();
    (out, refusal)
}

/// What always holds for what a decoder finds; says what kind it was.
fn judge(out: &Columns, refusal: Option<&Refusal>) -> u64 {
    assert_eq!((out.times.len(), out.names.lines().count()), (out.len(), out.len()));
    assert!(out.units.is_empty() || out.units.split('\n').count() == out.len() + 1, "units");
    assert!(out.flags.is_empty() || out.flags.len() == out.len(), "flags");
    assert!(out.len() <= MAX_READINGS, "too many");
    assert!(out.values.iter().all(|value| value.is_finite()), "not finite");
    // The years 0 to 9999.
    let sane = |time: &i64| *time == UNTIMED || (-62_167_305_600_000..253_402_387_200_000).contains(time);
    assert!(out.times.iter().all(sane), "a time that cannot be: {:?}", out.times);
    let mut kinds = Vec::new();
    for name in out.names.lines() {
        let series = SeriesName::new(name).unwrap();
        if kinds.len() < 8 {
            kinds.push((series.quantity().to_owned(), series.channel().is_some()));
        }
    }
    let told = refusal.map(|refusal| {
        assert!(!refusal.detail.is_empty() && refusal.detail.len() < 2_000, "{refusal:?}");
        let words: String =
            refusal.detail.chars().filter(|letter| !letter.is_ascii_digit()).take(40).collect();
        (refusal.reason.name(), words)
    });
    let untimed = out.times.iter().filter(|time| **time == UNTIMED).count().min(2);
    let flags = out.flags.iter().fold(0, |all, flags| all | flags);
    number((kinds, out.len().min(8), untimed, flags, told))
}

fn decoder(target: &str, rules: &[DecodeRule]) {
    let shared = Decoder::new(rules);
    fuzz(target, |input| {
        // Pure: alone it comes to the same twice.
        let (one, other) = (decoded(&Decoder::new(rules), input), decoded(&Decoder::new(rules), input));
        assert_eq!(format!("{one:?}"), format!("{other:?}"), "not the same twice");
        let alone = judge(&one.0, one.1.as_ref());
        // After others, whose state it meets.
        let (out, refusal) = decoded(&shared, input);
        let among = judge(&out, refusal.as_ref());
        let explained = explain(rules, &input.topic, &input.payload, NOW);
        assert!(!explained.table().is_empty(), "nothing is said");
        assert!(serde_json::from_str::<serde_json::Value>(&explained.json()).is_ok(), "no JSON");
        number((alone, among))
    });
}

fn usual(target: &str, format: Format) {
    let topics = format.usual_topics().unwrap_or("senml/#");
    decoder(target, &[DecodeRule::new(topics, format), DecodeRule::new("#", format)]);
}

#[test]
fn pantau() {
    usual("pantau", Format::Pantau);
}

#[test]
fn pantau_protobuf() {
    usual("pantau_protobuf", Format::PantauProtobuf);
}

#[test]
fn json() {
    let text = |text: &str| Some(text.to_owned());
    let reading = |value: &str, quantity: &str, unit: &str, channel: &str| JsonReading {
        value: value.into(),
        quantity: quantity.into(),
        channel: (!channel.is_empty()).then(|| channel.into()),
        unit: (!unit.is_empty()).then(|| unit.into()),
    };
    let mut rule = DecodeRule::new("#", Format::Json);
    rule.json = Some(JsonRule {
        device: text("/id"),
        each: text("/values"),
        time: text("/ts"),
        time_format: text("unix_s"),
        reading: vec![
            reading("/v", "/type", "/unit", "/slot"),
            reading("/v/value", "air_temperature", "[degF]", "roof"),
            reading("/v/0", "pm10", "", ""),
        ],
    });
    let mut pattern = rule.clone();
    pattern.zone = text("WIB");
    pattern.topics = "home/#".into();
    if let Some(json) = &mut pattern.json {
        (json.device, json.each) = (None, None);
        json.time_format = text("%Y-%m-%dT%H:%M:%S");
    }
    decoder("json", &[pattern, rule]);
}

#[test]
fn senml_json() {
    usual("senml_json", Format::SenmlJson);
}

#[test]
fn senml_cbor() {
    usual("senml_cbor", Format::SenmlCbor);
}

#[test]
fn sparkplug_b() {
    usual("sparkplug_b", Format::SparkplugB);
}

#[test]
fn tasmota() {
    usual("tasmota", Format::Tasmota);
}

#[test]
fn zigbee2mqtt() {
    usual("zigbee2mqtt", Format::Zigbee2mqtt);
}

#[test]
fn the_things_stack() {
    usual("the_things_stack", Format::TheThingsStack);
}

#[test]
fn chirpstack() {
    usual("chirpstack", Format::Chirpstack);
}

/// The listener's codec: a connection's bytes, at once and cut in two, come to the same packets and the same end.
#[test]
fn mqtt() {
    let mut cut = 0;
    fuzz("mqtt", |input| {
        let whole = packets(&[&input.payload]);
        cut = (cut + 7) % (input.payload.len() + 1);
        let (front, back) = input.payload.split_at(cut);
        let pieces = packets(&[front, back]);
        assert_eq!(whole, pieces, "cut at {cut}");
        number(whole.iter().map(|packet| packet.chars().take(24).collect()).collect::<Vec<String>>())
    });
}
