//! The files that records will be written on: preallocated ahead, so that what is accepted has its space.
//!
//! Always: one file is the reserve, for `append_reserved` alone; all files together stay within `max_bytes`, and all
//! but the reserve leave `free_floor_bytes` free. The committer makes them between two commits, so each costs
//! little: a name and its extents, no sync.

use std::path::PathBuf;

use crate::committer::Committer;
use crate::files::FileLayer;
use crate::segment::SPARE_SUFFIX;
use crate::stats::FullReason;
use crate::ticket::lock;

/// A preallocated file without a header.
pub(crate) struct Spare<F: FileLayer> {
    pub(crate) file: F::File,
    pub(crate) path: PathBuf,
}

impl<F: FileLayer> Committer<F> {
    pub(crate) fn lacks_files(&self) -> bool {
        self.reserve.is_none() || self.spares.len() < self.shared.config.spare_target()
    }

    /// Makes the reserve and the spare files, as far as the bounds allow: first the reserve, which
    /// need not heed the free-space floor.
    pub(crate) fn replenish(&mut self) {
        lock(&self.shared.state).want_space = false;
        let mut reason = None;
        if self.reserve.is_none() {
            match self.make_file(0) {
                Ok(spare) => {
                    self.reserve = Some(spare);
                    let mut state = lock(&self.shared.state);
                    state.reserve = true;
                    state.on_reserve = false;
                }
                Err(full) => reason = Some(full),
            }
        }
        while reason.is_none() && self.spares.len() < self.shared.config.spare_target() {
            match self.make_file(self.shared.config.free_floor_bytes) {
                Ok(spare) => {
                    self.spares.push_back(spare);
                    lock(&self.shared.state).spares += 1;
                }
                Err(full) => reason = Some(full),
            }
        }
        let mut state = lock(&self.shared.state);
        state.no_space = reason;
    }

    /// After the start: the segment that is there is the reserve, should there be no room for another. It may have
    /// been before.
    pub(crate) fn keep_reserve(&self) {
        let mut state = lock(&self.shared.state);
        state.on_reserve = !state.reserve;
    }

    fn make_file(&mut self, floor: u64) -> Result<Spare<F>, FullReason> {
        let shared = &*self.shared;
        let (files, bytes) = (&shared.files, shared.config.segment_bytes);
        if lock(&shared.state).allocated.saturating_add(bytes) > shared.config.max_bytes {
            return Err(FullReason::MaxBytes);
        }
        let free = files.free_bytes(&shared.dir).unwrap_or(0);
        if free < floor.saturating_add(bytes) {
            return Err(FullReason::FreeSpace);
        }
        let path = shared.dir.join(format!("{}{SPARE_SUFFIX}", self.next_spare));
        self.next_spare += 1;
        match make_spare(files, path.clone(), bytes) {
            Ok(spare) => {
                lock(&shared.state).allocated += bytes;
                Ok(spare)
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot make a journal segment");
                let _ = files.remove(&path);
                Err(FullReason::FreeSpace)
            }
        }
    }
}

/// Not synced: only a file with records in it must survive a crash, and that one is synced when it gets them.
fn make_spare<F: FileLayer>(files: &F, path: PathBuf, bytes: u64) -> std::io::Result<Spare<F>> {
    let file = files.create(&path)?;
    files.preallocate(&file, bytes)?;
    Ok(Spare { file, path })
}
