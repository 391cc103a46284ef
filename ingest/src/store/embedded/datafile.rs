//! An immutable file of blocks of one UTC month, and its index.
//!
//! ```text
//! header, 32 bytes                      blocks (block.rs), by series, then time, one after the other
//!  0 "PANTAUPT"                         index (index.rs)
//!  8 u16 version = 1, u16 class         footer, 32 bytes, at the very end
//! 12 i32 month, 0 = January 1970         0 u64 offset of the index
//! 16 u64 sequence number                 8 u32 bytes of the index, 12 u32 blocks
//! 24 u32 generation                     16 u32 CRC-32C of the index, 20 u32 0
//! 28 u32 CRC-32C of bytes 0..28         24 u32 CRC-32C of bytes 0..24 of the footer, 28 "PTFE"
//! ```
//! What always holds: a file has its final name only when all of it is synced. A higher [`FileId`] is newer and wins on
//! equal identity. A file whose footer or index is damaged is read by walking its blocks; what of it cannot be read is
//! reported.

use std::io;
use std::path::{Path, PathBuf};

use pantau_journal::FileLayer;

use super::block::{self, MAX_POINTS, Scratch, Summary};
use super::bytes::{Cursor, Malformed};
use super::fs;
use super::index::{Entry, Index};
use super::months::month_name;
use super::point::Point;

const MAGIC: &[u8; 8] = b"PANTAUPT";
const END: &[u8; 4] = b"PTFE";
const VERSION: u16 = 1;
const HEADER: usize = 32;
const FOOTER: usize = 32;
const WRITE_BUFFER: usize = 256 << 10;
const SYNC_BYTES: u64 = 8 << 20;

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
    /// Its name in the data folder.
    pub(crate) fn name(&self) -> String {
        let Self { seq, generation, month, class } = self;
        let class = if *class == 0 { String::new() } else { format!("-c{class}") };
        let generation = if *generation == 0 { String::new() } else { format!("-{generation}") };
        format!("{}{class}-{seq:010}{generation}.pts", month_name(*month))
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
        Self { id, bytes: 0, path, index: Index::default(), walked: false }
    }

    /// Opens a file. When its index is damaged it is walked block by block, and that is told.
    pub(crate) fn open<F: FileLayer>(files: &F, path: &Path) -> io::Result<(Self, Option<Mended>)> {
        let file = files.open(path)?;
        let bytes = files.file_len(&file)?;
        match Self::read_index(files, &file, bytes) {
            Ok((id, index)) => Ok((Self { id, bytes, path: path.to_owned(), index, walked: false }, None)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let (id, index, lost) = Self::walk(&fs::read_all(files, path)?)?;
                let found = index.entries().len();
                let detail =
                    format!("{error}; {found} sound blocks found by walking the file, {lost} bytes given up");
                let file = Self { id, bytes, path: path.to_owned(), index, walked: true };
                Ok((file, Some(Mended { detail })))
            }
            Err(error) => Err(error),
        }
    }

    fn read_index<F: FileLayer>(files: &F, file: &F::File, bytes: u64) -> io::Result<(FileId, Index)> {
        if bytes < (HEADER + FOOTER) as u64 {
            return Err(malformed(Malformed("the file is too short")));
        }
        Ok((Self::read_header(files, file)?, Self::read_blocks(files, file, bytes)?))
    }

    /// What the header says.
    pub(crate) fn read_header<F: FileLayer>(files: &F, file: &F::File) -> io::Result<FileId> {
        let mut header = [0; HEADER];
        files.read_at(file, &mut header, 0)?;
        parse_header(&header).map_err(malformed)
    }

    /// The index of a file of so many bytes, whatever its header says.
    pub(crate) fn read_blocks<F: FileLayer>(files: &F, file: &F::File, bytes: u64) -> io::Result<Index> {
        if bytes < (HEADER + FOOTER) as u64 {
            return Err(malformed(Malformed("the file is too short")));
        }
        let mut footer = [0; FOOTER];
        files.read_at(file, &mut footer, bytes - FOOTER as u64)?;
        let (offset, len, blocks, crc) = parse_footer(&footer).map_err(malformed)?;
        if offset < HEADER as u64 || offset.checked_add(u64::from(len)) != Some(bytes - FOOTER as u64) {
            return Err(malformed(Malformed("the footer points elsewhere")));
        }
        let mut index = vec![0; len as usize];
        let read = files.read_at(file, &mut index, offset)?;
        if read != index.len() || crc32c::crc32c(&index) != crc {
            return Err(malformed(Malformed("the index's checksum is wrong")));
        }
        Index::decode(&index, blocks as usize, HEADER as u64, offset).map_err(malformed)
    }

    /// Where the index begins and the blocks end, if the footer is sound.
    pub(crate) fn index_at<F: FileLayer>(files: &F, file: &F::File, bytes: u64) -> Option<u64> {
        let mut footer = [0; FOOTER];
        files.read_at(file, &mut footer, bytes.checked_sub(FOOTER as u64)?).ok()?;
        let (offset, len, ..) = parse_footer(&footer).ok()?;
        let whole = offset.checked_add(u64::from(len))?.checked_add(FOOTER as u64)? == bytes;
        (whole && offset >= Self::BLOCKS_AT).then_some(offset)
    }

    /// Finds the sound blocks of a file without its index. Returns the bytes that were given up as well.
    fn walk(contents: &[u8]) -> io::Result<(FileId, Index, usize)> {
        let header = contents.first_chunk::<HEADER>().ok_or(malformed(Malformed("the file is too short")))?;
        let id = parse_header(header).map_err(malformed)?;
        let mut entries = Vec::new();
        let mut at = HEADER;
        let mut lost = 0;
        while at < contents.len() {
            let rest = &contents[at..];
            let Some(len) = block::claimed_len(rest).filter(|len| *len <= rest.len()) else { break };
            match block::decode(&rest[..len]) {
                Ok((series, points)) => {
                    if let Some(summary) = Summary::of(series, &points) {
                        entries.push(Entry { summary, offset: at as u64, len: len as u32 });
                    }
                }
                Err(_) => lost += len,
            }
            at += len;
        }
        lost += contents.len().saturating_sub(at);
        Ok((id, Index::new(entries), lost))
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
    let mut bytes = vec![0; entry.len as usize];
    let read = files.read_at(file, &mut bytes, entry.offset)?;
    if read == bytes.len() {
        Ok(bytes)
    } else {
        Err(malformed(Malformed("the file ends before a block's end")))
    }
}

/// Writes one file. Nothing counts before [`FileWriter::finish`].
pub(crate) struct FileWriter<F: FileLayer> {
    files: F,
    file: F::File,
    id: FileId,
    path: PathBuf,
    buffer: Vec<u8>,
    written: u64,
    synced: u64,
    entries: Vec<Entry>,
}

impl<F: FileLayer> FileWriter<F> {
    pub(crate) fn create(files: &F, dir: &Path, id: FileId) -> io::Result<Self> {
        let path = dir.join(id.name());
        let file = fs::create_anew(files, &fs::temporary(&path))?;
        let mut buffer = Vec::with_capacity(WRITE_BUFFER / 4);
        put_header(&mut buffer, id);
        Ok(Self { files: files.clone(), file, id, path, buffer, written: 0, synced: 0, entries: Vec::new() })
    }

    /// Adds points of a series, in the order of time, each time once. Series must come in the order of their numbers.
    pub(crate) fn add(&mut self, series: u32, points: &[Point], scratch: &mut Scratch) -> io::Result<()> {
        let blocks = points.len().div_ceil(MAX_POINTS).max(1);
        for chunk in points.chunks(points.len().div_ceil(blocks).max(1)) {
            let Some(summary) = Summary::of(series, chunk) else { continue };
            let offset = self.written + self.buffer.len() as u64;
            let len = block::encode(series, chunk, scratch, &mut self.buffer);
            self.entries.push(Entry { summary, offset, len: len as u32 });
            self.write_some()?;
        }
        Ok(())
    }

    /// Adds a block of another file as it is; its place is as that of points.
    pub(crate) fn add_raw(&mut self, summary: Summary, block: &[u8]) -> io::Result<()> {
        let offset = self.written + self.buffer.len() as u64;
        self.entries.push(Entry { summary, offset, len: block.len() as u32 });
        self.buffer.extend_from_slice(block);
        self.write_some()
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

    /// Index, footer, fsync, rename. The caller syncs the folder before it relies on the name.
    pub(crate) fn finish(mut self) -> io::Result<DataFile> {
        let offset = self.written + self.buffer.len() as u64;
        let index = Index::new(std::mem::take(&mut self.entries));
        let start = self.buffer.len();
        index.encode(&mut self.buffer);
        let encoded = &self.buffer[start..];
        let (len, crc) = (encoded.len() as u32, crc32c::crc32c(encoded));
        put_footer(&mut self.buffer, offset, len, index.entries().len() as u32, crc);
        self.write_out()?;
        self.files.sync_data(&self.file)?;
        self.files.rename(&fs::temporary(&self.path), &self.path)?;
        Ok(DataFile { id: self.id, bytes: self.written, path: self.path, index, walked: false })
    }
}

fn put_header(out: &mut Vec<u8>, id: FileId) {
    let start = out.len();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&id.class.to_le_bytes());
    out.extend_from_slice(&(id.month as i32).to_le_bytes());
    out.extend_from_slice(&id.seq.to_le_bytes());
    out.extend_from_slice(&id.generation.to_le_bytes());
    out.extend_from_slice(&crc32c::crc32c(&out[start..]).to_le_bytes());
}

fn parse_header(header: &[u8; HEADER]) -> Result<FileId, Malformed> {
    let mut cursor = Cursor::new(header);
    if cursor.take(8)? != MAGIC {
        return Err(Malformed("not a file of the store"));
    }
    if cursor.u16()? != VERSION {
        return Err(Malformed("a file of another version"));
    }
    let class = cursor.u16()?;
    let (month, seq, generation) = (i64::from(cursor.i32()?), cursor.u64()?, cursor.u32()?);
    if cursor.u32()? != crc32c::crc32c(&header[..28]) {
        return Err(Malformed("the header's checksum is wrong"));
    }
    Ok(FileId { seq, generation, month, class })
}

fn put_footer(out: &mut Vec<u8>, offset: u64, len: u32, blocks: u32, crc: u32) {
    let start = out.len();
    out.extend_from_slice(&offset.to_le_bytes());
    for number in [len, blocks, crc, 0] {
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
