//! The summaries of blocks as they stand in a file's index, by columns, which is half as large as by rows.
//!
//! ```text
//! 12 columns of as many numbers as there are blocks, each: u8 encoding, u32 bytes, bytes (codec/)
//!  1 series          4 first time            7 max            10 last value
//!  2 count           5 last time − first     8 sum            11 flags of the last reading
//!  3 bytes of block  6 min                   9 first value    12 any flags (0|1)
//! ```
//! Integers are i64 columns, values f64 columns. The blocks lie one after the other.

use super::block::{MAX_POINTS, Summary};
use super::bytes::{Cursor, Malformed};
use super::codec;

/// Where a block lies and what it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) summary: Summary,
    pub(crate) offset: u64,
    pub(crate) len: u32,
}

impl Entry {
    /// What blocks are sorted by.
    pub(crate) fn key(&self) -> (u32, i64) {
        (self.summary.series, self.summary.first)
    }
}

/// Appends the columns of blocks.
pub(crate) fn encode(entries: &[Entry], out: &mut Vec<u8>) {
    let mut ints = |of: &dyn Fn(&Entry) -> i64| {
        let numbers: Vec<i64> = entries.iter().map(of).collect();
        put_column(out, |out| codec::put_ints(out, &numbers));
    };
    ints(&|entry| i64::from(entry.summary.series));
    ints(&|entry| i64::from(entry.summary.count));
    ints(&|entry| i64::from(entry.len));
    ints(&|entry| entry.summary.first);
    ints(&|entry| entry.summary.last.wrapping_sub(entry.summary.first));
    let mut scratch = Vec::new();
    let mut values = |of: &dyn Fn(&Summary) -> f64| {
        let numbers: Vec<f64> = entries.iter().map(|entry| of(&entry.summary)).collect();
        put_column(out, |out| codec::put_values(out, &numbers, &mut scratch));
    };
    values(&|summary| summary.min);
    values(&|summary| summary.max);
    values(&|summary| summary.sum);
    values(&|summary| summary.first_value);
    values(&|summary| summary.last_value);
    let mut ints = |of: &dyn Fn(&Entry) -> i64| {
        let numbers: Vec<i64> = entries.iter().map(of).collect();
        put_column(out, |out| codec::put_ints(out, &numbers));
    };
    ints(&|entry| i64::from(entry.summary.last_flags));
    ints(&|entry| i64::from(entry.summary.any_flags));
}

/// The summaries of so many blocks, of which the first lies at `start`.
pub(crate) fn decode(encoded: &[u8], blocks: usize, start: u64) -> Result<Vec<Entry>, Malformed> {
    let mut cursor = Cursor::new(encoded);
    let mut ints = || {
        let encoding = cursor.u8()?;
        codec::get_ints(encoding, cursor.blob()?, blocks)
    };
    let (series, counts, lens, firsts, spans) = (ints()?, ints()?, ints()?, ints()?, ints()?);
    let mut values = || {
        let encoding = cursor.u8()?;
        codec::get_values(encoding, cursor.blob()?, blocks)
    };
    let (mins, maxs, sums, first_values, last_values) =
        (values()?, values()?, values()?, values()?, values()?);
    let mut ints = || {
        let encoding = cursor.u8()?;
        codec::get_ints(encoding, cursor.blob()?, blocks)
    };
    let (last_flags, any_flags) = (ints()?, ints()?);
    let mut offset = start;
    let mut entries = Vec::with_capacity(blocks);
    for at in 0..blocks {
        let narrow =
            |number: i64| u32::try_from(number).map_err(|_| Malformed("a number in the index is too large"));
        let summary = Summary {
            series: narrow(series[at])?,
            count: narrow(counts[at])?,
            first: firsts[at],
            last: firsts[at].wrapping_add(spans[at]),
            min: mins[at],
            max: maxs[at],
            sum: sums[at],
            first_value: first_values[at],
            last_value: last_values[at],
            last_flags: narrow(last_flags[at])? as u16,
            any_flags: any_flags[at] != 0,
        };
        let len = narrow(lens[at])?;
        if summary.count == 0 || summary.count as usize > MAX_POINTS || summary.first > summary.last {
            return Err(Malformed("a block in the index is impossible"));
        }
        entries.push(Entry { summary, offset, len });
        offset = offset.checked_add(u64::from(len)).ok_or(Malformed("a block in the index is too far"))?;
    }
    Ok(entries)
}

/// Appends a column: how it is encoded, its bytes.
pub(crate) fn put_column(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>) -> u8) {
    let start = out.len();
    out.extend_from_slice(&[0; 5]);
    let encoding = put(out);
    let len = out.len() - start - 5;
    out[start] = encoding;
    out[start + 1..start + 5].copy_from_slice(&(len as u32).to_le_bytes());
}
