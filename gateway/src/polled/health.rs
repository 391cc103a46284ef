//! Whether a sensor answers, and how rarely one that does not is asked. Pure.
//!
//! ```text
//! ok ── a failed poll ─► failing ── faulty_after in a row ─► faulty ── an answer ─► ok
//! ```

use std::time::Duration;

/// A faulty sensor is asked at least so often, or each period where that is longer.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// Counts failed polls.
#[derive(Debug)]
pub(super) struct Health {
    faulty_after: u32,
    failed: u32,
}

/// What a poll changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// As before.
    None,
    /// It failed, which so far may be chance.
    Failing,
    /// It has failed too often.
    Faulty,
    /// It answers again.
    Recovered,
}

impl Health {
    pub(super) fn new(faulty_after: u32) -> Self {
        Self { faulty_after: faulty_after.max(1), failed: 0 }
    }

    pub(super) fn is_faulty(&self) -> bool {
        self.failed >= self.faulty_after
    }

    /// The sensor answered.
    pub(super) fn answered(&mut self) -> Change {
        let was = (self.is_faulty(), self.failed);
        self.failed = 0;
        if was.0 { Change::Recovered } else { Change::None }
    }

    /// A poll, with all that was tried in its period, failed.
    pub(super) fn failed(&mut self) -> Change {
        self.failed = self.failed.saturating_add(1);
        match self.failed.cmp(&self.faulty_after) {
            std::cmp::Ordering::Less => Change::Failing,
            std::cmp::Ordering::Equal => Change::Faulty,
            std::cmp::Ordering::Greater => Change::None,
        }
    }

    /// How many periods go by without a poll before the next one: twice as many each time.
    pub(super) fn rest(&self, period: Duration) -> u32 {
        if !self.is_faulty() {
            return 0;
        }
        let doubled = 1_u32 << (self.failed - self.faulty_after).min(20);
        let most = LONGEST_REST.as_nanos() / period.as_nanos().max(1);
        doubled.min(u32::try_from(most).unwrap_or(u32::MAX).max(1)) - 1
    }
}
