//! Carries refused payloads and losses from the committer into SQLite.

use super::{KEPT_ROWS, Quarantine, QuarantineError, Trouble, concerns, rows};
use crate::store::{Columns, Commit};
use sqlx::{Connection, SqliteConnection};
use std::{
    io,
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
/// Pause after SQLite failed, and the longest that a gap stays unnoticed.
const PAUSE: Duration = Duration::from_secs(1);

/// What the index stands on: positions count commits.
pub trait CommitLog: Clone + Send + Sync + 'static {
    /// Position after the last commit taken.
    fn applied(&self) -> u64;

    /// Tells that the index has everything before `position`: only that is freed.
    fn set_indexed(&self, position: u64);

    /// Some commits from `from` on that concern the index, and the position after the last one looked at; `from` when
    /// there is nothing more. Blocks on the disk.
    ///
    /// # Errors
    /// When it cannot be read now.
    fn reread(&self, from: u64) -> io::Result<(Vec<Commit>, u64)>;
}

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
pub struct Indexer<L> {
    queue: mpsc::Receiver<Message>,
    /// Something was not handed over, and is in the journal only.
    gap: Arc<AtomicBool>,
    connection: SqliteConnection,
    trouble: Trouble,
    log: L,
    /// Everything before this position is in the index.
    done: u64,
}

/// A feed and its indexer.
pub(crate) fn pair<L: CommitLog>(
    connection: SqliteConnection,
    quarantine: &Quarantine,
    log: L,
) -> (Feed, Indexer<L>) {
    let (sender, queue) = mpsc::channel(4096);
    let gap = Arc::new(AtomicBool::new(false));
    let room = Arc::new(Semaphore::new(WAITING_KIB));
    let position = log.clone();
    let position = Box::new(move || position.applied());
    let feed = Feed { queue: sender, room, gap: Arc::clone(&gap), position };
    let trouble = quarantine.trouble.clone();
    (feed, Indexer { queue, gap, connection, trouble, log, done: 0 })
}

impl Feed {
    /// A feed that nobody reads.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        let (queue, room) = (mpsc::channel(1).0, Arc::new(Semaphore::new(1)));
        Self { queue, room, gap: Arc::new(AtomicBool::new(true)), position: Box::new(|| 0) }
    }

    /// Hands over what is durable now. When there is no room the index gets a gap, which the indexer then fills from the
    /// journal; that is kept until it has.
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
            && !self.gap.swap(true, Ordering::AcqRel)
        {
            tracing::warn!("the quarantine index cannot keep up; it goes on from the journal");
        }
    }
}

impl<L: CommitLog> Indexer<L> {
    /// Brings the index up to the journal from position `from` on, before anything new comes. Where that fails,
    /// [`Indexer::run`] goes on with it.
    pub async fn start(&mut self, from: u64) {
        self.done = from;
        self.fill().await;
    }

    async fn catch_up(&mut self) -> Result<(), QuarantineError> {
        loop {
            let (log, from) = (self.log.clone(), self.done);
            let read = tokio::task::spawn_blocking(move || log.reread(from)).await;
            let (commits, next) =
                read.map_err(io::Error::other).flatten().map_err(QuarantineError::Journal)?;
            for some in commits.chunks(TOGETHER) {
                self.write(&some.iter().collect::<Vec<_>>()).await?;
            }
            self.reached(next);
            if next <= from {
                return Ok(());
            }
        }
    }

    /// Writes until every [`Feed`] is gone. SQLite's failures are logged and tried again; they hold nothing up but the
    /// release of the journal.
    pub async fn run(mut self) {
        loop {
            match tokio::time::timeout(PAUSE, self.queue.recv()).await {
                Ok(Some(first)) => {
                    if !self.take(first).await {
                        return;
                    }
                }
                Ok(None) => break,
                Err(_) => {}
            }
            if self.gap.load(Ordering::Acquire) {
                self.fill().await;
                if self.gap.load(Ordering::Acquire) {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the quarantine database did not close well");
        }
    }

    /// Writes what waits. False when that is impossible and nobody waits for it any more.
    async fn take(&mut self, first: Message) -> bool {
        let mut messages = vec![first];
        while messages.len() < TOGETHER {
            let Ok(next) = self.queue.try_recv() else { break };
            messages.push(next);
        }
        let commits: Vec<&Commit> = messages.iter().flat_map(|message| message.commits.iter()).collect();
        while let Err(error) = self.write(&commits).await {
            self.fails(&error.into());
            if self.queue.is_closed() {
                return false;
            }
            tokio::time::sleep(PAUSE).await;
        }
        // With a gap it is the gap that decides.
        if !self.gap.load(Ordering::Acquire) {
            if !commits.is_empty() {
                self.works();
            }
            if let Some(last) = messages.last() {
                self.reached(last.position);
            }
        }
        true
    }

    /// Reads what was not handed over from the journal.
    async fn fill(&mut self) {
        // Before reading, so that what is not handed over from now on is another gap.
        self.gap.store(false, Ordering::Release);
        match self.catch_up().await {
            Ok(()) => self.works(),
            Err(error) => {
                self.fails(&error);
                self.gap.store(true, Ordering::Release);
            }
        }
    }

    /// Said once, not with each try.
    fn fails(&self, error: &QuarantineError) {
        if self.trouble.note(Some(error.to_string())) {
            tracing::error!(%error, "the quarantine index lags; the journal is kept for it");
        }
    }

    fn works(&self) {
        if self.trouble.note(None) {
            tracing::info!("the quarantine index is written again");
        }
    }

    fn reached(&mut self, position: u64) {
        self.done = self.done.max(position);
        self.log.set_indexed(self.done);
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
