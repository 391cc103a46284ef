//! What a journal tells about itself, for metrics and status pages.

use std::time::Duration;

use crate::position::Position;

/// Upper bounds of the buckets of `Histogram`, in seconds; one more bucket holds everything above.
pub const FSYNC_BOUNDS: [f64; 12] =
    [0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25, 0.5, 1.0];

/// How long syncs took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Syncs in each bucket (not summed up), the last above all bounds.
    pub buckets: [u64; FSYNC_BOUNDS.len() + 1],
    /// Number of syncs.
    pub count: u64,
    /// Their time together, in seconds.
    pub sum: f64,
}

impl Histogram {
    pub(crate) fn record(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = FSYNC_BOUNDS.partition_point(|bound| *bound < seconds);
        self.buckets[bucket] += 1;
        self.count += 1;
        self.sum += seconds;
    }
}

/// Which bound made `append` say `Full` the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FullReason {
    /// `pending_bytes` wait for the disk.
    Pending,
    /// `max_bytes` over all files is reached: only `release` helps.
    MaxBytes,
    /// The file system is at `free_floor_bytes`, or has no space at all.
    FreeSpace,
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// Bytes on disk: segments, preallocated files, files set aside.
    pub bytes: u64,
    /// Bytes of records and headers that are synced.
    pub used_bytes: u64,
    /// Bytes accepted and not yet synced.
    pub pending_bytes: u64,
    /// First position that is still kept.
    pub kept: Position,
    /// One after the last durable position.
    pub synced: Position,
    /// The position that the next record takes.
    pub next: Position,
    /// Segment files.
    pub segments: u64,
    /// Commits since the start: each one write and one sync.
    pub commits: u64,
    /// Records committed since the start.
    pub records: u64,
    /// How often `append` said `Full` since the start.
    pub full_count: u64,
    /// Set while the last append was refused.
    pub full: Option<FullReason>,
    /// Sync latency.
    pub fsync: Histogram,
    /// Bytes that may still be taken on the file system; `None` when it cannot be asked.
    pub free_bytes: Option<u64>,
    /// A write or sync failed: nothing is accepted until the journal is opened again.
    pub poisoned: bool,
}

/// One segment, as `Journal::segments` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Counts up from segment to segment; a repaired segment keeps it.
    pub sequence: u64,
    /// Position of its first record.
    pub first: Position,
    /// One after its last synced position.
    pub end: Position,
    /// Bytes of it that count.
    pub bytes: u64,
    /// When it was filled, in ms since the epoch by the file system's clock; `None` for the active one.
    pub sealed_ms: Option<i64>,
}

/// What `Journal::release` did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// Segments deleted.
    pub segments: u64,
    /// Bytes given back to the file system.
    pub bytes: u64,
    /// First position that is still kept.
    pub kept: Position,
}
