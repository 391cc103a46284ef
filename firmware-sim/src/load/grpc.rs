//! The gRPC side: one uplink stream with a fresh epoch, batches encoded beforehand, a window of them in
//! flight.

use std::collections::VecDeque;
use std::time::Duration;

use clap::Args;
use futures_util::stream;
use pantau_proto::v1::from_gateway::Message as Up;
use pantau_proto::v1::ingest_client::IngestClient;
use pantau_proto::v1::to_gateway::Message as Down;
use pantau_proto::v1::{Batch, FromGateway, Hello, HelloReply, ToGateway};
use pantau_proto::{PROTOCOL, RangeSet, wire};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

use super::batches::Batches;
use super::histogram::Histogram;
use super::{LoadError, LoadReport, cpu};
use crate::clock::Clock;

/// Longest wait for an ack.
const STALL: Duration = Duration::from_secs(30);

/// Options of `load grpc`.
#[derive(Args, Clone, Debug)]
pub struct GrpcLoad {
    /// Ingest
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
    pub url: String,
    /// The gateway to be
    #[arg(long, value_name = "ID", default_value = "load")]
    pub gateway: String,
    /// Its bearer token
    #[arg(long)]
    pub token: Option<String>,
    /// Series
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub series: u32,
    /// Readings in a batch
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub batch: u32,
    /// Readings in all, rounded up to whole batches
    #[arg(long, value_name = "N", default_value_t = 20_000_000)]
    pub messages: u64,
    /// Most batches in flight; ingest may allow less
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub window: u32,
    /// Report what this process uses meanwhile
    #[arg(long)]
    pub pid: Option<u32>,
}

/// Encodes, connects, sends and waits for the last ack.
pub(crate) async fn run(
    options: GrpcLoad,
    clock: Clock,
    stop: CancellationToken,
) -> Result<LoadReport, LoadError> {
    let batches = encode(&options, clock)?;
    let positions = options.batch as u64 * batches.len() as u64;
    tracing::info!(batches = batches.len(), positions, "encoded");

    let (up, requests) = mpsc::channel(4);
    let (mut replies, hello) = hello(&options, clock, positions, &up, requests).await?;
    let window = options.window.min(hello.window.max(1)) as usize;

    let before = options.pid.map(cpu::seconds).transpose()?;
    let start = clock.nanos();
    let mut last_ack = start;
    let mut latency = Histogram::new();
    let mut committed = RangeSet::new();
    let mut in_flight: VecDeque<(u64, u64, u64)> = VecDeque::new();
    let mut rejected = 0_usize;
    let mut sent = 0_u64;
    let mut waiting = batches.into_iter();
    loop {
        while in_flight.len() < window && !stop.is_cancelled() {
            let Some(batch) = waiting.next() else { break };
            let end = batch.first + u64::from(batch.count);
            in_flight.push_back((batch.first, end, clock.nanos()));
            sent += u64::from(batch.count);
            if up.send(FromGateway { message: Some(Up::Batch(batch)) }).await.is_err() {
                break;
            }
        }
        if in_flight.is_empty() {
            break;
        }
        let reply = tokio::time::timeout(STALL, replies.message()).await;
        let reply = reply.map_err(|_| stalled(sent, committed.len_positions()))?.map_err(Box::new)?;
        let Some(ToGateway { message }) = reply else { return Err(stalled(sent, committed.len_positions())) };
        if let Some(Down::Ack(ack)) = message {
            last_ack = clock.nanos();
            rejected += ack.rejected.len();
            for range in ack.committed {
                committed.insert(range.start, range.end);
            }
            in_flight.retain(|&(first, end, since)| {
                let done = committed.contains_range(first, end);
                if done {
                    latency.record(last_ack - since);
                }
                !done
            });
        }
    }
    let used = match (options.pid, before) {
        (Some(pid), Some(before)) => Some(cpu::seconds(pid)? - before),
        _ => None,
    };
    if rejected > 0 {
        tracing::warn!(rejected, "ingest put readings into quarantine");
    }
    Ok(LoadReport::new("grpc", sent, committed.len_positions(), last_ack - start, &latency, used))
}

fn stalled(sent: u64, committed: u64) -> LoadError {
    LoadError::Stalled { sent, unacked: sent.saturating_sub(committed), seconds: STALL.as_secs() }
}

/// All batches of the run.
fn encode(options: &GrpcLoad, clock: Clock) -> Result<Vec<Batch>, LoadError> {
    let count = options.messages.div_ceil(u64::from(options.batch)).max(1);
    let steps = (count * u64::from(options.batch)).div_ceil(u64::from(options.series));
    let mut batches = Batches::new(options.series, steps, clock.wall().0)?;
    (0..count).map(|_| Ok(batches.next(options.batch)?)).collect()
}

/// Opens the stream and says Hello with an epoch that nobody has seen.
async fn hello(
    options: &GrpcLoad,
    clock: Clock,
    next: u64,
    up: &mpsc::Sender<FromGateway>,
    requests: mpsc::Receiver<FromGateway>,
) -> Result<(Streaming<ToGateway>, HelloReply), LoadError> {
    let endpoint = Endpoint::from_shared(options.url.clone())?
        .tcp_nodelay(true)
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(8 << 20);
    let channel: Channel = endpoint.connect().await?;
    let mut client = IngestClient::new(channel)
        .max_decoding_message_size(wire::MAX_MESSAGE_BYTES)
        .max_encoding_message_size(wire::MAX_MESSAGE_BYTES);
    let hello = Hello {
        protocol: PROTOCOL,
        gateway: options.gateway.clone(),
        epoch: crate::fleet::hash(&[clock.wall().0.cast_unsigned(), u64::from(std::process::id())]),
        kept: 0,
        next,
        version: concat!("pantau-sim ", env!("CARGO_PKG_VERSION")).into(),
    };
    // There is room: the channel is new.
    let _ = up.send(FromGateway { message: Some(Up::Hello(hello)) }).await;
    let requests = stream::unfold(requests, async |mut requests| {
        let message = requests.recv().await?;
        Some((message, requests))
    });
    let mut request = Request::new(Box::pin(requests));
    if let Some(token) = &options.token {
        let value = MetadataValue::try_from(format!("Bearer {token}"));
        let value = value.map_err(|_| LoadError::Option("the token is no header value".into()))?;
        request.metadata_mut().insert("authorization", value);
    }
    let mut replies = client.uplink(request).await.map_err(Box::new)?.into_inner();
    match replies.message().await.map_err(Box::new)? {
        Some(ToGateway { message: Some(Down::Hello(reply)) }) if !reply.new_epoch => Ok((replies, reply)),
        Some(_) => Err(Box::new(Status::internal("ingest did not greet")).into()),
        None => Err(Box::new(Status::unavailable("the stream ended before the greeting")).into()),
    }
}
