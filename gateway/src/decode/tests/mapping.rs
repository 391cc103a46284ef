//! JSON of any shape, by a mapping.

use super::*;
use crate::config::JsonRule;
use crate::decode::pattern::Pattern;
use crate::decode::time::Unit;

/// A rule as it stands in a configuration.
fn rule(text: &str) -> DecodeRule {
    #[derive(serde::Deserialize)]
    struct File {
        decode: Vec<DecodeRule>,
    }
    toml::from_str::<File>(text).unwrap().decode.remove(0)
}

fn mapping(topics: &str, more: &str) -> Decoder {
    let rule = rule(&format!("[[decode]]\ntopics = {topics:?}\nformat = \"json\"\n{more}"));
    check(&rule).unwrap();
    Decoder::new(&[rule])
}

#[test]
fn values_times_units_and_channels_come_from_where_the_rule_says() {
    let decoder = mapping(
        "city/{device}/up",
        r#"[decode.json]
           time = "/meta/ts"
           time_format = "unix_s"
           reading = [
               { value = "/data/0/t", quantity = "air_temperature", unit = "[degF]", channel = "roof" },
               { value = "/data/1", quantity = "pm10" },
               { value = "/a~1b", quantity = "ph" },
               { value = "/door", quantity = "switch" },
               { value = "/text", quantity = "pm2_5" },
               { value = "/none", quantity = "voltage" },
           ]"#,
    );
    let payload = br#"{"meta":{"ts":1769842800},"data":[{"t":80.6},42],"a/b":7.1,"door":true,"text":" 12.5 ","none":null}"#;
    let (readings, refusal) = decode_by(&decoder, "city/s1/up", payload);
    assert_eq!(refusal, None);
    let time = 1_769_842_800_000;
    let all = [
        ("s1/air_temperature/roof", "[degF]", 80.6),
        ("s1/pm10", "", 42.0),
        ("s1/ph", "", 7.1),
        ("s1/switch", "", 1.0),
        ("s1/pm2_5", "", 12.5),
    ];
    assert_eq!(readings, all.map(|(name, unit, value)| (name.into(), unit.into(), time, value)));
}

#[test]
fn each_element_of_a_list_has_its_own_time_device_quantity_unit_and_channel() {
    let decoder = mapping(
        "#",
        r#"[decode.json]
           device = "/id"
           each = "/values"
           time = "/at"
           reading = [{ value = "/v", quantity = "/type", unit = "/unit", channel = "/slot" }]"#,
    );
    let payload = br#"{"id":"s1","at":"2026-01-31T07:00:00Z","values":[
        {"type":"Temperature","v":27.5,"slot":"a"},
        {"type":"pm10","v":40,"at":"2026-01-31T07:01:00Z","id":"s2"},
        {"type":"no2","v":12,"unit":"ppb"},
        {"type":"no2","v":13},
        {"type":"wisdom","v":1}]}"#;
    let (readings, refusal) = decode_by(&decoder, "any/topic", payload);
    let time = 1_769_842_800_000;
    assert_eq!(
        readings,
        [
            ("s1/air_temperature/a".into(), "Cel".into(), time, 27.5),
            ("s2/pm10".into(), String::new(), time + 60_000, 40.0),
            ("s1/nitrogen_dioxide".into(), "ppb".into(), time, 12.0),
        ]
    );
    assert_eq!(refusal.unwrap().reason, Reason::UnknownQuantity);
}

#[test]
fn a_bare_number_on_a_topic_of_its_own_is_the_whole_payload() {
    let decoder = mapping(
        "home/{device}/temp",
        "[decode.json]\nreading = [{ value = \"\", quantity = \"air_temperature\" }]",
    );
    assert_eq!(
        decode_by(&decoder, "home/attic/temp", b"31.5").0,
        [("attic/air_temperature".into(), String::new(), UNTIMED, 31.5)]
    );
}

#[test]
fn local_times_get_the_zone_of_the_rule() {
    let time = |format: &str, zone: &str, time: &str| {
        let decoder = mapping(
            "a/+",
            &format!(
                "{zone}\n[decode.json]\ntime = \"/t\"\n{format}\nreading = [{{ value = \"/v\", quantity = \"ph\" }}]"
            ),
        );
        let (readings, refusal) = decode_by(&decoder, "a/b", format!("{{\"t\":{time},\"v\":7}}").as_bytes());
        refusal.map_or_else(|| Ok(readings[0].2), |refusal| Err(refusal.detail))
    };
    let at = 1_769_842_800_000;
    let wib = "zone = \"WIB\"";
    assert_eq!(time("", wib, "\"2026-01-31T14:00:00\""), Ok(at));
    assert_eq!(time("", wib, "\"2026-01-31T07:00:00Z\""), Ok(at));
    assert_eq!(time("time_format = \"%d/%m/%Y %H.%M\"", wib, "\"31/1/2026 14.00\""), Ok(at));
    assert_eq!(
        time("time_format = \"%b %d, %y %I:%M:%S %p\"", "zone = \"WIT\"", "\"Jan 31, 26 04:00:00 pm\""),
        Ok(at)
    );
    assert_eq!(time("time_format = \"%Y%m%d%H%M%S%z\"", "", "\"20260131150000+0800\""), Ok(at));
    assert_eq!(time("time_format = \"%s.%f\"", "", "\"1769842800.5\""), Ok(at + 500));
    assert_eq!(time("time_format = \"unix_us\"", "", "1769842800000999"), Ok(at));
    assert_eq!(time("time_format = \"unix_ns\"", "", "1769842800000000000"), Ok(at));
    assert_eq!(time("time_format = \"unix_s\"", "", "1769842800.25"), Ok(at + 250));
    assert_eq!(time("time_format = \"unix_s\"", "", "\"1769842800\""), Ok(at));
    assert!(
        time("time_format = \"unix_s\"", "", "1769842800000").unwrap_err().contains("looks like unix_ms")
    );
    assert!(time("time_format = \"unix_ns\"", "", "5").unwrap_err().contains("1973"));
    for bad in ["\"31/02/2026 14.00\"", "\"31/1/2026 14.00 x\"", "\"31/1/2026 24.00\"", "[]", "\"\""] {
        assert!(time("time_format = \"%d/%m/%Y %H.%M\"", wib, bad).is_err(), "{bad}");
    }
}

#[test]
fn a_time_that_cannot_be_read_refuses_everything_and_a_bad_value_only_itself() {
    let decoder = mapping(
        "a/+",
        "[decode.json]\ntime = \"/t\"\nreading = [{ value = \"/v\", quantity = \"ph\" }, { value = \"/w\", quantity = \"pm10\" }]",
    );
    let (readings, refusal) = decode_by(&decoder, "a/b", br#"{"t":"yesterday","v":7}"#);
    assert!(readings.is_empty() && refusal.unwrap().detail.contains("yesterday"));
    let (readings, refusal) = decode_by(&decoder, "a/b", br#"{"v":7,"w":{}}"#);
    assert_eq!((readings.len(), readings[0].2), (1, UNTIMED));
    assert!(refusal.unwrap().detail.contains("\"/w\""));
    let (readings, refusal) = decode_by(&decoder, "a/b", br#"{"x":7}"#);
    assert!(readings.is_empty() && refusal.unwrap().detail.contains("none of the values"));
    assert!(decode_by(&decoder, "a/b", br#"{"v":"NaN"}"#).1.is_some_and(|r| r.reason == Reason::NotFinite));
}

#[test]
fn a_rule_that_cannot_hold_is_named_by_its_key() {
    let base = "[[decode]]\ntopics = \"a/+\"\nformat = \"json\"\n";
    let reading = "reading = [{ value = \"/v\", quantity = \"ph\" }]";
    for (more, key) in [
        (String::new(), "format"),
        (format!("[decode.json]\ntime = \"t\"\n{reading}"), "json.time"),
        (format!("[decode.json]\ntime_format = \"unix_s\"\n{reading}"), "json.time_format"),
        (format!("[decode.json]\ntime = \"/t\"\ntime_format = \"%Y\"\n{reading}"), "json.time_format"),
        (format!("[decode.json]\ntime = \"/t\"\ntime_format = \"%Y-%m-%d\"\n{reading}"), "json.time_format"),
        (format!("zone = \"Mars\"\n[decode.json]\ntime = \"/t\"\n{reading}"), "zone"),
        (format!("simulated = \"flag\"\n[decode.json]\n{reading}"), "simulated"),
        ("[decode.json]\nreading = []".into(), "json.reading"),
        ("[decode.json]\nreading = [{ value = \"v\", quantity = \"ph\" }]".into(), "json.reading[0].value"),
        (
            "[decode.json]\nreading = [{ value = \"/v\", quantity = \"wisdom\" }]".into(),
            "json.reading[0].quantity",
        ),
        (
            "[decode.json]\nreading = [{ value = \"/v\", quantity = \"ph\", unit = \"V\" }]".into(),
            "json.reading[0].unit",
        ),
        (
            "[decode.json]\nreading = [{ value = \"/v\", quantity = \"ph\", channel = \"a b\" }]".into(),
            "json.reading[0].channel",
        ),
    ] {
        let wrong = check(&rule(&format!("{base}{more}"))).unwrap_err();
        assert_eq!(wrong.key, key, "{more}: {}", wrong.what);
        assert!(!wrong.mend.is_empty());
    }
    let mut fields = DecodeRule::new("tele/#", Format::Tasmota);
    fields.fields.insert("A.B".into(), "ph kg".into());
    assert_eq!(check(&fields).unwrap_err().key, "fields.A.B");
    let json = JsonRule { device: None, each: None, time: None, time_format: None, reading: Vec::new() };
    assert_eq!(check(&DecodeRule { json: Some(json), ..fields }).unwrap_err().key, "json");
}

proptest! {
    #[test]
    fn no_text_makes_a_pattern_panic(pattern in "[%YymdbHIpMSfzs :/-]{0,12}", text in "[0-9A-Za-z:+ /.-]{0,24}") {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            let _ = pattern.read(&text, Zone(420));
        }
    }

    #[test]
    fn a_number_is_a_time_in_one_unit_only(number in any::<i64>()) {
        let units = [Unit::Seconds, Unit::Milliseconds, Unit::Microseconds, Unit::Nanoseconds];
        prop_assert!(units.iter().filter(|unit| unit.whole(number).is_ok()).count() <= 1);
        let floats = units.iter().filter(|unit| unit.float(number as f64 / 3.0).is_ok()).count();
        prop_assert!(floats <= 1);
    }

    #[test]
    fn what_a_mapping_finds_comes_out_bit_for_bit(value in any::<f64>().prop_filter("finite", |v| v.is_finite()), ms in 100_000_000_000_i64..90_000_000_000_000) {
        let decoder = mapping("a/+", "[decode.json]\ntime = \"/t\"\ntime_format = \"unix_ms\"\nreading = [{ value = \"/x/0\", quantity = \"pulses\" }]");
        let (readings, _) = decode_by(&decoder, "a/b", format!("{{\"x\":[{value:?}],\"t\":{ms}}}").as_bytes());
        prop_assert_eq!((readings[0].3.to_bits(), readings[0].2), (value.to_bits(), ms));
    }
}
