//! `pantau demo`: one command, and there are stations with a history and live readings.

use pantau_e2e::clock::{now_ms, wait_until};
use pantau_e2e::http::{encode, get_items, get_json, try_get};
use pantau_e2e::mqtt::{Client, Hello};
use pantau_e2e::parts::{LIMIT, STOP};
use pantau_e2e::ports;
use pantau_e2e::process::{Proc, binary, run};
use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

struct Addresses {
    http: SocketAddr,
    grpc: SocketAddr,
    mqtt: SocketAddr,
    status: SocketAddr,
}

fn demo(folder: &Path, at: &Addresses, more: &[&str]) -> Proc {
    let mut command = Command::new(binary("pantau"));
    command.arg("demo").arg("--data-dir").arg(folder.join("data"));
    command.args(["--http", &at.http.to_string(), "--grpc", &at.grpc.to_string()]);
    command.args(["--mqtt", &at.mqtt.to_string(), "--status", &at.status.to_string()]).args(more);
    Proc::start("pantau demo", command, &folder.join("demo.log"))
}

fn addresses() -> Addresses {
    Addresses { http: ports::free(), grpc: ports::free(), mqtt: ports::free(), status: ports::free() }
}

/// How many readings all series together have since `from`, by their completeness.
fn count(http: SocketAddr, series: &[String], from: i64) -> i64 {
    let received = |series: &String| {
        let path = format!(
            "/api/v1/readings?series={}&from={from}&to={}&step=P1D&agg=mean",
            encode(series),
            now_ms()
        );
        get_json(http, &path)["series"][0]["completeness"]["received"].as_i64().unwrap_or(0)
    };
    series.iter().map(received).sum()
}

fn names(http: SocketAddr) -> Vec<String> {
    let name = |item: &Value| item["series"].as_str().unwrap().to_owned();
    get_items(http, "/api/v1/series").iter().map(name).collect()
}

#[test]
fn the_demo_shows_history_and_live_readings_stops_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let at = addresses();
    let mut process = demo(folder.path(), &at, &[]);
    process.wait_for("the page", LIMIT, || try_get(at.http, "/").ok().filter(|page| page.status == 200));
    process.wait_for("its address to be printed", LIMIT, || {
        process_output(folder.path()).contains(&format!("http://{}", at.http)).then_some(())
    });
    let stations = process.wait_for("stations", 2 * LIMIT, || {
        let stations = get_items(at.http, "/api/v1/stations");
        (stations.len() >= 3).then_some(stations)
    });
    println!("{} stations", stations.len());
    // A year of real weather: most of it is there within a minute; the deadline is for hangs.
    process.wait_for("history", 4 * LIMIT, || {
        let old = names(at.http);
        let year = now_ms() - 20 * 365 * 86_400_000;
        (count(at.http, &old, year) > 100_000).then_some(())
    });
    let fresh = |items: &[Value]| items.iter().filter(|item| item["state"] == "fresh").count();
    process.wait_for("live readings", 2 * LIMIT, || {
        (fresh(&get_items(at.http, "/api/v1/latest")) > 10).then_some(())
    });
    let before = count(at.http, &names(at.http), 0);
    let status = process.terminate(STOP);
    assert!(status.success(), "{status}");

    let mut process = demo(folder.path(), &at, &["--for", "20"]);
    process
        .wait_for("the second start", LIMIT, || try_get(at.http, "/readyz").ok().filter(|a| a.status == 200));
    let after = count(at.http, &names(at.http), 0);
    assert!(after >= before, "{before} readings before the stop, {after} after the start");
    wait_until("more readings", 2 * LIMIT, || count(at.http, &names(at.http), 0) > after);
    let status = process.wait(4 * LIMIT);
    assert!(status.success(), "--for ends with success: {status}");
}

fn process_output(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("demo.log")).unwrap_or_default()
}

#[test]
fn a_taken_port_is_named_with_the_option_that_chooses_another() {
    let folder = tempfile::tempdir().unwrap();
    for option in ["--http", "--grpc", "--mqtt", "--status"] {
        let at = addresses();
        let address = match option {
            "--http" => at.http,
            "--grpc" => at.grpc,
            "--mqtt" => at.mqtt,
            _ => at.status,
        };
        let _taken = TcpListener::bind(address).unwrap();
        let mut process = demo(folder.path(), &at, &[]);
        let status = process.wait(LIMIT);
        assert!(!status.success(), "{option} is taken");
        let said = process.output();
        assert!(said.contains(&address.to_string()) && said.contains(option), "{option}: {said}");
    }
}

#[test]
fn serve_takes_readings_from_real_devices_with_the_printed_config() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary("pantau"));
    command.arg("config");
    let (code, config, error) = run(command, LIMIT);
    assert_eq!(code, 0, "{error}");
    let at = addresses();
    let config = config
        .replace("127.0.0.1:8080", &at.http.to_string())
        .replace("127.0.0.1:8081", &at.grpc.to_string())
        .replace("127.0.0.1:1883", &at.mqtt.to_string())
        .replace("127.0.0.1:9080", &at.status.to_string());
    let config = uncomment(&config, &["data_dir", "listen"]).replace("/var/lib/pantau", "data");
    let path = folder.path().join("pantau.toml");
    std::fs::write(&path, config).unwrap();
    let serve = || {
        let mut command = Command::new(binary("pantau"));
        command.args(["serve", "--config"]).arg(&path).current_dir(folder.path());
        let mut process = Proc::start("pantau serve", command, &folder.path().join("serve.log"));
        process.wait_for("the API", LIMIT, || try_get(at.http, "/readyz").ok().filter(|a| a.status == 200));
        process
    };
    let mut process = serve();
    let (mut client, _) = Client::connect(at.mqtt, &Hello::lasting("served")).unwrap();
    client.deliver("pantau/served/water_level", b"1.25", 1, 1);
    process.kill();
    let mut process = serve();
    wait_until("the reading", LIMIT, || {
        let items = get_items(at.http, "/api/v1/latest");
        items.iter().any(|item| item["series"] == "served/water_level" && item["value"] == 1.25)
    });
    assert!(process.terminate(STOP).success());
    let mut command = Command::new(binary("pantau"));
    command.args(["serve", "--config", "/nowhere/pantau.toml"]);
    assert_eq!(run(command, LIMIT).0, 2);
}

/// Makes the commented defaults of these keys real, so that the test's values take effect.
fn uncomment(config: &str, keys: &[&str]) -> String {
    let line = |line: &str| {
        let bare = line.trim_start_matches("# ");
        let key = bare.split('=').next().unwrap_or_default().trim();
        if bare.contains('=') && keys.contains(&key) { format!("{bare}\n") } else { format!("{line}\n") }
    };
    config.lines().map(line).collect()
}
