//! The only file that reads clocks. Everything else takes the time as an argument.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use pantau_proto::TimeMs;

/// Reads the wall clock and a monotonic one that begins at 0 with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this file owns the clocks")]
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Milliseconds since 1970.
    #[expect(clippy::disallowed_methods, reason = "this file owns the clocks")]
    pub(crate) fn wall(self) -> TimeMs {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        TimeMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Nanoseconds since [`Clock::start`].
    pub(crate) fn nanos(self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
