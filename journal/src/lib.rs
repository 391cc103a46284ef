//! The durable log under the gateway's spool and ingest's write-ahead log.

mod committer;
mod config;
mod error;
#[cfg(feature = "faults")]
pub mod faults;
mod files;
mod frame;
mod journal;
mod position;
mod reader;
mod recovery;
mod repair;
mod scan;
mod segment;
pub mod sim;
mod state;
mod stats;
mod ticket;
mod walk;

pub use committer::Committer;
pub use config::{Config, MAX_SEGMENT_BYTES, MIN_SEGMENT_BYTES, MIN_SEGMENTS};
pub use error::{AppendError, CommitError, OpenError, ReadError, ReleaseError};
pub use files::{FileEntry, FileLayer, StdFiles};
pub use journal::Journal;
pub use position::{Position, Record};
pub use reader::Reader;
pub use recovery::{Damage, Opened, Recovery, open};
pub use segment::FORMAT;
pub use stats::{FSYNC_BOUNDS, FullReason, Histogram, Released, SegmentInfo, Stats};
pub use ticket::Ticket;

#[cfg(test)]
mod tests;
