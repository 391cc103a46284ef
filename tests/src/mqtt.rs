//! A small MQTT 3.1.1 client on a blocking socket: it does what it is told, right or wrong.
//!
//! It shares no code with the gateway or the simulator, so that a mistake of theirs is not repeated here.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How a client introduces itself.
#[derive(Clone, Debug)]
pub struct Hello {
    pub client: String,
    pub clean: bool,
    pub keep_alive: u16,
    pub user: Option<(String, String)>,
}

impl Hello {
    /// A client whose session is to outlive its connections.
    #[must_use]
    pub fn lasting(client: &str) -> Self {
        Self { client: client.to_owned(), clean: false, keep_alive: 60, user: None }
    }

    /// A client that starts anew with each connection.
    #[must_use]
    pub fn clean(client: &str) -> Self {
        Self { clean: true, ..Self::lasting(client) }
    }
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    Connack { session_present: bool, code: u8 },
    Publish { topic: String, payload: Vec<u8>, qos: u8, id: u16 },
    Puback(u16),
    Pubrec(u16),
    Pubcomp(u16),
    Suback(u16, Vec<u8>),
    Unsuback(u16),
    Pingresp,
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut length = body.len();
    loop {
        let more = if length > 127 { 0x80 } else { 0 };
        bytes.push((length % 128) as u8 | more);
        length /= 128;
        if more == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

fn text(into: &mut Vec<u8>, text: &str) {
    into.extend_from_slice(&(text.len() as u16).to_be_bytes());
    into.extend_from_slice(text.as_bytes());
}

/// CONNECT.
#[must_use]
pub fn connect(hello: &Hello) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    let user = if hello.user.is_some() { 0xC0 } else { 0 };
    body.extend_from_slice(&[4, user | if hello.clean { 2 } else { 0 }]);
    body.extend_from_slice(&hello.keep_alive.to_be_bytes());
    text(&mut body, &hello.client);
    if let Some((name, password)) = &hello.user {
        text(&mut body, name);
        text(&mut body, password);
    }
    packet(0x10, &body)
}

/// PUBLISH; `id` is not sent at QoS 0.
#[must_use]
pub fn publish(topic: &str, payload: &[u8], qos: u8, dup: bool, id: u16) -> Vec<u8> {
    let mut body = Vec::with_capacity(topic.len() + payload.len() + 4);
    text(&mut body, topic);
    if qos > 0 {
        body.extend_from_slice(&id.to_be_bytes());
    }
    body.extend_from_slice(payload);
    packet(0x30 | if dup { 8 } else { 0 } | qos << 1, &body)
}

/// PUBREL.
#[must_use]
pub fn pubrel(id: u16) -> Vec<u8> {
    packet(0x62, &id.to_be_bytes())
}

/// SUBSCRIBE to one filter.
#[must_use]
pub fn subscribe(id: u16, filter: &str, qos: u8) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    text(&mut body, filter);
    body.push(qos);
    packet(0x82, &body)
}

/// DISCONNECT.
#[must_use]
pub fn disconnect() -> Vec<u8> {
    packet(0xE0, &[])
}

/// Takes one whole packet off the front of `bytes`: (the packet, its length), or `None` if more is needed.
fn parse(bytes: &[u8]) -> Result<Option<(Packet, usize)>> {
    let bad = |what: &str| Error::new(ErrorKind::InvalidData, format!("{what}: {bytes:02x?}"));
    let (mut length, mut at) = (0_usize, 1);
    loop {
        let Some(byte) = bytes.get(at) else { return Ok(None) };
        length |= usize::from(byte & 0x7F) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
        if at > 4 {
            return Err(bad("a length of more than four bytes"));
        }
    }
    let Some(body) = bytes.get(at..at + length) else { return Ok(None) };
    let id = || body.get(..2).map(|id| u16::from_be_bytes([id[0], id[1]])).ok_or_else(|| bad("no packet id"));
    let found = match bytes[0] {
        0x20 if length == 2 => Packet::Connack { session_present: body[0] == 1, code: body[1] },
        0x40 => Packet::Puback(id()?),
        0x50 => Packet::Pubrec(id()?),
        0x70 => Packet::Pubcomp(id()?),
        0x90 => Packet::Suback(id()?, body[2..].to_vec()),
        0xB0 => Packet::Unsuback(id()?),
        0xD0 => Packet::Pingresp,
        first if first >> 4 == 3 => {
            let topic_end = 2 + usize::from(id()?);
            let topic = body.get(2..topic_end).ok_or_else(|| bad("a topic longer than its packet"))?;
            let qos = (first >> 1) & 3;
            let start = topic_end + if qos > 0 { 2 } else { 0 };
            let id = if qos > 0 { u16::from_be_bytes([body[topic_end], body[topic_end + 1]]) } else { 0 };
            let topic = String::from_utf8_lossy(topic).into_owned();
            Packet::Publish { topic, payload: body[start..].to_vec(), qos, id }
        }
        _ => return Err(bad("an unexpected packet")),
    };
    Ok(Some((found, at + length)))
}

/// A connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    timeout: Duration,
}

impl Client {
    /// Connects the socket and says nothing.
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self { stream, buffer: Vec::new(), timeout: Duration::ZERO })
    }

    /// Connects and introduces itself; gives whether the server knew the session.
    pub fn connect(address: SocketAddr, hello: &Hello) -> Result<(Self, bool)> {
        let mut client = Self::open(address)?;
        client.send(&connect(hello))?;
        match client.receive(Duration::from_secs(10))? {
            Some(Packet::Connack { session_present, code: 0 }) => Ok((client, session_present)),
            other => Err(Error::other(format!("no welcome but {other:?}"))),
        }
    }

    /// Writes bytes, whatever they are.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next packet, or `None` if none comes within `timeout`; the end of the stream is an error.
    pub fn receive(&mut self, timeout: Duration) -> Result<Option<Packet>> {
        loop {
            if let Some((packet, length)) = parse(&self.buffer)? {
                self.buffer.drain(..length);
                return Ok(Some(packet));
            }
            if timeout != self.timeout {
                self.stream.set_read_timeout(Some(timeout.max(Duration::from_millis(1))))?;
                self.timeout = timeout;
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The next packet; panics if none comes.
    #[track_caller]
    #[must_use]
    pub fn expect(&mut self) -> Packet {
        self.receive(Duration::from_secs(20)).expect("the connection holds").expect("a packet comes")
    }

    /// Publishes and waits until the server has taken it in (QoS 0: until it is written).
    #[track_caller]
    pub fn deliver(&mut self, topic: &str, payload: &[u8], qos: u8, id: u16) {
        self.send(&publish(topic, payload, qos, false, id)).expect("the connection holds");
        if qos == 1 {
            assert_eq!(self.expect(), Packet::Puback(id), "the answer to PUBLISH {id} at QoS 1");
        }
        if qos == 2 {
            assert_eq!(self.expect(), Packet::Pubrec(id), "the answer to PUBLISH {id} at QoS 2");
            self.send(&pubrel(id)).expect("the connection holds");
            assert_eq!(self.expect(), Packet::Pubcomp(id), "the answer to PUBREL {id}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Packet, packet, parse, publish};

    #[test]
    fn a_packet_is_read_only_when_it_is_whole() {
        let bytes = publish("a/b", b"21.5", 1, false, 7);
        for end in 1..bytes.len() {
            assert_eq!(parse(&bytes[..end]).unwrap(), None);
        }
        let expected = Packet::Publish { topic: "a/b".to_owned(), payload: b"21.5".to_vec(), qos: 1, id: 7 };
        assert_eq!(parse(&bytes).unwrap(), Some((expected, bytes.len())));
    }

    #[test]
    fn a_long_packet_has_a_length_of_several_bytes() {
        let bytes = packet(0x30, &[0; 321]);
        assert_eq!(&bytes[..3], &[0x30, 0xC1, 0x02]);
    }
}
