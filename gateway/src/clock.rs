//! The only file that reads the clocks; everything else is told the time.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use pantau_proto::TimeMs;

/// The wall clock. Before 1970 it is 0.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this file owns the clocks")]
pub fn now() -> TimeMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimeMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The monotonic clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this file owns the clocks")]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// The monotonic clock as the async runtime has it, which tests can stop.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this file owns the clocks")]
pub fn monotonic_tokio() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
