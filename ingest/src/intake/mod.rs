//! The one door into the city: every listener hands its readings to [`Intake::submit`], and the single committer
//! takes them out at the other end.
//!
//! Always true: a submission carries one [`Ack`], which is consumed once; an ack that is dropped without a word
//! means [`Outcome::Retry`], so that no path, however odd, can make a sender believe that something is stored.
//! The queue is bounded twice, in submissions and in bytes; a full queue makes senders wait.

use crate::{
    store::{Loss, Refused},
    validate::Entry,
};
use pantau_proto::{Epoch, GatewayId, v1::Reason};
use std::{
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Who sent a submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The gateway.
    pub gateway: GatewayId,
    /// The life of its spool that the positions belong to.
    pub epoch: Epoch,
    /// The stream that it came by; the committer skips streams that a newer one has fenced.
    pub generation: u64,
}

/// What a listener hands in: the positions `[first, first + count)` of one gateway's epoch.
///
/// The readings are columns of equal length (`flags` may be empty: all zero); they take the positions in order,
/// skipping those of `refused` and `rejected`.
#[derive(Debug)]
pub struct Submission {
    /// Where it comes from.
    pub source: Source,
    /// First position.
    pub first: u64,
    /// Positions that it covers.
    pub count: u32,
    /// Appended to the stream's series dictionary before `series` is read.
    pub new_series: Vec<Entry>,
    /// Dictionary index, one a reading.
    pub series: Vec<u32>,
    /// Milliseconds since the epoch, UTC.
    pub times: Vec<i64>,
    /// In the catalogue's unit.
    pub values: Vec<f64>,
    /// Flag bits.
    pub flags: Vec<u16>,
    /// What the gateway could not read, by rising position, all inside `[first, first + count)`.
    pub refused: Vec<Refused>,
    /// What validation refused, by rising position, all inside `[first, first + count)`.
    pub rejected: Vec<Refused>,
    /// What the gateway had to give up; their ranges are committed too and may lie anywhere.
    pub losses: Vec<Loss>,
    /// The gateway's next position as it last said, when that is news.
    pub reported_next: Option<u64>,
    /// An older epoch of the same gateway that ends here, with the positions that it had.
    pub ended: Option<(Epoch, Range<u64>)>,
    /// Consumed by whoever decides about this submission.
    pub ack: Ack,
}

impl Submission {
    /// A submission without any position.
    pub fn empty(source: Source, ack: Ack) -> Self {
        Self {
            source,
            first: 0,
            count: 0,
            new_series: Vec::new(),
            series: Vec::new(),
            times: Vec::new(),
            values: Vec::new(),
            flags: Vec::new(),
            refused: Vec::new(),
            rejected: Vec::new(),
            losses: Vec::new(),
            reported_next: None,
            ended: None,
            ack,
        }
    }

    /// Memory that it holds, about.
    pub fn bytes(&self) -> usize {
        let readings = self.series.len() * 20 + self.flags.len() * 2;
        let refused: usize = self
            .refused
            .iter()
            .chain(&self.rejected)
            .map(|r| 160 + r.payload.len() + r.topic.len() + r.detail.len())
            .sum();
        256 + readings + refused + self.new_series.len() * 96 + self.losses.len() * 128
    }
}

/// A position that was committed to the quarantine instead of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Position in the gateway's epoch.
    pub position: u64,
    /// Why.
    pub reason: Reason,
    /// In words.
    pub detail: String,
}

/// What became of a submission.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// On disk. Rejected positions are inside the ranges; they are in the quarantine.
    Committed {
        /// Half-open ranges of positions.
        ranges: Vec<Range<u64>>,
        /// Those that the quarantine took.
        rejected: Vec<Rejection>,
    },
    /// It can never be taken, for this reason.
    Rejected(String),
    /// Nothing is known to be stored: send it again.
    Retry,
}

/// The right to answer one submission, once.
#[derive(Debug)]
pub struct Ack(oneshot::Sender<Outcome>);

/// The sender's end of an [`Ack`]: resolves to its outcome.
#[derive(Debug)]
pub struct Answer(oneshot::Receiver<Outcome>);

impl Ack {
    /// An ack and the answer that it resolves.
    pub fn new() -> (Self, Answer) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), Answer(receiver))
    }

    /// Everything of it is on disk.
    pub fn committed(self, ranges: Vec<Range<u64>>, rejected: Vec<Rejection>) {
        self.answer(Outcome::Committed { ranges, rejected });
    }

    /// It can never be taken.
    pub fn rejected(self, reason: impl Into<String>) {
        self.answer(Outcome::Rejected(reason.into()));
    }

    /// Not now; the same as dropping the ack.
    pub fn retry(self) {
        self.answer(Outcome::Retry);
    }

    fn answer(self, outcome: Outcome) {
        // A sender that has gone will ask for the committed ranges when it comes back.
        let _ = self.0.send(outcome);
    }
}

impl Answer {
    /// The outcome, when it is known already.
    pub fn try_take(&mut self) -> Option<Outcome> {
        match self.0.try_recv() {
            Ok(outcome) => Some(outcome),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Outcome::Retry),
        }
    }
}

impl Future for Answer {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        Pin::new(&mut self.0).poll(cx).map(|answer| answer.unwrap_or(Outcome::Retry))
    }
}

/// What the committer takes out of the queue.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "the small one comes once in a life")]
pub enum Queued {
    /// A submission with its share of the byte bound, which is given back when this is dropped.
    Submission(Submission, Option<OwnedSemaphorePermit>),
    /// Nothing that comes after this is taken.
    Close,
}

/// The handle that listeners hold.
#[derive(Clone, Debug)]
pub struct Intake {
    queue: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    room_kib: u32,
}

impl Intake {
    /// A door whose queue holds `bytes` at most, and the end that the committer reads.
    pub fn new(bytes: u64) -> (Self, mpsc::Receiver<Queued>) {
        let (queue, receiver) = mpsc::channel(1024);
        let room_kib = u32::try_from(bytes >> 10).unwrap_or(u32::MAX >> 4).clamp(1, u32::MAX >> 4);
        (Self { queue, room: Arc::new(Semaphore::new(room_kib as usize)), room_kib }, receiver)
    }

    /// Waits for room and hands the submission to the committer. A committer that has gone drops it, and with it
    /// the ack: the sender reads [`Outcome::Retry`].
    pub async fn submit(&self, submission: Submission) {
        let kib = u32::try_from(submission.bytes() >> 10).unwrap_or(u32::MAX).clamp(1, self.room_kib);
        let room = Arc::clone(&self.room).acquire_many_owned(kib).await.ok();
        // A closed queue gives the submission back, and it is dropped here.
        let _ = self.queue.send(Queued::Submission(submission, room)).await;
    }

    /// The committer finishes what is in the queue and takes nothing more, from no one.
    pub async fn close(&self) {
        let _ = self.queue.send(Queued::Close).await;
    }
}

#[cfg(test)]
mod tests;
