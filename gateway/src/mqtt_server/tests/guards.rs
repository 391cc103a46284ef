//! What protects the listener: authentication, limits, broken and hostile clients.

use std::time::Duration;

use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use rmqtt_codec::{MqttPacket, v3, v5};

use super::super::{Config, Server, User, UserError};
use super::support::{Client, TestIntake, clock, open_config, start, v3_connect, v5_connect, wait_for};

pub(super) fn user(name: &str, password: &str) -> User {
    let cheap = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(64, 1, 1, None).unwrap());
    let salt = SaltString::from_b64("c29tZXNhbHQ").unwrap();
    let hash = cheap.hash_password(password.as_bytes(), &salt).unwrap();
    User {
        name: name.to_owned(),
        password_hash: Some(hash.to_string()),
        devices: Vec::new(),
        topics: Vec::new(),
    }
}

async fn code_v3(server: std::net::SocketAddr, user: Option<&str>, password: Option<&str>) -> u8 {
    let mut device = Client::open(server, false).await;
    let mut connect = v3_connect("a", true);
    connect.username = user.map(Into::into);
    connect.password = password.map(|password| password.to_owned().into());
    device.send(MqttPacket::V3(connect.into())).await;
    match device.next().await {
        Some(MqttPacket::V3(v3::Packet::ConnectAck(ack))) => ack.return_code.into(),
        other => panic!("{other:?}"),
    }
}

async fn code_v5(server: std::net::SocketAddr, connect: v5::Connect) -> u8 {
    Client::v5(server, connect).await.1.reason_code.into()
}

#[tokio::test]
async fn only_known_users_with_their_password_may_connect() {
    let config = Config { users: vec![user("dev", "secret")], ..Config::default() };
    let server = start(config, &TestIntake::default()).await;
    let address = server.address;
    assert_eq!(code_v3(address, Some("dev"), Some("secret")).await, 0);
    assert_eq!(code_v3(address, None, None).await, 5);
    assert_eq!(code_v5(address, v5_connect("a", true, 0)).await, 0x87);
    let wrong = v5::Connect {
        username: Some("dev".into()),
        password: Some("wrong".into()),
        ..v5_connect("a", true, 0)
    };
    let (a, b, c, d) = tokio::join!(
        code_v3(address, Some("dev"), Some("wrong")),
        code_v3(address, Some("dev"), None),
        code_v3(address, Some("nobody"), Some("secret")),
        code_v5(address, wrong),
    );
    assert_eq!((a, b, c, d), (4, 4, 4, 0x86));
    assert_eq!(server.stats.refused.get(), 6);
}

#[tokio::test]
async fn a_wrong_password_is_answered_late() {
    let config = Config { users: vec![user("dev", "secret")], ..Config::default() };
    let server = start(config, &TestIntake::default()).await;
    let wrong = code_v3(server.address, Some("dev"), Some("wrong"));
    assert!(tokio::time::timeout(Duration::from_millis(800), wrong).await.is_err());
}

#[tokio::test]
async fn a_bad_hash_in_the_configuration_is_named() {
    let bad = User { password_hash: Some("secret".into()), ..user("dev", "x") };
    let config = Config { users: vec![bad], ..Config::default() };
    let error = Server::new(config, TestIntake::default(), &[], clock()).err().unwrap();
    assert!(matches!(error, UserError::Hash { name, .. } if name == "dev"));
    let config = Config { users: vec![user("dev", "a"), user("dev", "b")], ..Config::default() };
    let error = Server::new(config, TestIntake::default(), &[], clock()).err().unwrap();
    assert_eq!(error, UserError::Twice("dev".into()));
}

#[tokio::test]
async fn a_client_identifier_is_bounded() {
    let server = start(open_config(), &TestIntake::default()).await;
    assert_eq!(code_v5(server.address, v5_connect(&"x".repeat(257), true, 0)).await, 0x85);
    assert_eq!(code_v5(server.address, v5_connect("new\nline", true, 0)).await, 0x85);
    let method = v5::Connect { auth_method: Some("SCRAM".into()), ..v5_connect("a", true, 0) };
    assert_eq!(code_v5(server.address, method).await, 0x8c);
}

#[tokio::test]
async fn other_versions_get_the_code_for_it() {
    let server = start(open_config(), &TestIntake::default()).await;
    let mut device = Client::open(server.address, false).await;
    device.raw(b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01a").await;
    let Some(MqttPacket::V3(v3::Packet::ConnectAck(ack))) = device.next().await else { panic!() };
    assert_eq!(u8::from(ack.return_code), 1);
    let mut device = Client::open(server.address, true).await;
    device.raw(b"\x10\x0d\x00\x04MQTT\x06\x02\x00\x3c\x00\x01a").await;
    let Some(MqttPacket::V5(v5::Packet::ConnectAck(ack))) = device.next().await else { panic!() };
    assert_eq!(u8::from(ack.reason_code), 0x84);
}

#[tokio::test]
async fn a_broken_packet_ends_the_connection_after_the_acks_before_it() {
    let intake = TestIntake::default();
    let server = start(Config { max_packet_bytes: 2000, ..open_config() }, &intake).await;
    for (packet, reason) in [
        (&b"\x36\x05\x00\x01a\x00\x01"[..], "DISCONNECT 0x81"),
        (b"\x20\x02\x00\x00", "DISCONNECT 0x82"),
        (b"\x30\x04\x00\x01#\x00", "DISCONNECT 0x90"),
        (b"\x30\x07\x00\x01a\x03\x23\x00\x01", "DISCONNECT 0x94"),
        (b"\x30\xff\x7f", "DISCONNECT 0x95"),
    ] {
        let (mut device, _) = Client::v5(server.address, v5_connect("a", true, 0)).await;
        let mut bytes = b"\x32\x06\x00\x01t\x00\x01\x00".to_vec();
        bytes.extend_from_slice(packet);
        device.raw(&bytes).await;
        assert_eq!(device.answer().await, "PUBACK 1");
        assert_eq!(device.answer().await, reason);
        assert!(device.next().await.is_none());
        let (mut device, _) = Client::v3(server.address, "b", true).await;
        device.raw(b"\x36\x05\x00\x01a\x00\x01").await;
        assert!(device.next().await.is_none(), "3.1.1 only closes");
    }
    assert_eq!(server.stats.violations.get(), 10);
}

#[tokio::test]
async fn a_packet_that_comes_byte_by_byte_is_taken() {
    let intake = TestIntake::default();
    let server = start(open_config(), &intake).await;
    let (mut device, _) = Client::v3(server.address, "a", true).await;
    for byte in b"\x32\x06\x00\x01t\x00\x01x" {
        device.raw(&[*byte]).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(device.answer().await, "PUBACK 1");
    assert_eq!(intake.stored(), ["x"]);
}

#[tokio::test]
async fn too_many_connections_are_turned_away_and_the_others_stay() {
    let config = Config { max_connections: 3, ..open_config() };
    let server = start(config, &TestIntake::default()).await;
    let (mut good, _) = Client::v3(server.address, "good", true).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(Client::open(server.address, false).await);
    }
    wait_for(|| server.stats.turned_away.get() >= 48).await;
    good.publish(1, 1, false, "x").await;
    assert_eq!(good.answer().await, "PUBACK 1");
    drop(silent);
    wait_for(|| server.stats.connections.get() == 1).await;
    Client::v3(server.address, "next", true).await;
}

#[tokio::test]
async fn a_client_that_never_reads_its_acks_is_not_read_any_more_and_harms_nobody() {
    let intake = TestIntake::default();
    let server = start(Config { write_timeout: Duration::from_millis(300), ..open_config() }, &intake).await;
    let (mut deaf, _) = Client::v3(server.address, "deaf", true).await;
    let publish = b"\x32\x06\x00\x01t\x00\x01x".repeat(4096);
    let flood = async {
        use tokio::io::AsyncWriteExt;
        for _ in 0..2000 {
            if deaf.io.write_all(&publish).await.is_err() {
                return;
            }
        }
    };
    let (mut good, _) = Client::v3(server.address, "good", true).await;
    let work = async {
        for id in 1..200 {
            good.publish(1, id, false, "good").await;
            assert_eq!(good.answer().await, format!("PUBACK {id}"));
        }
        wait_for(|| server.stats.timed_out.get() == 1).await;
    };
    tokio::join!(flood, work);
}

#[tokio::test]
async fn who_publishes_what_it_may_not_is_told_where_the_version_can_say_it_and_stays_connected() {
    let intake = TestIntake::default();
    let limited = User { topics: vec!["pantau/other/#".into()], ..user("dev", "secret") };
    let config = Config { users: vec![limited], ..Config::default() };
    let server = start(config, &intake).await;
    let connect = v5::Connect {
        username: Some("dev".into()),
        password: Some("secret".into()),
        ..v5_connect("five", true, 60)
    };
    let (mut device, _) = Client::v5(server.address, connect).await;
    device.publish(1, 1, false, "one").await;
    device.publish(2, 2, false, "two").await;
    match device.next().await {
        Some(MqttPacket::V5(v5::Packet::PublishAck(ack))) => assert_eq!(u8::from(ack.reason_code), 0x87),
        other => panic!("{other:?}"),
    }
    // An exchange at QoS 2 goes on to its end.
    match device.next().await {
        Some(MqttPacket::V5(v5::Packet::PublishReceived(ack))) => assert_eq!(u8::from(ack.reason_code), 0),
        other => panic!("{other:?}"),
    }
    device.release(2).await;
    assert!(matches!(device.next().await, Some(MqttPacket::V5(v5::Packet::PublishComplete(_)))));
    let mut device = Client::open(server.address, false).await;
    let mut connect = v3_connect("three", true);
    (connect.username, connect.password) = (Some("dev".into()), Some("secret".into()));
    device.send(MqttPacket::V3(connect.into())).await;
    assert!(matches!(device.next().await, Some(MqttPacket::V3(v3::Packet::ConnectAck(_)))));
    for packet_id in [1, 2] {
        device.publish(1, packet_id, false, "three").await;
        assert_eq!(device.answer().await, format!("PUBACK {packet_id}"));
    }
    // Nothing was lost without a trace: the intake has the bytes of all.
    assert_eq!(intake.stored(), ["one", "two", "three", "three"]);
    assert_eq!(server.stats.violations.get(), 0);
}
