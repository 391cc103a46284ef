//! `/series`: what is measured where, since when.

use super::{
    Api, Gone,
    params::Params,
    problem::Problem,
    render::{Page, Written, parts, rfc3339},
};
use crate::store::{LatestPoint, SeriesInfo, StoreReader};
use axum::extract::State;
use pantau_proto::{SeriesName, quantity};
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
struct Title {
    id: &'static str,
    en: &'static str,
}

#[derive(Serialize)]
struct SeriesItem {
    series: String,
    station: String,
    quantity: String,
    channel: Option<String>,
    unit: &'static str,
    kind: Option<String>,
    title: Option<Title>,
    gateway: String,
    first: Option<String>,
    last: Option<String>,
    /// Not known where a database keeps the readings.
    points: Option<u64>,
    /// Observed distance between readings.
    interval_s: Option<f64>,
}

impl SeriesItem {
    fn new(info: &SeriesInfo, newest: Option<LatestPoint>) -> Self {
        let (station, name, channel) = parts(&info.name);
        let known = quantity(name);
        Self {
            series: info.name.to_string(),
            station: station.to_owned(),
            quantity: name.to_owned(),
            channel: channel.map(str::to_owned),
            unit: known.map_or("", |known| known.unit),
            kind: known.map(|known| format!("{:?}", known.kind).to_lowercase()),
            title: known.map(|known| Title { id: known.title_id, en: known.title_en }),
            gateway: info.gateway.as_str().to_owned(),
            first: info.first.and_then(rfc3339),
            last: info.last.and_then(rfc3339),
            points: info.points,
            interval_s: newest.and_then(|newest| newest.interval_ms).map(|ms| f64::from(ms) / 1000.0),
        }
    }
}

/// Series in a page at most: their names and newest readings are in memory, so a page of thousands is cheap, and a map
/// of a city asks once.
const SERIES_MAX: usize = 10_000;

/// What `/series` and `/latest` may be narrowed to.
pub(super) struct Wanted {
    prefix: String,
    quantity: Option<String>,
    after: Option<String>,
    limit: usize,
}

impl Wanted {
    pub(super) fn of(params: &Params) -> Result<Self, Problem> {
        Ok(Self {
            prefix: params.one("station")?.map(|station| format!("{station}/")).unwrap_or_default(),
            quantity: params.one("quantity")?.map(str::to_owned),
            after: params.name_cursor::<SeriesName>()?,
            limit: params.limit(SERIES_MAX)?,
        })
    }

    /// A page of series, by name.
    ///
    /// # Errors
    /// When the client has gone.
    pub(super) fn page(
        &self,
        reader: &impl StoreReader,
        gone: &Gone,
    ) -> Result<(Vec<SeriesInfo>, Option<String>), Problem> {
        let mut found = Vec::new();
        let mut after = self.after.clone();
        // A rare quantity is looked for through all series, which is slow in small steps.
        let look_at = if self.quantity.is_some() { self.limit.max(1000) } else { self.limit };
        loop {
            gone.check()?;
            let page = reader.series(&self.prefix, after.as_deref(), look_at);
            for info in page.items {
                if self.quantity.as_ref().is_none_or(|wanted| parts(&info.name).1 == wanted) {
                    if found.len() == self.limit {
                        let next = found.last().map(|last: &SeriesInfo| last.name.to_string());
                        return Ok((found, next));
                    }
                    found.push(info);
                }
            }
            match page.next {
                Some(next) => after = Some(next.to_string()),
                None => return Ok((found, None)),
            }
        }
    }
}

/// `GET /api/v1/series`
pub(crate) async fn list<R: StoreReader>(
    State(api): State<Arc<Api<R>>>,
    params: Params,
) -> Result<Written, Problem> {
    params.only(&["station", "quantity", "limit", "cursor"])?;
    let wanted = Wanted::of(&params)?;
    let page = api.query(move |api, gone| {
        let (series, next) = wanted.page(&api.reader, gone)?;
        let ids: Vec<_> = series.iter().map(|info| info.id).collect();
        let known = series.iter().zip(api.reader.latest(&ids));
        let items = known.map(|(info, newest)| SeriesItem::new(info, newest)).collect();
        Written::of(&Page { items, next })
    });
    page.await
}
