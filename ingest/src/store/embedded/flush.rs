//! From a frozen memory table to files, manifest and freed journal. What always holds:
//!
//! - Order: data files (fsync, rename), fsync of the folder, series log (fsync), manifest (atomic), then the swap
//!   that readers see, then the journal's release. A crash anywhere leaves the old manifest with the journal it needs, or
//!   the new one.
//! - Every identity is compared with what files already hold, reading only blocks that overlap: the same value is dropped
//!   and counted as duplicate, another is kept in the newer file and counted as replaced. So
//!   `readings = stored + duplicates + replaced` is exact in every manifest.
//! - A flush that fails changes nothing that counts; it is tried again.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pantau_journal::{FileLayer, Journal, Position, ReleaseError};

use super::block::Scratch;
use super::classes::Classes;
use super::datafile::{DataFile, FileId};
use super::filewriter::FileWriter;
use super::manifest::FileRef;
use super::months::{month_of, month_start};
use super::names::NameLog;
use super::pagecache::PageCache;
use super::point::{Met, Point, Tally, meet};
use super::state::{Frozen, Shared};
use crate::store::types::SeriesId;

/// Wait after a flush that failed.
const RETRY: Duration = Duration::from_secs(1);
/// Of the pages that were read last: series come in the order of their numbers, as they stand in the pages.
const CACHE_BYTES: usize = 1 << 20;

/// Why the flusher ended early.
#[derive(Debug, thiserror::Error)]
pub enum FlushError {
    /// The files could not be written, and the store is closed, so that there is no later try. Nothing is lost: the
    /// journal has it.
    #[error("cannot write what is in memory into files: {0}; it is still in the journal")]
    Io(#[from] io::Error),
}

/// Writes frozen tables into files. Give [`Flusher::run`] a thread of its own.
pub struct Flusher<F: FileLayer> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) journal: Journal<F>,
    pub(crate) files: F,
    pub(crate) dir: PathBuf,
    pub(crate) names: NameLog,
    /// Greatest time in files, by series: what is newer needs no comparison.
    pub(crate) stored_last: Vec<i64>,
    pub(crate) flush_after: Duration,
}

impl<F: FileLayer> Flusher<F> {
    /// Blocks until the writer is closed and everything is in files. Flushes when a table is set aside, and what has
    /// been in memory for `flush_after`.
    ///
    /// # Errors
    /// When the last flush fails.
    pub fn run(mut self) -> Result<(), FlushError> {
        loop {
            let shared = self.shared.clone();
            let (mut state, timed_out) = shared
                .wait_while(shared.lock(), self.flush_after, |state| state.frozen.is_none() && !state.closed);
            if state.frozen.is_none() && (timed_out || state.closed) && state.is_dirty() {
                state.freeze();
            }
            let closed = state.closed;
            let work = state.frozen.is_some();
            drop(state);
            if work {
                match self.flush_once() {
                    Ok(_) => {}
                    Err(error) if closed => return Err(error.into()),
                    Err(error) => {
                        tracing::error!(%error, "cannot write the memory table into files; trying again");
                        let state = shared.lock();
                        let _ = shared.wait_while(state, RETRY, |state| !state.closed);
                    }
                }
            } else if closed {
                return Ok(());
            }
        }
    }

    /// Writes the frozen table, if there is one, and tells whether there was.
    ///
    /// # Errors
    /// When a file cannot be written; the table stays and the next call tries again.
    pub fn flush_once(&mut self) -> io::Result<bool> {
        let (frozen, existing) = {
            let state = self.shared.lock();
            let Some(frozen) = state.frozen.clone() else { return Ok(false) };
            (frozen, state.files.clone())
        };
        let result = self.write(&frozen, &existing).and_then(|written| self.publish(&frozen, written));
        self.shared.lock().flush_error = result.as_ref().err().map(ToString::to_string);
        self.shared.ring();
        result.map(|()| true)
    }

    /// Writes the files; nothing counts yet.
    fn write(&mut self, frozen: &Frozen, existing: &[Arc<DataFile>]) -> io::Result<Written> {
        let dir = self.dir.join("data");
        let (next_file, classes) = {
            let manifest = self.shared.manifest();
            (manifest.next_file, manifest.classes.clone())
        };
        let mut output = Output {
            files: &self.files,
            dir: dir.clone(),
            existing,
            cache: PageCache::new(CACHE_BYTES),
            next_file,
            writers: BTreeMap::new(),
            scratch: Scratch::default(),
            tally: Tally::default(),
            stored: 0,
        };
        self.stored_last.resize(frozen.series as usize, i64::MIN);
        let mut points = Vec::new();
        for column in frozen.table.columns() {
            column.settled(&mut output.tally, &mut points);
            let stored_last = self.stored_last.get(column.series as usize).copied().unwrap_or(i64::MAX);
            let last = points.last().map(|point| point.time);
            let class = if classes.any() { self.class_of(column.series, &classes) } else { 0 };
            output.add_series((column.series, class), &mut points, stored_last)?;
            // Also when this flush fails: the next one then compares where it need not.
            if let (Some(stored), Some(last)) = (self.stored_last.get_mut(column.series as usize), last) {
                *stored = (*stored).max(last);
            }
        }
        let Output { next_file, writers, tally, stored, .. } = output;
        let files = writers.into_values().map(FileWriter::finish).collect::<io::Result<Vec<_>>>()?;
        if !files.is_empty() {
            self.files.sync_dir(&dir)?;
        }
        Ok(Written { files, next_file, tally, stored })
    }

    /// The class of a series, by its quantity. One whose name is lost is in the default class.
    fn class_of(&self, series: u32, classes: &Classes) -> u16 {
        let catalog = self.shared.catalog();
        let name = catalog.name_of(SeriesId(series));
        let quantity = name.and_then(|name| name.split('/').nth(1));
        quantity.map_or(0, |quantity| classes.of_quantity(quantity))
    }

    /// Makes them count, and lets readers see them instead of the frozen table.
    fn publish(&mut self, frozen: &Frozen, written: Written) -> io::Result<()> {
        let Written { files: fresh, next_file, tally, stored } = written;
        let shared = self.shared.clone();
        // Held until readers see what it says: else a merge could come in between.
        let mut manifest = shared.manifest();
        let names = |numbers: Range<u32>| shared.catalog().slice(numbers);
        let names_bytes = self.names.append(&self.files, frozen.series, names)?;
        let mut next = manifest.clone();
        next.generation += 1;
        next.next_file = next_file;
        next.covered = frozen.covered;
        next.names_bytes = names_bytes;
        next.series = frozen.series;
        next.counters = frozen.counters;
        next.counters.stored += stored;
        next.counters.duplicates += tally.duplicates;
        next.counters.replaced += tally.replaced;
        next.gateways = frozen.gateways.clone();
        next.files.extend(fresh.iter().map(FileRef::from));
        next.store(&self.files, &self.dir)?;
        self.names.bytes = names_bytes;
        self.names.series = frozen.series;
        let mut state = shared.lock();
        // Added, not set: commits that were applied meanwhile count what is kept elsewhere as stored.
        state.counters.stored += stored;
        state.counters.duplicates += tally.duplicates;
        state.counters.replaced += tally.replaced;
        state.covered = next.covered;
        let files = state.files.iter().cloned().chain(fresh.into_iter().map(Arc::new)).collect();
        state.files = Arc::new(files);
        state.frozen = None;
        state.flushes += 1;
        drop(state);
        *manifest = next;
        self.release(frozen.covered);
        Ok(())
    }

    /// Frees journal segments that files and the quarantine index both cover. What cannot be freed now is freed later.
    fn release(&self, covered: u64) {
        let indexed = self.shared.lock().indexed;
        match self.journal.release(Position(covered.min(indexed))) {
            Ok(_) | Err(ReleaseError::Closed) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot free journal segments; trying again after the next flush")
            }
        }
    }
}

impl<F: FileLayer> Drop for Flusher<F> {
    fn drop(&mut self) {
        self.shared.lock().flusher_gone = true;
        self.shared.ring();
    }
}

/// The files of one flush, whole and synced, and what was found while they were written.
struct Written {
    files: Vec<DataFile>,
    next_file: u64,
    tally: Tally,
    stored: u64,
}

/// The files of one flush while they are written.
struct Output<'a, F: FileLayer> {
    files: &'a F,
    dir: PathBuf,
    existing: &'a [Arc<DataFile>],
    cache: PageCache,
    next_file: u64,
    /// By month and class.
    writers: BTreeMap<(i64, u16), FileWriter<F>>,
    scratch: Scratch,
    tally: Tally,
    stored: u64,
}

impl<F: FileLayer> Output<'_, F> {
    /// Adds all points of a series of a class, month by month.
    fn add_series(
        &mut self,
        (series, class): (u32, u16),
        points: &mut Vec<Point>,
        stored_last: i64,
    ) -> io::Result<()> {
        if points.first().is_some_and(|first| first.time <= stored_last) {
            self.drop_known(series, points)?;
        } else {
            self.stored += points.len() as u64;
        }
        let mut rest: &[Point] = points;
        while let Some(first) = rest.first() {
            let month = month_of(first.time);
            let end = month_start(month + 1);
            let (now, later) = rest.split_at(rest.partition_point(|point| point.time < end));
            rest = later;
            let writer = match self.writers.entry((month, class)) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    let id = FileId { seq: self.next_file, generation: 0, month, class };
                    let writer = FileWriter::create(self.files, &self.dir, id)?;
                    self.next_file += 1;
                    entry.insert(writer)
                }
            };
            writer.add(series, now, &mut self.scratch)?;
        }
        Ok(())
    }

    /// Compares with what files hold, newest file first, and drops what is there with the same value.
    fn drop_known(&mut self, series: u32, points: &mut Vec<Point>) -> io::Result<()> {
        let mut met: Vec<Option<Met>> = vec![None; points.len()];
        let (Some(first), Some(last)) = (points.first().copied(), points.last().copied()) else {
            return Ok(());
        };
        for file in self.existing.iter().rev() {
            let mut opened = None;
            let period = (first.time, last.time);
            let found = self.cache.overlapping(self.files, file, &mut opened, series, period)?;
            for entry in &found.entries {
                let from = points.partition_point(|point| point.time < entry.summary.first);
                let to = points.partition_point(|point| point.time <= entry.summary.last);
                if met[from..to].iter().all(Option::is_some) {
                    continue;
                }
                let handle = match &mut opened {
                    Some(handle) => handle,
                    none => none.insert(file.handle(self.files)?),
                };
                match file.read_block(self.files, handle, entry) {
                    Ok(known) => compare(&points[from..to], &mut met[from..to], &known),
                    // It cannot be read, so there is nothing to be the same as.
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                        tracing::error!(file = %file.path.display(), offset = entry.offset, %error, "a damaged block is left out of a comparison");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        let mut at = 0;
        points.retain(|_| {
            let met = met[at];
            at += 1;
            match met {
                Some(met) => self.tally.count(met),
                None => self.stored += 1,
            }
            met != Some(Met::Duplicate)
        });
        Ok(())
    }
}

/// Marks the points whose time is in `known`; what a newer file said before stands.
fn compare(points: &[Point], met: &mut [Option<Met>], known: &[Point]) {
    let mut known = known.iter().peekable();
    for (point, met) in points.iter().zip(met) {
        while known.next_if(|candidate| candidate.time < point.time).is_some() {}
        if let Some(found) = known.peek().filter(|candidate| candidate.time == point.time) {
            met.get_or_insert(meet(found.value, point.value));
        }
    }
}
