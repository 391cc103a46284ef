//! A pack: rows of one level of a few series, column by column. It stands for itself, like a block: with its CRC it can be
//! read without the file's directory.
//!
//! ```text
//!  0 u32 CRC-32C of everything after this field up to the pack's end
//!  4 u32 bytes of the whole pack
//!  8 u8  what it holds: 0 hours, 1 days, 2 extents        9 u8 0
//! 10 u16 series, 1..=4096     12 u16 rows, 1..=4096 (extents: as many as series)     14 u16 0
//! columns, each: u8 encoding, u32 bytes, bytes (codec/); integers are i64 columns, values f64 columns
//!  of hours and days
//!    one a series   series, rows, extra (0 none, 1 increase, 2 vector)
//!    one a row      cell, count, span, late, flagged; min, max, sum, first, last, x, y (row.rs)
//!  of extents, one a series
//!    series, readings, first time, last time − first, flags of the last; value of the last
//! ```
//! Rows are in the order of series, then cell; a series is in one pack of a level only.

use super::super::bytes::{Cursor, Malformed};
use super::super::codec;
use super::row::{Extra, Row};
use crate::store::types::{Agg, Level};

/// Rows after which a pack is full; the last series goes in whole.
pub(super) const ROWS: usize = 1_024;
/// Rows and series in a pack at most.
pub(super) const MOST: usize = 4_096;
pub(super) const HEADER: usize = 16;
/// Value columns.
pub(super) const VALUES: usize = 7;

/// What a pack holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holds {
    Rows(Level),
    Extents,
}

impl Holds {
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Rows(Level::Hour) => 0,
            Self::Rows(Level::Day) => 1,
            Self::Extents => 2,
        }
    }

    pub(super) fn from_number(number: u8) -> Result<Self, Malformed> {
        match number {
            0 => Ok(Self::Rows(Level::Hour)),
            1 => Ok(Self::Rows(Level::Day)),
            2 => Ok(Self::Extents),
            _ => Err(Malformed("a pack of an unknown kind")),
        }
    }
}

/// What is known of a series whose readings are no longer there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Extent {
    pub(crate) series: u32,
    pub(crate) count: u64,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) last_flags: u16,
    pub(crate) last_value: f64,
}

/// Value columns that are wanted, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wanted(u8);

impl Wanted {
    pub(crate) const ALL: Self = Self(0x7f);

    /// What aggregates are made of.
    pub(crate) fn of(aggs: &[Agg]) -> Self {
        let bits = |agg: &Agg| match agg {
            Agg::Min => 1,
            Agg::Max => 2,
            Agg::Mean | Agg::Sum => 4,
            Agg::First => 8,
            Agg::Last => 16,
            // From the reading before the cell to the first, and from there on.
            Agg::Increase => 8 | 16 | 32,
            Agg::VectorMean => 32 | 64,
            Agg::Count | Agg::P95 => 0,
        };
        Self(aggs.iter().map(bits).fold(0, |all, bits| all | bits))
    }
}

#[derive(Clone, Copy, Debug)]
struct Run {
    series: u32,
    start: usize,
    end: usize,
    extra: Extra,
}

/// A decoded pack of rows.
#[derive(Debug)]
pub(crate) struct Pack {
    runs: Vec<Run>,
    cells: Vec<i64>,
    counts: Vec<i64>,
    spans: Vec<i64>,
    late: Vec<i64>,
    flagged: Vec<i64>,
    /// Empty where not wanted.
    values: [Vec<f64>; VALUES],
}

impl Pack {
    /// The rows of a series, in the order of their cells, and what they say beyond the usual.
    pub(crate) fn rows(&self, series: u32) -> Option<(Extra, impl Iterator<Item = Row>)> {
        let at = self.runs.binary_search_by_key(&series, |run| run.series).ok()?;
        let run = *self.runs.get(at)?;
        let value = |column: usize, at: usize| self.values[column].get(at).copied().unwrap_or(f64::NAN);
        let row = move |at: usize| Row {
            cell: self.cells[at],
            count: self.counts[at].unsigned_abs(),
            span: self.spans[at],
            late: self.late[at].unsigned_abs(),
            flagged: self.flagged[at].unsigned_abs(),
            min: value(0, at),
            max: value(1, at),
            sum: value(2, at),
            first: value(3, at),
            last: value(4, at),
            x: value(5, at),
            y: value(6, at),
        };
        Some((run.extra, (run.start..run.end).map(row)))
    }

    /// The series that it has rows of.
    pub(super) fn series(&self) -> impl Iterator<Item = u32> {
        self.runs.iter().map(|run| run.series)
    }
}

/// What a pack is, without its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) holds: Holds,
    series: usize,
    rows: usize,
}

/// The size that the pack at the start of `bytes` says it has, not yet checked by its CRC.
pub(super) fn claimed_len(bytes: &[u8]) -> Option<usize> {
    let len = u32::from_le_bytes(*bytes.get(4..8)?.first_chunk()?) as usize;
    (len > HEADER).then_some(len)
}

/// Checks the CRC of a whole pack; what it is, and its columns.
pub(super) fn open(bytes: &[u8]) -> Result<(Head, Columns<'_>), Malformed> {
    let mut cursor = Cursor::new(bytes);
    if cursor.u32()? != crc32c::crc32c(cursor.rest()) {
        return Err(Malformed("a pack's checksum is wrong"));
    }
    if cursor.u32()? as usize != bytes.len() {
        return Err(Malformed("a pack's size is wrong"));
    }
    let holds = Holds::from_number(cursor.u8()?)?;
    cursor.u8()?;
    let (series, rows) = (usize::from(cursor.u16()?), usize::from(cursor.u16()?));
    cursor.u16()?;
    if series == 0 || rows < series || rows > MOST {
        return Err(Malformed("a pack's counts are impossible"));
    }
    Ok((Head { holds, series, rows }, Columns { cursor }))
}

/// The columns of a pack that are not yet read.
pub(super) struct Columns<'a> {
    cursor: Cursor<'a>,
}

impl Columns<'_> {
    fn ints(&mut self, count: usize) -> Result<Vec<i64>, Malformed> {
        let encoding = self.cursor.u8()?;
        codec::get_ints(encoding, self.cursor.blob()?, count)
    }

    fn values(&mut self, count: usize) -> Result<Vec<f64>, Malformed> {
        let encoding = self.cursor.u8()?;
        codec::get_values(encoding, self.cursor.blob()?, count)
    }

    fn skip(&mut self) -> Result<(), Malformed> {
        self.cursor.u8()?;
        self.cursor.blob().map(|_| ())
    }

    fn end(&self) -> Result<(), Malformed> {
        if self.cursor.is_empty() { Ok(()) } else { Err(Malformed("bytes after a pack's columns")) }
    }

    /// The rows of a pack of rows.
    pub(super) fn rows(mut self, head: Head, wanted: Wanted) -> Result<Pack, Malformed> {
        let (series, lens, extras) =
            (self.ints(head.series)?, self.ints(head.series)?, self.ints(head.series)?);
        let mut runs = Vec::with_capacity(head.series);
        let mut start = 0;
        for ((series, len), extra) in series.into_iter().zip(lens).zip(extras) {
            let end = usize::try_from(len).ok().filter(|len| (1..=MOST).contains(len)).map(|len| start + len);
            let end = end.filter(|end| *end <= head.rows).ok_or(Malformed("a series has impossible rows"))?;
            let extra = match extra {
                0 => Extra::None,
                1 => Extra::Increase,
                2 => Extra::Vector,
                _ => return Err(Malformed("rows of an unknown kind")),
            };
            runs.push(Run { series: narrow(series)?, start, end, extra });
            start = end;
        }
        if start != head.rows || runs.windows(2).any(|pair| pair[0].series >= pair[1].series) {
            return Err(Malformed("a pack's series are not in order"));
        }
        let (cells, counts) = (self.ints(head.rows)?, self.ints(head.rows)?);
        let (spans, late, flagged) = (self.ints(head.rows)?, self.ints(head.rows)?, self.ints(head.rows)?);
        let mut values: [Vec<f64>; VALUES] = Default::default();
        for (at, column) in values.iter_mut().enumerate() {
            if wanted.0 & (1 << at) == 0 {
                self.skip()?;
            } else {
                *column = self.values(head.rows)?;
            }
        }
        self.end()?;
        let rises = |run: &Run| cells[run.start..run.end].windows(2).all(|pair| pair[0] < pair[1]);
        if counts.iter().any(|count| *count < 1) || !runs.iter().all(rises) {
            return Err(Malformed("rows are not in order"));
        }
        Ok(Pack { runs, cells, counts, spans, late, flagged, values })
    }

    /// The extents of a pack of them.
    pub(super) fn extents(mut self, head: Head) -> Result<Vec<Extent>, Malformed> {
        let count = head.series;
        let (series, counts, firsts) = (self.ints(count)?, self.ints(count)?, self.ints(count)?);
        let (spans, flags, values) = (self.ints(count)?, self.ints(count)?, self.values(count)?);
        self.end()?;
        let extent = |at: usize| {
            Ok(Extent {
                series: narrow(series[at])?,
                count: counts[at].unsigned_abs(),
                first: firsts[at],
                last: firsts[at].wrapping_add(spans[at]),
                last_flags: u16::try_from(flags[at]).map_err(|_| Malformed("flags are impossible"))?,
                last_value: values[at],
            })
        };
        (0..count).map(extent).collect()
    }
}

fn narrow(number: i64) -> Result<u32, Malformed> {
    u32::try_from(number).map_err(|_| Malformed("a series' number is too large"))
}
