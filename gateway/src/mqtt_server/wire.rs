//! Bytes ↔ packets, for both versions at once: above this file nobody asks which version a client speaks,
//! except where the two versions behave differently.
//!
//! Always holds: [`Wire::next`] hands on only packets that passed `strict`, the codec and the checks here;
//! what is encoded never exceeds the client's Maximum Packet Size. The four-byte acknowledgements, which are
//! nearly all that this gateway sends, are written directly.

use std::num::NonZeroU16;

use bytes::{BufMut, BytesMut};
use rmqtt_codec::error::DecodeError;
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v5::DisconnectReasonCode as Reason;
use rmqtt_codec::v5::PublishProperties;
use rmqtt_codec::{MqttCodec, MqttPacket, v3, v5};
use tokio_util::codec::{Decoder, Encoder};

use super::outbound::Message;
use super::packets::{Connect, Inbound, Will, bad_topic, inbound_v3, inbound_v5};
use super::strict::{self, Greeting, Violation, malformed, protocol};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V3,
    V5,
}

/// Decoder and encoder of one connection.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) version: Version,
    codec: MqttCodec,
    max_packet: usize,
    /// Largest packet that the client takes, in bytes.
    max_out: usize,
}

/// What the first packet is.
#[derive(Debug)]
pub(crate) enum First {
    Connect(Box<(Wire, Connect)>),
    /// MQTT of another version; answer with [`unsupported`] and close.
    Unsupported(u8),
}

/// Reads the first packet; `None` while it is incomplete. `max_connect` bounds it, `max_packet` all others.
pub(crate) fn first(
    buffer: &mut BytesMut,
    max_connect: usize,
    max_packet: usize,
) -> Result<Option<First>, (Option<Version>, Violation)> {
    let extent = strict::extent(buffer, max_connect).map_err(|violation| (None, violation))?;
    let Some(extent) = extent else { return Ok(None) };
    if extent.head >> 4 != strict::kind::CONNECT {
        return Err((None, protocol("the first packet is not CONNECT")));
    }
    let Some(packet) = buffer.get(..extent.total) else { return Ok(None) };
    let version = match strict::check_connect(&packet[extent.header..]) {
        Ok(Greeting::V3) => Version::V3,
        Ok(Greeting::V5) => Version::V5,
        Ok(Greeting::Unsupported(level)) => return Ok(Some(First::Unsupported(level))),
        Err(violation) => return Err((None, violation)),
    };
    let codec = match version {
        Version::V3 => MqttCodec::V3(v3::Codec::new(0)),
        Version::V5 => MqttCodec::V5(v5::Codec::new(0, 0)),
    };
    let mut wire = Wire { version, codec, max_packet, max_out: usize::MAX };
    let blame = |violation| (Some(version), violation);
    let connect = match wire.decode(buffer).map_err(blame)? {
        Some(MqttPacket::V3(v3::Packet::Connect(connect))) => Connect {
            client: connect.client_id.to_string(),
            clean: connect.clean_session,
            keep_alive_s: connect.keep_alive,
            expiry_s: if connect.clean_session { 0 } else { u32::MAX },
            user: connect.username.map(String::from),
            password: connect.password,
            receive_max: u16::MAX,
            auth_method: false,
            will: Will::of(connect.last_will.as_ref().map(|will| (&*will.topic, will.message.clone())))
                .map_err(blame)?,
        },
        Some(MqttPacket::V5(v5::Packet::Connect(connect))) => {
            wire.max_out = connect.max_packet_size.map_or(usize::MAX, |max| max.get() as usize);
            Connect {
                client: connect.client_id.to_string(),
                clean: connect.clean_start,
                keep_alive_s: connect.keep_alive,
                expiry_s: connect.session_expiry_interval_secs,
                user: connect.username.map(String::from),
                password: connect.password,
                receive_max: connect.receive_max.map_or(u16::MAX, NonZeroU16::get),
                auth_method: connect.auth_method.is_some(),
                will: Will::of(connect.last_will.as_ref().map(|will| (&*will.topic, will.message.clone())))
                    .map_err(blame)?,
            }
        }
        _ => return Err(blame(malformed("CONNECT"))),
    };
    Ok(Some(First::Connect(Box::new((wire, connect)))))
}

/// The answer to a CONNECT of another version: of 3.1.1 to older ones, of 5.0 to newer ones.
pub(crate) fn unsupported(level: u8) -> &'static [u8] {
    if level > 5 { &[0x20, 3, 0, 0x84, 0] } else { &[0x20, 2, 0, 1] }
}

impl Wire {
    /// The next packet, `None` while it is incomplete.
    pub(crate) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Inbound>, Violation> {
        let Some(extent) = strict::extent(buffer, self.max_packet)? else { return Ok(None) };
        let Some(packet) = buffer.get(..extent.total) else { return Ok(None) };
        strict::check_body(extent.head, &packet[extent.header..], self.version == Version::V5)?;
        match self.decode(buffer)? {
            None => Ok(None),
            Some(MqttPacket::V3(packet)) => inbound_v3(packet).map(Some),
            Some(MqttPacket::V5(packet)) => inbound_v5(packet).map(Some),
            Some(MqttPacket::Version(_)) => Err(protocol("not MQTT")),
        }
    }

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<MqttPacket>, Violation> {
        match self.codec.decode(buffer) {
            Ok(decoded) => Ok(decoded.map(|(packet, _)| packet)),
            Err(DecodeError::InvalidTopicName) => Err(bad_topic("empty topic")),
            Err(DecodeError::Utf8Error) => Err(malformed("a string that is not UTF-8")),
            Err(DecodeError::InvalidTopicFilter) => Err(protocol("no topic filter, or an empty one")),
            Err(_) => Err(malformed("does not decode")),
        }
    }

    /// Encodes a packet of the codec; `false` and nothing written if the client would not take it.
    pub(crate) fn encode(&mut self, packet: MqttPacket, out: &mut BytesMut) -> bool {
        let before = out.len();
        let encoded = self.codec.encode(packet, out).is_ok() && out.len() - before <= self.max_out;
        if !encoded {
            out.truncate(before);
        }
        encoded
    }

    pub(crate) fn ping_response(out: &mut BytesMut) {
        out.put_slice(&[0xd0, 0]);
    }

    /// SUBACK with the codes of the version, which agree for 0, 1 and (as any failure) 0x80 and above.
    pub(crate) fn suback(&mut self, packet_id: u16, codes: &[u8], out: &mut BytesMut) {
        self.list_ack(0x90, packet_id, codes, out);
    }

    /// UNSUBACK; only MQTT 5.0 has codes in it.
    pub(crate) fn unsuback(&mut self, packet_id: u16, codes: &[u8], out: &mut BytesMut) {
        self.list_ack(0xb0, packet_id, if self.version == Version::V5 { codes } else { &[] }, out);
    }

    fn list_ack(&mut self, head: u8, packet_id: u16, codes: &[u8], out: &mut BytesMut) {
        let v5 = self.version == Version::V5;
        let mut remaining = 2 + usize::from(v5) + codes.len();
        out.put_u8(head);
        while remaining >= 0x80 {
            out.put_u8((remaining & 0x7f) as u8 | 0x80);
            remaining >>= 7;
        }
        out.put_u8(remaining as u8);
        out.put_u16(packet_id);
        if v5 {
            out.put_u8(0);
        }
        for code in codes {
            out.put_u8(if v5 || *code < 0x80 { *code } else { 0x80 });
        }
    }

    /// One of the gateway's own messages; `false` if the client would not take a packet of this size.
    pub(crate) fn publish(
        &mut self,
        message: &Message,
        packet_id: Option<u16>,
        dup: bool,
        retain: bool,
        out: &mut BytesMut,
    ) -> bool {
        let packet_id = packet_id.and_then(NonZeroU16::new);
        let qos = if packet_id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let v5 = self.version == Version::V5;
        let publish = Box::new(Publish {
            dup,
            retain,
            qos,
            topic: message.topic.as_str().into(),
            packet_id,
            payload: message.payload.clone(),
            properties: v5.then(PublishProperties::default),
        });
        let packet = match self.version {
            Version::V3 => MqttPacket::V3(v3::Packet::Publish(publish)),
            Version::V5 => MqttPacket::V5(v5::Packet::Publish(publish)),
        };
        self.encode(packet, out)
    }

    /// Says why the connection ends; 3.1.1 has no such packet.
    pub(crate) fn disconnect(&mut self, reason: Reason, out: &mut BytesMut) {
        if self.version == Version::V5 {
            out.put_slice(&[0xe0, 1, u8::from(reason)]);
        }
    }
}
