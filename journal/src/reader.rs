//! Reads back what is synced, in order, beside the committer and beside releases.

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::ReadError;
use crate::files::FileLayer;
use crate::frame::{Entries, Entry};
use crate::journal::Shared;
use crate::position::{Position, Record};
use crate::segment::Key;
use crate::state::Segment;
use crate::ticket::lock;
use crate::walk::{Step, Walker};

/// Goes through the synced records. Blocks on file reads; holds one open file and one frame in memory.
pub struct Reader<F: FileLayer> {
    shared: Arc<Shared<F>>,
    /// Records wholly before it are skipped.
    from: u64,
    /// One after the last position that was answered or passed.
    at: u64,
    /// Sequence of the segment that was left last, and whether it was read to its end.
    left: Option<(u64, bool)>,
    current: Option<Current<F>>,
}

struct Current<F: FileLayer> {
    walker: Walker<F>,
    path: PathBuf,
    entries: Option<Entries>,
    body_at: u64,
}

enum Where {
    Open(Segment),
    Nothing,
    Released(u64),
}

impl<F: FileLayer> Reader<F> {
    pub(crate) fn new(shared: Arc<Shared<F>>, from: Position) -> Self {
        Self { shared, from: from.0, at: from.0, left: None, current: None }
    }

    /// One after the last position that was answered, or where the reader started.
    #[must_use]
    pub fn position(&self) -> Position {
        Position(self.at)
    }

    /// The next record, or `None` when everything synced was read: later calls go on where it ended.
    ///
    /// # Errors
    /// `Released` and `Damaged` name a gap, once; the next call goes on behind it. After `Io` the
    /// next call tries again.
    #[expect(clippy::should_implement_trait, reason = "None is no end here, and errors do not end it")]
    pub fn next(&mut self) -> Result<Option<Record>, ReadError> {
        loop {
            if self.current.is_none() && !self.open_next()? {
                return Ok(None);
            }
            if let Some(found) = self.frame_record()? {
                return Ok(Some(found));
            }
            if !self.next_frame()? {
                return Ok(None);
            }
        }
    }

    /// Sequence of the segment in which the last record stands; `None` before the first one.
    #[must_use]
    pub fn segment(&self) -> Option<u64> {
        self.current.as_ref().map(|current| current.walker.key().sequence)
    }

    /// The next wanted record of the frame in memory.
    fn frame_record(&mut self) -> Result<Option<Record>, ReadError> {
        let Some(current) = &mut self.current else { return Ok(None) };
        let Some(entries) = &mut current.entries else { return Ok(None) };
        loop {
            let offset = current.body_at + entries.at() as u64;
            match entries.next(current.walker.body()) {
                None => {
                    current.entries = None;
                    return Ok(None);
                }
                Some(Entry::Record { first, count, payload }) => {
                    let end = first + u64::from(count);
                    if end <= self.from && first < self.from {
                        continue;
                    }
                    self.at = end;
                    return Ok(Some(Record { first: Position(first), count, bytes: payload.to_vec() }));
                }
                Some(Entry::Lost { first, end }) => {
                    if end <= self.from && first < self.from {
                        continue;
                    }
                    self.at = end;
                    let (start, end) = (Position(first), Position(end));
                    return Err(ReadError::Damaged { path: current.path.clone(), offset, start, end });
                }
            }
        }
    }

    /// Loads the next frame, or leaves a segment that is read to its end. `false`: nothing more is synced.
    fn next_frame(&mut self) -> Result<bool, ReadError> {
        let Some(current) = &mut self.current else { return Ok(true) };
        let sequence = current.walker.key().sequence;
        if current.walker.offset() >= current.walker.limit() {
            let state = lock(&self.shared.state);
            let Some(segment) = state.segments.iter().find(|s| s.key.sequence == sequence) else {
                drop(state);
                self.leave(sequence, false);
                return Ok(true);
            };
            if segment.bytes > current.walker.limit() {
                current.walker.extend(segment.bytes);
            } else if segment.sealed_ms.is_none() {
                return Ok(false);
            } else {
                let end = segment.end;
                drop(state);
                self.at = self.at.max(end);
                self.leave(sequence, true);
                return Ok(true);
            }
        }
        let failed = |source| ReadError::Io { path: current.path.clone(), source };
        match current.walker.next().map_err(failed)? {
            // At `from` itself may stand a record without positions, so only what ends before it is skipped.
            Step::Frame(header) if header.end < self.from => {}
            Step::Frame(header) => {
                current.entries = Some(Entries::new(current.walker.key(), &header));
                current.body_at = header.end_offset() - u64::from(header.body);
            }
            Step::Damaged { from, to, .. } => return self.damaged(from, to),
            Step::End { at } => {
                let limit = current.walker.limit();
                current.walker.seek(limit);
                return self.damaged(at, limit);
            }
        }
        Ok(true)
    }

    /// Names the gap from the last position read to the next frame, or to the end of the segment.
    fn damaged(&mut self, offset: u64, to: u64) -> Result<bool, ReadError> {
        let Some(current) = &mut self.current else { return Ok(true) };
        let sequence = current.walker.key().sequence;
        let path = current.path.clone();
        let mut end = None;
        if to < current.walker.limit() {
            let step = current.walker.next();
            current.walker.seek(to);
            match step {
                Ok(Step::Frame(header)) => end = Some(header.first),
                Ok(_) => {}
                Err(source) => {
                    current.walker.seek(offset);
                    return Err(ReadError::Io { path, source });
                }
            }
        }
        let known = || {
            let state = lock(&self.shared.state);
            state.segments.iter().find(|s| s.key.sequence == sequence).map(|s| s.end)
        };
        let start = self.at;
        let end = end.or_else(known).unwrap_or(start).max(start);
        if end <= self.from && start < self.from {
            return Ok(true);
        }
        self.at = end;
        Err(ReadError::Damaged { path, offset, start: Position(start), end: Position(end) })
    }

    fn leave(&mut self, sequence: u64, complete: bool) {
        self.left = Some((sequence, complete));
        self.current = None;
    }

    /// Opens the segment that comes next. `false`: there is none yet.
    fn open_next(&mut self) -> Result<bool, ReadError> {
        loop {
            let segment = match self.choose() {
                Where::Open(segment) => segment,
                Where::Nothing => return Ok(false),
                Where::Released(resume) => {
                    self.at = resume;
                    return Err(ReadError::Released { resume: Position(resume) });
                }
            };
            let Segment { key, bytes, first, .. } = segment;
            let path = self.shared.dir.join(key.file_name());
            match self.shared.files.open(&path) {
                Ok(file) => {
                    self.at = self.at.max(first);
                    let walker = Walker::new(self.shared.files.clone(), file, key, bytes);
                    self.current = Some(Current { walker, path, entries: None, body_at: 0 });
                    return Ok(true);
                }
                // Released between the look and the open: look again.
                Err(source) if source.kind() == std::io::ErrorKind::NotFound && self.is_gone(key) => {}
                Err(source) => return Err(ReadError::Io { path, source }),
            }
        }
    }

    fn is_gone(&self, key: Key) -> bool {
        !lock(&self.shared.state).segments.iter().any(|s| s.key == key)
    }

    fn choose(&mut self) -> Where {
        let state = lock(&self.shared.state);
        let Some((left, complete)) = self.left else {
            let found = state.segments.iter().find(|s| s.end >= self.from || s.sealed_ms.is_none());
            return found.map_or(Where::Nothing, |s| Where::Open(s.clone()));
        };
        let Some(segment) = state.segments.iter().find(|s| s.key.sequence > left) else {
            return Where::Nothing;
        };
        if segment.first > self.at && (!complete || segment.key.sequence > left + 1) {
            let resume = segment.first;
            // Named once: from here on it is the next in order.
            self.left = Some((segment.key.sequence - 1, true));
            return Where::Released(resume);
        }
        Where::Open(segment.clone())
    }
}
