//! Writes a data file ([`super::datafile`]), block by block. In memory are what is not yet written out, the pages of the
//! blocks since the last pages were written, and the directory, whatever the size of the file.

use std::io;
use std::path::Path;
use std::sync::OnceLock;

use pantau_journal::FileLayer;

use super::block::{self, MAX_POINTS, Scratch, Summary};
use super::columns::Entry;
use super::datafile::{DataFile, FRAME, FileId};
use super::fs::Sink;
use super::index::{self, Index, PAGE_BLOCKS, PageRef, Totals};
use super::point::Point;

/// So many pages are written together, or so many bytes of pages: what is read one after the other should lie so.
const GROUP: usize = if cfg!(test) { 3 } else { 1_024 };
const GROUP_BYTES: usize = 4 << 20;

/// Writes one file. Nothing counts before [`FileWriter::finish`].
pub(crate) struct FileWriter<F: FileLayer> {
    sink: Sink<F>,
    id: FileId,
    /// Blocks that no page has yet.
    open: Vec<Entry>,
    /// Pages that are not in the file yet.
    group: Vec<u8>,
    /// All pages; of those of the group the offset is that in the group.
    pages: Vec<PageRef>,
    /// Pages before the group.
    grouped: usize,
    totals: Totals,
}

impl<F: FileLayer> FileWriter<F> {
    pub(crate) fn create(files: &F, dir: &Path, id: FileId) -> io::Result<Self> {
        let mut sink = Sink::create(files, dir.join(id.name()))?;
        FRAME.put_header(&mut sink.buffer, id);
        Ok(Self {
            sink,
            id,
            open: Vec::with_capacity(PAGE_BLOCKS),
            group: Vec::new(),
            pages: Vec::new(),
            grouped: 0,
            totals: Totals::default(),
        })
    }

    /// Adds points of a series, in the order of time, each time once. Series must come in the order of their numbers.
    pub(crate) fn add(&mut self, series: u32, points: &[Point], scratch: &mut Scratch) -> io::Result<()> {
        let blocks = points.len().div_ceil(MAX_POINTS).max(1);
        for chunk in points.chunks(points.len().div_ceil(blocks).max(1)) {
            let Some(summary) = Summary::of(series, chunk) else { continue };
            let offset = self.sink.bytes();
            let len = block::encode(series, chunk, scratch, &mut self.sink.buffer);
            self.note(Entry { summary, offset, len: len as u32 })?;
        }
        Ok(())
    }

    /// Adds a block of another file as it is; its place is as that of points.
    pub(crate) fn add_raw(&mut self, summary: Summary, block: &[u8]) -> io::Result<()> {
        let offset = self.sink.bytes();
        self.sink.buffer.extend_from_slice(block);
        self.note(Entry { summary, offset, len: block.len() as u32 })
    }

    /// Bytes written so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.sink.bytes()
    }

    /// Ends without a file.
    pub(crate) fn abandon(self) {
        self.sink.abandon();
    }

    fn note(&mut self, entry: Entry) -> io::Result<()> {
        self.totals.add(&entry.summary);
        self.open.push(entry);
        if self.open.len() == PAGE_BLOCKS {
            self.close_page();
            if self.pages.len() - self.grouped >= GROUP || self.group.len() >= GROUP_BYTES {
                self.put_group();
            }
        }
        self.sink.write_some()
    }

    fn close_page(&mut self) {
        let Some(first) = self.open.first() else { return };
        let start = self.group.len();
        index::encode_page(&self.open, &mut self.group);
        self.pages.push(PageRef {
            series: first.summary.series,
            first: first.summary.first,
            blocks: self.open.len() as u16,
            bytes: (self.group.len() - start) as u16,
            blocks_at: first.offset,
            offset: start as u64,
        });
        self.open.clear();
    }

    fn put_group(&mut self) {
        let start = self.bytes();
        self.pages.iter_mut().skip(self.grouped).for_each(|page| page.offset += start);
        self.grouped = self.pages.len();
        self.sink.buffer.append(&mut self.group);
    }

    /// Directory, footer, fsync, rename. The caller syncs the folder before it relies on the name.
    pub(crate) fn finish(mut self) -> io::Result<DataFile> {
        self.close_page();
        self.put_group();
        self.pages.shrink_to_fit();
        let index = Index::new(std::mem::take(&mut self.pages), self.totals);
        let (offset, mut directory) = (self.bytes(), Vec::new());
        index.encode(&mut directory);
        FRAME.put_tail(&mut self.sink.buffer, offset, index.pages().len(), &directory);
        let (path, bytes) = self.sink.finish()?;
        let rollup = OnceLock::new();
        Ok(DataFile { id: self.id, bytes, path, index, walked: false, rollup })
    }
}
