//! The index of a data file: the summary of every block and where it lies, in pages of up to [`PAGE_BLOCKS`] blocks. Only
//! the list of the pages, the directory, is in memory, 32 bytes a page, so that memory does not grow with what is stored.
//!
//! ```text
//! page                                                     directory, once, before the file's footer
//!  0 u32 CRC-32C of everything after this field             0 u32 CRC-32C of everything after this field
//!  4 u32 bytes of the whole page                            4 u32 bytes of the whole directory
//!  8 u32 0xffff_ffff, where a block has its series          8 u32 0xffff_ffff
//! 12 u16 0, where a block has its count                    12 u16 0
//! 14 u16 blocks, 1..=128                                   14 u16 0
//! 16 u64 offset of the first of its blocks                 16 u64 blocks, u64 readings, i64 first time, i64 last time
//! 24 columns (columns.rs)                                  48 per page: u32 series and i64 first time of its first block,
//!                                                             u16 blocks, u16 bytes, u64 offset of its first block,
//!                                                             u64 offset of the page
//! ```
//! The blocks of a page lie one after the other. Blocks, and so pages, are in the order of series, then time; blocks of one
//! series do not overlap.
//!
//! In version 1 of the file the columns are of all blocks. Such an index is held in memory as it is, until a merge writes
//! its file anew.

use std::ops::Range;

use super::block::Summary;
use super::bytes::{self, Cursor, Malformed};
use super::columns::{self, Entry};

/// Blocks of a page at most.
pub(crate) const PAGE_BLOCKS: usize = 128;
/// What a page and the directory have where a block has its series and its count.
const MARK: [u8; 6] = [0xff, 0xff, 0xff, 0xff, 0, 0];
const PAGE_HEAD: usize = 24;
const DIRECTORY_HEAD: usize = 48;
const PAGE_ROW: usize = 32;

/// A page in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PageRef {
    /// Series and first time of its first block.
    pub(crate) series: u32,
    pub(crate) first: i64,
    pub(crate) blocks: u16,
    /// Bytes of the page; 0: there is none that can be read, its blocks are found by walking.
    pub(crate) bytes: u16,
    /// Where its blocks begin.
    pub(crate) blocks_at: u64,
    /// Where the page itself is.
    pub(crate) offset: u64,
}

/// What all blocks of a file are together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) blocks: u64,
    pub(crate) readings: u64,
    pub(crate) first: i64,
    pub(crate) last: i64,
}

impl Default for Totals {
    fn default() -> Self {
        Self { blocks: 0, readings: 0, first: i64::MAX, last: i64::MIN }
    }
}

impl Totals {
    pub(crate) fn add(&mut self, summary: &Summary) {
        self.blocks += 1;
        self.readings += u64::from(summary.count);
        self.first = self.first.min(summary.first);
        self.last = self.last.max(summary.last);
    }
}

/// What is in memory of a file's index.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Index {
    pages: Vec<PageRef>,
    pub(crate) totals: Totals,
    /// All blocks, where the file has no pages (version 1).
    held: Vec<Entry>,
}

impl Index {
    pub(crate) fn new(mut pages: Vec<PageRef>, totals: Totals) -> Self {
        pages.sort_by_key(|page| (page.series, page.first));
        Self { pages, totals, held: Vec::new() }
    }

    /// Of all blocks of a file without pages.
    pub(crate) fn held(mut entries: Vec<Entry>) -> Self {
        entries.sort_by_key(Entry::key);
        let mut totals = Totals::default();
        entries.iter().for_each(|entry| totals.add(&entry.summary));
        let page = |chunk: &[Entry]| {
            let first = chunk.first()?;
            let (series, first, blocks_at) = (first.summary.series, first.summary.first, first.offset);
            Some(PageRef { series, first, blocks: chunk.len() as u16, bytes: 0, blocks_at, offset: 0 })
        };
        let pages = entries.chunks(PAGE_BLOCKS).filter_map(page).collect();
        Self { pages, totals, held: entries }
    }

    pub(crate) fn pages(&self) -> &[PageRef] {
        &self.pages
    }

    /// The blocks of a page, where they are in memory.
    pub(crate) fn held_page(&self, number: usize) -> Option<&[Entry]> {
        self.held.chunks(PAGE_BLOCKS).nth(number)
    }

    /// The pages that may have blocks of a series that touch the inclusive period `first..=last`.
    pub(crate) fn touching(&self, series: u32, first: i64, last: i64) -> Range<usize> {
        if self.totals.last < first || last < self.totals.first {
            return 0..0;
        }
        let until = |key| self.pages.partition_point(|page| (page.series, page.first) <= key);
        let end = until((series, last));
        until((series, first)).saturating_sub(1).min(end)..end
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&MARK);
        out.extend_from_slice(&[0; 2]);
        let Totals { blocks, readings, first, last } = self.totals;
        bytes::put_u64s(out, [blocks, readings]);
        bytes::put_i64s(out, [first, last].into_iter());
        for page in &self.pages {
            out.extend_from_slice(&page.series.to_le_bytes());
            out.extend_from_slice(&page.first.to_le_bytes());
            out.extend_from_slice(&page.blocks.to_le_bytes());
            out.extend_from_slice(&page.bytes.to_le_bytes());
            bytes::put_u64s(out, [page.blocks_at, page.offset]);
        }
        seal(out, start);
    }

    /// Of a file with `count` pages; `end` is where the directory begins.
    pub(crate) fn decode(encoded: &[u8], count: usize, end: u64) -> Result<Self, Malformed> {
        if count.checked_mul(PAGE_ROW).and_then(|rows| rows.checked_add(DIRECTORY_HEAD))
            != Some(encoded.len())
        {
            return Err(Malformed("the directory's size is wrong"));
        }
        let mut cursor = opened(encoded)?;
        if cursor.u16()? != 0 {
            return Err(Malformed("not a directory"));
        }
        let totals = Totals {
            blocks: cursor.u64()?,
            readings: cursor.u64()?,
            first: cursor.i64()?,
            last: cursor.i64()?,
        };
        let mut pages = Vec::with_capacity(count);
        for _ in 0..count {
            let page = PageRef {
                series: cursor.u32()?,
                first: cursor.i64()?,
                blocks: cursor.u16()?,
                bytes: cursor.u16()?,
                blocks_at: cursor.u64()?,
                offset: cursor.u64()?,
            };
            let possible = (1..=PAGE_BLOCKS).contains(&usize::from(page.blocks))
                && usize::from(page.bytes) >= PAGE_HEAD
                && page.blocks_at < page.offset
                && page.offset.checked_add(u64::from(page.bytes)).is_some_and(|after| after <= end);
            if !possible {
                return Err(Malformed("a page in the directory is impossible"));
            }
            pages.push(page);
        }
        if !pages.is_sorted_by(|one, other| (one.series, one.first) < (other.series, other.first)) {
            return Err(Malformed("the pages in the directory are in no order"));
        }
        Ok(Self { pages, totals, held: Vec::new() })
    }
}

/// Where in a page's blocks those of a series are that touch the inclusive period `first..=last`.
pub(crate) fn overlapping(entries: &[Entry], series: u32, first: i64, last: i64) -> Range<usize> {
    let start = entries.partition_point(|entry| (entry.summary.series, entry.summary.last) < (series, first));
    let end = entries.partition_point(|entry| entry.key() <= (series, last));
    start.min(end)..end
}

/// Whether what begins with these 14 bytes is a page or a directory and not a block.
pub(crate) fn is_marked(head: &[u8]) -> bool {
    head.get(8..14) == Some(&MARK)
}

/// Appends a page of 1 to [`PAGE_BLOCKS`] blocks that lie one after the other.
pub(crate) fn encode_page(entries: &[Entry], out: &mut Vec<u8>) {
    debug_assert!(!entries.is_empty() && entries.len() <= PAGE_BLOCKS, "a page's size");
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&MARK);
    out.extend_from_slice(&(entries.len() as u16).to_le_bytes());
    out.extend_from_slice(&entries.first().map_or(0, |entry| entry.offset).to_le_bytes());
    columns::encode(entries, out);
    seal(out, start);
}

/// The blocks of the page at `offset`, all before it.
pub(crate) fn decode_page(encoded: &[u8], offset: u64) -> Result<Vec<Entry>, Malformed> {
    let mut cursor = opened(encoded)?;
    let blocks = usize::from(cursor.u16()?);
    if !(1..=PAGE_BLOCKS).contains(&blocks) {
        return Err(Malformed("a page's number of blocks is wrong"));
    }
    let start = cursor.u64()?;
    let entries = columns::decode(cursor.rest(), blocks, start)?;
    if entries.last().is_none_or(|last| last.offset.saturating_add(u64::from(last.len)) > offset) {
        return Err(Malformed("a page's blocks are not before it"));
    }
    if !entries.is_sorted_by(|one, other| one.key() < other.key()) {
        return Err(Malformed("a page's blocks are in no order"));
    }
    Ok(entries)
}

/// The index of a file of version 1, whose blocks lie from `start` to `end`.
pub(crate) fn decode_version_1(
    encoded: &[u8],
    blocks: usize,
    start: u64,
    end: u64,
) -> Result<Index, Malformed> {
    // The least that a block takes bounds what may be allocated for a count that is not to be trusted.
    if blocks as u64 > end.saturating_sub(start) / 16 {
        return Err(Malformed("more blocks than the file can hold"));
    }
    let entries = columns::decode(encoded, blocks, start)?;
    if entries.last().map_or(start, |last| last.offset + u64::from(last.len)) != end {
        return Err(Malformed("the index does not cover the file"));
    }
    Ok(Index::held(entries))
}

/// Size and checksum of what was appended since `start`.
fn seal(out: &mut [u8], start: usize) {
    let len = (out.len() - start) as u32;
    out[start + 4..start + 8].copy_from_slice(&len.to_le_bytes());
    let crc = crc32c::crc32c(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

/// Checks what [`seal`] sealed; the cursor stands behind the mark.
fn opened(encoded: &[u8]) -> Result<Cursor<'_>, Malformed> {
    let mut cursor = Cursor::new(encoded);
    if cursor.u32()? != crc32c::crc32c(cursor.rest()) {
        return Err(Malformed("the checksum of a part of the index is wrong"));
    }
    if cursor.u32()? as usize != encoded.len() || cursor.take(MARK.len())? != MARK {
        return Err(Malformed("not a part of an index"));
    }
    Ok(cursor)
}
