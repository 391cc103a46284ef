//! Finding blocks and pages by going through a file from one to the next, where its index cannot be used. Each says how
//! many bytes it has, and its checksum says whether that is so.

use std::collections::VecDeque;
use std::io;

use pantau_journal::FileLayer;

use super::block::{self, MAX_POINTS, Summary};
use super::bytes::Malformed;
use super::columns::Entry;
use super::datafile::malformed;
use super::index::{self, Index, PAGE_BLOCKS, PageRef, Totals};

/// More than a block or a page can have: a block's columns have 16-bit lengths, its flags two bytes a reading.
const MOST: u64 = 22 + 2 * 65_536 + 2 * MAX_POINTS as u64 + 64;
const HEAD: usize = 16;

/// What is at a place of a file.
pub(crate) enum Chunk {
    /// A block, or something that is none.
    Block { at: u64, len: u64, found: Result<Summary, Malformed> },
    /// A page of the index, with its blocks if it is sound.
    Page { at: u64, len: u64, found: Result<Vec<Entry>, Malformed> },
}

/// Goes through a file.
pub(crate) struct Walk<'a, F: FileLayer> {
    files: &'a F,
    file: &'a F::File,
    at: u64,
    end: u64,
}

impl<'a, F: FileLayer> Walk<'a, F> {
    pub(crate) fn new(files: &'a F, file: &'a F::File, at: u64, end: u64) -> Self {
        Self { files, file, at, end }
    }

    /// Where it stands.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// What comes next. `None` at the end, at the directory, and where no size can be told, so that the rest is lost.
    pub(crate) fn next(&mut self) -> io::Result<Option<Chunk>> {
        let (at, rest) = (self.at, self.end.saturating_sub(self.at));
        let mut head = [0; HEAD];
        let read = self.files.read_at(self.file, &mut head, at)?;
        let head = head.get(..read).unwrap_or(&[]);
        let marked = index::is_marked(head);
        let is_directory = marked && head.get(14..16) == Some(&[0, 0]);
        let len = block::claimed_len(head).map(|len| len as u64).filter(|len| *len <= rest.min(MOST));
        let Some(len) = len.filter(|_| !is_directory) else { return Ok(None) };
        let mut bytes = vec![0; len as usize];
        if self.files.read_at(self.file, &mut bytes, at)? != bytes.len() {
            return Ok(None);
        }
        self.at += len;
        Ok(Some(if marked {
            Chunk::Page { at, len, found: index::decode_page(&bytes, at) }
        } else {
            let summary = |(series, points): (u32, Vec<_>)| {
                Summary::of(series, &points).ok_or(Malformed("a block without readings"))
            };
            Chunk::Block { at, len, found: block::decode(&bytes).and_then(summary) }
        }))
    }
}

/// The sound blocks from `at` on, `most` at most, up to the next page or `end`.
pub(crate) fn blocks<F: FileLayer>(
    files: &F,
    file: &F::File,
    at: u64,
    end: u64,
    most: usize,
) -> io::Result<Vec<Entry>> {
    let mut walk = Walk::new(files, file, at, end);
    let mut entries = Vec::new();
    while entries.len() < most
        && let Some(Chunk::Block { at, len, found }) = walk.next()?
    {
        entries.extend(found.ok().map(|summary| Entry { summary, offset: at, len: len as u32 }));
    }
    Ok(entries)
}

/// All sound blocks of a file of version 1 up to `end`, and the bytes that were given up.
pub(crate) fn version_1<F: FileLayer>(
    files: &F,
    file: &F::File,
    at: u64,
    end: u64,
) -> io::Result<(Index, u64)> {
    let mut walk = Walk::new(files, file, at, end);
    let (mut entries, mut lost) = (Vec::new(), 0);
    while let Some(chunk) = walk.next()? {
        match chunk {
            Chunk::Block { at, len, found: Ok(summary) } => {
                entries.push(Entry { summary, offset: at, len: len as u32 });
            }
            Chunk::Block { len, .. } | Chunk::Page { len, .. } => lost += len,
        }
    }
    Ok((Index::held(entries), lost + end - walk.at().min(end)))
}

/// A directory made of the sound pages up to `end` and of the sound blocks that none of them has, and the bytes of
/// blocks that were given up.
pub(crate) fn pages<F: FileLayer>(files: &F, file: &F::File, at: u64, end: u64) -> io::Result<(Index, u64)> {
    let mut walk = Walk::new(files, file, at, end);
    // Blocks come before their pages, so many at most as the pages that are written together have.
    let mut waiting: VecDeque<Entry> = VecDeque::new();
    let (mut made, mut lost) = (Made::default(), 0);
    while let Some(chunk) = walk.next()? {
        match chunk {
            Chunk::Block { at, len, found: Ok(summary) } => {
                waiting.push_back(Entry { summary, offset: at, len: len as u32 });
            }
            Chunk::Block { len, .. } => lost += len,
            Chunk::Page { found: Err(_), .. } => {}
            Chunk::Page { at, len, found: Ok(entries) } => {
                let (Some(first), Some(last)) = (entries.first(), entries.last()) else { continue };
                while let Some(entry) = waiting.pop_front_if(|entry| entry.offset < first.offset) {
                    made.add(&entry);
                }
                made.close();
                while waiting.pop_front_if(|entry| entry.offset <= last.offset).is_some() {}
                entries.iter().for_each(|entry| made.totals.add(&entry.summary));
                made.pages.push(PageRef {
                    series: first.summary.series,
                    first: first.summary.first,
                    blocks: entries.len() as u16,
                    bytes: len as u16,
                    blocks_at: first.offset,
                    offset: at,
                });
            }
        }
    }
    waiting.iter().for_each(|entry| made.add(entry));
    made.close();
    Ok((Index::new(made.pages, made.totals), lost + end - walk.at().min(end)))
}

/// Pages without bytes, made of blocks that no page has.
#[derive(Default)]
struct Made {
    pages: Vec<PageRef>,
    totals: Totals,
    open: Option<PageRef>,
}

impl Made {
    fn add(&mut self, entry: &Entry) {
        self.totals.add(&entry.summary);
        if self.open.as_ref().is_some_and(|open| usize::from(open.blocks) >= PAGE_BLOCKS) {
            self.close();
        }
        let (series, first, blocks_at) = (entry.summary.series, entry.summary.first, entry.offset);
        let none = PageRef { series, first, blocks: 0, bytes: 0, blocks_at, offset: 0 };
        self.open.get_or_insert(none).blocks += 1;
    }

    fn close(&mut self) {
        self.pages.extend(self.open.take());
    }
}

/// Reads and decodes a block of which the index speaks.
pub(crate) fn read_exactly<F: FileLayer>(
    files: &F,
    file: &F::File,
    at: u64,
    len: usize,
) -> io::Result<Vec<u8>> {
    if len as u64 > MOST {
        return Err(malformed(Malformed("a size is impossible")));
    }
    let mut bytes = vec![0; len];
    if files.read_at(file, &mut bytes, at)? == len {
        Ok(bytes)
    } else {
        Err(malformed(Malformed("the file ends before its parts do")))
    }
}
