//! One MQTT connection of one or many devices.
//!
//! Two futures in one task: the poller owns rumqttc's event loop and does nothing but poll it; the driver owns
//! the outbox and the source and never waits for the client (`try_publish` only), so that neither can block
//! the other. Every connection gets a new client and event loop, because rumqttc's own leftovers would
//! acknowledge the wrong messages after a reconnect.
//!
//! ```text
//! source ─► outbox ─try_publish─► rumqttc ─► gateway
//!             ▲                      │
//!             └── written, acked ◄───┘ poller
//! ```

use std::time::Duration;

use pantau_proto::TimeMs;
use rumqttc::{AsyncClient, ConnectionError, EventLoop, MqttOptions, NetworkOptions, Outgoing, Packet, QoS};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::outbox::{Counts, Outbox};
use super::{Emission, Source};
use crate::clock::Clock;
use crate::fleet::{hash, unit};

/// Publishes that wait inside of rumqttc.
const CHANNEL: usize = 64;
/// Longest wait for acks at a graceful stop.
const DRAIN: Duration = Duration::from_secs(5);
/// Longest wait for the DISCONNECT to go out.
const GOODBYE: Duration = Duration::from_secs(1);
/// A connection that lived so long starts the backoff anew.
const STABLE_MS: i64 = 30_000;
/// Shortest and longest bound of the backoff.
const BACKOFF_MS: (f64, f64) = (200.0, 10_000.0);

/// How a line connects.
#[derive(Clone, Debug)]
pub(crate) struct LineOptions {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) login: Option<(String, String)>,
    /// Fixed: the session is this client's.
    pub(crate) client_id: String,
    /// Most publishes in flight.
    pub(crate) window: u16,
    /// Most messages in the outbox.
    pub(crate) outbox: usize,
}

/// What a line did.
#[derive(Debug)]
pub(crate) struct LineEnd<S> {
    pub(crate) source: S,
    pub(crate) acked: Counts,
    /// Messages in the outbox that were not acknowledged.
    pub(crate) unacked: usize,
    /// Connections after the first.
    pub(crate) reconnects: u64,
}

/// What the poller saw.
enum Event {
    Connected,
    Written(u16),
    Acked(u16),
    Lost(Box<ConnectionError>),
}

/// Why a connection is over.
#[derive(PartialEq)]
enum End {
    /// The source has no more and everything is acknowledged.
    Finished,
    /// Asked to stop.
    Stopped,
    /// The source wanted it cut.
    Cut,
    /// The network or the gateway.
    Lost,
}

struct Line<S> {
    options: LineOptions,
    source: S,
    outbox: Outbox,
    clock: Clock,
    stop: CancellationToken,
    /// When the present connection was accepted.
    connected: Option<TimeMs>,
    /// Connections in a row that failed.
    failures: u64,
}

/// Runs until the source is finished and everything acknowledged, or until `stop`: then nothing more is
/// taken, and what is in flight gets 5 s to be acknowledged.
pub(crate) async fn run<S: Source>(
    options: LineOptions,
    source: S,
    clock: Clock,
    stop: CancellationToken,
) -> LineEnd<S> {
    let outbox = Outbox::new(options.outbox);
    let mut line = Line { options, source, outbox, clock, stop, connected: None, failures: 0 };
    let mut connections = 0_u64;
    loop {
        let end = line.connection().await;
        connections += u64::from(line.connected.is_some());
        let stable = line.connected.is_some_and(|since| line.clock.wall().0 - since.0 > STABLE_MS);
        match end {
            End::Finished | End::Stopped => break,
            End::Cut => line.failures = 0,
            End::Lost => {
                line.failures = if stable { 1 } else { line.failures + 1 };
                let wait = line.backoff();
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = line.stop.cancelled() => break,
                }
            }
        }
    }
    LineEnd {
        acked: line.outbox.acked_counts(),
        unacked: line.outbox.len(),
        source: line.source,
        reconnects: connections.saturating_sub(1),
    }
}

impl<S: Source> Line<S> {
    /// From connect to the end of one connection.
    async fn connection(&mut self) -> End {
        let LineOptions { host, port, login, client_id, window, .. } = &self.options;
        let mut options = MqttOptions::new(client_id, host, *port);
        options.set_clean_session(false).set_inflight(*window).set_keep_alive(Duration::from_secs(30));
        if let Some((user, password)) = login {
            options.set_credentials(user, password);
        }
        let (client, mut eventloop) = AsyncClient::new(options, CHANNEL);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        eventloop.set_network_options(network);

        self.connected = None;
        self.outbox.reconnected();
        let (events_in, events) = mpsc::channel(2 * CHANNEL);
        let hangup = CancellationToken::new();
        let (end, ()) =
            tokio::join!(self.drive(client, events, hangup.clone()), poll(eventloop, events_in, hangup));
        end
    }

    /// Moves messages from the source to the client and events into the outbox.
    async fn drive(
        &mut self,
        client: AsyncClient,
        mut events: mpsc::Receiver<Event>,
        hangup: CancellationToken,
    ) -> End {
        let drained = tokio::time::sleep(Duration::MAX);
        tokio::pin!(drained);
        let mut stopping = false;
        let end = loop {
            if !stopping && self.fill() {
                // Dropping the event loop closes the socket without a DISCONNECT.
                hangup.cancel();
                return End::Cut;
            }
            if self.connected.is_some() {
                self.hand_over(&client);
            }
            if self.outbox.is_empty() && (stopping || self.source.due().is_none()) {
                break if stopping { End::Stopped } else { End::Finished };
            }
            tokio::select! {
                event = events.recv() => {
                    let mut event = event;
                    // All that are there, before the next look at the source.
                    loop {
                        match event {
                            Some(Event::Connected) => self.connected = Some(self.clock.wall()),
                            Some(Event::Written(id)) => self.outbox.written(id),
                            Some(Event::Acked(id)) => self.outbox.acked(id),
                            Some(Event::Lost(error)) => {
                                self.report(&error);
                                return End::Lost;
                            }
                            None => return End::Lost,
                        }
                        match events.try_recv() {
                            Ok(next) => event = Some(next),
                            Err(_) => break,
                        }
                    }
                }
                () = tokio::time::sleep(self.until_due()), if !stopping && self.outbox.has_room() => {}
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    drained.set(tokio::time::sleep(DRAIN));
                }
                () = &mut drained, if stopping => break End::Stopped,
            }
        };
        // The DISCONNECT goes out, then the poller ends and its channel closes.
        if self.connected.is_some() && client.try_disconnect().is_ok() {
            let goodbye = async { while events.recv().await.is_some() {} };
            let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        }
        hangup.cancel();
        end
    }

    /// Takes what is due as long as there is room. True when the connection is to be cut.
    fn fill(&mut self) -> bool {
        let now = self.clock.wall();
        while self.outbox.has_room() && self.source.due().is_some_and(|due| due <= now) {
            match self.source.take(now) {
                Some(Emission::Message(message)) => {
                    // There is room: checked above.
                    let _ = self.outbox.push(message);
                }
                Some(Emission::Cut) => return true,
                None => break,
            }
        }
        false
    }

    /// Hands messages to the client until it has no room.
    fn hand_over(&mut self, client: &AsyncClient) {
        while let Some(message) = self.outbox.peek() {
            let payload = message.payload.clone();
            if client.try_publish(message.topic.as_str(), QoS::AtLeastOnce, false, payload).is_err() {
                break;
            }
            self.outbox.handed();
        }
    }

    /// How long until the source is due; an hour when it is never due again.
    fn until_due(&self) -> Duration {
        let wait = self.source.due().map_or(i64::MAX, |due| due.0.saturating_sub(self.clock.wall().0));
        Duration::from_millis(wait.clamp(0, 3_600_000).cast_unsigned())
    }

    /// The first failure is worth a warning; the attempts after it are not.
    fn report(&self, error: &ConnectionError) {
        let (client, unacked) = (&self.options.client_id, self.outbox.len());
        if self.connected.is_some() || self.failures == 0 {
            tracing::warn!(%client, %error, unacked, "no connection, trying again");
        } else {
            tracing::debug!(%client, %error, unacked, "still no connection");
        }
    }

    /// Full jitter over an exponential bound.
    fn backoff(&self) -> Duration {
        let bound = (BACKOFF_MS.0 * 2_f64.powi(self.failures.min(10) as i32)).min(BACKOFF_MS.1);
        let draw = hash(&[self.clock.nanos(), self.failures, self.options.client_id.len() as u64]);
        Duration::from_millis((bound * unit(draw)) as u64)
    }
}

/// Polls until the connection is over or is to be hung up. Never waits for anything but the network and the
/// driver, which always listens.
async fn poll(mut eventloop: EventLoop, events: mpsc::Sender<Event>, hangup: CancellationToken) {
    loop {
        // The poll is dropped half-way only together with its event loop.
        let polled = tokio::select! {
            biased;
            () = hangup.cancelled() => return,
            polled = eventloop.poll() => polled,
        };
        let event = match polled {
            Ok(rumqttc::Event::Incoming(Packet::ConnAck(_))) => Event::Connected,
            Ok(rumqttc::Event::Incoming(Packet::PubAck(ack))) => Event::Acked(ack.pkid),
            Ok(rumqttc::Event::Outgoing(Outgoing::Publish(id))) => Event::Written(id),
            Ok(rumqttc::Event::Outgoing(Outgoing::Disconnect)) => return,
            Ok(_) => continue,
            Err(error) => Event::Lost(Box::new(error)),
        };
        let over = matches!(event, Event::Lost(_));
        if events.send(event).await.is_err() || over {
            return;
        }
    }
}
