//! The only file that reads the clocks; everything else is told the time.

use std::path::Path;
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

/// Milliseconds since the machine was switched on, sleep included. No step of the wall clock changes it.
#[must_use]
pub fn since_boot() -> TimeMs {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    TimeMs(time.tv_sec.saturating_mul(1_000).saturating_add(time.tv_nsec / 1_000_000))
}

/// Names this run of the machine: the first half of the kernel's random id. 0 where there is none.
#[must_use]
pub fn boot_id() -> u64 {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    u64::from_str_radix(&digits, 16).unwrap_or(0)
}

/// What the kernel answers when nothing keeps its clock right (`TIME_ERROR`, adjtimex(2)).
const NOT_SYNCHRONISED: i32 = 5;

/// Whether the kernel says that something keeps its clock right: NTP, PTP or the like. A kernel that does not answer,
/// for example in a container that may not ask, has not said so.
#[must_use]
pub fn synchronised() -> bool {
    let mut question = rtime_clock::adjtime::Timex::new();
    rtime_clock::adjtime::adjtimex(&mut question).is_ok_and(|state| state != NOT_SYNCHRONISED)
}

/// Whether this is a board that may start without knowing the time. PCs and virtual machines have a clock that runs on
/// while they are off, or their host's; what is described by a device tree (a Raspberry Pi) often has none, and begins
/// where it was switched off, which looks right and is not.
#[must_use]
pub fn starts_without_time() -> bool {
    Path::new("/proc/device-tree").exists()
}
