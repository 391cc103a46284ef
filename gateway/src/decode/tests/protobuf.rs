//! Pantau's own protobuf, and Sparkplug B with messages that prost writes by a schema of the tests' own.

use pantau_proto::Flags;
use pantau_proto::v1::{DeviceReading, DeviceReadings};
use prost::Message as _;

use super::*;

fn own(readings: Vec<DeviceReading>, device: &str, time: i64) -> Vec<u8> {
    DeviceReadings { device: device.into(), time, readings }.encode_to_vec()
}

fn reading(quantity: &str, value: f64) -> DeviceReading {
    DeviceReading { quantity: quantity.into(), value, ..DeviceReading::default() }
}

#[test]
fn pantaus_protobuf_is_read_as_the_schema_says() {
    let decoder = only("pantau-pb/#", Format::PantauProtobuf);
    let time = 1_795_503_600_000;
    let readings = vec![
        DeviceReading { unit: "[degF]".into(), channel: "roof".into(), ..reading("air_temperature", 80.6) },
        DeviceReading { time: time + 1, ..reading("pm10", 0.0) },
    ];
    let (found, refusal) = decode_by(&decoder, "pantau-pb/s1", &own(readings.clone(), "", time));
    assert_eq!(refusal, None);
    assert_eq!(
        found,
        [
            ("s1/air_temperature/roof".into(), "[degF]".into(), time, 80.6),
            ("s1/pm10".into(), String::new(), time + 1, 0.0),
        ]
    );
    assert_eq!(decode_by(&decoder, "pantau-pb/s1", &own(readings, "s2", 0)).0[0].2, UNTIMED);
    let refused = |payload: &[u8]| decode_by(&decoder, "pantau-pb/s1", payload).1.unwrap();
    assert_eq!(refused(&own(vec![reading("pm10", 1.0); 1_001], "", 0)).reason, Reason::TooLarge);
    assert_eq!(refused(&own(vec![reading("pm10", f64::NAN)], "", 0)).reason, Reason::NotFinite);
    assert!(refused(&own(vec![reading("pm10", 1.0)], "", 1_795_503_600)).detail.contains("unix_s"));
    assert!(refused(b"").detail.contains("no reading"));
    let whole = own(vec![reading("pm10", 1.0)], "", time);
    assert!(refused(&whole[..whole.len() - 1]).detail.contains("too early"));
    let (found, refusal) =
        decode_by(&decoder, "pantau-pb/s1", &own(vec![reading("p m", 1.0), reading("ph", 7.0)], "", 0));
    assert_eq!((found.len(), refusal.unwrap().reason), (1, Reason::BadName));
}

/// As Sparkplug's own schema has it.
#[derive(Clone, PartialEq, prost::Message)]
struct Payload {
    #[prost(uint64, optional, tag = "1")]
    timestamp: Option<u64>,
    #[prost(message, repeated, tag = "2")]
    metrics: Vec<Metric>,
    #[prost(uint64, optional, tag = "3")]
    seq: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Metric {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(uint64, optional, tag = "2")]
    alias: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "4")]
    datatype: Option<u32>,
    #[prost(bool, optional, tag = "5")]
    is_historical: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    is_null: Option<bool>,
    #[prost(message, optional, tag = "9")]
    properties: Option<Properties>,
    #[prost(oneof = "Value", tags = "10, 11, 12, 13, 14, 15")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Properties {
    #[prost(string, repeated, tag = "1")]
    keys: Vec<String>,
    #[prost(message, repeated, tag = "2")]
    values: Vec<Property>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Property {
    #[prost(uint32, optional, tag = "1")]
    kind: Option<u32>,
    #[prost(uint32, optional, tag = "3")]
    int: Option<u32>,
    #[prost(string, optional, tag = "8")]
    string: Option<String>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Value {
    #[prost(uint32, tag = "10")]
    Int(u32),
    #[prost(uint64, tag = "11")]
    Long(u64),
    #[prost(float, tag = "12")]
    Float(f32),
    #[prost(double, tag = "13")]
    Double(f64),
    #[prost(bool, tag = "14")]
    Bool(bool),
    #[prost(string, tag = "15")]
    String(String),
}

const AT: u64 = 1_795_503_600_000;

fn metric(name: &str, alias: u64, datatype: u32, value: Value) -> Metric {
    let name = (!name.is_empty()).then(|| name.to_owned());
    let alias = (alias > 0).then_some(alias);
    Metric {
        name,
        alias,
        datatype: (datatype > 0).then_some(datatype),
        value: Some(value),
        ..Metric::default()
    }
}

fn bytes(seq: u64, metrics: Vec<Metric>) -> Vec<u8> {
    Payload { timestamp: Some(AT), metrics, seq: Some(seq) }.encode_to_vec()
}

fn bd_seq(n: u64) -> Metric {
    metric("bdSeq", 0, 4, Value::Long(n))
}

fn edge() -> Decoder {
    only("spBv1.0/#", Format::SparkplugB)
}

/// Topics of what would go out now.
fn asked(decoder: &Decoder, topic: &str, payload: &[u8], at: i64) -> Vec<String> {
    let mut batch = decoder.batch();
    let _ = batch.decode(topic, payload, TimeMs(at), &mut Columns::default());
    let asked = batch.requests();
    batch.commit();
    asked
}

fn born(decoder: &Decoder) {
    let births = vec![bd_seq(7), metric("Inputs/Temperature", 1, 9, Value::Float(27.4))];
    let (readings, refusal) = decode_by(decoder, "spBv1.0/G/NBIRTH/E", &bytes(0, births));
    assert_eq!(refusal, None);
    assert_eq!(readings, [("E/air_temperature/Inputs".into(), "Cel".into(), AT as i64, 27.4)]);
    let mut level = metric("Level", 2, 3, Value::Int(5_u32.wrapping_neg()));
    level.properties = Some(Properties {
        keys: vec!["Quality".into(), "engUnit".into()],
        values: vec![
            Property { int: Some(192), ..Property::default() },
            Property { string: Some("cm".into()), ..Property::default() },
        ],
    });
    let births = vec![
        metric("Water Level", 2, 3, Value::Int(5_u32.wrapping_neg())),
        metric("note", 3, 12, Value::String("x".into())),
    ];
    let births = births.into_iter().map(|mut metric| {
        metric.properties.clone_from(&level.properties);
        metric
    });
    let (readings, refusal) = decode_by(decoder, "spBv1.0/G/DBIRTH/E/D", &bytes(1, births.collect()));
    assert_eq!(refusal, None);
    assert_eq!(readings, [("D/water_level".into(), "cm".into(), AT as i64, -5.0)]);
}

#[test]
fn data_by_alias_is_read_as_the_birth_said() {
    let decoder = edge();
    born(&decoder);
    let mut historical = metric("", 2, 0, Value::Int(12));
    (historical.is_historical, historical.timestamp) = (Some(true), Some(AT - 1_000));
    let mut stale = metric("", 2, 0, Value::Int(13));
    stale.properties = Some(Properties {
        keys: vec!["Quality".into()],
        values: vec![Property { int: Some(500), ..Property::default() }],
    });
    let mut null = metric("", 2, 0, Value::Int(1));
    null.is_null = Some(true);
    let (out, refusal) = columns(
        &decoder,
        "spBv1.0/G/DDATA/E/D",
        &bytes(2, vec![historical, stale, null, metric("", 3, 0, Value::String("y".into()))]),
    );
    assert_eq!(refusal, None);
    assert_eq!((out.names.as_str(), out.units.as_str()), ("D/water_level\nD/water_level\n", "cm\ncm\n"));
    assert_eq!((out.values, out.times), (vec![12.0, 13.0], vec![AT as i64 - 1_000, AT as i64]));
    assert_eq!(out.flags, [u32::from(Flags::LATE.0), u32::from(Flags::BAD_QUALITY.0)]);
    let (readings, _) = decode_by(
        &decoder,
        "spBv1.0/G/NDATA/E",
        &bytes(3, vec![metric("", 1, 0, Value::Double(28.0)), metric("Relay", 0, 11, Value::Bool(true))]),
    );
    assert_eq!(readings.len(), 2);
    assert_eq!(readings[1].0, "E/switch");
}

#[test]
fn integers_are_twos_complement_of_their_datatype() {
    let decoder = edge();
    let value = |datatype, value| {
        decode_by(&decoder, "spBv1.0/G/NDATA/E", &bytes(0, vec![metric("power", 0, datatype, value)])).0[0].3
    };
    assert_eq!(value(1, Value::Int(0xff)), -1.0);
    assert_eq!(value(1, Value::Int(0xffff_ffff)), -1.0);
    assert_eq!(value(2, Value::Int(0xfffe)), -2.0);
    assert_eq!(value(3, Value::Int(0xffff_fffd)), -3.0);
    assert_eq!(value(4, Value::Long(u64::MAX - 3)), -4.0);
    assert_eq!(value(7, Value::Long(0xffff_ffff)), 4_294_967_295.0);
    assert_eq!(value(8, Value::Long(u64::MAX)), 18_446_744_073_709_551_615.0);
    assert_eq!(value(9, Value::Float(27.4)), 27.4);
}

#[test]
fn a_gap_in_seq_or_an_unknown_alias_asks_for_a_rebirth_and_not_too_often() {
    let decoder = edge();
    let topic = "spBv1.0/G/NDATA/E";
    let ncmd = ["spBv1.0/G/NCMD/E"];
    let data = |seq| bytes(seq, vec![metric("", 1, 0, Value::Float(1.0))]);
    // After a restart nothing is known: refused, and asked once.
    let (readings, refusal) = decode_by(&decoder, topic, &data(5));
    assert!(readings.is_empty() && refusal.unwrap().detail.contains("alias 1"));
    let decoder = edge();
    assert_eq!(asked(&decoder, topic, &data(5), 0), ncmd);
    assert!(asked(&decoder, topic, &data(6), 9_999).is_empty());
    assert_eq!(asked(&decoder, topic, &data(7), 10_000), ncmd);
    born(&decoder);
    assert!(asked(&decoder, topic, &data(2), 30_000).is_empty());
    assert_eq!(asked(&decoder, topic, &data(4), 30_001), ncmd, "a gap");
    assert!(asked(&decoder, topic, &data(5), 60_000).is_empty(), "the sequence goes on from there");
    // It wraps after 255.
    for seq in 6..=256 {
        assert!(asked(&decoder, topic, &data(seq % 256), 90_000).is_empty(), "{seq}");
    }
    // A batch that is not committed has asked nobody and changed nothing.
    let mut batch = decoder.batch();
    batch.decode(topic, &data(9), TimeMs(120_000), &mut Columns::default()).unwrap();
    assert_eq!(batch.requests(), ncmd);
    drop(batch);
    assert_eq!(asked(&decoder, topic, &data(9), 120_000), ncmd);
}

#[test]
fn a_node_whose_sequence_is_always_wrong_is_not_asked_for_one_birth_after_the_other() {
    let decoder = edge();
    let birth = bytes(0, vec![bd_seq(7), metric("power", 1, 10, Value::Double(1.0))]);
    let data = bytes(9, vec![metric("", 1, 0, Value::Double(2.0))]);
    let (birth_topic, topic) = ("spBv1.0/G/NBIRTH/E", "spBv1.0/G/NDATA/E");
    asked(&decoder, birth_topic, &birth, 0);
    assert_eq!(asked(&decoder, topic, &data, 0).len(), 1);
    for at in 1..10 {
        asked(&decoder, birth_topic, &birth, at * 1_000);
        assert!(asked(&decoder, topic, &data, at * 1_000).is_empty(), "{at}");
    }
    // What was not asked for is asked for later, also when nothing is missing by then.
    let next = bytes(10, vec![metric("", 1, 0, Value::Double(2.0))]);
    assert_eq!(asked(&decoder, topic, &next, 10_000).len(), 1);
}

#[test]
fn names_as_long_as_a_topic_are_not_kept() {
    let decoder = edge();
    let long = "x".repeat(1_000);
    let birth = bytes(1, vec![metric("power", 1, 10, Value::Double(1.0))]);
    for topic in [format!("spBv1.0/G/DBIRTH/E/{long}"), format!("spBv1.0/G/DBIRTH/{long}/D")] {
        assert_eq!(decode_by(&decoder, &topic, &birth).1.unwrap().reason, Reason::BadName);
    }
    // A node with another name than a device's has devices that are read all the same.
    let (readings, refusal) = decode_by(&decoder, "spBv1.0/G/DBIRTH/Edge Node 1/D", &birth);
    assert_eq!((readings[0].0.as_str(), refusal), ("D/power", None));
    assert_eq!((decoder.online().online, decoder.online().offline), (1, 0));
}

#[tokio::test]
async fn the_request_is_what_sparkplug_says() {
    let decoder = edge();
    asked(&decoder, "spBv1.0/G/NDATA/E", &bytes(5, vec![metric("", 1, 0, Value::Float(1.0))]), AT as i64);
    let request = decoder.outbox().next().await;
    assert_eq!(request.topic, "spBv1.0/G/NCMD/E");
    let payload = Payload::decode(request.payload.as_slice()).unwrap();
    let metrics = vec![metric("Node Control/Rebirth", 0, 11, Value::Bool(true))];
    assert_eq!(payload, Payload { timestamp: Some(AT), metrics, seq: None });
}

#[test]
fn deaths_set_devices_offline_but_an_older_will_does_not() {
    let decoder = edge();
    born(&decoder);
    assert_eq!((decoder.online().online, decoder.online().offline), (2, 0));
    let death = |n| Payload { timestamp: None, metrics: vec![bd_seq(n)], seq: None }.encode_to_vec();
    decode_by(&decoder, "spBv1.0/G/NDEATH/E", &death(6));
    assert_eq!(decoder.online().offline, 0);
    decode_by(&decoder, "spBv1.0/G/DDEATH/E/D", &bytes(2, Vec::new()));
    assert_eq!(decoder.online().named[0].name, "D");
    decode_by(&decoder, "spBv1.0/G/NDEATH/E", &death(7));
    assert_eq!((decoder.online().online, decoder.online().offline), (0, 2));
    // The aliases died with it.
    let data = bytes(3, vec![metric("", 1, 0, Value::Float(1.0))]);
    assert!(decode_by(&decoder, "spBv1.0/G/NDATA/E", &data).1.is_some());
    born(&decoder);
    assert_eq!(decoder.online().offline, 0);
}

#[test]
fn what_is_no_sparkplug_topic_or_payload_is_refused_and_commands_are_passed_over() {
    let decoder = only("#", Format::SparkplugB);
    for topic in [
        "spBv1.0/G/NDATA",
        "spBv1.0/G/NDATA/E/D",
        "spBv1.0/G/DDATA/E",
        "spBv1.0/G/WHAT/E",
        "x/G/NDATA/E",
        "spBv1.0/G/DDATA/E/D/F",
    ] {
        assert_eq!(
            decode_by(&decoder, topic, &bytes(0, Vec::new())).1.unwrap().reason,
            Reason::BadName,
            "{topic}"
        );
    }
    for topic in ["spBv1.0/STATE/host", "spBv1.0/G/NCMD/E", "spBv1.0/G/DCMD/E/D"] {
        assert_eq!(decode_by(&decoder, topic, b"{}"), (Vec::new(), None), "{topic}");
    }
    let refused = |payload: &[u8]| decode_by(&decoder, "spBv1.0/G/NDATA/E", payload).1.unwrap();
    assert!(refused(&[0x12, 0x05, 0x01]).detail.contains("too early"));
    assert!(refused(&[0x0b]).detail.contains("wire type"));
    assert!(refused(&[0xff; 11]).detail.contains("64 bits"));
    assert_eq!(refused(&[0x12, 0].repeat(5_001)).reason, Reason::TooLarge);
    let bad_time = Payload {
        timestamp: Some(1),
        metrics: vec![metric("power", 0, 10, Value::Double(1.0))],
        seq: Some(0),
    };
    assert!(refused(&bad_time.encode_to_vec()).detail.contains("1973"));
    // As many aliases as a birth may have, and a name that is too long to be kept.
    let long = metric(&"n".repeat(300), 1, 10, Value::Double(1.0));
    let birth = bytes(0, vec![metric("power", 2, 10, Value::Double(1.0)), long]);
    let (readings, refusal) = decode_by(&decoder, "spBv1.0/G/NBIRTH/E", &birth);
    assert_eq!((readings.len(), refusal.unwrap().reason), (1, Reason::TooLarge));
}

proptest! {
    #[test]
    fn no_bytes_make_a_protobuf_decoder_panic(payload in prop::collection::vec(any::<u8>(), 0..80), at in 0_usize..200, byte: u8, kind in "NBIRTH|NDATA|NDEATH") {
        let decoder = edge();
        let topic = format!("spBv1.0/G/{kind}/E");
        decode_by(&decoder, &topic, &payload);
        let mut birth = bytes(0, vec![bd_seq(7), metric("Inputs/Temperature", 1, 9, Value::Float(27.4))]);
        let at = at % birth.len();
        birth[at] = byte;
        decode_by(&decoder, &topic, &birth);
        decode_by(&only("pantau-pb/#", Format::PantauProtobuf), "pantau-pb/a", &birth);
    }
}
