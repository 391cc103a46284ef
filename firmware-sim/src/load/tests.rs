#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use pantau_proto::wire::{Limits, decode_batch, times};
use pantau_proto::{SeriesName, TimeMs, quantity};
use proptest::prelude::*;

use super::LoadError;
use super::batches::Batches;
use super::packet::{Incoming, Incomings, Template, connect};
use super::sender::{Pace, Sender};
use crate::text::time_text;

/// 2026-11-24T04:46:51.123Z
const WALL: TimeMs = TimeMs(1_795_495_611_123);

#[test]
fn connect_is_as_the_standard_says() {
    assert_eq!(connect("c1", None), b"\x10\x0e\0\x04MQTT\x04\x02\x01\x2c\0\x02c1");
    assert_eq!(
        connect("c1", Some(&("u".into(), "pw".into()))),
        b"\x10\x15\0\x04MQTT\x04\xc2\x01\x2c\0\x02c1\0\x01u\0\x02pw"
    );
}

#[test]
fn publish_is_as_the_standard_says_and_its_payload_is_our_own_json() {
    let mut out = vec![];
    Template::new("pantau/a", true, 60).write(&mut out, 0x0102, &time_text(WALL), 273);
    let mut wanted = b"\x32\x48\0\x08pantau/a\x01\x02".to_vec();
    wanted.extend(br#"{"time":"2026-11-24T04:46:51.123Z","air_temperature":27.3  }"#);
    assert_eq!(out, wanted);

    let mut out = vec![];
    Template::new("pantau/a", false, 200).write(&mut out, 7, &time_text(WALL), 105);
    // 2 + 8 + 200 bytes take two bytes of length; no packet id at QoS 0.
    assert_eq!(&out[..13], b"\x30\xd2\x01\0\x08pantau/a");
    assert!(out.ends_with(b" }") && out.len() == 3 + 2 + 8 + 200);
    assert!(String::from_utf8_lossy(&out).contains(r#""air_temperature":10.5 "#));
}

#[test]
fn every_payload_is_valid_json() {
    for tenths in [200, 273, 999] {
        let mut out = vec![];
        Template::new("t", false, 0).write(&mut out, 0, &time_text(WALL), tenths);
        let payload: serde_json::Value = serde_json::from_slice(&out[5..]).unwrap();
        assert_eq!(payload["air_temperature"].as_f64(), Some(tenths as f64 / 10.0));
        assert_eq!(payload["time"], "2026-11-24T04:46:51.123Z");
    }
}

proptest! {
    #[test]
    fn acks_are_read_however_the_bytes_are_cut(
        ids in prop::collection::vec(any::<u16>(), 0..50),
        cuts in prop::collection::vec(1_usize..9, 1..20),
    ) {
        let mut bytes = b"\x20\x02\0\0".to_vec();
        for id in &ids {
            bytes.extend(b"\x40\x02");
            bytes.extend(id.to_be_bytes());
            bytes.extend(b"\xd0\0");
        }
        let mut wanted = vec![Incoming::ConnAck(0)];
        wanted.extend(ids.iter().copied().map(Incoming::PubAck));
        let (mut incomings, mut got, mut rest) = (Incomings::default(), vec![], &bytes[..]);
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            incomings.feed(now, |packet| got.push(packet)).unwrap();
            rest = later;
        }
        prop_assert_eq!(got, wanted);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = Incomings::default().feed(&bytes, |_| {});
    }
}

#[test]
fn bytes_that_are_no_mqtt_are_refused() {
    for bytes in [&b"\x40\xff\xff\xff\xff\x01"[..], b"\x40\xff\xff\xff\x7f", b"\x40\x01\0"] {
        assert!(matches!(Incomings::default().feed(bytes, |_| {}), Err(LoadError::Packet(_))));
    }
}

/// The (id, time) of each publish in `bytes`, all of one size.
fn publishes(sender: &mut Sender) -> Vec<(u16, String, String)> {
    let bytes = sender.pending().to_vec();
    sender.wrote(bytes.len());
    let size = 2 + usize::from(*bytes.get(1).unwrap_or(&0));
    let read = |packet: &[u8]| {
        let topic = String::from_utf8(packet[4..5].to_vec()).unwrap();
        let time = String::from_utf8(packet[16..40].to_vec()).unwrap();
        (u16::from_be_bytes([packet[5], packet[6]]), topic, time)
    };
    bytes.chunks(size).map(read).collect()
}

fn sender(window: u16, pace: Pace, messages: u64) -> Sender {
    let templates = ["a", "b"].map(|topic| Template::new(topic, true, 0)).to_vec();
    Sender::new(templates, window, true, pace, messages)
}

proptest! {
    #[test]
    fn the_window_holds_ids_are_never_used_twice_and_times_rise(
        window in 1_u16..20,
        acks in prop::collection::vec(any::<prop::sample::Index>(), 1..300),
    ) {
        let mut sender = sender(window, Pace::Closed, 200);
        let mut flying = BTreeSet::new();
        let mut times: BTreeMap<String, String> = BTreeMap::new();
        let mut sent = 0;
        for (round, ack) in acks.iter().enumerate() {
            sender.fill(round as u64, WALL);
            for (id, topic, time) in publishes(&mut sender) {
                prop_assert!(flying.insert(id), "id {} is in flight", id);
                prop_assert!(times.insert(topic, time.clone()).is_none_or(|last| last < time));
                sent += 1;
            }
            prop_assert!(flying.len() >= usize::from(window - window / 4) || sent == 200);
            if flying.is_empty() {
                break;
            }
            let id = *flying.iter().nth(ack.index(flying.len())).unwrap();
            flying.remove(&id);
            prop_assert!(sender.incoming(Incoming::PubAck(id), round as u64));
            prop_assert!(!sender.incoming(Incoming::PubAck(id), round as u64), "a second ack is none");
        }
        prop_assert_eq!(sender.is_done(), sent == 200 && flying.is_empty());
    }
}

#[test]
fn a_paced_sender_owes_what_the_window_held_up_and_counts_it_from_then() {
    let mut sender = sender(2, Pace::Every { interval: 10.0, first: 100 }, 4);
    sender.fill(99, WALL);
    assert!(sender.pending().is_empty());
    assert_eq!(sender.next_due(), Some(100));
    // At 125 the first three are due; the window lets two go.
    sender.fill(125, WALL);
    let ids: Vec<u16> = publishes(&mut sender).into_iter().map(|(id, ..)| id).collect();
    assert_eq!((ids.len(), sender.next_due()), (2, Some(130)));
    sender.incoming(Incoming::PubAck(ids[0]), 200);
    sender.fill(200, WALL);
    let ids: Vec<u16> = publishes(&mut sender).into_iter().map(|(id, ..)| id).collect();
    assert_eq!(ids.len(), 1, "the third, due since 125");
    sender.incoming(Incoming::PubAck(ids[0]), 225);
    assert_eq!(sender.latency.quantile(1.0), 100, "200 - 125 and 225 - 125");
    sender.finish();
    assert_eq!((sender.sent, sender.in_flight(), sender.next_due()), (3, 1, None));
}

#[test]
fn batches_are_current_unique_and_plausible() {
    let now = WALL.0;
    let mut batches = Batches::new(100, 5, now).unwrap();
    let mut seen = BTreeSet::new();
    let mut names = vec![];
    for number in 0..2 {
        let batch = batches.next(250).unwrap();
        assert_eq!((batch.first, batch.count), (250 * number, 250));
        let body = decode_batch(&batch, Limits::default()).unwrap();
        names.extend(body.new_series.iter().map(|series| SeriesName::new(&series.name).unwrap()));
        for ((series, time), value) in body.series.iter().zip(times(&body)).zip(&body.values) {
            assert!(seen.insert((*series, time)), "an identity twice");
            assert!(time <= now && time > now - 120_000);
            assert!(quantity(names[*series as usize].quantity()).unwrap().is_plausible(*value));
        }
    }
    assert_eq!((names.len(), seen.len()), (100, 500));
}
