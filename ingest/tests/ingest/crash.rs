//! What a kill leaves: the folder is copied while ingest runs, and another ingest opens the copy.

use crate::harness::{Body, Ingest, config, copy, now};
use pantau_proto::v1::Refused;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_keeps_everything_acked_and_the_quarantine_is_rebuilt_from_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let killed = dir.path().join("killed");
    let ingest = Ingest::start(config(&dir.path().join("live"))).await;
    let (mut uplink, _) = ingest.hello("gw", 1, 100).await;
    let start = now() - 1000;
    let mut body = Body::default().series("dev/pm2_5", "");
    for i in 0..50 {
        body = body.reading(0, start + i, i as f64);
    }
    body = body.refused(Refused { position: 50, topic: "t".to_owned(), ..Refused::default() });
    uplink.batch(body.at(0)).await;
    assert_eq!(uplink.ack().await.committed.len(), 1);
    copy(&dir.path().join("live"), &killed);
    ingest.stop().await;
    for file in ["quarantine.sqlite", "quarantine.sqlite-wal", "quarantine.sqlite-shm"] {
        let _ = std::fs::remove_file(killed.join(file));
    }
    let ingest = Ingest::start(config(&killed)).await;
    let answer = ingest.json("/api/v1/readings?series=dev/pm2_5&from=0").await;
    let values: Vec<f64> = answer["series"][0]["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value.as_f64().unwrap())
        .collect();
    assert_eq!(values, (0..50).map(f64::from).collect::<Vec<_>>());
    let quarantine = ingest.json("/api/v1/quarantine").await;
    assert_eq!(quarantine["items"][0]["position"], 50, "{quarantine}");
    let (_, reply) = ingest.hello("gw", 1, 100).await;
    assert_eq!((reply.committed[0].start, reply.committed[0].end), (0, 51));
    assert_eq!(ingest.count("accepted").await, 51);
    ingest.stop().await;
}
