//! What could not become a reading, and what was given up, for people to look at.
//!
//! ```text
//! committer ──(durable in the journal)──► Feed ══bounded══► Indexer ──► SQLite ──► API
//!                                           │ full: a gap          ▲
//!                                           └── read the journal ──┘  tells the store how far it is
//! ```
//!
//! Always true: the journal had it first, so the index can lag, stop or be deleted without losing anything and
//! without holding a commit up; the journal keeps what is not indexed, and [`Trouble`] says why. Indexing a record twice
//! is a no-op.

mod database;
mod indexer;
mod outside;
mod rows;
#[cfg(test)]
mod tests;

pub(crate) use database::{Opened, open};
pub(crate) use indexer::pair;
pub use indexer::{CommitLog, Feed, Indexer};
pub(crate) use outside::{check, copy};
pub use rows::{LossRow, RefusedRow, Totals};

use crate::store::Commit;
use sqlx::SqlitePool;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

/// Refused payloads that are kept; beyond, the oldest are dropped (their counts stay).
const KEPT_ROWS: i64 = 1_000_000;

/// First bytes of a payload that a list shows: a page of large ones must not fill the memory.
pub const SHOWN_BYTES: i64 = 4096;

/// Why the quarantine cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// SQLite cannot open or make it.
    #[error(
        "the quarantine database {}: {source}\n  mend: this user must be able to write it and its folder; or move it away: it is made anew from what the journal still has", file.display()
    )]
    Open {
        /// Which.
        file: PathBuf,
        /// What SQLite says.
        source: sqlx::Error,
    },
    /// It cannot be copied.
    #[error(
        "the quarantine database {} cannot be copied: {source}\n  mend: if it is damaged, start ingest again, which sets it aside and makes it anew; if the disk is full, make room", file.display()
    )]
    Copy {
        /// Which.
        file: PathBuf,
        /// What SQLite says.
        source: sqlx::Error,
    },
    /// It is damaged, and cannot be set aside either.
    #[error(
        "the quarantine database {} is damaged and cannot be renamed: {source}\n  mend: move it away: it is made anew from what the journal still has", file.display()
    )]
    Aside {
        /// Which.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// SQLite says no.
    #[error("the quarantine index cannot be written: {0}")]
    Database(#[from] sqlx::Error),
    /// What it stands on cannot be read.
    #[error("the journal cannot be read for the quarantine: {0}")]
    Journal(std::io::Error),
    /// Written by a later Pantau.
    #[error(
        "quarantine database has format {found}, this Pantau knows {known}; use the newer Pantau, or move the file away: it is rebuilt from the journal as far as that reaches"
    )]
    Newer {
        /// In the file.
        found: i64,
        /// Known here.
        known: usize,
    },
}

/// Reads the quarantine; a cheap handle.
#[derive(Clone, Debug)]
pub struct Quarantine {
    pool: SqlitePool,
    trouble: Trouble,
}

/// What keeps the index from being written now, in words; shared by who writes it and who shows it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    /// Takes down how things stand. True when that is news.
    fn note(&self, now: Option<String>) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let news = *known != now;
        *known = now;
        news
    }
}

/// Which rows a list wants: the newest first, `before` excluded.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this gateway only.
    pub gateway: Option<String>,
    /// With this reason only (number of the protobuf enum).
    pub reason: Option<i32>,
    /// With a smaller id only.
    pub before: Option<i64>,
    /// Rows at most.
    pub limit: i64,
}

impl Quarantine {
    /// Why the index cannot be written, while it cannot.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Refused payloads and readings.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn refused(&self, filter: &Filter) -> Result<Vec<RefusedRow>, sqlx::Error> {
        sqlx::query_as(
            "SELECT id, gateway, epoch, position, reason, source, topic, detail, \
             substr(payload, 1, ?5) AS payload, length(payload) AS payload_bytes, time, received \
             FROM refused WHERE (?1 IS NULL OR gateway = ?1) AND (?2 IS NULL OR reason = ?2) \
             AND (?3 IS NULL OR id < ?3) ORDER BY id DESC LIMIT ?4",
        )
        .bind(&filter.gateway)
        .bind(filter.reason)
        .bind(filter.before)
        .bind(filter.limit)
        .bind(SHOWN_BYTES)
        .fetch_all(&self.pool)
        .await
    }

    /// What was given up.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn losses(&self, filter: &Filter) -> Result<Vec<LossRow>, sqlx::Error> {
        sqlx::query_as(
            "SELECT id, gateway, epoch, start, \"end\", first_time, last_time, count, reason, detail, received \
             FROM losses WHERE (?1 IS NULL OR gateway = ?1) AND (?2 IS NULL OR reason = ?2) \
             AND (?3 IS NULL OR id < ?3) ORDER BY id DESC LIMIT ?4",
        )
        .bind(&filter.gateway)
        .bind(filter.reason)
        .bind(filter.before)
        .bind(filter.limit)
        .fetch_all(&self.pool)
        .await
    }

    /// Counts by gateway since the database was made.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn totals(&self) -> Result<BTreeMap<String, Totals>, sqlx::Error> {
        let rows: Vec<Totals> = sqlx::query_as("SELECT gateway, quarantined, rejected, lost FROM totals")
            .fetch_all(&self.pool)
            .await?;
        Ok(rows.into_iter().map(|totals| (totals.gateway.clone(), totals)).collect())
    }
}

/// Whether the index wants anything of a commit.
pub(crate) fn concerns(commit: &Commit) -> bool {
    !commit.refused.is_empty() || !commit.losses.is_empty()
}
