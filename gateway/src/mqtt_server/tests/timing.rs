//! Time by tokio's paused clock, over an in-memory stream: timeouts, keep-alive, clients that do not read.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::super::Config;
use super::super::connection::{self, Context, Ends};
use super::super::door::Door;
use super::super::hub::{Hub, Link};
use super::super::session::Kept;
use super::super::stats::Stats;
use super::support::{Client, TestIntake, clock, open_config};

struct Bench {
    device: Client<DuplexStream>,
    connection: JoinHandle<Option<Box<Kept>>>,
    intake: TestIntake,
    stats: Arc<Stats>,
    _kick: oneshot::Sender<()>,
}

/// One connection with a hub of its own. The stream holds `buffer` bytes each way.
#[expect(clippy::disallowed_methods, reason = "a test is its own app.rs")]
fn bench(config: Config, buffer: usize) -> Bench {
    let (io, device) = tokio::io::duplex(buffer);
    let (intake, stats) = (TestIntake::default(), Arc::new(Stats::default()));
    let (asks, mut questions) = mpsc::channel(8);
    let mut hub = Hub::new(intake.clone(), Arc::clone(&stats), &[], 10);
    let (deliveries_sender, deliveries) = mpsc::channel(8);
    let (kick_sender, kick) = oneshot::channel();
    hub.opened(0, Link { deliveries: deliveries_sender, kick: Some(kick_sender), client: None });
    let (alive, ended) = oneshot::channel::<()>();
    tokio::spawn(async move {
        while let Some(question) = questions.recv().await {
            hub.ask(question);
        }
        let _ = ended.await;
    });
    let door = watch::channel(Door::new(&config).unwrap()).1;
    let context = Arc::new(Context {
        config,
        intake: intake.clone(),
        door,
        handshakes: Semaphore::new(1),
        asks,
        clock: clock(),
        stats: Arc::clone(&stats),
    });
    let peer = "127.0.0.1:1".parse().unwrap();
    let connection = tokio::spawn(connection::run(context, 0, io, peer, Ends { deliveries, kick }, None));
    Bench { device: Client::over(device, false), connection, intake, stats, _kick: alive }
}

fn now() -> Instant {
    (clock().monotonic)()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_says_connect_is_closed_after_five_seconds() {
    let begin = now();
    let mut bench = bench(open_config(), 1024);
    bench.device.raw(b"\x10\x0d\x00\x04MQ").await;
    assert!(bench.device.next().await.is_none());
    assert_eq!((now() - begin).as_secs(), 5);
    assert_eq!(bench.stats.timed_out.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_closed_after_one_and_a_half_keep_alives() {
    let mut bench = bench(open_config(), 1024);
    bench.device.hello_v3("a", true).await;
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(80)).await;
        bench.device.raw(b"\xc0\x00").await;
        assert_eq!(bench.device.answer().await, "PINGRESP");
    }
    let begin = now();
    let ended = tokio::time::timeout(Duration::from_secs(100), bench.connection).await;
    assert!(ended.is_ok());
    assert_eq!((now() - begin).as_secs(), 90);
}

#[tokio::test(start_paused = true)]
async fn a_client_stays_while_the_spool_is_full_as_long_as_it_pings() {
    let mut bench = bench(open_config(), 1024);
    bench.device.hello_v3("a", true).await;
    bench.intake.set_full(true);
    bench.device.publish(1, 1, false, "x").await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        bench.device.raw(b"\xc0\x00").await;
        assert_eq!(bench.device.answer().await, "PINGRESP");
    }
    bench.intake.set_full(false);
    assert_eq!(bench.device.answer().await, "PUBACK 1");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_not_read_is_closed_when_it_must_have_given_up() {
    let mut bench = bench(open_config(), 1024 * 1024);
    bench.device.hello_v3("a", true).await;
    bench.intake.set_full(true);
    bench.device.publish(1, 1, false, &"x".repeat(70_000)).await;
    let begin = now();
    let ended = tokio::time::timeout(Duration::from_secs(1000), bench.connection).await;
    assert!(ended.is_ok());
    assert_eq!((now() - begin).as_secs(), 180);
}

#[tokio::test(start_paused = true)]
async fn silence_counts_anew_when_a_client_is_read_again() {
    let mut bench = bench(open_config(), 1024 * 1024);
    bench.device.hello_v3("a", true).await;
    bench.intake.set_full(true);
    bench.device.publish(1, 1, false, &"x".repeat(70_000)).await;
    tokio::time::sleep(Duration::from_secs(170)).await;
    bench.intake.set_full(false);
    assert_eq!(bench.device.answer().await, "PUBACK 1");
    tokio::time::sleep(Duration::from_secs(80)).await;
    bench.device.raw(b"\xc0\x00").await;
    assert_eq!(bench.device.answer().await, "PINGRESP");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_bytes_is_closed_after_the_write_timeout() {
    let mut bench = bench(open_config(), 64);
    bench.device.hello_v3("a", true).await;
    tokio::time::sleep(Duration::from_secs(50)).await;
    let begin = now();
    for _ in 0..40 {
        bench.device.raw(b"\xc0\x00").await;
    }
    let ended = tokio::time::timeout(Duration::from_secs(100), bench.connection).await;
    assert!(ended.is_ok());
    assert_eq!((now() - begin).as_secs(), 10);
    assert_eq!(bench.stats.timed_out.get(), 1);
}
