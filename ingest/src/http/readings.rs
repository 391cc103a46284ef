//! `/readings`: one or more series over a period, raw or by steps, with how complete the answer is.

use super::{
    Api,
    completeness::{self, Completeness, count_flags, expected},
    params::{Params, step_ms},
    problem::Problem,
    render::{FlagNames, Written, parts, rfc3339, unit},
};
use crate::store::{Agg, Level, ReadError, SeriesId, StoreReader, WIB_MS};
use axum::extract::State;
use pantau_proto::{Flags, Kind, SeriesName, quantity};
use serde::Serialize;
use std::{collections::BTreeMap, ops::Range, sync::Arc};

const AGGS: [(&str, Agg); 10] = [
    ("mean", Agg::Mean),
    ("min", Agg::Min),
    ("max", Agg::Max),
    ("sum", Agg::Sum),
    ("count", Agg::Count),
    ("first", Agg::First),
    ("last", Agg::Last),
    ("increase", Agg::Increase),
    ("vector_mean", Agg::VectorMean),
    ("p95", Agg::P95),
];

const DAY_MS: i64 = 86_400_000;

/// The ids of series by name.
///
/// # Errors
/// When there are too many, or one is no name of a series or unknown.
pub(super) fn ids<R: StoreReader>(api: &Api<R>, names: &[impl AsRef<str>]) -> Result<Vec<SeriesId>, Problem> {
    let limit = api.limits.query_series;
    if names.len() > limit {
        return Err(Problem::bad(format!("{} series; {limit} may be asked for at once", names.len())));
    }
    let find = |name: &str| {
        let wrong = |error| Problem::bad(format!("series {name:?}: {error}"));
        name.parse::<SeriesName>().map_err(wrong)?;
        let missing = || Problem::not_found(format!("no series {name:?}; /api/v1/series lists them"));
        api.reader.find(name).ok_or_else(missing)
    };
    names.iter().map(|name| find(name.as_ref())).collect()
}

struct Asked {
    time: Range<i64>,
    /// `None`: raw.
    step_ms: Option<i64>,
    step: String,
    /// Empty: what suits each series.
    aggs: Vec<(&'static str, Agg)>,
    now: i64,
    points: usize,
}

fn asked(params: &Params, now: i64, points: usize) -> Result<Asked, Problem> {
    let to = params.time("to")?.unwrap_or(now);
    let mut from = params.time("from")?.unwrap_or(to.saturating_sub(DAY_MS));
    if from >= to {
        return Err(Problem::bad("from is not before to"));
    }
    let step = params.one("step")?.unwrap_or("raw").to_owned();
    let step_ms = if step == "raw" { None } else { Some(step_ms(&step)?) };
    let mut aggs = Vec::new();
    for name in params.many("agg") {
        let known = AGGS.iter().find(|(known, _)| *known == name);
        let unknown =
            || Problem::bad(format!("agg={name:?}; known are {}", AGGS.map(|(name, _)| name).join(", ")));
        let known = *known.ok_or_else(unknown)?;
        // Each is a column of its own: repeated, they would be as many as a URL is long.
        if !aggs.contains(&known) {
            aggs.push(known);
        }
    }
    match step_ms {
        None if !aggs.is_empty() => return Err(Problem::bad("agg needs a step, such as step=PT1H")),
        None => {}
        // Steps begin where the day begins in WIB, so that they fall on full hours and local days.
        Some(step) => {
            from -= from.saturating_add(WIB_MS).rem_euclid(step);
        }
    }
    Ok(Asked { time: from..to, step_ms, step, aggs, now, points })
}

/// What to make of the readings of a series when nothing is asked for: what makes sense for its quantity.
pub(super) fn usual(series: &str) -> (&'static str, Agg) {
    let agg = match quantity(parts(series).1).map(|quantity| quantity.kind) {
        Some(Kind::Gauge) | None => Agg::Mean,
        Some(Kind::Amount) => Agg::Sum,
        Some(Kind::Angle) => Agg::VectorMean,
        Some(Kind::Counter) => Agg::Increase,
        Some(Kind::State) => Agg::Last,
    };
    AGGS.into_iter().find(|(_, known)| *known == agg).unwrap_or(AGGS[0])
}

/// `GET /api/v1/readings`
pub(crate) async fn read<R: StoreReader>(
    State(api): State<Arc<Api<R>>>,
    params: Params,
) -> Result<Written, Problem> {
    params.only(&["series", "from", "to", "step", "agg"])?;
    let names: Vec<String> = params.many("series").into_iter().map(str::to_owned).collect();
    if names.is_empty() {
        return Err(Problem::bad(
            "series is missing; write series=station/quantity, several separated by commas",
        ));
    }
    let ids = ids(&api, &names)?;
    let mut asked = asked(&params, api.clock.now().0, api.limits.query_points)?;
    let answer = api.query(move |api, gone| {
        let mut series = Vec::with_capacity(ids.len());
        for (id, name) in ids.into_iter().zip(&names) {
            gone.check()?;
            series.push(one(&api.reader, id, name, &mut asked)?);
        }
        let (from, to) = (rfc3339(asked.time.start), rfc3339(asked.time.end));
        Written::of(&Answer { from, to, step: asked.step, series })
    });
    answer.await
}

#[derive(Serialize)]
struct Answer {
    from: Option<String>,
    to: Option<String>,
    step: String,
    series: Vec<SeriesAnswer>,
}

#[derive(Serialize)]
struct SeriesAnswer {
    series: String,
    unit: &'static str,
    times: Vec<i64>,
    #[serde(flatten)]
    columns: Columns,
    /// What some of it was taken from instead of readings.
    rollup: Option<&'static str>,
    completeness: Completeness,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Columns {
    Raw { values: Vec<f64>, flags: Vec<FlagNames> },
    Steps(BTreeMap<&'static str, Vec<f64>>),
}

fn one(
    reader: &impl StoreReader,
    id: SeriesId,
    name: &str,
    asked: &mut Asked,
) -> Result<SeriesAnswer, Problem> {
    let (times, columns, received, flagged, damaged, distance);
    let mut rollup = None;
    match asked.step_ms {
        None => {
            let points = reader.range(id, asked.time.clone(), asked.points).map_err(problem)?;
            asked.points -= points.times.len();
            (received, damaged) = (points.times.len() as u64, points.damaged);
            flagged = count_flags(&points);
            distance = completeness::distance(&points.times);
            let flags = if points.flags.is_empty() { vec![0; points.times.len()] } else { points.flags };
            let flags = flags.into_iter().map(|bits| FlagNames(Flags(bits))).collect();
            columns = Columns::Raw { values: points.values, flags };
            times = points.times;
        }
        Some(step) => {
            let named = if asked.aggs.is_empty() { vec![usual(name)] } else { asked.aggs.clone() };
            let aggs: Vec<Agg> = named.iter().map(|(_, agg)| *agg).collect();
            let limit = asked.points / aggs.len();
            let buckets = reader.aggregate(id, asked.time.clone(), step, &aggs, limit).map_err(problem)?;
            asked.points -= buckets.starts.len() * aggs.len();
            (received, damaged) = (buckets.counts.iter().sum(), buckets.damaged);
            flagged = (buckets.late, buckets.flagged);
            distance = buckets.distance_ms;
            rollup = buckets.rollup.map(|level| match level {
                Level::Hour => "PT1H",
                Level::Day => "P1D",
            });
            columns = Columns::Steps(named.iter().map(|(name, _)| *name).zip(buckets.columns).collect());
            times = buckets.starts;
        }
    }
    let first_ever = reader.info(id).and_then(|info| info.first);
    let promised = distance.zip(first_ever);
    let completeness = Completeness {
        expected: promised.map(|(distance, first)| expected(distance, first, &asked.time, asked.now)),
        received,
        late: flagged.0,
        flagged: flagged.1,
        excluded: 0,
        damaged,
    };
    Ok(SeriesAnswer { series: name.to_owned(), unit: unit(name), times, columns, rollup, completeness })
}

fn problem(error: ReadError) -> Problem {
    match error {
        ReadError::UnknownSeries(_) => Problem::not_found(error.to_string()),
        ReadError::Unavailable(_) => Problem::unavailable(error.to_string()),
        _ => Problem::bad(error.to_string()),
    }
}
