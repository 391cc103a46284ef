//! How readings, times and their freshness look in answers.

use super::problem::Problem;
use crate::store::{LatestPoint, StoreReader};
use axum::response::{IntoResponse, Response};
use http::header;
use pantau_proto::{Flags, quantity};
use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use std::sync::Arc;

/// A list with its cursor.
#[derive(Serialize)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
}

/// RFC 3339 in UTC, to the millisecond.
pub(crate) fn rfc3339(ms: i64) -> Option<String> {
    jiff::Timestamp::from_millisecond(ms).ok().map(|time| format!("{time:.3}"))
}

/// The three parts of a series' name.
pub(crate) fn parts(series: &str) -> (&str, &str, Option<&str>) {
    let mut parts = series.splitn(3, '/');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next())
}

/// The catalogue's unit of a series.
pub(crate) fn unit(series: &str) -> &'static str {
    quantity(parts(series).1).map_or("", |quantity| quantity.unit)
}

/// How fresh the newest reading of a series is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Fresh,
    Stale,
    Silent,
}

/// Fresh: not older than three times the series' observed interval (at least 30 s). Silent: older than twenty times
/// the interval (at least 15 minutes). Stale: between. A series whose interval is not known yet counts as one of
/// five minutes.
pub(crate) fn state(age_ms: i64, interval_ms: Option<u32>) -> State {
    let interval = i64::from(interval_ms.unwrap_or(300_000));
    if age_ms <= (3 * interval).max(30_000) {
        State::Fresh
    } else if age_ms <= (20 * interval).max(900_000) {
        State::Stale
    } else {
        State::Silent
    }
}

/// An item of `/latest` and of `/live`. It is written out only when it is sent: thousands go into one answer.
pub(crate) struct Item {
    pub(crate) series: Arc<str>,
    /// Milliseconds since the epoch, UTC.
    pub(crate) time: i64,
    value: f64,
    age_ms: i64,
    pub(crate) state: State,
    flags: Flags,
}

impl Item {
    /// Of a series and its newest reading.
    pub(crate) fn new(series: Arc<str>, point: &LatestPoint, now: i64) -> Self {
        // A clock that runs ahead by a little is no negative age.
        let age_ms = now.saturating_sub(point.time).max(0);
        let state = state(age_ms, point.interval_ms);
        Self { series, time: point.time, value: point.value, age_ms, state, flags: Flags(point.flags) }
    }
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (station, measure, _) = parts(&self.series);
        let mut item = serializer.serialize_struct("Item", 9)?;
        item.serialize_field("series", &*self.series)?;
        item.serialize_field("station", station)?;
        item.serialize_field("quantity", measure)?;
        item.serialize_field("unit", quantity(measure).map_or("", |known| known.unit))?;
        item.serialize_field("time", &rfc3339(self.time))?;
        item.serialize_field("value", &self.value)?;
        item.serialize_field("age_s", &(self.age_ms as f64 / 1000.0))?;
        item.serialize_field("state", &self.state)?;
        item.serialize_field("flags", &FlagNames(self.flags))?;
        item.end()
    }
}

/// Flag bits that are written as a list of names.
pub(crate) struct FlagNames(pub(crate) Flags);

impl Serialize for FlagNames {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.names())
    }
}

/// An answer that was written out where its query ran: a million numbers take their time, and the threads that speak
/// with the clients have none.
pub(crate) struct Written(Vec<u8>);

impl Written {
    pub(crate) fn of(answer: &impl Serialize) -> Result<Self, Problem> {
        serde_json::to_vec(answer).map(Self).map_err(|_| Problem::internal())
    }
}

/// A list that is written out while it is looked up, so that thousands of items take no room beside their text.
pub(crate) struct Listing(Vec<u8>);

impl Listing {
    const HEAD: &[u8] = b"{\"items\":[";

    pub(crate) fn new() -> Self {
        Self(Self::HEAD.to_vec())
    }

    pub(crate) fn push(&mut self, item: &impl Serialize) -> Result<(), Problem> {
        if self.0.len() > Self::HEAD.len() {
            self.0.push(b',');
        }
        serde_json::to_writer(&mut self.0, item).map_err(|_| Problem::internal())
    }

    /// The list with its cursor, as [`Page`].
    pub(crate) fn finish(mut self, next: Option<&str>) -> Result<Written, Problem> {
        self.0.extend_from_slice(b"],\"next\":");
        serde_json::to_writer(&mut self.0, &next).map_err(|_| Problem::internal())?;
        self.0.push(b'}');
        Ok(Written(self.0))
    }
}

impl IntoResponse for Written {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

/// The items of all series of a station, by name.
pub(crate) fn items_of(reader: &impl StoreReader, station: &str, now: i64) -> Vec<Item> {
    let prefix = format!("{station}/");
    let series = reader.series(&prefix, None, 1000).items;
    let ids: Vec<_> = series.iter().map(|info| info.id).collect();
    let points = reader.latest(&ids);
    let known = series.iter().zip(points);
    known
        .filter_map(|(info, point)| point.map(|point| Item::new(Arc::clone(&info.name), &point, now)))
        .collect()
}
