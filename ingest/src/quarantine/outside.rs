//! The database for those who are not its process: whether it is sound, and a copy of it. Both work beside a running
//! ingest and do not hold it up; both see one state of it.

use super::QuarantineError;
use super::database::is_damage;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{ffi::OsString, path::Path, time::Duration};

/// What SQLite finds damaged, in its words; nothing when all is sound.
///
/// # Errors
/// When the database cannot be read for another reason.
pub(crate) async fn check(file: &Path) -> Result<Vec<String>, QuarantineError> {
    match try_check(file).await {
        Ok(rows) => Ok(rows.into_iter().filter(|row| row != "ok").collect()),
        Err(error) if is_damage(&error) => Ok(vec![error.to_string()]),
        Err(source) => Err(QuarantineError::Open { file: file.to_owned(), source }),
    }
}

async fn try_check(file: &Path) -> Result<Vec<String>, sqlx::Error> {
    let mut connection = connect(file).await?;
    let rows = sqlx::query_scalar("PRAGMA integrity_check(20)").fetch_all(&mut connection).await?;
    connection.close().await?;
    Ok(rows)
}

/// Copies the database to the new file `target`. The caller syncs it.
///
/// # Errors
/// When it cannot be read, is damaged, or the copy cannot be written.
pub(crate) async fn copy(file: &Path, target: &Path) -> Result<(), QuarantineError> {
    let failed = |source| QuarantineError::Copy { file: file.to_owned(), source };
    let mut connection = connect(file).await.map_err(failed)?;
    let target = target.to_string_lossy();
    sqlx::query("VACUUM INTO ?1").bind(target).execute(&mut connection).await.map_err(failed)?;
    connection.close().await.map_err(failed)
}

/// Without its write-ahead log nobody has it open, and SQLite need not even make its `-shm` file to read it.
async fn connect(file: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let mut log = OsString::from(file);
    log.push("-wal");
    let options = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .immutable(!Path::new(&log).exists())
        .busy_timeout(Duration::from_secs(10));
    SqliteConnection::connect_with(&options).await
}
