//! `/series`: what is measured where, since when.

use super::{
    Api, Gone,
    params::Params,
    problem::Problem,
    render::{Listing, Written, parts, rfc3339},
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
/// Series that are looked up at once: so many that the lock is not taken for each, so few that what they need beside the
/// answer is taken from the same memory again.
const AT_ONCE: usize = 500;

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

    /// Hands on the series of a page, by name, some hundreds at once, and gives the cursor of the next.
    ///
    /// # Errors
    /// When the client has gone, and what `each` says.
    pub(super) fn each(
        &self,
        reader: &impl StoreReader,
        gone: &Gone,
        mut each: impl FnMut(Vec<SeriesInfo>) -> Result<(), Problem>,
    ) -> Result<Option<Arc<str>>, Problem> {
        let mut after: Option<Arc<str>> = self.after.as_deref().map(Arc::from);
        let (mut left, mut last) = (self.limit, None);
        // One more tells whether there is a next page. A rare quantity is looked for through all series, which is slow in
        // small steps.
        let look_at = if self.quantity.is_some() { AT_ONCE } else { AT_ONCE.min(self.limit + 1) };
        loop {
            gone.check()?;
            let page = reader.series(&self.prefix, after.as_deref(), look_at);
            let mut found = page.items;
            if let Some(wanted) = &self.quantity {
                found.retain(|info| parts(&info.name).1 == wanted);
            }
            let more = found.len() > left;
            found.truncate(left);
            left -= found.len();
            if let Some(info) = found.last() {
                last = Some(Arc::clone(&info.name));
            }
            each(found)?;
            match page.next {
                _ if more => return Ok(last),
                Some(next) => after = Some(next),
                None => return Ok(None),
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
        let mut listing = Listing::new();
        let next = wanted.each(&api.reader, gone, |series| {
            let ids: Vec<_> = series.iter().map(|info| info.id).collect();
            let mut known = series.iter().zip(api.reader.latest(&ids));
            known.try_for_each(|(info, newest)| listing.push(&SeriesItem::new(info, newest)))
        })?;
        listing.finish(next.as_deref())
    });
    page.await
}
