//! What the gateway asks by itself: sensors on buses, each with a period.
//!
//! ```text
//!             ┌───────────────── run.rs, one task a bus ─────────────────┐
//! a Bus ◄─────┤ ask: the sensor that is due ─► answers (bounded) ─► take ├─► intake ─► spool
//!  ▲          └───────────────────────────────────────────────────────────┘
//!  └ Blocking: sensors that block, on the bus's own thread (blocking.rs)
//! ```
//! Always holds:
//! - A bus asks one sensor at a time, the one that is due the longest; buses do not wait for one another.
//! - Polls stand on a grid of the period, aligned with the wall clock (schedule.rs). A period without a poll is counted,
//!   never caught up.
//! - A poll ends at its timeout, is tried again only where that should end before the next one is due, and a sensor that does
//!   not answer several times is faulty, with the reason and since when, until it answers (health.rs). One that is faulty
//!   is asked more rarely, so that its timeouts cost the others little.
//! - Readings have the time at which their poll was made, and go through the intake like those of messages. Nobody sends
//!   them again: those that find the spool full and the queue before it too are given up and counted, as messages at QoS 0.
//! - A thread that hangs in a system call holds up its own bus and nothing else, a stop neither.

mod blocking;
mod health;
mod run;
mod schedule;
mod stats;
#[cfg(test)]
mod tests;
mod threads;

use std::future::Future;
use std::time::Duration;

use pantau_proto::Flags;

pub use blocking::{Blocking, Sensor, Worker, blocking};
pub use run::Poller;
pub use stats::{SensorStats, State};
pub use threads::join;

/// A sensor, as far as the frame knows it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What people call it; no other sensor of the gateway has the same name.
    pub name: String,
    /// The series that it gives readings of; [`Value::series`] is an index of these.
    pub series: Vec<Series>,
    /// Time between two polls, at least [`LEAST_PERIOD`].
    pub period: Duration,
    /// How long a poll may take. (A bus may give up before; it knows better why.)
    pub timeout: Duration,
    /// How often a poll without an answer is made again within its period.
    pub retries: u32,
    /// After so many polls without an answer it is faulty; at least 1.
    pub faulty_after: u32,
}

/// The shortest period that the frame keeps.
pub const LEAST_PERIOD: Duration = Duration::from_millis(100);

/// A series of a sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// `device/quantity` or `device/quantity/channel`.
    pub name: String,
    /// The unit of the values; empty: the catalogue's.
    pub unit: String,
}

/// One measured value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Value {
    /// Index into [`Plan::series`].
    pub series: usize,
    /// In the series' unit.
    pub value: f64,
    /// What is known about it.
    pub flags: Flags,
}

/// What a poll brought.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// The values.
    pub values: Vec<Value>,
    /// Series of which the sensor says that it has no value now.
    pub absent: u64,
    /// A part of the answer is wrong: the values are taken, and the poll counts as failed. It is not made again.
    pub fault: Option<String>,
}

impl Answer {
    /// Adds a value without flags.
    pub fn push(&mut self, series: usize, value: f64) {
        self.values.push(Value { series, value, flags: Flags::NONE });
    }
}

/// Why a poll brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The sensor, or the way to it: what is wrong and how to mend it, in one line.
    #[error("{0}")]
    Sensor(String),
    /// The bus has ended, which it should not: the gateway cannot go on.
    #[error("{0}")]
    Ended(String),
}

impl Fault {
    /// A fault of the sensor or of the way to it.
    pub fn new(what: impl Into<String>) -> Self {
        Self::Sensor(what.into())
    }
}

/// A bus with its sensors, which are known by their place in the list of plans.
pub trait Bus: Send + 'static {
    /// Asks a sensor. The future is dropped at the plan's timeout or when the gateway stops.
    fn poll(&mut self, sensor: usize) -> impl Future<Output = Result<Answer, Fault>> + Send;

    /// The poll of this sensor was dropped after so long: says why it had no answer, and sees to it that what is still on
    /// its way is not taken for the answer of the next one.
    fn give_up(&mut self, sensor: usize, after: Duration) -> Fault;
}
