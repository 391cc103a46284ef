//! Reads from VictoriaMetrics by `/api/v1/export`, which gives every point as it was written, and watches its process by
//! `/metrics`.
//!
//! Its line protocol makes a metric of each field: `pm2_5_value{device="jkt-air-07"}` and, where there are any,
//! `pm2_5_flags`. Steps are gathered here from the points: its own `query_range` looks back beyond a step's start and
//! leaves gaps filled, so that a bucket would hold what does not lie in it.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::influx::Known;
use super::line::parts;
use super::server::{Client, Fault};
use crate::store::embedded::{Gather, Point};
use crate::store::types::{Points, flags_of};

/// Bytes of `/metrics` and of the list of newest readings at most.
const MOST_BYTES: usize = 64 << 20;
/// How far back the newest reading of a series is looked for.
const NEWEST_WITHIN: &str = "5y";

/// Asks a VictoriaMetrics.
#[derive(Clone, Debug)]
pub(crate) struct Victoria {
    pub(crate) client: Client,
}

/// What a process says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Process {
    /// Seconds since the epoch; another number is another process.
    pub(crate) started: f64,
    /// Milliseconds for which it keeps points; what is older it drops without a word.
    pub(crate) retention_ms: Option<i64>,
    /// `-dedup.minScrapeInterval`
    pub(crate) dedup: String,
}

#[derive(Deserialize)]
struct Exported<'a> {
    #[serde(borrow)]
    metric: BTreeMap<&'a str, String>,
    #[serde(borrow)]
    values: Vec<&'a RawValue>,
    timestamps: Vec<i64>,
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<Instant>,
}

#[derive(Deserialize)]
struct Instant {
    metric: BTreeMap<String, String>,
    value: (f64, String),
}

impl Victoria {
    /// All readings of a series in `time`; `None` when there are more than `limit`.
    pub(crate) async fn range(
        &self,
        name: &str,
        time: Range<i64>,
        limit: usize,
    ) -> Result<Option<Points>, Fault> {
        let mut found: BTreeMap<i64, f64> = BTreeMap::new();
        let mut flags: BTreeMap<i64, u16> = BTreeMap::new();
        let mut too_many = false;
        self.export(name, "_(value|flags)", time, |exported| {
            let of_flags = exported.metric.get("__name__").is_some_and(|name| name.ends_with("_flags"));
            for (time, value) in exported.timestamps.iter().zip(&exported.values) {
                if of_flags {
                    flags.insert(*time, number(value).unwrap_or_default() as u16);
                } else if let Some(value) = number(value) {
                    found.insert(*time, value);
                }
            }
            too_many = found.len() > limit;
            !too_many
        })
        .await?;
        if too_many {
            return Ok(None);
        }
        let mut points = Points {
            times: found.keys().copied().collect(),
            values: found.into_values().collect(),
            ..Points::default()
        };
        if !flags.is_empty() {
            points.flags = points.times.iter().map(|time| flags.get(time).copied().unwrap_or(0)).collect();
        }
        Ok(Some(points))
    }

    /// The value of the last reading before `time`.
    pub(crate) async fn before(&self, name: &str, time: i64) -> Result<Option<f64>, Fault> {
        let Some(last) = time.checked_sub(1).filter(|last| *last > 0) else { return Ok(None) };
        let Some(selector) = selector(name, "_value") else { return Ok(None) };
        let (query, time) = (format!("last_over_time({selector}[{NEWEST_WITHIN}])"), seconds(last));
        let found = self.instant(&query, Some(&time)).await?;
        Ok(found.into_iter().find_map(|instant| instant.value.1.parse().ok()))
    }

    /// Adds the readings of a series in `time`.
    pub(crate) async fn gather(
        &self,
        name: &str,
        time: Range<i64>,
        gather: &mut Gather,
    ) -> Result<(), Fault> {
        let mut last = i64::MIN;
        let mut in_order = true;
        self.export(name, "_value", time, |exported| {
            let points = exported.timestamps.iter().zip(&exported.values);
            let points = points
                .filter_map(|(time, value)| Some(Point { time: *time, value: number(value)?, flags: 0 }));
            let points: Vec<Point> = points.collect();
            in_order &=
                points.first().is_none_or(|first| first.time > last) && points.is_sorted_by_key(|p| p.time);
            last = points.last().map_or(last, |point| point.time);
            if in_order {
                gather.add_points(&points);
            }
            in_order
        })
        .await?;
        if in_order { Ok(()) } else { Err(Fault::Odd("points that are not in the order of time".to_owned())) }
    }

    /// Readings of a series in `time` that are flagged late, and those with a flag that doubts them.
    pub(crate) async fn count_flags(&self, name: &str, time: Range<i64>) -> Result<(u64, u64), Fault> {
        let mut counted = (0, 0);
        self.export(name, "_flags", time, |exported| {
            for value in exported.values {
                let (late, flagged) = flags_of(number(value).unwrap_or_default() as u16);
                counted.0 += u64::from(late);
                counted.1 += u64::from(flagged);
            }
            true
        })
        .await?;
        Ok(counted)
    }

    /// The newest and oldest readings of all series of a quantity, by device and channel (empty: none).
    pub(crate) async fn known(&self, quantity: &str) -> Result<BTreeMap<(String, String), Known>, Fault> {
        let mut known: BTreeMap<(String, String), Known> = BTreeMap::new();
        for (function, field) in [
            ("tlast_over_time", "value"),
            ("last_over_time", "value"),
            ("last_over_time", "flags"),
            ("tfirst_over_time", "value"),
        ] {
            let selected = format!("{{__name__={}}}", quoted(&format!("{quantity}_{field}")));
            let query = format!("{function}({selected}[{NEWEST_WITHIN}])");
            for Instant { metric, value: (_, text) } in self.instant(&query, None).await? {
                let tag = |name| metric.get(name).cloned().unwrap_or_default();
                let Ok(value) = text.parse::<f64>() else { continue };
                let known = known.entry((tag("device"), tag("channel"))).or_default();
                let ms = (value * 1_000.0).round() as i64;
                let (time, newest, flags) = known.last.unwrap_or_default();
                match (function, field) {
                    ("tfirst_over_time", _) => known.first = Some(ms),
                    ("tlast_over_time", _) => known.last = Some((ms, newest, flags)),
                    (_, "value") => known.last = Some((time, value, flags)),
                    _ => known.last = Some((time, newest, value as u16)),
                }
            }
        }
        Ok(known)
    }

    /// What the process says of itself.
    pub(crate) async fn process(&self) -> Result<Process, Fault> {
        let body = self.client.get("/metrics", &[], MOST_BYTES).await?;
        let text = String::from_utf8_lossy(&body);
        let mut process = Process::default();
        for line in text.lines() {
            if let Some(started) = line.strip_prefix("process_start_time_seconds ") {
                process.started = started.trim().parse().unwrap_or_default();
            } else if let Some(value) = flag(line, "retentionPeriod") {
                process.retention_ms = retention(value);
            } else if let Some(value) = flag(line, "dedup.minScrapeInterval") {
                value.clone_into(&mut process.dedup);
            }
        }
        if process.started == 0.0 {
            return Err(Fault::Odd("/metrics without process_start_time_seconds".to_owned()));
        }
        Ok(process)
    }

    /// The answer to a query at one time, now if none is given.
    async fn instant(&self, query: &str, time: Option<&str>) -> Result<Vec<Instant>, Fault> {
        let mut with = vec![("query", query), ("nocache", "1")];
        with.extend(time.map(|time| ("time", time)));
        let body = self.client.get("/api/v1/query", &with, MOST_BYTES).await?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|error| Fault::Odd(error.to_string()))?;
        Ok(answer.data.result)
    }

    async fn export(
        &self,
        name: &str,
        fields: &str,
        time: Range<i64>,
        mut take: impl FnMut(Exported<'_>) -> bool,
    ) -> Result<(), Fault> {
        let Some(selector) = selector(name, fields) else { return Ok(()) };
        // Its times are from 1970 on.
        let (first, last) = (time.start.max(0), time.end.saturating_sub(1).min(super::line::TIMES.end() / 2));
        if first > last {
            return Ok(());
        }
        let (start, end) = (seconds(first), seconds(last));
        let with = [
            ("match[]", selector.as_str()),
            ("start", &start),
            ("end", &end),
            ("max_rows_per_line", "10000"),
        ];
        let mut failed = None;
        self.client
            .get_lines("/api/v1/export", &with, |line| match serde_json::from_slice(line) {
                Ok(exported) => take(exported),
                Err(error) => {
                    failed = Some(Fault::Odd(error.to_string()));
                    false
                }
            })
            .await?;
        failed.map_or(Ok(()), Err)
    }
}

/// The metrics of one series.
fn selector(name: &str, fields: &str) -> Option<String> {
    let (device, quantity, channel) = parts(name)?;
    Some(format!(
        "{{__name__=~{},device={},channel={}}}",
        quoted(&format!("{quantity}{fields}")),
        quoted(device),
        quoted(channel.unwrap_or_default()),
    ))
}

fn number(raw: &RawValue) -> Option<f64> {
    raw.get().parse().ok()
}

/// Seconds with their three decimals.
fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The value of a command line flag in a line of `/metrics`.
fn flag<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let rest = line.strip_prefix("flag{name=\"")?.strip_prefix(name)?.strip_prefix("\", value=\"")?;
    rest.split('"').next()
}

/// A length of time as it writes them: a number with h, d, w or y; without a unit months of 31 days.
fn retention(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let hours = match unit {
        "h" => 1.0,
        "d" => 24.0,
        "w" => 168.0,
        "y" => 8_760.0,
        "" => 744.0,
        _ => return None,
    };
    Some((number.parse::<f64>().ok()? * hours * 3_600_000.0) as i64)
}
