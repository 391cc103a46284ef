//! A gateway that subscribes to a broker which nobody here wrote: what the broker was told is safe, is safe.

use crate::foreign::need;
use pantau_e2e::broker::{Keeps, Mosquitto};
use pantau_e2e::clock::wait_until;
use pantau_e2e::parts::LIMIT;
use pantau_e2e::ports;
use pantau_e2e::process::{run, run_fed};
use pantau_e2e::system::{Counters, Options, System, readings, stored};
use std::net::SocketAddr;

const SERIES: u32 = 4;
const MESSAGES: u32 = 5_000;
/// What the README asks for: not more than the gateway knows again.
const IN_FLIGHT: u16 = 1_000;

/// A gateway that takes what a broker has on `pantau/#`.
fn options(broker: SocketAddr, protocol: &str, faults: Option<&str>) -> Options {
    let gateway_extra = format!(
        "[[mqtt_client]]\nname = \"city\"\nurl = \"mqtt://{broker}\"\ntopics = [\"pantau/#\"]\n\
         protocol = {protocol:?}\nretry_max = \"200ms\"\n"
    );
    Options { gateway_extra, gateway_faults: faults.map(str::to_owned), ..Options::default() }
}

/// Publishes numbers from `from` on, without a time, to each series.
fn publish(broker: SocketAddr, folder: &std::path::Path, from: u32, messages: u32) {
    for series in 0..SERIES {
        let lines: String = (from..from + messages).map(|n| format!("{n}\n")).collect();
        let file = folder.join("lines");
        std::fs::write(&file, lines).unwrap();
        let mut command = need("/usr/bin/mosquitto_pub", "mosquitto-clients");
        command.args(["-h", "127.0.0.1", "-p", &broker.port().to_string(), "-q", "1", "-l"]);
        command.args(["-t", &format!("pantau/station-{series}/water_level")]);
        let (code, _, error) = run_fed(command, std::fs::File::open(&file).unwrap().into(), LIMIT);
        assert_eq!(code, 0, "{error}");
    }
}

fn assert_all_once(system: &System, messages: u32) {
    let wanted: Vec<f64> = (0..messages).map(f64::from).collect();
    for series in 0..SERIES {
        let name = format!("station-{series}/water_level");
        let mut found: Vec<f64> =
            readings(system.ingest.http, &name).into_iter().map(|(_, value)| value).collect();
        found.sort_by(f64::total_cmp);
        assert_eq!(found.len(), wanted.len(), "{name}: something is lost or there twice");
        assert!(found == wanted, "{name}: something is lost and something is there twice");
    }
}

fn connected(system: &System) -> bool {
    system.gateway.metrics().find("pantau_gateway_broker_connected") == Some(1.0)
}

fn accepted(system: &System) -> u64 {
    system.gateway.metrics().count("pantau_gateway_accepted_total")
}

/// The gateway dies amid a backlog, and what it had not synced with it.
fn killed_amid_a_backlog(protocol: &str) {
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start_on(ports::free(), folder.path(), Keeps::Nothing, IN_FLIGHT);
    let mut system = System::start(&options(broker.address, protocol, Some("volatile")));
    wait_until("the subscription", LIMIT, || connected(&system));
    let mut sent = 0;
    for _ in 0..4 {
        // The session waits at the broker.
        system.gateway.part.kill();
        publish(broker.address, folder.path(), sent, MESSAGES / 5);
        sent += MESSAGES / 5;
        system.gateway.start();
        wait_until("some messages", LIMIT, || accepted(&system) > 200);
    }
    publish(broker.address, folder.path(), sent, MESSAGES / 5);
    let total = u64::from(SERIES * MESSAGES);
    wait_until("all messages", 4 * LIMIT, || Counters::read(system.ingest.http).accepted >= total);
    system.gateway.wait_drained(LIMIT);
    system.stop();
    system.restart();
    assert_all_once(&system, MESSAGES);
    Counters::read(system.ingest.http).assert_conserved(&stored(system.ingest.http));
    system.stop();
}

#[test]
fn a_gateway_killed_amid_a_brokers_backlog_loses_and_doubles_nothing() {
    killed_amid_a_backlog("3.1.1");
}

#[test]
fn a_gateway_killed_amid_a_brokers_backlog_loses_and_doubles_nothing_by_mqtt_5() {
    killed_amid_a_backlog("5");
}

#[test]
fn a_broker_that_goes_and_comes_is_found_again_and_its_state_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start_on(ports::free(), folder.path(), Keeps::Queues, IN_FLIGHT);
    let address = broker.address;
    let mut system = System::start(&options(address, "3.1.1", None));
    wait_until("the subscription", LIMIT, || connected(&system));
    publish(address, folder.path(), 0, 100);
    drop(broker);
    wait_until("the loss of the broker", LIMIT, || !connected(&system));
    let page = pantau_e2e::http::get(system.gateway.status, "/").body;
    assert!(page.contains("city") && page.contains("tidak tersambung"), "{page}");
    let broker = Mosquitto::start_on(address, folder.path(), Keeps::Queues, IN_FLIGHT);
    wait_until("the broker again", LIMIT, || connected(&system));
    publish(address, folder.path(), 100, 100);
    wait_until("all messages", LIMIT, || accepted(&system) >= u64::from(SERIES * 200));
    system.gateway.wait_drained(LIMIT);
    assert_all_once(&system, 200);
    system.stop();
    drop(broker);
}

#[test]
fn what_a_broker_has_retained_is_no_reading_of_now() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start_on(ports::free(), folder.path(), Keeps::Nothing, IN_FLIGHT);
    let mut command = need("/usr/bin/mosquitto_pub", "mosquitto-clients");
    command.args(["-h", "127.0.0.1", "-p", &broker.address.port().to_string(), "-q", "1", "-r"]);
    command.args(["-t", "pantau/old/water_level", "-m", "7"]);
    assert_eq!(run(command, LIMIT).0, 0);
    let mut system = System::start(&options(broker.address, "5", None));
    wait_until("the retained message", LIMIT, || {
        let name = "pantau_gateway_broker_retained_ignored_total";
        system.gateway.metrics().find(name) == Some(1.0)
    });
    publish(broker.address, folder.path(), 0, 10);
    wait_until("the messages after it", LIMIT, || accepted(&system) >= u64::from(SERIES * 10));
    system.gateway.wait_drained(LIMIT);
    assert_eq!(stored(system.ingest.http).len(), SERIES as usize, "the old one is not there");
    system.stop();
}
