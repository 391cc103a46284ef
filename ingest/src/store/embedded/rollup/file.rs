//! A roll-up's file, `NAME.rol`.
//!
//! ```text
//! header (frame.rs): "PANTAURL", version 1
//! packs (pack.rs), one after the other
//! directory, of the packs in the order of the file: 4 columns, each u8 encoding, u32 bytes, bytes (codec/)
//!   what it holds (0 hours, 1 days, 2 extents), first series, last series, bytes
//! footer (frame.rs): with as many entries as packs; "RLFE"
//! ```
//! In memory is where the packs lie. A file whose directory is damaged is walked pack by pack, as a data file is.

use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pantau_journal::FileLayer;

use super::super::bytes::{Cursor, Malformed};
use super::super::codec;
use super::super::columns::put_column;
use super::super::datafile::{FileId, malformed};
use super::super::frame::Frame;
use super::super::fs::{self, Sink};
use super::cache::Cache;
use super::fill::{Filling, put_extents};
use super::pack::{self, Extent, Holds, Pack, ROWS, Wanted};
use super::row::{Extra, Row};
use crate::store::types::Level;

const FRAME: Frame = Frame { magic: *b"PANTAURL", version: 1, end: *b"RLFE" };

/// Where a pack lies and which series it has rows of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PackRef {
    holds: Holds,
    pub(crate) first: u32,
    pub(crate) last: u32,
    pub(crate) offset: u64,
    pub(crate) len: u32,
}

/// A roll-up that can be read.
#[derive(Debug)]
pub(crate) struct Rollup {
    pub(crate) id: FileId,
    pub(crate) bytes: u64,
    pub(crate) path: PathBuf,
    /// In the order of what they hold, then series.
    packs: Vec<PackRef>,
}

impl Rollup {
    /// Where the packs begin.
    pub(crate) const PACKS_AT: u64 = Frame::START;

    /// Opens a file; what was wrong with one that was opened all the same comes with it.
    pub(crate) fn open<F: FileLayer>(files: &F, path: &Path) -> io::Result<(Self, Option<String>)> {
        let file = files.open(path)?;
        let bytes = files.file_len(&file)?;
        let (id, _) = FRAME.read_header(files, &file)?;
        match Self::read_directory(files, &file, bytes) {
            Ok(packs) => Ok((Self::new(id, bytes, path.to_owned(), packs), None)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                let (packs, lost) = walk(&fs::read_all(files, path)?);
                let mended = format!(
                    "{error}; {} sound packs found by walking the file, {lost} bytes given up",
                    packs.len()
                );
                Ok((Self::new(id, bytes, path.to_owned(), packs), Some(mended)))
            }
            Err(error) => Err(error),
        }
    }

    fn new(id: FileId, bytes: u64, path: PathBuf, mut packs: Vec<PackRef>) -> Self {
        packs.sort_by_key(|pack| (pack.holds, pack.first));
        Self { id, bytes, path, packs }
    }

    fn read_directory<F: FileLayer>(files: &F, file: &F::File, bytes: u64) -> io::Result<Vec<PackRef>> {
        let (offset, count, directory) = FRAME.read_tail(files, file, bytes)?;
        parse_directory(&directory, count, Frame::START, offset).map_err(malformed)
    }

    /// The pack with the rows of a series, if it has any.
    pub(crate) fn read<F: FileLayer>(
        &self,
        files: &F,
        cache: &Cache,
        (level, series): (Level, u32),
        wanted: Wanted,
    ) -> io::Result<Option<Arc<Pack>>> {
        let holds = Holds::Rows(level);
        let end = self.packs.partition_point(|pack| (pack.holds, pack.first) <= (holds, series));
        let Some(found) = end.checked_sub(1).map(|at| self.packs[at]) else { return Ok(None) };
        if found.holds != holds || found.last < series {
            return Ok(None);
        }
        cache
            .get((self.id, found.offset, wanted), || {
                let bytes = self.read_bytes(files, &files.open(&self.path)?, &found)?;
                let (head, columns) = pack::open(&bytes).map_err(malformed)?;
                if head.holds != holds {
                    return Err(malformed(Malformed("a pack is not the one in the directory")));
                }
                columns.rows(head, wanted).map_err(malformed)
            })
            .map(Some)
    }

    /// Whether it stands for readings that were dropped, or are about to be: only then it says what is known of each
    /// series.
    pub(crate) fn is_full(&self) -> bool {
        self.packs.iter().any(|pack| pack.holds == Holds::Extents)
    }

    /// What is known of some series of a full roll-up. A pack that cannot be read is left out, and told.
    pub(crate) fn extents<F: FileLayer>(
        &self,
        files: &F,
        series: &RangeInclusive<u32>,
        each: &mut dyn FnMut(Extent),
    ) -> io::Result<Vec<String>> {
        let file = files.open(&self.path)?;
        let mut damage = Vec::new();
        let wanted = |pack: &&PackRef| {
            pack.holds == Holds::Extents && pack.first <= *series.end() && pack.last >= *series.start()
        };
        for found in self.packs.iter().filter(wanted) {
            let read = self.read_bytes(files, &file, found).and_then(|bytes| {
                let (head, columns) = pack::open(&bytes).map_err(malformed)?;
                columns.extents(head).map_err(malformed)
            });
            match read {
                Ok(extents) => {
                    extents.into_iter().filter(|extent| series.contains(&extent.series)).for_each(&mut *each);
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    damage.push(format!("{error} (series {} to {})", found.first, found.last));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(damage)
    }

    /// Reads everything, and tells of each damaged pack what is wrong with it.
    pub(crate) fn check<F: FileLayer>(
        &self,
        files: &F,
        wrong: &mut dyn FnMut(&PackRef, io::Error),
    ) -> io::Result<()> {
        let file = files.open(&self.path)?;
        for found in &self.packs {
            let read =
                self.read_bytes(files, &file, found).and_then(|bytes| whole(&bytes).map_err(malformed));
            match read {
                Ok(claimed) if claimed == (found.holds, found.first, found.last) => {}
                Ok(_) => wrong(found, malformed(Malformed("the pack is not the one in the directory"))),
                Err(error) => wrong(found, error),
            }
        }
        Ok(())
    }

    fn read_bytes<F: FileLayer>(&self, files: &F, file: &F::File, found: &PackRef) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; found.len as usize];
        if files.read_at(file, &mut bytes, found.offset)? == bytes.len() {
            Ok(bytes)
        } else {
            Err(malformed(Malformed("the file ends before a pack's end")))
        }
    }
}

/// What a pack holds, and its first and last series; all of it is decoded.
fn whole(bytes: &[u8]) -> Result<(Holds, u32, u32), Malformed> {
    let (head, columns) = pack::open(bytes)?;
    let series: Vec<u32> = match head.holds {
        Holds::Rows(_) => columns.rows(head, Wanted::ALL)?.series().collect(),
        Holds::Extents => columns.extents(head)?.iter().map(|extent| extent.series).collect(),
    };
    match (series.first(), series.last()) {
        (Some(first), Some(last)) => Ok((head.holds, *first, *last)),
        _ => Err(Malformed("a pack without series")),
    }
}

/// Finds the sound packs of a file without its directory, and the bytes given up.
fn walk(contents: &[u8]) -> (Vec<PackRef>, usize) {
    let (mut packs, mut lost) = (Vec::new(), 0);
    let mut at = Frame::START as usize;
    while let Some(rest) = contents.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(len) = pack::claimed_len(rest).filter(|len| *len <= rest.len()) else { break };
        match whole(&rest[..len]) {
            Ok((holds, first, last)) => {
                packs.push(PackRef { holds, first, last, offset: at as u64, len: len as u32 });
            }
            Err(_) => lost += len,
        }
        at += len;
    }
    (packs, lost + contents.len().saturating_sub(at))
}

fn parse_directory(encoded: &[u8], count: usize, start: u64, end: u64) -> Result<Vec<PackRef>, Malformed> {
    // The least that a pack takes bounds what may be allocated for a count that is not to be trusted.
    if count as u64 > end.saturating_sub(start) / 16 {
        return Err(Malformed("more packs than the file can hold"));
    }
    let mut cursor = Cursor::new(encoded);
    let mut ints = || {
        let encoding = cursor.u8()?;
        codec::get_ints(encoding, cursor.blob()?, count)
    };
    let (holds, firsts, lasts, lens) = (ints()?, ints()?, ints()?, ints()?);
    let narrow =
        |number: i64| u32::try_from(number).map_err(|_| Malformed("a number in the directory is too large"));
    let mut offset = start;
    let mut packs = Vec::with_capacity(count);
    for at in 0..count {
        let number = u8::try_from(holds[at]).map_err(|_| Malformed("a pack of an unknown kind"))?;
        let holds = Holds::from_number(number)?;
        let (first, last, len) = (narrow(firsts[at])?, narrow(lasts[at])?, narrow(lens[at])?);
        packs.push(PackRef { holds, first, last, offset, len });
        offset += u64::from(len);
    }
    if offset == end { Ok(packs) } else { Err(Malformed("the directory does not cover the file")) }
}

/// Writes one roll-up. Nothing counts before [`Writer::finish`].
pub(super) struct Writer<F: FileLayer> {
    sink: Sink<F>,
    id: FileId,
    /// Packs being filled: hours, days.
    filling: [(Level, Filling); 2],
    extents: Vec<Extent>,
    /// In the order of the file.
    packs: Vec<PackRef>,
}

impl<F: FileLayer> Writer<F> {
    pub(super) fn create(files: &F, dir: &Path, id: FileId) -> io::Result<Self> {
        let mut sink = Sink::create(files, dir.join(id.rollup_name()))?;
        FRAME.put_header(&mut sink.buffer, id);
        let filling = [Level::Hour, Level::Day].map(|level| (level, Filling::default()));
        Ok(Self { sink, id, filling, extents: Vec::new(), packs: Vec::new() })
    }

    /// Adds the rows of a series; series must come in the order of their numbers.
    pub(super) fn add(&mut self, level: Level, series: u32, extra: Extra, rows: &[Row]) -> io::Result<()> {
        let Some((_, filling)) = self.filling.iter_mut().find(|(of, _)| *of == level) else { return Ok(()) };
        if rows.is_empty() {
            return Ok(());
        }
        filling.add(series, extra, rows);
        if filling.is_full() { self.put(level) } else { Ok(()) }
    }

    /// Adds what is known of a series; in their order as well.
    pub(super) fn add_extent(&mut self, extent: Extent) -> io::Result<()> {
        self.extents.push(extent);
        if self.extents.len() >= ROWS { self.put_extents() } else { Ok(()) }
    }

    /// Bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        self.sink.bytes()
    }

    fn put(&mut self, level: Level) -> io::Result<()> {
        let Some((_, filling)) = self.filling.iter_mut().find(|(of, _)| *of == level) else { return Ok(()) };
        let Some(series) = filling.series() else { return Ok(()) };
        let offset = self.sink.bytes();
        filling.put(level, &mut self.sink.buffer);
        self.note(Holds::Rows(level), series, offset)
    }

    fn put_extents(&mut self) -> io::Result<()> {
        let (Some(first), Some(last)) = (self.extents.first(), self.extents.last()) else { return Ok(()) };
        let series = (first.series, last.series);
        let offset = self.sink.bytes();
        put_extents(&self.extents, &mut self.sink.buffer);
        self.extents.clear();
        self.note(Holds::Extents, series, offset)
    }

    fn note(&mut self, holds: Holds, (first, last): (u32, u32), offset: u64) -> io::Result<()> {
        let len = (self.sink.bytes() - offset) as u32;
        self.packs.push(PackRef { holds, first, last, offset, len });
        self.sink.write_some()
    }

    /// Directory, footer, fsync, rename. The caller syncs the folder before it relies on the name.
    pub(super) fn finish(mut self) -> io::Result<Rollup> {
        self.put(Level::Hour)?;
        self.put(Level::Day)?;
        self.put_extents()?;
        let mut directory = Vec::new();
        let mut ints = |of: &dyn Fn(&PackRef) -> i64| {
            let numbers: Vec<i64> = self.packs.iter().map(of).collect();
            put_column(&mut directory, |out| codec::put_ints(out, &numbers));
        };
        ints(&|pack| i64::from(pack.holds.number()));
        ints(&|pack| i64::from(pack.first));
        ints(&|pack| i64::from(pack.last));
        ints(&|pack| i64::from(pack.len));
        let offset = self.sink.bytes();
        FRAME.put_tail(&mut self.sink.buffer, offset, self.packs.len(), &directory);
        let (path, bytes) = self.sink.finish()?;
        Ok(Rollup::new(self.id, bytes, path, self.packs))
    }

    /// Ends without a file.
    pub(super) fn abandon(self) {
        self.sink.abandon();
    }
}
