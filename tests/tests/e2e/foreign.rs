//! Devices that nobody here wrote: Debian's mosquitto_pub and Python's paho-mqtt.

use crate::kills::devices;
use pantau_e2e::clock::{now_ms, rfc3339, wait_until};
use pantau_e2e::device::Fleet;
use pantau_e2e::parts::LIMIT;
use pantau_e2e::process::{Proc, run};
use pantau_e2e::proxy::{Fault, Proxy};
use pantau_e2e::system::{Counters, Options, System, readings, stored};
use std::path::Path;
use std::process::Command;

/// A program that `make test` installs; without it the test fails and says how to get it.
pub(crate) fn need(path: &str, package: &str) -> Command {
    assert!(Path::new(path).exists(), "{path} is missing: apt-get install {package}");
    Command::new(path)
}

fn values(system: &System, series: &str) -> Vec<f64> {
    readings(system.ingest.http, series).into_iter().map(|(_, value)| value).collect()
}

#[test]
fn mosquitto_pub_delivers_at_every_qos() {
    let mut system = System::start(&Options::default());
    let address = system.gateway.mqtt;
    for version in ["mqttv311", "mqttv5"] {
        for qos in 0..=2 {
            let topic = format!("pantau/mosquitto-{version}-{qos}/water_level");
            for n in 1..=5 {
                let mut command = need("/usr/bin/mosquitto_pub", "mosquitto-clients");
                command.args(["-V", version, "-h", "127.0.0.1", "-p", &address.port().to_string()]);
                command.args(["-q", &qos.to_string(), "-t", &topic, "-m", &format!("{}.25", n)]);
                let (code, out, error) = run(command, LIMIT);
                assert_eq!(code, 0, "mosquitto_pub at QoS {qos}, {version}: {out}{error}");
            }
        }
    }
    system.gateway.wait_drained(LIMIT);
    for version in ["mqttv311", "mqttv5"] {
        for qos in 1..=2 {
            let found = values(&system, &format!("mosquitto-{version}-{qos}/water_level"));
            assert_eq!(found, [1.25, 2.25, 3.25, 4.25, 5.25], "QoS {qos}, {version}");
        }
        // At QoS 0 mosquitto_pub closes after its last byte; whatever the gateway read of it is there.
        let found = values(&system, &format!("mosquitto-{version}-0/water_level"));
        assert_eq!(found, [1.25, 2.25, 3.25, 4.25, 5.25], "QoS 0, {version}");
    }
}

#[test]
fn mosquitto_pub_delivers_json_with_a_time() {
    let mut system = System::start(&Options::default());
    let time = now_ms() - 60_000;
    let message =
        format!("{{\"time\":\"{}\",\"air_temperature\":27.5,\"relative_humidity\":81}}", rfc3339(time));
    let mut command = need("/usr/bin/mosquitto_pub", "mosquitto-clients");
    command.args(["-h", "127.0.0.1", "-p", &system.gateway.mqtt.port().to_string(), "-q", "2"]);
    command.args(["-t", "pantau/mosquitto-json", "-m", &message]);
    let (code, _, error) = run(command, LIMIT);
    assert_eq!(code, 0, "{error}");
    system.gateway.wait_drained(LIMIT);
    let http = system.ingest.http;
    assert_eq!(readings(http, "mosquitto-json/air_temperature"), [(time, 27.5)]);
    assert_eq!(readings(http, "mosquitto-json/relative_humidity"), [(time, 81.0)]);
}

#[test]
fn paho_devices_deliver_everything_through_a_gateway_that_is_killed() {
    let mut system = System::start(&Options::default());
    let script = system.folder().join("paho_device.py");
    std::fs::write(&script, include_str!("paho_device.py")).unwrap();
    let start = |version: &str, count: u32| {
        let mut command = need("/usr/bin/python3", "python3-paho-mqtt");
        let port = system.gateway.mqtt.port().to_string();
        command.arg(&script).args([&port, version, &count.to_string()]);
        command
    };
    let commands = [start("311", 3_000), start("5", 3_000)];
    let devices = commands.map(|command| pantau_e2e::clock::spawn("paho", move || run(command, 4 * LIMIT)));
    for _ in 0..3 {
        std::thread::sleep(std::time::Duration::from_millis(700));
        system.gateway.part.kill();
        system.gateway.start();
    }
    for device in devices {
        let (code, out, error) = device.join().unwrap();
        assert_eq!(code, 0, "{out}{error}");
    }
    system.gateway.wait_drained(2 * LIMIT);
    system.stop();
    system.restart();
    let expected: Vec<f64> = (1..=3_000).map(f64::from).collect();
    for version in ["311", "5"] {
        for (qos, kind) in [(1, "timed"), (2, "timed"), (1, "plain"), (2, "plain")] {
            let series = format!("paho-{version}/pulses/{kind}-{qos}");
            let mut found = values(&system, &series);
            found.sort_by(f64::total_cmp);
            if (qos, kind) == (1, "plain") {
                // paho's own choice of packet ids and sessions decides: at least once.
                found.dedup();
            }
            assert_eq!(found.len(), expected.len(), "{series}");
            assert_eq!(found, expected, "{series}");
        }
    }
    let counters = Counters::read(system.ingest.http);
    counters.assert_conserved(&stored(system.ingest.http));
}

/// The harness's devices are strangers to mosquitto as mosquitto_pub is to the gateway: what they do must be
/// MQTT, or their accounts prove nothing.
#[test]
fn our_own_devices_keep_the_protocol_with_a_broker_that_nobody_here_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let address = pantau_e2e::ports::free();
    let config = folder.path().join("mosquitto.conf");
    let text = format!(
        "listener {} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\n",
        address.port()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = need("/usr/sbin/mosquitto", "mosquitto");
    command.arg("-c").arg(&config);
    let mut broker = Proc::start("mosquitto", command, &folder.path().join("mosquitto.log"));
    wait_until("mosquitto to listen", LIMIT, || {
        broker.assert_alive();
        std::net::TcpStream::connect(address).is_ok()
    });
    let network = Proxy::start(address);
    let fleet = Fleet::start(network.address(), devices());
    for _ in 0..10 {
        let before = fleet.acked();
        wait_until("publishes to be acked", LIMIT, || fleet.acked() > before + 50);
        network.cut();
        network.set(Fault::Pass);
    }
    let ledger = fleet.stop();
    assert_eq!(ledger.breaches, Vec::<String>::new());
    assert!(ledger.redelivered > 0, "no publish was in flight at a cut");
    assert!(ledger.acked() > 500, "{}", ledger.acked());
}
