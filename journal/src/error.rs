//! One error for each operation, so that a failure that cannot happen there has no name there.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::position::Position;

/// Why a journal cannot be opened. Damage is no reason: it is reported in `Recovery`.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A bound makes no sense.
    #[error("journal configuration: {field} {mend}")]
    Config {
        /// The field of `Config`.
        field: &'static str,
        /// What it is and what it must be.
        mend: String,
    },
    /// Another process, or another journal of this one, has the folder.
    #[error("{path} is in use by another process: stop it, or choose another folder")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// Written by a newer release.
    #[error(
        "{path} has format {found}, this release knows up to {known}: install the newer release again, or choose another folder"
    )]
    Newer {
        /// The segment file.
        path: PathBuf,
        /// The format in its header.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// The file system failed.
    #[error("cannot {operation} {path}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { operation, path: path.to_owned(), source }
    }
}

/// Why a record was not taken. Nothing of it is in the journal then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// No room now: the byte bound or the free-space floor is reached, or too much is pending.
    /// Withhold and try again; `Stats::full` tells which it was.
    #[error("the journal is full")]
    Full,
    /// It can never fit: longer than `Config::largest_record`.
    #[error("the record is larger than a segment can hold")]
    TooLarge,
    /// A write or sync failed earlier: the process must open the journal again.
    #[error("the journal stopped after a failed write or sync")]
    Poisoned,
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
}

/// Why a commit did not happen. All outstanding and later tickets get the same one.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// A write or sync failed. Whether the record is on disk is unknown until the journal is opened again.
    #[error("cannot {operation} {path}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The committer ended before it came to this record.
    #[error("the journal was stopped before the record was synced")]
    Stopped,
}

impl CommitError {
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { operation, path: path.to_owned(), source: Arc::new(source) }
    }
}

/// Why the next record cannot be had. After `Released` and `Damaged` the reader stands behind the gap and can go on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The segment was released under the reader.
    #[error("positions before {resume} were released")]
    Released {
        /// The first position still kept; the next call goes on there.
        resume: Position,
    },
    /// Bytes that were sound when the journal was opened are not any more.
    #[error("{path} is damaged at byte {offset}: positions {start} to {end} cannot be read")]
    Damaged {
        /// The segment file.
        path: PathBuf,
        /// Where the damage starts, in bytes.
        offset: u64,
        /// First position that is lost.
        start: Position,
        /// One after the last position that is lost.
        end: Position,
    },
    /// The file system failed; calling again tries again.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The segment file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why segments could not be deleted. Those already deleted stay deleted.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// The committer has ended: another process may own the folder by now.
    #[error("the journal is closed")]
    Closed,
    /// The file system failed.
    #[error("cannot release {path}: {source}")]
    Io {
        /// The segment file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
