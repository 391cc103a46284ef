//! When a sensor is due. Pure: the clocks come in.
//!
//! Always: the next slot lies after now and, but for the first one, at least half a period after the one before; between
//! steps of the wall clock slots are exactly a period apart (on the monotonic clock, so nothing drifts); after a step, and
//! after the first poll, which is made at once, they stand at multiples of the period on the wall clock again.

use std::time::Duration;

use pantau_proto::TimeMs;
use tokio::time::Instant;

/// The slots of one sensor.
#[derive(Debug)]
pub(super) struct Grid {
    period: Duration,
    slot: Instant,
    /// The wall clock at a moment when the slots were aligned with it.
    aligned: Option<(Instant, TimeMs)>,
}

impl Grid {
    /// The first slot is now.
    pub(super) fn new(period: Duration, now: Instant) -> Self {
        Self { period: period.max(super::LEAST_PERIOD), slot: now, aligned: None }
    }

    /// The slot that is, or will be, due.
    pub(super) fn due(&self) -> Instant {
        self.slot
    }

    /// The slot after the one that is due.
    pub(super) fn after(&self) -> Instant {
        self.slot + self.period
    }

    /// The slot is done with, and so are `rest` more. Returns how many slots went by without a poll.
    pub(super) fn advance(&mut self, rest: u32, now: Instant, wall: TimeMs) -> u64 {
        let late = now.saturating_duration_since(self.slot);
        let gone = u32::try_from(late.as_nanos() / self.period.as_nanos()).unwrap_or(u32::MAX);
        let missed = gone.saturating_add(rest);
        let over = self.slot + self.period.saturating_mul(missed);
        if self.stands(now, wall) {
            self.slot = over + self.period;
        } else {
            self.aligned = Some((now, wall));
            // A slot near the one before would be a second poll of the same period.
            let least = now.max(over + self.period / 2);
            self.slot = least + self.until_aligned(wall.0.saturating_add(millis(least - now)));
        }
        u64::from(missed)
    }

    /// Whether the slots are still aligned: the wall clock went as the monotonic one did, but for what it is slewed.
    fn stands(&self, now: Instant, wall: TimeMs) -> bool {
        let Some((then, was)) = self.aligned else { return false };
        let expected = was.0.saturating_add(millis(now.saturating_duration_since(then)));
        let most = (self.period / 20).clamp(Duration::from_millis(20), Duration::from_secs(1));
        wall.0.abs_diff(expected) <= u64::try_from(most.as_millis()).unwrap_or(u64::MAX)
    }

    fn until_aligned(&self, wall: i64) -> Duration {
        let period = millis(self.period).max(1);
        let over = wall.rem_euclid(period);
        Duration::from_millis(u64::try_from((period - over) % period).unwrap_or(0))
    }
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
