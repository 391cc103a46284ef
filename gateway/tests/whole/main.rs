#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]
//! The gateway as a whole, from an MQTT client's bytes to an ingest in this process.

mod fake_ingest;
mod modbus;
mod pins;
#[path = "../../src/modbus/tests/plant.rs"]
mod plant;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use fake_ingest::{Entry, FakeIngest};
use pantau_gateway::app::{self, AppError};
use pantau_gateway::config::Config;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Gateway {
    mqtt: SocketAddr,
    status: SocketAddr,
    stop: CancellationToken,
    running: JoinHandle<Result<(), AppError>>,
}

fn config(data: &Path, ingest: SocketAddr) -> Config {
    config_and(data, ingest, "")
}

fn config_and(data: &Path, ingest: SocketAddr, more: &str) -> Config {
    let text = format!(
        "[gateway]\nid = \"gw-1\"\ndata_dir = {data:?}\n[mqtt]\nlisten = \"127.0.0.1:0\"\nanonymous = true\n\
         [uplink]\nurl = \"http://{ingest}\"\nretry_max = \"50ms\"\n[status]\nlisten = \"127.0.0.1:0\"\n\
         [[decode]]\ntopics = \"tele/#\"\nformat = \"tasmota\"\n[[decode]]\ntopics = \"spBv1.0/#\"\nformat = \"sparkplug_b\"\n\
         [[decode]]\ntopics = \"pantau/#\"\nformat = \"pantau\"\n[spool]\nfree_floor = \"0 B\"\nsegment = \"1 MiB\"\nmax_size = \"32 MiB\"\n{more}"
    );
    pantau_settings::parse(&text, Path::new("test.toml")).unwrap()
}

async fn start(data: &Path, ingest: SocketAddr) -> Gateway {
    start_with(config(data, ingest)).await
}

async fn start_with(config: Config) -> Gateway {
    let bound = app::bind(&config).await.unwrap();
    let (mqtt, status, stop) = (bound.mqtt_address, bound.status_address, CancellationToken::new());
    let running = tokio::spawn(app::run(bound, config, stop.clone()));
    Gateway { mqtt, status, stop, running }
}

impl Gateway {
    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.running).await.unwrap().unwrap().unwrap();
    }
}

/// Connects by MQTT 3.1.1, publishes at QoS 1 and returns once every PUBACK has come.
fn publish(address: SocketAddr, messages: &[(String, String)]) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.write_all(b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02ab").unwrap();
    let mut answer = [0; 4];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [0x20, 2, 0, 0]);
    for (n, (topic, payload)) in messages.iter().enumerate() {
        let mut packet = vec![0x32, u8::try_from(2 + topic.len() + 2 + payload.len()).unwrap()];
        packet.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
        packet.extend(topic.bytes());
        packet.extend(u16::try_from(n + 1).unwrap().to_be_bytes());
        packet.extend(payload.bytes());
        socket.write_all(&packet).unwrap();
    }
    for n in 0..messages.len() {
        socket.read_exact(&mut answer).unwrap();
        assert_eq!(
            (answer[0], u16::from_be_bytes([answer[2], answer[3]])),
            (0x40, u16::try_from(n + 1).unwrap())
        );
    }
}

async fn published(address: SocketAddr, messages: Vec<(String, String)>) {
    tokio::task::spawn_blocking(move || publish(address, &messages)).await.unwrap();
}

async fn get(address: SocketAddr, path: &'static str) -> String {
    let get = move || {
        let mut socket = TcpStream::connect(address).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: x\r\nAccept-Language: en\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        text
    };
    tokio::task::spawn_blocking(get).await.unwrap()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never came: {what}");
}

fn messages(from: u32, to: u32) -> Vec<(String, String)> {
    (from..to).map(|n| (format!("pantau/dev-{}/pm10", n % 3), format!("{n}.25"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_device_was_acked_reaches_ingest_across_a_restart_without_it() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ingest = listener.local_addr().unwrap();
    drop(listener);
    let gateway = start(dir.path(), ingest).await;
    published(gateway.mqtt, messages(0, 50)).await;
    let page = get(gateway.status, "/").await;
    assert!(page.contains("Not connected to ingest"), "{page}");
    gateway.stop().await;

    let fake = FakeIngest::default();
    fake.start(TcpListener::bind(ingest).await.unwrap());
    let gateway = start(dir.path(), ingest).await;
    published(gateway.mqtt, messages(50, 80)).await;
    until("all readings", || fake.stored() == 80).await;
    let metrics = get(gateway.status, "/metrics").await;
    assert!(metrics.contains("pantau_gateway_accepted_total 30"), "{metrics}");
    gateway.stop().await;
    let mut values: Vec<f64> = fake
        .city
        .lock()
        .unwrap()
        .entries
        .values()
        .map(|entry| match entry {
            Entry::Reading(_, _, value) => *value,
            Entry::Refused(topic) => panic!("{topic} was refused"),
        })
        .collect();
    values.sort_by(f64::total_cmp);
    assert_eq!(values, (0..80).map(|n| f64::from(n) + 0.25).collect::<Vec<f64>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_graceful_stop_empties_the_spool_first() {
    let dir = tempfile::tempdir().unwrap();
    let fake = FakeIngest::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ingest = listener.local_addr().unwrap();
    fake.start(listener);
    let gateway = start(dir.path(), ingest).await;
    published(gateway.mqtt, messages(0, 1)).await;
    until("the stream", || fake.stored() == 1).await;
    published(gateway.mqtt, messages(1, 100)).await;
    gateway.stop().await;
    assert_eq!(fake.stored(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_is_named_with_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config(Path::new("/nowhere"), taken.local_addr().unwrap());
    config.mqtt.listen = taken.local_addr().unwrap();
    let error = app::bind(&config).await.unwrap_err().to_string();
    assert!(error.contains("mqtt.listen") && error.contains(&config.mqtt.listen.to_string()), "{error}");
}

/// Connects with a will (topic, message) and leaves the socket open.
fn connect(address: SocketAddr, client: &str, will: Option<(&str, &str)>) -> TcpStream {
    let text = |text: &str| [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat();
    let mut body = [&b"\x00\x04MQTT\x04"[..], &[if will.is_some() { 6 } else { 2 }, 0, 60]].concat();
    body.extend(text(client));
    if let Some((topic, message)) = will {
        body.extend(text(topic));
        body.extend(text(message));
    }
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.write_all(&[&[0x10, u8::try_from(body.len()).unwrap()][..], &body].concat()).unwrap();
    let mut answer = [0; 4];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [0x20, 2, 0, 0]);
    socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_last_will_sets_its_device_offline_until_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = start(dir.path(), "127.0.0.1:9".parse().unwrap()).await;
    let (mqtt, status) = (gateway.mqtt, gateway.status);
    let will = Some(("tele/plug-1/LWT", "Offline"));
    let offline = |page: &str| page.contains("<code>plug-1</code>");
    drop(tokio::task::spawn_blocking(move || connect(mqtt, "plug", will)).await.unwrap());
    let mut page = String::new();
    for _ in 0..500 {
        page = get(status, "/").await;
        if offline(&page) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(offline(&page), "{page}");
    published(mqtt, vec![("tele/plug-1/LWT".into(), "Online".into())]).await;
    let page = get(status, "/").await;
    assert!(!offline(&page), "{page}");
    // Who leaves politely leaves no will.
    let polite = tokio::task::spawn_blocking(move || {
        let mut socket = connect(mqtt, "plug", will);
        socket.write_all(&[0xe0, 0]).unwrap();
        assert_eq!(socket.read(&mut [0; 1]).unwrap(), 0);
    });
    polite.await.unwrap();
    published(mqtt, messages(0, 1)).await;
    assert!(get(status, "/metrics").await.contains("pantau_gateway_devices_offline 0"));
    // MQTT 5.0 can leave and want its will to be taken all the same (reason 4).
    let unwell = tokio::task::spawn_blocking(move || {
        let mut socket = TcpStream::connect(mqtt).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let body = b"\x00\x04MQTT\x05\x06\x00\x3c\x00\x00\x04plug\x00\x00\x0ftele/plug-1/LWT\x00\x07Offline";
        socket.write_all(&[&[0x10, u8::try_from(body.len()).unwrap()][..], body].concat()).unwrap();
        let mut head = [0; 2];
        socket.read_exact(&mut head).unwrap();
        socket.read_exact(&mut vec![0; usize::from(head[1])]).unwrap();
        socket.write_all(&[0xe0, 1, 4]).unwrap();
        assert_eq!(socket.read(&mut [0; 1]).unwrap(), 0);
    });
    unwell.await.unwrap();
    published(mqtt, messages(1, 2)).await;
    assert!(get(status, "/metrics").await.contains("pantau_gateway_devices_offline 1"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_node_whose_birth_was_missed_is_asked_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = start(dir.path(), "127.0.0.1:9".parse().unwrap()).await;
    let mqtt = gateway.mqtt;
    let asked = tokio::task::spawn_blocking(move || {
        let mut socket = connect(mqtt, "edge", None);
        let text = |text: &str| [&[0, u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat();
        let packet =
            |head: u8, body: Vec<u8>| [&[head, u8::try_from(body.len()).unwrap()][..], &body].concat();
        let filter = text("spBv1.0/G/NCMD/E");
        socket.write_all(&packet(0x82, [&[0, 1][..], &filter, &[0]].concat())).unwrap();
        let mut answer = [0; 5];
        socket.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0x90, 3, 0, 1, 0], "the subscription is granted");
        // timestamp 1, one metric with alias 1 and double 1.0, seq 5
        let data = b"\x08\x01\x12\x0b\x10\x01\x69\0\0\0\0\0\0\xf0\x3f\x18\x05";
        let data = [&text("spBv1.0/G/NDATA/E")[..], data].concat();
        socket.write_all(&packet(0x30, data)).unwrap();
        let mut head = [0; 2];
        socket.read_exact(&mut head).unwrap();
        let mut body = vec![0; usize::from(head[1])];
        socket.read_exact(&mut body).unwrap();
        (head[0], body)
    });
    let (head, body) = asked.await.unwrap();
    assert_eq!((head, &body[2..18]), (0x30, &b"spBv1.0/G/NCMD/E"[..]));
    assert!(body.windows(20).any(|window| window == b"Node Control/Rebirth"));
    gateway.stop().await;
}
