//! Writes a data file ([`super::datafile`]), block by block. In memory are what is not yet written out, the pages of the
//! blocks since the last pages were written, and the directory, whatever the size of the file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use pantau_journal::FileLayer;

use super::block::{self, MAX_POINTS, Scratch, Summary};
use super::columns::Entry;
use super::datafile::{DataFile, FileId, put_footer, put_header};
use super::fs;
use super::index::{self, Index, PAGE_BLOCKS, PageRef, Totals};
use super::point::Point;

const WRITE_BUFFER: usize = 256 << 10;
const SYNC_BYTES: u64 = 8 << 20;
/// So many pages are written together, or so many bytes of pages: what is read one after the other should lie so.
const GROUP: usize = if cfg!(test) { 3 } else { 1_024 };
const GROUP_BYTES: usize = 4 << 20;

/// Writes one file. Nothing counts before [`FileWriter::finish`].
pub(crate) struct FileWriter<F: FileLayer> {
    files: F,
    file: F::File,
    id: FileId,
    path: PathBuf,
    buffer: Vec<u8>,
    written: u64,
    synced: u64,
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
        let path = dir.join(id.name());
        let file = fs::create_anew(files, &fs::temporary(&path))?;
        let mut buffer = Vec::with_capacity(WRITE_BUFFER / 4);
        put_header(&mut buffer, id);
        Ok(Self {
            files: files.clone(),
            file,
            id,
            path,
            buffer,
            written: 0,
            synced: 0,
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
            let offset = self.written + self.buffer.len() as u64;
            let len = block::encode(series, chunk, scratch, &mut self.buffer);
            self.note(Entry { summary, offset, len: len as u32 })?;
        }
        Ok(())
    }

    /// Adds a block of another file as it is; its place is as that of points.
    pub(crate) fn add_raw(&mut self, summary: Summary, block: &[u8]) -> io::Result<()> {
        let offset = self.written + self.buffer.len() as u64;
        self.buffer.extend_from_slice(block);
        self.note(Entry { summary, offset, len: block.len() as u32 })
    }

    /// Bytes written so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Ends without a file.
    pub(crate) fn abandon(self) {
        // What stays is removed by the next opening.
        let _ = self.files.remove(&fs::temporary(&self.path));
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
        self.write_some()
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
        self.buffer.append(&mut self.group);
    }

    fn write_some(&mut self) -> io::Result<()> {
        if self.buffer.len() < WRITE_BUFFER {
            return Ok(());
        }
        self.write_out()?;
        if self.written - self.synced >= SYNC_BYTES {
            // One sync of a large file at its end would hold up the syncs of the journal.
            self.files.sync_data(&self.file)?;
            self.synced = self.written;
        }
        Ok(())
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.files.write_at(&self.file, &self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Directory, footer, fsync, rename. The caller syncs the folder before it relies on the name.
    pub(crate) fn finish(mut self) -> io::Result<DataFile> {
        self.close_page();
        self.put_group();
        self.pages.shrink_to_fit();
        let index = Index::new(std::mem::take(&mut self.pages), self.totals);
        let (offset, start) = (self.bytes(), self.buffer.len());
        index.encode(&mut self.buffer);
        let encoded = self.buffer.get(start..).unwrap_or(&[]);
        let (len, crc) = (encoded.len() as u32, crc32c::crc32c(encoded));
        put_footer(&mut self.buffer, offset, len, index.pages().len() as u32, crc);
        self.write_out()?;
        self.files.sync_data(&self.file)?;
        self.files.rename(&fs::temporary(&self.path), &self.path)?;
        let (bytes, path, rollup) = (self.written, self.path, OnceLock::new());
        Ok(DataFile { id: self.id, bytes, path, index, walked: false, rollup })
    }
}
