//! Ingest with InfluxDB as its store: the real ingest, a real influxd behind the strict stand-in.

use crate::harness::{Body, Ingest, config, now};
use pantau_databases::influxd::{DATABASE, Influxd};
use pantau_databases::standin::{BUCKET, ORG, Standin, TOKEN};
use pantau_ingest::config::{Config, Engine};
use pantau_proto::v1::{Range, Reason};
use pantau_settings::Secret;
use std::path::Path;
use std::time::Duration;

fn on(standin: &Standin, dir: &Path) -> Config {
    let mut config = config(dir);
    config.store.engine = Engine::Influxdb;
    config.store.url = standin.url();
    (config.store.org, config.store.bucket) = (ORG.to_owned(), BUCKET.to_owned());
    config.store.database = DATABASE.to_owned();
    config.store.token = Secret::new(TOKEN);
    config
}

async fn values(ingest: &Ingest, query: &str) -> Vec<f64> {
    let answer = ingest.json(&format!("/api/v1/readings?{query}")).await;
    let series = &answer["series"][0];
    let values = series["values"].as_array().or_else(|| series["max"].as_array()).unwrap();
    values.iter().filter_map(serde_json::Value::as_f64).collect()
}

async fn state(ingest: &Ingest, wanted: &str) -> String {
    let reached = async {
        loop {
            let answer = ingest.json("/readyz").await;
            if answer["state"] == wanted {
                return answer["problems"].to_string();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::harness::LIMIT, reached).await.expect("the state in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readings_go_to_the_database_before_the_ack_and_are_read_from_there() {
    let (dir, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let influxd = Influxd::start(folder.path());
    let standin = Standin::start(influxd.address);
    let ingest = Ingest::start(on(&standin, dir.path())).await;
    // Both readings lie in one step of ten seconds.
    let time = (now() - 60_000).div_euclid(10_000) * 10_000;
    let line = format!("pm10,device=dev value=1i {time}\n");
    assert_eq!(influxd.write(line.as_bytes()).0, 204, "the series dev/pm10 is refused from now on");

    let (mut uplink, _) = ingest.hello("gw", 1, 100).await;
    let body = Body::default().series("dev/pm2_5", "").series("dev/pm10", "");
    let body = body.reading(0, time, 12.5).reading(1, time, 20.0).reading(0, time + 1_000, 13.5);
    uplink.batch(body.at(0)).await;
    let ack = uplink.ack().await;
    assert_eq!(ack.committed, [Range { start: 0, end: 3 }]);
    assert_eq!((ack.rejected[0].position, ack.rejected[0].reason()), (1, Reason::BadPayload));
    assert_eq!(values(&ingest, "series=dev/pm2_5&from=0").await, [12.5, 13.5]);
    let steps = format!("series=dev/pm2_5&from={time}&to={}&step=PT10S&agg=max", time + 10_000);
    assert_eq!(values(&ingest, &steps).await, [13.5]);
    // Its index follows the acks.
    let listed = async {
        loop {
            let quarantine = ingest.json("/api/v1/quarantine").await;
            if quarantine["items"] != serde_json::json!([]) {
                return quarantine;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let quarantine =
        tokio::time::timeout(crate::harness::LIMIT, listed).await.expect("it is in the quarantine");
    assert_eq!(quarantine["items"][0]["position"], 1, "{quarantine}");
    assert!(quarantine["items"][0]["detail"].as_str().unwrap().contains("field type conflict"));

    // The database is away: no ack, and said so. When it is back the gateway sends again.
    standin.tell(|told| told.always = Some(503));
    uplink.batch(Body::default().reading(0, time + 2_000, 14.5).at(3)).await;
    assert!(state(&ingest, "degraded").await.contains("503"));
    assert_eq!(values(&ingest, "series=dev/pm2_5&from=0").await, [12.5, 13.5], "it is still read");
    standin.tell(|told| told.always = None);
    assert_eq!(uplink.ack().await.committed, [Range { start: 3, end: 4 }]);
    state(&ingest, "ready").await;
    ingest.stop().await;

    // Positions, counters and the newest readings are there again.
    let ingest = Ingest::start(on(&standin, dir.path())).await;
    let (_uplink, reply) = ingest.hello("gw", 1, 100).await;
    assert_eq!(reply.committed, [Range { start: 0, end: 4 }]);
    let mut counted = Vec::new();
    for name in ["accepted", "stored", "quarantined", "duplicates", "replaced", "lost"] {
        counted.push(ingest.count(name).await);
    }
    assert_eq!(counted, [4, 3, 1, 0, 0, 0]);
    let newest = async {
        loop {
            let latest = ingest.json("/api/v1/latest?series=dev/pm2_5").await;
            if latest["items"][0]["value"] == 14.5 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::harness::LIMIT, newest).await.expect("the newest reading in time");
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_at_the_start_and_at_the_stop_holds_neither_up() {
    let (dir, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut influxd = Influxd::start(folder.path());
    let standin = Standin::start(influxd.address);
    influxd.kill();
    let ingest = Ingest::start(on(&standin, dir.path())).await;
    let (uplink, _) = ingest.hello("gw", 1, 100).await;
    uplink.batch(Body::default().series("dev/pm2_5", "").reading(0, now(), 1.0).at(0)).await;
    state(&ingest, "degraded").await;
    assert!(ingest.problem("/api/v1/readings?series=dev/pm2_5&from=0", 404).await.contains("dev/pm2_5"));
    ingest.stop().await;

    influxd.restart();
    let ingest = Ingest::start(on(&standin, dir.path())).await;
    let (mut uplink, reply) = ingest.hello("gw", 1, 100).await;
    assert_eq!(reply.committed, [], "nothing was acked");
    uplink.batch(Body::default().series("dev/pm2_5", "").reading(0, now(), 1.0).at(0)).await;
    uplink.ack().await;
    influxd.kill();
    let said = ingest.problem("/api/v1/readings?series=dev/pm2_5&from=0", 503).await;
    assert!(said.contains("cannot be read now"), "{said}");
    ingest.stop().await;
}
