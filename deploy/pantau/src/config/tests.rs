#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

fn problem(text: &str) -> String {
    Config::parse(text, Path::new("pantau.toml")).expect_err("must be refused").to_string()
}

#[test]
fn the_printed_default_is_the_default() {
    let printed = Config::parse(DEFAULT_TOML, Path::new("pantau.toml")).unwrap();
    assert_eq!(printed.ingest.ingest.data_dir, Path::new("pantau-data/ingest"));
    assert_eq!(printed.gateway.gateway.data_dir, Path::new("pantau-data/gateway"));
    assert_eq!(printed.ingest.http, pantau_ingest::config::Config::default().http);
    assert_eq!(printed.gateway.mqtt.listen, pantau_gateway::config::Config::default().mqtt.listen);
}

#[test]
fn each_half_reads_its_own_tables() {
    let text = "[pantau]\ndata_dir = \"d\"\n[http]\nlisten = \"127.0.0.1:18080\"\n[mqtt]\nanonymous = true\nlisten = \"127.0.0.1:11883\"\n[[station]]\ndevice = \"a\"\n[[retention]]\nclass = \"noise\"\nquantities = [\"sound_level\"]\nraw_months = 3\nrollup_months = 0\n";
    let config = Config::parse(text, Path::new("pantau.toml")).unwrap();
    assert_eq!(config.ingest.http.listen.port(), 18080);
    assert_eq!(config.gateway.mqtt.listen.port(), 11883);
    assert_eq!((config.ingest.stations.len(), config.ingest.classes.len()), (1, 1));
}

#[test]
fn complaints_name_the_line_of_the_whole_file() {
    let text = "[pantau]\ndata_dir = \"d\"\n\n[http]\nlisten = \"nowhere\"\n[mqtt]\nanonymous = true\n";
    assert!(problem(text).starts_with("pantau.toml:5: "), "{}", problem(text));
    let text = "[http]\n[mqtt]\nanonymous = true\nmax_conections = 3\n";
    assert!(problem(text).starts_with("pantau.toml:4: "), "{}", problem(text));
    let text = "[http]\n\n[pantau]\ndatadir = \"d\"\n";
    assert!(problem(text).starts_with("pantau.toml:4: pantau.datadir: "), "{}", problem(text));
    let text = "[mqtt]\nanonymous = true\n[[gateway]]\nid = \"here\"\ntoken = \"0123456789abcdef\"\n";
    assert!(
        problem(text).starts_with("pantau.toml:4: gateway.id: \"here\" is the built-in"),
        "{}",
        problem(text)
    );
    let text = "[pantau]\ngateway = \"a b\"\n";
    assert!(
        problem(text).starts_with("pantau.toml:2: pantau.gateway: \"a b\" is no gateway id"),
        "{}",
        problem(text)
    );
}

#[test]
fn a_table_that_nobody_reads_is_refused() {
    assert!(
        problem("[htpp]\nlisten = \"127.0.0.1:1\"\n")
            .contains("pantau.toml:1: htpp: there is no table [htpp]")
    );
    assert!(problem("listen = 3\n").contains("pantau.toml:1: listen: is a key before the first table"));
}

#[test]
fn comments_and_arrays_are_no_headers() {
    let text = "# [nothing]\n[mqtt] # devices\nanonymous = true\n";
    Config::parse(text, Path::new("pantau.toml")).unwrap();
}
