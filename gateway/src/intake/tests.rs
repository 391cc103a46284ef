#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::task::Waker;

use pantau_journal::Position;
use pantau_journal::sim::SimFiles;
use pantau_proto::Flags;
use prost::Message as _;

use super::types::Rights;
use super::*;
use crate::figures::value;
use crate::spool::tests::{frame, intake, key, reopen};
use crate::spool::{Cursor, Item};

fn poll(ticket: &mut SpoolTicket) -> Poll<Result<(), Failed>> {
    Pin::new(ticket).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn an_ack_never_leaves_before_the_sync() {
    let mut opened = reopen(&SimFiles::new());
    let door = intake(&opened.spool);
    let mut ticket = door.submit("c", &[frame("pantau/a/pm10", b"1", 1, None)]).unwrap();
    let mut session = door.session(SessionEvent::Started { client: "c", expiry_s: 1 }).unwrap();
    assert!(poll(&mut ticket).is_pending() && poll(&mut session).is_pending());
    while opened.committer.commit_once().unwrap() {}
    assert!(poll(&mut ticket).is_ready() && poll(&mut session).is_ready());
}

#[test]
fn deliveries_are_journaled_with_their_readings_and_poison_takes_a_position() {
    let mut opened = reopen(&SimFiles::new());
    let door = intake(&opened.spool);
    let timed = br#"{"time":1800000000000,"pm10":1}"#;
    let frames = [
        frame("pantau/a", timed, 1, key(1, 11, Delivery::AtLeastOnce)),
        frame("pantau/a/pm10", b"2", 1, key(2, 22, Delivery::AtLeastOnce)),
        frame("pantau/a/pm10", b"poison", 1, key(3, 33, Delivery::AtLeastOnce)),
        frame("pantau/a/pm10", b"4", 1, key(4, 44, Delivery::ExactlyOnce)),
        frame("pantau/a/pm10", b"5", 1, None),
        frame("pantau/a", br#"{"pm10":6}"#, 1, key(6, 66, Delivery::AtLeastOnce)),
    ];
    drop(door.submit("c", &frames).unwrap());
    while opened.committer.commit_once().unwrap() {}
    assert_eq!(opened.spool.journal().synced(), Position(6));
    assert_eq!((value(&door.counters().accepted), value(&door.counters().quarantined)), (6, 1));
    let raw = std::iter::from_fn({
        let mut reader = opened.spool.journal().reader(Position(0));
        move || reader.next().unwrap()
    });
    let record = raw
        .filter(|raw| raw.count == 6)
        .map(|raw| Record::decode(raw.bytes.as_slice()).unwrap())
        .next()
        .unwrap();
    assert_eq!((record.refused[0].offset, record.source.as_str()), (2, "c"));
    assert_eq!((record.ids, record.hashes, record.held), (vec![1, 2, 3, 6], vec![11, 22, 33, 66], vec![4]));
}

#[test]
fn a_huge_refused_payload_is_kept_only_in_part_and_says_so() {
    let long = vec![b'x'; 100_000];
    let topic = "t/".repeat(5_000);
    let refusal = Refusal::new(pantau_proto::v1::Reason::BadPayload, "no number");
    let kept = refused(3, &frame(&topic, &long, 1, None), refusal);
    assert_eq!((kept.payload.len(), kept.topic.len(), kept.offset), (MAX_REFUSED_BYTES, MAX_TOPIC_BYTES, 3));
    assert!(kept.detail.contains("of 100000 bytes"), "{}", kept.detail);
}

#[test]
fn a_slice_with_too_many_readings_is_to_be_split_and_nothing_of_it_is_taken() {
    let opened = reopen(&SimFiles::new());
    let door = intake(&opened.spool);
    let members: Vec<String> = (0..1_000).map(|n| format!("\"pm10/c{n}\":{n}")).collect();
    let payload = format!("{{{}}}", members.join(","));
    let frames = [frame("pantau/a", payload.as_bytes(), 1, None); 21];
    assert_eq!(door.submit("c", &frames).unwrap_err(), SubmitError::TooLarge);
    assert_eq!(value(&door.counters().accepted), 0);
}

#[test]
fn what_the_gateway_measures_itself_has_the_time_of_the_poll_and_its_unit() {
    let mut opened = reopen(&SimFiles::new());
    let door = intake(&opened.spool);
    let measured = |series, unit, value, flags| Measured { series, unit, value, flags };
    let readings = [
        measured("plc-1/power", "kW", 1.5, Flags::NONE),
        measured("plc-1/voltage/l1", "", f64::NAN, Flags::NONE),
        measured("plc-1/voltage/l2", "", 230.0, Flags::BAD_QUALITY),
    ];
    let mut ticket = door.measured("plc-1", &readings, TimeMs(5_000)).unwrap();
    assert!(poll(&mut ticket).is_pending());
    assert_eq!((value(&door.counters().accepted), value(&door.counters().quarantined)), (3, 1));
    // At the same moment again, and with a clock that went back: stamps rise.
    for at in [5_000, 4_000] {
        drop(door.measured("plc-1", &readings[..1], TimeMs(at)).unwrap());
    }
    while opened.committer.commit_once().unwrap() {}
    assert!(poll(&mut ticket).is_ready());
    let mut reader = opened.spool.journal().reader(Position(0));
    let mut told = Vec::new();
    while let Some(raw) = reader.next().unwrap() {
        let mut cursor = Cursor::new(raw.first.0, Record::decode(raw.bytes.as_slice()).unwrap());
        while let Some(item) = cursor.next() {
            told.push(match item {
                Item::Reading(series, unit, reading) => {
                    let flags: Vec<&str> = reading.flags.names().collect();
                    format!("{series} {} {unit} at {} {}", reading.value, reading.time.0, flags.join(" "))
                }
                Item::Refused(refused) => format!("{}: {}", refused.topic, refused.detail),
            });
        }
    }
    assert_eq!(
        told,
        [
            "plc-1/power 1.5 kW at 5000 arrival_time",
            "plc-1/voltage/l1: plc-1/voltage/l1: the value is not a finite number",
            "plc-1/voltage/l2 230  at 5000 arrival_time bad_quality",
            "plc-1/power 1.5 kW at 5001 arrival_time",
            "plc-1/power 1.5 kW at 5002 arrival_time",
        ]
    );
}

#[test]
fn what_a_source_may_not_send_is_refused_with_its_bytes_and_counted_and_the_rest_is_taken() {
    let mut opened = reopen(&SimFiles::new());
    let door = intake(&opened.spool);
    let rights = Rights::new("a", &[], &[]);
    let frames = [
        frame("pantau/a/pm10", b"1", 1, None),
        frame("pantau/b/pm10", b"2", 1, None),
        frame("pantau/a/pm10", b"poison", 1, None),
        frame("pantau/a/ph", b"7", 1, None),
    ];
    let taken = door.submit_of(Source { name: "c", rights: Some(&rights) }, &frames).unwrap();
    assert_eq!(taken.not_allowed, [1]);
    while opened.committer.commit_once().unwrap() {}
    let counters = door.counters();
    let counted = [&counters.accepted, &counters.quarantined, &counters.not_allowed].map(value);
    assert_eq!(counted, [4, 2, 1]);
    let mut reader = opened.spool.journal().reader(Position(0));
    let records = std::iter::from_fn(move || reader.next().unwrap());
    let record = records
        .filter(|raw| raw.count == 4)
        .map(|raw| Record::decode(raw.bytes.as_slice()).unwrap())
        .next()
        .unwrap();
    let refused = &record.refused[0];
    assert_eq!((refused.topic.as_str(), refused.payload.as_slice()), ("pantau/b/pm10", &b"2"[..]));
    assert_eq!(refused.reason, i32::from(Reason::NotAllowed));
    assert!(refused.detail.contains("may not publish for device \"b\""), "{}", refused.detail);
}
