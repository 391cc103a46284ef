//! The packets that a client may send and the acknowledgements that it gets, the same for both versions.
//! Whatever a packet may not hold here (an alias or a subscription identifier that was never offered, a topic
//! that is none) ends the connection with its own reason code.

use bytes::BufMut;
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v5::DisconnectReasonCode as Reason;
use rmqtt_codec::v5::{PublishAck2Reason, PublishAckReason, RetainHandling};
use rmqtt_codec::{v3, v5};

use super::strict::{Violation, protocol};
use super::topics;

/// A packet that a client may send after its CONNECT.
#[derive(Debug)]
pub(crate) enum Inbound {
    Publish(Box<Publish>),
    PubAck(u16),
    PubRel(u16),
    Subscribe {
        packet_id: u16,
        filters: Vec<Filter>,
    },
    Unsubscribe {
        packet_id: u16,
        filters: Vec<String>,
    },
    Ping,
    /// The client leaves; MQTT 5.0 may change the session's expiry with it.
    Disconnect {
        expiry_s: Option<u32>,
        /// Its will is not meant any more. Only MQTT 5.0 can say otherwise.
        in_order: bool,
    },
}

/// One topic filter of a SUBSCRIBE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) filter: String,
    /// 0 or 1: a request for QoS 2 is granted 1.
    pub(crate) qos: u8,
    pub(crate) retain_as_published: bool,
    /// Whether retained messages are wanted: always, only for a new subscription, never.
    pub(crate) retain_handling: RetainHandling,
}

/// A decoded CONNECT.
#[derive(Debug)]
pub(crate) struct Connect {
    pub(crate) client: String,
    pub(crate) clean: bool,
    pub(crate) keep_alive_s: u16,
    /// Session expiry as the client asks for it; a 3.1.1 session that is not clean never expires by itself.
    pub(crate) expiry_s: u32,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<bytes::Bytes>,
    /// QoS 1 messages that the client takes without an acknowledgement.
    pub(crate) receive_max: u16,
    pub(crate) auth_method: bool,
    pub(crate) will: Option<Will>,
}

/// What the gateway takes for said when the connection ends without a DISCONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Will {
    pub(crate) topic: String,
    pub(crate) payload: bytes::Bytes,
}

impl Will {
    /// Wills are topics like any other: a wildcard in one ends the connection.
    pub(crate) fn of(will: Option<(&str, bytes::Bytes)>) -> Result<Option<Self>, Violation> {
        match will {
            Some((topic, _)) if !topics::is_name(topic) => Err(bad_topic("the will's topic")),
            Some((topic, payload)) => Ok(Some(Self { topic: topic.to_owned(), payload })),
            None => Ok(None),
        }
    }
}

/// An acknowledgement of two bytes of identifier. It is the same in both versions where it is a success, which needs no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ack {
    /// PUBACK.
    Stored(u16),
    /// PUBACK for a message that the client was not allowed to send. Its bytes are kept, so this one waits for its ticket
    /// as the others do.
    NotAllowed(u16),
    /// PUBREC.
    Received(u16),
    /// PUBCOMP.
    Complete(u16),
    /// PUBCOMP for an identifier that is not held.
    NotHeld(u16),
}

impl Ack {
    /// The answer to the same message where it was refused. Only MQTT 5.0 can say it, and only at QoS 1: a PUBREC with an
    /// error would end the exchange on the client's side while its id is held, durably, on ours.
    pub(crate) fn not_allowed(self) -> Self {
        match self {
            Ack::Stored(id) => Ack::NotAllowed(id),
            other => other,
        }
    }

    /// Appends the packet.
    pub(crate) fn write(self, v5: bool, out: &mut impl BufMut) {
        let (head, packet_id) = match self {
            Ack::Stored(id) | Ack::NotAllowed(id) => (0x40, id),
            Ack::Received(id) => (0x50, id),
            Ack::Complete(id) | Ack::NotHeld(id) => (0x70, id),
        };
        let [high, low] = packet_id.to_be_bytes();
        let reason = match self {
            Ack::NotHeld(_) => Some(u8::from(PublishAck2Reason::PacketIdNotFound)),
            Ack::NotAllowed(_) => Some(u8::from(PublishAckReason::NotAuthorized)),
            _ => None,
        };
        match reason.filter(|_| v5) {
            Some(reason) => out.put_slice(&[head, 3, high, low, reason]),
            None => out.put_slice(&[head, 2, high, low]),
        }
    }
}

pub(crate) fn bad_topic(detail: &'static str) -> Violation {
    Violation { reason: Reason::TopicNameInvalid, detail }
}

fn publish(publish: Box<Publish>) -> Result<Inbound, Violation> {
    if let Some(properties) = &publish.properties {
        if properties.topic_alias.is_some() {
            return Err(Violation {
                reason: Reason::TopicAliasInvalid,
                detail: "no topic alias was offered",
            });
        }
        if !properties.subscription_ids.is_empty() {
            return Err(protocol("a subscription identifier from a client"));
        }
    }
    if !topics::is_name(&publish.topic) {
        return Err(bad_topic("topic with a wildcard or NUL, or empty"));
    }
    Ok(Inbound::Publish(publish))
}

pub(crate) fn inbound_v3(packet: v3::Packet) -> Result<Inbound, Violation> {
    use v3::Packet;
    match packet {
        Packet::Publish(packet) => publish(packet),
        Packet::PublishAck { packet_id } => Ok(Inbound::PubAck(packet_id.get())),
        Packet::PublishRelease { packet_id } => Ok(Inbound::PubRel(packet_id.get())),
        Packet::Subscribe { packet_id, topic_filters } => {
            let filter = |(filter, qos): (_, QoS)| Filter {
                filter: String::from(filter),
                qos: qos.value().min(1),
                retain_as_published: false,
                retain_handling: RetainHandling::AtSubscribe,
            };
            let filters = topic_filters.into_iter().map(|(f, qos)| filter((f, qos))).collect();
            Ok(Inbound::Subscribe { packet_id: packet_id.get(), filters })
        }
        Packet::Unsubscribe { packet_id, topic_filters } => Ok(Inbound::Unsubscribe {
            packet_id: packet_id.get(),
            filters: topic_filters.into_iter().map(String::from).collect(),
        }),
        Packet::PingRequest => Ok(Inbound::Ping),
        Packet::Disconnect => Ok(Inbound::Disconnect { expiry_s: None, in_order: true }),
        _ => Err(protocol("a packet that does not belong here")),
    }
}

pub(crate) fn inbound_v5(packet: v5::Packet) -> Result<Inbound, Violation> {
    use v5::Packet;
    match packet {
        Packet::Publish(packet) => publish(packet),
        Packet::PublishAck(ack) => Ok(Inbound::PubAck(ack.packet_id.get())),
        Packet::PublishRelease(ack) => Ok(Inbound::PubRel(ack.packet_id.get())),
        Packet::Subscribe(subscribe) => {
            if subscribe.id.is_some() {
                let reason = Reason::SubscriptionIdentifiersNotSupported;
                return Err(Violation { reason, detail: "no subscription identifiers were offered" });
            }
            let filter = |(filter, options): (_, v5::SubscriptionOptions)| Filter {
                filter: String::from(filter),
                qos: options.qos.value().min(1),
                retain_as_published: options.retain_as_published,
                retain_handling: options.retain_handling,
            };
            let filters = subscribe.topic_filters.into_iter().map(|(f, o)| filter((f, o))).collect();
            Ok(Inbound::Subscribe { packet_id: subscribe.packet_id.get(), filters })
        }
        Packet::Unsubscribe(unsubscribe) => Ok(Inbound::Unsubscribe {
            packet_id: unsubscribe.packet_id.get(),
            filters: unsubscribe.topic_filters.into_iter().map(String::from).collect(),
        }),
        Packet::PingRequest => Ok(Inbound::Ping),
        Packet::Disconnect(disconnect) => {
            let in_order = disconnect.reason_code == Reason::NormalDisconnection;
            Ok(Inbound::Disconnect { expiry_s: disconnect.session_expiry_interval_secs, in_order })
        }
        _ => Err(protocol("a packet that does not belong here")),
    }
}
