//! The few packets of MQTT 3.1.1 that a load generator needs, written once and patched in place.
//!
//! ```text
//! PUBLISH  0x30|qos<<1, length, topic (u16 + text), packet id (u16, QoS 1), payload
//! payload  {"time":"2026-11-24T04:46:51.123Z","air_temperature":27.3}   filled up with blanks
//! ```

use super::LoadError;
use crate::text::{TIME_LEN, digits};

/// Largest packet that is taken from a server.
const MAX_PACKET: usize = 1 << 16;

/// CONNECT with a clean session.
pub(crate) fn connect(client_id: &str, login: Option<&(String, String)>) -> Vec<u8> {
    let flags = if login.is_some() { 0b1100_0010 } else { 0b0000_0010 };
    let mut body = Vec::new();
    string(&mut body, "MQTT");
    body.extend([4, flags]);
    body.extend(300_u16.to_be_bytes());
    string(&mut body, client_id);
    if let Some((user, password)) = login {
        string(&mut body, user);
        string(&mut body, password);
    }
    packet(0x10, &body)
}

/// DISCONNECT.
pub(crate) const DISCONNECT: [u8; 2] = [0xe0, 0];

fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind];
    let mut rest = body.len();
    loop {
        let more = rest > 127;
        packet.push((rest & 127) as u8 | if more { 128 } else { 0 });
        rest >>= 7;
        if !more {
            break;
        }
    }
    packet.extend(body);
    packet
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len().min(usize::from(u16::MAX)) as u16).to_be_bytes());
    out.extend(text.bytes().take(usize::from(u16::MAX)));
}

/// A PUBLISH with its gaps.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    /// Where the packet id is; None at QoS 0.
    id_at: Option<usize>,
    time_at: usize,
    value_at: usize,
}

impl Template {
    /// `payload_bytes` is a wish: a payload is never shorter than its JSON.
    pub(crate) fn new(topic: &str, qos1: bool, payload_bytes: usize) -> Self {
        let mut body = Vec::new();
        string(&mut body, topic);
        if qos1 {
            body.extend([0, 0]);
        }
        let head = body.len();
        body.extend(br#"{"time":""#);
        let time = body.len();
        body.extend([b'0'; TIME_LEN]);
        body.extend(br#"","air_temperature":"#);
        let value = body.len();
        body.extend(b"00.0}");
        while body.len() - head < payload_bytes {
            body.insert(body.len() - 1, b' ');
        }
        let bytes = packet(if qos1 { 0x32 } else { 0x30 }, &body);
        let shift = bytes.len() - body.len();
        Self {
            bytes,
            id_at: qos1.then_some(shift + head - 2),
            time_at: shift + time,
            value_at: shift + value,
        }
    }

    /// Appends the packet to `out`. `tenths` is the value, 100 to 999: JSON has no
    /// leading zeros.
    pub(crate) fn write(&self, out: &mut Vec<u8>, id: u16, time: &[u8; TIME_LEN], tenths: i64) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let packet = &mut out[start..];
        if let Some(at) = self.id_at {
            packet[at..at + 2].copy_from_slice(&id.to_be_bytes());
        }
        packet[self.time_at..self.time_at + TIME_LEN].copy_from_slice(time);
        digits(&mut packet[self.value_at..self.value_at + 2], tenths / 10);
        digits(&mut packet[self.value_at + 3..self.value_at + 4], tenths);
    }
}

/// What a server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    ConnAck(u8),
    PubAck(u16),
}

/// Cuts a server's bytes into packets. Keeps what is not yet whole, at most 64 KiB.
#[derive(Debug, Default)]
pub(crate) struct Incomings {
    rest: Vec<u8>,
}

impl Incomings {
    /// Calls `each` for every CONNACK and PUBACK. Other packets are skipped.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Incoming)) -> Result<(), LoadError> {
        if self.rest.is_empty() {
            let used = cut(bytes, &mut each)?;
            self.rest.extend_from_slice(&bytes[used..]);
        } else {
            self.rest.extend_from_slice(bytes);
            let used = cut(&self.rest, &mut each)?;
            self.rest.drain(..used);
        }
        Ok(())
    }
}

/// How many bytes are whole packets.
fn cut(bytes: &[u8], each: &mut impl FnMut(Incoming)) -> Result<usize, LoadError> {
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        let (mut length, mut head) = (0_usize, 1);
        loop {
            let Some(byte) = rest.get(head) else { return Ok(at) };
            length |= usize::from(byte & 127) << (7 * (head - 1));
            head += 1;
            if byte & 128 == 0 {
                break;
            }
            if head > 4 {
                return Err(LoadError::Packet("a length of more than four bytes"));
            }
        }
        if length > MAX_PACKET {
            return Err(LoadError::Packet("a packet of more than 64 KiB"));
        }
        let Some(body) = rest.get(head..head + length) else { return Ok(at) };
        match (rest[0] >> 4, body) {
            (2, [_, code, ..]) => each(Incoming::ConnAck(*code)),
            (4, [high, low, ..]) => each(Incoming::PubAck(u16::from_be_bytes([*high, *low]))),
            (2 | 4, _) => return Err(LoadError::Packet("a CONNACK or PUBACK that is too short")),
            _ => {}
        }
        at += head + length;
    }
}
