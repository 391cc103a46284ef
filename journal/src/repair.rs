//! Writes the files by which recovery mends a journal: a damaged segment's readable records, and the
//! last commit of a segment whose sync is not proven. A file gets its name only when it is durable.

use std::io;
use std::path::{Path, PathBuf};

use crate::committer::Active;
use crate::files::FileLayer;
use crate::frame::{self, Entries, Entry, FRAME_HEADER, FrameHeader};
use crate::scan::Found;
use crate::segment::{Header, Key, SEGMENT_HEADER, SPARE_SUFFIX};
use crate::walk::{Step, Walker};

/// Records are gathered to frames of about this size, in bytes.
const FRAME_BYTES: usize = 1 << 20;
/// Says that the length of the segment before is not known.
const UNKNOWN_REPAIR: u32 = u32::MAX;

/// Builds one segment file, frame by frame, each synced before the next is written.
struct Builder<F: FileLayer> {
    files: F,
    file: F::File,
    temporary: PathBuf,
    key: Key,
    offset: u64,
    frame: Vec<u8>,
    first: u64,
    end: u64,
    records: u32,
}

impl<F: FileLayer> Builder<F> {
    fn new(files: &F, dir: &Path, key: Key, header: &Header, preallocate: u64) -> io::Result<Self> {
        let temporary = dir.join(format!("repair{SPARE_SUFFIX}"));
        let _ = files.remove(&temporary);
        let file = files.create(&temporary)?;
        let mut this = Self {
            files: files.clone(),
            file,
            temporary,
            key,
            offset: SEGMENT_HEADER,
            frame: vec![0; FRAME_HEADER],
            first: header.first,
            end: header.first,
            records: 0,
        };
        let written = this.begin(header, preallocate);
        this.or_remove(written)?;
        Ok(this)
    }

    fn begin(&mut self, header: &Header, preallocate: u64) -> io::Result<()> {
        if preallocate > 0 {
            self.files.preallocate(&self.file, preallocate)?;
        }
        self.files.write_at(&self.file, &header.encode(self.key), 0)?;
        self.files.sync_data(&self.file)
    }

    fn or_remove<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            let _ = self.files.remove(&self.temporary);
        }
        result
    }

    fn push(&mut self, first: u64, count: u32, payload: &[u8]) -> io::Result<()> {
        if self.records > 0 && (first != self.end || self.frame.len() >= FRAME_BYTES) {
            self.flush()?;
        }
        if self.records == 0 {
            self.first = first;
        }
        frame::push_record(&mut self.frame, count, payload);
        self.records += 1;
        self.end = first + u64::from(count);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.records > 0 {
            frame::seal(&mut self.frame, self.key, self.offset, self.first, self.end, self.records);
            self.files.write_at(&self.file, &self.frame, self.offset)?;
            self.files.sync_data(&self.file)?;
            self.offset += self.frame.len() as u64;
            self.frame.truncate(FRAME_HEADER);
            self.records = 0;
        }
        Ok(())
    }

    /// Proves what was written, and gives the file its name.
    fn finish(&mut self, dir: &Path, end: u64) -> io::Result<PathBuf> {
        self.flush()?;
        let proof = FrameHeader { body: 0, offset: self.offset, first: end, end, records: 0 };
        self.files.write_at(&self.file, &proof.encode(self.key), self.offset)?;
        self.files.sync_data(&self.file)?;
        let path = dir.join(self.key.file_name());
        self.files.rename(&self.temporary, &path)?;
        self.files.sync_dir(dir)?;
        Ok(path)
    }
}

/// Copies every readable record of a damaged segment into a new file of the same sequence.
pub(crate) fn rewrite<F: FileLayer>(files: &F, dir: &Path, old: &Found, salt: u32) -> io::Result<Found> {
    let key = Key { sequence: old.key.sequence, salt };
    let header = Header {
        first: old.first,
        repair: old.repair() + 1,
        previous_bytes: old.header.map_or(0, |h| h.previous_bytes),
        previous_repair: old.header.map_or(UNKNOWN_REPAIR, |h| h.previous_repair),
    };
    let mut builder = Builder::new(files, dir, key, &header, 0)?;
    let copied = copy_records(&mut builder, old, SEGMENT_HEADER, old.end)
        .and_then(|records| Ok((records, builder.finish(dir, old.end)?)));
    let (records, path) = builder.or_remove(copied)?;
    let bytes = builder.offset + FRAME_HEADER as u64;
    let mut found = Found::new(path, key, Some(header), bytes, old.modified_ms);
    (found.end, found.end_offset, found.records, found.repaired) = (old.end, builder.offset, records, true);
    Ok(found)
}

/// What to copy from where.
pub(crate) struct Copy<'a> {
    pub(crate) old: &'a Found,
    pub(crate) salt: u32,
    /// Size of the new segment.
    pub(crate) bytes: u64,
}

/// The new end of the log.
pub(crate) struct Moved<F: FileLayer> {
    /// The old segment up to its last proof, unless nothing of it was proven.
    pub(crate) kept: Option<Found>,
    pub(crate) found: Found,
    pub(crate) active: Active<F>,
}

/// Copies the last, unproven frame of the last segment into a new segment, and cuts the old one.
pub(crate) fn move_tail<F: FileLayer>(files: &F, dir: &Path, copy: Copy<'_>) -> io::Result<Moved<F>> {
    let old = copy.old;
    let proven = old.tail.map_or(old.end_offset, |t| t.offset);
    let first = old.tail.map_or(old.end, |t| t.first);
    let replaces = proven <= SEGMENT_HEADER;
    let (previous_bytes, previous_repair) = match (replaces, old.header) {
        (false, _) => (proven, old.repair()),
        (true, Some(header)) => (header.previous_bytes, header.previous_repair),
        (true, None) => (0, UNKNOWN_REPAIR),
    };
    let sequence = if replaces { old.key.sequence } else { old.key.sequence + 1 };
    let key = Key { sequence, salt: copy.salt };
    let repair = if replaces { old.repair() + 1 } else { 0 };
    let header = Header { first, repair, previous_bytes, previous_repair };
    let need = SEGMENT_HEADER + 2 * FRAME_HEADER as u64 + old.tail.map_or(0, |t| u64::from(t.body));
    let bytes = copy.bytes.max(need);
    let mut builder = Builder::new(files, dir, key, &header, bytes)?;
    let copied = copy_records(&mut builder, old, proven, old.end)
        .and_then(|records| Ok((records, builder.finish(dir, old.end)?)));
    let (records, path) = builder.or_remove(copied)?;
    let mut found = Found::new(path.clone(), key, Some(header), bytes, old.modified_ms);
    (found.end, found.end_offset, found.records) = (old.end, builder.offset, records);
    let kept = if replaces {
        files.remove(&old.path)?;
        files.sync_dir(dir)?;
        None
    } else {
        let file = files.open(&old.path)?;
        files.set_len(&file, proven)?;
        files.sync_data(&file)?;
        let mut kept = old.clone();
        (kept.end, kept.end_offset, kept.bytes) = (first, proven, proven);
        kept.records = old.records - old.tail_records.min(old.records);
        Some(kept)
    };
    let active = Active { file: builder.file, path, key, offset: found.end_offset };
    Ok(Moved { kept, found, active })
}

/// Writes the last frame over itself and syncs: for a disk without space for a copy. A page that a
/// failed sync left clean is so written after all, and the bytes being the same nothing can tear.
/// A torn frame is cut instead.
pub(crate) fn write_again<F: FileLayer>(files: &F, old: &Found) -> io::Result<()> {
    let file = files.open(&old.path)?;
    if let (true, Some(tail)) = (old.tail_torn, old.tail) {
        // Out of what counts now, so it must not come back at the next start.
        files.set_len(&file, tail.offset)?;
    } else if let Some(tail) = old.tail {
        let len = usize::try_from(tail.end_offset() - tail.offset).unwrap_or(0);
        let mut frame = vec![0; len];
        let read = files.read_at(&file, &mut frame, tail.offset)?;
        files.write_at(&file, &frame[..read], tail.offset)?;
    }
    files.sync_data(&file)
}

/// Copies the readable records from frame offset `from` on that end at or before position `end`.
fn copy_records<F: FileLayer>(builder: &mut Builder<F>, old: &Found, from: u64, end: u64) -> io::Result<u64> {
    let file = builder.files.open(&old.path)?;
    let mut walker = Walker::new(builder.files.clone(), file, old.key, old.limit);
    walker.seek(from);
    let mut records = 0;
    loop {
        match walker.next()? {
            Step::Frame(header) => {
                let mut entries = Entries::new(old.key, &header);
                let is_tail = old.tail == Some(header);
                let mut left = old.tail_records;
                while let Some(entry) = entries.next(walker.body()) {
                    let Entry::Record { first, count, payload } = entry else { continue };
                    // Behind a torn record of the tail nothing counts.
                    if first + u64::from(count) > end || (is_tail && old.tail_torn && left == 0) {
                        break;
                    }
                    left = left.saturating_sub(1);
                    builder.push(first, count, payload)?;
                    records += 1;
                }
            }
            Step::Damaged { to, .. } if to < old.limit => {}
            Step::Damaged { .. } | Step::End { .. } => return Ok(records),
        }
    }
}
