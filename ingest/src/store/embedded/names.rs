//! The series log, `series.log`: which number is which name. Append-only; the manifest says how many bytes of it count,
//! so that a torn end is of no importance. New series are durable in the journal first and come here with the flush.
//!
//! ```text
//! 0 "PANTAUSL"  8 u32 version = 1  12 u32 0
//! records: u32 CRC-32C of what follows, u32 bytes of the rest, u32 id, text name, text gateway
//! ```
//! A damaged record costs its own name only; ids without a name keep their readings but are not listed.

use std::io;
use std::path::{Path, PathBuf};

use pantau_journal::FileLayer;

use super::bytes::Cursor;
use super::fs;
use super::record::{get_series, put_series};
use crate::store::types::NewSeries;

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
    /// Reads the first `bytes` bytes (as the manifest says; `None`: all there are). The names found and the damage.
    pub(crate) fn open<F: FileLayer>(
        files: &F,
        dir: &Path,
        counted: Option<(u64, u32)>,
    ) -> io::Result<(Self, Vec<NewSeries>, Vec<String>)> {
        let path = dir.join("series.log");
        let mut contents = match fs::read_all(files, &path) {
            Ok(contents) => contents,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut damage = Vec::new();
        let (bytes, series) = counted.unwrap_or((contents.len() as u64, 0));
        if (contents.len() as u64) < bytes {
            damage.push(format!("series.log has {} bytes instead of {bytes}", contents.len()));
        }
        contents.truncate(usize::try_from(bytes).unwrap_or(usize::MAX));
        let names = parse(&contents, &mut damage);
        let series = names.iter().map(|name: &NewSeries| name.id.0 + 1).max().unwrap_or(0).max(series);
        Ok((Self { path, bytes, series }, names, damage))
    }

    /// Adds names durably. What was written beyond `bytes` before (by a flush that failed later) is overwritten.
    pub(crate) fn append<F: FileLayer>(&self, files: &F, names: &[NewSeries]) -> io::Result<u64> {
        let mut out = Vec::new();
        let fresh = self.bytes < HEADER.len() as u64;
        if fresh {
            out.extend_from_slice(&HEADER);
        } else if names.is_empty() {
            return Ok(self.bytes);
        }
        for name in names {
            let start = out.len();
            out.extend_from_slice(&[0; 8]);
            put_series(&mut out, name);
            let len = (out.len() - start - 8) as u32;
            out[start + 4..start + 8].copy_from_slice(&len.to_le_bytes());
            let crc = crc32c::crc32c(&out[start + 4..]);
            out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
        }
        let (file, at) = if fresh {
            (fs::create_anew(files, &self.path)?, 0)
        } else {
            (files.open(&self.path)?, self.bytes)
        };
        files.write_at(&file, &out, at)?;
        files.sync_data(&file)?;
        if fresh {
            files.sync_dir(self.path.parent().unwrap_or(Path::new(".")))?;
        }
        Ok(at + out.len() as u64)
    }
}

fn parse(contents: &[u8], damage: &mut Vec<String>) -> Vec<NewSeries> {
    let mut names = Vec::new();
    if contents.is_empty() {
        return names;
    }
    let mut cursor = Cursor::new(contents);
    if cursor.take(HEADER.len()) != Ok(&HEADER) {
        damage.push("series.log: the header is damaged".to_owned());
    }
    while !cursor.is_empty() {
        let at = contents.len() - cursor.rest().len();
        let Ok(crc) = cursor.u32() else {
            damage.push(format!("series.log ends early at byte {at}"));
            break;
        };
        let body = cursor.rest();
        let Ok(record) = cursor.blob() else {
            damage.push(format!("series.log is damaged from byte {at} on"));
            break;
        };
        let sound = crc32c::crc32c(&body[..record.len() + 4]) == crc;
        match get_series(&mut Cursor::new(record)) {
            Ok(series) if sound => names.push(series),
            _ => damage.push(format!("series.log: the name at byte {at} is damaged")),
        }
    }
    names
}
