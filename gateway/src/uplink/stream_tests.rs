#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]
//! The uplink against an ingest that lives in this process and misbehaves on demand.

#[path = "../../tests/whole/fake_ingest.rs"]
mod fake_ingest;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pantau_journal::StdFiles;
use pantau_proto::TimeMs;
use pantau_proto::v1::LossReason;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::fake_ingest::{Entry, FakeIngest};
use super::Uplink;
use crate::config;
use crate::decode::Decoder;
use crate::figures::{Counters, value};
use crate::intake::SpoolIntake;
use crate::intake::types::{Frame, Intake as _};
use crate::spool::{self, Bounds, Spool};

struct Setup {
    _dir: tempfile::TempDir,
    fake: FakeIngest,
    spool: Spool<StdFiles>,
    intake: SpoolIntake<StdFiles>,
    stop: CancellationToken,
}

fn bounds() -> Bounds {
    Bounds {
        max_bytes: 64 << 20,
        free_floor_bytes: 0,
        segment_bytes: 1 << 20,
        keep_acked: Duration::from_secs(3_600),
        commit_delay: Duration::from_millis(1),
        pending_bytes: 8 << 20,
    }
}

/// Spool, intake, uplink and a fake ingest, all running.
async fn setup(fake: FakeIngest) -> Setup {
    let dir = tempfile::tempdir().unwrap();
    let opened =
        spool::open(StdFiles::new(), dir.path(), bounds(), 7, Arc::new(Counters::default())).unwrap();
    let committer = opened.committer;
    std::thread::spawn(move || committer.run());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    fake.start(listener);
    let uplink = config::Uplink {
        url,
        token: pantau_settings::Secret::new("s3cret"),
        retry_max: Duration::from_millis(20),
        ..config::Uplink::default()
    };
    let stop = CancellationToken::new();
    let uplink = Uplink::new(opened.spool.clone(), "gw-1", &uplink).unwrap();
    tokio::spawn(uplink.run(stop.clone()));
    let rules = config::Config::default().decode_rules();
    let intake = SpoolIntake::new(opened.spool.clone(), Arc::new(Decoder::new(&rules)));
    Setup { _dir: dir, fake, spool: opened.spool, intake, stop }
}

fn frame<'a>(topic: &'a str, payload: &'a [u8], n: i64) -> Frame<'a> {
    Frame { topic, payload, arrival: TimeMs(1_800_000_000_000 + n), key: None }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never came: {what}");
}

async fn publish(intake: &SpoolIntake<StdFiles>, from: i64, to: i64) {
    for n in from..to {
        let payload = format!("{n}.5");
        let topic = format!("pantau/dev-{}/pm10", n % 7);
        let frames = [frame(&topic, payload.as_bytes(), n)];
        intake.submit("client", &frames).unwrap().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_intake_acks_arrives_at_ingest_as_it_was() {
    let Setup { fake, spool, intake, stop, .. } = &setup(FakeIngest::default()).await;
    let payload = br#"{"time":1800000000123,"pm10":3.25,"air_pressure":{"value":29.9,"unit":"inHg"}}"#;
    let frames = [
        frame("pantau/a", payload, 1),
        frame("elsewhere/a", b"1", 2),
        frame("pantau/a/pm10", b"4", 3),
        frame("pantau/a/pm10", b"nonsense", 4),
    ];
    intake.submit("client", &frames).unwrap().await.unwrap();
    until("five positions", || fake.stored() == 5).await;
    until("the acks", || spool.backlog(TimeMs(0)).0 == 0).await;
    let city = fake.city.lock().unwrap();
    assert_eq!(city.authorization.as_deref(), Some("Bearer s3cret"));
    let entries: Vec<Entry> = city.entries.values().cloned().collect();
    assert_eq!(
        entries,
        [
            Entry::Reading("a/pm10".into(), 1_800_000_000_123, 3.25),
            Entry::Reading("a/air_pressureinHg".into(), 1_800_000_000_123, 29.9),
            Entry::Refused("elsewhere/a".into()),
            Entry::Reading("a/pm10".into(), 1_800_000_000_001, 4.0),
            Entry::Refused("pantau/a/pm10".into()),
        ]
    );
    assert_eq!(value(&spool.counters().acked), 5);
    assert!(value(&spool.counters().rejected) >= 1);
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_cut_goes_on_at_the_committed_ranges() {
    let fake = FakeIngest::default();
    fake.cut_after.store(5, Ordering::Relaxed);
    let Setup { fake, spool, intake, stop, .. } = &setup(fake).await;
    publish(intake, 0, 300).await;
    until("all positions", || fake.stored() == 300).await;
    fake.cut_after.store(0, Ordering::Relaxed);
    until("all acks", || spool.backlog(TimeMs(0)).0 == 0).await;
    let city = fake.city.lock().unwrap();
    assert!(city.epochs.len() > 1, "the stream was cut");
    assert_eq!(city.repeats, 0);
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ingest_that_acks_what_it_was_never_sent_frees_nothing() {
    let fake = FakeIngest::default();
    fake.city.lock().unwrap().ack_beyond_once = 1_000;
    let Setup { fake, spool, intake, stop, .. } = &setup(fake).await;
    publish(intake, 0, 50).await;
    until("all positions", || fake.stored() == 50).await;
    until("all acks", || spool.backlog(TimeMs(0)).0 == 0).await;
    assert_eq!(value(&spool.counters().acked), 50);
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ingest_that_knows_positions_which_are_not_given_yet_gets_them_under_a_new_epoch() {
    let fake = FakeIngest::default();
    // The epoch of the spool, as a card has it that was copied and went on elsewhere.
    fake.city.lock().unwrap().committed.entry(7).or_default().insert(0, 1_000);
    let Setup { fake, spool, intake, stop, .. } = &setup(fake).await;
    publish(intake, 0, 50).await;
    until("all positions", || fake.stored() == 50).await;
    until("all acks", || spool.backlog(TimeMs(0)).0 == 0).await;
    assert!(fake.city.lock().unwrap().entries.keys().all(|(epoch, _)| *epoch != 7));
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_spool_shed_is_sent_once_as_a_loss_in_its_place() {
    let Setup { fake, spool, intake, stop, .. } = &setup(FakeIngest::default()).await;
    publish(intake, 0, 1).await;
    until("the stream", || fake.stored() == 1).await;
    fake.cut_after.store(1, Ordering::Relaxed);
    publish(intake, 1, 3).await;
    intake.shed(40, TimeMs(1_000));
    spool.save_rest(TimeMs(1_001));
    publish(intake, 3, 5).await;
    fake.cut_after.store(0, Ordering::Relaxed);
    until("the acks", || spool.backlog(TimeMs(0)).0 == 0).await;
    // Nothing behind it: it does not wait for the next reading.
    publish(intake, 5, 6).await;
    intake.shed(2, TimeMs(2_000));
    spool.save_rest(TimeMs(2_001));
    until("the last loss", || fake.city.lock().unwrap().losses.len() == 2).await;
    let city = fake.city.lock().unwrap();
    let losses: Vec<_> = city.losses.iter().map(|loss| (loss.start, loss.end, loss.count)).collect();
    assert_eq!(losses, [(3, 4, 40), (7, 8, 2)]);
    assert_eq!(city.losses[0].reason(), LossReason::Qos0Shed);
    assert_eq!((city.losses[0].first_time, city.entries.len(), city.repeats), (1_000, 6, 0));
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_epoch_takes_what_is_not_acked_along() {
    let Setup { fake, spool, intake, stop, .. } = &setup(FakeIngest::default()).await;
    publish(intake, 0, 20).await;
    until("the first part", || spool.backlog(TimeMs(0)).0 == 0).await;
    fake.city.lock().unwrap().refuse_epoch_once = true;
    // The next stream is told to begin anew.
    fake.cut_after.store(1, Ordering::Relaxed);
    publish(intake, 20, 21).await;
    until("a second hello", || fake.city.lock().unwrap().epochs.len() >= 2).await;
    fake.cut_after.store(0, Ordering::Relaxed);
    publish(intake, 21, 40).await;
    until("the rest", || spool.backlog(TimeMs(0)).0 == 0).await;
    let city = fake.city.lock().unwrap();
    let (first, last) = (city.epochs[0], *city.epochs.last().unwrap());
    assert_ne!(first, last);
    let values = |epoch| -> Vec<f64> {
        let of = |entry: &Entry| match entry {
            Entry::Reading(_, _, value) => *value,
            Entry::Refused(_) => f64::NAN,
        };
        city.entries.range((epoch, 0)..=(epoch, u64::MAX)).map(|(_, entry)| of(entry)).collect()
    };
    let mut all = values(first);
    all.extend(values(last));
    let expected: Vec<f64> = (0..40).map(|n| f64::from(n) + 0.5).collect();
    assert_eq!(all, expected);
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ingest_that_was_restored_gets_again_what_it_lacks() {
    let Setup { fake, spool, intake, stop, .. } = &setup(FakeIngest::default()).await;
    publish(intake, 0, 50).await;
    until("the first part", || spool.backlog(TimeMs(0)).0 == 0).await;
    {
        let mut city = fake.city.lock().unwrap();
        city.entries.clear();
        city.committed.clear();
    }
    fake.cut_after.store(1, Ordering::Relaxed);
    publish(intake, 50, 51).await;
    until("a new stream", || fake.city.lock().unwrap().epochs.len() >= 2).await;
    fake.cut_after.store(0, Ordering::Relaxed);
    until("everything again", || fake.stored() == 51).await;
    stop.cancel();
}
