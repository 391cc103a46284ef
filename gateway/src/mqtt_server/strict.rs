//! The checks that rmqtt-codec leaves out, made on the bytes of one packet before it sees them. It masks
//! reserved bits, accepts bytes after the end of a CONNECT, knows nothing of who may send which packet, and
//! reports a QoS of 3 or a wrong length without a reason that a client could act upon.
//!
//! ```text
//! fixed header: | type (4 bits) flags (4 bits) | remaining length (1–4 bytes, 7 bits each, low first) |
//! ```
//! Section numbers are those of MQTT 5.0.

use rmqtt_codec::v5::DisconnectReasonCode as Reason;

/// A packet that ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Violation {
    /// What an MQTT 5.0 client is told; a 3.1.1 client only sees its connection closed.
    pub(crate) reason: Reason,
    /// For the log.
    pub(crate) detail: &'static str,
}

pub(crate) const fn malformed(detail: &'static str) -> Violation {
    Violation { reason: Reason::MalformedPacket, detail }
}

pub(crate) const fn protocol(detail: &'static str) -> Violation {
    Violation { reason: Reason::ProtocolError, detail }
}

/// Packet types, the upper four bits of the first byte.
pub(crate) mod kind {
    pub(crate) const CONNECT: u8 = 1;
    pub(crate) const PUBLISH: u8 = 3;
    pub(crate) const PUBACK: u8 = 4;
    pub(crate) const PUBREL: u8 = 6;
    pub(crate) const SUBSCRIBE: u8 = 8;
    pub(crate) const UNSUBSCRIBE: u8 = 10;
    pub(crate) const PINGREQ: u8 = 12;
    pub(crate) const DISCONNECT: u8 = 14;
    pub(crate) const AUTH: u8 = 15;
}

/// Where the first packet in the buffer lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// First byte of the packet.
    pub(crate) head: u8,
    /// Bytes of the fixed header.
    pub(crate) header: usize,
    /// Bytes of the whole packet.
    pub(crate) total: usize,
}

/// Finds the extent of the first packet; `None` while its fixed header is incomplete. The packet itself may
/// still be incomplete: what is wrong with its header is known before its body is waited for.
pub(crate) fn extent(buffer: &[u8], max_packet: usize) -> Result<Option<Extent>, Violation> {
    let Some((&head, rest)) = buffer.split_first() else { return Ok(None) };
    check_head(head)?;
    let Some((remaining, bytes)) = variable_int(rest)? else { return Ok(None) };
    let total = 1 + bytes + remaining;
    if total > max_packet {
        return Err(Violation { reason: Reason::PacketTooLarge, detail: "packet larger than allowed" });
    }
    Ok(Some(Extent { head, header: 1 + bytes, total }))
}

/// Section 2.1.3 and who may send what.
fn check_head(head: u8) -> Result<(), Violation> {
    let flags = head & 0x0f;
    match head >> 4 {
        kind::PUBLISH if flags & 0b0110 == 0b0110 => Err(malformed("QoS 3")),
        kind::PUBLISH if flags & 0b1110 == 0b1000 => Err(malformed("DUP with QoS 0")),
        kind::PUBLISH => Ok(()),
        kind::PUBREL | kind::SUBSCRIBE | kind::UNSUBSCRIBE if flags == 2 => Ok(()),
        kind::CONNECT | kind::PUBACK | kind::PINGREQ | kind::DISCONNECT if flags == 0 => Ok(()),
        kind::PUBREL | kind::SUBSCRIBE | kind::UNSUBSCRIBE => Err(malformed("reserved flags")),
        kind::CONNECT | kind::PUBACK | kind::PINGREQ | kind::DISCONNECT | 0 => {
            Err(malformed("reserved bits"))
        }
        kind::AUTH => Err(protocol("AUTH without an authentication method")),
        _ => Err(protocol("a packet that only a server sends, or one for a QoS 2 that was never sent")),
    }
}

/// A variable byte integer (1.5.5): value and bytes; `None` while incomplete.
fn variable_int(bytes: &[u8]) -> Result<Option<(usize, usize)>, Violation> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            if byte == 0 && index > 0 {
                return Err(malformed("a length in more bytes than it needs"));
            }
            return Ok(Some((value, index + 1)));
        }
    }
    if bytes.len() >= 4 { Err(malformed("a length of more than four bytes")) } else { Ok(None) }
}

/// Checks the body of a complete packet other than CONNECT.
pub(crate) fn check_body(head: u8, body: &[u8], v5: bool) -> Result<(), Violation> {
    match head >> 4 {
        kind::PINGREQ if !body.is_empty() => Err(malformed("PINGREQ with a body")),
        kind::DISCONNECT if !v5 && !body.is_empty() => Err(malformed("DISCONNECT with a body")),
        kind::SUBSCRIBE => check_subscribe(body, v5),
        _ => Ok(()),
    }
}

/// Reserved bits of the subscription options; the lengths are checked again by the codec.
fn check_subscribe(body: &[u8], v5: bool) -> Result<(), Violation> {
    let mut rest = Cursor(body);
    rest.skip(2)?;
    if v5 {
        rest.skip_properties()?;
    }
    while !rest.0.is_empty() {
        rest.skip_string()?;
        let options = rest.byte()?;
        let reserved = if v5 { 0b1100_0000 } else { 0b1111_1100 };
        if options & reserved != 0 {
            return Err(malformed("reserved bits of the subscription options"));
        }
        if options & 3 == 3 || options & 0b0011_0000 == 0b0011_0000 {
            return Err(protocol("subscription options out of range"));
        }
    }
    Ok(())
}

/// How a first packet reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Greeting {
    V3,
    V5,
    /// MQTT, but of this other level.
    Unsupported(u8),
}

/// Checks the body of a CONNECT (3.1) and says which version it asks for.
pub(crate) fn check_connect(body: &[u8]) -> Result<Greeting, Violation> {
    let mut rest = Cursor(body);
    let name = rest.string()?;
    let level = rest.byte()?;
    let v5 = match (name, level) {
        (b"MQTT", 4) => false,
        (b"MQTT", 5) => true,
        (b"MQTT" | b"MQIsdp", other) => return Ok(Greeting::Unsupported(other)),
        _ => return Err(protocol("not MQTT")),
    };
    let flags = rest.byte()?;
    let has = |bit: u8| flags & (1 << bit) != 0;
    let (will, password, user) = (has(2), has(6), has(7));
    if has(0) {
        return Err(malformed("reserved flag of CONNECT"));
    }
    if flags & 0b0001_1000 == 0b0001_1000 || (!will && flags & 0b0011_1000 != 0) {
        return Err(malformed("flags of the will"));
    }
    if !v5 && password && !user {
        return Err(malformed("a password without a user name"));
    }
    rest.skip(2)?;
    if v5 {
        rest.skip_properties()?;
    }
    let client = rest.string()?;
    if will {
        if v5 {
            rest.skip_properties()?;
        }
        rest.skip_string()?;
        rest.skip_string()?;
    }
    let user = if user { rest.string()? } else { b"" };
    if password {
        rest.skip_string()?;
    }
    if !rest.0.is_empty() {
        return Err(malformed("bytes after the end of CONNECT"));
    }
    if client.contains(&0) || user.contains(&0) {
        return Err(malformed("NUL in a string"));
    }
    Ok(if v5 { Greeting::V5 } else { Greeting::V3 })
}

/// Reads forward through a body and never past its end.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Violation> {
        let (taken, rest) =
            self.0.split_at_checked(bytes).ok_or(malformed("shorter than its lengths say"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn skip(&mut self, bytes: usize) -> Result<(), Violation> {
        self.take(bytes).map(drop)
    }

    fn byte(&mut self) -> Result<u8, Violation> {
        self.take(1).map(|taken| taken[0])
    }

    fn string(&mut self) -> Result<&'a [u8], Violation> {
        let length = self.take(2)?;
        self.take(usize::from(u16::from_be_bytes([length[0], length[1]])))
    }

    fn skip_string(&mut self) -> Result<(), Violation> {
        self.string().map(drop)
    }

    fn skip_properties(&mut self) -> Result<(), Violation> {
        let (length, bytes) = variable_int(self.0)?.ok_or(malformed("shorter than its lengths say"))?;
        self.skip(bytes)?;
        self.skip(length)
    }
}
