#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{
    params::step_ms,
    render::{State, state},
    system::OPENAPI,
};
use std::collections::BTreeSet;

#[test]
fn the_document_describes_exactly_the_routes_of_the_router() {
    let source = include_str!("mod.rs");
    let (v1, rest) = source.split_once(".nest(\"/api/v1\"").unwrap();
    let routes = |text: &str, prefix: &str| -> Vec<String> {
        let paths = text.split(".route(\"").skip(1).map(|text| text.split('"').next().unwrap().to_owned());
        paths.map(|path| format!("{prefix}{path}")).collect()
    };
    let mut known: BTreeSet<String> = routes(v1, "/api/v1").into_iter().collect();
    known.extend(routes(rest, ""));
    let document: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
    let described: BTreeSet<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(known, described);
}

#[test]
fn steps_are_iso_8601_durations_of_fixed_length() {
    assert_eq!(step_ms("PT1H"), Ok(3_600_000));
    assert_eq!(step_ms("PT5M"), Ok(300_000));
    assert_eq!(step_ms("P1D"), Ok(86_400_000));
    assert_eq!(step_ms("P1W"), Ok(7 * 86_400_000));
    for bad in ["1h", "P1M", "P1Y", "PT0S", "PT0.5S", "-PT1H", "", "PT"] {
        assert!(step_ms(bad).is_err(), "{bad}");
    }
}

#[test]
fn freshness_follows_the_observed_interval() {
    assert_eq!(state(30_000, Some(1_000)), State::Fresh);
    assert_eq!(state(30_001, Some(1_000)), State::Stale);
    assert_eq!(state(900_001, Some(1_000)), State::Silent);
    assert_eq!(state(3 * 3_600_000, Some(3_600_000)), State::Fresh);
    assert_eq!(state(20 * 3_600_000, Some(3_600_000)), State::Stale);
    assert_eq!(state(900_000, None), State::Fresh);
}
