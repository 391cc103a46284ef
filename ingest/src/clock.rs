//! The only place of ingest that reads a clock. Everything else takes the time as an argument, so that
//! tests decide what time it is.

use pantau_proto::TimeMs;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The wall clock, or one that a test sets.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The clock of this machine.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands at `time` until [`Clock::set`] moves it.
    pub fn manual(time: TimeMs) -> Self {
        Self(Some(Arc::new(AtomicI64::new(time.0))))
    }

    /// Moves a manual clock; the system clock does not listen.
    pub fn set(&self, time: TimeMs) {
        if let Some(manual) = &self.0 {
            manual.store(time.0, Ordering::Relaxed);
        }
    }

    /// Milliseconds since the epoch, UTC.
    #[expect(clippy::disallowed_methods, reason = "the one reader of the wall clock")]
    pub fn now(&self) -> TimeMs {
        match &self.0 {
            Some(manual) => TimeMs(manual.load(Ordering::Relaxed)),
            None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
                TimeMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }
        }
    }

    /// Runs `work` and says how long it took by the monotonic clock.
    #[expect(clippy::disallowed_methods, reason = "the one reader of the monotonic clock")]
    pub fn timed<T>(&self, work: impl FnOnce() -> T) -> (T, Duration) {
        let start = Instant::now();
        let result = work();
        (result, start.elapsed())
    }
}
