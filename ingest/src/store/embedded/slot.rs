//! What is kept in memory of every series, also of idle ones: its newest reading and a few numbers, 56 bytes.

use super::block::Summary;
use super::point::{Met, Point, meet};
use super::rollup::Extent;
use super::table::{Column, NO_COLUMN};
use crate::store::types::{LatestPoint, SeriesId};

/// What every reading of a series touches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    latest: Point,
    received: i64,
    first: i64,
    points: u64,
    interval: u32,
    /// Number of its column in the active table.
    pub(crate) column: u32,
}

impl Slot {
    pub(crate) const EMPTY: Self = Self {
        latest: Point { time: i64::MIN, value: 0.0, flags: 0 },
        received: 0,
        first: i64::MAX,
        points: 0,
        interval: 0,
        column: NO_COLUMN,
    };

    #[inline]
    pub(crate) fn note(&mut self, point: Point, received: i64) {
        self.first = self.first.min(point.time);
        if point.time > self.latest.time {
            if self.points > 0 {
                self.learn_interval(point.time - self.latest.time);
            }
            self.latest = point;
            self.received = received;
        } else if point.time == self.latest.time && meet(self.latest.value, point.value) == Met::Replaced {
            self.latest = point;
            self.received = received;
        }
        self.points += 1;
    }

    /// A moving estimate of the usual distance between readings: an eighth of the way each time, gaps cut down.
    fn learn_interval(&mut self, distance: i64) {
        let distance = u32::try_from(distance).unwrap_or(u32::MAX);
        self.interval = if self.interval == 0 {
            distance
        } else {
            let distance = distance.min(self.interval.saturating_mul(4));
            let change = (i64::from(distance) - i64::from(self.interval)) / 8;
            u32::try_from(i64::from(self.interval) + change).unwrap_or(u32::MAX)
        };
    }

    /// Takes in a block of a file; files come from old to new.
    pub(crate) fn note_block(&mut self, block: &Summary) {
        self.first = self.first.min(block.first);
        self.points += u64::from(block.count);
        if block.last >= self.latest.time {
            self.latest = Point { time: block.last, value: block.last_value, flags: block.last_flags };
            self.received = block.last;
            if block.count > 1 {
                let mean = (block.last - block.first) / (i64::from(block.count) - 1);
                self.interval = u32::try_from(mean).unwrap_or(u32::MAX);
            }
        }
    }

    /// Takes in what a roll-up knows of readings that were dropped.
    pub(crate) fn note_extent(&mut self, extent: &Extent) {
        self.first = self.first.min(extent.first);
        self.points += extent.count;
        if extent.last >= self.latest.time {
            self.latest = Point { time: extent.last, value: extent.last_value, flags: extent.last_flags };
            self.received = extent.last;
        }
    }

    /// Takes in what a database says it has of the series, at any time. It says nothing of how many readings.
    pub(crate) fn note_known(&mut self, last: Point, first: i64) {
        self.first = self.first.min(first);
        if self.points == 0 || last.time > self.latest.time {
            self.latest = last;
            self.received = last.time;
            self.points = self.points.max(1);
        }
    }

    /// Sets anew all that is known but the usual distance. When its newest reading came is known only of the one it knew.
    pub(crate) fn reset(&mut self, left: &Left) {
        self.first = left.first;
        self.points = left.points;
        let latest = left.latest.unwrap_or(Self::EMPTY.latest);
        if latest.time != self.latest.time {
            self.received = latest.time;
        }
        self.latest = latest;
    }

    pub(crate) fn latest(&self, series: SeriesId) -> Option<LatestPoint> {
        (self.points > 0).then_some(LatestPoint {
            series,
            time: self.latest.time,
            value: self.latest.value,
            flags: self.latest.flags,
            received_ms: self.received,
            interval_ms: (self.interval > 0).then_some(self.interval),
        })
    }

    /// First time, last time and number of readings.
    pub(crate) fn extent(&self) -> (Option<i64>, Option<i64>, u64) {
        let some = |time| (self.points > 0).then_some(time);
        (some(self.first), some(self.latest.time), self.points)
    }
}

/// What is left of a series after some of its files were dropped: gathered from old to new.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    first: i64,
    points: u64,
    latest: Option<Point>,
}

impl Default for Left {
    fn default() -> Self {
        Self { first: i64::MAX, points: 0, latest: None }
    }
}

impl Left {
    /// A block of a file.
    pub(crate) fn add(&mut self, block: &Summary) {
        self.first = self.first.min(block.first);
        self.points += u64::from(block.count);
        self.note(Point { time: block.last, value: block.last_value, flags: block.last_flags });
    }

    /// What a roll-up knows of readings that were dropped.
    pub(crate) fn add_extent(&mut self, extent: &Extent) {
        self.first = self.first.min(extent.first);
        self.points += extent.count;
        self.note(Point { time: extent.last, value: extent.last_value, flags: extent.last_flags });
    }

    /// What a memory table has.
    pub(crate) fn add_column(&mut self, column: &Column) {
        if let Some((first, points, last)) = column.extent() {
            self.first = self.first.min(first);
            self.points += points;
            self.note(last);
        }
    }

    fn note(&mut self, last: Point) {
        if self.latest.is_none_or(|latest| last.time >= latest.time) {
            self.latest = Some(last);
        }
    }
}
