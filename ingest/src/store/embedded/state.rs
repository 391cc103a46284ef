//! What writer, flusher and readers share: the memory tables, the set of files, the newest reading of each series, ranges
//! and counters, behind one mutex that is never held over a read, write or sync (the manifest has its own, which is). What
//! always holds:
//!
//! - Everything here is durable: commits are applied after their fsync.
//! - `active` and `frozen` together hold exactly what no file of `files` holds: a flush swaps both at once.
//! - `files` is what the manifest names, in the same order; both change while the manifest is locked.
//! - A frozen table carries ranges and counters as they were when it was frozen, so that manifest and files agree.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use pantau_proto::{Epoch, Flags, GatewayId, RangeSet};

use super::catalog::Catalog;
use super::datafile::DataFile;
use super::manifest::{Expired, Gateways, Manifest};
use super::pagecache::PageCache;
use super::point::Point;
use super::slot::{Left, Slot};
use super::table::{NO_COLUMN, Table};
use crate::store::types::{Commit, Counters, SeriesId};

/// A table that no longer changes, with what belongs to it.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) table: Table,
    pub(crate) covered: u64,
    pub(crate) series: u32,
    pub(crate) counters: Counters,
    pub(crate) gateways: Gateways,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) slots: Vec<Slot>,
    pub(crate) active: Table,
    pub(crate) frozen: Option<Arc<Frozen>>,
    /// From old to new.
    pub(crate) files: Arc<Vec<Arc<DataFile>>>,
    pub(crate) gateways: Gateways,
    pub(crate) counters: Counters,
    /// What retention dropped.
    pub(crate) expired: Expired,
    /// Journal position after the last record that is in here.
    pub(crate) applied: u64,
    /// Journal position up to which the files cover everything.
    pub(crate) covered: u64,
    /// Journal position up to which the quarantine index has everything.
    pub(crate) indexed: u64,
    pub(crate) freezes: u64,
    pub(crate) flushes: u64,
    pub(crate) waits: u64,
    pub(crate) flush_error: Option<String>,
    /// Merges since the start, and the bytes that they wrote.
    pub(crate) merges: u64,
    pub(crate) merged_bytes: u64,
    /// Bytes of roll-ups that were written since the start.
    pub(crate) rolled_bytes: u64,
    /// Bytes of readings that are over and not dropped yet.
    pub(crate) overdue_bytes: u64,
    /// Why the last merge failed, until one succeeds.
    pub(crate) merge_error: Option<String>,
    pub(crate) damaged_reads: u64,
    pub(crate) closed: bool,
    pub(crate) flusher_gone: bool,
}

impl State {
    /// Makes room for series up to `count`.
    pub(crate) fn grow(&mut self, count: usize) {
        if self.slots.len() < count {
            // Twice the room at a time would be as much again for a million series.
            if self.slots.capacity() < count {
                self.slots.reserve_exact((count - self.slots.len()).max(self.slots.len() / 8));
            }
            self.slots.resize(count, Slot::EMPTY);
        }
    }

    /// Takes in a durable commit. Every series must be known.
    pub(crate) fn apply(&mut self, commit: &Commit, position_after: u64) {
        let readings = &commit.readings;
        let points = readings.times.iter().zip(&readings.values);
        if readings.flags.is_empty() {
            for (series, (&time, &value)) in readings.series.iter().zip(points) {
                self.push(*series, Point { time, value, flags: 0 }, commit.received_ms);
            }
        } else {
            for ((series, &flags), (&time, &value)) in readings.series.iter().zip(&readings.flags).zip(points)
            {
                self.counters.late += u64::from(Flags(flags).contains(Flags::LATE));
                self.push(*series, Point { time, value, flags }, commit.received_ms);
            }
        }
        let counters = &mut self.counters;
        counters.commits += 1;
        counters.readings += readings.len() as u64 + commit.elsewhere.readings;
        counters.stored += commit.elsewhere.readings;
        counters.late += commit.elsewhere.late;
        counters.refused += commit.refused.len() as u64;
        // Gateways say how many; none of them can make the counter start anew.
        counters.lost =
            commit.losses.iter().fold(counters.lost, |lost, loss| lost.saturating_add(loss.count));
        counters.skipped += commit.skipped;
        self.note_gateway(commit);
        self.applied = position_after;
    }

    #[inline]
    fn push(&mut self, series: SeriesId, point: Point, received: i64) {
        if let Some(slot) = self.slots.get_mut(series.index()) {
            self.active.push(&mut slot.column, series.0, point);
            slot.note(point, received);
        }
    }

    fn note_gateway(&mut self, commit: &Commit) {
        if !self.gateways.contains_key(&commit.gateway) {
            self.gateways.insert(commit.gateway.clone(), BTreeMap::new());
        }
        let Some(epochs) = self.gateways.get_mut(&commit.gateway) else { return };
        let state = epochs.entry(commit.epoch.0).or_default();
        for range in &commit.ranges {
            state.ranges.insert(range.start, range.end);
        }
        state.reported_next = state.reported_next.max(commit.reported_next);
        state.last_received_ms = state.last_received_ms.max(commit.received_ms);
    }

    pub(crate) fn ranges(&self, gateway: &GatewayId, epoch: Epoch) -> RangeSet {
        let state = self.gateways.get(gateway).and_then(|epochs| epochs.get(&epoch.0));
        state.map(|state| state.ranges.clone()).unwrap_or_default()
    }

    /// Journal position below which nobody needs the journal any more.
    pub(crate) fn releasable(&self) -> u64 {
        self.covered.min(self.indexed)
    }

    /// Whether there is anything that no file or manifest has.
    pub(crate) fn is_dirty(&self) -> bool {
        self.applied > self.frozen.as_ref().map_or(self.covered, |frozen| frozen.covered)
    }

    /// Sets the active table aside for the flusher. Only when none is set aside.
    pub(crate) fn freeze(&mut self) {
        debug_assert!(self.frozen.is_none(), "one frozen table at most");
        let mut table = std::mem::take(&mut self.active);
        for column in table.columns() {
            if let Some(slot) = self.slots.get_mut(column.series as usize) {
                slot.column = NO_COLUMN;
            }
        }
        table.sort();
        self.freezes += 1;
        self.frozen = Some(Arc::new(Frozen {
            table,
            covered: self.applied,
            series: self.slots.len() as u32,
            counters: self.counters,
            gateways: self.gateways.clone(),
        }));
    }

    /// Sets anew what is known of a series of which files have `left` and no more.
    pub(crate) fn recount(&mut self, series: u32, left: &Left) {
        let Some(slot) = self.slots.get_mut(series as usize) else { return };
        let mut left = *left;
        let frozen = self.frozen.as_ref().and_then(|frozen| frozen.table.find(series));
        for column in frozen.into_iter().chain(self.active.column(slot.column)) {
            left.add_column(column);
        }
        slot.reset(&left);
    }

    /// Copies the points of a series in the active table.
    pub(crate) fn copy_active(&self, series: SeriesId, time: &std::ops::Range<i64>) -> Vec<Point> {
        let column = self.slots.get(series.index()).and_then(|slot| self.active.column(slot.column));
        column.map(|column| column.copy(time)).unwrap_or_default()
    }
}

/// The state with its lock and its bell.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    bell: Condvar,
    catalog: RwLock<Catalog>,
    /// What counts on the disk. Locked before the state, and held over its writing.
    manifest: Mutex<Manifest>,
    /// Of the readers.
    pub(crate) pages: PageCache,
}

impl Shared {
    pub(crate) fn new(state: State, catalog: Catalog, manifest: Manifest) -> Self {
        Self {
            state: Mutex::new(state),
            bell: Condvar::new(),
            catalog: RwLock::new(catalog),
            manifest: Mutex::new(manifest),
            pages: PageCache::default(),
        }
    }

    pub(crate) fn manifest(&self) -> MutexGuard<'_, Manifest> {
        self.manifest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn catalog_mut(&self) -> RwLockWriteGuard<'_, Catalog> {
        self.catalog.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever waits for a change.
    pub(crate) fn ring(&self) {
        self.bell.notify_all();
    }

    /// Waits while `waiting` holds, at most `longest`. Tells whether it still holds.
    pub(crate) fn wait_while<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        longest: Duration,
        waiting: impl FnMut(&mut State) -> bool,
    ) -> (MutexGuard<'a, State>, bool) {
        let (state, result) =
            self.bell.wait_timeout_while(state, longest, waiting).unwrap_or_else(PoisonError::into_inner);
        (state, result.timed_out())
    }
}
