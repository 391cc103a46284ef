//! The one writer: takes what is pending, writes it in one go, syncs, and lets the tickets resolve.
//!
//! ```text
//! append ──► pending frame ──take──► write_at + sync_data ──► synced, tickets, readers
//!              ▲ grows on while the sync runs        └─ fails: poisoned, nothing more is written
//! ```
//! A new segment is written on a preallocated file: header and first frame, sync, then its name and
//! the folder's sync, and only then tickets resolve. The segment before it was synced by then, so
//! its length stands in the new header.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::error::CommitError;
use crate::files::FileLayer;
use crate::frame::{self, FRAME_HEADER};
use crate::journal::Shared;
use crate::segment::{Header, Key, SEGMENT_HEADER};
use crate::spares::Spare;
use crate::state::{PendingFrame, Place, Segment, Sleep};
use crate::ticket::lock;

/// Largest frame buffer that is kept for the next one, in bytes.
const RECYCLE_BYTES: usize = 4 << 20;

/// The segment that is written to.
pub(crate) struct Active<F: FileLayer> {
    pub(crate) file: F::File,
    pub(crate) path: PathBuf,
    pub(crate) key: Key,
    /// Offset after its last synced frame.
    pub(crate) offset: u64,
}

/// Writes and syncs. Exactly one for each open journal; holds the folder's lock.
pub struct Committer<F: FileLayer> {
    pub(crate) shared: Arc<Shared<F>>,
    active: Option<Active<F>>,
    pub(crate) spares: VecDeque<Spare<F>>,
    pub(crate) reserve: Option<Spare<F>>,
    next_sequence: u64,
    pub(crate) next_spare: u64,
    _lock: F::Lock,
}

impl<F: FileLayer> Committer<F> {
    pub(crate) fn new(
        shared: Arc<Shared<F>>,
        active: Option<Active<F>>,
        next_sequence: u64,
        folder_lock: F::Lock,
    ) -> Self {
        let (spares, reserve) = (VecDeque::new(), None);
        Self { shared, active, spares, reserve, next_sequence, next_spare: 0, _lock: folder_lock }
    }

    /// Commits until the journal is closed and everything is drained. Blocking: give it a thread of its own.
    ///
    /// # Errors
    /// The write or sync that poisoned the journal.
    pub fn run(mut self) -> Result<(), CommitError> {
        while self.wait_for_work() {
            self.commit_once()?;
        }
        self.finish()
    }

    /// Commits everything that is pending; `false` when there was nothing. For callers that write
    /// and commit on one thread, instead of `run`.
    ///
    /// # Errors
    /// The write or sync that poisoned the journal, now or earlier.
    pub fn commit_once(&mut self) -> Result<bool, CommitError> {
        let frames = {
            let mut state = lock(&self.shared.state);
            if let Some(error) = &state.failed {
                return Err(error.clone());
            }
            state.take_pending()
        };
        let some = !frames.is_empty();
        for frame in frames {
            self.commit(frame).inspect_err(|error| self.poison(error))?;
        }
        if lock(&self.shared.state).want_space || self.lacks_files() {
            self.replenish();
        }
        Ok(some)
    }

    /// Commits what is pending and writes the frame that proves the last commit, so that the next
    /// start need not doubt it. Appends fail from now on.
    ///
    /// # Errors
    /// The write or sync that poisoned the journal, now or earlier.
    pub fn finish(mut self) -> Result<(), CommitError> {
        lock(&self.shared.state).closed = true;
        self.commit_once()?;
        let Some(active) = &self.active else { return Ok(()) };
        let next = lock(&self.shared.state).next;
        let proof = frame::FrameHeader { body: 0, offset: active.offset, first: next, end: next, records: 0 };
        let bytes = proof.encode(active.key);
        let files = &self.shared.files;
        let written = files.write_at(&active.file, &bytes, active.offset);
        written.and_then(|()| files.sync_data(&active.file)).map_err(CommitError::io("close", &active.path))
    }

    /// Sleeps until a commit is due (true) or the journal is closed and drained (false).
    fn wait_for_work(&self) -> bool {
        let shared = &*self.shared;
        let config = &shared.config;
        let mut state = lock(&shared.state);
        loop {
            if state.failed.is_some() || state.want_space {
                return true;
            }
            let mut patience = None;
            if !state.pending.is_empty() {
                let waited = shared.files.monotonic().saturating_sub(state.oldest);
                let due = state.closed || state.urgent || state.pending_bytes >= config.commit_bytes;
                if due || waited >= config.commit_delay {
                    return true;
                }
                patience = Some(config.commit_delay - waited);
            } else if state.closed {
                return false;
            }
            state.sleep = if patience.is_some() { Sleep::Gathering } else { Sleep::Idle };
            state = match patience {
                Some(time) => {
                    let woken = shared.work.wait_timeout(state, time);
                    woken.unwrap_or_else(std::sync::PoisonError::into_inner).0
                }
                None => shared.work.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner),
            };
            state.sleep = Sleep::Awake;
        }
    }

    fn commit(&mut self, mut frame: PendingFrame) -> Result<(), CommitError> {
        let took = match frame.place {
            Place::Current => self.write_current(&mut frame)?,
            Place::Spare => {
                let spare = self.spares.pop_front();
                self.rotate(spare, &mut frame)?
            }
            Place::Reserve => {
                let reserve = self.reserve.take();
                self.rotate(reserve, &mut frame)?
            }
        };
        self.settle(frame, took);
        Ok(())
    }

    fn write_current(&mut self, frame: &mut PendingFrame) -> Result<Duration, CommitError> {
        let Some(active) = &mut self.active else { return Err(CommitError::Stopped) };
        let files = &self.shared.files;
        frame::seal(&mut frame.buffer, active.key, active.offset, frame.first, frame.end, frame.records);
        files
            .write_at(&active.file, &frame.buffer, active.offset)
            .map_err(CommitError::io("write", &active.path))?;
        let start = files.monotonic();
        files.sync_data(&active.file).map_err(CommitError::io("sync", &active.path))?;
        active.offset += frame.buffer.len() as u64;
        Ok(files.monotonic().saturating_sub(start))
    }

    fn rotate(&mut self, spare: Option<Spare<F>>, frame: &mut PendingFrame) -> Result<Duration, CommitError> {
        let Some(spare) = spare else { return Err(CommitError::Stopped) };
        let (files, dir) = (&self.shared.files, &self.shared.dir);
        let key = Key { sequence: self.next_sequence, salt: salt(files, None) };
        let (previous_bytes, previous_repair) = {
            let state = lock(&self.shared.state);
            state.segments.back().map_or((0, 0), |s| (s.bytes, s.repair))
        };
        let header = Header { first: frame.first, repair: 0, previous_bytes, previous_repair };
        frame::seal(&mut frame.buffer, key, SEGMENT_HEADER, frame.first, frame.end, frame.records);
        let failed = |operation| CommitError::io(operation, &spare.path);
        files.write_at(&spare.file, &header.encode(key), 0).map_err(failed("write"))?;
        files.write_at(&spare.file, &frame.buffer, SEGMENT_HEADER).map_err(failed("write"))?;
        let start = files.monotonic();
        files.sync_data(&spare.file).map_err(failed("sync"))?;
        let took = files.monotonic().saturating_sub(start);
        let path = dir.join(key.file_name());
        files.rename(&spare.path, &path).map_err(failed("rename"))?;
        files.sync_dir(dir).map_err(CommitError::io("sync", dir))?;
        self.next_sequence += 1;
        let offset = SEGMENT_HEADER + frame.buffer.len() as u64;
        let filled = self.active.replace(Active { file: spare.file, path, key, offset });
        self.seal_previous(filled, previous_bytes);
        lock(&self.shared.state).segments.push_back(Segment {
            key,
            repair: 0,
            first: frame.first,
            end: frame.first,
            bytes: SEGMENT_HEADER,
            allocated: self.shared.config.segment_bytes,
            sealed_ms: None,
        });
        Ok(took)
    }

    /// Gives back what a filled segment did not use. Its length is already in its successor's header,
    /// so a failure costs space only.
    fn seal_previous(&self, filled: Option<Active<F>>, bytes: u64) {
        let files = &self.shared.files;
        let cut = filled.as_ref().is_some_and(|f| files.set_len(&f.file, bytes).is_ok());
        let sealed = filled.as_ref().and_then(|f| files.modified_ms(&f.file).ok());
        let mut state = lock(&self.shared.state);
        let mut freed = 0;
        if let Some(previous) = state.segments.back_mut() {
            previous.sealed_ms = previous.sealed_ms.or(sealed).or(Some(0));
            if cut {
                freed = previous.allocated.saturating_sub(bytes);
                previous.allocated = bytes;
            }
        }
        state.allocated = state.allocated.saturating_sub(freed);
    }

    fn settle(&self, frame: PendingFrame, took: Duration) {
        let mut state = lock(&self.shared.state);
        if let Some(segment) = state.segments.back_mut() {
            segment.bytes = frame.offset + frame.buffer.len() as u64;
            segment.end = frame.end;
        }
        state.in_flight = state.in_flight.saturating_sub(frame.buffer.len() - FRAME_HEADER);
        state.commits += 1;
        state.records_committed += u64::from(frame.records);
        state.fsync.record(took);
        if frame.buffer.capacity() <= RECYCLE_BYTES {
            state.recycled = Some(frame.buffer);
        }
        drop(state);
        self.shared.progress.send_modify(|p| p.synced = frame.end);
        self.shared.waiters.complete(frame.last_record);
    }

    fn poison(&self, error: &CommitError) {
        tracing::error!(%error, "the journal stops: a write or sync failed");
        let mut state = lock(&self.shared.state);
        state.failed = Some(error.clone());
        state.pending.clear();
        drop(state);
        self.stop(error);
    }

    fn stop(&self, error: &CommitError) {
        self.shared.progress.send_modify(|p| {
            p.stopped.get_or_insert_with(|| error.clone());
        });
        self.shared.waiters.stop(error.clone());
    }
}

impl<F: FileLayer> Drop for Committer<F> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.ended = true;
        drop(state);
        self.stop(&CommitError::Stopped);
        for spare in self.spares.drain(..).chain(self.reserve.take()) {
            let _ = self.shared.files.remove(&spare.path);
        }
    }
}

/// A salt for a new file, another one than that of the file which it replaces: the salt is in the name.
pub(crate) fn salt<F: FileLayer>(files: &F, not: Option<Key>) -> u32 {
    let [a, b, c, d, ..] = files.entropy().to_le_bytes();
    let salt = u32::from_le_bytes([a, b, c, d]) | 1;
    if not.is_some_and(|key| key.salt == salt) { salt.wrapping_add(2) } else { salt }
}
