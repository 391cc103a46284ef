//! One stream, from Hello to its end: a thin shell around [`Plan`] and [`Feed`].

use std::time::Duration;

use pantau_journal::{FileLayer, Position};
use pantau_proto::v1::ingest_client::IngestClient;
use pantau_proto::v1::{
    Ack, Batch, Clock, FromGateway, Hello, HelloReply, Loss, Status, ToGateway, from_gateway, to_gateway,
};
use pantau_proto::wire::MAX_MESSAGE_BYTES;
use pantau_proto::{PROTOCOL, RangeSet};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic::{Request, Streaming};

use super::feed::{Feed, FeedError, Packed};
use super::plan::Plan;
use super::{StreamError, Uplink};
use crate::clock;
use crate::figures::value;
use crate::spool::{Offer, Spool};

/// How long ingest may take for its first answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long batches may be in flight without any ack. An ingest whose database must settle first takes up to twice 25 s.
const SILENCE: Duration = Duration::from_secs(60);
/// Losses of one batch at most.
const LOSSES: usize = 500;

type Outbound = mpsc::Sender<FromGateway>;
type Packing<F> = JoinHandle<(Feed<F>, Result<Packed, FeedError>)>;

impl<F: FileLayer> Uplink<F> {
    /// Runs one stream. It always ends with a reason.
    pub(super) async fn stream(&self) -> StreamError {
        match self.try_stream().await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn try_stream(&self) -> Result<std::convert::Infallible, StreamError> {
        let (releases, offer) = (self.spool.releases(), self.spool.offer());
        // The window bounds batches; a few places more are for hello and statuses.
        let (outbound, mut queue) = mpsc::channel(usize::try_from(self.window).unwrap_or(1) + 8);
        send(&outbound, from_gateway::Message::Hello(self.hello(&offer)))?;
        let channel = self.endpoint.connect().await.map_err(StreamError::Connect)?;
        let mut client = IngestClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        let mut request =
            Request::new(futures_util::stream::poll_fn(move |context| queue.poll_recv(context)));
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        let answer = timeout(ANSWER, client.uplink(request)).await.map_err(|_| StreamError::Silent)?;
        let mut inbound = answer?.into_inner();
        let reply = first_reply(&mut inbound).await?;
        let committed = RangeSet::from_wire(&reply.committed)
            .map_err(|_| StreamError::Contract("a committed range ends before it begins"))?;
        // Positions from `next` on will be given to other readings: what ingest has there is not ours, asked or not.
        if reply.new_epoch || committed.end() > offer.next {
            return Err(StreamError::NewEpoch);
        }
        tracing::info!(
            epoch = %offer.epoch,
            kept = offer.kept,
            next = offer.next,
            ranges = committed.len_ranges(),
            "the uplink is up"
        );
        self.spool.counters().connected.store(1, std::sync::atomic::Ordering::Relaxed);
        self.spool.committed(&committed);
        let mut done = committed;
        done.extend(&offer.settled);
        let losses: Vec<Loss> =
            offer.losses.into_iter().filter(|loss| !done.contains_range(loss.start, loss.end)).collect();
        let plan = Plan::new(offer.kept, done, self.window.min(reply.window));
        let feed = Feed::new(self.spool.clone())?;
        let mut sending =
            Sending { spool: &self.spool, outbound, plan, feed: Some(feed), packing: None, losses, releases };
        sending.run(&mut inbound).await
    }

    fn hello(&self, offer: &Offer) -> Hello {
        Hello {
            protocol: PROTOCOL,
            gateway: self.gateway.clone(),
            epoch: offer.epoch.0,
            kept: offer.kept,
            next: offer.next,
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

async fn first_reply(inbound: &mut Streaming<ToGateway>) -> Result<HelloReply, StreamError> {
    let message = timeout(ANSWER, inbound.message()).await.map_err(|_| StreamError::Silent)??;
    match message.and_then(|message| message.message) {
        Some(to_gateway::Message::Hello(reply)) => Ok(reply),
        Some(to_gateway::Message::Ack(_)) => Err(StreamError::Contract("an ack before the answer to hello")),
        None => Err(StreamError::Closed),
    }
}

fn send(outbound: &Outbound, message: from_gateway::Message) -> Result<(), StreamError> {
    // The queue is larger than the window, so only a stream that has ended refuses.
    outbound.try_send(FromGateway { message: Some(message) }).map_err(|_| StreamError::Closed)
}

/// A stream after its hello.
struct Sending<'a, F: FileLayer> {
    spool: &'a Spool<F>,
    outbound: Outbound,
    plan: Plan,
    /// Here, or on the blocking thread with `packing`.
    feed: Option<Feed<F>>,
    packing: Option<Packing<F>>,
    /// To be sent before anything else.
    losses: Vec<Loss>,
    /// Before this stream.
    releases: u64,
}

impl<F: FileLayer> Sending<'_, F> {
    async fn run(
        &mut self,
        inbound: &mut Streaming<ToGateway>,
    ) -> Result<std::convert::Infallible, StreamError> {
        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut progress = clock::monotonic();
        // Nothing could be read although something should be there: not tried again before the next event.
        let mut hold = false;
        loop {
            self.send_losses()?;
            if !hold {
                self.begin_packing();
            }
            let idle = self.packing.is_none() && self.plan.open() && !hold;
            let awaited = Position(self.plan.awaited());
            tokio::select! {
                message = inbound.message() => {
                    let message = message?.ok_or(StreamError::Closed)?.message;
                    if self.answered(message)? {
                        progress = clock::monotonic();
                    }
                }
                packed = packed(&mut self.packing), if self.packing.is_some() => {
                    if !self.plan.waits() {
                        progress = clock::monotonic();
                    }
                    hold = self.packed(packed?)?;
                }
                synced = self.spool.journal().synced_beyond(awaited), if idle => {
                    synced.map_err(|_| StreamError::Stopped)?;
                }
                _ = tick.tick() => {
                    hold = false;
                    if self.spool.releases() != self.releases {
                        return Err(StreamError::Released);
                    }
                    if self.plan.waits() && clock::monotonic() - progress > SILENCE {
                        return Err(StreamError::Silent);
                    }
                    self.send_status();
                }
            }
        }
    }

    fn begin_packing(&mut self) {
        if self.packing.is_some() {
            return;
        }
        // In this order: what was synced by then and has to wait is known to.
        let synced = self.spool.journal().synced().0;
        self.plan.hold(&self.spool.held());
        let Some((start, end)) = self.plan.next(synced) else { return };
        let Some(mut feed) = self.feed.take() else { return };
        self.packing = Some(tokio::task::spawn_blocking(move || {
            let packed = feed.pack(start, end);
            (feed, packed)
        }));
    }

    /// True if nothing was there.
    fn packed(&mut self, (feed, packed): (Feed<F>, Result<Packed, FeedError>)) -> Result<bool, StreamError> {
        self.feed = Some(feed);
        match packed? {
            Packed::Batch(batch) => {
                let Batch { first, count, .. } = batch;
                send(&self.outbound, from_gateway::Message::Batch(batch))?;
                self.plan.sent(first, first + u64::from(count));
            }
            Packed::Gap { end, losses } => {
                self.plan.skipped(end);
                self.losses.extend(losses);
            }
            Packed::Nothing => return Ok(true),
        }
        Ok(false)
    }

    fn send_losses(&mut self) -> Result<(), StreamError> {
        while !self.losses.is_empty() && self.plan.open() {
            let Some(feed) = &mut self.feed else { return Ok(()) };
            let rest = self.losses.split_off(self.losses.len().min(LOSSES));
            let losses = std::mem::replace(&mut self.losses, rest);
            let ranges = losses.iter().map(|loss| (loss.start, loss.end)).collect();
            send(&self.outbound, from_gateway::Message::Batch(feed.losses(losses)?))?;
            self.plan.sent_losses(&ranges);
        }
        Ok(())
    }

    /// True if a batch is answered.
    fn answered(&mut self, message: Option<to_gateway::Message>) -> Result<bool, StreamError> {
        match message {
            Some(to_gateway::Message::Ack(ack)) => self.acked(&ack),
            Some(to_gateway::Message::Hello(_)) => Err(StreamError::Contract("a second answer to hello")),
            // A message of a later version.
            None => Ok(false),
        }
    }

    fn acked(&mut self, ack: &Ack) -> Result<bool, StreamError> {
        let ranges = RangeSet::from_wire(&ack.committed)
            .map_err(|_| StreamError::Contract("an acked range ends before it begins"))?;
        let answers = self.plan.acked(&ranges);
        let answers = answers.map_err(|_| StreamError::Contract("an ack of what was never sent"))?;
        self.spool.acked(&ranges, &ack.rejected);
        for rejected in ack.rejected.iter().take(3) {
            tracing::debug!(
                position = rejected.position,
                reason = rejected.reason().name(),
                rejected.detail,
                "rejected by ingest"
            );
        }
        Ok(answers)
    }

    /// Lossy: a status that does not fit is left out, the next one replaces it.
    fn send_status(&self) {
        let counters = self.spool.counters();
        let (backlog_readings, lag_ms) = self.spool.backlog(clock::now());
        let status = Status {
            backlog_readings,
            backlog_bytes: self.spool.backlog_bytes(),
            lag_ms,
            quarantined: value(&counters.quarantined),
            lost: value(&counters.lost),
            clock: match value(&counters.clock_trusted) {
                0 => Clock::Untrusted.into(),
                _ => Clock::Trusted.into(),
            },
            next: self.spool.journal().synced().0,
        };
        if self.outbound.capacity() > 4 {
            drop(send(&self.outbound, from_gateway::Message::Status(status)));
        }
    }
}

async fn packed<F: FileLayer>(
    packing: &mut Option<Packing<F>>,
) -> Result<(Feed<F>, Result<Packed, FeedError>), StreamError> {
    match packing {
        None => std::future::pending().await,
        Some(handle) => {
            let done = handle.await;
            *packing = None;
            done.map_err(|_| StreamError::Panicked)
        }
    }
}
