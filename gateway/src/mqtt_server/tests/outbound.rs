//! The gateway's own messages, to clients that read and to clients that do not.

use std::time::Duration;

use pantau_proto::TimeMs;
use rmqtt_codec::MqttPacket;
use rmqtt_codec::v5::{self, SubscriptionOptions};

use super::super::OutboundError;
use super::support::{Client, TestIntake, open_config, start, v5_connect, wait_for};

#[tokio::test]
async fn only_subscriptions_that_can_match_are_granted_and_never_more_than_qos_1() {
    let server = start(open_config(), &TestIntake::default()).await;
    let (mut device, _) = Client::v3(server.address, "a", true).await;
    let codes = device.subscribe(&[
        ("pantau/cmd/a/#", 0),
        ("pantau/time", 2),
        ("pantau/b/x", 1),
        ("#", 1),
        ("a#", 0),
    ]);
    assert_eq!(codes.await, [0, 1, 0x80, 1, 0x80]);

    let (mut device, _) = Client::v5(server.address, v5_connect("b", true, 0)).await;
    let filters = ["pantau/time", "other", "a/#/b", "$share/g/pantau/time"];
    device
        .send(MqttPacket::V5(v5::Packet::Subscribe(v5::Subscribe {
            packet_id: 1.try_into().unwrap(),
            id: None,
            user_properties: Vec::new(),
            topic_filters: filters.iter().map(|f| ((*f).into(), SubscriptionOptions::default())).collect(),
        })))
        .await;
    let Some(MqttPacket::V5(v5::Packet::SubscribeAck(ack))) = device.next().await else { panic!() };
    let codes: Vec<u8> = ack.status.into_iter().map(u8::from).collect();
    assert_eq!(codes, [0, 0x87, 0x8f, 0x9e]);
    device
        .send(MqttPacket::V5(v5::Packet::Unsubscribe(v5::Unsubscribe {
            packet_id: 2.try_into().unwrap(),
            user_properties: Vec::new(),
            topic_filters: vec!["pantau/time".into(), "other".into()],
        })))
        .await;
    let Some(MqttPacket::V5(v5::Packet::UnsubscribeAck(ack))) = device.next().await else { panic!() };
    let codes: Vec<u8> = ack.status.into_iter().map(u8::from).collect();
    assert_eq!(codes, [0, 0x11]);
}

#[tokio::test]
async fn what_a_device_publishes_goes_to_no_other_device() {
    let server = start(open_config(), &TestIntake::default()).await;
    let (mut reader, _) = Client::v3(server.address, "a", true).await;
    reader.subscribe(&[("#", 1)]).await;
    let (mut device, _) = Client::v3(server.address, "b", true).await;
    device.publish(1, 1, false, "x").await;
    device.answer().await;
    assert!(reader.is_silent().await);
}

#[tokio::test]
async fn retained_messages_come_with_the_subscription_and_new_ones_as_they_are_published() {
    let server = start(open_config(), &TestIntake::default()).await;
    let (mut early, _) = Client::v3(server.address, "early", true).await;
    early.subscribe(&[("pantau/cmd/early/#", 1), ("pantau/time", 0)]).await;
    server.outbound.publish("pantau/cmd/early/rate", "10", true).unwrap();
    assert_eq!(early.answer().await, "pantau/cmd/early/rate=10 q1 d0 r0");
    server.outbound.publish("pantau/time", "1", true).unwrap();
    server.outbound.publish("pantau/time", "2", true).unwrap();
    assert_eq!(early.answer().await, "pantau/time=1 q0 d0 r0");
    assert_eq!(early.answer().await, "pantau/time=2 q0 d0 r0");
    let (mut late, _) = Client::v3(server.address, "late", true).await;
    late.subscribe(&[("pantau/time", 1)]).await;
    assert_eq!(late.answer().await, "pantau/time=2 q1 d0 r1");
    server.outbound.publish("pantau/time", "", true).unwrap();
    assert_eq!(late.answer().await, "pantau/time= q1 d0 r0");
    let (mut later, _) = Client::v3(server.address, "later", true).await;
    later.subscribe(&[("pantau/time", 1)]).await;
    assert!(later.is_silent().await);
}

#[tokio::test]
async fn the_time_is_told_while_it_is_new_and_kept_for_nobody_who_is_away() {
    let server = start(open_config(), &TestIntake::default()).await;
    let (mut away, _) = Client::v3(server.address, "away", false).await;
    away.subscribe(&[("pantau/time", 1)]).await;
    drop(away);
    wait_for(|| server.stats.connections.get() == 0).await;
    let (mut early, _) = Client::v3(server.address, "early", true).await;
    early.subscribe(&[("pantau/time", 1)]).await;
    server.outbound.time(TimeMs(1_795_569_160_000), true).unwrap();
    let said = "pantau/time={\"epoch_ms\":1795569160000,\"time\":\"2026-11-25T01:12:40.000Z\"}";
    assert_eq!(early.answer().await, format!("{said} q0 d0 r0"));
    server.outbound.time(TimeMs(1_795_569_161_000), false).unwrap();
    assert!(early.is_silent().await);
    let (mut late, _) = Client::v3(server.address, "late", true).await;
    late.subscribe(&[("#", 1)]).await;
    assert_eq!(
        late.answer().await,
        format!("{} q0 d0 r1", said.replace("60000", "61000").replace("40.000", "41.000"))
    );
    let (mut away, _) = Client::v3(server.address, "away", false).await;
    assert!(away.is_silent().await);
}

#[tokio::test]
async fn an_unacknowledged_message_and_those_missed_come_when_a_persistent_session_comes_back() {
    let server = start(open_config(), &TestIntake::default()).await;
    let (mut device, _) = Client::v3(server.address, "a", false).await;
    device.subscribe(&[("pantau/cmd/a/#", 1)]).await;
    server.outbound.publish("pantau/cmd/a/x", "1", false).unwrap();
    assert_eq!(device.answer().await, "pantau/cmd/a/x=1 q1 d0 r0");
    drop(device);
    wait_for(|| server.stats.connections.get() == 0).await;
    server.outbound.publish("pantau/cmd/a/x", "2", false).unwrap();
    let (mut device, present) = Client::v3(server.address, "a", false).await;
    assert!(present);
    assert_eq!(device.answer().await, "pantau/cmd/a/x=1 q1 d1 r0");
    assert_eq!(device.answer().await, "pantau/cmd/a/x=2 q1 d0 r0");
    device.raw(b"\x40\x02\x00\x01\x40\x02\x00\x02").await;
    drop(device);
    let (mut device, _) = Client::v3(server.address, "a", false).await;
    assert!(device.is_silent().await);
}

#[tokio::test]
async fn overlapping_filters_bring_a_retained_message_once_and_too_many_filters_are_refused() {
    let server = start(open_config(), &TestIntake::default()).await;
    server.outbound.publish("pantau/time", "1", true).unwrap();
    let (mut device, _) = Client::v3(server.address, "a", true).await;
    let mut filters = vec![("#", 0), ("pantau/#", 1), ("pantau/time", 0)];
    filters.extend([("pantau/alarm/x", 1); 80]);
    let codes = device.subscribe(&filters).await;
    assert_eq!(device.answer().await, "pantau/time=1 q1 d0 r1");
    assert!(device.is_silent().await);
    assert_eq!((codes[..4].to_vec(), codes[63], codes[64], codes.len()), (vec![0, 1, 0, 1], 1, 0x80, 83));
}

#[tokio::test]
async fn the_handle_refuses_what_is_not_the_gateways() {
    let server = start(open_config(), &TestIntake::default()).await;
    let refused = server.outbound.publish("pantau/dev/temp", "1", false);
    assert_eq!(refused, Err(OutboundError::NotOurs("pantau/dev/temp".into())));
    let large = server.outbound.publish("pantau/time", vec![0; 70_000], false);
    assert!(matches!(large, Err(OutboundError::TooLarge(_))));
    server.stop.cancel();
    server.done.await.unwrap();
    assert_eq!(server.outbound.publish("pantau/time", "1", false), Err(OutboundError::Stopped));
}

#[tokio::test]
async fn a_client_that_does_not_read_misses_messages_and_harms_nobody() {
    let server = start(open_config(), &TestIntake::default()).await;
    let (mut slow, _) = Client::v3(server.address, "slow", true).await;
    slow.subscribe(&[("pantau/time", 0)]).await;
    let (mut good, _) = Client::v3(server.address, "good", true).await;
    good.subscribe(&[("pantau/alarm/#", 1)]).await;
    let large = vec![b'x'; 60_000];
    for round in 0..400_u16 {
        server.outbound.publish("pantau/time", large.clone(), false).unwrap();
        if round % 100 == 0 {
            server.outbound.publish("pantau/alarm/flood", round.to_string(), false).unwrap();
            assert_eq!(good.answer().await, format!("pantau/alarm/flood={round} q1 d0 r0"));
            good.raw(&[0x40, 2, 0, (round / 100 + 1) as u8]).await;
        }
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
    wait_for(|| server.stats.outbound_dropped.get() > 0).await;
}
