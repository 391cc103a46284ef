//! SenML by the examples of RFC 8428 and by each of its rules.

use super::*;

fn json(payload: &str) -> (Vec<Found>, Option<Refusal>) {
    decode_by(&only("senml/+", Format::SenmlJson), "senml/from-topic", payload.as_bytes())
}

fn cbor(payload: &[u8]) -> (Vec<Found>, Option<Refusal>) {
    decode_by(&only("senml/+", Format::SenmlCbor), "senml/from-topic", payload)
}

fn found(name: &str, unit: &str, time: i64, value: f64) -> Found {
    (name.into(), unit.into(), time, value)
}

#[test]
fn base_fields_hold_until_they_are_replaced() {
    // Section 5.1.3's form; the values of the facts: lon is a place, no reading.
    let (readings, refusal) = json(
        r#"[{"bn":"urn:dev:ow:10e2073a01080063","bt":1.320067464e+09,"bu":"%RH","v":20},{"u":"lon","v":24.30621},{"t":60,"v":20.3},{"u":"%EL","t":150,"v":98}]"#,
    );
    assert_eq!(refusal, None);
    let device = "urn:dev:ow:10e2073a01080063";
    assert_eq!(
        readings,
        [
            found(&format!("{device}/relative_humidity"), "%RH", 1_320_067_464_000, 20.0),
            found(&format!("{device}/relative_humidity"), "%RH", 1_320_067_524_000, 20.3),
            found(&format!("{device}/battery"), "%EL", 1_320_067_614_000, 98.0),
        ]
    );
}

#[test]
fn the_rfcs_examples_resolve() {
    // 5.1.1, a single datapoint; 5.1.2, several; 5.1.4, several of several kinds.
    assert_eq!(
        json(r#"[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]"#).0,
        [found("urn:dev:ow:10e2073a01080063/air_temperature", "Cel", UNTIMED, 23.1)]
    );
    let (readings, refusal) = json(
        r#"[{"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1},{"n":"current","t":-5,"v":1.2},{"n":"current","t":-4,"v":1.3},{"n":"current","v":1.7}]"#,
    );
    assert_eq!(refusal, None);
    assert_eq!(
        readings,
        [
            found("urn:dev:ow:10e2073a0108006/voltage", "V", 1_276_020_076_001, 120.1),
            found("urn:dev:ow:10e2073a0108006/current", "A", 1_276_020_071_001, 1.2),
            found("urn:dev:ow:10e2073a0108006/current", "A", 1_276_020_072_001, 1.3),
            found("urn:dev:ow:10e2073a0108006/current", "A", 1_276_020_076_001, 1.7),
        ]
    );
    let (readings, refusal) = json(
        r#"[{"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":27.2},{"n":"label","vs":"Machine Room"},{"n":"nfc-reader","vd":"aGkgCg"},{"n":"switch","vb":false},{"n":"humidity","u":"%RH","v":80}]"#,
    );
    assert_eq!(refusal, None);
    assert_eq!(readings.len(), 3);
    assert_eq!(readings[1], found("urn:dev:ow:10e2073a01080063/switch", "", UNTIMED, 0.0));
}

/// Section 6: the pack of seven records as CBOR.
fn rfc_cbor() -> Vec<u8> {
    let mut bytes = vec![0x87, 0xa7, 0x21, 0x78, 0x1b];
    bytes.extend(b"urn:dev:ow:10e2073a0108006:");
    bytes.extend([0x22, 0xfb, 0x41, 0xd3, 0x03, 0xa1, 0x5b, 0x00, 0x10, 0x62, 0x23, 0x61, 0x41, 0x20, 0x05]);
    bytes.extend([0x00, 0x67]);
    bytes.extend(b"voltage");
    bytes.extend([0x01, 0x61, 0x56, 0x02, 0xfb, 0x40, 0x5e, 0x06, 0x66, 0x66, 0x66, 0x66, 0x66]);
    for (t, v) in [
        (Some(0x24), 1.2_f64),
        (Some(0x23), 1.3),
        (Some(0x22), 1.4),
        (Some(0x21), 1.5),
        (Some(0x20), 1.6),
        (None, 1.7),
    ] {
        bytes.extend([if t.is_some() { 0xa3 } else { 0xa2 }, 0x00, 0x67]);
        bytes.extend(b"current");
        if let Some(t) = t {
            bytes.extend([0x06, t]);
        }
        bytes.extend([0x02, 0xfb]);
        bytes.extend(v.to_be_bytes());
    }
    bytes
}

#[test]
fn the_rfcs_cbor_resolves_as_its_json_does() {
    let labels = rfc_cbor();
    // Label -2 is bn (0x21), -3 bt (0x22), -4 bu (0x23), -1 bver (0x20): the RFC's table 4.
    let (readings, refusal) = cbor(&labels);
    assert_eq!(refusal, None);
    assert_eq!(readings.len(), 7);
    assert_eq!(readings[0], found("urn:dev:ow:10e2073a0108006/voltage", "V", 1_276_020_076_001, 120.1));
    assert_eq!(readings[1], found("urn:dev:ow:10e2073a0108006/current", "A", 1_276_020_071_001, 1.2));
    assert_eq!(readings[6], found("urn:dev:ow:10e2073a0108006/current", "A", 1_276_020_076_001, 1.7));
    // Open lengths, a half float, a text in pieces, an unknown label.
    let mut open = vec![0x9f, 0xbf, 0x00, 0x7f, 0x62, b't', b'e', 0x62, b'm', b'p', 0xff, 0x01, 0x63];
    open.extend(b"Cel");
    open.extend([0x02, 0xf9, 0x4e, 0x00, 0x18, 0x63, 0x81, 0x00, 0xff, 0xff]);
    assert_eq!(cbor(&open).0, [found("from-topic/air_temperature", "Cel", UNTIMED, 24.0)]);
}

#[test]
fn cbor_that_is_cut_anywhere_is_refused_with_its_place() {
    let whole = rfc_cbor();
    for end in 0..whole.len() {
        let (readings, refusal) = cbor(&whole[..end]);
        assert!(readings.is_empty() && refusal.unwrap().detail.starts_with("byte "), "{end}");
    }
    let behind = [whole.as_slice(), &[0]].concat();
    assert!(cbor(&behind).1.unwrap().detail.contains("behind"));
    let must = [&[0x81, 0xa2, 0x02, 0x01, 0x63][..], b"ab_", &[0x01]].concat();
    assert!(cbor(&must).1.unwrap().detail.contains("must be understood"));
}

#[test]
fn times_below_2_to_the_28_count_from_the_arrival() {
    let time = |members: &str| json(&format!("[{{\"n\":\"temp\",\"u\":\"Cel\",\"v\":1{members}}}]")).0[0].2;
    assert_eq!(time(""), UNTIMED);
    assert_eq!(time(",\"t\":0"), UNTIMED);
    assert_eq!(time(",\"t\":-60"), ARRIVAL.0 - 60_000);
    assert_eq!(time(",\"bt\":-10,\"t\":-0.5"), ARRIVAL.0 - 10_500);
    assert_eq!(time(",\"t\":268435455"), ARRIVAL.0 + 268_435_455_000);
    assert_eq!(time(",\"t\":268435456"), 268_435_456_000);
    assert_eq!(time(",\"bt\":1795503600,\"t\":0.25"), 1_795_503_600_250);
}

#[test]
fn base_values_and_sums_are_added() {
    let (readings, _) = json(
        r#"[{"bn":"d/","bv":100,"bs":5,"n":"temp","u":"Cel","v":1.5},{"n":"energy","u":"J","s":7},{"n":"temp","u":"Cel","s":7},{"n":"power","u":"W","v":1,"s":2}]"#,
    );
    assert_eq!(
        readings,
        [
            found("d/air_temperature", "Cel", UNTIMED, 101.5),
            found("d/energy", "J", UNTIMED, 12.0),
            found("d/power", "W", UNTIMED, 101.0),
        ]
    );
}

#[test]
fn what_breaks_the_rfcs_form_refuses_the_pack_and_names_the_record() {
    let good = r#"{"bn":"d:","n":"temp","u":"Cel","v":1}"#;
    for (record, word) in [
        (r#"{"bver":11,"n":"temp","v":1}"#, "bver"),
        (r#"{"n":"temp","v":1,"what_":2}"#, "must be understood"),
        (r#"{"n":"temp"}"#, "none of v"),
        (r#"{"n":"temp","v":1,"vs":"x"}"#, "more than one"),
        (r#"{"n":"temp","v":1,"vb":true}"#, "more than one"),
        (r#"{"n":"te mp","v":1}"#, "other signs"),
        (r#"{"bn":"_d","n":"temp","v":1}"#, "begins with"),
        (r#"{"n":"temp","v":"1"}"#, "invalid type: string"),
        (r#"{"n":7,"v":1}"#, "expected text"),
        (r#"{"n":"temp","v":1,"t":1e300}"#, "none that can be"),
        (r#"{"n":"temp","v":1,"t":-268435457}"#, "none that can be"),
        (r#"{"n":"temp","v":null}"#, "invalid type: null"),
        ("7", "which is a map"),
    ] {
        let (readings, refusal) = json(&format!("[{good},{record}]"));
        let refusal = refusal.unwrap();
        assert!(readings.is_empty() && refusal.detail.starts_with("record 2: "), "{record}: {refusal:?}");
        assert!(refusal.detail.contains(word), "{record}: {refusal:?}");
    }
    assert_eq!(json(r#"[{"bver":9,"n":"temp","u":"Cel","v":1,"what":2}]"#).1, None);
    assert!(json("{}").1.unwrap().detail.contains("list"));
    assert!(json(r#"[{"u":"Cel","v":1}]"#).1.unwrap().detail.contains("neither bn nor n"));
    let many = format!("[{}]", vec![r#"{"n":"a","vs":""}"#; 2_001].join(","));
    assert_eq!(json(&many).1.unwrap().reason, Reason::TooLarge);
}

#[test]
fn the_device_comes_from_the_base_name_the_name_or_the_topic() {
    let name = |members: &str| json(&format!("[{{{members},\"u\":\"Cel\",\"v\":1}}]")).0[0].0.clone();
    assert_eq!(
        name(r#""bn":"urn:dev:mac:0024befffe804ff1/","n":"temp""#),
        "urn:dev:mac:0024befffe804ff1/air_temperature"
    );
    assert_eq!(name(r#""bn":"d","n":"/roof""#), "d/air_temperature/roof");
    assert_eq!(name(r#""n":"d/watertemp""#), "d/water_temperature");
    assert_eq!(name(r#""n":"urn:dev:ow:1:temp""#), "urn:dev:ow:1/air_temperature");
    assert_eq!(name(r#""n":"temp""#), "from-topic/air_temperature");
    let (_, refusal) = json(r#"[{"bn":"a/b/","n":"temp","u":"Cel","v":1}]"#);
    assert_eq!(refusal.unwrap().reason, Reason::BadName);
    let (_, refusal) = json(r#"[{"n":"rpm","v":1}]"#);
    assert!(refusal.unwrap().detail.contains("rpm"));
}

proptest! {
    #[test]
    fn no_bytes_make_the_cbor_reader_panic(mut payload in prop::collection::vec(any::<u8>(), 0..60), cut in 0_usize..150, at in 0_usize..150, byte: u8) {
        cbor(&payload);
        payload = rfc_cbor();
        let at = at % payload.len();
        payload[at] = byte;
        payload.truncate(cut.max(1));
        cbor(&payload);
    }
}
