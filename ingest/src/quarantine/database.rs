//! Opening the index's database. One that is damaged is set aside and made anew: an index must not keep ingest from
//! starting, and what the journal still has comes back into it.

use super::{Quarantine, QuarantineError, Trouble};
use pantau_proto::{Epoch, GatewayId, v1::LossReason};
use sqlx::{
    Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// One after the other; the number of those that ran is SQLite's `user_version`.
const MIGRATIONS: [&str; 1] = [include_str!("migrations/0001_quarantine.sql")];

/// SQLite's primary result codes for a file that is not, or no longer, a database.
const CORRUPT: i32 = 11;
const NOT_A_DATABASE: i32 = 26;

/// An open database.
pub(crate) struct Opened {
    /// For whoever reads.
    pub(crate) quarantine: Quarantine,
    /// For the indexer.
    pub(crate) writer: SqliteConnection,
    /// The epochs that were declared over with a loss.
    pub(crate) over: Vec<(GatewayId, Epoch)>,
}

/// Opens or makes the database and brings it to the present format.
///
/// # Errors
/// When it cannot be opened or made, or when a later Pantau wrote it. Never because of damage.
pub(crate) async fn open(file: &Path) -> Result<Opened, QuarantineError> {
    match try_open(file).await {
        Err(QuarantineError::Open { source, .. }) if is_damage(&source) => {
            let aside =
                set_aside(file).map_err(|source| QuarantineError::Aside { file: file.to_owned(), source })?;
            tracing::error!(error = %source, aside = %aside.display(),
                "the quarantine database is damaged and set aside; it is made anew from what the journal still has");
            try_open(file).await
        }
        done => done,
    }
}

async fn try_open(file: &Path) -> Result<Opened, QuarantineError> {
    let failed = |source| QuarantineError::Open { file: file.to_owned(), source };
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(10));
    let mut writer = SqliteConnection::connect_with(&options).await.map_err(failed)?;
    let found = version(&mut writer).await.map_err(failed)?;
    let missing = usize::try_from(found).ok().and_then(|found| MIGRATIONS.get(found..));
    let missing = missing.ok_or(QuarantineError::Newer { found, known: MIGRATIONS.len() })?;
    migrate(&mut writer, found, missing).await.map_err(failed)?;
    let over = ended(&mut writer).await.map_err(failed)?;
    let pool = SqlitePoolOptions::new()
        .max_connections(2)
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(options.read_only(true).create_if_missing(false))
        .await
        .map_err(failed)?;
    Ok(Opened { quarantine: Quarantine { pool, trouble: Trouble::default() }, writer, over })
}

async fn version(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("PRAGMA user_version").fetch_one(connection).await
}

async fn migrate(
    connection: &mut SqliteConnection,
    found: i64,
    missing: &[&'static str],
) -> Result<(), sqlx::Error> {
    for (version, migration) in (found + 1..).zip(missing) {
        let mut change = connection.begin().await?;
        sqlx::raw_sql(*migration).execute(&mut *change).await?;
        // A pragma takes no parameters; the number is ours.
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA user_version = {version}")))
            .execute(&mut *change)
            .await?;
        change.commit().await?;
    }
    Ok(())
}

async fn ended(connection: &mut SqliteConnection) -> Result<Vec<(GatewayId, Epoch)>, sqlx::Error> {
    let rows: Vec<(String, i64)> =
        sqlx::query_as("SELECT DISTINCT gateway, epoch FROM losses WHERE reason = ?1")
            .bind(i32::from(LossReason::EpochEnded))
            .fetch_all(connection)
            .await?;
    let known = |(gateway, epoch): (String, i64)| Some((gateway.parse().ok()?, Epoch(epoch.cast_unsigned())));
    Ok(rows.into_iter().filter_map(known).collect())
}

pub(super) fn is_damage(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<i32>().ok());
    // The upper bits say more about it.
    code.is_some_and(|code| matches!(code & 0xff, CORRUPT | NOT_A_DATABASE))
}

/// Renames the database and what belongs to it to a name that is not taken.
fn set_aside(file: &Path) -> io::Result<PathBuf> {
    let with = |path: &Path, suffix: &str| {
        let mut name = OsString::from(path);
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = (1..).map(|n| with(file, &format!(".damaged-{n}"))).find(|aside| !aside.exists());
    let aside = aside.unwrap_or_else(|| with(file, ".damaged"));
    for part in ["-wal", "-shm", ""] {
        match std::fs::rename(with(file, part), with(&aside, part)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}
