//! The door of the spool: decodes what a source brings and journals it as one record.
//!
//! ```text
//! [Frame…] ─► decode ─► columns + refused ─► stamp ─► one record ─► journal ─► Ticket (resolves when synced)
//!               ▲ without those that came too fast │
//!               └──────────────────────────────────┘
//! ```
//! Always: a slice is taken whole or not at all; what cannot be decoded is journaled as refused, so that poison
//! never blocks; the sources call it directly, and their waiting for the ticket is the back-pressure.

mod measured;
mod rights;
#[cfg(test)]
mod tests;
pub mod types;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pantau_journal::FileLayer;
use pantau_proto::TimeMs;
use pantau_proto::v1::Reason;

use self::types::{Delivery, Failed, Frame, Intake, Measured, SessionEvent, Source, SubmitError, Taken};
use crate::decode::{Batch, Columns, Decoder, Refusal};
use crate::figures::{Counters, count};
use crate::spool::{Change, Record, RefusedPayload, SessionChange, Spool};

/// Positions of one record at most.
const MAX_POSITIONS: usize = 20_000;
/// Of a refused payload and of its topic this much is kept.
const MAX_REFUSED_BYTES: usize = 4 << 10;
const MAX_TOPIC_BYTES: usize = 1 << 10;
/// The mend for a device that does so.
const TOO_FAST: &str = "more than one untimed reading a millisecond on one series, for longer than a minute: such readings need a time of their own";

/// The real intake; clones are the same.
#[derive(Debug)]
pub(crate) struct SpoolIntake<F: FileLayer> {
    spool: Spool<F>,
    decoder: Arc<Decoder>,
}

impl<F: FileLayer> Clone for SpoolIntake<F> {
    fn clone(&self) -> Self {
        Self { spool: self.spool.clone(), decoder: Arc::clone(&self.decoder) }
    }
}

impl<F: FileLayer> SpoolIntake<F> {
    pub(crate) fn new(spool: Spool<F>, decoder: Arc<Decoder>) -> Self {
        Self { spool, decoder }
    }

    fn counters(&self) -> &Counters {
        self.spool.counters()
    }

    /// Decodes the frames, but for those that are known to come too fast (their places, rising).
    fn gather<'s>(
        &'s self,
        source: Source<'s>,
        frames: &[Frame<'_>],
        too_fast: &[usize],
    ) -> Result<Gathered<'s>, SubmitError> {
        let mut batch = self.decoder.batch_of(source.rights);
        let mut not_allowed = Vec::new();
        let mut columns = Columns::with_capacity(frames.len());
        let (mut record, mut ends) = (Record::default(), Vec::with_capacity(frames.len()));
        for (n, frame) in frames.iter().enumerate() {
            let decoded = if too_fast.binary_search(&n).is_ok() {
                Err(Refusal::new(Reason::TooFast, TOO_FAST))
            } else {
                batch.decode(frame.topic, frame.payload, frame.arrival, &mut columns)
            };
            if let Err(refusal) = decoded {
                if refusal.reason == Reason::NotAllowed {
                    not_allowed.push(n);
                }
                record.refused.push(refused(columns.len() + record.refused.len(), frame, refusal));
            }
            ends.push(columns.len());
            if n > 0 && columns.len() + record.refused.len() > MAX_POSITIONS {
                return Err(SubmitError::TooLarge);
            }
            match frame.key.map(|key| (key.kind, key)) {
                None => {}
                Some((Delivery::AtLeastOnce, key)) => {
                    record.ids.push(u32::from(key.packet_id));
                    record.hashes.push(key.hash);
                }
                Some((Delivery::ExactlyOnce, key)) => record.held.push(u32::from(key.packet_id)),
            }
        }
        if !record.refused.is_empty() || !record.ids.is_empty() || !record.held.is_empty() {
            source.name.clone_into(&mut record.source);
        }
        Ok(Gathered { batch, record, columns, ends, not_allowed })
    }
}

/// What a slice of frames holds.
struct Gathered<'d> {
    /// To be committed once the spool has taken the rest.
    batch: Batch<'d>,
    record: Record,
    columns: Columns,
    /// One a frame: how many readings there are up to its end.
    ends: Vec<usize>,
    not_allowed: Vec<usize>,
}

/// Resolves when what was submitted is durable.
#[derive(Debug)]
pub(crate) struct SpoolTicket(pantau_journal::Ticket);

impl Future for SpoolTicket {
    type Output = Result<(), Failed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map_err(|error| {
            tracing::debug!(%error, "not committed");
            Failed
        })
    }
}

impl<F: FileLayer> Intake for SpoolIntake<F> {
    type Ticket = SpoolTicket;

    fn submit_of(&self, source: Source<'_>, frames: &[Frame<'_>]) -> Result<Taken<SpoolTicket>, SubmitError> {
        let arrival = frames.first().map_or(TimeMs(0), |frame| frame.arrival);
        let mut too_fast = Vec::new();
        let (batch, record, columns, stamped, not_allowed) = loop {
            let Gathered { batch, record, mut columns, ends, not_allowed } =
                self.gather(source, frames, &too_fast)?;
            match self.spool.stamp(&mut columns, arrival) {
                Ok(stamped) => break (batch, record, columns, stamped, not_allowed),
                Err(readings) => {
                    let frame_of = |reading: &usize| ends.partition_point(|end| end <= reading);
                    too_fast.extend(readings.iter().map(frame_of));
                    too_fast.sort_unstable();
                }
            }
        };
        let (refused, taken) = (record.refused.len(), columns.len() + record.refused.len());
        let ticket = self.spool.submit(record, columns, stamped, arrival)?;
        count(&self.counters().repeated, batch.commit());
        count(&self.counters().accepted, taken as u64);
        count(&self.counters().quarantined, refused as u64);
        count(&self.counters().not_allowed, not_allowed.len() as u64);
        Ok(Taken { ticket: SpoolTicket(ticket), not_allowed })
    }

    fn measured(
        &self,
        source: &str,
        readings: &[Measured<'_>],
        at: TimeMs,
    ) -> Result<SpoolTicket, SubmitError> {
        self.take_measured(source, readings, at)
    }

    fn session(&self, event: SessionEvent<'_>) -> Result<SpoolTicket, SubmitError> {
        let (client, change) = match event {
            SessionEvent::Started { client, expiry_s } => (client, Change::Started(expiry_s)),
            SessionEvent::Resumed { client, expiry_s } => (client, Change::Resumed(expiry_s)),
            SessionEvent::Ended { client } => (client, Change::Ended(true)),
            SessionEvent::Released { client, packet_id } => (client, Change::Released(u32::from(packet_id))),
        };
        let session = Some(SessionChange { client: client.to_owned(), change: Some(change) });
        self.spool.remember(&Record { session, ..Record::default() }).map(SpoolTicket)
    }

    fn shed(&self, messages: u64, at: TimeMs) {
        if messages > 0 {
            let counters = self.counters();
            for counter in [&counters.accepted, &counters.lost, &counters.shed] {
                count(counter, messages);
            }
            self.spool.shed(messages, at);
        }
    }

    async fn room(&self) {
        self.spool.room().await;
    }
}

fn refused(offset: usize, frame: &Frame<'_>, refusal: Refusal) -> RefusedPayload {
    let Refusal { reason, mut detail } = refusal;
    let mut payload = frame.payload;
    if payload.len() > MAX_REFUSED_BYTES {
        detail.push_str(&format!(" (the first {MAX_REFUSED_BYTES} of {} bytes are kept)", payload.len()));
        payload = &payload[..MAX_REFUSED_BYTES];
    }
    let topic = &frame.topic[..frame.topic.floor_char_boundary(MAX_TOPIC_BYTES)];
    RefusedPayload {
        offset: u32::try_from(offset).unwrap_or(u32::MAX),
        topic: topic.to_owned(),
        payload: payload.to_vec(),
        reason: i32::from(reason),
        detail,
    }
}
