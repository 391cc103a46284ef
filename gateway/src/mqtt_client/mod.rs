//! Readings from a broker that is there already (mosquitto, EMQX, HiveMQ …): a subscriber with a persistent session that
//! acknowledges a message only after the spool's fsync.
//!
//! ```text
//!        ┌────────────────────── connection.rs ───────────────────────┐
//! broker ┤ link.rs (rumqttc) ─ Inbox ─► store ─ tickets ─► acknowledge ├► spool
//!        └─────────▲──────────────────────────────────────────┘───────┘
//!                  └── acks, in the order of the messages
//! ```
//! Always holds:
//! - A PUBACK leaves after the fsync of its message and of every message before it (MQTT-4.6.0-2). A full spool withholds
//!   them, and the broker keeps what it has.
//! - Every connection has a client of its own: what the last one left unanswered comes again from the broker, never from a
//!   queue here. Messages that come again are known by packet id and content, also after a restart, as those of devices
//!   are (mqtt_server/deliveries.rs).
//! - One component owns retry: [`Client::run`], with full jitter.
//! - Payloads that cannot be read go to the quarantine and are acknowledged: poison never blocks.

mod connection;
mod link;
mod stats;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use pantau_proto::TimeMs;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_rustls::rustls::ClientConfig;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::intake::types::{Intake, RecoveredSession, SessionEvent, SubmitError};
use crate::mqtt_server::{Clock, Deliveries};

pub use stats::{BrokerStats, State};

/// Where the sessions of brokers are kept in the journal, apart from those of devices: no client identifier holds a NUL.
const PREFIX: char = '\0';

/// A broker and what is wanted of it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the gateway calls it.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// With TLS, and by which certificates.
    pub tls: Option<Arc<ClientConfig>>,
    /// MQTT 5 instead of 3.1.1.
    pub v5: bool,
    /// By which the broker knows the session: the same at every start, and no other client's.
    pub client_id: String,
    /// User name and password.
    pub login: Option<(String, String)>,
    /// Topic filters, `$share/…` included where wanted.
    pub filters: Vec<String>,
    /// Take what the broker had retained when the session began.
    pub retained: bool,
    /// A packet at most.
    pub max_packet_bytes: usize,
    /// The longest wait between two attempts.
    pub retry_max: Duration,
    /// How long a stop may take.
    pub stop_grace: Duration,
}

/// The key of a broker's session in the journal.
fn session_key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// Takes the sessions of brokers out of all that were recovered; those of brokers that are no longer wanted end.
pub(crate) fn take_sessions(
    sessions: &mut Vec<RecoveredSession>,
    wanted: &[Settings],
    intake: &impl Intake,
) -> Vec<RecoveredSession> {
    let of_broker = |session: &mut RecoveredSession| session.client.starts_with(PREFIX);
    let (ours, ended): (Vec<_>, Vec<_>) = sessions
        .extract_if(.., of_broker)
        .partition(|session| wanted.iter().any(|settings| session_key(&settings.name) == session.client));
    for session in ended {
        // Where it cannot be journaled now, the next start tries again.
        let _ = intake.session(SessionEvent::Ended { client: &session.client });
    }
    ours
}

/// Messages of ours that wait for a connection's turn at most.
const OUTGOING: usize = 64;

/// A subscriber of one broker.
#[derive(Debug)]
pub(crate) struct Client<I> {
    taking: Taking<I>,
    outgoing: mpsc::Receiver<Outgoing>,
    publisher: Publisher,
}

/// A message of ours: topic and payload.
type Outgoing = (String, Vec<u8>);

/// Sends messages of ours to a broker, at QoS 0: whoever is not connected does not hear them.
#[derive(Debug, Clone)]
pub(crate) struct Publisher(mpsc::Sender<Outgoing>);

impl Publisher {
    /// What finds no room is dropped.
    pub(crate) fn publish(&self, topic: &str, payload: &[u8]) {
        drop(self.0.try_send((topic.to_owned(), payload.to_vec())));
    }
}

/// What takes messages in, across connections.
#[derive(Debug)]
struct Taking<I> {
    settings: Settings,
    intake: I,
    clock: Clock,
    stats: Arc<BrokerStats>,
    deliveries: Deliveries,
    /// Whether the journal has a session of this broker.
    journaled: bool,
}

impl<I: Intake> Client<I> {
    /// `sessions` are those that were recovered of brokers.
    pub(crate) fn new(settings: Settings, intake: I, sessions: &[RecoveredSession], clock: Clock) -> Self {
        let key = session_key(&settings.name);
        let known = sessions.iter().find(|session| session.client == key);
        let deliveries =
            known.map_or_else(Deliveries::default, |session| Deliveries::recovered(&session.entries));
        let stats = Arc::new(BrokerStats::new(&settings));
        let taking = Taking { settings, intake, clock, stats, deliveries, journaled: known.is_some() };
        let (sender, outgoing) = mpsc::channel(OUTGOING);
        Self { taking, outgoing, publisher: Publisher(sender) }
    }

    pub(crate) fn stats(&self) -> Arc<BrokerStats> {
        Arc::clone(&self.taking.stats)
    }

    pub(crate) fn publisher(&self) -> Publisher {
        self.publisher.clone()
    }

    /// Subscribes, stores and acknowledges until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let (clock, stats) = (self.taking.clock, self.stats());
        let mut backoff = Backoff::new(self.taking.settings.retry_max);
        while !stop.is_cancelled() {
            let since = (clock.monotonic)();
            let lost = connection::run(&mut self.taking, &mut self.outgoing, &stop).await;
            let Some(lost) = lost else { break };
            tracing::warn!(broker = stats.name, address = stats.address, "not connected: {lost}");
            stats.set(State::Away(lost), (clock.wall)());
            let wait = backoff.after((clock.monotonic)() - since, rand::random());
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep(wait) => {}
            }
        }
        stats.set(State::Stopped, (clock.wall)());
    }
}

impl<I: Intake> Taking<I> {
    /// The broker has answered. What is journaled of it comes before everything of this connection; once it is durable, so
    /// is all that was taken on earlier ones.
    fn begin(&mut self, session_present: bool) -> Result<I::Ticket, SubmitError> {
        let client = &session_key(&self.settings.name);
        let goes_on = session_present && self.journaled;
        let ticket = self.intake.session(match goes_on {
            true => SessionEvent::Resumed { client, expiry_s: u32::MAX },
            false => SessionEvent::Started { client, expiry_s: u32::MAX },
        })?;
        if !goes_on {
            self.deliveries = Deliveries::default();
            self.journaled = true;
        }
        self.deliveries.connected();
        Ok(ticket)
    }

    fn arrival(&self) -> TimeMs {
        (self.clock.wall)()
    }
}
