//! The index of a data file: the summary of every block and where it lies. Held in memory, so that latest values, "is there
//! anything to overlap" and aggregates over whole blocks cost no read.
//!
//! ```text
//! 12 columns of as many numbers as there are blocks, each: u8 encoding, u32 bytes, bytes (codec.rs)
//!  1 series          4 first time            7 max            10 last value
//!  2 count           5 last time − first     8 sum            11 flags of the last reading
//!  3 bytes of block  6 min                   9 first value    12 any flags (0|1)
//! ```
//! Integers are i64 columns, values f64 columns. Blocks lie one after the other from the end of the file's header.

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

/// All blocks of a file in the order of series, then time.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Index {
    entries: Vec<Entry>,
}

impl Index {
    pub(crate) fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by_key(|entry| (entry.summary.series, entry.summary.first));
        Self { entries }
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The blocks of a series that touch the inclusive period `first..=last`, in the order of time.
    pub(crate) fn overlapping(&self, series: u32, first: i64, last: i64) -> &[Entry] {
        let start = self
            .entries
            .partition_point(|entry| (entry.summary.series, entry.summary.last) < (series, first));
        let rest = &self.entries[start..];
        let len = rest.partition_point(|entry| (entry.summary.series, entry.summary.first) <= (series, last));
        &rest[..len]
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let entries = &self.entries;
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

    /// `start` and `end` are where the blocks begin and end in the file.
    pub(crate) fn decode(encoded: &[u8], blocks: usize, start: u64, end: u64) -> Result<Self, Malformed> {
        // The least that a block takes bounds what may be allocated for a count that is not to be trusted.
        if blocks as u64 > end.saturating_sub(start) / 16 {
            return Err(Malformed("more blocks than the file can hold"));
        }
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
            let narrow = |number: i64| {
                u32::try_from(number).map_err(|_| Malformed("a number in the index is too large"))
            };
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
            offset += u64::from(len);
        }
        if offset != end {
            return Err(Malformed("the index does not cover the file"));
        }
        Ok(Self::new(entries))
    }
}

fn put_column(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>) -> u8) {
    let start = out.len();
    out.extend_from_slice(&[0; 5]);
    let encoding = put(out);
    let len = out.len() - start - 5;
    out[start] = encoding;
    out[start + 1..start + 5].copy_from_slice(&(len as u32).to_le_bytes());
}
