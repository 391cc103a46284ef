#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use pantau_databases::tls::{CA, ca_file};
use pantau_settings::Complaint;
use std::path::Path;

fn parse(text: &str) -> Result<Config, Complaint> {
    pantau_settings::parse(text, Path::new("ingest.toml"))
}

fn problem(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn the_printed_default_is_the_default() {
    assert_eq!(parse(DEFAULT).unwrap(), Config::default());
}

#[test]
fn a_listener_for_the_network_needs_plain_words() {
    let text = problem("# hello\n\n[http]\nlisten = \"0.0.0.0:8080\"\n");
    assert!(
        text.starts_with("ingest.toml:4: http.listen: 0.0.0.0:8080 ")
            && text.contains("anyone_on_the_network_may_read"),
        "{text}"
    );
    let open = "[http]\nlisten = \"0.0.0.0:8080\"\nanyone_on_the_network_may_read = true\n";
    assert!(parse(open).is_ok());
}

#[test]
fn a_gateway_has_one_token_of_good_length_and_one_entry() {
    let good = "[[gateway]]\nid = \"a\"\ntoken = \"0123456789abcdef\"\n";
    assert_eq!(parse(good).unwrap().gateways.len(), 1);
    assert!(
        problem(&format!("{good}\n{good}"))
            .starts_with("ingest.toml:6: gateway.id: gateway a is there twice")
    );
    assert!(problem("[[gateway]]\nid = \"a\"\n").contains("exactly one of token"));
    assert!(problem("[[gateway]]\nid = \"a\"\ntoken = \"short\"\n").contains("shorter than 16"));
    let bad = problem("[[gateway]]\nid = \"a b\"\ntoken = \"0123456789abcdef\"\n");
    assert!(bad.starts_with("ingest.toml:2: gateway.id: \"a b\" "), "{bad}");
}

#[test]
fn a_token_is_never_shown() {
    let good = "[[gateway]]\nid = \"a\"\ntoken = \"0123456789abcdef\"\n";
    let shown = format!("{:?}", parse(good).unwrap());
    assert!(shown.contains("***") && !shown.contains("0123456789"), "{shown}");
}

#[test]
fn an_engine_is_told_what_it_needs_and_nothing_else() {
    let store = |lines: &str| format!("[store]\n{lines}\n");
    let url = "url = \"http://127.0.0.1:8086\"\n";
    let influx = format!("engine = \"influxdb\"\n{url}bucket = \"b\"\norg = \"o\"\ntoken = \"t\"\n");
    let victoria = format!("engine = \"victoriametrics\"\n{url}");
    let secure = "engine = \"influxdb\"\nurl = \"https://db\"\n";
    let signed = parse(&store(&format!("{secure}bucket = \"b\"\nca_file = {:?}", ca_file()))).unwrap();
    assert_eq!(signed.store.ca, CA);
    assert_eq!(parse(&store(&influx)).unwrap().store.engine, Engine::Influxdb);
    assert_eq!(parse(&store(&victoria)).unwrap().store.settle, Duration::from_secs(15));
    let with = |engine: &str, more: &str| problem(&store(&format!("{engine}{more}")));
    for (text, said) in [
        (with("", url), "2: store.url: means nothing to the embedded engine"),
        (with("", "engine = \"influx\""), "2: store.engine: "),
        (with(&format!("engine = \"influxdb\"\n{url}"), ""), "store.bucket: is empty"),
        (with("engine = \"influxdb\"\n", "url = \"here\""), "3: store.url: \"here\" is no address"),
        (with("engine = \"influxdb\"\n", "url = \"ftp://db\""), "3: store.url: \"ftp://db\" is no http"),
        (with(&influx, "ca_file = \"none.pem\""), "7: store.ca_file: "),
        (with(&influx, &format!("ca_file = {:?}", ca_file())), "7: store.ca_file: means nothing without TLS"),
        (
            with(secure, &format!("ca_file = {:?}", ca_file().with_file_name("README.md"))),
            "4: store.ca_file: ",
        ),
        (
            with("", &format!("url = \"https://db\"\nca_file = {:?}", ca_file())),
            "2: store.url: means nothing to",
        ),
        (
            with("engine = \"influxdb\"\n", "url = \"http://db/v2\""),
            "3: store.url: \"http://db/v2\" has more",
        ),
        (with(&influx, "token_file = \"t\""), "7: store.token_file: is given beside a token"),
        (with(&victoria, "bucket = \"b\""), "4: store.bucket: means nothing to VictoriaMetrics"),
        (with(&victoria, "settle = \"5s\""), "4: store.settle: 5s is not from 10s to 25s"),
    ] {
        assert!(text.contains(said) && text.contains("mend: "), "{text}");
    }
}

#[test]
fn a_value_out_of_bounds_is_named_with_its_key() {
    for (text, said) in [
        ("[store]\nmemory = \"1 B\"\n", "2: store.memory: 1 B is not between 64 KiB and 1 TiB"),
        ("[limits]\nqueries = 0\n", "2: limits.queries: 0 is not between"),
        ("[limits]\nquery_time = \"0s\"\n", "2: limits.query_time: 0ns is not from 1s to 1h"),
        ("[limits]\nin_flight = \"1 MiB\"\n", "2: limits.in_flight: 1 MiB is not between 16 MiB"),
        ("[limits]\noldest = \"long ago\"\n", "2: limits.oldest: \"long ago\" is no point in time"),
        ("[grpc]\nwindow = 300\n", "2: grpc.window: 300 is not between"),
        ("[grpc]\nlisten = \"ingest\"\n", "2: grpc.listen: \"ingest\" is no address"),
        ("[[station]]\ndevice = \"a/b\"\n", "2: station.device: \"a/b\" is no device"),
        ("[[station]]\ndevice = \"a\"\nlatitude = 100.0\n", "3: station.latitude: 100 is not on the Earth"),
    ] {
        let problem = problem(text);
        assert!(
            problem.starts_with(&format!("ingest.toml:{said}")) && problem.contains("mend: "),
            "{problem}"
        );
    }
}

#[test]
fn classes_are_named_once_and_roll_ups_outlive_readings() {
    let class = |name: &str, quantities: &str, raw: u32, rollup: u32| {
        format!(
            "[[retention]]\nclass = \"{name}\"\nquantities = [{quantities}]\nraw_months = {raw}\nrollup_months = {rollup}\n"
        )
    };
    let noise = class("noise", "\"sound_level\"", 24, 0);
    let retention = parse(&format!("[store]\nkeep_raw_months = 3\nkeep_rollup_months = 3\n{noise}")).unwrap();
    let retention = retention.retention();
    assert_eq!((retention.default.raw_months, retention.default.rollup_months), (3, 3));
    assert_eq!((retention.class_of("sound_level"), retention.classes[0].keep.raw_months), (1, 24));
    let twice = |more: String| problem(&format!("{noise}{more}"));
    let influx = "engine = \"influxdb\"\nurl = \"http://127.0.0.1:8086\"\nbucket = \"b\"\n";
    for (text, said) in [
        (
            problem("[store]\nkeep_rollup_months = 3\n"),
            "2: store.keep_rollup_months: 3 keeps roll-ups shorter",
        ),
        (problem("[store]\nkeep_raw_months = 1201\n"), "2: store.keep_raw_months: 1201 is not between"),
        (problem(&class("noise", "", 5, 4)), "5: retention.rollup_months: 4 keeps roll-ups shorter"),
        (problem(&class("default", "", 0, 0)), "2: retention.class: \"default\" is the class of what"),
        (problem(&class("A b", "", 0, 0)), "2: retention.class: \"A b\" is no name"),
        (
            problem(&class("a", "\"happiness\"", 0, 0)),
            "3: retention.quantities: \"happiness\" is no quantity",
        ),
        (twice(class("noise", "", 0, 0)), "7: retention.class: class noise is there twice"),
        (
            twice(class("b", "\"sound_level\"", 0, 0)),
            "8: retention.quantities: sound_level is in class noise",
        ),
        (
            problem(&format!("[store]\n{influx}keep_raw_months = 3\n")),
            "5: store.keep_raw_months: means nothing",
        ),
        (problem(&format!("[store]\n{influx}{noise}")), "6: retention.class: means nothing to a database"),
    ] {
        assert!(text.starts_with(&format!("ingest.toml:{said}")) && text.contains("mend: "), "{text}");
    }
}
