//! Every path of the API answers, and answers truthfully.

use pantau_e2e::clock::{now_ms, rfc3339, wait_for, wait_until};
use pantau_e2e::http::{Answer, get, get_items, get_json};
use pantau_e2e::metrics::Metrics;
use pantau_e2e::mqtt::{Client, Hello};
use pantau_e2e::parts::{GATEWAY, LIMIT};
use pantau_e2e::system::{Options, System};
use serde_json::Value;
use std::net::SocketAddr;

/// A system with two devices, one of them a known station, that each sent a little.
fn fed() -> (System, i64) {
    let station = "[[station]]\ndevice = \"api-river\"\nname = \"Kali Samin\"\nlatitude = -7.62\n\
                   longitude = 110.87\nkecamatan = \"Polokarto\"\nkind = \"river\"\n";
    let options = Options { ingest_extra: station.to_owned(), ..Options::default() };
    let mut system = System::start(&options);
    let (mut client, _) = Client::connect(system.gateway.mqtt, &Hello::lasting("api")).unwrap();
    let start = now_ms() / 60_000 * 60_000 - 600_000;
    for n in 0..10_u16 {
        let time = start + i64::from(n) * 60_000;
        let json = format!(r#"{{"time": {time}, "water_level": {}, "water_flow": 3}}"#, f64::from(n) / 4.0);
        client.deliver("pantau/api-river", json.as_bytes(), 1, n + 1);
    }
    client.deliver("pantau/api-air/pm2_5", b"31", 1, 50);
    client.deliver("pantau/api-air/no_such_thing", b"1", 1, 51);
    system.gateway.wait_drained(LIMIT);
    (system, start)
}

#[track_caller]
fn problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert!(answer.content_type.starts_with("application/problem+json"), "{answer:?}");
    let body = answer.json();
    assert_eq!(body["status"], status, "{body}");
    assert!(body["title"].is_string() && body["type"].is_string(), "{body}");
}

fn find<'a>(items: &'a [Value], key: &str, value: &str) -> &'a Value {
    items.iter().find(|item| item[key] == value).unwrap_or_else(|| panic!("no {key} {value} in {items:#?}"))
}

fn readings(http: SocketAddr, query: &str) -> Value {
    get_json(http, &format!("/api/v1/readings?{query}"))
}

#[test]
fn every_path_answers_with_what_was_sent() {
    let (system, start) = fed();
    let http = system.ingest.http;

    let stations = get_items(http, "/api/v1/stations");
    let river = find(&stations, "name", "Kali Samin");
    assert_eq!(river["kecamatan"], "Polokarto", "{river}");
    assert_eq!(stations.len(), 2, "{stations:#?}");
    let id = river["id"].as_str().or(river["station"].as_str()).expect("a station has an id");
    let one = get_json(http, &format!("/api/v1/stations/{id}"));
    assert_eq!(one["name"], "Kali Samin", "{one}");
    problem(&get(http, "/api/v1/stations/no-such-station"), 404);

    let series = get_items(http, "/api/v1/series");
    let names: Vec<&str> = series.iter().map(|item| item["series"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    for name in ["api-river/water_level", "api-river/water_flow", "api-air/pm2_5"] {
        assert!(names.contains(&name), "{names:?}");
    }

    let latest = get_items(http, "/api/v1/latest");
    let level = find(&latest, "series", "api-river/water_level");
    assert_eq!((&level["value"], &level["unit"]), (&2.25.into(), &"m".into()), "{level}");
    assert!(level["time"].as_str().is_some_and(|time| time.ends_with('Z')), "{level}");
    assert!(level["age_s"].as_f64().is_some_and(|age| age >= 0.0), "{level}");

    // Its index follows the commits.
    let quarantine = wait_for("the quarantine to show something", LIMIT, || {
        Some(get_items(http, "/api/v1/quarantine")).filter(|items| !items.is_empty())
    });
    assert_eq!(quarantine.len(), 1, "{quarantine:#?}");
    assert_eq!(quarantine[0]["reason"], "unknown_quantity", "{quarantine:#?}");

    wait_until("the gateway's status to arrive", LIMIT, || {
        let gateways = get_items(http, "/api/v1/gateways");
        let gateway = find(&gateways, "gateway", GATEWAY);
        gateway["backlog"] == 0 && gateway["last_seen"].is_string() && gateway["lost"] == 0
    });
    let to = start + 600_000;
    assert_eq!(
        readings(http, &range("api-river/water_level", start, to, "raw"))["series"].as_array().unwrap().len(),
        1
    );
}

fn range(series: &str, from: i64, to: i64, step: &str) -> String {
    format!("series={series}&from={from}&to={to}&step={step}")
}

#[test]
fn readings_are_given_raw_and_by_step_with_gaps_left_open() {
    let (system, start) = fed();
    let http = system.ingest.http;
    let to = start + 600_000;
    let raw = readings(http, &range("api-river/water_level", start, to, "raw"));
    let raw = &raw["series"][0];
    assert_eq!(raw["unit"], "m");
    let times: Vec<i64> = (0..10).map(|n| start + n * 60_000).collect();
    let values: Vec<f64> = (0..10).map(|n| f64::from(n) / 4.0).collect();
    assert_eq!((&raw["times"], &raw["values"]), (&times.into(), &values.into()), "{raw}");

    let mean = readings(http, &(range("api-river/water_level", start, to, "PT5M") + "&agg=mean"));
    let mean = mean["series"][0]["mean"].as_array().expect("means").clone();
    let means: Vec<f64> = mean.iter().filter_map(Value::as_f64).collect();
    let sum: f64 = means.iter().sum::<f64>() * 5.0;
    // Five readings in each step, unless the range does not begin at the step's own boundary.
    assert!(start % 300_000 != 0 || (means.len() == 2 && (sum - 11.25).abs() < 1e-9), "{mean:?}");

    let wide =
        readings(http, &(range("api-river/water_level", start - 600_000, to, "PT1M") + "&agg=mean,min,max"));
    let wide = &wide["series"][0];
    for agg in ["mean", "min", "max"] {
        let column = wide[agg].as_array().unwrap_or_else(|| panic!("no {agg} in {wide}"));
        assert_eq!(column.len(), wide["times"].as_array().unwrap().len(), "{wide}");
        assert_eq!(column.iter().filter(|value| value.is_null()).count() + 10, column.len(), "{wide}");
    }
    assert_eq!(wide["completeness"]["received"], 10, "{wide}");

    let text = format!("series=api-river/water_level&from={}&to={}&step=raw", rfc3339(start), rfc3339(to));
    assert_eq!(readings(http, &text)["series"][0]["times"].as_array().unwrap().len(), 10);
}

#[test]
fn wrong_questions_get_a_problem_that_says_what_is_wrong() {
    let (system, start) = fed();
    let http = system.ingest.http;
    let to = start + 1;
    problem(&get(http, "/api/v1/no-such-path"), 404);
    problem(&get(http, "/api/v1/readings"), 400);
    problem(&get(http, "/api/v1/readings?series=api-river/water_level&from=yesterday"), 400);
    problem(
        &get(http, &format!("/api/v1/readings?{}", range("api-river/water_level", start, to, "often"))),
        400,
    );
    problem(
        &get(http, &format!("/api/v1/readings?{}", range("api-river/water_level", to, start, "raw"))),
        400,
    );
    problem(&get(http, &format!("/api/v1/readings?{}", range("no/such/series", start, to, "raw"))), 404);
    problem(&get(http, "/api/v1/series?cursor=nonsense!"), 400);
}

#[test]
fn health_metrics_the_api_document_and_the_page_are_there() {
    let (system, _) = fed();
    let http = system.ingest.http;
    assert_eq!(get(http, "/healthz").status, 200);
    assert_eq!(get(http, "/readyz").status, 200);
    let metrics = Metrics::scrape(http);
    assert_eq!(metrics.count("pantau_ingest_accepted_total"), 22);
    assert_eq!(metrics.count("pantau_ingest_quarantined_total"), 1);
    let document = get_json(http, "/api/v1/openapi.json");
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{document}");
    for path in ["stations", "series", "latest", "readings", "live", "gateways", "quarantine"] {
        let known =
            document["paths"].get(format!("/api/v1/{path}")).or(document["paths"].get(format!("/{path}")));
        assert!(known.is_some(), "the document lacks {path}");
    }
    let page = get(http, "/");
    assert_eq!(page.status, 200);
    assert!(page.content_type.starts_with("text/html"), "{}", page.content_type);

    let status = system.gateway.status;
    assert_eq!(get(status, "/healthz").status, 200);
    assert!(get(status, "/").content_type.starts_with("text/html"));
    let metrics = system.gateway.metrics();
    for name in [
        "accepted_total",
        "spooled_total",
        "acked_total",
        "backlog_readings",
        "backlog_bytes",
        "backlog_seconds",
        "quarantined_total",
        "lost_total",
        "withheld_total",
        "redelivered_total",
        "fsync_seconds_count",
        "connections",
    ] {
        assert!(metrics.find(&format!("pantau_gateway_{name}")).is_some(), "no {name}: {metrics:?}");
    }
    assert_eq!(metrics.count("pantau_gateway_accepted_total"), 22);
}
