//! What the writer makes of each answer, and what the store makes of that.

use std::time::Duration;

use pantau_databases::standin::Fault;
use pantau_proto::{Epoch, GatewayId, v1::Reason};
use tokio_util::sync::CancellationToken;

use super::support::{Database, NOW, commit, named};
use crate::clock::Clock;
use crate::store::remote::line::Place;
use crate::store::remote::{Opened, Server};
use crate::store::types::{Refused, SeriesId};
use crate::store::{Names, Store, StoreError, StoreReader};

/// `count` readings of series 0, a second apart.
fn readings(count: u32) -> Vec<(u32, i64, f64)> {
    (0..count).map(|at| (0, NOW + i64::from(at) * 1_000, f64::from(at))).collect()
}

fn stored(database: &Database, name: &str) -> Vec<f64> {
    database.values(name).into_iter().map(|(_, value)| value).collect()
}

fn upto(count: u32) -> Vec<f64> {
    (0..count).map(f64::from).collect()
}

/// From now on a real influxd refuses the series dev/taken: somebody else made its field an integer.
fn conflict(database: &Database) {
    let line = format!("taken,device=dev value=1i {NOW}\n");
    assert_eq!(database.influxd.write(line.as_bytes()).0, 204);
}

#[test]
fn what_a_server_takes_later_is_sent_again_until_it_does() {
    let database = Database::start();
    let writer = database.writer();
    let busy = [503, 429, 500, 408].map(Fault::Status);
    for (number, faults) in
        [busy.as_slice(), &[Fault::Cut, Fault::Cut], &[Fault::TakenAndCut]].iter().enumerate()
    {
        database.standin.fail(faults);
        let name = format!("dev/q{number}");
        assert_eq!(database.write(&writer, commit(0, &readings(100)), &[&name]), Ok(vec![]));
        assert_eq!(stored(&database, &name), upto(100));
        assert_eq!(writer.alarm.shown(), None, "it is over");
    }
}

#[test]
fn a_body_that_is_too_large_is_split() {
    let database = Database::start();
    database.standin.tell(|told| told.most = Some(500));
    assert_eq!(database.write(&database.writer(), commit(0, &readings(1_000)), &["dev/q"]), Ok(vec![]));
    assert_eq!(stored(&database, "dev/q"), upto(1_000));
    assert!(database.standin.tell(|told| told.taken) > 50);

    database.standin.tell(|told| told.most = Some(5));
    let refused = database.write(&database.writer(), commit(0, &[(0, NOW, 1.0)]), &["dev/r"]).unwrap();
    assert_eq!(refused.iter().map(|refusal| refusal.reason).collect::<Vec<_>>(), [Reason::TooLarge]);
}

#[test]
fn only_the_lines_that_a_server_refuses_are_refused() {
    let database = Database::start();
    conflict(&database);
    let mut all = commit(0, &readings(300));
    for at in [0, 7, 150, 299] {
        all.readings.series[at] = SeriesId(1);
    }
    let refused = database.write(&database.writer(), all, &["dev/q", "dev/taken"]).unwrap();
    let places: Vec<usize> = refused.iter().map(|refusal| refusal.place.reading).collect();
    assert_eq!(
        {
            let mut places = places;
            places.sort_unstable();
            places
        },
        [0, 7, 150, 299]
    );
    assert!(refused.iter().all(|refusal| refusal.reason == Reason::BadPayload));
    assert!(refused[0].detail.contains("field type conflict"), "{}", refused[0].detail);
    assert_eq!(stored(&database, "dev/q").len(), 296);

    // The same when there is nothing else than what is refused: the probe tells that the server is not at fault.
    let alone = database.write(&database.writer(), commit(0, &[(0, NOW, 1.0)]), &["dev/taken"]).unwrap();
    assert_eq!(alone[0].place, Place { commit: 0, reading: 0 });
}

#[test]
fn a_line_that_a_server_finds_well_formed_and_still_refuses_is_found_in_its_body() {
    let database = Database::start();
    for status in [422, 400] {
        database.standin.tell(|told| told.poison = Some((status, "device=bad".to_owned())));
        let mut all = commit(0, &readings(300));
        for at in [3, 4, 298] {
            all.readings.series[at] = SeriesId(1);
        }
        let name = format!("dev/q{status}");
        let refused = database.write(&database.writer(), all, &[&name, "bad/q"]).unwrap();
        let mut places: Vec<usize> = refused.iter().map(|refusal| refusal.place.reading).collect();
        places.sort_unstable();
        assert_eq!(places, [3, 4, 298]);
        let said = format!("the database refused it: {status}");
        assert!(refused.iter().all(|refusal| refusal.reason == Reason::BadPayload), "{refused:?}");
        assert!(refused.iter().all(|refusal| refusal.detail.starts_with(&said)), "{refused:?}");
        assert_eq!(stored(&database, &name).len(), 297);
    }
    assert_eq!(stored(&database, "bad/q"), [] as [f64; 0]);
}

#[test]
fn a_large_body_that_is_cut_in_the_middle_is_sent_again() {
    let database = Database::start();
    let mut writer = database.writer();
    (writer.bounds.lines, writer.bounds.bytes) = (100_000, 16 << 20);
    database.standin.fail(&[Fault::Cut, Fault::Status(503), Fault::Cut]);
    assert_eq!(database.write(&writer, commit(0, &readings(50_000)), &["dev/q"]), Ok(vec![]));
    assert_eq!(stored(&database, "dev/q"), upto(50_000));
    assert_eq!(database.standin.tell(|told| (told.requests, told.taken)), (4, 1));
}

#[test]
fn a_server_that_takes_nothing_makes_nobody_quarantine_what_is_right() {
    let database = Database::start();
    let writer = database.writer();
    for status in [422, 400] {
        database.standin.tell(|told| told.always = Some(status));
        let error = database.write(&writer, commit(0, &readings(100)), &["dev/q"]).unwrap_err();
        assert!(error.starts_with(&status.to_string()), "{error}");
        assert_eq!(writer.alarm.shown(), Some(error));
    }
    database.standin.tell(|told| told.always = None);
    assert_eq!(database.write(&writer, commit(0, &readings(100)), &["dev/q"]), Ok(vec![]));
    assert_eq!(writer.alarm.shown(), None);
}

#[test]
fn a_wrong_token_organization_or_bucket_stops_the_writer_and_is_shown() {
    let database = Database::start();
    let right = database.server();
    let wrong = [
        ("401", Server { token: pantau_settings::Secret::new("another"), ..right.clone() }, "store.token"),
        ("404", Server { org: "desa".to_owned(), ..right.clone() }, "store.org"),
        ("404", Server { bucket: "none".to_owned(), ..right.clone() }, "store.bucket"),
    ];
    for (status, server, key) in wrong {
        let mut writer = database.writer();
        (writer.client, writer.bucket) = (server.writing().unwrap(), server.bucket.clone());
        let before = database.standin.tell(|told| told.requests);
        let error = database.write(&writer, commit(0, &readings(10)), &["dev/q"]).unwrap_err();
        assert!(error.starts_with(status) && error.contains(key), "{error}");
        assert_eq!(database.standin.tell(|told| told.requests) - before, 1, "once is enough");
        assert!(!error.contains("another") && writer.alarm.shown().is_some());
    }
    database.standin.tell(|told| told.always = Some(403));
    assert!(
        database.write(&database.writer(), commit(0, &readings(10)), &["dev/q"]).unwrap_err().contains("403")
    );
    assert_eq!(stored(&database, "dev/q"), [] as [f64; 0]);
}

#[test]
fn a_server_that_takes_nothing_for_long_is_not_waited_for() {
    let database = Database::start();
    let mut writer = database.writer();
    writer.bounds.patience = Duration::from_millis(300);
    for fault in [Fault::Slow(Duration::from_secs(9)), Fault::Status(503)] {
        database.standin.fail(&[fault; 1_000]);
        let write = || database.write(&writer, commit(0, &readings(10)), &["dev/q"]).unwrap_err();
        assert!(Clock::system().timed(write).1 < Duration::from_secs(3));
        assert!(writer.alarm.shown().is_some());
    }
    // One that is slow but moves on is waited for.
    database.standin.fail(&[Fault::Slow(Duration::from_millis(100)); 10]);
    writer.bounds.lines = 10;
    assert_eq!(database.write(&writer, commit(0, &readings(100)), &["dev/q"]), Ok(vec![]));
    assert_eq!(stored(&database, "dev/q"), upto(100));
}

#[test]
fn of_two_readings_of_one_time_the_later_one_stands_whatever_fails() {
    let database = Database::start();
    let mut writer = database.writer();
    writer.bounds.lines = 3;
    let mut twice = readings(50);
    twice.extend((0..50).map(|at| (0, NOW + at * 1_000, -1.0 - at as f64)));
    database.standin.fail(&[503, 503, 429].map(Fault::Status));
    assert_eq!(database.write(&writer, commit(0, &twice), &["dev/q"]), Ok(vec![]));
    let expected: Vec<f64> = (0..50).map(|at| -1.0 - f64::from(at)).collect();
    assert_eq!(stored(&database, "dev/q"), expected);
}

#[test]
fn after_the_stop_the_database_is_waited_for_a_moment_only() {
    let database = Database::start();
    let writer = database.writer();
    database.stop.cancel();
    // What it takes at once is still taken.
    assert_eq!(database.write(&writer, commit(0, &readings(10)), &["dev/q"]), Ok(vec![]));
    database.standin.fail(&[Fault::Status(503); 1_000]);
    let write = || {
        for _ in 0..5 {
            database.write(&writer, commit(0, &readings(10)), &["dev/q"]).unwrap_err();
        }
    };
    assert!(Clock::system().timed(write).1 < Duration::from_secs(2));
}

#[test]
fn refused_readings_go_to_the_quarantine_with_their_positions() {
    let database = Database::start();
    conflict(&database);
    let Opened { mut store, reader, flusher, .. } = database.open();
    let mut first = commit(10, &[(0, NOW, 1.0), (1, NOW, 2.0), (0, NOW + 1, 3.0)]);
    first.new_series = vec![named(0, "dev/q"), named(1, "dev/taken")];
    // Positions 10 to 14: reading, refused by the gateway, reading, reading that the database refuses…
    first.ranges[0] = 10..14;
    first.refused = vec![Refused { position: 11, ..Refused::default() }];
    // …and of the second commit 13 is committed by then, 14 and 16 are readings, 15 is refused by the gateway.
    let mut second = commit(13, &[(0, NOW + 2, 4.0), (1, NOW + 3, 5.0)]);
    second.ranges[0] = 13..17;
    second.refused = vec![Refused { position: 15, ..Refused::default() }];
    assert_eq!(store.append(&[first, second]).unwrap(), 2);
    let amended = store.amended();
    let refused = |at: usize| -> Vec<(u64, String)> {
        amended[at].1.refused.iter().map(|refused| (refused.position, refused.topic.clone())).collect()
    };
    assert_eq!((amended[0].0, refused(0)), (0, vec![(11, String::new()), (12, "dev/taken".to_owned())]));
    assert_eq!((amended[1].0, refused(1)), (1, vec![(15, String::new()), (16, "dev/taken".to_owned())]));
    assert_eq!(amended[0].1.readings.values, [1.0, 3.0]);
    let counters = reader.counters();
    assert_eq!((counters.readings, counters.stored, counters.refused, counters.pending()), (3, 3, 4, 0));
    assert_eq!(stored(&database, "dev/q"), [1.0, 3.0, 4.0]);
    assert_eq!(store.amended().len(), 0, "said once");

    // The journal has them too, without the readings.
    drop((store, reader, flusher));
    let mut seen = Vec::new();
    let config = super::support::control_of(&database);
    let again = crate::store::embedded::open(pantau_journal::StdFiles::default(), config, &mut |replayed| {
        seen.extend(replayed.commit.refused.iter().map(|refused| refused.position));
        assert!(replayed.commit.readings.is_empty());
    });
    assert_eq!((seen, again.unwrap().reader.counters()), (vec![11, 12, 15, 16], counters));
}

#[test]
fn a_database_that_is_away_costs_nothing_that_was_not_acked() {
    let database = Database::start();
    let Opened { mut store, reader, .. } = database.open();
    store.writer.bounds.patience = Duration::from_millis(100);
    let mut first = commit(0, &readings(3));
    first.new_series = vec![named(0, "dev/q")];
    database.standin.tell(|told| told.always = Some(503));
    for _ in 0..2 {
        let error = store.append(std::slice::from_ref(&first)).unwrap_err();
        assert!(matches!(&error, StoreError::Unavailable(_)) && error.is_retryable(), "{error}");
        assert!(reader.trouble().unwrap().contains("503"));
        assert_eq!((store.next_series(), reader.find("dev/q")), (SeriesId(0), None));
        assert!(reader.ranges(&GatewayId::new("gw-1").unwrap(), Epoch(1)).iter().next().is_none());
    }
    // The number goes to another name; nothing of the old one is left.
    database.standin.tell(|told| told.always = None);
    first.new_series = vec![named(0, "dev/r")];
    assert_eq!(store.append(std::slice::from_ref(&first)).unwrap(), 1);
    assert_eq!((stored(&database, "dev/r"), stored(&database, "dev/q")), (upto(3), vec![]));
    assert_eq!(reader.trouble(), None);
    assert!(!CancellationToken::is_cancelled(&database.stop));
}

#[test]
fn the_newest_readings_are_known_again_after_a_restart() {
    let database = Database::start();
    let Opened { mut store, .. } = database.open();
    let mut all = commit(0, &[(0, NOW, 1.0), (1, NOW + 5, 2.0), (2, NOW, 3.0), (0, NOW + 9, 4.0)]);
    all.new_series = vec![named(0, "dev/q"), named(1, "dev/q/left"), named(2, "other/r")];
    all.readings.flags = vec![0, 0, 0, 64];
    assert_eq!(store.append(&[all]).unwrap(), 1);
    drop(store);
    let Opened { reader, loader, .. } = database.open();
    let series = [SeriesId(0), SeriesId(1), SeriesId(2), SeriesId(3)];
    assert_eq!(reader.latest(&series), [None; 4]);
    database.runtime.block_on(loader.try_load()).unwrap();
    let latest = reader.latest(&series);
    let known: Vec<_> = latest.iter().flatten().map(|point| (point.time, point.value, point.flags)).collect();
    assert_eq!(known, [(NOW + 9, 4.0, 64), (NOW + 5, 2.0, 0), (NOW, 3.0, 0)]);
    let info = reader.info(SeriesId(0)).unwrap();
    // Of how many there are neither the commits since the start nor the newest reading tell.
    assert_eq!((info.first, info.last, info.points), (Some(NOW), Some(NOW + 9), None));
}
