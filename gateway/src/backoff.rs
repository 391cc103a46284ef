//! How long to wait before the next attempt: full jitter, so that gateways that lost ingest (or a broker) together do
//! not come back together. Pure: the random number comes in.

use std::time::Duration;

const BASE: Duration = Duration::from_millis(200);
/// A stream that stood this long starts the count anew.
pub(crate) const STABLE: Duration = Duration::from_secs(60);

/// Counts attempts.
#[derive(Debug)]
pub(crate) struct Backoff {
    most: Duration,
    attempts: u32,
}

impl Backoff {
    pub(crate) fn new(most: Duration) -> Self {
        Self { most, attempts: 0 }
    }

    /// A stream ended after `up`; the wait, for `random` from 0 to 1.
    pub(crate) fn after(&mut self, up: Duration, random: f64) -> Duration {
        if up >= STABLE {
            self.attempts = 0;
        }
        let bound = BASE.saturating_mul(1 << self.attempts.min(20)).min(self.most);
        self.attempts = self.attempts.saturating_add(1);
        bound.mul_f64(random.clamp(0.0, 1.0))
    }
}
