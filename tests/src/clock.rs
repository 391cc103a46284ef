//! The one file of the harness that reads clocks and starts threads.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the epoch, UTC.
#[must_use]
pub fn now_ms() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "this file owns the clock")]
    let now = SystemTime::now();
    i64::try_from(now.duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_millis())
        .expect("milliseconds fit")
}

/// Monotonic now.
#[must_use]
pub fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "this file owns the clock")]
    Instant::now()
}

/// A point in time after which a wait counts as a hang.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self(now() + duration)
    }

    #[must_use]
    pub fn passed(&self) -> bool {
        now() >= self.0
    }

    #[must_use]
    pub fn left(&self) -> Duration {
        self.0.saturating_duration_since(now())
    }
}

/// Polls until `probe` gives something; panics, naming `what`, when that takes longer than `limit`.
#[track_caller]
pub fn wait_for<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Deadline::after(limit);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(!deadline.passed(), "waited {limit:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Polls until `probe` is true; panics, naming `what`, when that takes longer than `limit`.
#[track_caller]
pub fn wait_until(what: &str, limit: Duration, mut probe: impl FnMut() -> bool) {
    wait_for(what, limit, || probe().then_some(()));
}

/// Starts a named thread. The harness ends its threads by the flags and sockets they look at.
pub fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> std::thread::JoinHandle<T> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).expect("a thread can be started")
}
