//! Health, metrics and the API's own description.

use super::{Api, params::Params, problem::Problem};
use crate::store::StoreReader;
use axum::{Json, extract::State, response::IntoResponse};
use http::header;
use serde::Serialize;
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

#[derive(Serialize)]
pub(crate) struct Readiness {
    /// `ready`, or `degraded` when there are problems.
    state: &'static str,
    problems: Vec<String>,
}

/// `GET /readyz`: the store is recovered and new work is taken. What is wrong all the same makes it degraded, not
/// unready: readings must still come in, and the page must still be reached.
pub(crate) async fn readyz<R: StoreReader>(
    State(api): State<Arc<Api<R>>>,
) -> Result<Json<Readiness>, Problem> {
    if api.stop.is_cancelled() {
        return Err(Problem::unavailable("ingest is stopping"));
    }
    let problems = (api.problems)();
    let state = if problems.is_empty() { "ready" } else { "degraded" };
    Ok(Json(Readiness { state, problems }))
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
