//! The listener with TLS: real handshakes, with certificates that are made here, and doors that are exchanged under load.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rmqtt_codec::{MqttPacket, v3, v5};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::sync::CancellationToken;

use super::super::{Config, Doorkeeper, Listeners, Server, Stats, User};
use super::guards::user;
use super::support::{Client, TestIntake, clock, v3_connect, v5_connect, wait_for};
use crate::config::{ClientCerts, MqttTls};
use crate::tls::tests::{Authority, Valid, device, now};
use crate::tls::{self};

const LIMIT: Duration = Duration::from_secs(20);

struct Running {
    tls: SocketAddr,
    plain: SocketAddr,
    stats: Arc<Stats>,
    door: Doorkeeper,
    stop: CancellationToken,
}

/// A listener with TLS and one without beside it.
#[expect(clippy::disallowed_methods, reason = "a test is its own app.rs")]
async fn start(tls: &MqttTls, users: Vec<User>, intake: &TestIntake) -> Running {
    let listen = || async { TcpListener::bind("127.0.0.1:0").await.unwrap() };
    let (plain, secure) = (listen().await, listen().await);
    let addresses = (plain.local_addr().unwrap(), secure.local_addr().unwrap());
    let (server, _) = Server::new(config(tls, users), intake.clone(), &[], clock()).unwrap();
    let running = Running {
        plain: addresses.0,
        tls: addresses.1,
        stats: server.stats(),
        door: server.doorkeeper(),
        stop: CancellationToken::new(),
    };
    let listeners = Listeners { plain: Some(plain), tls: Some(secure) };
    tokio::spawn(server.run(listeners, JoinSet::new(), running.stop.clone()));
    running
}

fn config(tls: &MqttTls, users: Vec<User>) -> Config {
    Config { users, tls: Some(tls::server(tls, now).unwrap()), ..Config::default() }
}

/// A user that gets in by a certificate only.
fn certified(name: &str) -> User {
    User { password_hash: None, ..user(name, "secret") }
}

type Tls = Client<TlsStream<TcpStream>>;

/// A device that has made its handshake. In TLS 1.3 the server's verdict on a certificate comes after that.
async fn secure(
    address: SocketAddr,
    ca: &Path,
    own: Option<&(PathBuf, PathBuf)>,
    v5: bool,
) -> std::io::Result<Tls> {
    let socket = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let io = TlsConnector::from(device(ca, own)).connect(name, socket).await?;
    Ok(Client::over(io, v5))
}

/// The code of CONNACK.
async fn code(device: &mut Tls, login: Option<(&str, &str)>) -> u8 {
    let mut connect = v3_connect("a", true);
    connect.username = login.map(|(user, _)| user.to_owned().into());
    connect.password = login.map(|(_, password)| password.to_owned().into());
    device.send(MqttPacket::V3(connect.into())).await;
    match device.next().await {
        Some(MqttPacket::V3(v3::Packet::ConnectAck(ack))) => ack.return_code.into(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_device_is_the_user_that_its_certificate_names_and_nobody_else() {
    let (authority, intake) = (Authority::new(), TestIntake::default());
    let tls = authority.listener("gateway", ClientCerts::Required);
    let server =
        start(&tls, vec![certified("air-1"), certified("air-2"), user("air-3", "secret")], &intake).await;
    let by_common_name = authority.sign("1", "air-1", &[], Valid::Now);
    let by_dns_name = authority.sign("2", "", &["air-2"], Valid::Now);
    let of_nobody = authority.sign("3", "air-9", &[], Valid::Now);
    let nameless = authority.sign("4", "", &[], Valid::Now);
    for (own, login, expected) in [
        (&by_common_name, None, 0),
        (&by_common_name, Some(("air-1", "")), 0),
        (&by_dns_name, None, 0),
        // Another's name, even with its password, is not in the certificate.
        (&by_common_name, Some(("air-2", "")), 5),
        (&by_common_name, Some(("air-3", "secret")), 5),
        (&of_nobody, None, 5),
        (&nameless, None, 5),
    ] {
        let mut device = secure(server.tls, &authority.ca, Some(own), false).await.unwrap();
        assert_eq!(code(&mut device, login).await, expected, "{own:?} {login:?}");
    }
    let mut device = secure(server.tls, &authority.ca, Some(&by_common_name), false).await.unwrap();
    assert_eq!(code(&mut device, None).await, 0);
    device.publish(1, 7, false, "over TLS").await;
    assert_eq!(device.answer().await, "PUBACK 7");
    assert_eq!(intake.stored(), ["over TLS"]);
    // The listener without TLS goes on beside it; a user with a certificate only has no password there.
    let mut connect = v3_connect("b", true);
    (connect.username, connect.password) = (Some("air-1".into()), Some("".into()));
    let mut device = Client::open(server.plain, false).await;
    device.send(MqttPacket::V3(connect.into())).await;
    match device.next().await {
        Some(MqttPacket::V3(v3::Packet::ConnectAck(ack))) => assert_eq!(u8::from(ack.return_code), 4),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn certificates_that_are_not_believed_come_no_further_than_the_handshake() {
    let (authority, stranger, intake) = (Authority::new(), Authority::new(), TestIntake::default());
    let tls = authority.listener("gateway", ClientCerts::Required);
    let server = start(&tls, vec![certified("air-1")], &intake).await;
    let wrong = [
        Some(stranger.sign("1", "air-1", &[], Valid::Now)),
        Some(authority.sign("old", "air-1", &[], Valid::Expired)),
        Some(authority.sign("new", "air-1", &[], Valid::NotYet)),
        None,
    ];
    for (n, own) in wrong.iter().enumerate() {
        let device = secure(server.tls, &authority.ca, own.as_ref(), false).await;
        if let Ok(mut device) = device {
            // The alert may come before or after what it writes.
            let _ = device.io.write_all(b"\x10").await;
            let ended = timeout(LIMIT, device.io.read_to_end(&mut Vec::new())).await;
            assert!(ended.is_ok(), "{n}: still open");
        }
        wait_for(|| server.stats.tls_failed.get() == n as u64 + 1).await;
    }
    // A client that does not believe us leaves, and one that speaks no TLS is no TLS client.
    assert!(secure(server.tls, &stranger.ca, None, false).await.is_err());
    let mut plain = Client::open(server.tls, false).await;
    plain.send(MqttPacket::V3(v3_connect("a", true).into())).await;
    wait_for(|| server.stats.tls_failed.get() == 6).await;
    assert_eq!((server.stats.accepted.get(), intake.stored().len()), (0, 0));
}

#[tokio::test]
async fn where_certificates_are_optional_a_password_is_as_good() {
    let (authority, intake) = (Authority::new(), TestIntake::default());
    let tls = authority.listener("gateway", ClientCerts::Optional);
    let server = start(&tls, vec![user("air-1", "secret")], &intake).await;
    let mut device = secure(server.tls, &authority.ca, None, false).await.unwrap();
    assert_eq!(code(&mut device, Some(("air-1", "secret"))).await, 0);
    let mut device = secure(server.tls, &authority.ca, None, false).await.unwrap();
    assert_eq!(code(&mut device, Some(("air-1", "wrong"))).await, 4);
    let own = authority.sign("1", "air-1", &[], Valid::Now);
    let mut device = secure(server.tls, &authority.ca, Some(&own), false).await.unwrap();
    assert_eq!(code(&mut device, None).await, 0);
}

/// Publishes one message after the other and takes each answer.
async fn publish_all(mut device: Tls, messages: u16) -> Tls {
    for id in 1..=messages {
        device.publish(1, id, false, "x").await;
        assert_eq!(device.answer().await, format!("PUBACK {id}"));
    }
    device
}

#[tokio::test]
async fn a_new_door_while_a_hundred_devices_publish_drops_no_connection_and_loses_nothing() {
    const DEVICES: usize = 100;
    const MESSAGES: u16 = 50;
    let (authority, next, intake) = (Authority::new(), Authority::new(), TestIntake::default());
    let first = authority.listener("gateway", ClientCerts::Required);
    let server = start(&first, vec![certified("air-1"), certified("air-2")], &intake).await;
    let own = authority.sign("1", "air-1", &[], Valid::Now);
    let mut devices = Vec::new();
    for n in 0..DEVICES {
        let mut device = secure(server.tls, &authority.ca, Some(&own), true).await.unwrap();
        device.send(MqttPacket::V5(v5_connect(&format!("d{n}"), true, 0).into())).await;
        assert!(matches!(device.next().await, Some(MqttPacket::V5(v5::Packet::ConnectAck(_)))));
        devices.push(device);
    }
    // Certificates of another authority, in turn with the first ones, and users that come and go beside.
    let second = next.listener("gateway", ClientCerts::Required);
    let exchange = async {
        for n in 0..20 {
            let tls = if n % 2 == 0 { &second } else { &first };
            let users = vec![certified("air-1"), certified(&format!("air-{}", n + 3))];
            server.door.exchange(&config(tls, users)).unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.door.exchange(&config(&second, vec![certified("air-1")])).unwrap();
    };
    let publishing =
        futures_util::future::join_all(devices.into_iter().map(|device| publish_all(device, MESSAGES)));
    let (devices, ()) = tokio::join!(publishing, exchange);
    assert_eq!(intake.stored().len(), DEVICES * usize::from(MESSAGES));
    assert_eq!((server.stats.connections.get(), server.stats.revoked.get()), (DEVICES as u64, 0));
    // They go on, while new connections meet the new certificate only.
    futures_util::future::join_all(devices.into_iter().map(|device| publish_all(device, 1))).await;
    assert!(secure(server.tls, &authority.ca, Some(&own), false).await.is_err());
    let own = next.sign("1", "air-1", &[], Valid::Now);
    let mut device = secure(server.tls, &next.ca, Some(&own), false).await.unwrap();
    assert_eq!(code(&mut device, None).await, 0);
}

#[tokio::test]
async fn who_is_taken_out_is_closed_and_the_others_stay_with_the_rights_that_they_have_now() {
    let (authority, intake) = (Authority::new(), TestIntake::default());
    let tls = authority.listener("gateway", ClientCerts::Optional);
    let start_with = vec![certified("air-1"), user("air-2", "secret"), user("air-3", "secret")];
    let server = start(&tls, start_with, &intake).await;
    let own = authority.sign("1", "air-1", &[], Valid::Now);
    let mut revoked = secure(server.tls, &authority.ca, Some(&own), true).await.unwrap();
    revoked.send(MqttPacket::V5(v5_connect("1", true, 60).into())).await;
    assert!(matches!(revoked.next().await, Some(MqttPacket::V5(v5::Packet::ConnectAck(_)))));
    let mut others = Vec::new();
    for name in ["air-2", "air-3"] {
        let mut device = secure(server.tls, &authority.ca, None, true).await.unwrap();
        let connect = v5::Connect {
            username: Some(name.into()),
            password: Some("secret".into()),
            ..v5_connect(name, true, 0)
        };
        device.send(MqttPacket::V5(connect.into())).await;
        assert!(matches!(device.next().await, Some(MqttPacket::V5(v5::Packet::ConnectAck(_)))));
        others.push(device);
    }
    // `air-1` is gone, `air-2` has another password, `air-3` may say less.
    let less = User { topics: vec!["nothing".into()], ..user("air-3", "secret") };
    server.door.exchange(&config(&tls, vec![user("air-2", "new"), less])).unwrap();
    let mut stays = others.pop().unwrap();
    for mut device in [revoked, others.pop().unwrap()] {
        match device.next().await {
            Some(MqttPacket::V5(v5::Packet::Disconnect(told))) => {
                assert_eq!(u8::from(told.reason_code), 0x87)
            }
            other => panic!("{other:?}"),
        }
        assert!(device.next().await.is_none());
    }
    assert_eq!(server.stats.revoked.get(), 2);
    stays.publish(1, 1, false, "x").await;
    match stays.next().await {
        Some(MqttPacket::V5(v5::Packet::PublishAck(ack))) => assert_eq!(u8::from(ack.reason_code), 0x87),
        other => panic!("{other:?}"),
    }
    let mut again = secure(server.tls, &authority.ca, Some(&own), false).await.unwrap();
    assert_eq!(code(&mut again, None).await, 5);
}

#[tokio::test]
async fn what_waits_in_tls_for_a_client_that_reads_late_still_comes() {
    let (authority, intake) = (Authority::new(), TestIntake::default());
    let tls = authority.listener("gateway", ClientCerts::Off);
    let server = start(&tls, vec![user("air-1", "secret")], &intake).await;
    let mut device = secure(server.tls, &authority.ca, None, false).await.unwrap();
    assert_eq!(code(&mut device, Some(("air-1", "secret"))).await, 0);
    for round in 0..20u16 {
        for id in 1..=1000 {
            device.publish(1, id, false, "x").await;
        }
        for id in 1..=1000 {
            assert_eq!(device.answer().await, format!("PUBACK {id}"), "{round}");
        }
    }
    // A stop says good-bye through TLS, too.
    server.stop.cancel();
    assert!(device.next().await.is_none());
}
