//! The embedded engine: a write-ahead journal, memory tables, and immutable files by UTC month.
//!
//! ```text
//! append(commits)                                    folder
//!   record.rs  one record a commit ──► journal/      journal/            pantau_journal, one position a commit
//!   commit_once: one fsync for all                   data/2026-03-0000000017.pts
//!   state.rs   active table ◄── readable from here   series.log          names.rs
//!        │ full, or flush_after                      MANIFEST            manifest.rs
//!   frozen table ──► flush.rs ──► filewriter.rs, datafile.rs (block.rs, index.rs, columns.rs, codec/)
//!                                  then MANIFEST, then the journal's segments are freed
//!   compact.rs merges neighbours of a month into one file (plan.rs says which, merge.rs does it), then MANIFEST
//!   expire.rs  drops files that retention no longer keeps (retain.rs says which), then the same
//! verify/, copy.rs, outlook.rs: the folder from outside, checked, copied and foreseen beside a process that has it open
//! reader.rs: copy from the tables + files (snapshot.rs) ──► query.rs (clusters, buckets) ──► point.rs (newest wins)
//! steps.rs: what of an answer by hours or days comes from roll-ups, what from snapshot.rs
//! ```
//!
//! What always holds:
//! - The manifest names every file that counts and the journal position that the files cover. Opening reads the manifest,
//!   the series log, the files' indexes, and replays the journal from that position. Files that it does not name are
//!   removed.
//! - Memory is bounded: two tables of half `memory_bytes` each; the writer waits when both are full. Of what is in files,
//!   32 bytes for every 128 blocks are in memory (index.rs), and a few MB of what was read last (pagecache.rs). A series
//!   costs its name and about 100 bytes, whether or not it has readings (slot.rs, catalog.rs, `Flusher::stored_last`).
//! - Damage is reported in [`Recovery`] and costs what is damaged: a block, a name, a journal record (whose positions are
//!   then not committed, so that the gateway sends them again). Opening never fails because of damage.
//!
//! All formats are little-endian, versioned and checked by CRC-32C; each is described byte by byte in the module that owns
//! it. The engine starts no thread and reads no clock: [`Flusher::run`] and [`Compactor::run`] want threads, times come with
//! the commits.

mod adopt;
mod block;
mod bytes;
mod catalog;
mod classes;
mod codec;
mod columns;
mod compact;
mod copy;
mod damage;
mod datafile;
mod expire;
mod filewriter;
mod flush;
mod frame;
mod fs;
mod index;
mod lookup;
mod manifest;
mod merge;
mod months;
mod names;
mod open;
mod order;
mod outlook;
mod pace;
mod pagecache;
mod pages;
mod plan;
mod point;
mod query;
mod reader;
mod record;
mod recover;
mod retain;
mod retention;
mod roll_up;
mod rollup;
mod run;
mod slot;
mod snapshot;
mod state;
mod steps;
mod table;
#[cfg(test)]
mod tests;
mod verify;
mod walk;
mod writer;

use std::path::PathBuf;
use std::time::Duration;

pub use compact::{CompactError, Compactor};
pub use copy::CopyError;
pub(crate) use copy::copy_store;
pub use flush::{FlushError, Flusher};
pub use open::{OpenError, Opened, Recovery, Replayed, open};
pub(crate) use outlook::{Month, outlook};
pub(crate) use point::Point;
pub(crate) use query::Gather;
pub use reader::EmbeddedReader;
pub use retention::{Class, DEFAULT_CLASS, Keep, Retention};
pub(crate) use slot::Slot;
pub use verify::VerifyError;
pub(crate) use verify::{Checked, Finding, verify};
pub use writer::{EmbeddedStore, TIME_BOUNDS};

/// Bounds of the engine.
#[derive(Clone, Debug)]
pub struct Config {
    /// The store's folder; made when it is not there.
    pub dir: PathBuf,
    /// Bound on the memory tables, in bytes: two of half this size. About 21 bytes a reading.
    pub memory_bytes: usize,
    /// What has been in memory for this long (at most twice as long) goes into files even when the table is not full.
    pub flush_after: Duration,
    /// How long the writer waits for a flush before it says `Busy`.
    pub max_wait: Duration,
    /// Files are merged only when so many bytes stay free.
    pub free_floor_bytes: u64,
    /// What is kept for how long.
    pub retention: Retention,
    /// Bounds of the journal. It must hold at least what the memory tables hold (20 bytes a reading).
    pub journal: pantau_journal::Config,
}

impl Config {
    /// The defaults for a folder: 128 MiB of tables, flush after a day, segments of 32 MiB
    /// (about four of them are kept preallocated), 2 GiB of journal at most.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            memory_bytes: 128 << 20,
            flush_after: Duration::from_secs(24 * 3_600),
            max_wait: Duration::from_secs(5),
            free_floor_bytes: 64 << 20,
            retention: Retention::default(),
            journal: pantau_journal::Config {
                segment_bytes: 32 << 20,
                max_bytes: 2 << 30,
                pending_bytes: 32 << 20,
                commit_bytes: 32 << 20,
                ..pantau_journal::Config::default()
            },
        }
    }
}

/// Sizes and counts of the engine itself, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Readings in the memory tables.
    pub memory_readings: u64,
    /// Bytes allocated by the memory tables.
    pub memory_bytes: usize,
    /// Series known.
    pub series: u64,
    /// Data files.
    pub files: u64,
    /// Bytes of the data files.
    pub file_bytes: u64,
    /// Blocks in the data files.
    pub blocks: u64,
    /// Flushes since the start.
    pub flushes: u64,
    /// Merges of files since the start.
    pub merges: u64,
    /// Bytes that they wrote.
    pub merged_bytes: u64,
    /// Bytes of the roll-ups written since the start.
    pub rolled_bytes: u64,
    /// Bytes of the roll-ups that there are.
    pub rollup_bytes: u64,
    /// Files of readings that retention dropped since the store was made.
    pub expired_files: u64,
    /// Their bytes.
    pub expired_bytes: u64,
    /// The readings in them.
    pub expired_readings: u64,
    /// Bytes of readings that retention is to drop, once they are merged and rolled up.
    pub overdue_bytes: u64,
    /// Whether the last merge or drop failed (it is tried again).
    pub merge_failing: bool,
    /// Times that the writer had to wait for a flush since the start.
    pub writer_waits: u64,
    /// Whether the last flush failed (it is tried again).
    pub flush_failing: bool,
    /// Blocks that a query could not read since the start.
    pub damaged_reads: u64,
}
