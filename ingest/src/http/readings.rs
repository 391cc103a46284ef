//! `/readings`: one or more series over a period, raw or by steps, with how complete the answer is.

use super::{
    Api, Gone,
    params::{Params, step_ms},
    problem::Problem,
    render::{rfc3339, unit},
};
use crate::store::{Agg, Points, ReadError, SeriesId, StoreReader};
use axum::{Json, extract::State};
use pantau_proto::{Flags, SeriesName};
use serde_json::{Map, Value, json};
use std::{ops::Range, sync::Arc};

const AGGS: [(&str, Agg); 7] = [
    ("mean", Agg::Mean),
    ("min", Agg::Min),
    ("max", Agg::Max),
    ("sum", Agg::Sum),
    ("count", Agg::Count),
    ("first", Agg::First),
    ("last", Agg::Last),
];

const DAY_MS: i64 = 86_400_000;
/// WIB is UTC+7 all year.
const WIB_MS: i64 = 7 * 3_600_000;
/// Raw readings that are looked through to count the flagged ones behind steps; beyond, the counts are null.
const FLAGS_LOOKED_AT: usize = 100_000;

/// The ids of series by name.
///
/// # Errors
/// When there are too many, or one is no name of a series or unknown.
pub(super) fn ids<R: StoreReader>(api: &Api<R>, names: &[String]) -> Result<Vec<SeriesId>, Problem> {
    let limit = api.limits.query_series;
    if names.len() > limit {
        return Err(Problem::bad(format!("{} series; {limit} may be asked for at once", names.len())));
    }
    let find = |name: &String| {
        let wrong = |error| Problem::bad(format!("series {name:?}: {error}"));
        name.parse::<SeriesName>().map_err(wrong)?;
        let missing = || Problem::not_found(format!("no series {name:?}; /api/v1/series lists them"));
        api.reader.find(name).ok_or_else(missing)
    };
    names.iter().map(find).collect()
}

struct Asked {
    time: Range<i64>,
    /// `None`: raw.
    step_ms: Option<i64>,
    step: String,
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
            || Problem::bad(format!("agg={name:?}; known are mean, min, max, sum, count, first, last"));
        aggs.push(*known.ok_or_else(unknown)?);
    }
    match step_ms {
        None if !aggs.is_empty() => return Err(Problem::bad("agg needs a step, such as step=PT1H")),
        None => {}
        // Steps begin where the day begins in WIB, so that they fall on full hours and local days.
        Some(step) => {
            from -= from.saturating_add(WIB_MS).rem_euclid(step);
            if aggs.is_empty() {
                aggs.push(AGGS[0]);
            }
        }
    }
    Ok(Asked { time: from..to, step_ms, step, aggs, now, points })
}

/// `GET /api/v1/readings`
pub(crate) async fn read<R: StoreReader>(
    State(api): State<Arc<Api<R>>>,
    params: Params,
) -> Result<Json<Value>, Problem> {
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
            series.push(one(&api.reader, id, name, &mut asked, gone)?);
        }
        let (from, to) = (rfc3339(asked.time.start), rfc3339(asked.time.end));
        Ok(json!({ "from": from, "to": to, "step": asked.step, "series": series }))
    });
    answer.await.map(Json)
}

fn one(
    reader: &impl StoreReader,
    id: SeriesId,
    name: &str,
    asked: &mut Asked,
    gone: &Gone,
) -> Result<Value, Problem> {
    let mut answer = Map::new();
    answer.insert("series".to_owned(), json!(name));
    answer.insert("unit".to_owned(), json!(unit(name)));
    let (received, flagged, damaged) = match asked.step_ms {
        None => {
            let points = reader.range(id, asked.time.clone(), asked.points).map_err(problem)?;
            asked.points -= points.times.len();
            let counted = count_flags(&points);
            let flags = if points.flags.is_empty() { vec![0; points.times.len()] } else { points.flags };
            let received = points.times.len() as u64;
            answer.insert("times".to_owned(), json!(points.times));
            answer.insert("values".to_owned(), json!(points.values));
            let names: Vec<Vec<&str>> =
                flags.into_iter().map(|flags| Flags(flags).names().collect()).collect();
            answer.insert("flags".to_owned(), json!(names));
            (received, Some(counted), points.damaged)
        }
        Some(step) => {
            let aggs: Vec<Agg> = asked.aggs.iter().map(|(_, agg)| *agg).collect();
            let buckets =
                reader.aggregate(id, asked.time.clone(), step, &aggs, asked.points).map_err(problem)?;
            asked.points -= buckets.starts.len();
            gone.check()?;
            let received = buckets.counts.iter().sum();
            answer.insert("times".to_owned(), json!(buckets.starts));
            for ((name, _), column) in asked.aggs.iter().zip(buckets.columns) {
                answer.insert((*name).to_owned(), json!(column));
            }
            let raw = reader.range(id, asked.time.clone(), FLAGS_LOOKED_AT);
            (received, raw.ok().map(|points| count_flags(&points)), buckets.damaged)
        }
    };
    let mut completeness = json!({
        "expected": expected(reader, id, asked),
        "received": received,
        "late": flagged.map(|(late, _)| late),
        "flagged": flagged.map(|(_, flagged)| flagged),
        "excluded": 0,
    });
    if damaged > 0 {
        completeness["damaged"] = json!(damaged);
    }
    answer.insert("completeness".to_owned(), completeness);
    Ok(Value::Object(answer))
}

/// Readings flagged late, and readings with any flag but that and the harmless ones (calibrated, arrival time).
fn count_flags(points: &Points) -> (u64, u64) {
    let harmless = Flags::LATE | Flags::CALIBRATED | Flags::ARRIVAL_TIME;
    points.flags.iter().fold((0, 0), |(late, flagged), flags| {
        let is_late = Flags(*flags).contains(Flags::LATE);
        (late + u64::from(is_late), flagged + u64::from(flags & !harmless.0 != 0))
    })
}

/// Readings that the observed interval promises for the part of the period in which the series was there: from its
/// first reading, and not beyond now.
fn expected(reader: &impl StoreReader, id: SeriesId, asked: &Asked) -> Option<u64> {
    let interval = i64::from(reader.latest(&[id]).first().copied().flatten()?.interval_ms?).max(1);
    let first = reader.info(id)?.first?;
    let (start, end) = (asked.time.start.max(first), asked.time.end.min(asked.now));
    let span = end.saturating_sub(start).max(0);
    u64::try_from((span + interval / 2) / interval).ok()
}

fn problem(error: ReadError) -> Problem {
    match error {
        ReadError::UnknownSeries(_) => Problem::not_found(error.to_string()),
        _ => Problem::bad(error.to_string()),
    }
}
