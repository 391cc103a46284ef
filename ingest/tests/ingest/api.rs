//! The API as its clients meet it: every path, what it answers and how it refuses.

use crate::harness::{Body, Ingest, LIMIT, Uplink, config, now};
use pantau_ingest::config::Station;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// Half past the hour, so that steps do not fall together with it; an hour and more ago.
fn start() -> i64 {
    now() / 3_600_000 * 3_600_000 - 5_400_000
}

/// An ingest with two stations: `river` is known to the configuration and sent 30 readings a minute apart and one gap,
/// `air` is not and sent one; `dry` is known and silent.
async fn fed(dir: &tempfile::TempDir) -> (Ingest, Uplink) {
    let mut config = config(dir.path());
    for (device, name) in [("river", "Kali Samin"), ("dry", "Kering")] {
        config.stations.push(Station {
            device: device.parse().unwrap(),
            name: Some(name.to_owned()),
            latitude: Some(-7.6),
            longitude: Some(110.9),
            kecamatan: Some("Polokarto".to_owned()),
            kind: Some("river".to_owned()),
        });
    }
    let ingest = Ingest::start(config).await;
    let (mut uplink, _) = ingest.hello("gw", 1, 1000).await;
    let mut body = Body::default()
        .series("river/water_level", "")
        .series("air/pm2_5", "")
        .series("river/water_flow", "");
    for i in (0..30).filter(|i| *i != 20) {
        body = body.reading(0, start() + i * 60_000, i as f64);
    }
    uplink
        .batch(body.reading(1, now(), 31.0).reading(2, now(), f64::INFINITY).reading(2, now(), 3.0).at(0))
        .await;
    assert_eq!(uplink.ack().await.committed[0].end, 32);
    while ingest.json("/api/v1/quarantine").await["items"] == json!([]) {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    (ingest, uplink)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_described_path_answers_as_described() {
    let dir = tempfile::tempdir().unwrap();
    let (ingest, _uplink) = fed(&dir).await;
    let document = ingest.json("/api/v1/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    for (path, described) in document["paths"].as_object().unwrap() {
        if path == "/api/v1/live" {
            continue;
        }
        let mut asked = path.replace("{id}", "river");
        if path.ends_with("readings") {
            asked += "?series=river/water_level,air/pm2_5&step=PT10M&agg=mean,min,max,sum,count,first,last,increase,vector_mean,p95";
        }
        let (status, head, body) = ingest.get_with(&asked, "").await;
        assert_eq!(status, 200, "{asked}");
        let content = &described["get"]["responses"]["200"]["content"];
        let (kind, content) = content.as_object().unwrap().iter().next().unwrap();
        assert!(head.contains(&format!("content-type: {kind}")), "{asked}: {head}");
        if kind == "application/json" {
            let answer: Value = serde_json::from_slice(&body).unwrap();
            conforms(&document, &content["schema"], &answer, &asked);
            let items = answer.get("items").map(|items| items.as_array().unwrap().len());
            assert!(items != Some(0) || path.ends_with("losses"), "{asked} is empty: nothing was compared");
        }
    }
    let raw = ingest.json("/api/v1/readings?series=river/water_level").await;
    conforms(&document, &json!({"$ref": "#/components/schemas/Readings"}), &raw, "raw");
    ingest.stop().await;
}

/// As much of JSON Schema as the document uses. Keys that are not described are errors.
fn conforms(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let found =
            document.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference}"));
        return conforms(document, found, value, place);
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().map(|one| one.as_str().unwrap()).collect(),
        other => panic!("{place}: type {other}"),
    };
    assert!(
        allowed.contains(&kind) || (kind == "integer" && allowed.contains(&"number")),
        "{place}: {value} is no {allowed:?}"
    );
    if let Some(choices) = schema["enum"].as_array() {
        assert!(choices.contains(value), "{place}: {value} is none of {choices:?}");
    }
    for item in value.as_array().into_iter().flatten() {
        conforms(document, &schema["items"], item, &format!("{place}[]"));
    }
    let Some(object) = value.as_object().filter(|_| schema.get("properties").is_some()) else { return };
    for required in schema["required"].as_array().into_iter().flatten() {
        assert!(object.contains_key(required.as_str().unwrap()), "{place}: {required} is missing");
    }
    for (key, value) in object {
        let described = &schema["properties"][key];
        assert!(!described.is_null(), "{place}: {key} is not described");
        conforms(document, described, value, &format!("{place}.{key}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stations_are_those_of_the_configuration_and_those_that_report() {
    let dir = tempfile::tempdir().unwrap();
    let (ingest, _uplink) = fed(&dir).await;
    let list = ingest.json("/api/v1/stations").await;
    let seen: Vec<_> =
        list["items"].as_array().unwrap().iter().map(|s| (&s["station"], &s["assigned"])).collect();
    assert_eq!(json!(seen), json!([["air", false], ["dry", true], ["river", true]]));
    assert_eq!((&list["items"][1]["state"], &list["items"][1]["last"]), (&json!("silent"), &Value::Null));
    assert_eq!(list["items"][0]["state"], "fresh");
    let one = ingest.json("/api/v1/stations/river").await;
    assert_eq!((&one["name"], &one["kecamatan"]), (&json!("Kali Samin"), &json!("Polokarto")));
    assert_eq!(one["latest"][1]["value"], 29.0);
    assert!(ingest.problem("/api/v1/stations/nowhere", 404).await.contains("nowhere"));
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_go_on_where_their_cursor_says() {
    let dir = tempfile::tempdir().unwrap();
    let (ingest, mut uplink) = fed(&dir).await;
    let mut body = Body::default();
    for i in 0..20 {
        body = body.series(&format!("many-{i:02}/rainfall"), "").series(&format!("many-{i:02}/mood"), "");
    }
    for i in 0..40 {
        body = body.reading(3 + i, now(), 1.0);
    }
    uplink.batch(body.at(100)).await;
    uplink.ack().await;
    while ingest.json("/api/v1/quarantine?limit=100").await["items"].as_array().unwrap().len() < 21 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    for (path, key, wanted) in [
        ("stations", "station", 23),
        ("series", "series", 23),
        ("series?quantity=rainfall", "series", 20),
        ("latest", "series", 23),
        ("quarantine", "id", 21),
        ("gateways", "gateway", 2),
    ] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let and = if path.contains('?') { '&' } else { '?' };
            let page = ingest.json(&format!("/api/v1/{path}{and}limit=7{cursor}")).await;
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 7);
            seen.extend(items.iter().map(|item| item[key].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen.len(), wanted, "{path}");
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), wanted, "{path}: something came twice");
    }
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readings_say_how_complete_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let (ingest, _uplink) = fed(&dir).await;
    let (from, to) = (start(), start() + 1_800_000);
    let asked = format!("/api/v1/readings?series=river/water_level&from={from}&to={to}");
    let raw = ingest.json(&asked).await;
    let series = &raw["series"][0];
    assert_eq!((&raw["step"], &series["unit"]), (&json!("raw"), &json!("m")));
    assert_eq!(series["times"].as_array().unwrap().len(), 29);
    assert_eq!(series["flags"][0], json!(["late"]));
    let completeness = json!({"expected": 30, "received": 29, "late": 29, "flagged": 0, "excluded": 0});
    assert_eq!(series["completeness"], completeness);

    let steps = ingest.json(&format!("{asked}&step=PT1M&agg=max,count")).await;
    let series = &steps["series"][0];
    assert_eq!(
        (&series["max"][19], &series["max"][20], &series["max"][21]),
        (&json!(19.0), &Value::Null, &json!(21.0))
    );
    assert_eq!((&series["count"][20], &series["completeness"]), (&json!(0.0), &completeness));

    // Steps begin on full hours, so the first one begins before `from`.
    let hours = ingest.json(&format!("{asked}&step=PT1H")).await;
    assert_eq!(hours["series"][0]["times"][0], from / 3_600_000 * 3_600_000);
    assert_eq!(hours["series"][0]["mean"].as_array().unwrap().len(), 1);
    assert_eq!(hours["series"][0]["rollup"], Value::Null, "what is in memory is not rolled up");
    let days = ingest.json(&format!("{asked}&step=P1D")).await;
    assert!(days["from"].as_str().unwrap().ends_with("T17:00:00.000Z"), "midnight WIB: {days}");
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_question_is_told_what_would_be_right() {
    let dir = tempfile::tempdir().unwrap();
    let mut narrow = config(dir.path());
    narrow.limits.query_points = 20;
    narrow.limits.query_series = 1;
    let ingest = Ingest::start(narrow).await;
    let (mut uplink, _) = ingest.hello("gw", 1, 1000).await;
    let mut body = Body::default().series("a/rainfall", "").series("b/rainfall", "");
    for i in 0..30 {
        body = body.reading(0, now() - 1000 + i, 1.0).reading(1, now(), 1.0);
    }
    uplink.batch(body.at(0)).await;
    uplink.ack().await;
    for (path, status, word) in [
        ("/api/v1/nothing", 404, "/api/v1/nothing"),
        ("/nothing", 404, "/nothing"),
        ("/api/v1/series?station=a&colour=red", 400, "station, quantity, limit, cursor"),
        ("/api/v1/series?limit=0", 400, "1 to 10000"),
        ("/api/v1/latest?limit=20000", 400, "1 to 10000"),
        ("/api/v1/stations?limit=2000", 400, "1 to 1000"),
        ("/api/v1/series?cursor=nonsense!", 400, "cursor"),
        ("/api/v1/quarantine?cursor=x", 400, "cursor"),
        ("/api/v1/quarantine?reason=bad", 400, "bad_payload"),
        ("/api/v1/losses?reason=bad", 400, "spool_full"),
        ("/api/v1/readings", 400, "series is missing"),
        ("/api/v1/readings?series=%20", 400, "series"),
        ("/api/v1/readings?series=c/rainfall", 404, "/api/v1/series lists them"),
        ("/api/v1/readings?series=a/rainfall,b/rainfall", 400, "1 may be asked for"),
        ("/api/v1/readings?series=a/rainfall&from=yesterday", 400, "2026-01-31"),
        ("/api/v1/readings?series=a/rainfall&from=1&from=2", 400, "twice"),
        ("/api/v1/readings?series=a/rainfall&from=2&to=1", 400, "before"),
        ("/api/v1/readings?series=a/rainfall&step=1h", 400, "PT1H"),
        ("/api/v1/readings?series=a/rainfall&agg=mean", 400, "step"),
        ("/api/v1/readings?series=a/rainfall&step=PT1H&agg=median", 400, "mean, min"),
        ("/api/v1/readings?series=a/rainfall", 400, "shorter"),
        ("/api/v1/readings?series=a/rainfall&from=0&step=PT1H", 400, "longer step"),
        ("/api/v1/latest?series=a/rainfall&station=a", 400, "combined"),
        ("/api/v1/live?colour=red", 400, "series, station, quantity"),
    ] {
        let detail = ingest.problem(path, status).await;
        assert!(detail.contains(word), "{path}: {detail}");
    }
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_events_carry_what_is_committed_and_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let (ingest, mut uplink) = fed(&dir).await;
    let mut stream = BufReader::new(TcpStream::connect(ingest.http).await.unwrap());
    stream.write_all(b"GET /api/v1/live?station=river HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut lines = stream.lines();
    while lines.next_line().await.unwrap().unwrap() != "" {}
    let time = now();
    // A late one and another station's are left out.
    let body = Body::default().reading(0, time - 3_600_000, 7.0).reading(1, time, 8.0).reading(0, time, 9.0);
    uplink.batch(body.at(200)).await;
    uplink.ack().await;
    let mut next = async || loop {
        let line = tokio::time::timeout(LIMIT, lines.next_line()).await.expect("an event").unwrap().unwrap();
        if let Some(data) = line.strip_prefix("data: ") {
            return serde_json::from_str::<Value>(data).unwrap();
        }
        assert!(line != "event: lagged");
    };
    let event = next().await;
    assert_eq!((&event["series"], &event["value"]), (&json!("river/water_level"), &json!(9.0)));
    assert_eq!((&event["state"], &event["unit"]), (&json!("fresh"), &json!("m")));
    let body = Body::default().reading(0, time + 1, 10.0).reading(2, time + 1, 11.0);
    uplink.batch(body.at(203)).await;
    let event = next().await;
    assert_eq!(
        (&event[0]["value"], &event[1]["value"]),
        (&json!(10.0), &json!(11.0)),
        "several at once are a list"
    );
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_is_served_compressed_with_a_strict_policy() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(config(dir.path())).await;
    let (status, head, body) = ingest.get_with("/", "").await;
    assert_eq!(status, 200);
    assert!(head.contains("content-type: text/html"), "{head}");
    assert!(
        head.contains("content-security-policy: default-src 'self'") && !head.contains("unsafe"),
        "{head}"
    );
    assert!(
        head.contains("x-content-type-options: nosniff") && head.contains("referrer-policy: no-referrer")
    );
    assert!(!body.is_empty());
    let etag = head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("an etag").to_owned();
    assert_eq!(ingest.get_with("/", &format!("if-none-match: {etag}\r\n")).await.0, 304);
    let (status, head, _) = ingest.get_with("/api/v1/series", "").await;
    assert_eq!(status, 200);
    assert!(head.contains("cache-control: no-store"), "{head}");
    ingest.stop().await;
}
