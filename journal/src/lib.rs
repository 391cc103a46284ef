//! The durable log under the gateway's spool and ingest's write-ahead log. Knows bytes, positions and
//! files; not readings, not clocks, not an async runtime.
//!
//! # What always holds
//! - A ticket resolves Ok only after the `fdatasync` that covers its record. Every such record is read
//!   back exactly and in order after any crash, until it is released.
//! - Nothing that was not appended is ever read. Positions of acknowledged records are not used again.
//! - The process always starts: a torn tail is cut and counted, damage in the middle is named in
//!   `Recovery` with the range that is lost, the damaged file set aside as `*.damaged`.
//! - A failed write or sync poisons the journal: every outstanding and later ticket fails, nothing
//!   more is written to that file. The next `open` decides what is on the disk.
//! - Everything is bounded: bytes on disk, free space left, bytes in memory. Full is `AppendError::Full`.
//! - Readers see only what is synced. Only `release` deletes, whole segments, the oldest first.
//! - Sectors are taken to be atomic: a write that shares its first sector with a synced record does
//!   not harm that record.
//!
//! # On disk, format 1
//! One folder: `lock`, segments `<sequence>-<salt>.journal`, preallocated `*.spare`, files set aside
//! `*.damaged`. A segment is a header of 64 bytes (`segment.rs`), frames (`frame.rs`), then zeros.
//! ```text
//! segment  ┌ header 64 ┬ frame ┬ frame ┬ … ┬ zeros to the preallocated size, cut when it is filled ┐
//! frame    ┌ header 48 ┬ record ┬ record ┬ … ┐     one commit: one write, one fdatasync
//! record   ┌ header 16 ┬ payload ┬ zeros to a multiple of 8 ┐
//! ```
//! All numbers little-endian, all checksums CRC-32C seeded with the segment's salt. A frame carries
//! its offset, and is written only after everything before it was synced: a sound frame proves the
//! bytes before it. A segment's header names how many bytes of its predecessor count, all synced.
//! So what cannot be read before the last proof is damage; behind it stands one commit at most, and
//! what of it cannot be read is a torn tail. `finish` writes an empty frame that proves the last one.
//!
//! # Operation
//! ```text
//! Journal::append ─► pending frame ─► Committer ─► write, fdatasync ─► tickets, synced_beyond, readers
//!     │ Full?                            │ rotates onto preallocated files, keeps spares and a reserve
//!     ▼                                  ▼
//! append_reserved                   Journal::release deletes leading segments
//! ```
//! A commit starts when `commit_bytes` are pending, the oldest record has waited `commit_delay`, or
//! someone called `sync_soon`; records that come during a sync gather for the next. With
//! `commit_delay` zero a lone record is committed at once.

mod committer;
mod config;
mod error;
#[cfg(feature = "faults")]
pub mod faults;
mod files;
mod frame;
mod inspect;
mod journal;
mod position;
mod read_only;
mod reader;
mod recovery;
mod repair;
mod room;
mod scan;
mod segment;
pub mod sim;
mod spares;
mod state;
mod stats;
mod ticket;
mod walk;

pub use committer::Committer;
pub use config::{Config, MAX_SEGMENT_BYTES, MIN_SEGMENT_BYTES, MIN_SEGMENTS};
pub use error::{AppendError, CommitError, OpenError, ReadError, ReleaseError};
pub use files::{FileEntry, FileLayer, FolderLock, StdFiles};
pub use inspect::{InspectedSegment, Inspection, Unreadable, inspect};
pub use journal::Journal;
pub use position::{Position, Record};
pub use read_only::ReadOnlyFiles;
pub use reader::Reader;
pub use recovery::{Damage, Opened, Recovery, open};
pub use room::{Shortage, shortage};
pub use segment::FORMAT;
pub use stats::{FSYNC_BOUNDS, FullReason, Histogram, Released, SegmentInfo, Stats};
pub use ticket::Ticket;
