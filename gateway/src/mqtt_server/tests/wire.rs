use bytes::BytesMut;
use proptest::prelude::*;
use rmqtt_codec::v5::DisconnectReasonCode as Reason;

use super::super::packets::{Ack, Inbound};
use super::super::wire::{First, Version, Wire, first};

const V3: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a";
const V5: &[u8] = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01a";
const MAX: usize = 1024;

fn wire(connect: &[u8]) -> Wire {
    match first(&mut BytesMut::from(connect), MAX, MAX) {
        Ok(Some(First::Connect(connect))) => connect.0,
        other => panic!("{other:?}"),
    }
}

/// What a connection's bytes are, as they come in pieces: each packet, and how it ends.
pub(crate) fn packets(pieces: &[&[u8]]) -> Vec<String> {
    let (mut buffer, mut wire, mut found) = (BytesMut::new(), None, Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            let next = match &mut wire {
                None => match first(&mut buffer, MAX, MAX) {
                    Ok(None) => break,
                    Ok(Some(First::Connect(connect))) => {
                        let said = format!("{:?}", connect.1);
                        wire = Some(connect.0);
                        Ok(said)
                    }
                    Ok(Some(First::Unsupported(level))) => Err(format!("version {level}")),
                    Err((_, violation)) => Err(format!("{violation:?}")),
                },
                Some(wire) => match wire.next(&mut buffer) {
                    Ok(None) => break,
                    Ok(Some(packet)) => Ok(format!("{packet:?}")),
                    Err(violation) => Err(format!("{violation:?}")),
                },
            };
            match next {
                Ok(packet) => found.push(packet),
                Err(end) => {
                    found.push(end);
                    return found;
                }
            }
        }
    }
    found
}

/// The reason for which a first packet is refused.
fn refused(connect: &[u8]) -> Option<Reason> {
    first(&mut BytesMut::from(connect), MAX, MAX).err().map(|(_, violation)| violation.reason)
}

/// The reason for which a later packet ends the connection.
fn ended(connect: &[u8], packet: &[u8]) -> Option<Reason> {
    wire(connect).next(&mut BytesMut::from(packet)).err().map(|violation| violation.reason)
}

#[test]
fn both_versions_are_told_apart_by_their_connect() {
    assert_eq!(wire(V3).version, Version::V3);
    assert_eq!(wire(V5).version, Version::V5);
    for other in [
        &b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01a"[..],
        b"\x10\x0d\x00\x04MQTT\x06\x02\x00\x3c\x00\x01a",
    ] {
        let first = first(&mut BytesMut::from(other), MAX, MAX);
        assert!(matches!(first, Ok(Some(First::Unsupported(3 | 6)))), "{first:?}");
    }
}

#[test]
fn a_connect_that_arrives_byte_by_byte_is_awaited() {
    for connect in [V3, V5] {
        for end in 0..connect.len() {
            let first = first(&mut BytesMut::from(&connect[..end]), MAX, MAX);
            assert!(matches!(first, Ok(None)), "{end} {first:?}");
        }
    }
}

#[test]
fn a_malformed_connect_is_refused_with_its_reason() {
    use Reason::{MalformedPacket as Malformed, PacketTooLarge, ProtocolError};
    let corpus: &[(&[u8], Reason)] = &[
        (b"\x11\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a", Malformed), // reserved flags
        (b"\x10\x0d\x00\x04MQTX\x04\x02\x00\x3c\x00\x01a", ProtocolError), // another protocol
        (b"\x10\x0d\x00\x04MQTT\x04\x03\x00\x3c\x00\x01a", Malformed), // reserved connect flag
        (b"\x10\x0d\x00\x04MQTT\x04\x0a\x00\x3c\x00\x01a", Malformed), // will QoS without a will
        (b"\x10\x13\x00\x04MQTT\x04\x1e\x00\x3c\x00\x01a\x00\x01t\x00\x01m", Malformed), // will QoS 3
        (b"\x10\x10\x00\x04MQTT\x04\x42\x00\x3c\x00\x01a\x00\x01p", Malformed), // password alone
        (b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x02a", Malformed), // shorter than it says
        (b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x01aZ", Malformed), // bytes after the end
        (b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01\x00", Malformed), // NUL
        (b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01\xff", Malformed), // not UTF-8
        (b"\x10\x0c\x00\x04MQTT\x04\x00\x00\x3c\x00\x00", Malformed),  // no client id, not clean
        (b"\x10\x8d\x00\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a", Malformed), // length in too many bytes
        (b"\x10\xff\xff\xff\xff\x01", Malformed),                      // length of five bytes
        (b"\x10\xff\xff\xff\x7f", PacketTooLarge),
        (b"\x10\x00", Malformed),
        (b"\xc0\x00", ProtocolError), // PINGREQ first
        (b"GET / HTTP/1.1\r\n\r\n", Malformed),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", Malformed), // TLS
        (b"\x10\x16\x00\x04MQTT\x05\x02\x00\x3c\x08\x21\x00\x05\x21\x00\x05\x00\x00\x00\x01a", Malformed), // twice, and unknown
        (b"\x10\x11\x00\x04MQTT\x05\x02\x00\x3c\x03\x21\x00\x00\x00\x01a", Malformed), // Receive Maximum 0
    ];
    for (connect, reason) in corpus {
        assert_eq!(refused(connect), Some(*reason), "{connect:02x?}");
    }
}

#[test]
fn a_malformed_packet_ends_the_connection_with_its_reason() {
    use Reason::{
        MalformedPacket as Malformed, PacketTooLarge, ProtocolError, SubscriptionIdentifiersNotSupported,
        TopicAliasInvalid, TopicNameInvalid,
    };
    let corpus: &[(&[u8], &[u8], Reason)] = &[
        (V3, b"\x36\x05\x00\x01a\x00\x01", Malformed), // QoS 3
        (V3, b"\x38\x03\x00\x01a", Malformed),         // DUP with QoS 0
        (V3, b"\x32\x05\x00\x01a\x00\x00", Malformed), // packet id 0
        (V3, b"\x32\x03\x00\x01a", Malformed),         // no packet id
        (V3, b"\x30\x03\x00\x05a", Malformed),         // topic longer than the packet
        (V3, b"\x30\x02\x00\x00", TopicNameInvalid),
        (V3, b"\x30\x03\x00\x01#", TopicNameInvalid),
        (V5, b"\x30\x06\x00\x03a/+\x00", TopicNameInvalid),
        (V5, b"\x30\x04\x00\x01\x00\x00", TopicNameInvalid),
        (V5, b"\x30\x04\x00\x01\xff\x00", Malformed),
        (V5, b"\x30\x03\x00\x00\x00", TopicNameInvalid),
        (V5, b"\x30\x07\x00\x01a\x03\x23\x00\x01", TopicAliasInvalid),
        (V5, b"\x30\x06\x00\x01a\x02\x0b\x01", ProtocolError), // subscription identifier
        (V5, b"\x30\x08\x00\x01a\x04\x01\x01\x01\x01", Malformed), // a property twice
        (V5, b"\x30\x05\x00\x01a\x7f\x01", Malformed),         // properties longer than the packet
        (V5, b"\x30\x05\x00\x01a\x01\x7e", Malformed),         // unknown property
        (V3, b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a", ProtocolError), // a second CONNECT
        (V3, b"\x20\x02\x00\x00", ProtocolError),              // CONNACK from a client
        (V3, b"\x50\x02\x00\x01", ProtocolError),              // PUBREC for nothing
        (V3, b"\x60\x02\x00\x01", Malformed),                  // PUBREL without its flags
        (V3, b"\x62\x03\x00\x01\x00", Malformed),
        (V3, b"\x82\x06\x00\x01\x00\x01#\x03", ProtocolError), // SUBSCRIBE QoS 3
        (V3, b"\x82\x06\x00\x01\x00\x01#\x04", Malformed),     // reserved options
        (V5, b"\x82\x07\x00\x01\x00\x00\x01#\x40", Malformed),
        (V5, b"\x82\x07\x00\x01\x00\x00\x01#\x30", ProtocolError), // retain handling 3
        (V5, b"\x82\x09\x00\x01\x02\x0b\x01\x00\x01#\x00", SubscriptionIdentifiersNotSupported),
        (V3, b"\x82\x02\x00\x01", ProtocolError), // no filter
        (V3, b"\x80\x06\x00\x01\x00\x01#\x00", Malformed),
        (V3, b"\xa2\x02\x00\x01", ProtocolError),
        (V3, b"\xc0\x01\x00", Malformed),
        (V3, b"\xe0\x01\x00", Malformed),
        (V5, b"\xe0\x01\xff", Malformed), // unknown reason code
        (V3, b"\xf0\x00", ProtocolError),
        (V5, b"\xf0\x00", ProtocolError),
        (V3, b"\x00\x00", Malformed),
        (V3, b"\x30\xff\x7f", PacketTooLarge), // known before the body is there
        (V3, b"\x30\xff\xff\xff\xff", Malformed),
    ];
    for (connect, packet, reason) in corpus {
        assert_eq!(ended(connect, packet), Some(*reason), "{packet:02x?}");
    }
}

#[test]
fn packets_that_are_right_pass() {
    let mut buffer = BytesMut::from(
        &b"\x30\x03\x00\x01a\x3d\x06\x00\x01a\x00\x07x\x40\x02\x00\x01\x62\x02\x00\x01\x82\x06\x00\x01\x00\x01#\x01\
           \xa2\x05\x00\x01\x00\x01#\xc0\x00\xe0\x00\x30"[..],
    );
    let mut wire = wire(V3);
    let mut packets = Vec::new();
    while let Some(packet) = wire.next(&mut buffer).unwrap() {
        packets.push(packet);
    }
    assert_eq!(packets.len(), 8, "{packets:?}");
    assert!(matches!(&packets[1], Inbound::Publish(publish) if publish.dup && &publish.payload[..] == b"x"));
    assert!(matches!(packets[7], Inbound::Disconnect { expiry_s: None, in_order: true }));
    assert_eq!(&buffer[..], b"\x30");
}

#[test]
fn only_a_disconnect_without_a_reason_takes_the_will_back() {
    for (packet, expected) in [(&b"\xe0\x00"[..], true), (b"\xe0\x01\x00", true), (b"\xe0\x01\x04", false)] {
        let next = wire(V5).next(&mut BytesMut::from(packet)).unwrap();
        let found = matches!(next, Some(Inbound::Disconnect { in_order, .. }) if in_order == expected);
        assert!(found, "{packet:02x?}: {next:?}");
    }
}

#[test]
fn acknowledgements_need_four_bytes_in_both_versions() {
    let mut out = Vec::new();
    Ack::Stored(0x0102).write(false, &mut out);
    Ack::Received(3).write(true, &mut out);
    Ack::NotHeld(4).write(false, &mut out);
    Ack::NotHeld(5).write(true, &mut out);
    assert_eq!(out, b"\x40\x02\x01\x02\x50\x02\x00\x03\x70\x02\x00\x04\x70\x03\x00\x05\x92");
}

#[test]
fn a_long_suback_has_a_long_length() {
    let mut out = BytesMut::new();
    wire(V5).suback(1, &[0x87; 200], &mut out);
    assert_eq!(&out[..6], b"\x90\xcb\x01\x00\x01\x00");
    assert_eq!(out.len(), 3 + 203);
    out.clear();
    wire(V3).suback(1, &[0x87, 1], &mut out);
    assert_eq!(&out[..], b"\x90\x04\x00\x01\x80\x01");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_make_the_first_packet_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), v5: bool) {
        let _ = first(&mut BytesMut::from(&bytes[..]), MAX, MAX);
        let mut after = if v5 { V5.to_vec() } else { V3.to_vec() };
        after[1] = after[1].wrapping_add(u8::try_from(bytes.len()).unwrap());
        after.extend_from_slice(&bytes);
        let _ = first(&mut BytesMut::from(&after[..]), MAX, MAX);
    }

    #[test]
    fn no_bytes_make_a_later_packet_panic(
        head in prop::sample::select(vec![0x30_u8, 0x32, 0x3b, 0x40, 0x62, 0x82, 0xa2, 0xc0, 0xe0, 0xf0]),
        body in prop::collection::vec(prop_oneof![3 => 0..4_u8, 1 => any::<u8>()], 0..100),
        v5: bool,
    ) {
        let mut packet = vec![head, u8::try_from(body.len()).unwrap()];
        packet.extend_from_slice(&body);
        let mut wire = wire(if v5 { V5 } else { V3 });
        let mut buffer = BytesMut::from(&packet[..]);
        while let Ok(Some(_)) = wire.next(&mut buffer) {}
    }
}
