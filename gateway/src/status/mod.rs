//! The status port: a page for people, `/metrics` for Prometheus, `/healthz`.
//!
//! Always: everything is a look at figures that are there anyway; nothing can be changed from here; no script, no
//! request to another host.

mod metrics;
mod page;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;

use self::metrics::FiguresCollector;
use self::page::Language;
use crate::figures::Figures;

/// Takes the figures of this moment.
pub(crate) type Look = Arc<dyn Fn() -> Figures + Send + Sync>;

#[derive(Clone)]
struct Port {
    look: Look,
    registry: Arc<Registry>,
}

/// The routes of the status port.
pub(crate) fn router(look: Look) -> Router {
    let mut registry = Registry::with_prefix("pantau_gateway");
    registry.register_collector(Box::new(FiguresCollector(Arc::clone(&look))));
    let port = Port { look, registry: Arc::new(registry) };
    Router::new()
        .route("/", get(page))
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .with_state(port)
}

async fn page(State(port): State<Port>, headers: HeaderMap) -> Response {
    let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let language = Language::wanted(wanted);
    let html = page::render(&(port.look)(), language);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_LANGUAGE, HeaderValue::from_static(language.code())),
        (header::VARY, HeaderValue::from_static("accept-language")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        ),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, html).into_response()
}

async fn metrics(State(port): State<Port>) -> Response {
    let mut text = String::new();
    if prometheus_client::encoding::text::encode(&mut text, &port.registry).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], text).into_response()
}

/// 200 while readings are taken durably, 503 after a failed write or sync.
async fn healthz(State(port): State<Port>) -> Response {
    if (port.look)().poisoned {
        return (StatusCode::SERVICE_UNAVAILABLE, "the spool stopped after a failed write or sync\n")
            .into_response();
    }
    "ok\n".into_response()
}
