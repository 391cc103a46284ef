//! The gateways' door: one bidirectional gRPC stream each.
//!
//! Connections are bounded and must say Hello soon ([`Door`]). A stream's whole life is one session that the HTTP/2
//! connection polls as its response body: nothing is spawned, a client that does not read its acks is not read from
//! either, and a dropped connection drops the session with all that it holds.

mod batch;
mod door;
mod session;

pub(crate) use door::{Door, DoorMetrics};

use crate::{
    clock::Clock,
    gateways::{Gateways, TokenDigest},
    intake::Intake,
    store::{StoreReader, embedded::Retention},
};
use door::Guest;
use futures_util::stream;
use pantau_proto::{
    v1::{
        FromGateway, ToGateway,
        ingest_server::{Ingest, IngestServer},
    },
    wire,
};
use session::Session;
use std::{pin::Pin, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, transport::Server};

/// How long a stop waits for connections that have nothing under way: what their ended streams said last is on its way.
const STOP_WAIT: Duration = Duration::from_millis(500);

/// What every session needs.
pub(crate) struct Shared<R> {
    pub(crate) intake: Intake,
    pub(crate) reader: R,
    pub(crate) gateways: Arc<Gateways>,
    pub(crate) door: Door,
    pub(crate) clock: Clock,
    /// Take no new work.
    pub(crate) stop: CancellationToken,
    /// Batches in flight at most.
    pub(crate) window: u32,
    /// Series that a stream may name.
    pub(crate) series_per_stream: u32,
    /// First time that is taken, milliseconds.
    pub(crate) oldest: i64,
    /// What is older than its class keeps is refused too.
    pub(crate) retention: Retention,
}

/// The service; see the module.
pub(crate) struct Uplink<R>(Arc<Shared<R>>);

#[tonic::async_trait]
impl<R: StoreReader> Ingest for Uplink<R> {
    type UplinkStream = Pin<Box<dyn futures_util::Stream<Item = Result<ToGateway, Status>> + Send>>;

    async fn uplink(
        &self,
        request: Request<Streaming<FromGateway>>,
    ) -> Result<Response<Self::UplinkStream>, Status> {
        let token = request
            .metadata()
            .get("authorization")
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .map(TokenDigest::of)
            .ok_or_else(|| Status::unauthenticated("send the token as `authorization: Bearer <token>`"))?;
        // Which gateway's it must be is known with the Hello; a stranger is not even read from.
        if !self.0.gateways.knows(&token) {
            return Err(session::stranger());
        }
        let guest = request.extensions().get::<Guest>().cloned();
        let guest = guest.ok_or_else(|| Status::internal("a stream without a connection"))?;
        let session = Session::new(Arc::clone(&self.0), guest, request.into_inner(), token)?;
        let answers = stream::unfold(session, |mut session| async move {
            let answer = session.next().await?;
            Some((answer, session))
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

/// Serves until `shared.stop`, then until every session has answered what it took in.
///
/// # Errors
/// When the listener fails.
pub(crate) async fn serve<R: StoreReader>(
    listener: TcpListener,
    shared: Arc<Shared<R>>,
) -> Result<(), tonic::transport::Error> {
    let (stop, door) = (shared.stop.clone(), shared.door.clone());
    let incoming = door::incoming(listener, door.clone());
    let service = IngestServer::new(Uplink(shared)).max_decoding_message_size(wire::MAX_MESSAGE_BYTES);
    let serving = Server::builder()
        // A gateway that has gone without a word is noticed within a minute.
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        // A gateway has one.
        .max_concurrent_streams(4)
        .http2_max_header_list_size(8 << 10)
        // A few large batches may be on the way while one is decoded.
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(8 << 20)
        .max_frame_size(1 << 20)
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned());
    let clearing = async {
        stop.cancelled().await;
        tokio::time::sleep(STOP_WAIT).await;
        door.close_waiting();
        std::future::pending().await
    };
    tokio::select! {
        ended = serving => ended,
        never = clearing => never,
    }
}
