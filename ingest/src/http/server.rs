//! HTTP connections: how many there may be, and how long one may take to say what it wants.
//!
//! Always true: there are never more than `[limits] http_connections`, and one that does not finish the head of a
//! request in [`HEAD_WAIT`] is closed, so that clients that send a byte a minute, or nothing, cannot keep others out. More
//! connections wait in the system's queue.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{pin::pin, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// From the accept, or from the answer before, to the end of a request's head.
const HEAD_WAIT: Duration = Duration::from_secs(10);
/// Bytes of a request's head at most; longer ones get 431.
const HEAD_BYTES: usize = 64 << 10;
/// How long nothing is accepted after the system refused a connection (no descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`, then until running requests are answered. `tasks` is the set that connections become tasks of.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    most: usize,
    mut tasks: JoinSet<()>,
    stop: CancellationToken,
) {
    let mut http1 = http1::Builder::new();
    http1.timer(TokioTimer::new()).header_read_timeout(HEAD_WAIT).max_buf_size(HEAD_BYTES);
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = tasks.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "an HTTP connection ended badly");
                }
            }
            accepted = listener.accept(), if tasks.len() < most => match accepted {
                Ok((socket, _)) => {
                    tasks.spawn(connection(http1.clone(), socket, router.clone(), stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an HTTP connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

async fn connection(http1: http1::Builder, socket: TcpStream, router: Router, stop: CancellationToken) {
    // Small events go out at once; without it they are only slower.
    let _ = socket.set_nodelay(true);
    let served = http1.serve_connection(TokioIo::new(socket), TowerToHyperService::new(router));
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection broke off");
    }
}
