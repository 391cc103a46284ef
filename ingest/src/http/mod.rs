//! The API and the page: a router over the store's readers. Reads only; knows neither the committer nor a gateway's
//! stream.
//!
//! Always true: every error is problem+json with what is wrong and what would be right; every list is
//! `{"items", "next"}`; whatever a client asks, work and memory are bounded by `[limits]`; files are read on the
//! blocking pool, a few queries at a time.

mod completeness;
mod gateways;
mod latest;
mod live;
mod params;
mod problem;
mod quarantine;
mod readings;
mod render;
mod series;
mod server;
mod stations;
mod system;
mod web;

use crate::{
    clock::Clock,
    config::{Limits, Station},
    gateways::Gateways,
    live::Live,
    metrics::Metrics,
    quarantine::Quarantine,
    store::StoreReader,
};
use axum::{Router, extract::Request, middleware, routing::get};
use http::{HeaderValue, header};
use problem::Problem;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// What the handlers share.
pub(crate) struct Api<R> {
    pub(crate) reader: R,
    pub(crate) quarantine: Quarantine,
    pub(crate) gateways: Arc<Gateways>,
    pub(crate) stations: BTreeMap<String, Station>,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) live: Live,
    pub(crate) metrics: Arc<Metrics>,
    /// What is wrong although readings are taken.
    pub(crate) problems: Box<dyn Fn() -> Vec<String> + Send + Sync>,
    pub(crate) queries: Arc<Semaphore>,
    pub(crate) watchers: Arc<Semaphore>,
    pub(crate) stop: CancellationToken,
}

/// The paths of the API, below `/api/v1`, and the operational ones; a test compares them with the OpenAPI document.
pub(crate) fn router<R: StoreReader>(api: Arc<Api<R>>) -> Router {
    let v1 = Router::new()
        .route("/stations", get(stations::list::<R>))
        .route("/stations/{id}", get(stations::one::<R>))
        .route("/series", get(series::list::<R>))
        .route("/latest", get(latest::list::<R>))
        .route("/readings", get(readings::read::<R>))
        .route("/live", get(live::watch::<R>))
        .route("/gateways", get(gateways::list::<R>))
        .route("/quarantine", get(quarantine::refused::<R>))
        .route("/losses", get(quarantine::losses::<R>))
        .route("/openapi.json", get(system::openapi))
        .layer(middleware::map_response(async |mut response: axum::response::Response| {
            response
                .headers_mut()
                .entry(header::CACHE_CONTROL)
                .or_insert(HeaderValue::from_static("no-store"));
            response
        }));
    Router::new()
        .nest("/api/v1", v1)
        .route("/healthz", get(system::healthz))
        .route("/readyz", get(system::readyz::<R>))
        .route("/metrics", get(system::metrics::<R>))
        .with_state(api)
        .merge(web::router())
        .fallback(async |request: Request| {
            Problem::not_found(format!("nothing is at {}", request.uri().path()))
        })
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(middleware::map_response(web::guard))
}

/// Serves until `stop`, then until running requests are answered. `tasks` is the set that connections become tasks of.
pub(crate) async fn serve<R: StoreReader>(listener: TcpListener, api: Arc<Api<R>>, tasks: JoinSet<()>) {
    let (stop, most) = (api.stop.clone(), api.limits.http_connections);
    server::serve(listener, router(api), most, tasks, stop).await;
}

/// Tells a running query that its client has gone.
#[derive(Clone, Default)]
pub(crate) struct Gone(Arc<AtomicBool>);

impl Gone {
    /// # Errors
    /// When nobody waits for the answer any more.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        if self.0.load(Ordering::Relaxed) { Err(Problem::unavailable("the client has gone")) } else { Ok(()) }
    }
}

struct OnDrop(Gone);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

impl<R: StoreReader> Api<R> {
    /// Runs a query on the blocking pool when it is its turn. When the client goes, or it has taken too long, a waiting
    /// query never starts and a running one is told.
    pub(crate) async fn query<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self, &Gone) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let most = self.limits.query_time;
        let answered = tokio::time::timeout(most, async {
            let turn = Arc::clone(&self.queries).acquire_owned().await;
            let turn = turn.map_err(|_| Problem::unavailable("ingest is stopping"))?;
            let (api, gone) = (Arc::clone(self), Gone::default());
            let _told = OnDrop(gone.clone());
            let running = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                work(&api, &gone)
            });
            running.await.unwrap_or_else(|_| Err(Problem::internal()))
        });
        answered.await.unwrap_or_else(|_| {
            Err(Problem::unavailable(format!(
                "there was no answer within {} s; ask for fewer series, a shorter period or longer steps, or for the same \
                 when fewer others ask",
                most.as_secs_f64()
            )))
        })
    }
}

#[cfg(test)]
mod tests;
