#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{
    Api,
    completeness::{distance, expected},
    params::step_ms,
    render::{State, state},
    system::OPENAPI,
};
use crate::{
    clock::Clock,
    config::Limits,
    gateways::Gateways,
    live::Live,
    metrics::{CommitMetrics, EngineNumbers, Metrics},
    quarantine,
    store::embedded::{self, EmbeddedReader},
};
use pantau_journal::sim::SimFiles;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

#[test]
fn the_document_describes_exactly_the_routes_of_the_router() {
    let source = include_str!("mod.rs");
    let (v1, rest) = source.split_once(".nest(\"/api/v1\"").unwrap();
    let routes = |text: &str, prefix: &str| -> Vec<String> {
        let paths = text.split(".route(\"").skip(1).map(|text| text.split('"').next().unwrap().to_owned());
        paths.map(|path| format!("{prefix}{path}")).collect()
    };
    let mut known: BTreeSet<String> = routes(v1, "/api/v1").into_iter().collect();
    known.extend(routes(rest, ""));
    let document: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
    let described: BTreeSet<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(known, described);
}

#[test]
fn steps_are_gathered_as_it_suits_the_quantity_when_nothing_is_asked_for() {
    let usual = [
        ("a/water_level/upper", "mean"),
        ("a/rainfall", "sum"),
        ("a/rainfall_total", "increase"),
        ("a/wind_direction", "vector_mean"),
        ("a/switch", "last"),
        ("a/of_no_catalogue", "mean"),
    ];
    for (series, agg) in usual {
        assert_eq!(super::readings::usual(series).0, agg, "{series}");
    }
}

#[test]
fn steps_are_iso_8601_durations_of_fixed_length() {
    assert_eq!(step_ms("PT1H"), Ok(3_600_000));
    assert_eq!(step_ms("PT5M"), Ok(300_000));
    assert_eq!(step_ms("P1D"), Ok(86_400_000));
    assert_eq!(step_ms("P1W"), Ok(7 * 86_400_000));
    for bad in ["1h", "P1M", "P1Y", "PT0S", "PT0.5S", "-PT1H", "", "PT"] {
        assert!(step_ms(bad).is_err(), "{bad}");
    }
}

#[test]
fn freshness_follows_the_observed_interval() {
    assert_eq!(state(30_000, Some(1_000)), State::Fresh);
    assert_eq!(state(30_001, Some(1_000)), State::Stale);
    assert_eq!(state(900_001, Some(1_000)), State::Silent);
    assert_eq!(state(3 * 3_600_000, Some(3_600_000)), State::Fresh);
    assert_eq!(state(20 * 3_600_000, Some(3_600_000)), State::Stale);
    assert_eq!(state(900_000, None), State::Fresh);
}

#[test]
fn the_promise_of_a_period_comes_from_its_own_readings() {
    let hour = 3_600_000;
    // 25 hourly readings of long ago, five of them missing.
    let times: Vec<i64> = (0..25).filter(|i| !(10..15).contains(i)).map(|i| i * hour).collect();
    let usual = distance(&times).unwrap();
    assert_eq!(usual, hour);
    assert_eq!(expected(usual, 0, &(0..25 * hour), i64::MAX), 25, "the gap is counted as missing");
    assert_eq!(expected(usual, 20 * hour, &(0..25 * hour), i64::MAX), 5, "not before the first ever");
    assert_eq!(expected(usual, 0, &(0..25 * hour), 5 * hour), 5, "not beyond now");
    assert_eq!(expected(usual, 30 * hour, &(0..25 * hour), i64::MAX), 0);
    assert_eq!(expected(usual, i64::MIN, &(i64::MIN..i64::MAX), i64::MAX), (i64::MAX / hour) as u64);
    assert_eq!(distance(&times[..2]), None, "two readings promise nothing");
    let many: Vec<i64> = (0..100_000).map(|i| i * 500).collect();
    assert_eq!(distance(&many), Some(500));
}

/// An API over an empty store in memory.
async fn api(dir: &tempfile::TempDir, limits: Limits) -> Arc<Api<EmbeddedReader<SimFiles>>> {
    let opened = embedded::open(SimFiles::new(), embedded::Config::new("/store"), &mut |_| {}).unwrap();
    let quarantine = quarantine::open(&dir.path().join("quarantine.sqlite")).await.unwrap().quarantine;
    let gateways = Arc::new(Gateways::new([], 0));
    let engine = Box::new(EngineNumbers::default);
    let (commit, door) = (CommitMetrics::default(), crate::grpc::DoorMetrics::default());
    let metrics = Arc::new(Metrics::new(&commit, &door, engine, Arc::clone(&gateways)));
    Arc::new(Api {
        reader: opened.reader,
        quarantine,
        gateways,
        stations: BTreeMap::new(),
        queries: Arc::new(Semaphore::new(limits.queries)),
        watchers: Arc::new(Semaphore::new(limits.live_clients)),
        limits,
        clock: Clock::system(),
        live: Live::default(),
        metrics,
        problems: Box::new(Vec::new),
        stop: CancellationToken::new(),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_queries_run_at_once_and_one_whose_client_left_never_starts() {
    let dir = tempfile::tempdir().unwrap();
    let api = api(&dir, Limits { queries: 2, ..Limits::default() }).await;
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let query = || {
        let (api, running, most) = (Arc::clone(&api), Arc::clone(&running), Arc::clone(&most));
        async move {
            api.query(move |_, _| {
                most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                std::thread::sleep(Duration::from_millis(20));
                running.fetch_sub(1, SeqCst);
                Ok(())
            })
            .await
        }
    };
    let answers = futures_util::future::join_all((0..12).map(|_| query())).await;
    assert!(answers.into_iter().all(|answer| answer.is_ok()), "those that wait are answered too");
    assert_eq!(most.load(SeqCst), 2);

    // Both places are taken; the third client leaves while it waits, and the first while its query runs.
    let started = Arc::new(AtomicUsize::new(0));
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = Arc::new(std::sync::Mutex::new(gate));
    let held = |told: Arc<AtomicUsize>| {
        let (api, started, gate) = (Arc::clone(&api), Arc::clone(&started), Arc::clone(&gate));
        async move {
            api.query(move |_, gone| {
                started.fetch_add(1, SeqCst);
                let _ = gate.lock().unwrap().recv();
                told.fetch_add(usize::from(gone.check().is_err()), SeqCst);
                Ok(())
            })
            .await
        }
    };
    let told = Arc::new(AtomicUsize::new(0));
    {
        let mut clients: Vec<_> = (0..3).map(|_| Box::pin(held(Arc::clone(&told)))).collect();
        for client in &mut clients {
            tokio::time::timeout(Duration::from_millis(50), client).await.expect_err("it waits");
        }
    }
    for _ in 0..3 {
        let _ = open.send(());
    }
    let _both = Arc::clone(&api.queries).acquire_many_owned(2).await.unwrap();
    assert_eq!((started.load(SeqCst), told.load(SeqCst)), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_takes_too_long_is_told_to_stop_and_so_is_its_client() {
    let dir = tempfile::tempdir().unwrap();
    let query_time = Duration::from_millis(50);
    let api = api(&dir, Limits { queries: 1, query_time, ..Limits::default() }).await;
    let answer = api.query::<()>(|_, gone| {
        while gone.check().is_ok() {
            std::thread::yield_now();
        }
        gone.check()
    });
    let problem = format!("{:?}", answer.await.unwrap_err());
    assert!(problem.contains("503") && problem.contains("within 0.05 s"), "{problem}");
    // Its place is free again once it has heard; until then others wait, and no longer than they may.
    let place = Arc::clone(&api.queries).acquire_owned().await.unwrap();
    let problem = format!("{:?}", api.query(|_, _| Ok(())).await.unwrap_err());
    assert!(problem.contains("within 0.05 s"), "{problem}");
    drop(place);
}
