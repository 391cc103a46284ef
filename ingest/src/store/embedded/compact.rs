//! Merges neighbouring files of a month into one, so that a query opens few files and slow series get full blocks.
//!
//! ```text
//! plan.rs ─► run of files ─► series by series: blocks in the order of time ─► one new file, its roll-up ─► MANIFEST ─► readers
//!                                                                             old files go once nobody reads them
//! ```
//! What always holds:
//! - Readers are never held up, and see the files before or after a merge, never both: manifest and set of files change
//!   together. A crash anywhere leaves one or the other; what does not count is removed at the next opening.
//! - In memory are one block and one page of the index a file, and what the new file's writer holds, whatever the size of
//!   the files.
//! - A merge changes no answer and no counter. A file with a block or an index that cannot be read stays as it is, and is
//!   reported.
//! - It works at most half of the time (pace.rs).

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pantau_journal::FileLayer;

use super::Config;
use super::datafile::{DataFile, FileId};
use super::manifest::{Expired, FileRef};
use super::merge::Ended;
use super::months::month_name;
use super::plan;
use super::retention::Retention;
use super::rollup::{Built, Depth};
use super::state::Shared;

/// Wait when there is nothing to do; a flush wakes it earlier.
const IDLE: Duration = Duration::from_secs(10);
/// Wait after a merge that failed.
const RETRY: Duration = Duration::from_secs(60);
/// Between two looks at what retention drops.
const EXPIRE_EVERY_MS: i64 = 3_600_000;
/// Why files were not merged. Nothing is lost by it.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// The file system failed.
    #[error("cannot merge files: {0}")]
    Io(#[from] io::Error),
    /// There is no room for the new file beside the old ones.
    #[error("{task}: {needed} bytes must be free, {free} are; delete something{or}")]
    NoRoom {
        /// What was to be done.
        task: String,
        /// What else mends it.
        or: &'static str,
        /// Bytes that must be free.
        needed: u64,
        /// Bytes that are.
        free: u64,
    },
}

/// Merges files. Give [`Compactor::run`] a thread of its own.
pub struct Compactor<F: FileLayer> {
    pub(super) shared: Arc<Shared>,
    pub(super) files: F,
    pub(super) dir: PathBuf,
    pub(super) free_floor_bytes: u64,
    pub(super) retention: Retention,
    /// Files that are damaged: they stay as they are.
    pub(super) apart: HashSet<FileId>,
    /// Files that no longer count, until nobody reads them.
    pub(super) replaced: Vec<Arc<DataFile>>,
    /// Months of classes that become one part, so that their readings can be dropped.
    pub(super) preparing: Vec<(i64, u16)>,
    /// When it was last looked what retention drops.
    expired_at: Option<i64>,
    pub(super) restless: bool,
}

impl<F: FileLayer> Compactor<F> {
    pub(crate) fn new(shared: Arc<Shared>, files: F, config: &Config) -> Self {
        Self {
            shared,
            files,
            dir: config.dir.clone(),
            free_floor_bytes: config.free_floor_bytes,
            retention: config.retention.clone(),
            apart: HashSet::new(),
            replaced: Vec::new(),
            preparing: Vec::new(),
            expired_at: None,
            restless: false,
        }
    }

    /// Blocks until the writer is closed; merges what is worth it meanwhile, and drops about every hour what retention no
    /// longer keeps at `now`, milliseconds. What fails is tried again later.
    pub fn run(mut self, now: impl Fn() -> i64) {
        loop {
            let expired = self.expire_hourly(now());
            let merged = self.work(false);
            let merged = expired.and(merged);
            let wait = match &merged {
                Ok(true) => Duration::ZERO,
                Ok(false) => IDLE,
                Err(error) => {
                    tracing::warn!(%error, "trying again later");
                    RETRY
                }
            };
            self.shared.lock().merge_error = merged.err().map(|error| error.to_string());
            let shared = self.shared.clone();
            let (before, closed) = (shared.lock().flushes, |state: &super::state::State| state.closed);
            let waiting = |state: &mut super::state::State| !closed(state) && state.flushes == before;
            let (state, _) = shared.wait_while(shared.lock(), wait, waiting);
            if closed(&state) {
                return;
            }
            drop(state);
            self.sweep();
        }
    }

    fn expire_hourly(&mut self, now: i64) -> Result<(), CompactError> {
        // A clock that was set back is no reason to wait for it, and what is being prepared can go once it is ready.
        let hour = self.expired_at.is_none_or(|at| now < at || now - at >= EXPIRE_EVERY_MS);
        if hour || !self.preparing.is_empty() {
            while self.expire(now)? {}
            self.expired_at = Some(now);
        }
        Ok(())
    }

    /// Merges until each month is one file, and rolls them up, without a rest. For a store that nobody writes to.
    ///
    /// # Errors
    /// When a file cannot be read or written, or there is no room.
    pub fn merge_all(&mut self) -> Result<(), CompactError> {
        self.restless = true;
        while self.work(true)? {
            self.sweep();
        }
        Ok(())
    }

    /// One merge or roll-up, if there is one to do. Tells whether there was.
    pub(crate) fn work(&mut self, whole: bool) -> Result<bool, CompactError> {
        Ok(self.merge_next(whole)? || self.roll_up_next(whole)?)
    }

    /// One merge, if there is one to do. Tells whether there was.
    pub(crate) fn merge_next(&mut self, whole: bool) -> Result<bool, CompactError> {
        let existing = self.note_damaged();
        let cuts = self.shared.manifest().classes.cuts.clone();
        let listed: Vec<FileRef> = existing.iter().map(|file| FileRef::from(&**file)).collect();
        let prepared = self.prepared(&listed);
        let over = prepared.is_some();
        let Some(ids) = prepared.or_else(|| plan::next(&listed, &self.apart, &cuts, whole)) else {
            return Ok(false);
        };
        let run: Vec<Arc<DataFile>> =
            existing.iter().filter(|file| ids.contains(&file.id)).cloned().collect();
        drop(existing);
        let bytes = run.iter().map(|file| file.bytes).sum();
        self.want_room(bytes, || match run.first() {
            Some(first) if over => {
                format!("cannot merge {}, which are over", self.readings_of(first.id, bytes))
            }
            _ => "cannot merge files".to_owned(),
        })?;
        match self.merge(&run)? {
            Ended::Done(file) => {
                // At once, or questions about the month would read all of it until then.
                match self.roll_up(&file, file.id, Depth::Lean, false)? {
                    Built::Done(rollup) => {
                        let _ = file.rollup.set(rollup);
                    }
                    Built::Damaged => {}
                    Built::Closed => return Ok(false),
                }
                self.publish(run, file, &Expired::default())?;
            }
            Ended::Damaged(id) => self.set_apart(id),
            Ended::Closed => return Ok(false),
        }
        Ok(true)
    }

    /// Sets files apart: what of them cannot be read would go with them in a merge, and one without readings has nothing to
    /// merge. Answers all files.
    pub(super) fn note_damaged(&mut self) -> Arc<Vec<Arc<DataFile>>> {
        let existing = self.shared.lock().files.clone();
        self.apart.extend(existing.iter().filter(|file| file.walked || file.bytes == 0).map(|file| file.id));
        existing
    }

    /// The next files to merge of a month whose readings are to be dropped; cuts no longer matter there.
    fn prepared(&self, listed: &[FileRef]) -> Option<Vec<FileId>> {
        self.preparing.iter().find_map(|wanted| {
            let own = |file: &&FileRef| (file.id.month, file.id.class) == *wanted;
            let files: Vec<FileRef> = listed.iter().filter(own).copied().collect();
            plan::next(&files, &self.apart, &[], true)
        })
    }

    /// Makes sure that there is room for `bytes` above the floor that is the journal's.
    pub(super) fn want_room(&self, bytes: u64, task: impl FnOnce() -> String) -> Result<(), CompactError> {
        self.room(bytes + self.free_floor_bytes, ", or set store.free_floor lower", task)
    }

    pub(super) fn room(
        &self,
        needed: u64,
        or: &'static str,
        task: impl FnOnce() -> String,
    ) -> Result<(), CompactError> {
        let free = self.files.free_bytes(&self.dir)?;
        if free < needed { Err(CompactError::NoRoom { task: task(), or, needed, free }) } else { Ok(()) }
    }

    /// What some readings are called in a complaint.
    pub(super) fn readings_of(&self, id: FileId, bytes: u64) -> String {
        let class = self.shared.manifest().classes.called(id.class);
        format!("the readings of {} of class {class} ({bytes} bytes)", month_name(id.month))
    }

    pub(super) fn set_apart(&mut self, id: FileId) {
        tracing::error!(
            file = id.name(),
            "a block cannot be read: this file is neither merged with others nor rolled up"
        );
        self.apart.insert(id);
    }

    /// Removes replaced files that nobody reads any more. What a crash leaves is removed by the next opening.
    pub(crate) fn sweep(&mut self) {
        let files = &self.files;
        self.replaced.retain(|file| {
            if Arc::strong_count(file) > 1 {
                return true;
            }
            let removed = |path: &Path| match files.remove(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(file = %path.display(), %error, "a merged file cannot be removed");
                    false
                }
                _ => true,
            };
            // The readings last: a roll-up alone is taken for what is left of readings that were dropped.
            !(file.rollup.get().is_none_or(|rollup| removed(&rollup.path)) && removed(&file.path))
        });
    }

    pub(super) fn publish(
        &mut self,
        run: Vec<Arc<DataFile>>,
        file: Arc<DataFile>,
        expired: &Expired,
    ) -> io::Result<()> {
        self.files.sync_dir(&self.dir.join("data"))?;
        let mut manifest = self.shared.manifest();
        let mut next = manifest.clone();
        next.generation += 1;
        next.files.retain(|listed| run.iter().all(|file| file.id != listed.id));
        next.files.push(FileRef::from(&*file));
        next.files.sort_by_key(|file| file.id);
        next.expired.add(expired);
        next.store(&self.files, &self.dir)?;
        let mut state = self.shared.lock();
        state.expired = next.expired;
        state.merges += u64::from(file.bytes > 0);
        state.merged_bytes += file.bytes;
        state.rolled_bytes += file.rollup.get().map_or(0, |rollup| rollup.bytes);
        let mut files: Vec<_> =
            state.files.iter().filter(|kept| run.iter().all(|file| file.id != kept.id)).cloned().collect();
        files.push(file);
        files.sort_by_key(|file| file.id);
        state.files = Arc::new(files);
        drop(state);
        *manifest = next;
        drop(manifest);
        self.replaced.extend(run);
        Ok(())
    }
}
