//! The reading half: a short copy under the lock (a series' points in memory, the set of files), then files without it.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use pantau_journal::{FileLayer, Journal, Position, ReadError as ReadFailure};
use pantau_proto::{Epoch, GatewayId, RangeSet};

use super::Stats;
use super::damage::Damage;
use super::query::{Gather, Piece, clusters};
use super::record;
use super::rollup::Cache;
use super::snapshot::Place;
use super::state::Shared;
use crate::store::error::ReadError;
use crate::store::types::{
    Agg, Buckets, Columns, Commit, Counters, EpochState, GatewayState, LatestPoint, Level, NewSeries, Points,
    SeriesId, SeriesInfo, SeriesPage,
};
use crate::store::{Names, StoreReader};

/// The embedded engine's reader.
pub struct EmbeddedReader<F: FileLayer> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) journal: Journal<F>,
    pub(crate) files: F,
    pub(crate) packs: Arc<Cache>,
}

impl<F: FileLayer> Clone for EmbeddedReader<F> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            journal: self.journal.clone(),
            files: self.files.clone(),
            packs: self.packs.clone(),
        }
    }
}

impl<F: FileLayer> Names for EmbeddedReader<F> {
    fn find(&self, name: &str) -> Option<SeriesId> {
        self.shared.catalog().find(name)
    }

    fn name(&self, series: SeriesId) -> Option<Arc<str>> {
        self.shared.catalog().name_of(series).map(Arc::from)
    }

    fn owner(&self, device: &str) -> Option<GatewayId> {
        self.shared.catalog().owner(device).cloned()
    }
}

impl<F: FileLayer> StoreReader for EmbeddedReader<F> {
    fn latest(&self, series: &[SeriesId]) -> Vec<Option<LatestPoint>> {
        let state = self.shared.lock();
        series.iter().map(|series| state.slots.get(series.index())?.latest(*series)).collect()
    }

    fn series(&self, prefix: &str, after: Option<&str>, limit: usize) -> SeriesPage {
        let catalog = self.shared.catalog();
        let mut found: Vec<NewSeries> = catalog.listed(prefix, after).take(limit.saturating_add(1)).collect();
        drop(catalog);
        let more = found.len() > limit;
        found.truncate(limit);
        let state = self.shared.lock();
        let items: Vec<SeriesInfo> = found
            .into_iter()
            .map(|series| {
                let extent = state.slots.get(series.id.index()).map_or((None, None, 0), |slot| slot.extent());
                describe(series, extent)
            })
            .collect();
        let next = items.last().filter(|_| more).map(|last| last.name.clone());
        SeriesPage { items, next }
    }

    fn info(&self, series: SeriesId) -> Option<SeriesInfo> {
        let named = self.shared.catalog().get(series)?;
        let state = self.shared.lock();
        Some(describe(named, state.slots.get(series.index())?.extent()))
    }

    fn range(&self, series: SeriesId, time: Range<i64>, limit: usize) -> Result<Points, ReadError> {
        let (mut points, mut damage) = (Points::default(), Damage::default());
        let mut flags = Vec::new();
        let snapshot = self.snapshot(series, &time)?;
        for cluster in clusters(self.pieces(&snapshot, &time, &mut damage)) {
            // What a cluster holds at least, once its pieces are laid onto each other, is its largest piece.
            let whole = |piece: &Piece<Place>| match &piece.place {
                Place::Block(_, entry) if piece.first >= time.start && piece.last < time.end => {
                    entry.summary.count as usize
                }
                Place::Memory(points) => points.len(),
                Place::Block(..) => 0,
            };
            let least = cluster.iter().map(whole).max().unwrap_or(0);
            if points.times.len() + least > limit {
                return Err(ReadError::TooManyPoints { limit });
            }
            let merged = self.read(cluster, &mut damage);
            let start = merged.partition_point(|point| point.time < time.start);
            let end = merged.partition_point(|point| point.time < time.end);
            for point in merged.get(start..end).unwrap_or(&[]) {
                points.times.push(point.time);
                points.values.push(point.value);
                flags.push(point.flags);
            }
            if points.times.len() > limit {
                return Err(ReadError::TooManyPoints { limit });
            }
        }
        if flags.iter().any(|flags| *flags != 0) {
            points.flags = flags;
        }
        points.damaged = damage.readings();
        Ok(points)
    }

    fn aggregate(
        &self,
        series: SeriesId,
        time: Range<i64>,
        step_ms: i64,
        aggs: &[Agg],
        limit: usize,
    ) -> Result<Buckets, ReadError> {
        if step_ms < 1 {
            return Err(ReadError::BadStep);
        }
        let mut gather =
            Gather::new(time.clone(), step_ms, aggs, limit).ok_or(ReadError::TooManyBuckets { limit })?;
        if aggs.contains(&Agg::Increase) {
            gather.begin_after(self.value_before(series, time.start)?);
        }
        let snapshot = self.snapshot(series, &time)?;
        let (level, mut damage) = (Level::of_steps(time.start, step_ms), Damage::default());
        let (rows, read) = match level {
            Some(level) => {
                let cover = self.cover(&snapshot, level, &time, aggs, &mut damage);
                (cover.rows, cover.read)
            }
            None => (Vec::new(), vec![time]),
        };
        let mut rows = rows.into_iter().peekable();
        for range in read {
            while let Some((start, row)) = rows.next_if(|(start, _)| *start < range.start) {
                gather.add_row(start, &row);
            }
            self.gather(&snapshot, range, &mut gather, &mut damage);
        }
        rows.for_each(|(start, row)| gather.add_row(start, &row));
        Ok(Buckets { damaged: damage.readings(), ..gather.finish(aggs, level) })
    }

    fn ranges(&self, gateway: &GatewayId, epoch: Epoch) -> RangeSet {
        self.shared.lock().ranges(gateway, epoch)
    }

    fn gateways(&self) -> Vec<GatewayState> {
        let gateways = self.shared.lock().gateways.clone();
        let listed = |epochs: std::collections::BTreeMap<u64, EpochState>| {
            epochs.into_iter().map(|(epoch, state)| (Epoch(epoch), state)).collect()
        };
        gateways
            .into_iter()
            .map(|(gateway, epochs)| GatewayState { gateway, epochs: listed(epochs) })
            .collect()
    }

    fn counters(&self) -> Counters {
        self.shared.lock().counters
    }
}

impl<F: FileLayer> EmbeddedReader<F> {
    /// Tells up to which journal position the quarantine index is durable; only below it segments are freed.
    pub fn set_indexed(&self, position: u64) {
        let mut state = self.shared.lock();
        state.indexed = state.indexed.max(position);
    }

    /// Journal position after the last commit taken: what [`Self::set_indexed`] may be told once its refused payloads
    /// are in the index.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.shared.lock().applied
    }

    /// Reads the journal again: the commits from position `from` on that are `wanted`, without their readings, until
    /// they hold about `bytes`, and the position after the last one looked at (`from`: there is nothing more). What is
    /// damaged or freed is passed over. Blocks on the disk.
    ///
    /// # Errors
    /// When the journal cannot be read now.
    pub fn journaled(
        &self,
        from: u64,
        bytes: usize,
        wanted: impl Fn(&Commit) -> bool,
    ) -> io::Result<(Vec<Commit>, u64)> {
        let mut reader = self.journal.reader(Position(from));
        let (mut commits, mut held) = (Vec::new(), 0);
        while held < bytes {
            let found = match reader.next() {
                Ok(Some(found)) => found,
                Ok(None) => break,
                Err(ReadFailure::Io { source, .. }) => return Err(source),
                Err(_) => continue,
            };
            if let Ok(mut commit) = record::decode(found.bytes.as_ref())
                && wanted(&commit)
            {
                held += found.bytes.len();
                commit.readings = Columns::default();
                commits.push(commit);
            }
        }
        Ok((commits, reader.position().0))
    }

    /// Journal position up to which the quarantine index has everything.
    #[must_use]
    pub fn indexed(&self) -> u64 {
        self.shared.lock().indexed
    }

    /// Why the last flush failed, until one succeeds.
    #[must_use]
    pub fn flush_error(&self) -> Option<String> {
        self.shared.lock().flush_error.clone()
    }

    /// Why readings that are over cannot be dropped, while they cannot.
    #[must_use]
    pub fn overdue_error(&self) -> Option<String> {
        let state = self.shared.lock();
        state.merge_error.clone().filter(|_| state.overdue_bytes > 0)
    }

    /// The journal, for its statistics.
    #[must_use]
    pub fn journal(&self) -> &Journal<F> {
        &self.journal
    }

    /// Sizes and counts of the engine itself.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let state = self.shared.lock();
        let frozen = state.frozen.as_ref();
        Stats {
            memory_readings: state.active.readings() + frozen.map_or(0, |frozen| frozen.table.readings()),
            memory_bytes: state.active.bytes() + frozen.map_or(0, |frozen| frozen.table.bytes()),
            series: state.slots.len() as u64,
            files: state.files.iter().filter(|file| file.bytes > 0).count() as u64,
            file_bytes: state.files.iter().map(|file| file.bytes).sum(),
            blocks: state.files.iter().map(|file| file.index.totals.blocks).sum(),
            flushes: state.flushes,
            merges: state.merges,
            merged_bytes: state.merged_bytes,
            expired_files: state.expired.files,
            expired_bytes: state.expired.bytes,
            expired_readings: state.expired.readings,
            rolled_bytes: state.rolled_bytes,
            rollup_bytes: state
                .files
                .iter()
                .filter_map(|file| file.rollup.get())
                .map(|rollup| rollup.bytes)
                .sum(),
            overdue_bytes: state.overdue_bytes,
            merge_failing: state.merge_error.is_some(),
            writer_waits: state.waits,
            flush_failing: state.flush_error.is_some(),
            damaged_reads: state.damaged_reads,
        }
    }

    /// The value of the last reading before `time`.
    fn value_before(&self, series: SeriesId, time: i64) -> Result<Option<f64>, ReadError> {
        const DAY_MS: i64 = 86_400_000;
        // It is nearly always near: then there is no need to gather the pieces of years.
        for back in [DAY_MS, 40 * DAY_MS, i64::MAX] {
            let before = time.saturating_sub(back)..time;
            let snapshot = self.snapshot(series, &before)?;
            for cluster in clusters(self.pieces(&snapshot, &before, &mut Damage::default())).into_iter().rev()
            {
                let points = self.read(cluster, &mut Damage::default());
                if let Some(at) = points.partition_point(|point| point.time < time).checked_sub(1) {
                    return Ok(points.get(at).map(|point| point.value));
                }
            }
        }
        Ok(self.rolled_before(series, time))
    }
}

fn describe(series: NewSeries, (first, last, points): (Option<i64>, Option<i64>, u64)) -> SeriesInfo {
    let points = Some(points);
    SeriesInfo { id: series.id, name: series.name, gateway: series.gateway, first, last, points }
}
