//! Nothing that was acked is missing after the database was killed under load, again and again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pantau_databases::standin::Fault;
use pantau_journal::sim::{PowerCut, SimFiles};

use super::support::{Database, NOW, commit, named};
use crate::store::remote::Opened;
use crate::store::{Store, StoreError, StoreReader};

const KILLS: usize = 4;
const TOGETHER: u64 = 500;

#[test]
fn nothing_acked_is_missing_when_the_database_is_killed_under_load() {
    let mut database = Database::start();
    let Opened { mut store, reader, flusher, .. } = database.open();
    store.writer.bounds.lines = 100;
    store.writer.bounds.patience = Duration::from_millis(500);
    let mut first = commit(0, &[]);
    first.new_series = (0..10).map(|id| named(id, &format!("dev-{id}/q"))).collect();
    store.append(&[first]).unwrap();

    let done = AtomicBool::new(false);
    let (mut acked, mut withheld) = (0u64, 0u64);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let (mut acked, mut withheld) = (0, 0);
            while !done.load(Ordering::Relaxed) {
                let part: Vec<_> = (acked..acked + TOGETHER)
                    .map(|at| ((at % 10) as u32, NOW + (at / 10) as i64, at as f64))
                    .collect();
                match store.append(&[commit(acked, &part)]) {
                    Ok(_) => acked += TOGETHER,
                    Err(error) => {
                        assert!(error.is_retryable(), "{error}");
                        withheld += 1;
                    }
                }
            }
            (acked, withheld)
        });
        for round in 0..KILLS {
            std::thread::sleep(Duration::from_millis(700));
            if round % 2 == 0 {
                database.standin.fail(&[Fault::TakenAndCut, Fault::Cut, Fault::Status(503)]);
            }
            database.influxd.kill();
            std::thread::sleep(Duration::from_millis(800));
            database.influxd.restart();
        }
        std::thread::sleep(Duration::from_millis(700));
        done.store(true, Ordering::Relaxed);
        (acked, withheld) = writing.join().unwrap();
    });
    assert!(acked > 5_000 && withheld > 0, "{acked} acked, {withheld} times withheld");
    for series in 0..10u64 {
        let values: Vec<f64> =
            database.values(&format!("dev-{series}/q")).iter().map(|(_, value)| *value).collect();
        // What was sent and never acked may be there too.
        let expected: Vec<f64> = (0..acked).filter(|at| at % 10 == series).map(|at| at as f64).collect();
        assert_eq!(values[..expected.len()], expected, "series {series}");
        assert!(values.len() as u64 <= expected.len() as u64 + TOGETHER);
    }
    let counters = reader.counters();
    assert_eq!((counters.readings, counters.stored), (acked, acked));
    println!("{acked} readings acked over {KILLS} kills, {withheld} appends withheld");
    drop(flusher);
}

#[test]
fn a_crash_between_database_and_journal_stores_nothing_twice() {
    let database = Database::start();
    let mut files = SimFiles::new();
    let part: Vec<_> = (0..100).map(|at| (0, NOW + at * 1_000, at as f64)).collect();
    let mut first = commit(0, &part);
    first.new_series = vec![named(0, "dev/q")];
    for cut in [PowerCut::LoseAll, PowerCut::KeepAll] {
        let Opened { mut store, flusher, .. } = database.open_on(files.clone());
        files.fail_sync(0);
        let error = store.append(std::slice::from_ref(&first)).unwrap_err();
        assert!(matches!(error, StoreError::Failed(_)), "no ack: {error}");
        assert_eq!(database.values("dev/q").len(), 100, "the database has them");
        drop((store, flusher));
        files = files.crash(cut);
    }
    // Whether the record survived decides what the gateway sends again; the readings are there once in any case.
    let Opened { mut store, reader, .. } = database.open_on(files);
    let committed = store.ranges(&first.gateway, first.epoch);
    if !committed.contains_range(0, 100) {
        assert_eq!(store.append(&[first]).unwrap(), 1);
    }
    let values: Vec<f64> = database.values("dev/q").iter().map(|(_, value)| *value).collect();
    assert_eq!(values, (0..100).map(f64::from).collect::<Vec<_>>());
    assert_eq!((reader.counters().readings, reader.counters().stored), (100, 100));
}
