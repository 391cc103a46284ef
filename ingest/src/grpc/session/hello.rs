//! The first message of a stream: who is it, may it, and what has it delivered before.
//!
//! Always true: nothing of a gateway is fenced or journaled before its token is known to be its own; what the Hello says
//! of the spool, and that older epochs are over, is durable before it is answered.

use super::{Session, Stage};
use crate::{
    committer::MOST_RANGES,
    intake::{Ack, Outcome, Source, Submission},
    store::{GatewayState, StoreReader},
    validate::clipped,
};
use pantau_proto::{
    Epoch, GatewayId, PROTOCOL,
    v1::{self, FromGateway, Hello, HelloReply, from_gateway},
    wire::MAX_RANGES,
};
use std::{sync::Arc, time::Duration};
use tonic::Status;

/// How long a stream may take to say Hello.
const HELLO_WAIT: Duration = Duration::from_secs(10);

impl<R: StoreReader> Session<R> {
    /// Hello: who is it, may it, what has it delivered before.
    pub(super) async fn greet(&mut self) -> Result<HelloReply, Status> {
        let hello = tokio::select! {
            hello = tokio::time::timeout(HELLO_WAIT, self.inbound.message()) => hello,
            () = self.shared.stop.cancelled() => return Err(Status::unavailable("ingest is stopping")),
        };
        let hello = match hello {
            Ok(Ok(Some(FromGateway { message: Some(from_gateway::Message::Hello(hello)) }))) => hello,
            Ok(Ok(_)) => return Err(Status::invalid_argument("the first message must be Hello")),
            Ok(Err(status)) => return Err(status),
            Err(_) => return Err(Status::deadline_exceeded("no Hello within 10 seconds")),
        };
        if !self.shared.gateways.allows(&hello.gateway, &self.token) {
            tracing::warn!(gateway = %clipped(&hello.gateway).escape_debug(), "refused: unknown or wrong token");
            return Err(stranger());
        }
        self.greeted = Some(self.guest.greet());
        if hello.protocol != PROTOCOL {
            let spoken = format!("protocol {}; {PROTOCOL} is spoken here", hello.protocol);
            return Err(Status::invalid_argument(spoken));
        }
        if hello.kept > hello.next {
            return Err(Status::invalid_argument("kept is greater than next"));
        }
        let gateway: GatewayId =
            hello.gateway.parse().map_err(|error| Status::invalid_argument(format!("gateway: {error}")))?;
        self.open(gateway, &hello).await
    }

    async fn open(&mut self, gateway: GatewayId, hello: &Hello) -> Result<HelloReply, Status> {
        let (shared, epoch) = (Arc::clone(&self.shared), Epoch(hello.epoch));
        if self.known(&gateway).is_some_and(|known| !has_room_for(epoch, &known)) {
            tracing::error!(%gateway, %epoch, "refused: as much is remembered of this gateway as may be");
            return Err(Status::failed_precondition(format!(
                "{MOST_RANGES} epochs and separate ranges of positions are remembered of gateway {gateway}, and no \
                 more may be; every spool that is made anew begins an epoch: keep its folder, and give this gateway \
                 another id"
            )));
        }
        let over = shared.gateways.is_over(&gateway, epoch);
        let (generation, fence, before) = shared.gateways.enter(&gateway, hello, shared.clock.now().0);
        self.fence = fence;
        let source = Source { gateway, epoch, generation };
        self.source = Some(source.clone());
        let known = shared.reader.ranges(&source.gateway, epoch);
        let mut reply =
            HelloReply { generation, committed: Vec::new(), new_epoch: true, window: shared.window };
        if over || known.end() > hello.next {
            tracing::warn!(gateway = %source.gateway, %epoch, next = hello.next, known = known.end(), over,
                "an old copy of a spool: a new epoch is asked for");
            self.stage = Stage::Draining(None);
            return Ok(reply);
        }
        self.journal_hello(&source, hello, before).await?;
        tracing::info!(gateway = %source.gateway, %epoch, generation, next = hello.next, "gateway connected");
        let useful = known.iter().filter(|(_, end)| *end > hello.kept);
        reply.committed = useful.take(MAX_RANGES).map(|(start, end)| v1::Range { start, end }).collect();
        reply.new_epoch = false;
        Ok(reply)
    }

    fn known(&self, gateway: &GatewayId) -> Option<GatewayState> {
        self.shared.reader.gateways().into_iter().find(|known| known.gateway == *gateway)
    }

    /// Journals what the gateway says it has, and that its older epochs are over.
    async fn journal_hello(
        &mut self,
        source: &Source,
        hello: &Hello,
        before: Option<(Epoch, u64)>,
    ) -> Result<(), Status> {
        let mut news = Vec::new();
        for (epoch, state) in self.known(&source.gateway).map(|known| known.epochs).unwrap_or_default() {
            let next = state.reported_next.unwrap_or(0).max(state.ranges.end());
            let start = match before {
                Some((old, kept)) if old == epoch => kept,
                _ => state.ranges.iter().next().map_or(0, |(start, _)| start),
            };
            if epoch != source.epoch && !state.ranges.contains_range(start, next) {
                news.push((None, Some((epoch, start..next))));
            }
        }
        news.push((Some(hello.next), None));
        for (reported_next, ended) in news {
            let (ack, answer) = Ack::new();
            let over = ended.as_ref().map(|(epoch, _)| *epoch);
            let submission = Submission { reported_next, ended, ..Submission::empty(source.clone(), ack) };
            self.shared.intake.submit(submission).await;
            if !matches!(answer.await, Outcome::Committed { .. }) {
                return Err(Status::unavailable("nothing can be stored now; come back soon"));
            }
            if let Some(epoch) = over {
                self.shared.gateways.declare_over(&source.gateway, epoch);
            }
        }
        Ok(())
    }
}

/// What anyone is told who is not a gateway of this configuration.
pub(in crate::grpc) fn stranger() -> Status {
    Status::unauthenticated("no gateway has this id and this token")
}

/// Whether an epoch is remembered, or may be. All epochs of the gateway count together, because each stays known for ever;
/// one that began without a position counts as a range, too.
fn has_room_for(epoch: Epoch, known: &GatewayState) -> bool {
    let ranges: usize = known.epochs.iter().map(|(_, state)| state.ranges.len_ranges().max(1)).sum();
    ranges < MOST_RANGES || known.epochs.iter().any(|(known, _)| *known == epoch)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::store::EpochState;

    #[test]
    fn a_gateway_has_room_for_so_many_epochs_and_ranges_together() {
        let empty = |epoch| (Epoch(epoch), EpochState::default());
        let most = MOST_RANGES as u64;
        let mut known =
            GatewayState { gateway: "gw".parse().unwrap(), epochs: (0..most - 1).map(empty).collect() };
        assert!(has_room_for(Epoch(most), &known));
        known.epochs[0].1.ranges = [(1, 2), (3, 4)].into_iter().collect();
        assert!(!has_room_for(Epoch(most), &known), "a second range of the first epoch takes the last place");
        assert!(has_room_for(Epoch(7), &known), "what is known goes on");
    }
}
