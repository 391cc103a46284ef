//! The single writer: takes submissions out of the intake's queue, makes as many as are there durable with one
//! fsync, and only then answers them.
//!
//! ```text
//! Intake ══queue══► plan (skip, fence, ids, owners) ──► Store::append ──► acks ──► quarantine index, live
//!                        one group at a time                one fsync
//! ```
//!
//! Always true: no ack leaves before the append that it speaks of has returned; a store that fails ends the
//! committer (and with it the process), so that nothing is ever acked on top of a doubtful disk.

mod plan;
mod readings;
mod registry;
mod stream;
#[cfg(test)]
mod tests;

use crate::{
    clock::Clock,
    intake::{Ack, Outcome, Queued, Submission},
    live::Live,
    metrics::CommitMetrics,
    quarantine::Feed,
    store::{Commit, Names, Store, StoreError},
};
use plan::{Plan, Planner};
use registry::Registry;
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Bytes of submissions that are committed together at most (one more than this when a large one comes last).
const GROUP_BYTES: usize = 8 << 20;
/// Separate ranges of committed positions that are remembered of one gateway's epoch, and of all epochs of a gateway when
/// another one is to begin. They stay in memory and in every manifest, and none is ever forgotten. A spool that delivers in
/// order needs one or two.
pub(crate) const MOST_RANGES: usize = 65_536;
/// Groups of one submission after a group was too large for the store.
const ALONE: u32 = 64;

/// See the module.
pub struct Committer<S> {
    store: S,
    planner: Planner,
    clock: Clock,
    live: Live,
    quarantine: Feed,
    metrics: Arc<CommitMetrics>,
    alone: u32,
}

impl<S: Store> Committer<S> {
    /// A committer for a store that knows these names. Readings older than `late_after_ms` at their commit are flagged
    /// late.
    pub fn new(
        store: S,
        names: impl Names + 'static,
        late_after_ms: i64,
        clock: Clock,
        live: Live,
        quarantine: Feed,
        metrics: Arc<CommitMetrics>,
    ) -> Self {
        let planner = Planner::new(Registry::new(names, store.next_series()), late_after_ms);
        Self { store, planner, clock, live, quarantine, metrics, alone: 0 }
    }

    /// Commits until the queue is closed or every [`crate::intake::Intake`] is gone, and drained; then gives the store
    /// back. Blocks: for a thread of its own.
    ///
    /// # Errors
    /// When the store failed and must be opened anew. Everything not answered by then is to be sent again.
    pub fn run(mut self, mut queue: mpsc::Receiver<Queued>) -> Result<S, StoreError> {
        let mut group = Vec::new();
        while let Some(first) = queue.blocking_recv() {
            let mut next = Some(first);
            let mut bytes = 0;
            while let Some(queued) = next {
                match queued {
                    Queued::Close => queue.close(),
                    Queued::Submission(submission, room) => {
                        bytes += submission.bytes();
                        group.push((submission, room));
                    }
                }
                next = if self.alone == 0 && bytes < GROUP_BYTES { queue.try_recv().ok() } else { None };
            }
            self.alone = self.alone.saturating_sub(1);
            self.commit(&mut group)?;
        }
        Ok(self.store)
    }

    fn commit(
        &mut self,
        group: &mut Vec<(Submission, Option<OwnedSemaphorePermit>)>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now().0;
        let mut commits: Vec<Commit> = Vec::new();
        let mut waiting = VecDeque::with_capacity(group.len());
        for (mut submission, room) in group.drain(..) {
            match self.planner.plan(&mut submission, now, |gateway, epoch| self.store.ranges(gateway, epoch))
            {
                Ok(Plan { commits: planned, ranges, rejected }) => {
                    commits.extend(planned);
                    waiting.push_back((commits.len(), submission.ack, ranges, rejected, room));
                }
                Err(Outcome::Rejected(reason)) => submission.ack.rejected(reason),
                Err(_) => {
                    self.metrics.fenced.inc();
                    submission.ack.retry();
                }
            }
        }
        let mut durable = 0;
        loop {
            while let Some((_, ack, ranges, rejected, _room)) =
                waiting.pop_front_if(|(end, ..)| *end <= durable)
            {
                ack.committed(ranges, rejected);
            }
            if durable == commits.len() {
                break;
            }
            let (appended, took) = self.clock.timed(|| self.store.append(&commits[durable..]));
            match appended {
                Ok(taken) => {
                    for (index, commit) in self.store.amended() {
                        let at = durable + index;
                        let refused = commit.refused[commits[at].refused.len()..].iter().map(plan::rejection);
                        let whose = waiting.iter_mut().find(|(end, ..)| *end > at);
                        if let Some((_, _, _, rejected, _)) = whose {
                            rejected.extend(refused);
                        }
                        commits[at] = commit;
                    }
                    self.planner.kept(&commits[durable..durable + taken]);
                    durable += taken;
                    self.metrics.commit_seconds.observe(took.as_secs_f64());
                }
                Err(error) => {
                    self.planner.undone();
                    self.refused(error, waiting.drain(..).map(|(_, ack, ..)| ack).collect())?;
                    break;
                }
            }
        }
        commits.truncate(durable);
        self.live.publish(&commits, |id| self.planner.registry.called(id));
        self.quarantine.offer(commits);
        Ok(())
    }

    /// The store did not take a group: says so to its senders, or gives up.
    fn refused(&mut self, error: StoreError, acks: Vec<Ack>) -> Result<(), StoreError> {
        match error {
            StoreError::TooLarge { .. } | StoreError::Invalid(_) if acks.len() == 1 => {
                tracing::error!(%error, "a submission cannot be stored");
                acks.into_iter().for_each(|ack| ack.rejected(error.to_string()));
                Ok(())
            }
            StoreError::TooLarge { .. } | StoreError::Invalid(_) => {
                tracing::warn!(%error, "a group cannot be stored; its submissions are tried one by one");
                self.alone = ALONE;
                Ok(())
            }
            _ if error.is_retryable() => {
                self.metrics.withheld.inc_by(acks.len() as u64);
                tracing::warn!(%error, submissions = acks.len(), "acks are withheld");
                Ok(())
            }
            _ => Err(error),
        }
    }
}
