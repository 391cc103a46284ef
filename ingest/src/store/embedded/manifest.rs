//! The manifest: what counts. Replaced atomically at the end of every flush; whatever it does not name does not exist.
//! It carries what the journal segments that it frees had said: committed ranges and counters.
//!
//! ```text
//!  0 "PANTAUMF"   8 u32 version = 3 (1: without generations of files; 2: without classes and roll-ups)
//! 12 u64 generation   20 u64 next file's number   28 u64 journal position up to which files cover everything
//! 36 u64 bytes of series.log   44 u32 series   48 9 × u64 counters, in the order of `Counters`
//!    3 × u64 what retention dropped: files, bytes, readings
//!    classes (classes.rs)
//!    u32 n, n × (u64 number, u32 generation, i32 month, u16 class, u64 bytes, u64 bytes of its roll-up)     parts
//!        a part is a file of readings (0 bytes: dropped) and a file of roll-ups beside it (0 bytes: none)
//!    u32 n, n × (text gateway, u32 n, n × epoch)                                     gateways
//!        epoch: u64 epoch, u64 reported_next + 1 (0 = none), i64 last received, u32 n, n × (u64 start, u64 end)
//!    u32 CRC-32C of all before
//! ```

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use pantau_journal::FileLayer;
use pantau_proto::GatewayId;

use super::bytes::{self, Cursor, Malformed};
use super::classes::Classes;
use super::datafile::{DataFile, FileId, malformed};
use super::fs;
use super::record::parse_gateway;
use crate::store::types::{Counters, EpochState};

const MAGIC: &[u8; 8] = b"PANTAUMF";
const VERSION: u32 = 3;

/// Epochs by number, by gateway.
pub(crate) type Gateways = BTreeMap<GatewayId, BTreeMap<u64, EpochState>>;

/// A part that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileRef {
    pub(crate) id: FileId,
    /// Of its readings' file; 0: that was dropped.
    pub(crate) bytes: u64,
    /// Of its roll-ups' file; 0: there is none.
    pub(crate) rollup_bytes: u64,
}

impl FileRef {
    /// The names of its files in the data folder, with their bytes.
    pub(crate) fn names(&self) -> impl Iterator<Item = (String, u64)> + use<> {
        let files = [(self.id.name(), self.bytes), (self.id.rollup_name(), self.rollup_bytes)];
        files.into_iter().filter(|(_, bytes)| *bytes > 0)
    }
}

impl From<&DataFile> for FileRef {
    fn from(file: &DataFile) -> Self {
        let rollup_bytes = file.rollup.get().map_or(0, |rollup| rollup.bytes);
        Self { id: file.id, bytes: file.bytes, rollup_bytes }
    }
}

/// What retention has dropped since the store was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expired {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) readings: u64,
}

impl Expired {
    pub(crate) fn add(&mut self, more: &Self) {
        self.files += more.files;
        self.bytes += more.bytes;
        self.readings += more.readings;
    }
}

/// Everything that counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Manifest {
    pub(crate) generation: u64,
    pub(crate) next_file: u64,
    pub(crate) covered: u64,
    pub(crate) names_bytes: u64,
    pub(crate) series: u32,
    pub(crate) counters: Counters,
    pub(crate) expired: Expired,
    pub(crate) classes: Classes,
    /// From old to new.
    pub(crate) files: Vec<FileRef>,
    pub(crate) gateways: Gateways,
}

impl Manifest {
    /// Replaces the manifest in `dir`.
    pub(crate) fn store<F: FileLayer>(&self, files: &F, dir: &Path) -> io::Result<()> {
        fs::replace(files, &dir.join("MANIFEST"), &self.encode())
    }

    /// Reads the manifest of `dir`; `None` when there is none. `InvalidData` when it is damaged.
    pub(crate) fn load<F: FileLayer>(files: &F, dir: &Path) -> io::Result<Option<Self>> {
        match fs::read_all(files, &dir.join("MANIFEST")) {
            Ok(contents) => Self::decode(&contents).map(Some).map_err(malformed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        bytes::put_u64s(&mut out, [self.generation, self.next_file, self.covered, self.names_bytes]);
        out.extend_from_slice(&self.series.to_le_bytes());
        let c = &self.counters;
        bytes::put_u64s(
            &mut out,
            [c.commits, c.readings, c.stored, c.duplicates, c.replaced, c.refused, c.lost, c.late, c.skipped],
        );
        let Expired { files, bytes, readings } = self.expired;
        bytes::put_u64s(&mut out, [files, bytes, readings]);
        self.classes.encode(&mut out);
        bytes::put_len(&mut out, self.files.len());
        for file in &self.files {
            out.extend_from_slice(&file.id.seq.to_le_bytes());
            out.extend_from_slice(&file.id.generation.to_le_bytes());
            out.extend_from_slice(&(file.id.month as i32).to_le_bytes());
            out.extend_from_slice(&file.id.class.to_le_bytes());
            bytes::put_u64s(&mut out, [file.bytes, file.rollup_bytes]);
        }
        bytes::put_len(&mut out, self.gateways.len());
        for (gateway, epochs) in &self.gateways {
            bytes::put_text(&mut out, gateway.as_str());
            bytes::put_len(&mut out, epochs.len());
            for (epoch, state) in epochs {
                out.extend_from_slice(&epoch.to_le_bytes());
                out.extend_from_slice(
                    &state.reported_next.map_or(0, |next| next.saturating_add(1)).to_le_bytes(),
                );
                out.extend_from_slice(&state.last_received_ms.to_le_bytes());
                bytes::put_len(&mut out, state.ranges.len_ranges());
                for (start, end) in state.ranges.iter() {
                    bytes::put_u64s(&mut out, [start, end]);
                }
            }
        }
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    fn decode(contents: &[u8]) -> Result<Self, Malformed> {
        let (body, crc) = contents.split_last_chunk::<4>().ok_or(Malformed("the manifest is too short"))?;
        if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
            return Err(Malformed("the manifest's checksum is wrong"));
        }
        let mut cursor = Cursor::new(body);
        if cursor.take(8)? != MAGIC {
            return Err(Malformed("not a manifest"));
        }
        let version = cursor.u32()?;
        if version == 0 || version > VERSION {
            return Err(Malformed("a manifest of another version"));
        }
        let mut manifest = Self {
            generation: cursor.u64()?,
            next_file: cursor.u64()?,
            covered: cursor.u64()?,
            names_bytes: cursor.u64()?,
            series: cursor.u32()?,
            counters: Counters {
                commits: cursor.u64()?,
                readings: cursor.u64()?,
                stored: cursor.u64()?,
                duplicates: cursor.u64()?,
                replaced: cursor.u64()?,
                refused: cursor.u64()?,
                lost: cursor.u64()?,
                late: cursor.u64()?,
                skipped: cursor.u64()?,
            },
            ..Self::default()
        };
        if version >= 3 {
            manifest.expired =
                Expired { files: cursor.u64()?, bytes: cursor.u64()?, readings: cursor.u64()? };
            manifest.classes = Classes::decode(&mut cursor)?;
        }
        for _ in 0..cursor.count(20)? {
            let seq = cursor.u64()?;
            let generation = if version == 1 { 0 } else { cursor.u32()? };
            let month = i64::from(cursor.i32()?);
            let class = if version < 3 { 0 } else { cursor.u16()? };
            let id = FileId { seq, generation, month, class };
            let bytes = cursor.u64()?;
            let rollup_bytes = if version < 3 { 0 } else { cursor.u64()? };
            manifest.files.push(FileRef { id, bytes, rollup_bytes });
        }
        for _ in 0..cursor.count(6)? {
            let gateway = parse_gateway(cursor.text()?)?;
            let mut epochs = BTreeMap::new();
            for _ in 0..cursor.count(28)? {
                let epoch = cursor.u64()?;
                let mut state = EpochState {
                    reported_next: cursor.u64()?.checked_sub(1),
                    last_received_ms: cursor.i64()?,
                    ..EpochState::default()
                };
                for _ in 0..cursor.count(16)? {
                    state.ranges.insert(cursor.u64()?, cursor.u64()?);
                }
                epochs.insert(epoch, state);
            }
            manifest.gateways.insert(gateway, epochs);
        }
        if cursor.is_empty() { Ok(manifest) } else { Err(Malformed("bytes after the manifest's end")) }
    }
}
