#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

fn problem(text: &str) -> String {
    Config::parse(text, "ingest.toml").unwrap_err().to_string()
}

#[test]
fn the_printed_default_is_the_default() {
    assert_eq!(Config::parse(DEFAULT, "default.toml").unwrap(), Config::default());
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let text = problem("[http]\nlisten = \"127.0.0.1:1\"\nlisen = 1\n");
    assert!(
        text.starts_with("ingest.toml:3: ") && text.contains("lisen") && text.contains("mend: "),
        "{text}"
    );
}

#[test]
fn a_listener_for_the_network_needs_plain_words() {
    let text = problem("# hello\n\n[http]\nlisten = \"0.0.0.0:8080\"\n");
    assert!(text.starts_with("ingest.toml:3: ") && text.contains("anyone_on_the_network_may_read"), "{text}");
    let open = "[http]\nlisten = \"0.0.0.0:8080\"\nanyone_on_the_network_may_read = true\n";
    assert!(Config::parse(open, "x").is_ok());
}

#[test]
fn a_gateway_has_one_token_of_good_length_and_one_entry() {
    let good = "[[gateway]]\nid = \"a\"\ntoken = \"0123456789abcdef\"\n";
    assert_eq!(Config::parse(good, "x").unwrap().gateways.len(), 1);
    assert!(problem(&format!("{good}\n{good}")).starts_with("ingest.toml:5: gateway a is named twice"));
    assert!(problem("[[gateway]]\nid = \"a\"\n").contains("exactly one of token"));
    assert!(problem("[[gateway]]\nid = \"a\"\ntoken = \"short\"\n").contains("shorter than 16"));
    let bad = problem("[[gateway]]\nid = \"a b\"\ntoken = \"0123456789abcdef\"\n");
    assert!(bad.starts_with("ingest.toml:2: "), "{bad}");
}

#[test]
fn a_token_is_never_shown() {
    let good = "[[gateway]]\nid = \"a\"\ntoken = \"0123456789abcdef\"\n";
    let shown = format!("{:?}", Config::parse(good, "x").unwrap());
    assert!(shown.contains("Gateway(a)") && !shown.contains("0123456789"), "{shown}");
}

#[test]
fn sizes_and_spans_are_written_with_their_unit() {
    let text = "[store]\nmemory_bytes = \"2 GiB\"\nflush_after = \"90s\"\n";
    let store = Config::parse(text, "x").unwrap().store;
    assert_eq!((store.memory_bytes.0, store.flush_after), (2 << 30, Span::from_secs(90)));
    assert!(problem("[store]\nflush_after = \"soon\"\n").contains("is no length of time"));
    assert!(problem("[store]\nmemory_bytes = \"2 GB\"\n").contains("is no size"));
}

#[test]
fn a_station_stands_on_the_earth() {
    let text = problem("[[station]]\ndevice = \"a\"\nlatitude = 100.0\n");
    assert!(text.contains("not on the Earth"), "{text}");
}
