//! rumqttc, for MQTT 3.1.1 and 5, behind what a subscriber needs of either. A link is one connection: after an error it is
//! thrown away with everything in it, because rumqttc would carry acknowledgements and messages over to the next one, where
//! their packet ids mean something else.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5;
use rumqttc::v5::mqttbytes::v5 as packets5;
use rumqttc::{
    AsyncClient, ClientError, EventLoop, MqttOptions, Packet, QoS, SubscribeFilter, SubscribeReasonCode,
    TlsConfiguration, Transport,
};

use super::Settings;
use crate::tls;

/// Messages that a broker may send ahead of their acknowledgements; MQTT 3.1.1 has no word for it, its brokers have their
/// own bound.
pub(super) const WINDOW: u16 = 1_024;
/// Acknowledgements and the rest that may wait for the socket.
const REQUESTS: usize = 2 * WINDOW as usize;
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// For connecting, and for each write.
const TIMEOUT_S: u64 = 10;
/// A broker keeps the session so long without us, where MQTT 5 lets us say it.
const EXPIRY_S: u32 = 30 * 86_400;

/// What came from the broker.
#[derive(Debug)]
pub(super) enum Event {
    Connected {
        session_present: bool,
    },
    /// For each filter whether it was taken.
    Subscribed(Vec<bool>),
    Message(Message),
    /// Nothing for a subscriber.
    Other,
}

/// A PUBLISH.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) retain: bool,
    pub(super) dup: bool,
    /// `None` at QoS 0.
    pub(super) packet_id: Option<u16>,
}

/// The half that speaks.
#[derive(Debug, Clone)]
pub(super) enum Sender {
    V3(AsyncClient),
    V5(v5::AsyncClient),
}

/// The half that has to be polled all the time, also for what the other half says.
pub(super) struct Poller {
    eventloop: Version,
    /// Why the connection has ended; what it had brought before is still handed out.
    ended: Option<String>,
}

enum Version {
    V3(Box<EventLoop>),
    V5(Box<v5::EventLoop>),
}

/// A link that connects when it is polled.
pub(super) fn open(settings: &Settings) -> (Sender, Poller) {
    let Settings { client_id, host, port, max_packet_bytes, login, tls, .. } = settings;
    let transport =
        tls.as_ref().map(|tls| Transport::tls_with_config(TlsConfiguration::Rustls(Arc::clone(tls))));
    if settings.v5 {
        let mut options = v5::MqttOptions::new(client_id, host, *port);
        options
            .set_keep_alive(KEEP_ALIVE)
            .set_connection_timeout(TIMEOUT_S)
            .set_clean_start(false)
            .set_session_expiry_interval(Some(EXPIRY_S))
            .set_receive_maximum(Some(WINDOW))
            .set_max_packet_size(Some(u32::try_from(*max_packet_bytes).unwrap_or(u32::MAX)))
            .set_manual_acks(true)
            // Nothing but subscriptions goes out; the default would keep 65,536 places.
            .set_outgoing_inflight_upper_limit(16);
        if let Some((user, password)) = login {
            options.set_credentials(user, password);
        }
        if let Some(transport) = transport {
            options.set_transport(transport);
        }
        let mut network = rumqttc::NetworkOptions::new();
        network.set_tcp_nodelay(true);
        options.set_network_options(network);
        let (client, eventloop) = v5::AsyncClient::new(options, REQUESTS);
        (Sender::V5(client), Poller { eventloop: Version::V5(Box::new(eventloop)), ended: None })
    } else {
        let mut options = MqttOptions::new(client_id, host, *port);
        options
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_session(false)
            .set_max_packet_size(*max_packet_bytes, *max_packet_bytes)
            .set_manual_acks(true);
        if let Some((user, password)) = login {
            options.set_credentials(user, password);
        }
        if let Some(transport) = transport {
            options.set_transport(transport);
        }
        let (client, mut eventloop) = AsyncClient::new(options, REQUESTS);
        eventloop.network_options.set_tcp_nodelay(true);
        eventloop.network_options.set_connection_timeout(TIMEOUT_S);
        (Sender::V3(client), Poller { eventloop: Version::V3(Box::new(eventloop)), ended: None })
    }
}

impl Poller {
    /// What comes next. Never dropped before it is done: bytes would be lost.
    pub(super) async fn next(&mut self) -> Result<Event, String> {
        let Self { eventloop, ended } = self;
        if ended.is_none() {
            let polled = match &mut *eventloop {
                Version::V3(eventloop) => eventloop.poll().await.map(event_3).map_err(|error| why(&error)),
                Version::V5(eventloop) => eventloop.poll().await.map(event_5).map_err(|error| why(&error)),
            };
            match polled {
                Ok(event) => return event,
                Err(error) => *ended = Some(error),
            }
        }
        // Messages that were read together with the end of the connection: at QoS 0 nobody sends them again.
        let left = match eventloop {
            Version::V3(eventloop) => eventloop.state.events.pop_front().map(event_3),
            Version::V5(eventloop) => eventloop.state.events.pop_front().map(event_5),
        };
        left.unwrap_or_else(|| Err(ended.clone().unwrap_or_default()))
    }
}

/// Why a connection has failed; a handshake of TLS in words that lead to the mend.
fn why(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<std::io::Error>()
            && let Some(told) = tls::failure(io)
        {
            return format!("no TLS: {told}");
        }
        cause = inner.source();
    }
    error.to_string()
}

fn event_3(event: rumqttc::Event) -> Result<Event, String> {
    let rumqttc::Event::Incoming(packet) = event else { return Ok(Event::Other) };
    Ok(match packet {
        Packet::ConnAck(answer) => Event::Connected { session_present: answer.session_present },
        Packet::SubAck(answer) => Event::Subscribed(
            answer.return_codes.iter().map(|code| matches!(code, SubscribeReasonCode::Success(_))).collect(),
        ),
        Packet::Publish(publish) => Event::Message(Message {
            packet_id: (publish.qos != QoS::AtMostOnce).then_some(publish.pkid),
            topic: publish.topic,
            payload: publish.payload,
            retain: publish.retain,
            dup: publish.dup,
        }),
        _ => Event::Other,
    })
}

fn event_5(event: v5::Event) -> Result<Event, String> {
    use packets5::{Packet, SubscribeReasonCode};
    let v5::Event::Incoming(packet) = event else { return Ok(Event::Other) };
    Ok(match packet {
        Packet::ConnAck(answer) => Event::Connected { session_present: answer.session_present },
        Packet::SubAck(answer) => Event::Subscribed(
            answer.return_codes.iter().map(|code| matches!(code, SubscribeReasonCode::Success(_))).collect(),
        ),
        Packet::Publish(publish) => Event::Message(Message {
            packet_id: (publish.qos != v5::mqttbytes::QoS::AtMostOnce).then_some(publish.pkid),
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            payload: publish.payload,
            retain: publish.retain,
            dup: publish.dup,
        }),
        Packet::Disconnect(told) => {
            return Err(format!("the broker ended the connection: {:?}", told.reason_code));
        }
        _ => Event::Other,
    })
}

/// What cannot be said now, because too much waits for the socket or the link is gone.
#[derive(Debug)]
pub(super) struct Busy;

impl From<ClientError> for Busy {
    fn from(_: ClientError) -> Self {
        Self
    }
}

impl From<v5::ClientError> for Busy {
    fn from(_: v5::ClientError) -> Self {
        Self
    }
}

impl Sender {
    /// Subscribes to all filters with one packet, at QoS 1.
    pub(super) fn subscribe(&self, filters: &[String]) -> Result<(), Busy> {
        match self {
            Self::V3(client) => {
                let filter = |path: &String| SubscribeFilter::new(path.clone(), QoS::AtLeastOnce);
                client.try_subscribe_many(filters.iter().map(filter))?;
            }
            Self::V5(client) => {
                let filter =
                    |path: &String| packets5::Filter::new(path.clone(), v5::mqttbytes::QoS::AtLeastOnce);
                client.try_subscribe_many(filters.iter().map(filter))?;
            }
        }
        Ok(())
    }

    /// Acknowledges a message at QoS 1.
    pub(super) fn acknowledge(&self, packet_id: u16) -> Result<(), Busy> {
        match self {
            Self::V3(client) => {
                let mut publish = rumqttc::Publish::new("", QoS::AtLeastOnce, Vec::new());
                publish.pkid = packet_id;
                client.try_ack(&publish)?;
            }
            Self::V5(client) => {
                let mut publish =
                    packets5::Publish::new("", v5::mqttbytes::QoS::AtLeastOnce, Bytes::new(), None);
                publish.pkid = packet_id;
                client.try_ack(&publish)?;
            }
        }
        Ok(())
    }

    /// Publishes at QoS 0.
    pub(super) fn publish(&self, topic: &str, payload: Vec<u8>) -> Result<(), Busy> {
        match self {
            Self::V3(client) => client.try_publish(topic, QoS::AtMostOnce, false, payload)?,
            Self::V5(client) => {
                client.try_publish(topic, v5::mqttbytes::QoS::AtMostOnce, false, payload)?;
            }
        }
        Ok(())
    }

    /// Says good-bye.
    pub(super) fn disconnect(&self) {
        // A broker that does not hear it finds out by itself.
        match self {
            Self::V3(client) => drop(client.try_disconnect()),
            Self::V5(client) => drop(client.try_disconnect()),
        }
    }
}
