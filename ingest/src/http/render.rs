//! How readings, times and their freshness look in answers.

use crate::store::{LatestPoint, StoreReader};
use pantau_proto::{Flags, quantity};
use serde::Serialize;

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

/// An item of `/latest` and of `/live`.
#[derive(Serialize)]
pub(crate) struct Item {
    pub(crate) series: String,
    pub(crate) station: String,
    pub(crate) quantity: String,
    pub(crate) unit: &'static str,
    pub(crate) time: Option<String>,
    pub(crate) value: f64,
    pub(crate) age_s: f64,
    pub(crate) state: State,
    pub(crate) flags: Vec<&'static str>,
}

impl Item {
    /// Of a series and its newest reading.
    pub(crate) fn new(series: &str, point: &LatestPoint, now: i64) -> Self {
        let (station, quantity, _) = parts(series);
        // A clock that runs ahead by a little is no negative age.
        let age_ms = now.saturating_sub(point.time).max(0);
        Self {
            series: series.to_owned(),
            station: station.to_owned(),
            quantity: quantity.to_owned(),
            unit: unit(series),
            time: rfc3339(point.time),
            value: point.value,
            age_s: age_ms as f64 / 1000.0,
            state: state(age_ms, point.interval_ms),
            flags: Flags(point.flags).names().collect(),
        }
    }
}

/// The items of all series of a station, by name.
pub(crate) fn items_of(reader: &impl StoreReader, station: &str, now: i64) -> Vec<Item> {
    let prefix = format!("{station}/");
    let series = reader.series(&prefix, None, 1000).items;
    let ids: Vec<_> = series.iter().map(|info| info.id).collect();
    let points = reader.latest(&ids);
    let known = series.iter().zip(points);
    known.filter_map(|(info, point)| point.map(|point| Item::new(&info.name, &point, now))).collect()
}
