//! Reads one segment through and says what of it can be read, what is lost, and what is only torn.

use std::io;
use std::path::PathBuf;

use crate::error::OpenError;
use crate::files::{FileEntry, FileLayer};
use crate::frame::{Entries, Entry, FrameHeader};
use crate::segment::{Decoded, FORMAT, Header, Key, SEGMENT_HEADER};
use crate::walk::{Step, Walker};

/// Positions of a segment that cannot be read though they were synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Where in the file it begins.
    pub(crate) offset: u64,
    pub(crate) detail: String,
}

/// A segment file and what a scan knows of it.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) key: Key,
    pub(crate) header: Option<Header>,
    /// Size of the file.
    pub(crate) bytes: u64,
    pub(crate) modified_ms: i64,
    pub(crate) first: u64,
    pub(crate) end: u64,
    /// Bytes that the scan covered.
    pub(crate) limit: u64,
    /// Offset after the last record that counts.
    pub(crate) end_offset: u64,
    /// Where the next frame may be written in place: the closing proof, or the empty segment's start.
    pub(crate) proof_offset: Option<u64>,
    pub(crate) records: u64,
    /// The last frame: what is before it is proven, itself is not.
    pub(crate) tail: Option<FrameHeader>,
    /// Readable records of the last frame up to the first unreadable one.
    pub(crate) tail_records: u64,
    /// Readable records of the last frame behind an unreadable one.
    pub(crate) tail_beyond: u64,
    /// They, and what is unreadable there, are torn.
    pub(crate) tail_torn: bool,
    pub(crate) torn_bytes: u64,
    pub(crate) lost: Vec<Lost>,
    /// Rewritten just now: nothing may be appended to it.
    pub(crate) repaired: bool,
    /// Needed a rewrite that had no space.
    pub(crate) stuck: bool,
}

impl Found {
    pub(crate) fn new(path: PathBuf, key: Key, header: Option<Header>, bytes: u64, modified_ms: i64) -> Self {
        let first = header.map_or(0, |h| h.first);
        Self {
            path,
            key,
            header,
            bytes,
            modified_ms,
            first,
            end: first,
            limit: bytes,
            end_offset: SEGMENT_HEADER,
            proof_offset: None,
            records: 0,
            tail: None,
            tail_records: 0,
            tail_beyond: 0,
            tail_torn: false,
            torn_bytes: 0,
            lost: Vec::new(),
            repaired: false,
            stuck: false,
        }
    }

    pub(crate) fn read_header<F: FileLayer>(
        files: &F,
        path: PathBuf,
        key: Key,
        entry: &FileEntry,
    ) -> Result<Self, OpenError> {
        let mut bytes = [0; SEGMENT_HEADER as usize];
        let file = files.open(&path).map_err(OpenError::io("open", &path))?;
        // A header that cannot be read is a damaged one: the rest may still be had.
        let read = files.read_at(&file, &mut bytes, 0).unwrap_or(0);
        let header = match Header::decode(&bytes[..read], key) {
            Decoded::Sound(header) => Some(header),
            Decoded::Newer(found) => return Err(OpenError::Newer { path, found, known: FORMAT }),
            Decoded::Damaged => None,
        };
        Ok(Self::new(path, key, header, entry.bytes, entry.modified_ms))
    }

    pub(crate) fn repair(&self) -> u32 {
        self.header.map_or(0, |h| h.repair)
    }

    /// Takes a last frame that is torn out of what counts, where it cannot be copied.
    pub(crate) fn drop_torn_frame(&mut self) {
        if let (true, Some(tail)) = (self.tail_torn, self.tail) {
            (self.end, self.end_offset, self.bytes) = (tail.first, tail.offset, tail.offset);
            self.records -= self.tail_records.min(self.records);
        }
    }

    fn lose(&mut self, start: u64, end: u64, offset: u64, detail: String) {
        self.lost.push(Lost { start, end: end.max(start), offset, detail });
    }
}

/// What is known of a segment from its neighbours.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Neighbours {
    /// Its length as the next segment names it.
    pub(crate) sealed: Option<u64>,
    /// It is the last one: its end may be torn.
    pub(crate) last: bool,
    /// First position of the next segment.
    pub(crate) next_first: Option<u64>,
    /// One after the last position of the segment before.
    pub(crate) expected: Option<u64>,
}

impl Neighbours {
    /// Of `all[at]`; `expected` is where the segment before it ended.
    pub(crate) fn of(all: &[Found], at: usize, expected: Option<u64>) -> Self {
        let Some(found) = all.get(at) else { return Self::default() };
        // Only a direct successor's header speaks of this segment.
        let after = all.get(at + 1).filter(|f| f.key.sequence == found.key.sequence + 1);
        let after = after.and_then(|f| f.header);
        let sealed = after.filter(|h| h.previous_repair == found.repair()).map(|h| h.previous_bytes);
        Self { sealed, last: at + 1 == all.len(), next_first: after.map(|h| h.first), expected }
    }
}

/// Fills in `found`, and shows its readable records, with the position of each.
pub(crate) fn scan<F: FileLayer>(
    files: &F,
    found: &mut Found,
    near: Neighbours,
    each: &mut dyn FnMut(u64, &[u8]),
) -> io::Result<()> {
    found.limit = near.sealed.unwrap_or(found.bytes);
    if found.header.is_none() {
        found.first = near.expected.unwrap_or(0);
        found.end = found.first;
        found.lose(found.first, found.first, 0, "the header is damaged".to_owned());
    }
    let file = files.open(&found.path)?;
    let mut walker = Walker::new(files.clone(), file, found.key, found.limit);
    let mut tail_lost: Vec<(u64, Lost)> = Vec::new();
    let mut hole = None;
    loop {
        match walker.next()? {
            Step::Frame(header) => {
                found.lost.extend(tail_lost.drain(..).map(|(_, lost)| lost));
                if found.tail.is_none() && found.header.is_none() && near.expected.is_none() {
                    (found.first, found.end) = (header.first, header.first);
                }
                if let Some(from) = hole.take() {
                    found.lose(found.end, header.first, from, format!("no frame can be read at byte {from}"));
                }
                read_frame(found, &walker, &header, &mut tail_lost, each);
            }
            Step::Damaged { from, to, content } if to >= found.limit => {
                end_at(found, near, from, content);
                break;
            }
            Step::Damaged { from, .. } => hole = Some(from),
            Step::End { at } => {
                end_at(found, near, at, at);
                break;
            }
        }
    }
    settle_tail(found, near.last, tail_lost);
    Ok(())
}

fn read_frame<F: FileLayer>(
    found: &mut Found,
    walker: &Walker<F>,
    header: &FrameHeader,
    tail_lost: &mut Vec<(u64, Lost)>,
    each: &mut dyn FnMut(u64, &[u8]),
) {
    let mut entries = Entries::new(found.key, header);
    let body_at = header.end_offset() - u64::from(header.body);
    (found.tail_records, found.tail_beyond) = (0, 0);
    loop {
        let offset = body_at + entries.at() as u64;
        match entries.next(walker.body()) {
            None => break,
            Some(Entry::Record { first, payload, .. }) => {
                let sound_so_far = tail_lost.is_empty();
                found.tail_records += u64::from(sound_so_far);
                found.tail_beyond += u64::from(!sound_so_far);
                found.records += 1;
                each(first, payload);
            }
            Some(Entry::Lost { first, end }) => {
                let detail = format!("a record at byte {offset} fails its checksum");
                tail_lost.push((offset, Lost { start: first, end, offset, detail }));
            }
        }
    }
    found.tail = Some(*header);
    found.end = header.end;
    found.end_offset = header.end_offset();
}

/// The frames are over at `at`; `content` is where the bytes that are no zeros end.
fn end_at(found: &mut Found, near: Neighbours, at: u64, content: u64) {
    if near.last {
        found.torn_bytes = content - at;
    } else if content > at || near.sealed.is_some_and(|sealed| at < sealed) {
        let end = near.next_first.unwrap_or(found.end);
        found.lose(found.end, end, at, format!("no frame can be read from byte {at} to the end"));
        found.end = found.end.max(end);
    }
}

/// What is unreadable in the last frame of the last segment is torn; anywhere else it is lost.
fn settle_tail(found: &mut Found, last: bool, tail_lost: Vec<(u64, Lost)>) {
    let first_lost = tail_lost.first().map(|(offset, lost)| (*offset, lost.start));
    match (last, first_lost) {
        (true, Some((offset, position))) => {
            found.torn_bytes += found.end_offset - offset;
            found.end = position;
            found.tail_torn = true;
            found.records -= found.tail_beyond;
        }
        _ => found.lost.extend(tail_lost.into_iter().map(|(_, lost)| lost)),
    }
    match found.tail {
        None => found.proof_offset = Some(SEGMENT_HEADER),
        Some(tail) if tail.records == 0 => {
            found.proof_offset = Some(tail.offset);
            found.end_offset = tail.offset;
        }
        Some(_) => {}
    }
}
