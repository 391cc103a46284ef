//! What a polled sensor tells people: read by the status page, decided by nothing.

use std::sync::{Mutex, PoisonError};

use pantau_proto::TimeMs;

use crate::mqtt_server::Count;

/// How it stands with a sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not asked yet.
    Waiting,
    /// It answers.
    Ok,
    /// The last polls failed, and why; not often enough yet to be sure.
    Failing(String),
    /// It does not answer, or not rightly, and why.
    Faulty(String),
    /// The gateway stops.
    Stopped,
}

/// Figures of one sensor.
#[derive(Debug)]
pub struct SensorStats {
    /// Its name.
    pub name: String,
    /// The bus that it is on.
    pub bus: String,
    state: Mutex<(State, TimeMs)>,
    /// Polls that were made, those that were made again within their period not counted.
    pub polls: Count,
    /// Polls that brought no answer, or one that is wrong in a part.
    pub failed: Count,
    /// Times that a poll was made again within its period.
    pub retries: Count,
    /// Periods that went by without a poll: the bus was busy, or the sensor is faulty and asked more rarely.
    pub missed: Count,
    /// Readings that were taken.
    pub readings: Count,
    /// Values that the sensor said it has not.
    pub absent: Count,
    /// Readings that were given up because the spool was full.
    pub shed: Count,
    /// When the last poll with an answer was made, ms since the epoch; 0: never.
    pub answered: Count,
}

impl SensorStats {
    pub(super) fn new(name: &str, bus: &str) -> Self {
        Self {
            name: name.to_owned(),
            bus: bus.to_owned(),
            state: Mutex::new((State::Waiting, TimeMs(0))),
            polls: Count::default(),
            failed: Count::default(),
            retries: Count::default(),
            missed: Count::default(),
            readings: Count::default(),
            absent: Count::default(),
            shed: Count::default(),
            answered: Count::default(),
        }
    }

    /// How it stands, and since when: what fails has failed since the first of its failed polls.
    pub fn state(&self) -> (State, TimeMs) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, state: State, at: TimeMs) {
        let bad = |state: &State| matches!(state, State::Failing(_) | State::Faulty(_));
        let mut now = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let still = bad(&now.0) && bad(&state) || now.0 == state;
        *now = (state, if still { now.1 } else { at });
    }
}
