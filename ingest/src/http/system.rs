//! Health, metrics and the API's own description.

use super::{Api, params::Params, problem::Problem};
use crate::store::StoreReader;
use axum::{extract::State, response::IntoResponse};
use http::header;
use std::sync::Arc;

/// The API's description, OpenAPI 3.1. Kept by hand; a test compares it with the router and with real answers.
pub(crate) const OPENAPI: &str = include_str!("openapi.json");

/// `GET /api/v1/openapi.json`
pub(crate) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the store is recovered and new work is taken.
pub(crate) async fn readyz<R: StoreReader>(State(api): State<Arc<Api<R>>>) -> Result<&'static str, Problem> {
    if api.stop.is_cancelled() {
        return Err(Problem::unavailable("ingest is stopping"));
    }
    Ok("ready\n")
}

/// `GET /metrics`
pub(crate) async fn metrics<R: StoreReader>(
    State(api): State<Arc<Api<R>>>,
    params: Params,
) -> Result<impl IntoResponse, Problem> {
    params.only(&[])?;
    let text = api.metrics.text().map_err(|_| Problem::internal())?;
    Ok(([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text))
}
