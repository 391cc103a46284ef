//! How fast one stream is committed. Run alone: `cargo test --release -p pantau-ingest --test ingest -- --ignored speed`.

use crate::harness::{Body, Ingest, config, now};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
#[expect(clippy::disallowed_methods, reason = "it measures")]
async fn speed_of_one_stream() {
    const SERIES: u32 = 5_000;
    const BATCHES: u64 = 600;
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(config(dir.path())).await;
    let (mut uplink, reply) = ingest.hello("gw", 1, BATCHES * 10_000).await;
    let start = now() - 600_000;
    let batches: Vec<_> = (0..BATCHES)
        .map(|batch| {
            let mut body = Body::default();
            for series in 0..if batch == 0 { SERIES } else { 0 } {
                body = body.series(&format!("dev-{series}/air_temperature"), "");
            }
            for i in 0..10_000_u32 {
                let time = start + (batch * 2 + u64::from(i / SERIES)) as i64 * 400;
                body = body.reading(i % SERIES, time, f64::from((i * 7) % 300) / 10.0);
            }
            body.at(batch * 10_000)
        })
        .collect();
    let begin = std::time::Instant::now();
    let (mut sent, mut acked) = (0, 0);
    let mut batches = batches.into_iter();
    while acked < BATCHES {
        while sent < acked + u64::from(reply.window) {
            let Some(batch) = batches.next() else { break };
            uplink.batch(batch).await;
            sent += 1;
        }
        acked +=
            uplink.ack().await.committed.iter().map(|range| range.end - range.start).sum::<u64>() / 10_000;
    }
    let took = begin.elapsed();
    let readings = BATCHES * 10_000;
    println!("{readings} readings in {took:?}: {:.2} M/s", readings as f64 / took.as_secs_f64() / 1e6);
    assert!(took < Duration::from_secs(60));
    ingest.stop().await;
}
