//! How complete an answer is: what came of what the period itself promises. Pure.
//!
//! Always true: the promise comes from the readings of the period that was asked for, never from how the series behaves
//! today, because a series that was replayed hourly may report every second now.

use crate::store::{Points, flags_of, usual_distance};
use serde::Serialize;
use std::ops::Range;

/// Distances that are looked at, spread evenly over the period.
const DISTANCES: usize = 1000;

/// Counts beside the readings of one series.
#[derive(Serialize)]
pub(super) struct Completeness {
    /// `None` when the period has too few readings to tell.
    pub(super) expected: Option<u64>,
    pub(super) received: u64,
    pub(super) late: u64,
    pub(super) flagged: u64,
    pub(super) excluded: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) damaged: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands in a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Readings flagged late, and readings with a flag that doubts them.
pub(super) fn count_flags(points: &Points) -> (u64, u64) {
    points.flags.iter().fold((0, 0), |(late, flagged), flags| {
        let (is_late, is_flagged) = flags_of(*flags);
        (late + u64::from(is_late), flagged + u64::from(is_flagged))
    })
}

/// The usual distance of neighbouring readings, milliseconds; `None` with fewer than three readings.
pub(super) fn distance(times: &[i64]) -> Option<i64> {
    let apart = times.len().div_ceil(DISTANCES).max(1);
    usual_distance(times.windows(2).step_by(apart).map(|pair| pair[1] - pair[0]).collect())
}

/// Readings that a usual distance promises for the part of a period in which the series was there: from its first
/// reading ever, and not beyond now.
pub(super) fn expected(distance: i64, first_ever: i64, period: &Range<i64>, now: i64) -> u64 {
    let span = period.end.min(now).saturating_sub(period.start.max(first_ever)).max(0);
    span.saturating_add(distance / 2).checked_div(distance).map_or(0, i64::cast_unsigned)
}
