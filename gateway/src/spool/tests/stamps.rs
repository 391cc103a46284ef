//! Arrival stamps: rising, and never far ahead.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use pantau_proto::v1::Reason;

use super::*;
use crate::decode::UNTIMED;
use crate::figures::value;

/// Stamps `count` untimed readings of one series; how many came too fast, and the last stamp.
fn stamp(stamps: &mut Stamps, series: &str, count: usize, arrival: i64) -> (usize, Option<i64>) {
    let mut columns = Columns::default();
    for _ in 0..count {
        columns.push_series(series, 1.0).unwrap();
    }
    match stamps.stamp(&mut columns, TimeMs(arrival)) {
        Ok(_) => (0, columns.times.last().copied()),
        Err(too_fast) => {
            assert!(columns.times.iter().all(|time| *time == UNTIMED), "nothing is stamped");
            (too_fast.len(), None)
        }
    }
}

#[test]
fn untimed_readings_of_one_series_never_share_a_time_even_when_the_clock_goes_back() {
    let files = SimFiles::new();
    let mut opened = reopen(&files);
    for arrival in [1_000, 1_000, 500, 2_000] {
        drop(submit(&opened.spool, "pantau/a/pm10", "1", arrival));
    }
    drop(submit(&opened.spool, "pantau/b/pm10", "1", 1_000));
    while opened.committer.commit_once().unwrap() {}
    drop(opened);
    let mut opened = reopen(&files.kill());
    drop(submit(&opened.spool, "pantau/a/pm10", "1", 10));
    drop(submit(&opened.spool, "pantau/new/pm10", "1", 10));
    while opened.committer.commit_once().unwrap() {}
    let times: Vec<i64> = contents(&opened.spool).into_iter().map(|(_, _, time, _)| time).collect();
    assert_eq!(times, [1_000, 1_001, 1_002, 2_000, 1_000, 2_001, 2_001]);
}

#[test]
fn stamps_stay_bounded_and_rising_when_there_are_very_many_series() {
    let mut stamps = Stamps::new(0, 0, 0);
    for n in 0..120_000 {
        stamp(&mut stamps, &format!("d{n}/pm10"), 1, 5);
    }
    let first = stamp(&mut stamps, "d0/pm10", 1, 5).1;
    assert!(first > Some(5) && stamp(&mut stamps, "d0/pm10", 1, 5).1 > first);
}

#[test]
fn a_series_that_is_too_fast_gets_no_further_ahead_than_a_minute_and_harms_no_other() {
    let start = 1_800_000_000_000;
    let mut stamps = Stamps::new(0, 0, 0);
    assert_eq!(stamp(&mut stamps, "a/pm10", 60_001, start), (0, Some(start + 60_000)));
    assert_eq!(stamp(&mut stamps, "a/pm10", 3, start), (3, None));
    assert_eq!(stamp(&mut stamps, "a/pm10", 3, start + 2), (1, None));
    assert_eq!(stamp(&mut stamps, "a/pm10", 2, start + 2), (0, Some(start + 60_002)), "what was taken back");
    assert_eq!(stamp(&mut stamps, "b/pm10", 1, start + 2), (0, Some(start + 2)));
    // After a restart everything stands behind the floor, which is no more than the minute ahead.
    let mut stamps = Stamps::new(start + 60_002, start + 2, 0);
    assert_eq!(stamp(&mut stamps, "b/pm10", 1, start + 1_000), (0, Some(start + 60_003)));
    // A clock that went back crawls, and is not called too fast.
    assert_eq!(stamp(&mut stamps, "b/pm10", 1, start - 86_400_000), (0, Some(start + 60_004)));
}

#[test]
fn what_comes_too_fast_is_refused_with_its_bytes_and_the_rest_is_taken() {
    let files = SimFiles::new();
    let bounds = Bounds { segment_bytes: 1 << 20, max_bytes: 64 << 20, pending_bytes: 32 << 20, ..bounds() };
    let mut opened = reopen_with(&files, bounds);
    let door = intake(&opened.spool);
    let start = 1_800_000_000_000;
    let fast = vec![frame("pantau/a/pm10", b"7", start, None); 15_000];
    for _ in 0..4 {
        drop(door.submit("c", &fast).unwrap());
    }
    let mixed = [
        frame("pantau/a", br#"{"pm10":1,"pm2_5":2}"#, start, None),
        frame("pantau/b/pm10", b"3", start, None),
        frame("pantau/a", br#"{"pm10":4,"pm2_5":5}"#, start, key(9, 9, Delivery::AtLeastOnce)),
        frame("pantau/c", br#"{"time":1800000000000,"pm10":6}"#, start, None),
    ];
    drop(door.submit("c", &mixed).unwrap());
    while opened.committer.commit_once().unwrap() {}
    assert_eq!(value(&opened.spool.counters().quarantined), 1);
    let mut reader = opened.spool.journal().reader(Position(60_000));
    let record = std::iter::from_fn(|| reader.next().unwrap())
        .map(|raw| Record::decode(raw.bytes.as_slice()).unwrap())
        .find(|record| !record.refused.is_empty())
        .unwrap();
    assert_eq!(record.values, [1.0, 2.0, 3.0, 6.0]);
    let RefusedPayload { offset, topic, payload, reason, .. } = &record.refused[0];
    assert_eq!((*offset, topic.as_str(), *reason), (3, "pantau/a", i32::from(Reason::TooFast)));
    assert_eq!(payload, br#"{"pm10":4,"pm2_5":5}"#);
    assert_eq!((record.ids, record.source.as_str()), (vec![9], "c"), "a repeat is known");
}

#[test]
fn a_full_spool_that_is_asked_again_and_again_uses_up_no_stamps() {
    let files = SimFiles::new();
    let mut opened = reopen(&files);
    let door = intake(&opened.spool);
    let frames = vec![frame("pantau/a/pm10", b"1", 1_000, None); 100];
    let mut taken = 0;
    while let Ok(ticket) = door.submit("c", &frames) {
        drop(ticket);
        taken += 100;
        while opened.committer.commit_once().unwrap() {}
    }
    for _ in 0..1_000 {
        assert_eq!(door.submit("c", &frames).unwrap_err(), SubmitError::Full);
    }
    let mut columns = Columns::default();
    columns.push_series("a/pm10", 1.0).unwrap();
    opened.spool.stamp(&mut columns, TimeMs(1_000)).unwrap();
    assert_eq!(columns.times, [1_000 + taken]);
}
