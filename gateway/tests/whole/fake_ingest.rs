#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods, dead_code)]
//! An ingest that lives in the test's process, remembers what it got and misbehaves on demand.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::Stream;
use futures_util::stream::poll_fn;
use pantau_proto::RangeSet;
use pantau_proto::v1::ingest_server::{Ingest, IngestServer};
use pantau_proto::v1::{
    Ack, FromGateway, HelloReply, Loss, Range, Reason, Rejected, ToGateway, from_gateway, to_gateway,
};
use pantau_proto::wire::{Limits, decode_batch, times};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};

/// What ingest has, by (epoch, position): a reading, or the topic of a refused payload.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Entry {
    Reading(String, i64, f64),
    Refused(String),
}

#[derive(Default)]
pub(crate) struct City {
    pub(crate) entries: BTreeMap<(u64, u64), Entry>,
    /// All losses that came, whether they came before or not.
    pub(crate) losses: Vec<Loss>,
    pub(crate) committed: BTreeMap<u64, RangeSet>,
    pub(crate) authorization: Option<String>,
    pub(crate) epochs: Vec<u64>,
    /// The same position came twice on one stream.
    pub(crate) repeats: u32,
    pub(crate) refuse_epoch_once: bool,
    /// So many positions beyond each batch are named as committed, once.
    pub(crate) ack_beyond_once: u64,
}

#[derive(Clone, Default)]
pub(crate) struct FakeIngest {
    pub(crate) city: Arc<Mutex<City>>,
    /// Batches after which a stream is cut without an ack; 0 = never.
    pub(crate) cut_after: Arc<AtomicU32>,
}

#[tonic::async_trait]
impl Ingest for FakeIngest {
    type UplinkStream = Pin<Box<dyn Stream<Item = Result<ToGateway, Status>> + Send>>;

    async fn uplink(
        &self,
        request: Request<Streaming<FromGateway>>,
    ) -> Result<Response<Self::UplinkStream>, Status> {
        let bearer = request.metadata().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        self.city.lock().unwrap().authorization = bearer;
        let (answers, mut queue) = mpsc::channel(64);
        let fake = self.clone();
        tokio::spawn(async move { fake.serve(request.into_inner(), answers).await });
        Ok(Response::new(Box::pin(poll_fn(move |context| queue.poll_recv(context)))))
    }
}

impl FakeIngest {
    async fn serve(
        &self,
        mut inbound: Streaming<FromGateway>,
        answers: mpsc::Sender<Result<ToGateway, Status>>,
    ) {
        let (mut epoch, mut dictionary, mut batches) = (0, Vec::new(), 0);
        let mut seen = RangeSet::new();
        while let Ok(Some(FromGateway { message: Some(message) })) = inbound.message().await {
            let answer = match message {
                from_gateway::Message::Hello(hello) => {
                    epoch = hello.epoch;
                    let mut city = self.city.lock().unwrap();
                    city.epochs.push(epoch);
                    let new_epoch = std::mem::take(&mut city.refuse_epoch_once);
                    let committed = city.committed.entry(epoch).or_default().to_wire();
                    to_gateway::Message::Hello(HelloReply { generation: 1, committed, new_epoch, window: 4 })
                }
                from_gateway::Message::Batch(batch) => {
                    batches += 1;
                    let cut = self.cut_after.load(Ordering::Relaxed);
                    if cut > 0 && batches >= cut {
                        return;
                    }
                    let body = decode_batch(&batch, Limits::default()).unwrap();
                    dictionary.extend(
                        body.new_series.iter().map(|series| (series.name.clone(), series.unit.clone())),
                    );
                    let mut city = self.city.lock().unwrap();
                    let mut entries: Vec<Entry> = body
                        .series
                        .iter()
                        .zip(times(&body))
                        .zip(&body.values)
                        .map(|((series, time), value)| {
                            let (name, unit) = &dictionary[*series as usize];
                            Entry::Reading(format!("{name}{unit}"), time, *value)
                        })
                        .collect();
                    for refused in &body.refused {
                        let at = usize::try_from(refused.position - batch.first).unwrap();
                        entries.insert(at, Entry::Refused(refused.topic.clone()));
                    }
                    let end = batch.first + u64::from(batch.count);
                    city.repeats += u32::from(seen.insert(batch.first, end) != end - batch.first);
                    for (position, entry) in (batch.first..).zip(entries) {
                        let before = city.entries.insert((epoch, position), entry.clone());
                        assert!(
                            before.is_none_or(|before| before == entry),
                            "a position changed its reading"
                        );
                    }
                    city.committed.entry(epoch).or_default().insert(batch.first, end);
                    for loss in &body.losses {
                        city.committed.entry(epoch).or_default().insert(loss.start, loss.end);
                    }
                    let rejected = Rejected {
                        position: batch.first,
                        reason: Reason::UnknownQuantity.into(),
                        ..Rejected::default()
                    };
                    let beyond = std::mem::take(&mut city.ack_beyond_once);
                    let mut committed = vec![Range { start: batch.first, end: end + beyond }];
                    committed
                        .extend(body.losses.iter().map(|loss| Range { start: loss.start, end: loss.end }));
                    city.losses.extend(body.losses);
                    to_gateway::Message::Ack(Ack { committed, rejected: vec![rejected] })
                }
                from_gateway::Message::Status(_) => continue,
            };
            if answers.send(Ok(ToGateway { message: Some(answer) })).await.is_err() {
                return;
            }
        }
    }

    /// Positions that it has.
    pub(crate) fn stored(&self) -> usize {
        self.city.lock().unwrap().entries.len()
    }

    /// Serves until the test's runtime ends.
    pub(crate) fn start(&self, listener: TcpListener) {
        let server = tonic::transport::Server::builder().add_service(IngestServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener)));
    }
}
