//! What is broken beside the way of a reading is shown, and does not stand in it.

use crate::harness::{Body, Ingest, config, now};
use pantau_proto::v1::Refused;
use serde_json::json;
use sqlx::{Connection, SqliteConnection};
use std::path::Path;
use std::time::Duration;

async fn sql(dir: &Path, statement: &'static str) {
    let file = format!("sqlite://{}", dir.join("quarantine.sqlite").display());
    let mut connection = SqliteConnection::connect(&file).await.unwrap();
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn wait_for(ingest: &Ingest, state: &str) -> String {
    let reached = async {
        loop {
            let answer = ingest.json("/readyz").await;
            if answer["state"] == state {
                return answer["problems"].to_string();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::harness::LIMIT, reached).await.expect(state)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantine_index_that_cannot_be_written_degrades_ingest_and_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let batch = |at| {
        let body = Body::default().series("dev/pm2_5", "").reading(0, now(), 1.0);
        body.refused(Refused { position: at + 1, topic: "t".to_owned(), ..Refused::default() }).at(at)
    };
    let ingest = Ingest::start(config(dir.path())).await;
    assert_eq!(ingest.json("/readyz").await, json!({"state": "ready", "problems": []}));
    sql(dir.path(), "ALTER TABLE refused RENAME TO hidden").await;
    let (mut uplink, _) = ingest.hello("gw", 1, 100).await;
    uplink.batch(batch(0)).await;
    uplink.ack().await;
    let problems = wait_for(&ingest, "degraded").await;
    for word in ["refused", "commits wait", "2147483648 bytes", "move quarantine.sqlite away"] {
        assert!(problems.contains(word), "{word}: {problems}");
    }
    assert!(ingest.problem("/api/v1/quarantine", 503).await.contains("/readyz"));
    uplink.batch(batch(2)).await;
    uplink.ack().await;
    ingest.stop().await;

    // It starts so, too, and takes readings; what it lacks comes as soon as it can be written.
    let ingest = Ingest::start(config(dir.path())).await;
    wait_for(&ingest, "degraded").await;
    assert!(ingest.get("/metrics").await.1.contains("pantau_ingest_quarantine_index_failing 1\n"));
    let (mut uplink, reply) = ingest.hello("gw", 1, 100).await;
    assert_eq!((reply.committed[0].start, reply.committed[0].end), (0, 4));
    uplink.batch(batch(4)).await;
    uplink.ack().await;
    sql(dir.path(), "ALTER TABLE hidden RENAME TO refused").await;
    assert_eq!(wait_for(&ingest, "ready").await, "[]");
    let items = ingest.json("/api/v1/quarantine").await["items"].as_array().unwrap().len();
    assert_eq!(items, 3);
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantine_database_of_garbage_is_made_anew_and_a_gateway_that_began_anew_stays_known() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(config(dir.path())).await;
    let (mut uplink, _) = ingest.hello("gw", 1, 10).await;
    uplink.batch(Body::default().series("dev/pm2_5", "").reading(0, now(), 1.0).at(0)).await;
    uplink.ack().await;
    let (_, reply) = ingest.hello("gw", 2, 0).await;
    assert!(!reply.new_epoch);
    ingest.stop().await;
    std::fs::write(dir.path().join("quarantine.sqlite"), "no database at all").unwrap();
    // A log that a reader kept open would bring every page back.
    for log in ["quarantine.sqlite-wal", "quarantine.sqlite-shm"] {
        let _ = std::fs::remove_file(dir.path().join(log));
    }
    let ingest = Ingest::start(config(dir.path())).await;
    assert!(dir.path().join("quarantine.sqlite.damaged-1").exists());
    assert_eq!(ingest.json("/readyz").await["state"], "ready");
    assert_eq!(ingest.json("/api/v1/losses").await["items"][0]["count"], 9);
    let (_, reply) = ingest.hello("gw", 1, 10).await;
    assert!(reply.new_epoch, "the first epoch is over");
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_lost_keeps_no_other_series_from_being_new() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(config(dir.path())).await;
    let (mut uplink, _) = ingest.hello("gw", 1, 100).await;
    let time = now() - 1_000;
    let body = Body::default().series("lost/pm2_5", "").series("kept/pm2_5", "");
    uplink.batch(body.reading(0, time, 1.0).reading(1, time, 2.0).at(0)).await;
    assert!(uplink.ack().await.rejected.is_empty());
    ingest.stop().await;
    let log = dir.path().join("store/series.log");
    let mut bytes = std::fs::read(&log).unwrap();
    let at = bytes.windows(4).position(|window| window == b"lost").unwrap();
    bytes[at] = b'L';
    std::fs::write(&log, bytes).unwrap();

    let ingest = Ingest::start(config(dir.path())).await;
    let (mut uplink, _) = ingest.hello("gw", 1, 100).await;
    let body = Body::default().series("new/pm2_5", "").series("lost/pm2_5", "").series("kept/pm2_5", "");
    let body = body.reading(0, time + 1, 3.0).reading(1, time + 1, 4.0).reading(2, time + 1, 5.0);
    uplink.batch(body.at(2)).await;
    assert!(uplink.ack().await.rejected.is_empty());
    let values = async |series: &str| {
        let answer = ingest.json(&format!("/api/v1/readings?series={series}&from=0&step=raw")).await;
        answer["series"][0]["values"].clone()
    };
    assert_eq!(values("new/pm2_5").await, serde_json::json!([3.0]));
    assert_eq!(
        values("lost/pm2_5").await,
        serde_json::json!([4.0]),
        "what it had is under a number without a name"
    );
    assert_eq!(values("kept/pm2_5").await, serde_json::json!([2.0, 5.0]));
    ingest.stop().await;
}
