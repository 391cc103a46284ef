//! `/stations`: a station is a device, with what the configuration knows about its place. Devices that report without
//! an entry are shown as unassigned.

use super::{
    Api,
    params::{PAGE_MAX, Params},
    problem::Problem,
    render::{Item, Page, State as Freshness, items_of, rfc3339},
};
use crate::{config::Station, store::StoreReader};
use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use pantau_proto::DeviceName;
use serde::Serialize;
use std::{collections::BTreeSet, sync::Arc};

#[derive(Serialize)]
pub(crate) struct StationItem {
    station: String,
    name: Option<String>,
    latitude: Option<f64>,
    longitude: Option<f64>,
    kecamatan: Option<String>,
    kind: Option<String>,
    /// Whether the configuration knows it.
    assigned: bool,
    /// As fresh as its freshest series; silent when it never reported.
    state: Freshness,
    /// Time of the newest reading.
    last: Option<String>,
    /// Names of its series.
    series: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latest: Option<Vec<Item>>,
}

fn item(station: &str, known: Option<&Station>, latest: Vec<Item>, full: bool) -> StationItem {
    let known_or = |get: fn(&Station) -> Option<String>| known.and_then(get);
    StationItem {
        station: station.to_owned(),
        name: known_or(|known| known.name.clone()),
        latitude: known.and_then(|known| known.latitude),
        longitude: known.and_then(|known| known.longitude),
        kecamatan: known_or(|known| known.kecamatan.clone()),
        kind: known_or(|known| known.kind.clone()),
        assigned: known.is_some(),
        state: latest.iter().map(|item| item.state).min().unwrap_or(Freshness::Silent),
        last: latest.iter().map(|item| item.time).max().and_then(rfc3339),
        series: latest.iter().map(|item| item.series.to_string()).collect(),
        latest: full.then_some(latest),
    }
}

/// `GET /api/v1/stations`
pub(crate) async fn list<R: StoreReader>(
    State(api): State<Arc<Api<R>>>,
    params: Params,
) -> Result<Json<Page<StationItem>>, Problem> {
    params.only(&["limit", "cursor"])?;
    let limit = params.limit(PAGE_MAX)?;
    let cursor = params.name_cursor::<DeviceName>()?;
    let page = api.query(move |api, gone| {
        let now = api.clock.now().0;
        let mut names = devices(&api.reader, cursor.as_deref(), limit + 1);
        let after = |name: &&String| cursor.as_ref().is_none_or(|cursor| *name > cursor);
        names.extend(api.stations.keys().filter(after).take(limit + 1).cloned());
        let mut names: Vec<String> = names.into_iter().take(limit + 1).collect();
        let next = (names.len() > limit).then(|| {
            names.truncate(limit);
            names.last().cloned().unwrap_or_default()
        });
        let mut items = Vec::with_capacity(names.len());
        for name in names {
            gone.check()?;
            let latest = items_of(&api.reader, &name, now);
            items.push(item(&name, api.stations.get(&name), latest, false));
        }
        Ok(Page { items, next })
    });
    page.await.map(Json)
}

/// `GET /api/v1/stations/{id}`
pub(crate) async fn one<R: StoreReader>(
    State(api): State<Arc<Api<R>>>,
    station: Result<Path<String>, PathRejection>,
    params: Params,
) -> Result<Json<StationItem>, Problem> {
    params.only(&[])?;
    let Path(station) = station.map_err(|error| Problem::bad(error.body_text()))?;
    let found = api.query(move |api, _| {
        let latest = items_of(&api.reader, &station, api.clock.now().0);
        let known = api.stations.get(&station);
        if latest.is_empty() && known.is_none() {
            return Err(Problem::not_found(format!("no station {station:?}; /api/v1/stations lists them")));
        }
        Ok(item(&station, known, latest, true))
    });
    found.await.map(Json)
}

/// The first `limit` devices after `after` that have series, in the order of their names.
fn devices(reader: &impl StoreReader, after: Option<&str>, limit: usize) -> BTreeSet<String> {
    // Series are in the order of `device/…`, where `a-b/` comes before `a/`: all devices are looked through, each
    // with one look (`0` follows `/`), and the smallest names are kept.
    let mut found = BTreeSet::new();
    let mut from: Option<String> = None;
    loop {
        let page = reader.series("", from.as_deref(), 1);
        let Some(info) = page.items.first() else { return found };
        let device = info.name.split('/').next().unwrap_or_default();
        if after.is_none_or(|after| device > after) {
            found.insert(device.to_owned());
            if found.len() > limit {
                found.pop_last();
            }
        }
        from = Some(format!("{device}0"));
    }
}
