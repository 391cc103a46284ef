//! What could not become a reading, and what was given up, for people to look at.
//!
//! ```text
//! committer ──(durable in the journal)──► Feed ══bounded══► Indexer ──► SQLite ──► API
//!                                           │ full: a gap          ▲
//!                                           └── read the journal ──┘  tells the store how far it is
//! ```
//!
//! Always true: the journal had it first, so the index can lag, stop or be deleted without losing anything and
//! without holding a commit up; the journal keeps what is not indexed. Indexing a record twice is a no-op.

mod indexer;
mod rows;
#[cfg(test)]
mod tests;

pub(crate) use indexer::pair;
pub use indexer::{CommitLog, Feed, Indexer};
pub use rows::{LossRow, RefusedRow, Totals};

use crate::store::Commit;
use pantau_proto::{Epoch, GatewayId, v1::LossReason};
use sqlx::{
    Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{collections::BTreeMap, path::Path, time::Duration};

/// One after the other; the number of those that ran is SQLite's `user_version`.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/0001_quarantine.sql")];

/// Refused payloads that are kept; beyond, the oldest are dropped (their counts stay).
const KEPT_ROWS: i64 = 1_000_000;

/// First bytes of a payload that a list shows: a page of large ones must not fill the memory.
pub const SHOWN_BYTES: i64 = 4096;

/// Why the quarantine cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    /// SQLite says no.
    #[error("quarantine database: {0}")]
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
    /// Opens or makes the database and brings it to the present format.
    ///
    /// # Errors
    /// When SQLite cannot open or change it, or when a later Pantau wrote it.
    pub async fn open(file: &Path) -> Result<(Self, SqliteConnection), QuarantineError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10));
        let mut writer = SqliteConnection::connect_with(&options).await?;
        migrate(&mut writer).await?;
        let pool = SqlitePoolOptions::new()
            .max_connections(2)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options.read_only(true).create_if_missing(false))
            .await?;
        Ok((Self { pool }, writer))
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

    /// Whether an epoch was declared over with a loss: it must not go on.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn epoch_ended(&self, gateway: &GatewayId, epoch: Epoch) -> Result<bool, sqlx::Error> {
        let ended: Option<i64> = sqlx::query_scalar(
            "SELECT 1 FROM losses WHERE gateway = ?1 AND epoch = ?2 AND reason = ?3 LIMIT 1",
        )
        .bind(gateway.as_str())
        .bind(epoch.0.cast_signed())
        .bind(i32::from(LossReason::EpochEnded))
        .fetch_optional(&self.pool)
        .await?;
        Ok(ended.is_some())
    }
}

async fn migrate(connection: &mut SqliteConnection) -> Result<(), QuarantineError> {
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await?;
    let known = MIGRATIONS.len();
    let Some(missing) = usize::try_from(found).ok().and_then(|found| MIGRATIONS.get(found..)) else {
        return Err(QuarantineError::Newer { found, known });
    };
    for (done, migration) in missing.iter().enumerate() {
        let mut change = connection.begin().await?;
        sqlx::raw_sql(*migration).execute(&mut *change).await?;
        let version = found + done as i64 + 1;
        // A pragma takes no parameters; the number is ours.
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA user_version = {version}")))
            .execute(&mut *change)
            .await?;
        change.commit().await?;
    }
    Ok(())
}

/// Whether the index wants anything of a commit.
pub(crate) fn concerns(commit: &Commit) -> bool {
    !commit.refused.is_empty() || !commit.losses.is_empty()
}
