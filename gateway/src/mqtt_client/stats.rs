//! What a broker's subscriber tells people: read by the status page, decided by nothing.

use std::sync::Mutex;
use std::sync::PoisonError;

use pantau_proto::TimeMs;

use super::Settings;
use crate::mqtt_server::Count;

/// How it stands with a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not answered yet.
    Connecting,
    /// Subscribed.
    Connected,
    /// Connected, but the broker refuses these filters.
    Refused(Vec<String>),
    /// Not connected, and why.
    Away(String),
    /// The gateway stops.
    Stopped,
}

/// Figures of one broker.
#[derive(Debug)]
pub struct BrokerStats {
    /// What the gateway calls it.
    pub name: String,
    /// `host:port`.
    pub address: String,
    state: Mutex<(State, TimeMs)>,
    /// Messages that came in.
    pub received: Count,
    /// Messages that came again and were not stored again.
    pub redelivered: Count,
    /// Retained messages that were not taken.
    pub retained: Count,
    /// Messages whose acknowledgement was withheld because the spool was full.
    pub withheld: Count,
    /// Connections that were made.
    pub connects: Count,
}

impl BrokerStats {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            name: settings.name.clone(),
            address: format!("{}:{}", settings.host, settings.port),
            state: Mutex::new((State::Connecting, TimeMs(0))),
            received: Count::default(),
            redelivered: Count::default(),
            retained: Count::default(),
            withheld: Count::default(),
            connects: Count::default(),
        }
    }

    /// How it stands, and since when.
    pub fn state(&self) -> (State, TimeMs) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, state: State, at: TimeMs) {
        let mut now = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // What is tried over and over is away since the first time.
        let still = matches!((&now.0, &state), (State::Away(_), State::Away(_) | State::Connecting));
        if !(still && state == State::Connecting) {
            *now = (state, if still { now.1 } else { at });
        }
    }
}
