#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use axum::body::{Body, HttpBody as _};
use axum::http::Request;
use pantau_journal::Histogram;
use tonic::codegen::Service;

use super::*;
use crate::decode::{Device, Online};
use crate::figures::SensorFigures;
use crate::polled;
use pantau_proto::TimeMs;

fn figures() -> Figures {
    let mut fsync = Histogram::default();
    (fsync.buckets[2], fsync.count, fsync.sum) = (4, 4, 0.006);
    Figures {
        gateway: "gw<1>".into(),
        connected: true,
        clock_trusted: true,
        accepted: 1_234_567,
        backlog_readings: 12,
        backlog_ms: 3_500,
        fsync,
        ..Figures::default()
    }
}

/// The answer to a GET; nothing in these handlers waits, so one poll is enough.
fn get(figures: Figures, path: &str, language: &str) -> (StatusCode, String) {
    let mut router = router(Arc::new(move || figures.clone()));
    let request = Request::get(path).header(header::ACCEPT_LANGUAGE, language).body(Body::empty()).unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let answer = pin!(Service::call(&mut router, request)).poll(&mut context);
    let Poll::Ready(Ok(response)) = answer else { panic!("the status port waits") };
    let (parts, body) = response.into_parts();
    let mut body = pin!(body);
    let mut text = Vec::new();
    while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut context) {
        text.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    (parts.status, String::from_utf8(text).unwrap())
}

#[test]
fn the_page_speaks_the_language_that_the_browser_asks_for() {
    let (status, page) = get(figures(), "/", "en-GB,en;q=0.9");
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains("All is well.") && page.contains("1,234,567") && page.contains("lang=\"en\""),
        "{page}"
    );
    let (_, page) = get(figures(), "/", "fr, id;q=0.8, en;q=0.7");
    assert!(page.contains("Semua berjalan baik.") && page.contains("1.234.567"), "{page}");
    let (_, page) = get(figures(), "/", "");
    assert!(page.contains("lang=\"id\""));
}

#[test]
fn the_page_has_no_script_and_escapes_names() {
    let (_, page) = get(figures(), "/", "en");
    assert!(page.contains("gw&lt;1&gt;") && !page.contains("<script") && !page.contains("gw<1>"));
    assert!(page.contains("http-equiv=\"refresh\""));
}

#[test]
fn the_page_says_what_is_wrong() {
    let say = |change: fn(&mut Figures)| {
        let mut figures = figures();
        change(&mut figures);
        get(figures, "/", "en").1
    };
    assert!(say(|figures| figures.connected = false).contains("Not connected to ingest"));
    assert!(say(|figures| figures.clock_trusted = false).contains("The clock is not trusted yet"));
    assert!(say(|figures| figures.full = true).contains("The spool is full"));
    assert!(say(|figures| figures.poisoned = true).contains("The disk failed"));
}

#[test]
fn the_metrics_name_every_figure() {
    let (status, text) = get(figures(), "/metrics", "");
    assert_eq!(status, StatusCode::OK);
    for line in [
        "pantau_gateway_accepted_total 1234567",
        "pantau_gateway_spooled_total 0",
        "pantau_gateway_acked_total 0",
        "pantau_gateway_backlog_readings 12",
        "pantau_gateway_backlog_bytes 0",
        "pantau_gateway_backlog_seconds 3.5",
        "pantau_gateway_quarantined_total 0",
        "pantau_gateway_lost_total 0",
        "pantau_gateway_shed_total 0",
        "pantau_gateway_withheld_total 0",
        "pantau_gateway_redelivered_total 0",
        "pantau_gateway_connections 0",
        "pantau_gateway_clock_trusted 1.0",
        "pantau_gateway_clock_went_back_total 0",
        "pantau_gateway_held_readings 0.0",
        "pantau_gateway_fsync_seconds_count 4",
        "pantau_gateway_fsync_seconds_bucket{le=\"0.002\"} 4",
    ] {
        assert!(text.lines().any(|found| found.starts_with(line)), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn health_follows_the_disk() {
    assert_eq!(get(figures(), "/healthz", "").0, StatusCode::OK);
    let poisoned = Figures { poisoned: true, ..figures() };
    assert_eq!(get(poisoned, "/healthz", "").0, StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn devices_that_are_offline_are_named_with_the_time_since_when() {
    let device = |name: &str, since| Device { name: name.into(), since: TimeMs(since) };
    let online = Online {
        online: 3,
        offline: 2,
        unfollowed: 0,
        named: vec![device("<plug>", 940_000), device("pump", 0)],
    };
    let figures = Figures { now: TimeMs(1_000_000), online, ..figures() };
    let (_, page) = get(figures.clone(), "/", "en");
    assert!(
        page.contains("&lt;plug&gt;</code></th><td>1 min") && page.contains("pump</code></th><td>16 min")
    );
    let (_, metrics) = get(figures, "/metrics", "");
    assert!(
        metrics.contains("pantau_gateway_devices_offline 2") && metrics.contains("devices_online 3"),
        "{metrics}"
    );
}

#[test]
fn a_faulty_sensor_is_named_with_its_reason_and_since_when() {
    let stats = |name: &str, state| SensorFigures {
        name: name.into(),
        bus: "/dev/ttyUSB0".into(),
        state,
        since: TimeMs(940_000),
        polls: 9,
        failed: 3,
        retries: 6,
        missed: 2,
        readings: 1_234,
        absent: 1,
        shed: 5,
        answered: 930_000,
    };
    let sensors =
        vec![stats("plc-1", polled::State::Faulty("no <answer>".into())), stats("b", polled::State::Ok)];
    let figures = Figures { now: TimeMs(1_000_000), sensors, ..figures() };
    let (_, page) = get(figures.clone(), "/", "en");
    for part in
        ["A sensor is faulty", "faulty: no &lt;answer&gt; (1 min)", "age of the last answer: 1 min", "1,234"]
    {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    let (_, metrics) = get(figures, "/metrics", "");
    for line in [
        "pantau_gateway_sensor_polls_total{sensor=\"plc-1\"} 9",
        "pantau_gateway_sensor_polls_failed_total{sensor=\"plc-1\"} 3",
        "pantau_gateway_sensor_retries_total{sensor=\"plc-1\"} 6",
        "pantau_gateway_sensor_periods_missed_total{sensor=\"plc-1\"} 2",
        "pantau_gateway_sensor_readings_total{sensor=\"b\"} 1234",
        "pantau_gateway_sensor_values_absent_total{sensor=\"b\"} 1",
        "pantau_gateway_sensor_shed_total{sensor=\"b\"} 5",
        "pantau_gateway_sensor_faulty{sensor=\"plc-1\"} 1.0",
        "pantau_gateway_sensor_faulty{sensor=\"b\"} 0.0",
        "pantau_gateway_sensor_answered_timestamp_seconds{sensor=\"b\"} 930.0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
}
