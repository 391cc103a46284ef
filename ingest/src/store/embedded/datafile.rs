//! An immutable file of blocks of one UTC month, and its index.
//!
//! ```text
//! header, 32 bytes                      groups, one after the other, each:
//!  0 "PANTAUPT"                           blocks (block.rs), by series, then time
//!  8 u16 version = 2, u16 class           the pages of the index (index.rs) that have these blocks
//! 12 i32 month, 0 = January 1970        directory (index.rs)
//! 16 u64 sequence number                footer, 32 bytes, at the very end
//! 24 u32 generation                      0 u64 offset of the directory
//! 28 u32 CRC-32C of bytes 0..28          8 u32 bytes of the directory, 12 u32 pages
//!                                       16 u32 CRC-32C of the directory, 20 u32 0
//!                                       24 u32 CRC-32C of bytes 0..24 of the footer, 28 "PTFE"
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
use super::bytes::{Cursor, Malformed};
use super::columns::Entry;
use super::index::{self, Index};
use super::months::month_name;
use super::point::Point;
use super::rollup::Rollup;
use super::walk;

const MAGIC: &[u8; 8] = b"PANTAUPT";
const END: &[u8; 4] = b"PTFE";
const VERSION: u16 = 2;
const HEADER: usize = 32;
const FOOTER: usize = 32;

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
    pub(crate) const BLOCKS_AT: u64 = HEADER as u64;

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
        let (id, version) = Self::read_header(files, &file)?;
        match Self::read_index(files, &file, version, bytes) {
            Ok(index) => Ok((
                Self { id, bytes, path: path.to_owned(), index, walked: false, rollup: OnceLock::new() },
                None,
            )),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let end = Self::index_at(files, &file, bytes).unwrap_or(bytes);
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

    /// What the header says, and the version of the file.
    pub(crate) fn read_header<F: FileLayer>(files: &F, file: &F::File) -> io::Result<(FileId, u16)> {
        let mut header = [0; HEADER];
        files.read_at(file, &mut header, 0)?;
        parse_header(&header).map_err(malformed)
    }

    /// The index of a file of so many bytes.
    pub(crate) fn read_index<F: FileLayer>(
        files: &F,
        file: &F::File,
        version: u16,
        bytes: u64,
    ) -> io::Result<Index> {
        if bytes < (HEADER + FOOTER) as u64 {
            return Err(malformed(Malformed("the file is too short")));
        }
        let mut footer = [0; FOOTER];
        files.read_at(file, &mut footer, bytes - FOOTER as u64)?;
        let (offset, len, parts, crc) = parse_footer(&footer).map_err(malformed)?;
        if offset < HEADER as u64 || offset.checked_add(u64::from(len)) != Some(bytes - FOOTER as u64) {
            return Err(malformed(Malformed("the footer points elsewhere")));
        }
        let mut index = vec![0; len as usize];
        let read = files.read_at(file, &mut index, offset)?;
        if read != index.len() || crc32c::crc32c(&index) != crc {
            return Err(malformed(Malformed("the index's checksum is wrong")));
        }
        let index = match version {
            1 => index::decode_version_1(&index, parts as usize, HEADER as u64, offset),
            _ => Index::decode(&index, parts as usize, offset),
        };
        index.map_err(malformed)
    }

    /// Where the index or the directory begins and the blocks end, if the footer is sound.
    pub(crate) fn index_at<F: FileLayer>(files: &F, file: &F::File, bytes: u64) -> Option<u64> {
        let mut footer = [0; FOOTER];
        files.read_at(file, &mut footer, bytes.checked_sub(FOOTER as u64)?).ok()?;
        let (offset, len, ..) = parse_footer(&footer).ok()?;
        let whole = offset.checked_add(u64::from(len))?.checked_add(FOOTER as u64)? == bytes;
        (whole && offset >= Self::BLOCKS_AT).then_some(offset)
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

pub(crate) fn put_header(out: &mut Vec<u8>, id: FileId) {
    let start = out.len();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&id.class.to_le_bytes());
    out.extend_from_slice(&(id.month as i32).to_le_bytes());
    out.extend_from_slice(&id.seq.to_le_bytes());
    out.extend_from_slice(&id.generation.to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(&out[start..]).to_le_bytes());
}

fn parse_header(header: &[u8; HEADER]) -> Result<(FileId, u16), Malformed> {
    let mut cursor = Cursor::new(header);
    if cursor.take(8)? != MAGIC {
        return Err(Malformed("not a file of the store"));
    }
    let version = cursor.u16()?;
    if version == 0 || version > VERSION {
        return Err(Malformed("a file of another version"));
    }
    let class = cursor.u16()?;
    let (month, seq, generation) = (i64::from(cursor.i32()?), cursor.u64()?, cursor.u32()?);
    if cursor.u32()? != crc32c::crc32c(&header[..28]) {
        return Err(Malformed("the header's checksum is wrong"));
    }
    Ok((FileId { seq, generation, month, class }, version))
}

pub(crate) fn put_footer(out: &mut Vec<u8>, offset: u64, len: u32, pages: u32, crc: u32) {
    let start = out.len();
    out.extend_from_slice(&offset.to_le_bytes());
    for number in [len, pages, crc, 0] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&crc32c::crc32c(&out[start..]).to_le_bytes());
    out.extend_from_slice(END);
}

fn parse_footer(footer: &[u8; FOOTER]) -> Result<(u64, u32, u32, u32), Malformed> {
    let mut cursor = Cursor::new(footer);
    let found = (cursor.u64()?, cursor.u32()?, cursor.u32()?, cursor.u32()?);
    cursor.u32()?;
    if cursor.u32()? != crc32c::crc32c(&footer[..24]) || cursor.rest() != END {
        return Err(Malformed("the footer is damaged"));
    }
    Ok(found)
}

pub(crate) fn malformed(error: Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
