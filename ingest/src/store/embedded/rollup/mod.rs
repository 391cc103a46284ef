//! Roll-ups: what the readings of an hour or a day come to, so that a question about a year reads a few numbers a day
//! instead of every reading.
//!
//! ```text
//! compact.rs ─► build.rs: blocks of a part, series by series ─► row.rs: rows ─► pack.rs, file.rs: NAME.rol beside NAME.pts
//! reader.rs  ─► cover.rs: which cells do rows answer, which must be read? ─► query.rs
//! ```
//! What always holds:
//! - A roll-up says what the readings of its own part come to, of one UTC month, and is made after the part is whole.
//!   So it is never changed: late readings and corrections are in other parts.
//! - A cell (an hour or a day of WIB, of one UTC month) is answered from a row only where no other part and no memory table
//!   touches it. Everything else is answered from the readings.
//! - Days are those of WIB (UTC+7, all year). A day at a month's border has a row in either month; together they are the day.
//! - While a part has its readings, rows that would save little are left out ([`Depth::Lean`]). Before its readings are
//!   dropped by retention, it is rolled up in full ([`Depth::Full`]).

mod build;
mod cache;
mod cover;
mod file;
mod fill;
mod pack;
mod row;

pub(crate) use build::{Build, Built, build};
pub(crate) use cache::Cache;
pub(crate) use cover::{Cover, Part, cover};
pub(crate) use file::Rollup;
pub(crate) use pack::{Extent, Wanted};
#[cfg(test)]
pub(crate) use row::Fold;
pub(crate) use row::{Extra, Row};

use super::months::{month_of, month_start};
use crate::store::types::{Level, WIB_MS};

impl Level {
    /// Length of a cell in milliseconds.
    pub(crate) const fn cell_ms(self) -> i64 {
        match self {
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }

    /// The coarsest one whose cells fill steps of `step` milliseconds from `start` on.
    pub(crate) fn of_steps(start: i64, step: i64) -> Option<Self> {
        let fits = |level: &Self| {
            let cell = level.cell_ms();
            step % cell == 0 && start.saturating_add(WIB_MS).rem_euclid(cell) == 0
        };
        [Self::Day, Self::Hour].into_iter().find(fits)
    }

    /// The number of the cell that a time is in.
    pub(crate) fn cell(self, time: i64) -> i64 {
        time.saturating_add(WIB_MS).div_euclid(self.cell_ms())
    }

    /// When a cell begins.
    pub(crate) fn cell_start(self, cell: i64) -> i64 {
        cell.saturating_mul(self.cell_ms()).saturating_sub(WIB_MS)
    }

    /// What of a cell lies in a month.
    pub(crate) fn cell_in(self, cell: i64, month: i64) -> std::ops::Range<i64> {
        let start = self.cell_start(cell).max(month_start(month));
        start..self.cell_start(cell + 1).min(month_start(month + 1))
    }

    /// What of the cell around a time lies in that time's month.
    pub(crate) fn cell_around(self, time: i64) -> std::ops::Range<i64> {
        self.cell_in(self.cell(time), month_of(time))
    }
}

/// Which rows a roll-up has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Those that stand for many readings each; the others are as quickly read.
    Lean,
    /// Hours where a row takes less than its readings, days of every series, and what is known of each.
    Full,
}

impl Depth {
    /// Whether rows of a series are kept that stand for `readings` in `rows` cells.
    pub(crate) fn keeps(self, level: Level, readings: u64, rows: u64) -> bool {
        match (self, level) {
            // Fewer are as quickly read as the row.
            (Self::Lean, _) => readings >= rows * 32,
            // A row takes the space of about ten readings: hours of fewer would take more than what is dropped.
            (Self::Full, Level::Hour) => readings >= rows * 16,
            (Self::Full, Level::Day) => true,
        }
    }
}
