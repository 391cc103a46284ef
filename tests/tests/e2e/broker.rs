//! A gateway that subscribes to a broker which nobody here wrote: what the broker was told is safe, is safe.

use crate::foreign::need;
use pantau_e2e::broker::{Keeps, Mosquitto};
use pantau_e2e::clock::{now_ms, rfc3339, wait_until};
use pantau_e2e::parts::LIMIT;
use pantau_e2e::process::{run, run_fed};
use pantau_e2e::system::{Counters, Options, System, readings, stored};
use std::net::SocketAddr;

const SERIES: u32 = 4;
const MESSAGES: u32 = 5_000;

/// A gateway that takes what a broker has on `pantau/#`.
fn options(broker: SocketAddr, protocol: &str, faults: Option<&str>) -> Options {
    let gateway_extra = format!(
        "[[mqtt_client]]\nname = \"city\"\nurl = \"mqtt://{broker}\"\ntopics = [\"pantau/#\"]\n\
         protocol = {protocol:?}\nretry_max = \"200ms\"\n"
    );
    Options { gateway_extra, gateway_faults: faults.map(str::to_owned), ..Options::default() }
}

/// What a station sends: a bare number, or one with its time.
#[derive(Clone, Copy, PartialEq)]
enum Sends {
    Untimed,
    /// A second apart, from a time on.
    Timed(i64),
}

/// Publishes numbers from `from` on to each series.
fn publish(broker: SocketAddr, folder: &std::path::Path, sends: Sends, from: u32, messages: u32) {
    for series in 0..SERIES {
        let line = |n: u32| match sends {
            Sends::Untimed => format!("{n}\n"),
            Sends::Timed(start) => {
                let time = rfc3339(start + i64::from(n) * 1_000);
                format!("{{\"time\":\"{time}\",\"water_level\":{n}}}\n")
            }
        };
        let lines: String = (from..from + messages).map(line).collect();
        let topic = match sends {
            Sends::Untimed => format!("pantau/station-{series}/water_level"),
            Sends::Timed(_) => format!("pantau/station-{series}"),
        };
        let file = folder.join("lines");
        std::fs::write(&file, lines).unwrap();
        let mut command = need("/usr/bin/mosquitto_pub", "mosquitto-clients");
        command.args(["-h", "127.0.0.1", "-p", &broker.port().to_string(), "-q", "1", "-l"]);
        command.args(["-t", &topic]);
        let (code, _, error) = run_fed(command, std::fs::File::open(&file).unwrap().into(), LIMIT);
        assert_eq!(code, 0, "{error}");
    }
}

/// The values of a series, in order.
fn values(system: &System, series: u32) -> Vec<f64> {
    let name = format!("station-{series}/water_level");
    let mut found: Vec<f64> =
        readings(system.ingest.http, &name).into_iter().map(|(_, value)| value).collect();
    found.sort_by(f64::total_cmp);
    found
}

/// Nothing is lost, and unless it `repeats`, nothing is there twice.
fn assert_all(system: &System, messages: u32, repeats: bool) {
    let wanted: Vec<f64> = (0..messages).map(f64::from).collect();
    for series in 0..SERIES {
        let mut found = values(system, series);
        if repeats {
            found.dedup();
        }
        assert_eq!(found.len(), wanted.len(), "station-{series}: something is lost or there twice");
        assert!(found == wanted, "station-{series}: something is lost and something is there twice");
    }
}

fn connected(system: &System) -> bool {
    system.gateway.metrics().find("pantau_gateway_broker_connected") == Some(1.0)
}

fn accepted(system: &System) -> u64 {
    system.gateway.metrics().count("pantau_gateway_accepted_total")
}

/// The gateway dies amid a backlog, and what it had not synced with it. mosquitto sends more ahead of the acknowledgements
/// than a gateway can know again, so what has no time may be there twice; never may it be lost.
fn killed_amid_a_backlog(protocol: &str, sends: Sends) {
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), Keeps::Nothing);
    let mut system = System::start(&options(broker.address, protocol, Some("volatile")));
    wait_until("the subscription", LIMIT, || connected(&system));
    let mut sent = 0;
    for _ in 0..4 {
        // The session waits at the broker.
        system.gateway.part.kill();
        publish(broker.address, folder.path(), sends, sent, MESSAGES / 5);
        sent += MESSAGES / 5;
        system.gateway.start();
        wait_until("some messages", LIMIT, || accepted(&system) > 200);
    }
    publish(broker.address, folder.path(), sends, sent, MESSAGES / 5);
    let there = |series| {
        let mut found = values(&system, series);
        found.dedup();
        found.len() == MESSAGES as usize
    };
    wait_until("all messages", 4 * LIMIT, || (0..SERIES).all(there));
    system.gateway.wait_drained(LIMIT);
    system.stop();
    system.restart();
    assert_all(&system, MESSAGES, sends == Sends::Untimed);
    Counters::read(system.ingest.http).assert_conserved(&stored(system.ingest.http));
    system.stop();
}

#[test]
fn a_gateway_killed_amid_a_brokers_backlog_loses_and_doubles_nothing_that_has_a_time() {
    killed_amid_a_backlog("3.1.1", Sends::Timed(now_ms() - 7_200_000));
}

#[test]
fn a_gateway_killed_amid_a_brokers_backlog_loses_nothing_that_has_no_time() {
    killed_amid_a_backlog("5", Sends::Untimed);
}

#[test]
fn a_broker_that_goes_and_comes_is_found_again_and_its_state_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), Keeps::Queues);
    let address = broker.address;
    let mut system = System::start(&options(address, "3.1.1", None));
    wait_until("the subscription", LIMIT, || connected(&system));
    publish(address, folder.path(), Sends::Untimed, 0, 100);
    drop(broker);
    wait_until("the loss of the broker", LIMIT, || !connected(&system));
    let page = pantau_e2e::http::get(system.gateway.status, "/").body;
    assert!(page.contains("city") && page.contains("tidak tersambung"), "{page}");
    let broker = Mosquitto::start_on(address, folder.path(), Keeps::Queues);
    wait_until("the broker again", LIMIT, || connected(&system));
    publish(address, folder.path(), Sends::Untimed, 100, 100);
    wait_until("all messages", LIMIT, || accepted(&system) >= u64::from(SERIES * 200));
    system.gateway.wait_drained(LIMIT);
    assert_all(&system, 200, false);
    system.stop();
    drop(broker);
}

#[test]
fn what_a_broker_has_retained_is_no_reading_of_now() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Mosquitto::start(folder.path(), Keeps::Nothing);
    let mut command = need("/usr/bin/mosquitto_pub", "mosquitto-clients");
    command.args(["-h", "127.0.0.1", "-p", &broker.address.port().to_string(), "-q", "1", "-r"]);
    command.args(["-t", "pantau/old/water_level", "-m", "7"]);
    assert_eq!(run(command, LIMIT).0, 0);
    let mut system = System::start(&options(broker.address, "5", None));
    wait_until("the retained message", LIMIT, || {
        let name = "pantau_gateway_broker_retained_ignored_total";
        system.gateway.metrics().find(name) == Some(1.0)
    });
    publish(broker.address, folder.path(), Sends::Untimed, 0, 10);
    wait_until("the messages after it", LIMIT, || accepted(&system) >= u64::from(SERIES * 10));
    system.gateway.wait_drained(LIMIT);
    assert_eq!(stored(system.ingest.http).len(), SERIES as usize, "the old one is not there");
    system.stop();
}
