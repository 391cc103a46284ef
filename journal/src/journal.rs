//! The handle that callers hold: append, read, release. Cheap to clone, never blocks on the disk
//! except in `release`.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::config::Config;
use crate::error::{AppendError, CommitError, ReleaseError};
use crate::files::{FileLayer, StdFiles};
use crate::position::Position;
use crate::reader::Reader;
use crate::state::{Segment, Sleep, State};
use crate::stats::{Released, SegmentInfo, Stats};
use crate::ticket::{Ticket, Waiters, lock};

/// How long after a refused append the next one may send the committer to look for space again.
const SPACE_RETRY: Duration = Duration::from_millis(100);

/// How far the journal is, for those who sleep until it is further.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    pub(crate) synced: u64,
    pub(crate) stopped: Option<CommitError>,
}

pub(crate) struct Shared<F: FileLayer> {
    pub(crate) files: F,
    pub(crate) dir: PathBuf,
    pub(crate) config: Config,
    pub(crate) state: Mutex<State>,
    pub(crate) work: Condvar,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) space_tried: Mutex<Duration>,
    #[cfg(feature = "faults")]
    pub(crate) ack_before_sync: std::sync::atomic::AtomicBool,
}

/// A handle on an open journal.
pub struct Journal<F: FileLayer = StdFiles> {
    shared: Arc<Shared<F>>,
}

impl<F: FileLayer> Clone for Journal<F> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<F: FileLayer> Journal<F> {
    pub(crate) fn new(shared: Arc<Shared<F>>) -> Self {
        Self { shared }
    }

    pub(crate) fn shared(&self) -> &Shared<F> {
        &self.shared
    }

    /// Takes a record for the next commit. It takes the positions `[ticket.first, ticket.first + count)`;
    /// 0 is allowed for records that only keep books. Copies the bytes, never waits for the disk.
    ///
    /// # Errors
    /// `Full` (withhold, try again), `TooLarge`, `Poisoned`, `Closed`. Nothing was taken then.
    pub fn append(&self, count: u32, bytes: &[u8]) -> Result<Ticket, AppendError> {
        self.append_as(count, bytes, None)
    }

    /// As `append`, but may use the preallocated reserve segment, as long as `leave` bytes of it stay free: for the
    /// records that must be written because the journal is full.
    ///
    /// # Errors
    /// As `append`; `Full` when the reserve is used up too.
    pub fn append_reserved(&self, count: u32, bytes: &[u8], leave: u64) -> Result<Ticket, AppendError> {
        self.append_as(count, bytes, Some(leave))
    }

    fn append_as(&self, count: u32, bytes: &[u8], reserved: Option<u64>) -> Result<Ticket, AppendError> {
        let shared = &*self.shared;
        let mut state = lock(&shared.state);
        let was_empty = state.pending.is_empty();
        let taken = state.append(&shared.config, count, bytes, reserved);
        let segment = state.sequence;
        let wake = if taken.is_ok() {
            if was_empty {
                state.oldest = shared.files.monotonic();
            }
            state.sleep == Sleep::Idle
                || (state.sleep == Sleep::Gathering && state.pending_bytes >= shared.config.commit_bytes)
        } else {
            state.want_space && self.may_look_for_space()
        };
        if wake {
            state.sleep = Sleep::Awake;
        }
        drop(state);
        if wake {
            shared.work.notify_one();
        }
        let (first, record) = taken?;
        #[cfg(feature = "faults")]
        let record =
            if shared.ack_before_sync.load(std::sync::atomic::Ordering::Relaxed) { 0 } else { record };
        Ok(Ticket::new(first, segment, record, Arc::clone(&shared.waiters)))
    }

    fn may_look_for_space(&self) -> bool {
        let now = self.shared.files.monotonic();
        let mut tried = lock(&self.shared.space_tried);
        let due = now.saturating_sub(*tried) >= SPACE_RETRY;
        if due {
            *tried = now;
        }
        due
    }

    /// Commits what is pending now instead of at `commit_delay`.
    pub fn sync_soon(&self) {
        let mut state = lock(&self.shared.state);
        if !state.pending.is_empty() {
            state.urgent = true;
            state.sleep = Sleep::Awake;
            drop(state);
            self.shared.work.notify_one();
        }
    }

    /// One after the last durable position.
    #[must_use]
    pub fn synced(&self) -> Position {
        Position(self.shared.progress.borrow().synced)
    }

    /// Waits until `synced()` is beyond `position`; answers `synced()`.
    ///
    /// # Errors
    /// The journal was poisoned or its committer ended before.
    pub async fn synced_beyond(&self, position: Position) -> Result<Position, CommitError> {
        let mut progress = self.shared.progress.subscribe();
        let reached = progress.wait_for(|p| p.synced > position.0 || p.stopped.is_some()).await;
        match reached {
            Ok(p) if p.synced > position.0 => Ok(Position(p.synced)),
            Ok(p) => Err(p.stopped.clone().unwrap_or(CommitError::Stopped)),
            Err(_) => Err(CommitError::Stopped),
        }
    }

    /// Reads synced records from the first one that covers or follows `from`.
    #[must_use]
    pub fn reader(&self, from: Position) -> Reader<F> {
        Reader::new(Arc::clone(&self.shared), from)
    }

    /// Deletes the leading segments whose records all end at or before `below`, never the active
    /// one. Blocks on the disk. What it deletes stays deleted after a crash.
    ///
    /// # Errors
    /// `Closed` once the committer has ended; `Io` for a file that cannot be deleted.
    pub fn release(&self, below: Position) -> Result<Released, ReleaseError> {
        self.release_while(|segment| segment.end <= below.0)
    }

    /// As `release`, of the segments before the one with this sequence: where records that take no positions matter.
    ///
    /// # Errors
    /// As `release`.
    pub fn release_before(&self, sequence: u64) -> Result<Released, ReleaseError> {
        self.release_while(|segment| segment.key.sequence < sequence)
    }

    fn release_while(&self, free: impl Fn(&Segment) -> bool) -> Result<Released, ReleaseError> {
        let shared = &*self.shared;
        let mut released = Released::default();
        loop {
            let mut state = lock(&shared.state);
            if state.ended {
                return Err(ReleaseError::Closed);
            }
            let leads = state.segments.len() > 1
                && state.segments.front().is_some_and(|s| free(s) && s.sealed_ms.is_some());
            let segment = if leads { state.segments.pop_front() } else { None };
            released.kept = Position(state.kept());
            let Some(segment) = segment else { break };
            drop(state);
            let path = shared.dir.join(segment.key.file_name());
            // One by one and in order: after a crash a gap would look like a lost file.
            let removed = shared.files.remove(&path);
            let mut state = lock(&shared.state);
            match removed {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    state.segments.push_front(segment);
                    return Err(ReleaseError::Io { path, source });
                }
                _ => state.allocated = state.allocated.saturating_sub(segment.allocated),
            }
            drop(state);
            shared.files.sync_dir(&shared.dir).map_err(|source| ReleaseError::Io { path, source })?;
            released.segments += 1;
            released.bytes += segment.allocated;
        }
        if released.segments > 0 {
            let mut state = lock(&shared.state);
            state.want_space = true;
            state.sleep = Sleep::Awake;
            drop(state);
            shared.work.notify_one();
        }
        Ok(released)
    }

    /// The bounds that it keeps.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// All segments, the oldest first, the active one last.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let state = lock(&self.shared.state);
        let info = state.segments.iter().map(|s| SegmentInfo {
            sequence: s.key.sequence,
            first: Position(s.first),
            end: Position(s.end),
            bytes: s.bytes,
            sealed_ms: s.sealed_ms,
        });
        info.collect()
    }

    /// A snapshot of the counters. Asks the file system for its free space.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let free_bytes = self.shared.files.free_bytes(&self.shared.dir).ok();
        let state = lock(&self.shared.state);
        Stats {
            bytes: state.allocated,
            used_bytes: state.segments.iter().map(|s| s.bytes).sum(),
            pending_bytes: (state.pending_bytes + state.in_flight) as u64,
            kept: Position(state.kept()),
            synced: self.synced(),
            next: Position(state.next),
            segments: state.segments.len() as u64,
            commits: state.commits,
            records: state.records_committed,
            full_count: state.full_count,
            full: state.full,
            fsync: state.fsync,
            free_bytes,
            poisoned: state.failed.is_some(),
        }
    }

    /// Takes no more records. `Committer::run` commits what is pending and returns.
    pub fn close(&self) {
        let mut state = lock(&self.shared.state);
        state.closed = true;
        state.sleep = Sleep::Awake;
        drop(state);
        self.shared.work.notify_one();
    }

    /// Mutation for tests that must notice it: tickets resolve at once, before anything is synced.
    #[cfg(feature = "faults")]
    pub fn ack_before_sync(&self, on: bool) {
        self.shared.ack_before_sync.store(on, std::sync::atomic::Ordering::Relaxed);
    }
}
