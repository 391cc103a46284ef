//! Whether the machine's clock is believed. Pure: what the kernel and the clock say in, the verdict out.
//!
//! ```text
//!   untrusted ── the kernel is synchronised, or the configuration says so ──► trusted, until the process ends
//! ```
//! Always: trust is not taken back. A kernel that loses its time server says after some hours that it is no longer
//! synchronised, but its clock is off by no more than quartz drifts; a clock that then jumps is seen where stamps are
//! given ([`crate::spool`]).

use pantau_proto::TimeMs;

use crate::config::ClockTrust;

/// A clock that stands before this is wrong: this version was made later. 2026-11-01T00:00:00Z.
const MADE: TimeMs = TimeMs(1_793_491_200_000);
/// So much may a right clock stand behind one that was right before.
const SLACK_MS: i64 = 60_000;

/// What one look at the machine found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// The wall clock.
    pub(crate) wall: TimeMs,
    /// The kernel says that it is synchronised.
    pub(crate) synchronised: bool,
}

/// The verdict, and what it rests on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trust {
    mode: ClockTrust,
    earliest: TimeMs,
    trusted: bool,
}

impl Trust {
    /// Not trusted yet. `newest` is the latest time that the clock is known to have shown while it was believed;
    /// `starts_without_time` tells boards from machines that have a clock while they are off.
    pub(crate) fn new(mode: ClockTrust, starts_without_time: bool, newest: TimeMs) -> Self {
        let mode = match mode {
            ClockTrust::Auto if starts_without_time => ClockTrust::Kernel,
            mode => mode,
        };
        let earliest = TimeMs(newest.0.saturating_sub(SLACK_MS)).max(MADE);
        Self { mode, earliest, trusted: false }
    }

    /// The clock was trusted before, in the same boot.
    pub(crate) fn already(mut self, trusted: bool) -> Self {
        self.trusted |= trusted;
        self
    }

    /// Whether the clock is trusted now.
    pub(crate) fn look(&mut self, evidence: Evidence) -> bool {
        self.trusted |= match self.mode {
            ClockTrust::Always => true,
            ClockTrust::Kernel => evidence.synchronised,
            ClockTrust::Auto => evidence.synchronised || evidence.wall >= self.earliest,
        };
        self.trusted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: TimeMs = TimeMs(1_900_000_000_000);

    fn trusts(mode: ClockTrust, board: bool, wall: TimeMs, synchronised: bool) -> bool {
        Trust::new(mode, board, NOW).look(Evidence { wall, synchronised })
    }

    #[test]
    fn a_board_without_a_clock_is_trusted_only_by_the_kernels_word() {
        assert!(!trusts(ClockTrust::Auto, true, NOW, false));
        assert!(trusts(ClockTrust::Auto, true, NOW, true));
        assert!(!trusts(ClockTrust::Kernel, false, NOW, false));
        assert!(trusts(ClockTrust::Always, true, TimeMs(0), false));
    }

    #[test]
    fn a_clock_that_is_certainly_wrong_is_not_trusted() {
        assert!(trusts(ClockTrust::Auto, false, NOW, false));
        assert!(trusts(ClockTrust::Auto, false, TimeMs(NOW.0 - SLACK_MS), false));
        assert!(!trusts(ClockTrust::Auto, false, TimeMs(NOW.0 - SLACK_MS - 1), false));
        assert!(trusts(ClockTrust::Auto, false, TimeMs(0), true), "the kernel knows better");
        let mut new = Trust::new(ClockTrust::Auto, false, TimeMs(0));
        assert!(!new.look(Evidence { wall: TimeMs(MADE.0 - 1), synchronised: false }));
        assert!(new.look(Evidence { wall: MADE, synchronised: false }));
    }

    #[test]
    fn trust_is_not_taken_back() {
        let mut trust = Trust::new(ClockTrust::Kernel, true, NOW);
        assert!(trust.look(Evidence { wall: NOW, synchronised: true }));
        assert!(trust.look(Evidence { wall: TimeMs(0), synchronised: false }));
        let mut trust = Trust::new(ClockTrust::Kernel, true, NOW).already(true);
        assert!(trust.look(Evidence { wall: NOW, synchronised: false }));
    }
}
