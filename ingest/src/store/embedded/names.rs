//! The series log, `series.log`: which number is which name. Append-only; the manifest says how many bytes of it count,
//! so that a torn end is of no importance. New series are durable in the journal first and come here with the flush.
//!
//! ```text
//! 0 "PANTAUSL"  8 u32 version = 1  12 u32 0
//! records: u32 CRC-32C of what follows, u32 bytes of the rest, u32 id, text name, text gateway
//! ```
//! A damaged record costs its own name only; ids without a name keep their readings but are not listed.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use pantau_journal::FileLayer;

use super::bytes::Cursor;
use super::fs;
use super::record::{get_series, put_series};
use crate::store::types::NewSeries;

/// A record has a number and two texts with 16-bit lengths.
const MOST_RECORD: usize = 4 + 2 * (2 + 65_535);
/// Names that are written at once.
const NAMES: u32 = 4_096;
/// Read at once.
const WINDOW: u64 = 512 << 10;
const HEADER: [u8; 16] = *b"PANTAUSL\x01\0\0\0\0\0\0\0";

/// Where the log is written on.
#[derive(Debug)]
pub(crate) struct NameLog {
    path: PathBuf,
    /// Bytes that count.
    pub(crate) bytes: u64,
    /// Series in those bytes.
    pub(crate) series: u32,
}

impl NameLog {
    /// Reads the first `bytes` bytes (as the manifest says; `None`: all there are) and hands out the names. The damage.
    pub(crate) fn open<F: FileLayer>(
        files: &F,
        dir: &Path,
        counted: Option<(u64, u32)>,
        each: &mut dyn FnMut(NewSeries),
    ) -> io::Result<(Self, Vec<String>)> {
        let path = dir.join("series.log");
        let file = match files.open(&path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let there = file.as_ref().map_or(Ok(0), |file| files.file_len(file))?;
        let mut damage = Vec::new();
        let (bytes, mut series) = counted.unwrap_or((there, 0));
        if there < bytes {
            damage.push(format!("series.log has {there} bytes instead of {bytes}"));
        }
        if let Some(file) = &file {
            let read = |buffer: &mut [u8], at: u64| files.read_at(file, buffer, at);
            walk(bytes.min(there), read, &mut |at, found| match found {
                Ok(found) => {
                    series = series.max(found.id.0.saturating_add(1));
                    each(found);
                }
                Err(what) => damage.push(format!("series.log: {what} (byte {at})")),
            })?;
        }
        Ok((Self { path, bytes, series }, damage))
    }

    /// Adds the names up to number `series` durably, [`NAMES`] at a time; `slice` has those of a range that are known.
    /// What was written beyond `bytes` before (by a flush that failed later) is overwritten. A log that went missing is made
    /// anew of all names that are known: without it no new one could ever be written.
    pub(crate) fn append<F: FileLayer>(
        &self,
        files: &F,
        series: u32,
        slice: impl Fn(Range<u32>) -> Vec<NewSeries>,
    ) -> io::Result<u64> {
        let begun = self.bytes >= HEADER.len() as u64;
        if begun && self.series >= series {
            return Ok(self.bytes);
        }
        let there = match files.open(&self.path) {
            Ok(file) if begun => Some(file),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => None,
        };
        let fresh = there.is_none();
        let (file, mut at, from) = match there {
            Some(file) => (file, self.bytes, self.series),
            None => {
                let file = fs::create_anew(files, &self.path)?;
                files.write_at(&file, &HEADER, 0)?;
                (file, HEADER.len() as u64, 0)
            }
        };
        let mut out = Vec::new();
        for first in (from..series).step_by(NAMES as usize) {
            let piece = slice(first..first.saturating_add(NAMES).min(series));
            piece.iter().for_each(|name| put(name, &mut out));
            files.write_at(&file, &out, at)?;
            at += out.len() as u64;
            out.clear();
        }
        files.sync_data(&file)?;
        if fresh {
            files.sync_dir(self.path.parent().unwrap_or(Path::new(".")))?;
        }
        Ok(at)
    }
}

fn put(name: &NewSeries, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    put_series(out, name);
    let len = (out.len() - start - 8) as u32;
    out[start + 4..start + 8].copy_from_slice(&len.to_le_bytes());
    let crc = crc32c::crc32c(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

/// What can be wrong with the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    #[error("the header is damaged")]
    Header,
    #[error("a name is damaged, or some in a row")]
    Record,
    #[error("no name can be read from here to the end")]
    Rest,
}

/// Goes through the first `bytes` bytes of a log, and tells what stands where. Behind a damaged record, whose length is not
/// to be trusted either, it goes on with the next sound one. Little is in memory at a time.
pub(crate) fn walk(
    bytes: u64,
    read: impl FnMut(&mut [u8], u64) -> io::Result<usize>,
    each: &mut dyn FnMut(u64, Result<NewSeries, Damage>),
) -> io::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    let mut window = Window { read, end: bytes, start: 0, buffer: Vec::new() };
    if !window.view(0)?.starts_with(&HEADER) {
        each(0, Err(Damage::Header));
    }
    let mut at = HEADER.len() as u64;
    while at < bytes {
        if let Some((series, len)) = sound(window.view(at)?) {
            each(at, Ok(series));
            at += len;
            continue;
        }
        let from = at;
        loop {
            at += 1;
            if at >= bytes {
                each(from, Err(Damage::Rest));
                break;
            }
            if sound(window.view(at)?).is_some() {
                each(from, Err(Damage::Record));
                break;
            }
        }
    }
    Ok(())
}

/// The record at the start of `bytes`, if it is sound, and its length.
fn sound(bytes: &[u8]) -> Option<(NewSeries, u64)> {
    let mut cursor = Cursor::new(bytes);
    let crc = cursor.u32().ok()?;
    let behind = cursor.rest();
    let record = cursor.blob().ok()?;
    if record.len() > MOST_RECORD || crc32c::crc32c(behind.get(..4 + record.len())?) != crc {
        return None;
    }
    Some((get_series(&mut Cursor::new(record)).ok()?, 8 + record.len() as u64))
}

/// A piece of a log in memory.
struct Window<R> {
    read: R,
    end: u64,
    start: u64,
    buffer: Vec<u8>,
}

impl<R: FnMut(&mut [u8], u64) -> io::Result<usize>> Window<R> {
    /// What stands from `at` on: a whole record at least, unless the log ends before.
    fn view(&mut self, at: u64) -> io::Result<&[u8]> {
        let left = self.end.saturating_sub(at);
        let want = left.min(8 + MOST_RECORD as u64);
        if at < self.start || at + want > self.start + self.buffer.len() as u64 {
            let len = usize::try_from(left.min(WINDOW)).unwrap_or(0);
            self.buffer.resize(len, 0);
            let read = (self.read)(&mut self.buffer, at)?;
            self.buffer.truncate(read);
            self.start = at;
        }
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        Ok(self.buffer.get(from..).unwrap_or_default())
    }
}
