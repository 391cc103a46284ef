//! One stream of one gateway.
//!
//! ```text
//! Hello ──allowed?──► fence the older stream ──► HelloReply ──► Running ◄──► Batch in, Ack out
//!   │ no                                    │ known position ≥ next   │ fenced, stopped, closed, broken
//!   └► UNAUTHENTICATED          new epoch ◄─┘                         └► answer what is in flight, end
//! ```
//!
//! Always true: an Ack carries only what the committer answered; at most `window` batches are in flight, the next
//! one is not even read; a retry ends the stream, because a gap in a dictionary cannot be mended.

mod hello;

pub(super) use hello::stranger;

use super::{
    Shared,
    batch::Dictionary,
    door::{Greeted, Guest},
};
use crate::{
    gateways::TokenDigest,
    intake::{Ack, Answer, Outcome, Rejection, Source},
    store::StoreReader,
    validate::Window,
};
use pantau_proto::{
    RangeSet,
    v1::{self, Batch, FromGateway, Rejected, ToGateway, from_gateway, to_gateway},
    wire::{Decoder, Limits},
};
use std::{collections::VecDeque, sync::Arc};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

enum Stage {
    Greeting,
    Running,
    /// Nothing more is read; what is in flight is answered, then the stream ends with this.
    Draining(Option<Status>),
    Ended,
}

/// See the module.
pub(super) struct Session<R: StoreReader> {
    shared: Arc<Shared<R>>,
    guest: Guest,
    /// Keeps the connection open once Hello was said.
    greeted: Option<Greeted>,
    inbound: Streaming<FromGateway>,
    token: TokenDigest,
    stage: Stage,
    source: Option<Source>,
    fence: CancellationToken,
    dictionary: Dictionary,
    decoder: Decoder,
    in_flight: VecDeque<Answer>,
    reported_next: Option<u64>,
}

impl<R: StoreReader> Session<R> {
    pub(super) fn new(
        shared: Arc<Shared<R>>,
        guest: Guest,
        inbound: Streaming<FromGateway>,
        token: TokenDigest,
    ) -> Result<Self, Status> {
        let decoder =
            Decoder::new(Limits::default()).map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Self {
            shared,
            guest,
            greeted: None,
            inbound,
            token,
            stage: Stage::Greeting,
            source: None,
            fence: CancellationToken::new(),
            dictionary: Dictionary::default(),
            decoder,
            in_flight: VecDeque::new(),
            reported_next: None,
        })
    }

    /// The next message for the gateway; `None` when the stream has ended.
    pub(super) async fn next(&mut self) -> Option<Result<ToGateway, Status>> {
        loop {
            match &mut self.stage {
                Stage::Ended => return None,
                Stage::Greeting => {
                    self.stage = Stage::Running;
                    return Some(match self.greet().await {
                        Ok(reply) => Ok(message(to_gateway::Message::Hello(reply))),
                        Err(status) => self.end(status),
                    });
                }
                Stage::Draining(last) if self.in_flight.is_empty() => {
                    let last = last.take();
                    self.stage = Stage::Ended;
                    return last.map(Err);
                }
                Stage::Draining(_) => {
                    let outcome = front(&mut self.in_flight).await;
                    return Some(self.ack(outcome));
                }
                Stage::Running => {
                    if let Some(answer) = self.run().await {
                        return Some(answer);
                    }
                }
            }
        }
    }

    /// One step of a running stream; `None` when there is nothing to say.
    async fn run(&mut self) -> Option<Result<ToGateway, Status>> {
        let room = self.in_flight.len() < self.shared.window as usize;
        tokio::select! {
            biased;
            () = self.fence.cancelled() => {
                return Some(self.end(Status::aborted("a newer stream of this gateway has taken over")));
            }
            outcome = front(&mut self.in_flight) => return Some(self.ack(outcome)),
            () = self.shared.stop.cancelled() => {
                self.stage = Stage::Draining(Some(Status::unavailable("ingest is stopping; come back soon")));
            }
            received = self.inbound.message(), if room => match received {
                Ok(Some(FromGateway { message: Some(received) })) => {
                    if let Err(status) = self.receive(received).await {
                        // What came before it is answered first.
                        self.stage = Stage::Draining(Some(status));
                    }
                }
                Ok(Some(FromGateway { message: None })) => {
                    self.stage = Stage::Draining(Some(Status::invalid_argument("a message without content")));
                }
                Ok(None) => self.stage = Stage::Draining(None),
                // The connection is gone: nobody is left to answer.
                Err(status) => return Some(self.end(status)),
            },
        }
        None
    }

    fn end(&mut self, status: Status) -> Result<ToGateway, Status> {
        self.stage = Stage::Ended;
        Err(status)
    }

    /// Turns the oldest outcome, and those behind it that are there already, into one Ack.
    fn ack(&mut self, oldest: Outcome) -> Result<ToGateway, Status> {
        let (mut ranges, mut rejected) = (RangeSet::new(), Vec::new());
        let mut known = Some(oldest);
        let mut broken = None;
        while let Some(outcome) = known.take() {
            self.in_flight.pop_front();
            match outcome {
                Outcome::Committed { ranges: more, rejected: refused } => {
                    for range in more {
                        ranges.insert(range.start, range.end);
                    }
                    rejected.extend(refused.into_iter().map(wire_rejection));
                    known = self.in_flight.front_mut().and_then(Answer::try_take);
                }
                Outcome::Retry => {
                    broken = Some(Status::unavailable("not stored; reconnect and send it again"))
                }
                Outcome::Rejected(reason) => broken = Some(Status::invalid_argument(reason)),
            }
        }
        if let Some(status) = broken {
            self.in_flight.clear();
            if ranges.is_empty() {
                return self.end(status);
            }
            // What was committed before it is said first.
            self.stage = Stage::Draining(Some(status));
        }
        Ok(message(to_gateway::Message::Ack(v1::Ack { committed: ranges.to_wire(), rejected })))
    }

    async fn receive(&mut self, received: from_gateway::Message) -> Result<(), Status> {
        let Some(source) = self.source.clone() else { return Ok(()) };
        let now = self.shared.clock.now().0;
        match received {
            from_gateway::Message::Hello(_) => Err(Status::invalid_argument("Hello is said once, at first")),
            from_gateway::Message::Status(status) => {
                self.reported_next = Some(status.next);
                self.shared.gateways.seen(&source.gateway, source.generation, now, Some(status));
                Ok(())
            }
            from_gateway::Message::Batch(batch) => {
                self.shared.gateways.seen(&source.gateway, source.generation, now, None);
                self.take(source, &batch, now).await
            }
        }
    }

    async fn take(&mut self, source: Source, batch: &Batch, now: i64) -> Result<(), Status> {
        let body = self.decoder.decode(batch);
        let body = body.map_err(|error| Status::invalid_argument(format!("batch: {error}")))?;
        let (ack, answer) = Ack::new();
        let window = Window::new(now, self.shared.oldest, &self.shared.retention);
        let limit = self.shared.series_per_stream as usize;
        let mut submission = self
            .dictionary
            .submission(source, (batch.first, batch.count), body, &window, limit, ack)
            .map_err(|broken| Status::invalid_argument(broken.to_string()))?;
        submission.reported_next = self.reported_next.take();
        self.in_flight.push_back(answer);
        self.shared.intake.submit(submission).await;
        Ok(())
    }
}

impl<R: StoreReader> Drop for Session<R> {
    fn drop(&mut self) {
        if let Some(source) = &self.source {
            self.shared.gateways.leave(&source.gateway, source.generation);
            tracing::info!(gateway = %source.gateway, generation = source.generation, "stream ended");
        }
    }
}

fn message(message: to_gateway::Message) -> ToGateway {
    ToGateway { message: Some(message) }
}

fn wire_rejection(rejection: Rejection) -> Rejected {
    let Rejection { position, reason, detail } = rejection;
    Rejected { position, reason: reason.into(), detail }
}

/// Waits for the oldest answer; forever when there is none.
async fn front(in_flight: &mut VecDeque<Answer>) -> Outcome {
    match in_flight.front_mut() {
        Some(answer) => answer.await,
        None => std::future::pending().await,
    }
}
