//! How complete an answer is: what came of what the period itself promises. Pure.
//!
//! Always true: the promise comes from the readings of the period that was asked for, never from how the series behaves
//! today, because a series that was replayed hourly may report every second now.

use crate::store::Points;
use pantau_proto::Flags;
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
    /// `None` when there are too many to look through.
    pub(super) late: Option<u64>,
    /// The same.
    pub(super) flagged: Option<u64>,
    pub(super) excluded: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) damaged: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands in a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Readings flagged late, and readings with any flag but that and the harmless ones (calibrated, arrival time).
pub(super) fn count_flags(points: &Points) -> (u64, u64) {
    let harmless = Flags::LATE | Flags::CALIBRATED | Flags::ARRIVAL_TIME;
    points.flags.iter().fold((0, 0), |(late, flagged), flags| {
        let is_late = Flags(*flags).contains(Flags::LATE);
        (late + u64::from(is_late), flagged + u64::from(flags & !harmless.0 != 0))
    })
}

/// The median distance of neighbouring readings, milliseconds; `None` with fewer than three readings.
pub(super) fn usual_distance(times: &[i64]) -> Option<i64> {
    let apart = times.len().div_ceil(DISTANCES).max(1);
    median(times.windows(2).step_by(apart).map(|pair| pair[1] - pair[0]).collect())
}

/// The same from the start of each step and the number of readings in it.
pub(super) fn usual_distance_of_steps(starts: &[i64], counts: &[u64]) -> Option<i64> {
    let filled: Vec<(i64, i64)> = starts
        .iter()
        .zip(counts)
        .filter_map(|(start, count)| Some((*start, i64::try_from(*count).ok().filter(|count| *count > 0)?)))
        .collect();
    let apart = filled.len().div_ceil(DISTANCES).max(1);
    median(filled.windows(2).step_by(apart).map(|pair| (pair[1].0 - pair[0].0) / pair[0].1).collect())
}

/// The lower one of two in the middle: a gap is no distance that a series promises.
fn median(mut distances: Vec<i64>) -> Option<i64> {
    if distances.len() < 2 {
        return None;
    }
    let middle = (distances.len() - 1) / 2;
    Some((*distances.select_nth_unstable(middle).1).max(1))
}

/// Readings that a usual distance promises for the part of a period in which the series was there: from its first
/// reading ever, and not beyond now.
pub(super) fn expected(distance: i64, first_ever: i64, period: &Range<i64>, now: i64) -> u64 {
    let span = period.end.min(now).saturating_sub(period.start.max(first_ever)).max(0);
    span.saturating_add(distance / 2).checked_div(distance).map_or(0, i64::cast_unsigned)
}
