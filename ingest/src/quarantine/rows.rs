//! Rows as SQLite gives them, and how commits become rows.

use crate::store::{Commit, Loss, Refused};
use sqlx::{FromRow, Row, SqliteConnection, sqlite::SqliteRow};

/// A refused payload or reading.
#[derive(Clone, Debug)]
pub struct RefusedRow {
    /// Rises with the time of indexing.
    pub id: i64,
    /// Whose.
    pub gateway: String,
    /// Of which epoch.
    pub epoch: u64,
    /// What was committed; of the payload the first [`super::SHOWN_BYTES`]. The source is empty for a reading that ingest
    /// refused.
    pub refused: Refused,
    /// Bytes of the payload that came.
    pub payload_bytes: u64,
    /// When ingest committed it, milliseconds since the epoch.
    pub received: i64,
}

/// What was given up.
#[derive(Clone, Debug)]
pub struct LossRow {
    /// Rises with the time of indexing.
    pub id: i64,
    /// Whose.
    pub gateway: String,
    /// Of which epoch.
    pub epoch: u64,
    /// What was committed.
    pub loss: Loss,
    /// When ingest committed it, milliseconds since the epoch.
    pub received: i64,
}

/// Counts of one gateway.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Whose.
    pub gateway: String,
    /// All that is or was in quarantine.
    pub quarantined: u64,
    /// Of these, readings that ingest refused.
    pub rejected: u64,
    /// Readings given up.
    pub lost: u64,
}

/// SQLite's integers are signed; positions and epochs are their bits.
fn bits(row: &SqliteRow, column: &str) -> Result<u64, sqlx::Error> {
    row.try_get::<i64, _>(column).map(i64::cast_unsigned)
}

impl FromRow<'_, SqliteRow> for RefusedRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            gateway: row.try_get("gateway")?,
            epoch: bits(row, "epoch")?,
            refused: Refused {
                position: bits(row, "position")?,
                reason: row.try_get("reason")?,
                source: row.try_get("source")?,
                topic: row.try_get("topic")?,
                detail: row.try_get("detail")?,
                payload: row.try_get("payload")?,
                time: row.try_get("time")?,
            },
            payload_bytes: bits(row, "payload_bytes")?,
            received: row.try_get("received")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for LossRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            gateway: row.try_get("gateway")?,
            epoch: bits(row, "epoch")?,
            loss: Loss {
                start: bits(row, "start")?,
                end: bits(row, "end")?,
                first_time: row.try_get("first_time")?,
                last_time: row.try_get("last_time")?,
                count: bits(row, "count")?,
                reason: row.try_get("reason")?,
                detail: row.try_get("detail")?,
            },
            received: row.try_get("received")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for Totals {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            gateway: row.try_get("gateway")?,
            quarantined: bits(row, "quarantined")?,
            rejected: bits(row, "rejected")?,
            lost: bits(row, "lost")?,
        })
    }
}

/// Puts what concerns the quarantine of one commit into the database, once.
pub(super) async fn insert(connection: &mut SqliteConnection, commit: &Commit) -> Result<(), sqlx::Error> {
    let (gateway, epoch) = (commit.gateway.as_str(), commit.epoch.0.cast_signed());
    for refused in &commit.refused {
        sqlx::query(
            "INSERT OR IGNORE INTO refused \
             (gateway, epoch, position, reason, source, topic, detail, payload, time, received) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )
        .bind(gateway)
        .bind(epoch)
        .bind(refused.position.cast_signed())
        .bind(refused.reason)
        .bind(&refused.source)
        .bind(&refused.topic)
        .bind(&refused.detail)
        .bind(&refused.payload)
        .bind(refused.time)
        .bind(commit.received_ms)
        .execute(&mut *connection)
        .await?;
    }
    for loss in &commit.losses {
        sqlx::query(
            "INSERT OR IGNORE INTO losses \
             (gateway, epoch, start, \"end\", first_time, last_time, count, reason, detail, received) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )
        .bind(gateway)
        .bind(epoch)
        .bind(loss.start.cast_signed())
        .bind(loss.end.cast_signed())
        .bind(loss.first_time)
        .bind(loss.last_time)
        .bind(loss.count.cast_signed())
        .bind(loss.reason)
        .bind(&loss.detail)
        .bind(commit.received_ms)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
