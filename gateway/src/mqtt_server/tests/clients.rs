//! rumqttc as a device that no one here wrote.

use std::time::Duration;

use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS, v5};

use super::support::{TestIntake, open_config, start};

#[tokio::test]
async fn rumqttc_3_1_1_publishes_at_every_qos_and_hears_the_gateway() {
    let intake = TestIntake::default();
    let server = start(open_config(), &intake).await;
    let mut options = MqttOptions::new("dev", "127.0.0.1", server.address.port());
    options.set_clean_session(false).set_keep_alive(Duration::from_secs(5));
    let (client, mut events) = AsyncClient::new(options, 100);
    client.subscribe("pantau/cmd/dev/#", QoS::ExactlyOnce).await.unwrap();
    for index in 0..30 {
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][index % 3];
        client.publish("pantau/dev/x", qos, false, index.to_string()).await.unwrap();
    }
    let (mut acked, mut completed, mut heard) = (0, 0, false);
    while acked < 10 || completed < 10 || !heard {
        match events.poll().await.unwrap() {
            Event::Incoming(Packet::SubAck(_)) => {
                server.outbound.publish("pantau/cmd/dev/rate", "10", true).unwrap();
            }
            Event::Incoming(Packet::PubAck(_)) => acked += 1,
            Event::Incoming(Packet::PubComp(_)) => completed += 1,
            Event::Incoming(Packet::Publish(publish)) => {
                assert_eq!((publish.topic.as_str(), publish.qos), ("pantau/cmd/dev/rate", QoS::AtLeastOnce));
                heard = true;
            }
            _ => {}
        }
    }
    assert_eq!(intake.stored(), (0..30).map(|index| index.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn rumqttc_5_0_publishes_and_pings() {
    let intake = TestIntake::default();
    let server = start(open_config(), &intake).await;
    let mut options = v5::MqttOptions::new("dev", "127.0.0.1", server.address.port());
    options.set_keep_alive(Duration::from_secs(5));
    let (client, mut events) = v5::AsyncClient::new(options, 100);
    for index in 0..20 {
        let qos = [v5::mqttbytes::QoS::AtLeastOnce, v5::mqttbytes::QoS::ExactlyOnce][index % 2];
        client.publish("pantau/dev/x", qos, false, index.to_string()).await.unwrap();
    }
    let mut done = 0;
    while done < 20 {
        use v5::mqttbytes::v5::Packet;
        if let v5::Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_)) = events.poll().await.unwrap() {
            done += 1;
        }
    }
    assert_eq!(intake.stored().len(), 20);
    client.disconnect().await.unwrap();
}
