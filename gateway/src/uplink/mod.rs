//! The uplink: one gRPC stream to ingest, opened again and again until it stands.
//!
//! ```text
//! connect ─► Hello ─► HelloReply ─┬─► batches out, acks in, a status each second ─► ends ─► backoff ─► connect
//!                                 └─► new epoch wanted: journal it, say Hello again
//! ```
//! Always: only synced positions leave; this is the one component that retries; what a stream had in flight when it
//! ended is decided by the ranges that the next HelloReply names.

mod feed;
mod plan;
mod stream;
#[cfg(test)]
mod stream_tests;
#[cfg(test)]
mod tests;

use std::time::Duration;

use pantau_journal::FileLayer;
use pantau_proto::Epoch;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Endpoint;

use self::feed::FeedError;
use crate::backoff::Backoff;
use crate::clock;
use crate::config;
use crate::spool::Spool;

/// What the uplink needs.
#[derive(Debug)]
pub(crate) struct Uplink<F: FileLayer> {
    spool: Spool<F>,
    gateway: String,
    endpoint: Endpoint,
    authorization: Option<MetadataValue<Ascii>>,
    window: u32,
    retry_max: Duration,
}

/// The configuration names no place to connect to; its check refuses that before.
#[derive(Debug, thiserror::Error)]
#[error("the uplink's address or token is unfit: {0}")]
pub struct UplinkConfigError(String);

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum StreamError {
    #[error("cannot connect: {}", reasons(.0))]
    Connect(tonic::transport::Error),
    #[error("ingest ended the stream: {:?}: {}", .0.code(), .0.message())]
    Status(#[from] tonic::Status),
    #[error("ingest closed the stream")]
    Closed,
    #[error("ingest does not answer")]
    Silent,
    #[error("ingest breaks the contract: {0}")]
    Contract(&'static str),
    #[error(transparent)]
    Feed(#[from] FeedError),
    #[error("packing a batch panicked")]
    Panicked,
    #[error("the spool has stopped")]
    Stopped,
    /// No fault.
    #[error("ingest asks for a new epoch")]
    NewEpoch,
    /// No fault.
    #[error("what waited for the clock can be sent")]
    Released,
}

/// An error and what is under it, in one line.
fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut under = error.source();
    while let Some(error) = under {
        text.push_str(": ");
        text.push_str(&error.to_string());
        under = error.source();
    }
    text
}

impl<F: FileLayer> Uplink<F> {
    pub(crate) fn new(
        spool: Spool<F>,
        gateway: &str,
        config: &config::Uplink,
    ) -> Result<Self, UplinkConfigError> {
        let wrong = |error: &dyn std::error::Error| UplinkConfigError(error.to_string());
        let endpoint = Endpoint::from_shared(config.url.clone())
            .map_err(|error| wrong(&error))?
            .connect_timeout(Duration::from_secs(5))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(true);
        let authorization = match config.token.reveal() {
            "" => None,
            token => {
                let mut value: MetadataValue<Ascii> =
                    format!("Bearer {token}").parse().map_err(|_| UplinkConfigError("the token".into()))?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(Self {
            spool,
            gateway: gateway.to_owned(),
            endpoint,
            authorization,
            window: config.window,
            retry_max: config.retry_max,
        })
    }

    /// Runs until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::new(self.retry_max);
        let mut renewed = false;
        while !stop.is_cancelled() {
            let began = clock::monotonic();
            let ended = tokio::select! {
                () = stop.cancelled() => break,
                ended = self.stream() => ended,
            };
            self.spool.counters().connected.store(0, std::sync::atomic::Ordering::Relaxed);
            match ended {
                // At once, but not twice in a row: an ingest that always asks is waited for like a broken one.
                StreamError::NewEpoch if !renewed => {
                    renewed = true;
                    self.begin_epoch().await;
                    continue;
                }
                StreamError::Feed(FeedError::DictionaryFull) | StreamError::Released => continue,
                error => {
                    renewed = false;
                    tracing::warn!(%error, "the uplink is down");
                }
            }
            let wait = backoff.after(clock::monotonic() - began, rand::random());
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn begin_epoch(&self) {
        let epoch = Epoch(rand::random());
        let committed = match self.spool.new_epoch(epoch) {
            Ok(ticket) => ticket.await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match committed {
            Ok(()) => {
                tracing::warn!(%epoch, "ingest knows more of this spool than is here: a new epoch begins")
            }
            Err(error) => tracing::error!(error, "the new epoch could not be journaled"),
        }
    }
}
