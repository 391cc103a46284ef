//! Deliveries over real sockets: what is stored, and when it is acknowledged.

use std::time::Duration;

use bytes::BytesMut;
use pantau_proto::TimeMs;
use rmqtt_codec::MqttPacket;
use rmqtt_codec::v5;
use tokio_util::codec::Encoder;

use super::super::Config;
use super::support::{
    Client, Entry, TestIntake, clock, open_config, start, start_with, v5_connect, wait_for,
};
use crate::intake::types::{Delivered, Failed, RecoveredSession, delivery_hash};

const TOPIC: &str = "pantau/dev/x";

#[tokio::test]
async fn every_qos_is_taken_in_both_versions() {
    let intake = TestIntake::default();
    let server = start(open_config(), &intake).await;
    let (mut old, present) = Client::v3(server.address, "old", true).await;
    let (mut new, ack) = Client::v5(server.address, v5_connect("new", true, 0)).await;
    assert!(!present && !ack.session_present);
    for device in [&mut old, &mut new] {
        device.publish(0, 0, false, "a").await;
        device.publish(1, 1, false, "b").await;
        assert_eq!(device.answer().await, "PUBACK 1");
        device.publish(2, 2, false, "c").await;
        assert_eq!(device.answer().await, "PUBREC 2");
        device.release(2).await;
        assert!(device.answer().await.starts_with("PUBCOMP 2"));
    }
    assert_eq!(intake.stored(), ["a", "b", "c", "a", "b", "c"]);
}

#[tokio::test]
async fn a_puback_waits_for_its_ticket_and_reading_goes_on_meanwhile() {
    let intake = TestIntake::manual();
    let server = start(open_config(), &intake).await;
    let (mut device, _) = Client::v3(server.address, "a", true).await;
    device.publish(1, 1, false, "a").await;
    intake.holds(1).await;
    device.publish(1, 2, false, "b").await;
    intake.holds(2).await;
    device.raw(b"\xc0\x00").await;
    assert_eq!(device.answer().await, "PINGRESP");
    assert!(device.is_silent().await);
    intake.resolve(Ok(()));
    assert_eq!(device.answer().await, "PUBACK 1");
    assert!(device.is_silent().await);
    intake.resolve(Ok(()));
    assert_eq!(device.answer().await, "PUBACK 2");
}

#[tokio::test]
async fn all_messages_of_one_read_are_one_record() {
    let intake = TestIntake::default();
    let server = start(open_config(), &intake).await;
    let (mut device, _) = Client::v3(server.address, "a", true).await;
    let mut bytes = BytesMut::new();
    for id in 1..=50 {
        let packet = device.message(1, id, false, "x");
        rmqtt_codec::MqttCodec::V3(rmqtt_codec::v3::Codec::new(0)).encode(packet, &mut bytes).unwrap();
    }
    device.raw(&bytes).await;
    for id in 1..=50 {
        assert_eq!(device.answer().await, format!("PUBACK {id}"));
    }
    assert_eq!(intake.submits(), 1);
}

#[tokio::test]
async fn a_failed_commit_is_never_acknowledged() {
    let intake = TestIntake::manual();
    let server = start(open_config(), &intake).await;
    let (mut device, _) = Client::v5(server.address, v5_connect("a", true, 0)).await;
    device.publish(1, 1, false, "a").await;
    intake.holds(1).await;
    device.publish(1, 2, false, "b").await;
    intake.holds(2).await;
    intake.resolve(Err(Failed));
    intake.resolve(Ok(()));
    assert_eq!(device.answer().await, "DISCONNECT 0x80");
    assert!(device.next().await.is_none());
}

#[tokio::test]
async fn a_full_spool_withholds_the_puback_until_there_is_room() {
    let intake = TestIntake::default();
    let server = start(open_config(), &intake).await;
    let (mut device, _) = Client::v3(server.address, "a", true).await;
    intake.set_full(true);
    device.publish(1, 1, false, "a").await;
    device.publish(1, 2, false, "b").await;
    wait_for(|| server.stats.withheld.get() > 0).await;
    device.raw(b"\xc0\x00").await;
    assert_eq!(device.answer().await, "PINGRESP");
    assert!(device.is_silent().await);
    intake.set_full(false);
    assert_eq!(device.answer().await, "PUBACK 1");
    assert_eq!(device.answer().await, "PUBACK 2");
    assert_eq!(intake.stored(), ["a", "b"]);
}

#[tokio::test]
async fn messages_at_qos_0_that_wait_for_room_are_counted_when_their_connection_ends() {
    let intake = TestIntake::default();
    let server = start(open_config(), &intake).await;
    let (mut device, _) = Client::v3(server.address, "a", true).await;
    intake.set_full(true);
    device.publish(0, 0, false, "waits, and is taken").await;
    wait_for(|| server.stats.withheld.get() == 1).await;
    intake.set_full(false);
    intake.holds(1).await;
    intake.set_full(true);
    for (qos, id) in [(0, 0), (1, 7), (0, 0), (2, 8), (0, 0)] {
        device.publish(qos, id, false, "waits").await;
    }
    device.raw(b"\xc0\x00").await;
    assert_eq!(device.answer().await, "PINGRESP");
    assert_eq!(intake.shed(), 0);
    drop(device);
    wait_for(|| intake.shed() > 0).await;
    assert_eq!(intake.shed(), 3, "who sent the others sends them again");
    let (mut stopped, _) = Client::v3(server.address, "b", true).await;
    let withheld = server.stats.withheld.get();
    stopped.publish(0, 0, false, "waits when the gateway stops").await;
    wait_for(|| server.stats.withheld.get() > withheld).await;
    server.stop.cancel();
    server.done.await.unwrap();
    assert_eq!((intake.shed(), intake.stored().len()), (4, 1));
}

#[tokio::test]
async fn while_the_spool_is_full_a_flood_is_not_read_and_a_client_that_goes_is_noticed() {
    let intake = TestIntake::default();
    let server = start(open_config(), &intake).await;
    let (mut flood, _) = Client::v3(server.address, "flood", true).await;
    let (mut gone, _) = Client::v3(server.address, "gone", true).await;
    intake.set_full(true);
    gone.publish(1, 1, false, "lost, and never acknowledged").await;
    let payload = "x".repeat(1000);
    let endless = async {
        for id in 1.. {
            flood.publish(1, id % 60_000 + 1, false, &payload).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_millis(500), endless).await.is_err(),
        "the sender is held up"
    );
    drop(gone);
    wait_for(|| server.stats.connections.get() == 1).await;
    intake.set_full(false);
    assert_eq!(flood.answer().await, "PUBACK 2");
    wait_for(|| intake.stored().len() > 100).await;
    assert!(!intake.stored().contains(&"lost, and never acknowledged".to_owned()));
}

#[tokio::test]
async fn a_record_that_would_be_too_large_is_split() {
    let intake = TestIntake::default();
    intake.set_largest(3);
    let server = start(open_config(), &intake).await;
    let (mut device, _) = Client::v3(server.address, "a", true).await;
    for id in 1..=20 {
        device.publish(1, id, false, &id.to_string()).await;
    }
    for id in 1..=20 {
        assert_eq!(device.answer().await, format!("PUBACK {id}"));
    }
    assert_eq!(intake.stored(), (1..=20).map(|id| id.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_sent_before_a_disconnect_is_stored() {
    let intake = TestIntake::default();
    let server = start(open_config(), &intake).await;
    let (mut device, _) = Client::v3(server.address, "a", true).await;
    device.publish(0, 0, false, "a").await;
    device.raw(b"\xe0\x00").await;
    assert!(device.next().await.is_none());
    assert_eq!(intake.stored(), ["a"]);
}

#[tokio::test]
async fn qos_2_is_exactly_once_across_reconnects() {
    let intake = TestIntake::manual();
    let server = start(open_config(), &intake).await;
    let (mut device, _) = Client::v3(server.address, "a", false).await;
    device.publish(2, 5, false, "a").await;
    intake.holds(1).await;
    drop(device);
    // The old connection still waits for its ticket; the new one waits for the old one.
    let address = server.address;
    let again = Client::v3(address, "a", false);
    tokio::pin!(again);
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut again).await.is_err());
    intake.resolve_all();
    let (mut device, present) = again.await;
    assert!(present);
    device.publish(2, 5, true, "a").await;
    assert_eq!(device.answer().await, "PUBREC 5");
    device.release(5).await;
    wait_for(|| intake.waiting() == 1).await;
    assert!(device.is_silent().await, "PUBCOMP waits for the release to be synced");
    intake.resolve_all();
    assert_eq!(device.answer().await, "PUBCOMP 5");
    assert_eq!(intake.stored(), ["a"]);
    assert_eq!(intake.journal().last(), Some(&Entry::Released("a".into(), 5)));
}

#[tokio::test]
async fn a_repeat_across_reconnects_is_acknowledged_and_not_stored() {
    let intake = TestIntake::manual();
    let server = start(open_config(), &intake).await;
    let (mut device, _) = Client::v3(server.address, "a", false).await;
    device.publish(1, 5, false, "21.5").await;
    device.publish(1, 6, false, "21.5").await;
    intake.holds(2).await;
    drop(device);
    intake.set_manual(false);
    intake.resolve_all();
    let (mut device, present) = Client::v3(server.address, "a", false).await;
    assert!(present);
    device.publish(1, 5, true, "21.5").await;
    device.publish(1, 6, true, "21.5").await;
    device.publish(1, 7, true, "22.5").await;
    for id in 5..=7 {
        assert_eq!(device.answer().await, format!("PUBACK {id}"));
    }
    assert_eq!(intake.stored(), ["21.5", "21.5", "22.5"]);
    assert_eq!(server.stats.redelivered.get(), 2);
}

#[tokio::test]
async fn sessions_recovered_from_the_journal_are_present_with_what_they_held() {
    let recovered = [
        RecoveredSession {
            client: "a".into(),
            expiry_s: 600,
            entries: vec![Delivered {
                packet_id: 5,
                hash: delivery_hash(TOPIC, b"21.5"),
                arrival: TimeMs(0),
            }],
            held: vec![9],
        },
        RecoveredSession { client: "gone".into(), expiry_s: 0, ..RecoveredSession::default() },
    ];
    let intake = TestIntake::default();
    let server = start_with(open_config(), intake.clone(), &recovered).await;
    let (mut device, ack) = Client::v5(server.address, v5_connect("a", false, 600)).await;
    assert!(ack.session_present);
    device.publish(1, 5, true, "21.5").await;
    assert_eq!(device.answer().await, "PUBACK 5");
    device.publish(2, 9, true, "x").await;
    assert_eq!(device.answer().await, "PUBREC 9");
    device.release(9).await;
    assert_eq!(device.answer().await, "PUBCOMP 9 0");
    device.release(10).await;
    assert_eq!(device.answer().await, "PUBCOMP 10 146");
    let (_, ack) = Client::v5(server.address, v5_connect("gone", false, 600)).await;
    assert!(!ack.session_present);
    assert_eq!(intake.stored(), Vec::<String>::new());
    assert_eq!(intake.journal()[0], Entry::Ended("gone".into()));
}

#[tokio::test]
async fn a_stale_entry_does_not_swallow_a_new_message_with_its_id_and_bytes() {
    let wall = (clock().wall)().0;
    let entry = |packet_id, age_s: i64| Delivered {
        packet_id,
        hash: delivery_hash(TOPIC, b"0"),
        arrival: TimeMs(wall - age_s * 1_000),
    };
    let recovered = [RecoveredSession {
        client: "a".into(),
        expiry_s: 600,
        entries: vec![entry(5, 40), entry(6, 20)],
        held: Vec::new(),
    }];
    let intake = TestIntake::default();
    let server = start_with(open_config(), intake.clone(), &recovered).await;
    let (mut device, _) = Client::v3(server.address, "a", false).await;
    device.publish(1, 4, true, "0").await;
    device.publish(1, 5, true, "0").await;
    device.publish(1, 6, true, "0").await;
    for id in 4..=6 {
        assert_eq!(device.answer().await, format!("PUBACK {id}"));
    }
    assert_eq!((intake.stored().len(), server.stats.redelivered.get()), (2, 1));
}

#[tokio::test]
async fn a_clean_session_journals_only_readings() {
    let intake = TestIntake::default();
    let server = start(open_config(), &intake).await;
    let (mut device, _) = Client::v3(server.address, "a", true).await;
    device.publish(1, 1, false, "a").await;
    device.answer().await;
    device.publish(2, 2, false, "b").await;
    device.answer().await;
    device.release(2).await;
    device.answer().await;
    drop(device);
    let (_, present) = Client::v3(server.address, "a", true).await;
    assert!(!present);
    let keyless = |entry: &Entry| matches!(entry, Entry::Stored { key: None, .. });
    assert!(intake.journal().iter().all(keyless), "{:?}", intake.journal());
}

#[tokio::test]
async fn a_takeover_tells_the_old_connection_and_hands_its_session_over() {
    let intake = TestIntake::default();
    let server = start(open_config(), &intake).await;
    let (mut old, _) = Client::v5(server.address, v5_connect("a", false, 60)).await;
    let (_new, ack) = Client::v5(server.address, v5_connect("a", false, 60)).await;
    assert!(ack.session_present);
    assert_eq!(old.answer().await, "DISCONNECT 0x8e");
    assert!(old.next().await.is_none());
    assert_eq!(server.stats.connections.get(), 1);
}

#[tokio::test]
async fn a_v5_client_sees_the_limits_and_may_end_its_session_when_it_leaves() {
    let intake = TestIntake::default();
    let config = Config { max_session_expiry_s: 100, max_packet_bytes: 5000, ..open_config() };
    let server = start(config, &intake).await;
    let (mut device, ack) = Client::v5(server.address, v5_connect("a", false, 1000)).await;
    assert_eq!(ack.session_expiry_interval_secs, Some(100));
    assert_eq!((ack.receive_max.get(), ack.max_packet_size, ack.topic_alias_max), (1024, Some(5000), 0));
    assert!(!ack.shared_subscription_available && !ack.subscription_identifiers_available);
    let bye = v5::Disconnect { session_expiry_interval_secs: Some(0), ..v5::Disconnect::default() };
    device.send(MqttPacket::V5(bye.into())).await;
    assert!(device.next().await.is_none());
    wait_for(|| intake.journal().contains(&Entry::Ended("a".into()))).await;
    let (_, ack) = Client::v5(server.address, v5_connect("", true, 0)).await;
    assert!(ack.assigned_client_id.is_some_and(|id| id.starts_with("auto-")));
}

#[tokio::test]
async fn a_stop_lets_outstanding_tickets_resolve_and_their_acks_be_written() {
    let intake = TestIntake::manual();
    let server = start(open_config(), &intake).await;
    let (mut device, _) = Client::v5(server.address, v5_connect("a", true, 0)).await;
    device.publish(1, 1, false, "a").await;
    intake.holds(1).await;
    server.stop.cancel();
    tokio::time::sleep(Duration::from_millis(50)).await;
    device.publish(1, 2, false, "too late").await;
    intake.resolve(Ok(()));
    assert_eq!(device.answer().await, "PUBACK 1");
    assert_eq!(device.answer().await, "DISCONNECT 0x8b");
    drop(device);
    server.done.await.unwrap();
    assert_eq!(intake.stored(), ["a"]);
}
