//! How a commit lies in a segment, as bytes. Pure: knows no files.
//!
//! ```text
//! frame    0  4  magic "PJF1"                      record   0  4  length of the payload
//!          4  4  bytes after this header                    4  4  count of positions
//!          8  8  offset of this frame in its segment        8  4  CRC of position, length, count
//!         16  8  position of the first record              12  4  CRC of the above and the payload
//!         24  8  position after the last record            16  …  payload, zeros up to a multiple of 8
//!         32  8  sequence of the segment
//!         40  4  number of records                  All little-endian, CRC-32C seeded with the
//!         44  4  CRC of bytes 0 to 43               segment's salt.
//! ```
//!
//! A frame is written only after everything before its offset in the segment was synced. So the
//! offset that it carries is the proof: a frame that can be read means that all bytes before it were
//! on disk, and what cannot be read there was damaged later. Offset, sequence and salt tie a frame
//! to its place: bytes inside a payload are never taken for one.

use crate::segment::Key;

pub(crate) const FRAME_MAGIC: u32 = u32::from_le_bytes(*b"PJF1");
/// Bytes of a frame's header.
pub(crate) const FRAME_HEADER: usize = 48;
/// Bytes of a record's header.
pub(crate) const RECORD_HEADER: usize = 16;

/// Bytes that a record takes in a frame.
pub(crate) fn record_bytes(payload: usize) -> usize {
    (RECORD_HEADER + payload).next_multiple_of(8)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// What a frame's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) body: u32,
    pub(crate) offset: u64,
    pub(crate) first: u64,
    pub(crate) end: u64,
    pub(crate) records: u32,
}

impl FrameHeader {
    pub(crate) fn encode(&self, key: Key) -> [u8; FRAME_HEADER] {
        let mut bytes = [0; FRAME_HEADER];
        bytes[0..4].copy_from_slice(&FRAME_MAGIC.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.body.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.offset.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.first.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.end.to_le_bytes());
        bytes[32..40].copy_from_slice(&key.sequence.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.records.to_le_bytes());
        let crc = crc32c::crc32c_append(key.salt, &bytes[..44]);
        bytes[44..48].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header at `offset`, if there is a sound one that belongs exactly there.
    pub(crate) fn decode(bytes: &[u8], key: Key, offset: u64) -> Option<Self> {
        if bytes.len() < FRAME_HEADER || u32_at(bytes, 0) != FRAME_MAGIC {
            return None;
        }
        let header = Self {
            body: u32_at(bytes, 4),
            offset: u64_at(bytes, 8),
            first: u64_at(bytes, 16),
            end: u64_at(bytes, 24),
            records: u32_at(bytes, 40),
        };
        let sound = crc32c::crc32c_append(key.salt, &bytes[..44]) == u32_at(bytes, 44)
            && header.offset == offset
            && u64_at(bytes, 32) == key.sequence
            && header.first <= header.end
            && header.body.is_multiple_of(8);
        sound.then_some(header)
    }

    /// Offset after the frame.
    pub(crate) fn end_offset(&self) -> u64 {
        self.offset + FRAME_HEADER as u64 + u64::from(self.body)
    }
}

/// Appends a record to a frame's body, without its CRCs: those are `seal`'s work, off the caller's thread.
pub(crate) fn push_record(body: &mut Vec<u8>, count: u32, payload: &[u8]) {
    let padded = record_bytes(payload.len());
    body.reserve(padded);
    body.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    body.extend_from_slice(&count.to_le_bytes());
    body.extend_from_slice(&[0; 8]);
    body.extend_from_slice(payload);
    body.resize(body.len() + padded - RECORD_HEADER - payload.len(), 0);
}

fn head_crc(salt: u32, position: u64, head: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(salt, &position.to_le_bytes()), &head[..8])
}

/// Fills in the header and all CRCs of a frame that `push_record` built behind `FRAME_HEADER` free bytes.
pub(crate) fn seal(frame: &mut [u8], key: Key, offset: u64, first: u64, end: u64, records: u32) {
    let body = u32::try_from(frame.len() - FRAME_HEADER).unwrap_or(u32::MAX);
    let header = FrameHeader { body, offset, first, end, records };
    frame[..FRAME_HEADER].copy_from_slice(&header.encode(key));
    let mut position = first;
    let mut at = FRAME_HEADER;
    while at + RECORD_HEADER <= frame.len() {
        let payload = u32_at(frame, at) as usize;
        let count = u32_at(frame, at + 4);
        let head = head_crc(key.salt, position, &frame[at..at + 8]);
        let start = at + RECORD_HEADER;
        let whole = crc32c::crc32c_append(head, &frame[start..start + payload]);
        frame[at + 8..at + 12].copy_from_slice(&head.to_le_bytes());
        frame[at + 12..at + 16].copy_from_slice(&whole.to_le_bytes());
        position += u64::from(count);
        at += record_bytes(payload);
    }
}

/// One record of a frame that was read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    /// Sound.
    Record { first: u64, count: u32, payload: &'a [u8] },
    /// Lost, and known how much: the next one can be read.
    Lost { first: u64, end: u64 },
}

/// Goes through the records of one frame's body. Ends early, with a last `Lost`, where a record's length cannot be trusted.
#[derive(Clone, Debug)]
pub(crate) struct Entries {
    salt: u32,
    at: usize,
    position: u64,
    end: u64,
    left: u32,
}

impl Entries {
    pub(crate) fn new(key: Key, header: &FrameHeader) -> Self {
        Self { salt: key.salt, at: 0, position: header.first, end: header.end, left: header.records }
    }

    /// Where the next record starts in the body.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The next record of `body`, which must be the same at every call.
    pub(crate) fn next<'a>(&mut self, body: &'a [u8]) -> Option<Entry<'a>> {
        if self.left == 0 {
            return None;
        }
        let first = self.position;
        let head = body.get(self.at..self.at + RECORD_HEADER);
        let sound = head.filter(|h| head_crc(self.salt, first, h) == u32_at(h, 8));
        let payload = sound.and_then(|h| {
            let start = self.at + RECORD_HEADER;
            body.get(start..start + u32_at(h, 0) as usize)
                .map(|p| (u32_at(h, 4), u32_at(h, 8), u32_at(h, 12), p))
        });
        let Some((count, head, whole, payload)) = payload else {
            self.left = 0;
            return Some(Entry::Lost { first, end: self.end.max(first) });
        };
        self.left -= 1;
        self.at += record_bytes(payload.len());
        self.position += u64::from(count);
        if crc32c::crc32c_append(head, payload) == whole {
            Some(Entry::Record { first, count, payload })
        } else {
            Some(Entry::Lost { first, end: self.position })
        }
    }
}
