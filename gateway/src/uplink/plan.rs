//! What to send next on one stream. Pure: committed ranges, the window, acks and the synced end in; ranges out.
//!
//! Always, within one stream:
//! - what ingest has named as committed, or acked, is not sent;
//! - nothing is sent twice: a stream delivers in order or ends, so the cursor only moves on;
//! - at most `window` batches are in flight; a batch is in flight until all of its positions are acked;
//! - what waits for the clock is not sent: the stream ends when it may be, and the next one sends it;
//! - an ack of what was not sent is refused: it would free readings that ingest does not have;
//! - a few readings at the end of the spool leave at once when nothing is in flight, else they gather until the
//!   answers have come or there are [`GATHER`] of them (RFC 896): a batch for each sync would cost ingest a commit
//!   and both sides the packing, and a timer would be one more thing to choose.
//!
//! A new stream begins with a new plan, from the ranges that HelloReply names.

use std::collections::VecDeque;

use pantau_proto::RangeSet;

/// Positions that do not wait for the answers to what is in flight.
const GATHER: u64 = 2_000;

/// Ingest acked what it was never sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NeverSent;

/// The state of one stream's sending.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Committed at ingest, settled under an earlier epoch, or gone.
    done: RangeSet,
    /// Everything below was sent or is done.
    cursor: u64,
    /// Sent as losses, wherever the cursor is.
    losses: RangeSet,
    in_flight: VecDeque<(u64, u64)>,
    window: usize,
}

impl Plan {
    /// `kept` is the first position that can be read; `done` need never be sent.
    pub(crate) fn new(kept: u64, done: RangeSet, window: u32) -> Self {
        Self {
            done,
            cursor: kept,
            losses: RangeSet::new(),
            in_flight: VecDeque::new(),
            window: usize::try_from(window).unwrap_or(1).max(1),
        }
    }

    /// The next range to send from, if the window allows and it need not gather: half-open, not empty, below `synced`.
    pub(crate) fn next(&mut self, synced: u64) -> Option<(u64, u64)> {
        if !self.open() {
            return None;
        }
        self.cursor = self.done.first_gap(self.cursor);
        let (start, end) = self.done.missing(self.cursor, synced.max(self.cursor)).next()?;
        let gathers = self.waits() && end == synced && end - start < GATHER;
        (!gathers).then_some((start, end))
    }

    /// These are not sent on this stream.
    pub(crate) fn hold(&mut self, held: &RangeSet) {
        self.done.extend(held);
    }

    /// The first `sent` of the range that [`Plan::next`] gave are on their way.
    pub(crate) fn sent(&mut self, start: u64, end: u64) {
        self.cursor = self.cursor.max(end);
        self.in_flight.push_back((start, end));
    }

    /// A batch that carries only these losses is on its way.
    pub(crate) fn sent_losses(&mut self, losses: &RangeSet) {
        // What is below the cursor counts as sent anyway.
        self.losses.extend(&losses.iter().filter(|(_, end)| *end > self.cursor).collect());
        // Ingest commits a batch whole, so that the first of them speaks for all.
        self.in_flight.extend(losses.iter().next());
    }

    /// Nothing up to `end` can be read.
    pub(crate) fn skipped(&mut self, end: u64) {
        self.cursor = self.cursor.max(end);
    }

    /// Ingest has these now. True if a batch is answered by it.
    ///
    /// # Errors
    /// Something of it was never sent; nothing is taken then.
    pub(crate) fn acked(&mut self, ranges: &RangeSet) -> Result<bool, NeverSent> {
        let mut sent = self.losses.clone();
        sent.insert(0, self.cursor);
        if !ranges.iter().all(|(start, end)| sent.contains_range(start, end)) {
            return Err(NeverSent);
        }
        self.done.extend(ranges);
        let before = self.in_flight.len();
        let done = &self.done;
        self.in_flight.retain(|(start, end)| !done.contains_range(*start, *end));
        Ok(self.in_flight.len() < before)
    }

    /// Sending goes on, if no answer comes before, when the journal is synced beyond this.
    pub(crate) fn awaited(&self) -> u64 {
        self.done.first_gap(self.cursor) + if self.waits() { GATHER - 1 } else { 0 }
    }

    /// Whether another batch may go out.
    pub(crate) fn open(&self) -> bool {
        self.in_flight.len() < self.window
    }

    /// Whether an answer is due.
    pub(crate) fn waits(&self) -> bool {
        !self.in_flight.is_empty()
    }
}
