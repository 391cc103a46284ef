//! Nobody writes another's series, whatever the format takes its device from.

use super::*;
use crate::config::{JsonReading, JsonRule};
use crate::fuzz::corpus;

fn mapping(topics: &str, device: Option<&str>) -> DecodeRule {
    let reading = JsonReading { value: "/v".into(), quantity: "/type".into(), channel: None, unit: None };
    let mut rule = DecodeRule::new(topics, Format::Json);
    rule.json = Some(JsonRule {
        device: device.map(str::to_owned),
        each: None,
        time: None,
        time_format: None,
        reading: vec![reading],
    });
    rule
}

fn rights(devices: &[&str]) -> Rights {
    let devices: Vec<String> = devices.iter().map(|name| (*name).to_owned()).collect();
    Rights::new("intruder", &devices, &[])
}

/// Series, refusal, and what else it would change: requests to devices, and whether a device is said to be online.
type Outcome = (Vec<String>, Option<Refusal>, Vec<String>, Option<(String, bool)>);

fn outcome(decoder: &Decoder, rights: Option<&Rights>, topic: &str, payload: &[u8]) -> Outcome {
    let (mut out, mut batch) = (Columns::default(), decoder.batch_of(rights));
    let refusal = batch.decode(topic, payload, ARRIVAL, &mut out).err();
    let (requests, online) = (batch.requests(), batch.said_online());
    batch.commit();
    (out.names.lines().map(str::to_owned).collect(), refusal, requests, online)
}

#[test]
fn by_every_format_a_device_writes_its_own_series_and_nobody_elses() {
    for (format, name) in Format::ALL {
        let rules = match format {
            Format::Json => vec![mapping("city/+/up", None)],
            _ => vec![DecodeRule::new(format.usual_topics().unwrap_or("senml/#"), format)],
        };
        // These have no payloads of their own there.
        let folder = if matches!(format, Format::PantauJson | Format::Number) { "pantau" } else { name };
        let (trusted, own, other) = (Decoder::new(&rules), Decoder::new(&rules), Decoder::new(&rules));
        let mut written = 0;
        let mut inputs: Vec<(String, Vec<u8>)> =
            corpus(folder).into_iter().map(|input| (input.topic, input.payload)).collect();
        if format == Format::Json {
            inputs = vec![("city/s1/up".into(), br#"{"v": 3, "type": "pm10"}"#.to_vec())];
        }
        for (topic, payload) in inputs {
            let as_it_is = outcome(&trusted, None, &topic, &payload);
            let mut devices: Vec<&str> =
                as_it_is.0.iter().map(|series| series.split('/').next().unwrap()).collect();
            devices.extend(as_it_is.3.iter().map(|(device, _)| device.as_str()));
            if format == Format::SparkplugB {
                devices.push("E");
            }
            if devices.is_empty() {
                continue;
            }
            written += as_it_is.0.len();
            assert_eq!(outcome(&own, Some(&rights(&devices)), &topic, &payload), as_it_is, "{name} {topic}");
            let (series, refusal, requests, online) =
                outcome(&other, Some(&rights(&["intruder"])), &topic, &payload);
            assert_eq!(refusal.map(|refusal| refusal.reason), Some(Reason::NotAllowed), "{name} {topic}");
            assert!(series.is_empty() && requests.is_empty() && online.is_none(), "{name} {topic}");
        }
        assert!(written > 0, "{name}: no payload with readings");
        assert_eq!(other.online(), Online::default(), "{name}");
    }
}

#[test]
fn a_name_within_a_payload_is_no_way_around_a_topic_of_ones_own() {
    let intruder = rights(&["intruder"]);
    let cases: [(DecodeRule, &str, &[u8]); 4] = [
        (
            DecodeRule::new("senml/#", Format::SenmlJson),
            "senml/intruder",
            br#"[{"bn":"victim/","n":"air_temperature","u":"Cel","v":1}]"#,
        ),
        (
            DecodeRule::new("senml/#", Format::SenmlJson),
            "senml/intruder",
            // The first is its own, the second is not: nothing is taken.
            br#"[{"bn":"intruder/","n":"air_temperature","u":"Cel","v":1},{"bn":"victim/","n":"air_temperature","u":"Cel","v":2}]"#,
        ),
        (mapping("city/{device}/up", Some("/id")), "city/intruder/up", br#"{"id":"victim","v":1,"type":"pm10"}"#),
        (DecodeRule::new("pantau/#", Format::Pantau), "pantau/intruder2/pm10", b"1"),
    ];
    for (rule, topic, payload) in cases {
        let format = rule.format.name();
        let decoder = Decoder::new(&[rule]);
        let trusted = outcome(&decoder, None, topic, payload);
        assert!(!trusted.0.is_empty(), "{format}: {trusted:?}");
        let (series, refusal, ..) = outcome(&decoder, Some(&intruder), topic, payload);
        let refusal = refusal.unwrap();
        assert_eq!((series.len(), refusal.reason), (0, Reason::NotAllowed), "{format}");
        assert!(refusal.detail.contains("[[mqtt.user]]"), "{refusal:?}");
    }
}

#[test]
fn an_uplink_that_was_not_allowed_does_not_hide_the_real_one() {
    let decoder = only("application/1/device/{device}/event/up", Format::Chirpstack);
    let uplink = corpus("chirpstack").into_iter().find(|input| input.topic.ends_with("/up")).unwrap();
    let intruded = outcome(&decoder, Some(&rights(&["intruder"])), &uplink.topic, &uplink.payload);
    assert_eq!(intruded.1.unwrap().reason, Reason::NotAllowed);
    assert!(!outcome(&decoder, None, &uplink.topic, &uplink.payload).0.is_empty());
}

#[test]
fn an_edge_nodes_books_are_changed_only_by_who_may_speak_for_it() {
    let decoder = only("spBv1.0/#", Format::SparkplugB);
    let inputs = corpus("sparkplug_b");
    let by = |topic: &str| inputs.iter().find(|input| input.topic.contains(topic)).unwrap();
    let (birth, device, data, death) = (by("NBIRTH"), by("DBIRTH"), by("DDATA"), by("NDEATH"));
    let trusted = |input: &crate::fuzz::Input| outcome(&decoder, None, &input.topic, &input.payload);
    for input in [birth, device] {
        assert_eq!(trusted(input).1, None);
    }
    let real = trusted(data);
    assert!(!real.0.is_empty(), "{real:?}");
    // One who may speak for the device D, not for the node E, and the other way round.
    for (names, input) in [(["D"], death), (["D"], birth), (["D"], device), (["E"], device), (["E"], data)] {
        let refused = outcome(&decoder, Some(&rights(&names)), &input.topic, &input.payload);
        assert_eq!(refused.1.unwrap().reason, Reason::NotAllowed, "{names:?} {}", input.topic);
    }
    // Its aliases and its life are as before: the same data still comes to the same series.
    assert_eq!(trusted(data).0, real.0);
    assert_eq!(decoder.online().offline, 0);
}

#[test]
fn topics_of_a_user_bound_it_before_any_rule() {
    let network = Rights::new("chirpstack", &["*".into()], &["application/#".into()]);
    let decoder = rules();
    let (series, refusal, ..) = outcome(&decoder, Some(&network), "pantau/a/pm10", b"1");
    assert_eq!((series.len(), refusal.unwrap().reason), (0, Reason::NotAllowed));
    let all = Rights::new("chirpstack", &["*".into()], &["application/#".into(), "pantau/+/pm10".into()]);
    assert_eq!(outcome(&decoder, Some(&all), "pantau/a/pm10", b"1").0, ["a/pm10"]);
}
