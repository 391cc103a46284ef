//! An intake whose tickets are resolved by hand, and a client that speaks through rmqtt-codec.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pantau_proto::TimeMs;
use rmqtt_codec::types::{Publish, QoS};
use rmqtt_codec::v5::PublishProperties;
use rmqtt_codec::{MqttCodec, MqttPacket, v3, v5};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::codec::{Decoder, Encoder};
use tokio_util::sync::CancellationToken;

use super::super::{Clock, Config, Outbound, Server, Stats};
use crate::intake::types::{
    Failed, Frame, Intake, Measured, RecoveredSession, SessionEvent, Source, SubmitError, Taken,
};

/// What was journaled, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Stored { source: String, topic: String, payload: Vec<u8>, key: Option<u16> },
    Measured { source: String, series: String, value: String, at: i64 },
    Started(String, u32),
    Resumed(String, u32),
    Ended(String),
    Released(String, u16),
}

#[derive(Default)]
struct State {
    journal: Vec<Entry>,
    submits: usize,
    shed: u64,
    waiting: VecDeque<oneshot::Sender<Result<(), Failed>>>,
    manual: bool,
    full: bool,
    largest: Option<usize>,
}

#[derive(Clone, Default)]
pub(crate) struct TestIntake {
    state: Arc<Mutex<State>>,
    room: Arc<Notify>,
}

pub(crate) enum Ticket {
    Now,
    Later(oneshot::Receiver<Result<(), Failed>>),
}

impl Future for Ticket {
    type Output = Result<(), Failed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Ticket::Now => Poll::Ready(Ok(())),
            Ticket::Later(later) => Pin::new(later).poll(cx).map(|resolved| resolved.unwrap_or(Err(Failed))),
        }
    }
}

impl State {
    fn ticket(&mut self) -> Ticket {
        if !self.manual {
            return Ticket::Now;
        }
        let (sender, receiver) = oneshot::channel();
        self.waiting.push_back(sender);
        Ticket::Later(receiver)
    }
}

impl TestIntake {
    /// An intake whose tickets wait for [`Self::resolve`].
    pub(crate) fn manual() -> Self {
        let intake = Self::default();
        intake.state.lock().unwrap().manual = true;
        intake
    }

    pub(crate) fn set_manual(&self, manual: bool) {
        self.state.lock().unwrap().manual = manual;
    }

    /// Resolves the oldest ticket that is waiting.
    pub(crate) fn resolve(&self, result: Result<(), Failed>) {
        let sender = self.state.lock().unwrap().waiting.pop_front().expect("a ticket is waiting");
        let _ = sender.send(result);
    }

    pub(crate) fn resolve_all(&self) {
        for sender in self.state.lock().unwrap().waiting.drain(..) {
            let _ = sender.send(Ok(()));
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().unwrap().waiting.len()
    }

    pub(crate) fn set_full(&self, full: bool) {
        self.state.lock().unwrap().full = full;
        self.room.notify_waiters();
    }

    pub(crate) fn set_largest(&self, largest: usize) {
        self.state.lock().unwrap().largest = Some(largest);
    }

    pub(crate) fn journal(&self) -> Vec<Entry> {
        self.state.lock().unwrap().journal.clone()
    }

    pub(crate) fn submits(&self) -> usize {
        self.state.lock().unwrap().submits
    }

    /// Messages that were given up.
    pub(crate) fn shed(&self) -> u64 {
        self.state.lock().unwrap().shed
    }

    /// Payloads stored, in order.
    pub(crate) fn stored(&self) -> Vec<String> {
        let payload = |entry: Entry| match entry {
            Entry::Stored { payload, .. } => Some(String::from_utf8_lossy(&payload).into_owned()),
            _ => None,
        };
        self.journal().into_iter().filter_map(payload).collect()
    }

    /// Waits until the intake holds this many messages.
    pub(crate) async fn holds(&self, messages: usize) {
        wait_for(|| self.stored().len() >= messages).await;
    }
}

impl Intake for TestIntake {
    type Ticket = Ticket;

    fn submit_of(&self, source: Source<'_>, frames: &[Frame<'_>]) -> Result<Taken<Ticket>, SubmitError> {
        let mut state = self.state.lock().unwrap();
        if state.full {
            return Err(SubmitError::Full);
        }
        if state.largest.is_some_and(|largest| frames.len() > largest) {
            return Err(SubmitError::TooLarge);
        }
        state.submits += 1;
        let mut not_allowed = Vec::new();
        for (n, frame) in frames.iter().enumerate() {
            // As the real one refuses topics; what a payload speaks for it cannot tell.
            if source.rights.is_some_and(|rights| !rights.topic(frame.topic)) {
                not_allowed.push(n);
            }
            state.journal.push(Entry::Stored {
                source: source.name.to_owned(),
                topic: frame.topic.to_owned(),
                payload: frame.payload.to_vec(),
                key: frame.key.map(|key| key.packet_id),
            });
        }
        Ok(Taken { ticket: state.ticket(), not_allowed })
    }

    fn measured(&self, source: &str, readings: &[Measured<'_>], at: TimeMs) -> Result<Ticket, SubmitError> {
        let mut state = self.state.lock().unwrap();
        if state.full {
            return Err(SubmitError::Full);
        }
        state.submits += 1;
        for reading in readings {
            state.journal.push(Entry::Measured {
                source: source.to_owned(),
                series: reading.series.to_owned(),
                value: format!("{} {}", reading.value, reading.unit),
                at: at.0,
            });
        }
        Ok(state.ticket())
    }

    fn session(&self, event: SessionEvent<'_>) -> Result<Ticket, SubmitError> {
        let mut state = self.state.lock().unwrap();
        if state.full {
            return Err(SubmitError::Full);
        }
        state.journal.push(match event {
            SessionEvent::Started { client, expiry_s } => Entry::Started(client.to_owned(), expiry_s),
            SessionEvent::Resumed { client, expiry_s } => Entry::Resumed(client.to_owned(), expiry_s),
            SessionEvent::Ended { client } => Entry::Ended(client.to_owned()),
            SessionEvent::Released { client, packet_id } => {
                let entry = Entry::Released(client.to_owned(), packet_id);
                state.journal.push(entry);
                return Ok(state.ticket());
            }
        });
        Ok(Ticket::Now)
    }

    fn shed(&self, messages: u64, _: TimeMs) {
        self.state.lock().unwrap().shed += messages;
    }

    async fn room(&self) {
        self.room.notified().await;
    }
}

/// Waits for something that another task does, at most five seconds of real time.
pub(crate) async fn wait_for(mut done: impl FnMut() -> bool) {
    for _ in 0..5000 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("waited in vain");
}

pub(crate) fn clock() -> Clock {
    #[expect(clippy::disallowed_methods, reason = "a test's clock")]
    fn monotonic() -> tokio::time::Instant {
        tokio::time::Instant::now()
    }
    Clock { wall: || TimeMs(1_700_000_000_000), monotonic }
}

pub(crate) fn open_config() -> Config {
    Config { anonymous: true, ..Config::default() }
}

/// A listener on a free port of the loopback.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) outbound: Outbound,
    pub(crate) stats: Arc<Stats>,
    pub(crate) stop: CancellationToken,
    pub(crate) done: JoinHandle<()>,
}

pub(crate) async fn start(config: Config, intake: &TestIntake) -> Running {
    start_with(config, intake.clone(), &[]).await
}

#[expect(clippy::disallowed_methods, reason = "a test is its own app.rs")]
pub(crate) async fn start_with<I: Intake>(
    config: Config,
    intake: I,
    recovered: &[RecoveredSession],
) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (server, outbound) = Server::new(config, intake, recovered, clock()).unwrap();
    let (stats, stop) = (server.stats(), CancellationToken::new());
    let done = tokio::spawn(server.run(listener, JoinSet::new(), stop.clone()));
    Running { address, outbound, stats, stop, done }
}

/// A device.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) io: S,
    codec: MqttCodec,
    buffer: BytesMut,
}

pub(crate) fn v3_connect(client: &str, clean_session: bool) -> v3::Connect {
    v3::Connect { clean_session, keep_alive: 60, ..v3::Connect::default() }.client_id(client)
}

pub(crate) fn v5_connect(client: &str, clean_start: bool, expiry_s: u32) -> v5::Connect {
    v5::Connect {
        clean_start,
        keep_alive: 60,
        session_expiry_interval_secs: expiry_s,
        ..v5::Connect::default()
    }
    .client_id(client)
}

impl Client {
    pub(crate) async fn open(address: SocketAddr, v5: bool) -> Self {
        Client::over(TcpStream::connect(address).await.unwrap(), v5)
    }

    /// Connects with 3.1.1; returns the client and Session Present.
    pub(crate) async fn v3(address: SocketAddr, client: &str, clean: bool) -> (Self, bool) {
        let mut device = Client::open(address, false).await;
        let present = device.hello_v3(client, clean).await;
        (device, present)
    }

    /// Connects with 5.0; returns the client and its CONNACK.
    pub(crate) async fn v5(address: SocketAddr, connect: v5::Connect) -> (Self, v5::ConnectAck) {
        let mut device = Client::open(address, true).await;
        device.send(MqttPacket::V5(connect.into())).await;
        match device.next().await {
            Some(MqttPacket::V5(v5::Packet::ConnectAck(ack))) => (device, *ack),
            other => panic!("{other:?}"),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn over(io: S, v5: bool) -> Self {
        let codec = if v5 { MqttCodec::V5(v5::Codec::new(0, 0)) } else { MqttCodec::V3(v3::Codec::new(0)) };
        Client { io, codec, buffer: BytesMut::new() }
    }

    fn is_v5(&self) -> bool {
        matches!(self.codec, MqttCodec::V5(_))
    }

    pub(crate) async fn hello_v3(&mut self, client: &str, clean: bool) -> bool {
        self.send(MqttPacket::V3(v3_connect(client, clean).into())).await;
        match self.next().await {
            Some(MqttPacket::V3(v3::Packet::ConnectAck(ack))) => {
                assert_eq!(ack.return_code, v3::ConnectAckReason::ConnectionAccepted);
                ack.session_present
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn send(&mut self, packet: MqttPacket) {
        let mut out = BytesMut::new();
        self.codec.encode(packet, &mut out).unwrap();
        self.raw(&out).await;
    }

    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        self.io.write_all(bytes).await.unwrap();
        // TLS may keep the last of it.
        self.io.flush().await.unwrap();
    }

    /// The next packet; `None` when the listener hung up.
    pub(crate) async fn next(&mut self) -> Option<MqttPacket> {
        loop {
            if let Some((packet, _)) = self.codec.decode(&mut self.buffer).unwrap() {
                return Some(packet);
            }
            let read = tokio::time::timeout(Duration::from_secs(60), self.io.read_buf(&mut self.buffer));
            if !matches!(read.await.expect("no answer in time"), Ok(1..)) {
                return None;
            }
        }
    }

    /// The next packet, as `name id`.
    pub(crate) async fn answer(&mut self) -> String {
        name(&self.next().await.expect("an answer"))
    }

    /// Whether nothing comes for a while.
    pub(crate) async fn is_silent(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(100), self.next()).await.is_err()
    }

    /// Publishes on `pantau/dev/x`.
    pub(crate) async fn publish(&mut self, qos: u8, packet_id: u16, dup: bool, payload: &str) {
        let packet = self.message(qos, packet_id, dup, payload);
        self.send(packet).await;
    }

    pub(crate) fn message(&self, qos: u8, packet_id: u16, dup: bool, payload: &str) -> MqttPacket {
        let publish = Box::new(Publish {
            dup,
            retain: false,
            qos: QoS::try_from(qos).unwrap(),
            topic: "pantau/dev/x".into(),
            packet_id: NonZeroU16::new(packet_id),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            properties: self.is_v5().then(PublishProperties::default),
        });
        if self.is_v5() {
            MqttPacket::V5(v5::Packet::Publish(publish))
        } else {
            MqttPacket::V3(v3::Packet::Publish(publish))
        }
    }

    pub(crate) async fn release(&mut self, packet_id: u16) {
        let [high, low] = packet_id.to_be_bytes();
        self.raw(&[0x62, 2, high, low]).await;
    }

    /// Subscribes with 3.1.1 and returns the codes.
    pub(crate) async fn subscribe(&mut self, filters: &[(&str, u8)]) -> Vec<u8> {
        let topic_filters =
            filters.iter().map(|(filter, qos)| ((*filter).into(), QoS::try_from(*qos).unwrap())).collect();
        let packet_id = NonZeroU16::new(77).unwrap();
        self.send(MqttPacket::V3(v3::Packet::Subscribe { packet_id, topic_filters })).await;
        match self.next().await {
            Some(MqttPacket::V3(v3::Packet::SubscribeAck { status, .. })) => status
                .into_iter()
                .map(|status| match status {
                    v3::SubscribeReturnCode::Success(qos) => qos.value(),
                    v3::SubscribeReturnCode::Failure => 0x80,
                })
                .collect(),
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn name(packet: &MqttPacket) -> String {
    match packet {
        MqttPacket::V3(v3::Packet::PublishAck { packet_id }) => format!("PUBACK {packet_id}"),
        MqttPacket::V3(v3::Packet::PublishReceived { packet_id }) => format!("PUBREC {packet_id}"),
        MqttPacket::V3(v3::Packet::PublishComplete { packet_id }) => format!("PUBCOMP {packet_id}"),
        MqttPacket::V3(v3::Packet::PingResponse) | MqttPacket::V5(v5::Packet::PingResponse) => {
            "PINGRESP".to_owned()
        }
        MqttPacket::V5(v5::Packet::PublishAck(ack)) => format!("PUBACK {}", ack.packet_id),
        MqttPacket::V5(v5::Packet::PublishReceived(ack)) => format!("PUBREC {}", ack.packet_id),
        MqttPacket::V5(v5::Packet::PublishComplete(ack)) => {
            format!("PUBCOMP {} {}", ack.packet_id, u8::from(ack.reason_code))
        }
        MqttPacket::V5(v5::Packet::Disconnect(bye)) => {
            format!("DISCONNECT {:#04x}", u8::from(bye.reason_code))
        }
        MqttPacket::V3(v3::Packet::Publish(publish)) | MqttPacket::V5(v5::Packet::Publish(publish)) => {
            let payload = String::from_utf8_lossy(&publish.payload);
            let (dup, retain) = (u8::from(publish.dup), u8::from(publish.retain));
            format!("{}={payload} q{} d{dup} r{retain}", publish.topic, publish.qos.value())
        }
        other => format!("{other:?}"),
    }
}
