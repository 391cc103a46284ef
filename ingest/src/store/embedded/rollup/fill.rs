//! Packs being written; their bytes are described in pack.rs.

use super::super::codec;
use super::super::columns::put_column;
use super::pack::{Extent, Holds, MOST, ROWS, VALUES};
use super::row::{Extra, Row};
use crate::store::types::Level;

/// A pack of rows being filled.
#[derive(Debug, Default)]
pub(super) struct Filling {
    /// Series, rows, extra.
    runs: Vec<(u32, usize, Extra)>,
    rows: Vec<Row>,
}

impl Filling {
    /// Whether the rows of another series should begin a new pack.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= ROWS
    }

    /// The first and the last series in it.
    pub(super) fn series(&self) -> Option<(u32, u32)> {
        Some((self.runs.first()?.0, self.runs.last()?.0))
    }

    /// Adds the rows of a series, at least one.
    pub(super) fn add(&mut self, series: u32, extra: Extra, rows: &[Row]) {
        self.runs.push((series, rows.len(), extra));
        self.rows.extend_from_slice(rows);
    }

    /// Appends the pack to `out`, and is empty again.
    pub(super) fn put(&mut self, level: Level, out: &mut Vec<u8>) {
        let start = begin(out, Holds::Rows(level), self.runs.len(), self.rows.len());
        let of_run = |extra: Extra| match extra {
            Extra::None => 0,
            Extra::Increase => 1,
            Extra::Vector => 2,
        };
        put_ints(out, self.runs.iter().map(|run| i64::from(run.0)));
        put_ints(out, self.runs.iter().map(|run| run.1 as i64));
        put_ints(out, self.runs.iter().map(|run| of_run(run.2)));
        put_ints(out, self.rows.iter().map(|row| row.cell));
        put_ints(out, self.rows.iter().map(|row| row.count as i64));
        put_ints(out, self.rows.iter().map(|row| row.span));
        put_ints(out, self.rows.iter().map(|row| row.late as i64));
        put_ints(out, self.rows.iter().map(|row| row.flagged as i64));
        let columns: [fn(&Row) -> f64; VALUES] = [
            |row| row.min,
            |row| row.max,
            |row| row.sum,
            |row| row.first,
            |row| row.last,
            |row| row.x,
            |row| row.y,
        ];
        for of in columns {
            put_values(out, self.rows.iter().map(of));
        }
        finish(out, start);
        self.runs.clear();
        self.rows.clear();
    }
}

/// Appends a pack of extents, 1 to [`ROWS`], in the order of series.
pub(super) fn put_extents(extents: &[Extent], out: &mut Vec<u8>) {
    let start = begin(out, Holds::Extents, extents.len(), extents.len());
    put_ints(out, extents.iter().map(|extent| i64::from(extent.series)));
    put_ints(out, extents.iter().map(|extent| extent.count as i64));
    put_ints(out, extents.iter().map(|extent| extent.first));
    put_ints(out, extents.iter().map(|extent| extent.last.wrapping_sub(extent.first)));
    put_ints(out, extents.iter().map(|extent| i64::from(extent.last_flags)));
    put_values(out, extents.iter().map(|extent| extent.last_value));
    finish(out, start);
}

fn begin(out: &mut Vec<u8>, holds: Holds, series: usize, rows: usize) -> usize {
    debug_assert!(series > 0 && rows >= series && rows <= MOST, "a pack's size");
    let start = out.len();
    out.resize(start + 8, 0);
    out.extend_from_slice(&[holds.number(), 0]);
    for count in [series, rows, 0] {
        out.extend_from_slice(&(count as u16).to_le_bytes());
    }
    start
}

fn finish(out: &mut [u8], start: usize) {
    let len = (out.len() - start) as u32;
    out[start + 4..start + 8].copy_from_slice(&len.to_le_bytes());
    let crc = crc32c::crc32c(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

fn put_ints(out: &mut Vec<u8>, numbers: impl Iterator<Item = i64>) {
    let numbers: Vec<i64> = numbers.collect();
    put_column(out, |out| codec::put_ints(out, &numbers));
}

fn put_values(out: &mut Vec<u8>, values: impl Iterator<Item = f64>) {
    let values: Vec<f64> = values.collect();
    put_column(out, |out| codec::put_values(out, &values, &mut Vec::new()));
}
