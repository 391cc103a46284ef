//! The MQTT side: raw sockets, one task each on one thread.

use std::io;
use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::LoadError;
use super::packet::{DISCONNECT, Incoming, Incomings, Template, connect};
use super::sender::{Pace, Sender};
use crate::clock::Clock;
use crate::options::{BrokerOptions, duration};

/// Longest wait for an ack after the last one.
const STALL: Duration = Duration::from_secs(30);

/// Options of `load mqtt`.
#[derive(Args, Clone, Debug)]
pub struct MqttLoad {
    #[command(flatten)]
    pub broker: BrokerOptions,
    /// Connections
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub connections: u32,
    /// Most publishes in flight on a connection
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=32_000))]
    pub window: u16,
    /// Topics, shared out among the connections: pantau/NAME-0001, …
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub topics: u32,
    /// Begins the names of devices and clients; runs at the same time need different ones
    #[arg(long, default_value = "load")]
    pub name: String,
    /// Publishes in all
    #[arg(long, value_name = "N", default_value_t = 1_000_000, conflicts_with = "seconds")]
    pub messages: u64,
    /// Stop sending after so long, instead of after a number of messages
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub seconds: Option<Duration>,
    /// Publishes a second over all connections, whether the server keeps up or not; without: as fast as acks come
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// Quality of service: 0 or 1
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=1))]
    pub qos: u8,
    /// Size of a payload, filled up with blanks; never shorter than its 58 bytes of JSON
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=60_000))]
    pub payload_bytes: u32,
    /// Report what this process uses meanwhile
    #[arg(long)]
    pub pid: Option<u32>,
}

impl MqttLoad {
    /// A topic belongs to one connection, so that its times rise: every connection needs one.
    pub(crate) fn check(&self) -> Result<(), LoadError> {
        if self.topics >= self.connections {
            return Ok(());
        }
        let Self { topics, connections, .. } = self;
        Err(LoadError::Option(format!(
            "--topics {topics}: at least one for each of {connections} connections"
        )))
    }

    /// The connection's share of all publishes.
    fn share(&self, connection: u32) -> u64 {
        if self.seconds.is_some() {
            return u64::MAX;
        }
        let connections = u64::from(self.connections);
        self.messages / connections + u64::from(u64::from(connection) < self.messages % connections)
    }

    /// The sender of a connection that begins at `start`.
    pub(crate) fn sender(&self, connection: u32, start: u64) -> Sender {
        let templates = (0..self.topics)
            .filter(|topic| topic % self.connections == connection)
            .map(|topic| format!("pantau/{}-{topic:04}", self.name))
            .map(|topic| Template::new(&topic, self.qos == 1, self.payload_bytes as usize))
            .collect();
        let pace = self.rate.map_or(Pace::Closed, |rate| {
            let interval = f64::from(self.connections) * 1e9 / f64::from(rate);
            // Spread over the interval, so that connections do not send in step.
            let phase = interval * f64::from(connection) / f64::from(self.connections);
            Pace::Every { interval, first: start + phase as u64 }
        });
        Sender::new(templates, self.window, self.qos == 1, pace, self.share(connection))
    }
}

/// A connection that the server accepted.
pub(crate) struct Connection {
    stream: TcpStream,
    incomings: Incomings,
    address: String,
}

impl Connection {
    /// Connects and waits for the CONNACK.
    pub(crate) async fn open(options: &MqttLoad, number: u32) -> Result<Self, LoadError> {
        let address = options.broker.broker.clone();
        let socket = |source| LoadError::Socket { address: address.clone(), source };
        let mut stream = TcpStream::connect(&address).await.map_err(socket)?;
        stream.set_nodelay(true).map_err(socket)?;
        let hello = connect(&format!("pantau-{}-{number}", options.name), options.broker.login().as_ref());
        stream.write_all(&hello).await.map_err(socket)?;
        let mut incomings = Incomings::default();
        let mut code = None;
        while code.is_none() {
            let mut buffer = [0; 64];
            let read = match stream.read(&mut buffer).await.map_err(socket)? {
                0 => return Err(socket(io::ErrorKind::UnexpectedEof.into())),
                read => read,
            };
            incomings.feed(&buffer[..read], |packet| {
                if let Incoming::ConnAck(value) = packet {
                    code = Some(value);
                }
            })?;
        }
        match code {
            Some(0) => Ok(Self { stream, incomings, address }),
            code => Err(LoadError::Refused(code.unwrap_or(u8::MAX))),
        }
    }

    /// Runs until everything is acknowledged; sends no more from `end` on, or once `stop` is cancelled.
    /// Returns the sender and when the last ack came.
    pub(crate) async fn run(
        mut self,
        mut sender: Sender,
        clock: Clock,
        end: u64,
        stop: CancellationToken,
    ) -> Result<(Sender, u64), LoadError> {
        let address = self.address.clone();
        let socket = |source| LoadError::Socket { address: address.clone(), source };
        let mut buffer = vec![0; 16 << 10];
        let mut last_ack = clock.nanos();
        let mut ended = false;
        loop {
            let now = clock.nanos();
            if !ended && (now >= end || stop.is_cancelled()) {
                ended = true;
                sender.finish();
            }
            sender.fill(now, clock.wall());
            while !sender.pending().is_empty() {
                match self.stream.try_write(sender.pending()) {
                    Ok(bytes) => sender.wrote(bytes),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(socket(error)),
                }
            }
            if sender.is_done() {
                let _ = self.stream.try_write(&DISCONNECT);
                return Ok((sender, last_ack));
            }
            if sender.pending().is_empty() && sender.is_hungry() {
                tokio::task::yield_now().await;
                continue;
            }
            self.wait(&sender, now, if ended { u64::MAX } else { end }, last_ack, &stop, ended)
                .await
                .map_err(socket)?;
            if sender.in_flight() > 0
                && clock.nanos().saturating_sub(last_ack.max(now)) >= STALL.as_nanos() as u64
            {
                let (sent, unacked) = (sender.sent, sender.in_flight() as u64);
                return Err(LoadError::Stalled { sent, unacked, seconds: STALL.as_secs() });
            }
            loop {
                let read = match self.stream.try_read(&mut buffer) {
                    Ok(0) => return Err(socket(io::ErrorKind::UnexpectedEof.into())),
                    Ok(read) => read,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(socket(error)),
                };
                let now = clock.nanos();
                self.incomings.feed(&buffer[..read], |packet| {
                    if sender.incoming(packet, now) {
                        last_ack = now;
                    }
                })?;
                if read < buffer.len() {
                    break;
                }
            }
        }
    }

    /// Waits for the socket, the next publish that is due, the end, or a stall.
    async fn wait(
        &self,
        sender: &Sender,
        now: u64,
        end: u64,
        last_ack: u64,
        stop: &CancellationToken,
        ended: bool,
    ) -> io::Result<()> {
        let interest = if sender.pending().is_empty() {
            Interest::READABLE
        } else {
            Interest::READABLE | Interest::WRITABLE
        };
        let stalled = last_ack.max(now) + STALL.as_nanos() as u64;
        let until = sender.next_due().unwrap_or(u64::MAX).min(end).min(stalled);
        tokio::select! {
            ready = self.stream.ready(interest) => ready.map(|_| ()),
            () = tokio::time::sleep(Duration::from_nanos(until.saturating_sub(now))) => Ok(()),
            () = stop.cancelled(), if !ended => Ok(()),
        }
    }
}
