//! `/gateways`: how each gateway is doing, as it said last, and what it lost or was refused, as the city counted.

use super::{
    Api,
    params::{PAGE_MAX, Params},
    problem::Problem,
    render::{Page, rfc3339},
};
use crate::store::StoreReader;
use axum::{Json, extract::State};
use pantau_proto::{GatewayId, v1::Clock};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

#[derive(Default, Serialize)]
pub(crate) struct GatewayItem {
    gateway: String,
    /// When anything last came from it.
    last_seen: Option<String>,
    /// Whether its stream is open now.
    connected: bool,
    /// Readings that it holds and the city has not acked; null until it says so.
    backlog: Option<u64>,
    backlog_bytes: Option<u64>,
    /// Age of the oldest of them, seconds.
    lag_s: Option<f64>,
    /// Readings given up: the loss records here.
    lost: u64,
    /// All in quarantine here.
    quarantined: u64,
    /// Of these, readings that ingest itself refused.
    rejected: u64,
    /// `trusted`, `untrusted` or `unknown`.
    clock: &'static str,
    version: Option<String>,
    /// As 16 hexadecimal digits.
    epoch: Option<String>,
}

/// `GET /api/v1/gateways`
pub(crate) async fn list<R: StoreReader>(
    State(api): State<Arc<Api<R>>>,
    params: Params,
) -> Result<Json<Page<GatewayItem>>, Problem> {
    params.only(&["limit", "cursor"])?;
    let limit = params.limit(PAGE_MAX)?;
    let cursor = params.name_cursor::<GatewayId>()?;
    let mut totals = api.quarantine.totals().await?;
    let mut items: BTreeMap<String, GatewayItem> = BTreeMap::new();
    for known in api.reader.gateways() {
        let last = known.epochs.iter().map(|(epoch, state)| (state.last_received_ms, epoch.0)).max();
        let item = items.entry(known.gateway.as_str().to_owned()).or_default();
        item.last_seen = last.and_then(|(time, _)| rfc3339(time));
        item.epoch = last.map(|(_, epoch)| format!("{epoch:016x}"));
    }
    for (id, presence) in api.gateways.list() {
        let item = items.entry(id).or_default();
        item.connected = presence.connected;
        item.last_seen = presence.last_seen.and_then(rfc3339).or(item.last_seen.take());
        if let Some((epoch, _)) = presence.epoch {
            item.epoch = Some(format!("{:016x}", epoch.0));
            item.version = Some(presence.version);
        }
        if let Some(status) = presence.status {
            item.backlog = Some(status.backlog_readings);
            item.backlog_bytes = Some(status.backlog_bytes);
            item.lag_s = Some(status.lag_ms as f64 / 1000.0);
            item.clock = Clock::try_from(status.clock).unwrap_or_default().name();
        }
    }
    let after = |id: &String| cursor.as_ref().is_none_or(|cursor| id > cursor);
    let mut items: Vec<GatewayItem> = items
        .into_iter()
        .filter(|(id, _)| after(id))
        .take(limit + 1)
        .map(|(id, mut item)| {
            let counted = totals.remove(&id).unwrap_or_default();
            item.lost = counted.lost;
            item.quarantined = counted.quarantined;
            item.rejected = counted.rejected;
            item.gateway = id;
            if item.clock.is_empty() {
                item.clock = Clock::Unspecified.name();
            }
            item
        })
        .collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(|item| item.gateway.clone()) } else { None };
    Ok(Json(Page { items, next }))
}
