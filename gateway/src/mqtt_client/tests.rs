#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::config::{ClientCerts, MqttClient};
use crate::intake::types::Delivered;
use crate::mqtt_server::tests::support::{Entry, TestIntake, clock, open_config, start};
use crate::mqtt_server::{Config, Listeners, Server, User};
use crate::tls::tests::{Authority, Valid};
use crate::tls::{self};

const LIMIT: Duration = Duration::from_secs(20);

fn settings(port: u16, v5: bool) -> Settings {
    Settings {
        name: "city".into(),
        host: "127.0.0.1".into(),
        port,
        tls: None,
        v5,
        client_id: "pantau-test".into(),
        login: None,
        filters: vec!["somebody/else".into()],
        retained: false,
        max_packet_bytes: 64 << 10,
        retry_max: Duration::from_millis(50),
        stop_grace: Duration::from_millis(500),
    }
}

/// Runs a client until it is in a state that `wanted` knows.
async fn until(settings: Settings, wanted: impl Fn(&State) -> bool) -> State {
    let client = Client::new(settings, TestIntake::default(), &[], clock());
    let (stats, stop) = (client.stats(), CancellationToken::new());
    let watch = async {
        loop {
            let (state, _) = stats.state();
            if wanted(&state) {
                stop.cancel();
                return state;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    let (state, ()) = timeout(LIMIT, async { tokio::join!(watch, client.run(stop.clone())) }).await.unwrap();
    assert_eq!(stats.state().0, State::Stopped);
    state
}

#[tokio::test]
async fn topics_that_are_refused_are_named() {
    // Our own listener is a broker that gives nobody anything but the gateway's own topics.
    let server = start(open_config(), &TestIntake::default()).await;
    for v5 in [false, true] {
        let state = until(settings(server.address.port(), v5), |state| *state != State::Connecting).await;
        assert_eq!(state, State::Refused(vec!["somebody/else".into()]));
        let mut ours = settings(server.address.port(), v5);
        ours.filters = vec!["pantau/time".into()];
        assert_eq!(until(ours, |state| *state != State::Connecting).await, State::Connected);
    }
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_said_to_be_away_and_a_stop_ends_the_waiting() {
    // Port 9 (discard) has nobody on it.
    let state = until(settings(9, false), |state| matches!(state, State::Away(_))).await;
    let State::Away(why) = state else { panic!("{state:?}") };
    assert!(why.contains("refused"), "{why}");
}

#[tokio::test]
async fn sessions_of_brokers_are_told_from_those_of_devices_and_end_with_their_broker() {
    let session = |client: &str| RecoveredSession {
        client: client.into(),
        entries: vec![Delivered { packet_id: 1, hash: 2, arrival: TimeMs(3) }],
        ..RecoveredSession::default()
    };
    let mut all = vec![session("city"), session("\0city"), session("\0gone")];
    let intake = TestIntake::default();
    let ours = take_sessions(&mut all, &[settings(1, false)], &intake);
    assert_eq!(all, [session("city")]);
    assert_eq!(ours, [session("\0city")]);
    assert_eq!(intake.journal(), [Entry::Ended("\0gone".into())]);
    let client = Client::new(settings(1, false), intake, &ours, clock());
    assert!(client.taking.journaled && !client.taking.deliveries.is_empty());
    let _: Arc<BrokerStats> = client.stats();
}

/// The broker's end of a connection, byte by byte: MQTT 3.1.1.
struct Broker {
    io: TcpStream,
}

impl Broker {
    /// Takes a connection with its subscription.
    async fn accept(listener: &TcpListener, session_present: bool) -> Self {
        let mut broker = Self { io: listener.accept().await.unwrap().0 };
        assert_eq!(broker.packet().await[0], 0x10, "CONNECT");
        broker.io.write_all(&[0x20, 2, u8::from(session_present), 0]).await.unwrap();
        let subscribe = broker.packet().await;
        assert_eq!(subscribe[0], 0x82, "SUBSCRIBE");
        broker.io.write_all(&[0x90, 3, subscribe[2], subscribe[3], 1]).await.unwrap();
        broker
    }

    /// The next packet, of less than 128 bytes.
    async fn packet(&mut self) -> Vec<u8> {
        let mut packet = vec![0; 2];
        self.io.read_exact(&mut packet).await.unwrap();
        packet.resize(2 + usize::from(packet[1]), 0);
        self.io.read_exact(&mut packet[2..]).await.unwrap();
        packet
    }

    /// A message on topic `t`; with a packet id at QoS 1.
    async fn publish(&mut self, packet_id: Option<u8>, dup: bool, payload: &str) {
        let id = packet_id.map_or(vec![], |id| vec![0, id]);
        let first = 0x30 | u8::from(packet_id.is_some()) << 1 | u8::from(dup) << 3;
        let length = u8::try_from(3 + id.len() + payload.len()).unwrap();
        let packet = [&[first, length, 0, 1, b't'], &id[..], payload.as_bytes()].concat();
        self.io.write_all(&packet).await.unwrap();
    }

    async fn assert_silent(&mut self) {
        let early = timeout(Duration::from_millis(100), self.packet()).await;
        assert!(early.is_err(), "{early:?}");
    }

    async fn assert_acked(&mut self, packet_id: u8) {
        assert_eq!(timeout(LIMIT, self.packet()).await.unwrap(), [0x40, 2, 0, packet_id]);
    }
}

/// Runs a client of a broker that `script` plays.
async fn with_broker(intake: &TestIntake, script: impl AsyncFnOnce(TcpListener)) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = Client::new(settings(port, false), intake.clone(), &[], clock());
    let stop = CancellationToken::new();
    let play = async {
        script(listener).await;
        stop.cancel();
    };
    timeout(LIMIT, async { tokio::join!(play, client.run(stop.clone())) }).await.unwrap();
}

#[tokio::test]
async fn a_message_is_acknowledged_when_it_is_durable_and_its_repeat_is_known() {
    let intake = TestIntake::manual();
    let of = intake.clone();
    with_broker(&intake, async move |listener| {
        let mut broker = Broker::accept(&listener, false).await;
        broker.publish(Some(7), false, "one").await;
        broker.publish(Some(8), false, "two").await;
        of.holds(2).await;
        broker.assert_silent().await;
        of.resolve_all();
        broker.assert_acked(7).await;
        broker.assert_acked(8).await;
        drop(broker);

        // Another connection: the broker has not heard of the second acknowledgement.
        let mut broker = Broker::accept(&listener, true).await;
        broker.publish(Some(8), true, "two").await;
        broker.publish(Some(9), false, "three").await;
        of.holds(3).await;
        broker.assert_silent().await;
        of.resolve_all();
        broker.assert_acked(8).await;
        broker.assert_acked(9).await;
    })
    .await;
    assert_eq!(intake.stored(), ["one", "two", "three"]);
}

#[tokio::test]
async fn a_full_spool_withholds_acknowledgements_and_what_is_given_up_at_qos_0_is_counted() {
    let intake = TestIntake::default();
    let of = intake.clone();
    with_broker(&intake, async move |listener| {
        let mut broker = Broker::accept(&listener, false).await;
        broker.publish(None, false, "stored").await;
        of.holds(1).await;
        of.set_full(true);
        broker.publish(Some(1), false, "withheld").await;
        broker.publish(None, false, "given up").await;
        broker.assert_silent().await;
        drop(broker);
        // The next connection, on which the withheld one comes again; the other does not.
        let mut broker = Broker::accept(&listener, true).await;
        of.set_full(false);
        broker.publish(Some(1), true, "withheld").await;
        broker.assert_acked(1).await;
    })
    .await;
    assert_eq!((intake.stored(), intake.shed()), (vec!["stored".to_owned(), "withheld".to_owned()], 1));
}

#[tokio::test]
async fn what_came_before_a_connection_was_lost_is_taken() {
    let intake = TestIntake::default();
    let of = intake.clone();
    with_broker(&intake, async move |listener| {
        let mut broker = Broker::accept(&listener, false).await;
        for n in 0..100 {
            broker.publish(None, false, &n.to_string()).await;
        }
        drop(broker);
        of.holds(100).await;
    })
    .await;
    assert_eq!((intake.stored().len(), intake.shed()), (100, 0));
}

/// The time by which the client looks at certificates.
static TODAY: AtomicI64 = AtomicI64::new(0);

fn today() -> TimeMs {
    TimeMs(TODAY.load(Ordering::SeqCst))
}

/// A listener of ours with TLS is a broker, too.
#[expect(clippy::disallowed_methods, reason = "a test is its own app.rs")]
async fn tls_broker(authority: &Authority) -> u16 {
    let tls = tls::server(&authority.listener("broker", ClientCerts::Required), tls::tests::now).unwrap();
    let user =
        User { name: "gateway-1".into(), password_hash: None, devices: Vec::new(), topics: Vec::new() };
    let config = Config { users: vec![user], tls: Some(tls), ..Config::default() };
    let (server, _) = Server::new(config, TestIntake::default(), &[], clock()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let listeners = Listeners { plain: None, tls: Some(listener) };
    tokio::spawn(server.run(listeners, tokio::task::JoinSet::new(), CancellationToken::new()));
    port
}

/// What the configuration says of it comes to these settings.
fn secure(port: u16, v5: bool, ca: &Path, own: &(PathBuf, PathBuf)) -> Settings {
    let text = format!(
        "name = \"city\"\nurl = \"mqtts://127.0.0.1:{port}\"\ntopics = [\"a\"]\nca_file = {ca:?}\ncert_file = {:?}\nkey_file = {:?}",
        own.0, own.1
    );
    let broker: MqttClient = toml::from_str(&text).unwrap();
    assert_eq!(broker.address(), Some(("127.0.0.1".into(), port)));
    let tls = tls::client(&broker, today, &str::to_owned).unwrap();
    Settings { filters: vec!["pantau/time".into()], tls: Some(tls), ..settings(port, v5) }
}

#[tokio::test]
async fn a_broker_with_tls_is_believed_by_its_authority_and_tried_again_until_the_clock_is_right() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let port = tls_broker(&authority).await;
    let own = authority.sign("own", "gateway-1", &[], Valid::Now);
    let connected = |state: &State| *state == State::Connected;
    let away = |state: &State| matches!(state, State::Away(_));
    for v5 in [false, true] {
        // Without a battery the clock begins in 1970: nothing is valid yet.
        TODAY.store(0, Ordering::SeqCst);
        let client = Client::new(secure(port, v5, &authority.ca, &own), TestIntake::default(), &[], clock());
        let (stats, stop) = (client.stats(), CancellationToken::new());
        let watch = async {
            while !away(&stats.state().0) {
                sleep(Duration::from_millis(5)).await;
            }
            let State::Away(why) = stats.state().0 else { panic!("it was away") };
            assert!(why.contains("not valid before 2020-01-01") && why.contains("not set yet"), "{why}");
            TODAY.store(tls::tests::NOW.0, Ordering::SeqCst);
            while !connected(&stats.state().0) {
                sleep(Duration::from_millis(5)).await;
            }
            stop.cancel();
        };
        timeout(LIMIT, async { tokio::join!(watch, client.run(stop.clone())) }).await.unwrap();
        let State::Away(why) = until(secure(port, v5, &stranger.ca, &own), away).await else { panic!() };
        assert!(why.contains("an authority that is not"), "{why}");
    }
}
