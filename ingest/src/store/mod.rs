//! Where readings are kept: the `Store` and `StoreReader` traits and the engines behind them.
//!
//! Exists so that the rest of ingest knows *what* is kept, never *how*. What always holds:
//!
//! - [`Store::append`] returns only when its commits are durable **and** readable. A [`Commit`] is atomic: its
//!   readings, new series, refused payloads, losses and committed positions are all there after a crash, or none.
//! - A reading's identity is series + time. The same identity with the same value is a duplicate; with another
//!   value the later commit wins and is counted as replaced. Flags do not take part in that comparison.
//! - There is one writer. Readers are cheap clones and never hold it up for longer than a short copy.
//! - Once everything is flushed, `readings = stored + duplicates + replaced`, exactly, also across crashes.
//!
//! ```text
//! committer ──append──► Store ──journal record, fsync──► memory table ──Flusher──► files by UTC month
//!                                                            ▲                        ▲
//! HTTP, alarms ─────────────────────── StoreReader ──────────┴────────────────────────┘
//! ```

mod any;
#[cfg(test)]
mod conformance;
pub mod embedded;
mod error;
pub mod remote;
mod types;

use std::ops::Range;
use std::sync::Arc;

use pantau_proto::{Epoch, GatewayId, RangeSet};

pub use any::{AnyReader, AnyStore};
pub use error::{ReadError, StoreError};
pub(crate) use types::WIB_MS;
pub use types::{
    Agg, Buckets, Columns, Commit, Counters, Elsewhere, EpochState, GatewayState, LatestPoint, Level, Loss,
    NewSeries, Points, Refused, SeriesId, SeriesInfo, SeriesPage, flags_of, usual_distance,
};

/// The writing half of a store. One thread owns it.
pub trait Store: Send {
    /// Makes commits durable (one fsync for all of them) and readable, in order, and returns how many were taken from
    /// the front: all of them, or fewer when a bound was reached in between (hand the rest in again), never 0 unless
    /// `commits` is empty. Blocks. May wait for the flush when the memory bound is reached, at most for the engine's
    /// `max_wait`.
    ///
    /// # Errors
    /// On an error none of `commits` was taken: after [`StoreError::is_retryable`] errors they may be handed in again,
    /// after `Invalid` and `TooLarge` without the commit concerned. After `Failed` the store must be opened anew, and
    /// [`Store::ranges`] tells then whether the commits are there.
    fn append(&mut self, commits: &[Commit]) -> Result<usize, StoreError>;

    /// What became of commits that the last [`Store::append`] took in another form than they were handed in: their index
    /// in that call, and the commit with the readings that the database refused moved to [`Commit::refused`], behind
    /// those that were there. Engines that keep their own files refuse nothing.
    fn amended(&mut self) -> Vec<(usize, Commit)> {
        Vec::new()
    }

    /// The committed positions of a gateway's epoch: the committer skips what is in here.
    fn ranges(&self, gateway: &GatewayId, epoch: Epoch) -> RangeSet;

    /// The id that the next new series must take: ids count up from 0 without gaps, in the order of
    /// [`Commit::new_series`] over all commits.
    fn next_series(&self) -> SeriesId;

    /// Moves everything in memory into files and waits until that is done (at a graceful stop).
    ///
    /// # Errors
    /// When the files cannot be written; nothing is lost then, the journal still has it.
    fn flush(&mut self) -> Result<(), StoreError>;
}

/// Who is who, from memory.
pub trait Names: Send + Sync {
    /// The id of a series by its full name.
    fn find(&self, name: &str) -> Option<SeriesId>;

    /// The full name of a series.
    fn name(&self, series: SeriesId) -> Option<Arc<str>>;

    /// The gateway that owns a device: who was the first to report one of its series.
    fn owner(&self, device: &str) -> Option<GatewayId>;
}

/// The reading half: a cheap clone, for any number of threads. All calls but `latest`, those of [`Names`] and the counters
/// may read files, so async callers go through `spawn_blocking`. Times are milliseconds since the epoch, ranges are
/// half-open.
pub trait StoreReader: Names + Clone + 'static {
    /// The reading with the greatest time of each series asked for, `None` where there is none.
    fn latest(&self, series: &[SeriesId]) -> Vec<Option<LatestPoint>>;

    /// The series whose name starts with `prefix`, in the order of their names, after the name `after`, at most `limit`.
    fn series(&self, prefix: &str, after: Option<&str>, limit: usize) -> SeriesPage;

    /// What is known of one series.
    fn info(&self, series: SeriesId) -> Option<SeriesInfo>;

    /// The readings of one series with a time in `time`, in the order of time, each time once.
    ///
    /// # Errors
    /// [`ReadError::TooManyPoints`] when there are more than `limit`; [`ReadError::UnknownSeries`].
    fn range(&self, series: SeriesId, time: Range<i64>, limit: usize) -> Result<Points, ReadError>;

    /// The readings of one series gathered by steps: bucket `i` holds the times in
    /// `[time.start + i·step_ms, time.start + (i+1)·step_ms)`, cut at `time.end`. At most `limit` buckets.
    ///
    /// # Errors
    /// [`ReadError::TooManyBuckets`], [`ReadError::BadStep`], [`ReadError::UnknownSeries`].
    fn aggregate(
        &self,
        series: SeriesId,
        time: Range<i64>,
        step_ms: i64,
        aggs: &[Agg],
        limit: usize,
    ) -> Result<Buckets, ReadError>;

    /// The committed positions of a gateway's epoch.
    fn ranges(&self, gateway: &GatewayId, epoch: Epoch) -> RangeSet;

    /// Every gateway ever heard of with its epochs.
    fn gateways(&self) -> Vec<GatewayState>;

    /// The counters since the store was made. They survive crashes.
    fn counters(&self) -> Counters;
}
