//! The way of a reading: what a device publishes is stored once, as it was meant, or shown as refused.

use pantau_e2e::clock::{now_ms, rfc3339, wait_for, wait_until};
use pantau_e2e::http::{Events, get_items, get_json};
use pantau_e2e::mqtt::{Client, Hello, Packet, publish, pubrel, subscribe};
use pantau_e2e::parts::LIMIT;
use pantau_e2e::system::{Options, System, readings};
use serde_json::Value;
use std::time::Duration;

fn device(system: &System, name: &str) -> Client {
    Client::connect(system.gateway.mqtt, &Hello::lasting(name)).unwrap().0
}

#[test]
fn a_number_and_json_are_stored_with_the_time_they_were_meant_to_have() {
    let mut system = System::start(&Options::default());
    let mut client = device(&system, "way-1");
    let before = now_ms();
    client.deliver("pantau/way-1/air_temperature", b"27.25", 1, 1);
    client.deliver("pantau/way-1", br#"{"relative_humidity": 81.5, "air_pressure": 1009.5}"#, 2, 2);
    let time = before - 90_000;
    let json = format!(r#"{{"time": "{}", "pm2_5": 12.5}}"#, rfc3339(time));
    client.deliver("pantau/way-1", json.as_bytes(), 1, 3);
    let local = format!(r#"{{"time": {}, "pm10": {{"value": 0.021, "unit": "mg/m3"}}}}"#, time + 1);
    client.deliver("pantau/way-1", local.as_bytes(), 1, 4);
    client.deliver("pantau/way-1/water_temperature/deep", b"26.5", 0, 0);
    let after = wait_for("QoS 0 to arrive", LIMIT, || {
        (system.gateway.metrics().count("pantau_gateway_accepted_total") >= 6).then(now_ms)
    });
    system.gateway.wait_drained(LIMIT);
    let http = system.ingest.http;
    for (series, value) in [
        ("way-1/air_temperature", 27.25),
        ("way-1/relative_humidity", 81.5),
        ("way-1/air_pressure", 1009.5),
        ("way-1/water_temperature/deep", 26.5),
    ] {
        let found = readings(http, series);
        assert!(
            matches!(found[..], [(time, v)] if v == value && (before..=after).contains(&time)),
            "{found:?}"
        );
    }
    assert_eq!(readings(http, "way-1/pm2_5"), [(time, 12.5)]);
    let pm10 = readings(http, "way-1/pm10");
    assert!(matches!(pm10[..], [(t, v)] if t == time + 1 && (v - 21.0).abs() < 1e-9), "{pm10:?}");
    let latest = get_items(http, "/api/v1/latest");
    let item = latest.iter().find(|item| item["series"] == "way-1/air_temperature").expect("a last value");
    assert_eq!(
        (&item["value"], &item["unit"], &item["state"]),
        (&27.25.into(), &"Cel".into(), &"fresh".into())
    );
}

#[test]
fn readings_that_are_not_stored_are_acked_and_shown_with_their_reason() {
    let mut system = System::start(&Options::default());
    let mut client = device(&system, "way-2");
    let future = format!(r#"{{"time": "{}", "pm2_5": 1}}"#, rfc3339(now_ms() + 3_600_000));
    // What is sent, and what the quarantine is to show of it: of what the gateway could not read, the topic and
    // the bytes; of what ingest refused, the series and the value.
    let refused: [(&str, &str, &str, &str, &str); 6] = [
        ("pantau/way-2", "{not json", "bad_payload", "pantau/way-2", "{not json"),
        ("pantau/way-2/pm10", "warm", "bad_payload", "pantau/way-2/pm10", "warm"),
        ("elsewhere/way-2/pm2_5", "1", "unknown_topic", "elsewhere/way-2/pm2_5", "1"),
        ("pantau/way-2/kadar_kopi", "3", "unknown_quantity", "way-2/kadar_kopi", "3"),
        ("pantau/way-2", r#"{"pm10": {"value": 4, "unit": "cups"}}"#, "unknown_unit", "way-2/pm10", "4"),
        ("pantau/way-2", &future, "time_in_future", "way-2/pm2_5", "1"),
    ];
    for (n, (topic, payload, ..)) in refused.iter().enumerate() {
        client.deliver(topic, payload.as_bytes(), 1, n as u16 + 1);
    }
    client.deliver("pantau/way-2/pm2_5", b"7", 1, 99);
    system.gateway.wait_drained(LIMIT);
    let http = system.ingest.http;
    let items = get_items(http, "/api/v1/quarantine");
    assert_eq!(items.len(), refused.len(), "{items:#?}");
    for (_, _, reason, topic, payload) in refused {
        let matches =
            |item: &&Value| item["reason"] == reason && item["topic"] == topic && item["payload"] == payload;
        assert!(
            items.iter().any(|item| matches(&item)),
            "{reason}: {payload} on {topic} is not in {items:#?}"
        );
    }
    assert_eq!(readings(http, "way-2/pm2_5").len(), 1, "what is fine is stored beside what is refused");
    assert_eq!(system.ingest.metrics().count("pantau_ingest_quarantined_total"), 6);
}

#[test]
fn doubtful_readings_are_stored_with_flags() {
    let mut system = System::start(&Options::default());
    let mut client = device(&system, "way-3");
    let late = now_ms() - 7_200_000;
    let json = format!(r#"{{"time": {late}, "air_temperature": 99.5}}"#);
    client.deliver("pantau/way-3", json.as_bytes(), 1, 1);
    client.deliver("pantau/way-3/pm2_5", b"17", 1, 2);
    system.gateway.wait_drained(LIMIT);
    let from = late - 1;
    let path =
        |series| format!("/api/v1/readings?series={series}&from={from}&to={}&step=raw", now_ms() + 1_000);
    let flags = |series| get_json(system.ingest.http, &path(series))["series"][0]["flags"].to_string();
    let doubtful = flags("way-3/air_temperature");
    assert!(doubtful.contains("out_of_range") && doubtful.contains("late"), "{doubtful}");
    let plain = flags("way-3/pm2_5");
    assert!(!plain.contains("late") && plain.contains("arrival_time"), "{plain}");
}

#[test]
fn a_redelivered_publish_is_stored_once_and_a_new_one_with_the_same_content_again() {
    let mut system = System::start(&Options::default());
    let topic = "pantau/way-4/rainfall";
    let hello = Hello::lasting("way-4");
    let mut client = device(&system, "way-4");
    client.deliver(topic, b"0.2", 1, 7);
    drop(client);
    for round in 0..3 {
        if round == 1 {
            system.gateway.part.kill();
            system.gateway.start();
        }
        let (mut client, present) = Client::connect(system.gateway.mqtt, &hello).unwrap();
        assert!(present, "the session is known");
        client.send(&publish(topic, b"0.2", 1, true, 7)).unwrap();
        assert_eq!(client.expect(), Packet::Puback(7));
    }
    system.gateway.wait_drained(LIMIT);
    assert_eq!(readings(system.ingest.http, "way-4/rainfall").len(), 1);
    let (mut client, _) = Client::connect(system.gateway.mqtt, &hello).unwrap();
    client.deliver(topic, b"0.2", 1, 7);
    client.deliver(topic, b"0.2", 1, 8);
    system.gateway.wait_drained(LIMIT);
    assert_eq!(readings(system.ingest.http, "way-4/rainfall").len(), 3);
}

#[test]
fn a_qos_2_publish_is_stored_once_until_it_is_released() {
    let mut system = System::start(&Options::default());
    let topic = "pantau/way-5/rainfall";
    let hello = Hello::lasting("way-5");
    let mut client = device(&system, "way-5");
    client.send(&publish(topic, b"0.4", 2, false, 3)).unwrap();
    assert_eq!(client.expect(), Packet::Pubrec(3));
    drop(client);
    system.gateway.part.kill();
    system.gateway.start();
    let (mut client, present) = Client::connect(system.gateway.mqtt, &hello).unwrap();
    assert!(present);
    // In the protocol the id alone says that it is the same, until PUBREL.
    client.send(&publish(topic, b"0.4", 2, true, 3)).unwrap();
    assert_eq!(client.expect(), Packet::Pubrec(3));
    client.send(&pubrel(3)).unwrap();
    assert_eq!(client.expect(), Packet::Pubcomp(3));
    client.send(&pubrel(3)).unwrap();
    assert_eq!(client.expect(), Packet::Pubcomp(3));
    client.deliver(topic, b"0.4", 2, 3);
    system.gateway.wait_drained(LIMIT);
    assert_eq!(readings(system.ingest.http, "way-5/rainfall").len(), 2);
}

#[test]
fn a_burst_of_untimed_readings_of_one_series_keeps_every_one() {
    let mut system = System::start(&Options::default());
    let mut client = device(&system, "way-6");
    let mut bytes = Vec::new();
    for n in 1..=500_u16 {
        bytes.extend(publish("pantau/way-6/pulses", n.to_string().as_bytes(), 1, false, n));
    }
    client.send(&bytes).unwrap();
    for n in 1..=500 {
        assert_eq!(client.expect(), Packet::Puback(n), "acks come in order");
    }
    system.gateway.wait_drained(LIMIT);
    let found = readings(system.ingest.http, "way-6/pulses");
    assert_eq!(
        found.iter().map(|(_, value)| *value as u16).collect::<Vec<_>>(),
        (1..=500).collect::<Vec<_>>()
    );
    assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0), "times rise strictly");
}

#[test]
fn a_committed_reading_is_pushed_to_the_live_stream() {
    let system = System::start(&Options::default());
    let mut events = Events::open(system.ingest.http, "/api/v1/live", Duration::from_secs(60));
    let mut client = device(&system, "way-7");
    let mut n = 0;
    let listener = pantau_e2e::clock::spawn("live", move || {
        while let Some(event) = events.next_event() {
            if event.name == "reading" && event.data.contains("way-7/sound_level") {
                return Some(event.data);
            }
        }
        None
    });
    wait_until("the event", LIMIT, || {
        n += 1;
        client.deliver("pantau/way-7/sound_level", b"55.5", 1, n);
        listener.is_finished()
    });
    let data: Value = serde_json::from_str(&listener.join().unwrap().expect("an event")).unwrap();
    let items = data.as_array().cloned().unwrap_or_else(|| vec![data.clone()]);
    let item = items.iter().find(|item| item["series"] == "way-7/sound_level").expect("the series");
    assert_eq!((&item["value"], &item["quantity"]), (&55.5.into(), &"sound_level".into()));
}

#[test]
fn a_subscription_to_other_devices_is_refused_and_to_the_gateways_own_messages_granted() {
    let system = System::start(&Options::default());
    let mut client = device(&system, "way-8");
    client.send(&subscribe(1, "pantau/way-9/#", 1)).unwrap();
    assert_eq!(client.expect(), Packet::Suback(1, vec![0x80]));
    client.send(&subscribe(2, "pantau/cmd/way-8/#", 1)).unwrap();
    assert!(matches!(client.expect(), Packet::Suback(2, codes) if codes[0] <= 1));
}
