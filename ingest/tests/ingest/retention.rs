//! Retention from the configuration to the files: foretold, refused, dropped.

use crate::harness::{Body, Ingest, LIMIT, config, now};
use pantau_ingest::config::{Class, Config};
use std::{path::Path, process::Command, time::Duration};

const DAY: i64 = 86_400_000;

/// Noise is kept for so many months, the rest for ever.
fn keeping(dir: &Path, months: u32) -> Config {
    let mut config = config(dir);
    let quantities = vec!["sound_level".to_owned()];
    config.classes =
        vec![Class { class: "noise".to_owned(), quantities, raw_months: months, rollup_months: months }];
    config
}

/// What `pantau-ingest retention` prints with that configuration.
fn foretold(dir: &Path, months: u32, more: &[&str]) -> String {
    let file = dir.join("ingest.toml");
    let text = format!(
        "[ingest]\ndata_dir = {dir:?}\n[[retention]]\nclass = \"noise\"\nquantities = [\"sound_level\"]\nraw_months = \
         {months}\nrollup_months = {months}\n"
    );
    std::fs::write(&file, text).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_pantau-ingest"))
        .args(["retention", "--config"])
        .arg(&file)
        .args(more)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}

fn lines_with(text: &str, wanted: &str) -> usize {
    text.lines().filter(|line| line.contains(wanted)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_class_no_longer_keeps_is_foretold_then_dropped_and_refused() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(keeping(dir.path(), 0)).await;
    let (mut uplink, _) = ingest.hello("gw", 1, 100).await;
    let (old, new) = (now() - 100 * DAY, now());
    let body = Body::default().series("dev/sound_level", "").series("dev/rainfall", "");
    let body = body.reading(0, old, 50.0).reading(1, old, 1.0).reading(0, new, 51.0).reading(1, new, 2.0);
    uplink.batch(body.at(0)).await;
    assert!(uplink.ack().await.rejected.is_empty());
    ingest.stop().await;

    let kept = foretold(dir.path(), 0, &[]);
    assert_eq!(
        (lines_with(&kept, "noise"), lines_with(&kept, "default"), lines_with(&kept, "never")),
        (2, 2, 4),
        "{kept}"
    );
    let ingest = Ingest::start(keeping(dir.path(), 0)).await;
    let shorter = foretold(dir.path(), 1, &[]);
    assert_eq!((lines_with(&shorter, "goes  goes"), lines_with(&shorter, "00:00 UTC")), (0, 1), "{shorter}");
    let going = |text: &str| text.lines().find(|line| line.trim_end().ends_with("goes")).map(str::to_owned);
    assert!(going(&shorter).unwrap().starts_with("noise "), "{shorter}");
    let never_more = foretold(dir.path(), 1, &["--at", "2999-01-01"]);
    assert_eq!(never_more.lines().filter(|line| line.ends_with("goes")).count(), 2, "{never_more}");
    assert_eq!(ingest.count("retention_dropped_files").await, 0, "a look drops nothing");
    ingest.stop().await;

    let ingest = Ingest::start(keeping(dir.path(), 1)).await;
    let dropped = async {
        while ingest.count("retention_dropped_files").await < 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, dropped).await.expect("a file is dropped");
    assert_eq!(ingest.count("retention_dropped_readings").await, 1);
    assert_eq!(ingest.count("stored").await, 4, "it was stored");
    let raw = async |series: &str| {
        let path = format!("/api/v1/readings?series={series}&from={}&to={}&step=raw", old - 1, new + 1);
        ingest.json(&path).await["series"][0]["values"].clone()
    };
    assert_eq!((raw("dev/sound_level").await, raw("dev/rainfall").await), ([51.0].into(), [1.0, 2.0].into()));
    let (mut uplink, _) = ingest.hello("gw", 1, 100).await;
    let body = Body::default().series("dev/sound_level", "").series("dev/rainfall", "");
    uplink.batch(body.reading(0, old, 50.0).reading(1, old + 1, 3.0).at(4)).await;
    let rejected = uplink.ack().await.rejected;
    assert_eq!(rejected.len(), 1);
    assert!(
        rejected[0].detail.contains("class noise keeps: the current month and 1 before it"),
        "{rejected:?}"
    );
    assert_eq!(ingest.count("quarantined").await, 1);
    let listed = async {
        loop {
            let listed = ingest.json("/api/v1/quarantine").await;
            if listed["items"][0]["reason"] == "time_too_old" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, listed).await.expect("it is in the quarantine's list");
    ingest.stop().await;
    let left = foretold(dir.path(), 1, &[]);
    assert_eq!((lines_with(&left, "noise"), lines_with(&left, "goes")), (1, 0), "{left}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roll_ups_answer_for_readings_that_are_no_longer_kept() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(config(dir.path())).await;
    let (mut uplink, _) = ingest.hello("gw", 1, 1_000).await;
    let old = (now() - 100 * DAY).div_euclid(DAY) * DAY;
    let mut body = Body::default().series("dev/sound_level", "");
    for at in 0..100 {
        body = body.reading(0, old + at * 60_000, 50.0 + at as f64);
    }
    uplink.batch(body.reading(0, now(), 51.0).at(0)).await;
    uplink.ack().await;
    ingest.stop().await;
    let mut shorter = config(dir.path());
    shorter.store.keep_raw_months = 1;
    let ingest = Ingest::start(shorter).await;
    let dropped = async {
        while ingest.count("retention_dropped_readings").await < 100 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, dropped).await.expect("its readings are dropped");
    let path = |step: &str| {
        format!("/api/v1/readings?series=dev/sound_level&from={}&to={}&step={step}", old, old + 7_200_000)
    };
    let raw = ingest.json(&path("raw")).await;
    assert_eq!(raw["series"][0]["values"].as_array().unwrap().len(), 0, "{raw}");
    let hours = ingest.json(&format!("{}&agg=max,count", path("PT1H"))).await;
    assert_eq!(hours["series"][0]["max"], serde_json::json!([109.0, 149.0]), "{hours}");
    assert_eq!(hours["series"][0]["rollup"], "PT1H", "{hours}");
    ingest.stop().await;
}
