//! A segment's name and header, as bytes. Pure: knows no files.
//!
//! A segment file is `<sequence, 12 digits>-<salt, 8 hex digits>.journal`. The salt is in the name so
//! that the records can still be read when the header is damaged.
//!
//! ```text
//! header   0  8  magic "PANTAUJL"          32  8  first position
//!          8  4  format, 1                 40  8  bytes of the segment before this one that count,
//!         12  4  salt                             all synced before this file got its name
//!         16  8  sequence                  48  4  repair number of the segment before this one
//!         24  4  repair number             52  8  zeros
//!         28  4  zeros                     60  4  CRC-32C of bytes 0 to 59, seeded with the salt
//! ```

use crate::frame::{u32_at, u64_at};

/// Newest format that this release reads and the one that it writes.
pub const FORMAT: u32 = 1;
pub(crate) const SEGMENT_MAGIC: &[u8; 8] = b"PANTAUJL";
/// Bytes of a segment's header.
pub(crate) const SEGMENT_HEADER: u64 = 64;
pub(crate) const SUFFIX: &str = ".journal";
/// Preallocated files that are no segment yet, and copies that did not get their name: swept at open.
pub(crate) const SPARE_SUFFIX: &str = ".spare";
/// Files set aside by recovery.
pub(crate) const DAMAGED_SUFFIX: &str = ".damaged";
pub(crate) const LOCK_NAME: &str = "lock";

/// What ties frames to their file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) sequence: u64,
    pub(crate) salt: u32,
}

impl Key {
    pub(crate) fn file_name(self) -> String {
        format!("{:012}-{:08x}{SUFFIX}", self.sequence, self.salt)
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (sequence, salt) = name.strip_suffix(SUFFIX)?.split_once('-')?;
        let key = Self { sequence: sequence.parse().ok()?, salt: u32::from_str_radix(salt, 16).ok()? };
        (key.file_name() == name).then_some(key)
    }
}

/// What a segment's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) first: u64,
    /// How often recovery has rewritten this segment: of two files with one sequence the higher counts.
    pub(crate) repair: u32,
    pub(crate) previous_bytes: u64,
    pub(crate) previous_repair: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    Sound(Header),
    Newer(u32),
    Damaged,
}

impl Header {
    pub(crate) fn encode(&self, key: Key) -> [u8; SEGMENT_HEADER as usize] {
        let mut bytes = [0; SEGMENT_HEADER as usize];
        bytes[0..8].copy_from_slice(SEGMENT_MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        bytes[12..16].copy_from_slice(&key.salt.to_le_bytes());
        bytes[16..24].copy_from_slice(&key.sequence.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.repair.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.first.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.previous_bytes.to_le_bytes());
        bytes[48..52].copy_from_slice(&self.previous_repair.to_le_bytes());
        let crc = crc32c::crc32c_append(key.salt, &bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8], key: Key) -> Decoded {
        let sound = bytes.len() >= SEGMENT_HEADER as usize
            && &bytes[..8] == SEGMENT_MAGIC
            && crc32c::crc32c_append(key.salt, &bytes[..60]) == u32_at(bytes, 60);
        if !sound {
            return Decoded::Damaged;
        }
        let format = u32_at(bytes, 8);
        if format > FORMAT {
            return Decoded::Newer(format);
        }
        if u32_at(bytes, 12) != key.salt || u64_at(bytes, 16) != key.sequence {
            return Decoded::Damaged;
        }
        Decoded::Sound(Self {
            first: u64_at(bytes, 32),
            repair: u32_at(bytes, 24),
            previous_bytes: u64_at(bytes, 40),
            previous_repair: u32_at(bytes, 48),
        })
    }
}
