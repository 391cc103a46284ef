//! What an operator does with the data folder from outside: `verify`, `backup`, `restore`, `retention`.
//!
//! ```text
//! verify   data folder ──► every byte read ──► a line a finding
//! backup   data folder ──► manifest, data files, series.log, journal ──► quarantine by SQLite ──► BACKUP, written last
//! restore  BACKUP, every checksum ──► copies in a folder of their own ──► renamed into an empty data folder
//! retention  manifest, configuration ──► a line a month of a class: what goes and when
//! ```
//!
//! What always holds: `verify`, `backup` and `retention` write nothing into the data folder and work beside a running ingest, without its
//! help; a backup without a whole `BACKUP` is never taken for one; a data folder is restored as a whole or not at all, and
//! ingest does not start on one whose restore did not finish.

mod backup;
mod commands;
mod files;
mod marker;
mod restore;
mod retention;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
};

pub use commands::{BackupArgs, DataDir, RestoreArgs, VerifyArgs};
pub(crate) use commands::{run_backup, run_restore, run_verify};
pub(crate) use files::{Sum, copy, link_or_copy, sum, sync_dir};
pub use retention::RetentionArgs;
pub(crate) use retention::run_retention;

use crate::{
    quarantine::QuarantineError,
    store::embedded::{CopyError, VerifyError},
};

/// The store, and the journal that stands in for it where a database keeps the readings, within the data folder.
const STORES: [&str; 2] = ["store", "control"];
/// The quarantine, within the data folder.
const QUARANTINE: &str = "quarantine.sqlite";
/// Where a restore gathers its files, within the data folder.
const UNFINISHED: &str = "restore.unfinished";

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CareError {
    /// A store cannot be checked.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The quarantine cannot be checked.
    #[error(transparent)]
    Unchecked(QuarantineError),
    /// A store cannot be copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// The quarantine cannot be copied.
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
    /// The folder to write to has something in it.
    #[error("{} is not empty\n  mend: name a folder that is empty, or that is not there yet", .0.display())]
    NotEmpty(PathBuf),
    /// The mark that is written last is not there.
    #[error(
        "{} has no file BACKUP: it is no backup, or one that did not finish\n  mend: restore another one; remove it when it is of no use", .0.display()
    )]
    NoBackup(PathBuf),
    /// It is there, and cannot be used.
    #[error("{}: {detail}\n  mend: {mend}", file.display())]
    Unusable {
        /// Which file.
        file: PathBuf,
        /// What is wrong.
        detail: String,
        /// What to do.
        mend: &'static str,
    },
    /// The file system failed.
    #[error("cannot {what} {}: {source}\n  mend: {mend}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
        /// What to do.
        mend: &'static str,
    },
}

impl CareError {
    /// Whether the arguments are at fault, or nothing could be checked (exit code 2).
    pub(crate) fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::NotEmpty(_) | Self::Verify(_) | Self::Unchecked(_) | Self::Copy(CopyError::NoStore(_))
        )
    }
}

/// Those stores that a data folder has; the first of them, to be told missing, when it has none.
fn stores(data_dir: &Path) -> Vec<&'static str> {
    let [usual, _] = STORES;
    let there: Vec<_> = STORES.into_iter().filter(|name| data_dir.join(name).is_dir()).collect();
    if there.is_empty() { vec![usual] } else { there }
}

/// Whether a restore into this data folder was begun and not finished.
pub(crate) fn is_half_restored(data_dir: &Path) -> bool {
    data_dir.join(UNFINISHED).exists()
}
