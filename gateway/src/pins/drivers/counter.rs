//! Pulses: a tipping bucket of rain, a flow meter, an anemometer.
//!
//! Always: pulses are counted by the numbers that the kernel gives the edges it records, so that none is missed between
//! two polls, however many come: it may forget the time of an edge, never its number. A total that was told is on disk
//! (count.rs), so that it goes on after a restart; pulses while the gateway is down, and those since the last poll before
//! a crash, are not in it.

use std::time::{Duration, Instant};

use super::Driver;
use super::count::Count;
use crate::pins::backend::Edges;
use crate::pins::trouble::Trouble;
use crate::polled::Answer;

/// Edges that are taken from the kernel in one poll; what is left is counted all the same.
const DRAIN: usize = 4_096;

/// What is told of the pulses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tell {
    /// All since the count began: quantities of the kind `counter`.
    Total,
    /// Those since the last poll: quantities of the kind `amount`.
    Amount,
    /// Those a second: all others.
    Rate,
}

pub(crate) struct Counter {
    input: Box<dyn Edges>,
    count: Count,
    tell: Tell,
    /// What a pulse stands for.
    per_pulse: f64,
    clock: fn() -> Instant,
    /// The number of the last edge.
    seen: u32,
    /// Of the last poll.
    at: Instant,
}

impl Counter {
    pub(crate) fn new(
        input: Box<dyn Edges>,
        count: Count,
        tell: Tell,
        per_pulse: f64,
        clock: fn() -> Instant,
    ) -> Self {
        Self { input, count, tell, per_pulse, clock, seen: 0, at: clock() }
    }
}

impl Driver for Counter {
    fn measure(&mut self) -> Result<Answer, Trouble> {
        let mut last = self.seen;
        for _ in 0..DRAIN {
            let Some(edge) = self.input.next(Duration::ZERO)? else { break };
            last = edge.sequence;
        }
        let pulses = last.wrapping_sub(self.seen);
        self.seen = last;
        let now = (self.clock)();
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        // What cannot be saved is still counted in memory: the next save has it.
        let fault = self.count.add(u64::from(pulses)).err();
        let mut answer = Answer { fault, ..Answer::default() };
        match self.tell {
            Tell::Total => answer.push(0, self.count.total() as f64 * self.per_pulse),
            Tell::Amount => answer.push(0, f64::from(pulses) * self.per_pulse),
            Tell::Rate if elapsed > 0.0 => answer.push(0, f64::from(pulses) / elapsed * self.per_pulse),
            Tell::Rate => answer.absent = 1,
        }
        Ok(answer)
    }
}
