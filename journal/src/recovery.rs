//! Opening is recovery: whatever the folder holds, the journal starts, and says what it found.
//!
//! ```text
//! every segment ──scan──► sound up to its end ────────────────► kept as it is
//!                         damage before the last proof (middle) ► readable records copied into a
//!                                                                 new file, the old one set aside
//! the last segment: what stands behind the last proof (one frame at most) may be in the page cache
//!                         only, whatever a sync says: copied into a new segment, synced there;
//!                         what cannot be read there is a torn tail: cut and counted
//! ```
//! The proof of everything before a byte offset is a sound frame at that offset, or the length that
//! the next segment's header names. Nothing is deleted before its copy is durable.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::committer::{Active, Committer, salt};
use crate::config::Config;
use crate::error::OpenError;
use crate::files::FileLayer;
use crate::journal::{Journal, Progress, Shared};
use crate::position::Position;
use crate::repair::{self, Copy};
use crate::scan::{self, Found, Neighbours};
use crate::segment::{DAMAGED_SUFFIX, Key, LOCK_NAME, SEGMENT_HEADER, SPARE_SUFFIX};
use crate::state::{Segment, State};
use crate::ticket::Waiters;

/// An open journal.
pub struct Opened<F: FileLayer> {
    /// The handle for callers.
    pub journal: Journal<F>,
    /// The writer: run it on a thread, or call `commit_once`.
    pub committer: Committer<F>,
    /// What was found.
    pub recovery: Recovery,
}

/// A range that was acknowledged once and cannot be read any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The lost positions, half-open; empty when only records without positions, or none, were hit.
    pub range: std::ops::Range<Position>,
    /// The file, under the name that it has now.
    pub file: PathBuf,
    /// What is wrong with it.
    pub detail: String,
}

/// What recovery found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// First position that is kept.
    pub kept: Position,
    /// The position that the next record takes.
    pub next: Position,
    /// Segments kept.
    pub segments: u64,
    /// Records kept.
    pub records: u64,
    /// Bytes behind the last readable record that were cut. They were never acknowledged, unless the
    /// disk lost the last commit.
    pub torn_tail_bytes: u64,
    /// Records of the last commit that were copied into a new segment because no proof of their sync exists.
    pub copied_records: u64,
    /// The journal was closed properly and nothing is damaged.
    pub clean: bool,
    /// Acknowledged ranges that are lost.
    pub damaged: Vec<Damage>,
}

/// Opens or makes the journal in `dir`. Reads every segment once.
///
/// # Errors
/// A bad configuration, a folder in use, a newer format, or a file system that fails. Never damage.
pub fn open<F: FileLayer>(files: F, dir: &Path, config: Config) -> Result<Opened<F>, OpenError> {
    config.validate()?;
    files.create_dir(dir).map_err(OpenError::io("make", dir))?;
    let lock_path = dir.join(LOCK_NAME);
    let lock = files.lock(&lock_path).map_err(OpenError::io("lock", &lock_path))?;
    let Some(lock) = lock else { return Err(OpenError::Locked { path: lock_path }) };
    let mut recovering = Recovering::list(files, dir, config)?;
    recovering.scan_all()?;
    recovering.repair_middle()?;
    let active = recovering.settle_tail()?;
    Ok(recovering.start(active, lock))
}

struct Recovering<F: FileLayer> {
    files: F,
    dir: PathBuf,
    config: Config,
    found: Vec<Found>,
    set_aside_bytes: u64,
    report: Recovery,
}

impl<F: FileLayer> Recovering<F> {
    fn list(files: F, dir: &Path, config: Config) -> Result<Self, OpenError> {
        // Names that a crash left undecided are decided before anything is built on them.
        files.sync_dir(dir).map_err(OpenError::io("sync", dir))?;
        let (mut found, mut set_aside_bytes) = (Vec::new(), 0);
        for entry in files.list(dir).map_err(OpenError::io("list", dir))? {
            let path = dir.join(&entry.name);
            if entry.name.ends_with(SPARE_SUFFIX) {
                files.remove(&path).map_err(OpenError::io("remove", &path))?;
            } else if entry.name.ends_with(DAMAGED_SUFFIX) {
                set_aside_bytes += entry.bytes;
            } else if let Some(key) = Key::parse(&entry.name) {
                found.push(Found::read_header(&files, path, key, &entry)?);
            }
        }
        found.sort_by_key(|f| (f.key.sequence, f.repair()));
        let report = Recovery::default();
        let mut this = Self { files, dir: dir.to_owned(), config, found, set_aside_bytes, report };
        this.drop_replaced()?;
        Ok(this)
    }

    /// Of two files with one sequence the later repair counts: it was complete before it got its name.
    fn drop_replaced(&mut self) -> Result<(), OpenError> {
        let mut at = 0;
        while at + 1 < self.found.len() {
            if self.found[at].key.sequence == self.found[at + 1].key.sequence {
                let old = self.found.remove(at);
                let aside = set_aside(&self.files, &self.dir, &old.path);
                aside.map_err(OpenError::io("rename", &old.path))?;
                self.set_aside_bytes += old.bytes;
            } else {
                at += 1;
            }
        }
        Ok(())
    }

    fn scan_all(&mut self) -> Result<(), OpenError> {
        let (mut expected, mut sequence) = (None, None);
        for i in 0..self.found.len() {
            let near = Neighbours::of(&self.found, i, expected);
            let found = &mut self.found[i];
            let path = found.path.clone();
            scan::scan(&self.files, found, near, &mut |_, _| {}).map_err(OpenError::io("read", &path))?;
            let first = found.first;
            // A gap of positions between neighbours was reported when they were repaired.
            if sequence.is_some_and(|before| found.key.sequence != before + 1) {
                self.report.damaged.push(Damage {
                    range: Position(expected.unwrap_or(first))..Position(first),
                    file: found.path.clone(),
                    detail: "the segments before this one are missing".to_owned(),
                });
            }
            (expected, sequence) = (Some(found.end), Some(found.key.sequence));
        }
        Ok(())
    }

    fn repair_middle(&mut self) -> Result<(), OpenError> {
        for i in 0..self.found.len() {
            if self.found[i].lost.is_empty() {
                continue;
            }
            let old = self.found[i].clone();
            let last = i + 1 == self.found.len();
            let mut file = old.path.clone();
            match repair::rewrite(&self.files, &self.dir, &old, salt(&self.files, Some(old.key))) {
                Ok(repaired) => {
                    file = set_aside(&self.files, &self.dir, &old.path)
                        .map_err(OpenError::io("rename", &old.path))?;
                    self.set_aside_bytes += old.bytes;
                    if last {
                        self.report.torn_tail_bytes += old.torn_bytes;
                    }
                    self.found[i] = repaired;
                }
                // No space for a copy: it stays, and readers name the gaps.
                Err(error) => {
                    tracing::error!(path = %old.path.display(), %error, "cannot repair a damaged segment, it stays as it is");
                    self.found[i].stuck = true;
                }
            }
            for lost in &old.lost {
                tracing::error!(file = %file.display(), start = lost.start, end = lost.end, detail = %lost.detail, "journal damaged");
                self.report.damaged.push(Damage {
                    range: Position(lost.start)..Position(lost.end),
                    file: file.clone(),
                    detail: lost.detail.clone(),
                });
            }
        }
        Ok(())
    }

    /// Makes the end of the log something to build on; answers the segment to go on with, if there is space for one.
    fn settle_tail(&mut self) -> Result<Option<Active<F>>, OpenError> {
        let Some(last) = self.found.last().cloned() else { return Ok(None) };
        if last.repaired || last.stuck {
            return Ok(None);
        }
        if last.tail_records == 0
            && last.torn_bytes == 0
            && last.header.is_some()
            && last.proof_offset.is_some()
        {
            // Closed properly, or nothing was ever written: the proof is overwritten by the next frame.
            let at = last.proof_offset.unwrap_or(SEGMENT_HEADER);
            let file = self.files.open(&last.path).map_err(OpenError::io("open", &last.path))?;
            self.report.clean = self.report.damaged.is_empty();
            return Ok(Some(Active { file, path: last.path.clone(), key: last.key, offset: at }));
        }
        self.report.torn_tail_bytes += last.torn_bytes;
        let (files, dir) = (&self.files, &self.dir);
        let copy = |bytes| Copy { old: &last, salt: salt(files, Some(last.key)), bytes };
        // Without the space for a whole segment, a copy of just the records will do.
        let moved = repair::move_tail(files, dir, copy(self.config.segment_bytes))
            .or_else(|_| repair::move_tail(files, dir, copy(0)));
        match moved {
            Ok(moved) => {
                self.report.copied_records = last.tail_records;
                self.found.pop();
                self.found.extend(moved.kept);
                self.found.push(moved.found);
                Ok(Some(moved.active))
            }
            Err(error) => {
                tracing::error!(path = %last.path.display(), %error, "no space to copy the last commit, it stays where it is");
                repair::write_again(&self.files, &last).map_err(OpenError::io("sync", &last.path))?;
                if let Some(found) = self.found.last_mut() {
                    found.drop_torn_frame();
                }
                Ok(None)
            }
        }
    }

    fn start(mut self, active: Option<Active<F>>, lock: F::Lock) -> Opened<F> {
        let next = self.found.last().map_or(0, |f| f.end);
        let mut state = State::new(next);
        state.allocated = self.set_aside_bytes;
        let last_key = active.as_ref().map(|a| a.key);
        for found in &self.found {
            let is_active = last_key == Some(found.key);
            state.allocated += found.bytes;
            self.report.records += found.records;
            state.segments.push_back(Segment {
                key: found.key,
                repair: found.repair(),
                first: found.first,
                end: found.end,
                bytes: found.end_offset,
                allocated: found.bytes,
                sealed_ms: (!is_active).then_some(found.modified_ms),
            });
        }
        if let Some(active) = &active {
            state.cursor = active.offset;
            state.capacity = self.found.last().map_or(0, |f| f.bytes);
        }
        self.report.kept = Position(state.kept());
        self.report.next = Position(next);
        self.report.segments = state.segments.len() as u64;
        state.sequence = self.found.last().map_or(0, |f| f.key.sequence);
        let next_sequence = state.sequence + 1;
        let shared = Arc::new(Shared {
            files: self.files,
            dir: self.dir,
            config: self.config,
            state: Mutex::new(state),
            work: Condvar::new(),
            waiters: Arc::new(Waiters::default()),
            progress: watch::Sender::new(Progress { synced: next, stopped: None }),
            space_tried: Mutex::new(Duration::ZERO),
            #[cfg(feature = "faults")]
            ack_before_sync: std::sync::atomic::AtomicBool::new(false),
        });
        let mut committer = Committer::new(Arc::clone(&shared), active, next_sequence, lock);
        committer.replenish();
        committer.keep_reserve();
        Opened { journal: Journal::new(shared), committer, recovery: self.report }
    }
}

/// Renames to `<name>.damaged`, with a number when that is taken.
fn set_aside<F: FileLayer>(files: &F, dir: &Path, path: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let aside = dir.join(format!("{name}{DAMAGED_SUFFIX}"));
    files.rename(path, &aside)?;
    files.sync_dir(dir)?;
    Ok(aside)
}
