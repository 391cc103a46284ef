//! Carries refused payloads and losses from the committer into SQLite.

use super::{KEPT_ROWS, concerns, rows};
use crate::store::{Columns, Commit};
use sqlx::{Connection, SqliteConnection};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Bytes of commits that wait for SQLite at most.
const WAITING_KIB: usize = 64 << 10;
/// Commits in one transaction at most.
const TOGETHER: usize = 256;
/// Pause after SQLite failed.
const PAUSE: Duration = Duration::from_secs(1);

struct Message {
    commits: Vec<Commit>,
    /// Journal position after them.
    position: u64,
    _room: Option<OwnedSemaphorePermit>,
}

/// The committer's end. It never waits.
pub struct Feed {
    queue: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
    gap: Arc<AtomicBool>,
    position: Box<dyn Fn() -> u64 + Send>,
}

/// The end that writes; see [`Indexer::run`].
pub struct Indexer {
    queue: mpsc::Receiver<Message>,
    gap: Arc<AtomicBool>,
    connection: SqliteConnection,
    indexed: Box<dyn Fn(u64) + Send + Sync>,
}

/// A feed and its indexer. `position` reads the journal position after the last commit; `indexed` tells the store up to
/// which position the index has everything.
pub(crate) fn pair(
    connection: SqliteConnection,
    position: impl Fn() -> u64 + Send + 'static,
    indexed: impl Fn(u64) + Send + Sync + 'static,
) -> (Feed, Indexer) {
    let (sender, queue) = mpsc::channel(4096);
    let gap = Arc::new(AtomicBool::new(false));
    let room = Arc::new(Semaphore::new(WAITING_KIB));
    let feed = Feed { queue: sender, room, gap: Arc::clone(&gap), position: Box::new(position) };
    (feed, Indexer { queue, gap, connection, indexed: Box::new(indexed) })
}

impl Feed {
    /// A feed that nobody reads.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        let (queue, room) = (mpsc::channel(1).0, Arc::new(Semaphore::new(1)));
        Self { queue, room, gap: Arc::new(AtomicBool::new(true)), position: Box::new(|| 0) }
    }

    /// Hands over what is durable now. When there is no room the index gets a gap: the journal is kept from there on,
    /// and the next start indexes it.
    pub fn offer(&self, mut commits: Vec<Commit>) {
        commits.retain(concerns);
        let mut bytes = 0;
        for commit in &mut commits {
            commit.readings = Columns::default();
            let refused: usize =
                commit.refused.iter().map(|r| 200 + r.payload.len() + r.topic.len() + r.detail.len()).sum();
            bytes += refused + commit.losses.len() * 200;
        }
        let matters = !commits.is_empty();
        let kib = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).clamp(1, WAITING_KIB as u32);
        let room = if matters { Arc::clone(&self.room).try_acquire_many_owned(kib).ok() } else { None };
        let fits = !matters || room.is_some();
        let message = Message { commits, position: (self.position)(), _room: room };
        // A message that only says how far the journal is may be lost: the next one says it too.
        if (!fits || self.queue.try_send(message).is_err())
            && matters
            && !self.gap.swap(true, Ordering::Relaxed)
        {
            tracing::error!(
                "the quarantine index cannot keep up: the journal is kept, the next start indexes it"
            );
        }
    }
}

impl Indexer {
    /// Writes what `on_replay` found in the journal, before anything new comes.
    ///
    /// # Errors
    /// When SQLite fails.
    pub async fn catch_up(&mut self, commits: &[Commit], position: u64) -> Result<(), sqlx::Error> {
        for some in commits.chunks(TOGETHER) {
            self.write(&some.iter().collect::<Vec<_>>()).await?;
        }
        (self.indexed)(position);
        Ok(())
    }

    /// Writes until every [`Feed`] is gone. SQLite's failures are logged and tried again; they hold nothing up but the
    /// release of the journal.
    pub async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            let mut messages = vec![first];
            while messages.len() < TOGETHER {
                let Ok(next) = self.queue.try_recv() else { break };
                messages.push(next);
            }
            let commits: Vec<&Commit> = messages.iter().flat_map(|message| message.commits.iter()).collect();
            while let Err(error) = self.write(&commits).await {
                tracing::error!(%error, "the quarantine index cannot be written; trying again");
                if self.queue.is_closed() {
                    return;
                }
                tokio::time::sleep(PAUSE).await;
            }
            if let Some(last) = messages.last().filter(|_| !self.gap.load(Ordering::Relaxed)) {
                (self.indexed)(last.position);
            }
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the quarantine database did not close well");
        }
    }

    async fn write(&mut self, commits: &[&Commit]) -> Result<(), sqlx::Error> {
        if commits.is_empty() {
            return Ok(());
        }
        let mut transaction = self.connection.begin().await?;
        for commit in commits {
            rows::insert(&mut transaction, commit).await?;
        }
        sqlx::query("DELETE FROM refused WHERE id <= (SELECT max(id) FROM refused) - ?1")
            .bind(KEPT_ROWS)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }
}
