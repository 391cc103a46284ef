//! Our own MQTT 3.1.1 and 5.0 listener for field devices. It is no broker: what a device publishes goes to the
//! spool and nowhere else; only the gateway's own messages go out.
//!
//! ```text
//! listener ─ accepts (TLS: secure), owns the connections' tasks and ─► hub ─ sessions (registry), retained messages
//!    │ one task each                                        ▲ asks, bounded
//! connection ─ handshake (auth), live ─ session (state machine) ┘
//!                                  ├ wire = strict + rmqtt-codec      bytes ↔ packets
//!                                  ├ pipeline                         order and time of acknowledgements
//!                                  └ deliveries, outbound             what outlives a connection
//! ```
//! Always holds:
//! - PUBACK and PUBREC leave after the intake's ticket has resolved, in order; PUBCOMP of a persistent session
//!   after that of the release.
//! - Repeats: those of a message that is not acknowledged yet are swallowed; QoS 2 ids and QoS 1 messages
//!   of a persistent session are known across connections and restarts. In doubt a message is stored.
//! - A full spool withholds acknowledgements; of what a client sends meanwhile only a little is read.
//! - Every queue is bounded, every wait for a client has an end.
//! - The retained flag and the payload format indicator of a device are taken note of by nobody; its will is a message
//!   of its own, taken when the connection ends without a DISCONNECT that takes it back.

mod auth;
mod connection;
mod deliveries;
mod door;
mod handshake;
mod hub;
mod listener;
mod live;
mod outbound;
mod packets;
mod pipeline;
mod secure;
mod session;
mod sessions;
mod stats;
mod strict;
#[cfg(test)]
pub(crate) mod tests;
mod topics;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use pantau_proto::TimeMs;
use tokio_rustls::rustls::ServerConfig;

pub(crate) use deliveries::{Deliveries, Repeat};

pub use auth::{User, UserError};
pub use door::Doorkeeper;
pub use listener::{Closed, Listeners, Server};
pub use outbound::{MAX_MESSAGE, Outbound, OutboundError, RETAINED};
pub use stats::{Count, Stats};
#[cfg(test)]
pub(crate) use tests::packets;
pub(crate) use topics::{is_filter as is_topic_filter, matches as topic_matches};

/// Bounds and users of the listener.
#[derive(Debug, Clone)]
pub struct Config {
    /// Connections at most, those that have not said CONNECT yet included; more are closed at once.
    pub max_connections: usize,
    /// Bytes of one packet at most; announced to MQTT 5.0 clients. At least 1,024.
    pub max_packet_bytes: usize,
    /// Persistent sessions that wait for their client at most; the one that would expire first makes room.
    pub max_sessions: usize,
    /// Upper bound of a session's expiry, in seconds; also that of a 3.1.1 session that is not clean, which
    /// names none. `u32::MAX` = never.
    pub max_session_expiry_s: u32,
    /// A new connection says CONNECT within this time.
    pub connect_timeout: Duration,
    /// A client that takes no byte for so long is disconnected.
    pub write_timeout: Duration,
    /// How long connections may take to end when the listener stops.
    pub stop_grace: Duration,
    /// Who may connect.
    pub users: Vec<User>,
    /// Whether a client without a user name may connect.
    pub anonymous: bool,
    /// Our certificate, and which of clients are believed; without it no connection is encrypted.
    pub tls: Option<Arc<ServerConfig>>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max_connections: 1024,
            max_packet_bytes: 256 * 1024,
            max_sessions: 10_000,
            max_session_expiry_s: 7 * 24 * 3600,
            connect_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
            stop_grace: Duration::from_secs(5),
            users: Vec::new(),
            anonymous: false,
            tls: None,
        }
    }
}

/// Where the listener has the time from.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// The time that arrivals are stamped with.
    pub wall: fn() -> TimeMs,
    /// The time of keep-alive and timeouts.
    pub monotonic: fn() -> tokio::time::Instant,
}
