//! `/quarantine` and `/losses`: what did not become a reading, the newest first.

use super::{
    Api,
    params::{PAGE_MAX, Params},
    problem::Problem,
    render::{Page, rfc3339},
};
use crate::{
    quarantine::{Filter, LossRow, RefusedRow},
    store::StoreReader,
};
use axum::{Json, extract::State};
use pantau_proto::v1::{LossReason, Reason};
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
pub(crate) struct RefusedItem {
    id: String,
    gateway: String,
    epoch: String,
    position: u64,
    /// Client at the gateway; null for a reading that ingest refused.
    source: Option<String>,
    topic: String,
    reason: &'static str,
    detail: String,
    /// As text, when it is UTF-8.
    payload: Option<String>,
    /// As hexadecimal digits, when it is not.
    payload_hex: Option<String>,
    /// Bytes that came; the two above show the first 4,096.
    payload_bytes: u64,
    time: Option<String>,
    received: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct LossItem {
    id: String,
    gateway: String,
    epoch: String,
    start: u64,
    end: u64,
    count: u64,
    first_time: Option<String>,
    last_time: Option<String>,
    reason: &'static str,
    detail: String,
    received: Option<String>,
}

impl From<RefusedRow> for RefusedItem {
    fn from(row: RefusedRow) -> Self {
        let refused = row.refused;
        let mut shown = refused.payload;
        // A character that the cut went through is no reason to call a text binary.
        if row.payload_bytes > shown.len() as u64
            && let Err(error) = std::str::from_utf8(&shown)
            && error.error_len().is_none()
        {
            shown.truncate(error.valid_up_to());
        }
        let (payload, payload_hex) = match String::from_utf8(shown) {
            Ok(text) => (Some(text), None),
            Err(error) => (None, Some(error.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect())),
        };
        Self {
            id: row.id.to_string(),
            gateway: row.gateway,
            epoch: format!("{:016x}", row.epoch),
            position: refused.position,
            source: Some(refused.source).filter(|source| !source.is_empty()),
            topic: refused.topic,
            reason: Reason::try_from(refused.reason).unwrap_or_default().name(),
            detail: refused.detail,
            payload,
            payload_hex,
            payload_bytes: row.payload_bytes,
            time: rfc3339(refused.time),
            received: rfc3339(row.received),
        }
    }
}

impl From<LossRow> for LossItem {
    fn from(row: LossRow) -> Self {
        let loss = row.loss;
        let known = |time| Some(time).filter(|time| *time != 0).and_then(rfc3339);
        Self {
            id: row.id.to_string(),
            gateway: row.gateway,
            epoch: format!("{:016x}", row.epoch),
            start: loss.start,
            end: loss.end,
            count: loss.count,
            first_time: known(loss.first_time),
            last_time: known(loss.last_time),
            reason: LossReason::try_from(loss.reason).unwrap_or_default().name(),
            detail: loss.detail,
            received: rfc3339(row.received),
        }
    }
}

/// `GET /api/v1/quarantine`
pub(crate) async fn refused<R: StoreReader>(
    State(api): State<Arc<Api<R>>>,
    params: Params,
) -> Result<Json<Page<RefusedItem>>, Problem> {
    let known = |number| Reason::try_from(number).ok().map(Reason::name);
    let (filter, limit) = filter(&params, known)?;
    let mut rows = api.quarantine.refused(&filter).await?;
    let next = next_row(&mut rows, limit, |row| row.id);
    Ok(Json(Page { items: rows.into_iter().map(RefusedItem::from).collect(), next }))
}

/// `GET /api/v1/losses`
pub(crate) async fn losses<R: StoreReader>(
    State(api): State<Arc<Api<R>>>,
    params: Params,
) -> Result<Json<Page<LossItem>>, Problem> {
    let known = |number| LossReason::try_from(number).ok().map(LossReason::name);
    let (filter, limit) = filter(&params, known)?;
    let mut rows = api.quarantine.losses(&filter).await?;
    let next = next_row(&mut rows, limit, |row| row.id);
    Ok(Json(Page { items: rows.into_iter().map(LossItem::from).collect(), next }))
}

fn filter(params: &Params, known: impl Fn(i32) -> Option<&'static str>) -> Result<(Filter, usize), Problem> {
    params.only(&["gateway", "reason", "limit", "cursor"])?;
    let limit = params.limit(PAGE_MAX)?;
    let reason = match params.one("reason")? {
        None => None,
        Some(text) => match (0..64).find(|number| known(*number) == Some(text)) {
            Some(number) => Some(number),
            None => {
                let all: Vec<&str> = (1..64).filter_map(&known).collect();
                return Err(Problem::bad(format!("reason={text:?}; known are {}", all.join(", "))));
            }
        },
    };
    let gateway = params.one("gateway")?.map(str::to_owned);
    // One more than wanted tells whether there is a next page.
    let filter = Filter { gateway, reason, before: params.row_cursor()?, limit: limit as i64 + 1 };
    Ok((filter, limit))
}

fn next_row<T>(rows: &mut Vec<T>, limit: usize, id: impl Fn(&T) -> i64) -> Option<String> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    if more { rows.last().map(|row| id(row).to_string()) } else { None }
}
