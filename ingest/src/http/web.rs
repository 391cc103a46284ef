//! The page, embedded at build time, and the headers that keep it to itself.

use axum::{Router, response::Response};
use http::{HeaderValue, header};
use memory_serve::CacheControl;

/// Nothing from anywhere else, nothing inline.
const CSP: &str =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

/// The files of `dashboards/web/dist`; `/` is index.html, nothing else falls back to it.
pub(super) fn router() -> Router {
    memory_serve::load!()
        .index_file(Some("/index.html"))
        // The page must never be older than the API beside it; an ETag makes asking cheap.
        .html_cache_control(CacheControl::NoCache)
        .cache_control(CacheControl::NoCache)
        .into_router()
}

/// Security headers for every answer.
pub(super) async fn guard(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
