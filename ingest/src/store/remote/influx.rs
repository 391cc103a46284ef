//! Reads by InfluxQL on `/query`, the one read API that InfluxDB 1, 2 and 3 all serve.
//!
//! What always holds: no single answer is larger than [`PAGE`] rows; floats are parsed from their own text, so that they
//! are the bits that were written.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use pantau_proto::Flags;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::line::{TIMES, parts};
use super::server::{Client, Fault};
use crate::store::embedded::{Gather, Point};
use crate::store::types::{Agg, Buckets, Points, flags_of, usual_distance};

/// Rows of one answer at most; servers cut off what is beyond a bound of their own, which is never below.
pub(crate) const PAGE: usize = 10_000;
/// Bytes of one answer at most: far more than a page takes.
const MOST_BYTES: usize = 64 << 20;
/// Steps longer than this (about 10 years) are asked for one by one: the server counts nanoseconds in 64 bits.
const LONG_STEP_MS: i64 = 315_360_000_000;

/// Readings in a row whose distances are looked at.
const NEIGHBOURS: usize = 64;

/// Asks a database.
#[derive(Clone, Debug)]
pub(crate) struct Influx {
    pub(crate) client: Client,
    pub(crate) database: String,
}

/// The newest and the oldest reading of a series that the database has.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Time, value, flags.
    pub(crate) last: Option<(i64, f64, u16)>,
    pub(crate) first: Option<i64>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default)]
    results: Vec<Statement<'a>>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Statement<'a> {
    #[serde(borrow, default)]
    series: Vec<Rows<'a>>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Rows<'a> {
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(borrow, default)]
    values: Vec<Vec<&'a RawValue>>,
}

impl Influx {
    /// All readings of a series in `time`; `None` when there are more than `limit`.
    pub(crate) async fn range(
        &self,
        name: &str,
        time: Range<i64>,
        limit: usize,
    ) -> Result<Option<Points>, Fault> {
        let mut points = Points::default();
        let mut flags = Vec::new();
        self.pages(name, time, limit.saturating_add(1), |page| {
            for point in page {
                points.times.push(point.time);
                points.values.push(point.value);
                flags.push(point.flags);
            }
            points.times.len() <= limit
        })
        .await?;
        if points.times.len() > limit {
            return Ok(None);
        }
        if flags.iter().any(|bits| *bits != 0) {
            points.flags = flags;
        }
        Ok(Some(points))
    }

    /// Adds every reading of a series in `time`, for what the server cannot reckon as we do.
    pub(crate) async fn gather(
        &self,
        name: &str,
        time: Range<i64>,
        gather: &mut Gather,
    ) -> Result<(), Fault> {
        self.pages(name, time, usize::MAX, |page| {
            gather.add_points(&page);
            true
        })
        .await
    }

    /// The value of the last reading before `time`.
    pub(crate) async fn before(&self, name: &str, time: i64) -> Result<Option<f64>, Fault> {
        let Some(filter) = filter(name, &(*TIMES.start()..time)) else { return Ok(None) };
        let body = self.ask(&format!("SELECT last(\"value\") {filter}")).await?;
        let rows = parse(&body)?;
        Ok(rows.iter().flat_map(|series| &series.values).find_map(|row| cell(row, 1)))
    }

    /// Hands over the readings of a series in `time` page by page, in the order of time, until `take` has enough.
    async fn pages(
        &self,
        name: &str,
        time: Range<i64>,
        most: usize,
        mut take: impl FnMut(Vec<Point>) -> bool,
    ) -> Result<(), Fault> {
        let mut from = time.start;
        while let Some(filter) = filter(name, &(from..time.end)) {
            let rows = PAGE.min(most);
            let query = format!("SELECT \"value\",\"flags\" {filter} LIMIT {rows}");
            let body = self.ask(&query).await?;
            let (mut page, mut came) = (Vec::new(), 0);
            for row in parse(&body)?.into_iter().flat_map(|series| series.values) {
                came += 1;
                let time: i64 = cell(&row, 0).ok_or_else(odd)?;
                from = from.max(time.saturating_add(1));
                let Some(value) = cell(&row, 1) else { continue };
                page.push(Point { time, value, flags: flag_bits(&row) });
            }
            if !take(page) || came < rows {
                break;
            }
        }
        Ok(())
    }

    /// Fills `buckets`, whose starts are set and lie `step` apart in `time`, with what the server reckons.
    pub(crate) async fn aggregate(
        &self,
        name: &str,
        time: Range<i64>,
        step: i64,
        aggs: &[Agg],
        buckets: &mut Buckets,
    ) -> Result<(), Fault> {
        let starts = buckets.starts.clone();
        let mut select = "SELECT count(\"value\")".to_owned();
        for agg in aggs {
            let function = function(*agg).ok_or_else(odd)?;
            let _ = write!(select, ",{function}(\"value\")");
        }
        let together = if step > LONG_STEP_MS { 1 } else { PAGE };
        for (number, chunk) in starts.chunks(together).enumerate() {
            let (Some(&start), Some(&last)) = (chunk.first(), chunk.last()) else { break };
            let Some(filter) = filter(name, &(start..last.saturating_add(step).min(time.end))) else {
                continue;
            };
            let group = if together == 1 {
                String::new()
            } else {
                format!(" GROUP BY time({step}ms,{}ms) fill(none)", start.rem_euclid(step))
            };
            let body = self.ask(&format!("{select} {filter}{group}")).await?;
            for row in parse(&body)?.into_iter().flat_map(|series| series.values) {
                let at: i64 = cell(&row, 0).ok_or_else(odd)?;
                let within = if together == 1 { 0 } else { (at - start).div_euclid(step) };
                let bucket = usize::try_from(within).ok().filter(|within| *within < chunk.len());
                let bucket = bucket.ok_or_else(odd)? + number * together;
                let count: u64 = cell(&row, 1).unwrap_or(0);
                if count == 0 {
                    continue;
                }
                buckets.counts[bucket] = count;
                for (column, agg) in aggs.iter().enumerate() {
                    let value = cell(&row, column + 2).unwrap_or(f64::NAN);
                    buckets.columns[column][bucket] = if *agg == Agg::Count { count as f64 } else { value };
                }
            }
        }
        let doubts = (0..16).map(|bit| 1 << bit).filter(|bit| flags_of(*bit).1).sum();
        buckets.late = self.count_flags(name, &time, Flags::LATE.0).await?;
        buckets.flagged = self.count_flags(name, &time, doubts).await?;
        buckets.distance_ms = self.distance(name, &time, buckets).await?;
        Ok(())
    }

    /// Readings with any of these flags.
    async fn count_flags(&self, name: &str, time: &Range<i64>, any: u16) -> Result<u64, Fault> {
        let Some(filter) = filter(name, time) else { return Ok(0) };
        let body = self.ask(&format!("SELECT count(\"flags\") {filter} AND \"flags\" & {any} > 0")).await?;
        let rows = parse(&body)?;
        Ok(rows.iter().flat_map(|series| &series.values).find_map(|row| cell(row, 1)).unwrap_or(0))
    }

    /// The usual distance of neighbours, from some at the beginning, in the middle and at the end.
    async fn distance(&self, name: &str, time: &Range<i64>, buckets: &Buckets) -> Result<Option<i64>, Fault> {
        let filled = buckets.starts.iter().zip(&buckets.counts).filter(|(_, count)| **count > 0);
        let filled: Vec<i64> = filled.map(|(start, _)| *start).collect();
        let mut looked = [0, filled.len() / 2, filled.len().saturating_sub(1)];
        looked.sort_unstable();
        let mut distances = Vec::new();
        for (number, at) in looked.iter().enumerate() {
            let Some(start) = filled.get(*at).filter(|_| number == 0 || looked[number - 1] != *at) else {
                continue;
            };
            let Some(filter) = filter(name, &(*start..time.end)) else { continue };
            let body = self.ask(&format!("SELECT \"value\" {filter} LIMIT {NEIGHBOURS}")).await?;
            let times: Vec<i64> = parse(&body)?
                .iter()
                .flat_map(|series| &series.values)
                .filter_map(|row| cell(row, 0))
                .collect();
            distances.extend(times.windows(2).map(|pair| pair[1] - pair[0]));
        }
        Ok(usual_distance(distances))
    }

    /// The newest and oldest readings of all series of a quantity, by device and channel (empty: none).
    pub(crate) async fn known(&self, quantity: &str) -> Result<BTreeMap<(String, String), Known>, Fault> {
        let mut known: BTreeMap<(String, String), Known> = BTreeMap::new();
        for last in [true, false] {
            let select = if last { "SELECT last(\"value\"),\"flags\"" } else { "SELECT first(\"value\")" };
            let query = format!("{select} FROM {} GROUP BY \"device\",\"channel\"", identifier(quantity));
            let body = self.ask(&query).await?;
            for series in parse(&body)? {
                let tag = |name| series.tags.get(name).cloned().unwrap_or_default();
                let Some(row) = series.values.first() else { continue };
                let (Some(time), Some(value)) = (cell(row, 0), cell(row, 1)) else { continue };
                let known = known.entry((tag("device"), tag("channel"))).or_default();
                if last {
                    known.last = Some((time, value, flag_bits(row)));
                } else {
                    known.first = Some(time);
                }
            }
        }
        Ok(known)
    }

    pub(crate) async fn ask(&self, query: &str) -> Result<Vec<u8>, Fault> {
        let with = [("db", self.database.as_str()), ("epoch", "ms"), ("q", query)];
        self.client.get("/query", &with, MOST_BYTES).await
    }
}

/// Whether an answer of `/query` holds any row.
pub(crate) fn has_rows(body: &[u8]) -> Result<bool, Fault> {
    Ok(parse(body)?.iter().any(|series| !series.values.is_empty()))
}

fn parse(body: &[u8]) -> Result<Vec<Rows<'_>>, Fault> {
    let answer: Answer<'_> = serde_json::from_slice(body).map_err(|error| Fault::Odd(error.to_string()))?;
    let mut rows = Vec::new();
    if let Some(error) = answer.error {
        return Err(Fault::Odd(error));
    }
    for statement in answer.results {
        if let Some(error) = statement.error {
            return Err(Fault::Odd(error));
        }
        rows.extend(statement.series);
    }
    Ok(rows)
}

/// A number, from its own text.
fn cell<T: std::str::FromStr>(row: &[&RawValue], column: usize) -> Option<T> {
    row.get(column)?.get().parse().ok()
}

fn flag_bits(row: &[&RawValue]) -> u16 {
    cell(row, 2).unwrap_or(0)
}

fn odd() -> Fault {
    Fault::Odd("a row without a time, or at a time that was not asked for".to_owned())
}

/// `FROM … WHERE …` for one series and a period; `None` when the period holds no time of the database.
fn filter(name: &str, time: &Range<i64>) -> Option<String> {
    let (device, quantity, channel) = parts(name)?;
    let (first, last) = (time.start.max(*TIMES.start()), time.end.checked_sub(1)?.min(*TIMES.end()));
    // A series without a channel is the one whose points have no such tag: for InfluxQL that is the empty text.
    (first <= last).then(|| {
        format!(
            "FROM {} WHERE \"device\"={} AND \"channel\"={} AND time>={first}ms AND time<={last}ms",
            identifier(quantity),
            literal(device),
            literal(channel.unwrap_or_default()),
        )
    })
}

fn identifier(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// What InfluxQL calls it; `None` where every reading is needed.
fn function(agg: Agg) -> Option<&'static str> {
    match agg {
        Agg::Mean => Some("mean"),
        Agg::Min => Some("min"),
        Agg::Max => Some("max"),
        Agg::Sum => Some("sum"),
        Agg::Count => Some("count"),
        Agg::First => Some("first"),
        Agg::Last => Some("last"),
        Agg::Increase | Agg::VectorMean | Agg::P95 => None,
    }
}
