//! An immutable file of blocks of one UTC month, and its index.
//!
//! ```text
//! header (frame.rs): "PANTAUPT", version 2
//! groups, one after the other, each: blocks (block.rs), by series, then time
//!                                    the pages of the index (index.rs) that have these blocks
//! directory (index.rs), with as many entries as pages, and footer (frame.rs): "PTFE"
//! ```
//! In version 1, which is read and no longer written, all blocks come first, then one index of all of them; the footer has
//! its offset, bytes, number of blocks and checksum instead of the directory's.
//!
//! What always holds: a file has its final name only when all of it is synced. A higher [`FileId`] is newer and wins on
//! equal identity. What is damaged of the index is found by walking (walk.rs): of a file whose footer or directory is
//! damaged when it is opened, of a page when it is read. What cannot be read all the same is reported.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use pantau_journal::FileLayer;

use super::block;
use super::bytes::Malformed;
use super::columns::Entry;
use super::frame::Frame;
use super::index::{self, Index};
use super::months::month_name;
use super::point::Point;
use super::rollup::Rollup;
use super::walk;

pub(crate) const FRAME: Frame = Frame { magic: *b"PANTAUPT", version: 2, end: *b"PTFE" };

/// Which file it is; within a month, the order is that of age. A flush gives the next `seq` and generation 0. A merge of
/// neighbours gives the `seq` of the newest one and a generation above all of them: it stands where they stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileId {
    pub(crate) seq: u64,
    pub(crate) generation: u32,
    /// Months since January 1970.
    pub(crate) month: i64,
    /// Class of retention (classes.rs).
    pub(crate) class: u16,
}

impl FileId {
    /// The name of its readings' file in the data folder.
    pub(crate) fn name(&self) -> String {
        format!("{}.pts", self.stem())
    }

    /// The name of its roll-up there.
    pub(crate) fn rollup_name(&self) -> String {
        format!("{}.rol", self.stem())
    }

    fn stem(&self) -> String {
        let Self { seq, generation, month, class } = self;
        let class = if *class == 0 { String::new() } else { format!("-c{class}") };
        let generation = if *generation == 0 { String::new() } else { format!("-{generation}") };
        format!("{}{class}-{seq:010}{generation}", month_name(*month))
    }
}

/// A file that can be read.
#[derive(Debug)]
pub(crate) struct DataFile {
    pub(crate) id: FileId,
    pub(crate) bytes: u64,
    pub(crate) path: PathBuf,
    pub(crate) index: Index,
    /// Its index was damaged: it stands for what a walk found.
    pub(crate) walked: bool,
    /// What its readings come to by hours and days, once that is written.
    pub(crate) rollup: OnceLock<Rollup>,
}

/// What was wrong with a file that was opened all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mended {
    pub(crate) detail: String,
}

impl DataFile {
    /// Where the blocks begin.
    pub(crate) const BLOCKS_AT: u64 = Frame::START;

    /// A part whose readings were dropped: there is nothing to read, and no file.
    pub(crate) fn dropped(id: FileId, path: PathBuf) -> Self {
        Self { id, bytes: 0, path, index: Index::default(), walked: false, rollup: OnceLock::new() }
    }

    /// One whose index was read, whatever its header says.
    pub(crate) fn of(bytes: u64, path: PathBuf, index: Index) -> Self {
        let id = FileId { seq: 0, generation: 0, month: 0, class: 0 };
        Self { id, bytes, path, index, walked: false, rollup: OnceLock::new() }
    }

    /// Opens a file. When its directory is damaged it is walked block by block, and that is told.
    pub(crate) fn open<F: FileLayer>(files: &F, path: &Path) -> io::Result<(Self, Option<Mended>)> {
        let file = files.open(path)?;
        let bytes = files.file_len(&file)?;
        let (id, version) = FRAME.read_header(files, &file)?;
        match Self::read_index(files, &file, version, bytes) {
            Ok(index) => Ok((
                Self { id, bytes, path: path.to_owned(), index, walked: false, rollup: OnceLock::new() },
                None,
            )),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let end = FRAME.directory_at(files, &file, bytes).unwrap_or(bytes);
                let (index, lost) = match version {
                    1 => walk::version_1(files, &file, Self::BLOCKS_AT, end)?,
                    _ => walk::pages(files, &file, Self::BLOCKS_AT, end)?,
                };
                let found = index.totals.blocks;
                let detail =
                    format!("{error}; {found} sound blocks found by walking the file, {lost} bytes given up");
                let file =
                    Self { id, bytes, path: path.to_owned(), index, walked: true, rollup: OnceLock::new() };
                Ok((file, Some(Mended { detail })))
            }
            Err(error) => Err(error),
        }
    }

    /// The index of a file of so many bytes.
    pub(crate) fn read_index<F: FileLayer>(
        files: &F,
        file: &F::File,
        version: u16,
        bytes: u64,
    ) -> io::Result<Index> {
        let (offset, parts, index) = FRAME.read_tail(files, file, bytes)?;
        let index = match version {
            1 => index::decode_version_1(&index, parts, Self::BLOCKS_AT, offset),
            _ => Index::decode(&index, parts, offset),
        };
        index.map_err(malformed)
    }

    /// Reads and decodes a block, and checks that it is the one that the index speaks of.
    pub(crate) fn read_block<F: FileLayer>(
        &self,
        files: &F,
        file: &F::File,
        entry: &Entry,
    ) -> io::Result<Vec<Point>> {
        let bytes = read_bytes(files, file, entry)?;
        let (series, points) = block::decode(&bytes).map_err(malformed)?;
        let summary = &entry.summary;
        let same = series == summary.series
            && points.len() == summary.count as usize
            && points.first().map(|point| point.time) == Some(summary.first)
            && points.last().map(|point| point.time) == Some(summary.last);
        if same { Ok(points) } else { Err(malformed(Malformed("a block is not the one in the index"))) }
    }

    /// Reads the bytes of a block, with their CRC checked.
    pub(crate) fn read_raw<F: FileLayer>(
        &self,
        files: &F,
        file: &F::File,
        entry: &Entry,
    ) -> io::Result<Vec<u8>> {
        let bytes = read_bytes(files, file, entry)?;
        if block::is_sound(&bytes) {
            Ok(bytes)
        } else {
            Err(malformed(Malformed("a block's checksum is wrong")))
        }
    }

    /// Opens the file for [`Self::read_block`].
    pub(crate) fn handle<F: FileLayer>(&self, files: &F) -> io::Result<F::File> {
        files.open(&self.path)
    }
}

fn read_bytes<F: FileLayer>(files: &F, file: &F::File, entry: &Entry) -> io::Result<Vec<u8>> {
    walk::read_exactly(files, file, entry.offset, entry.len as usize)
}

pub(crate) fn malformed(error: Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
