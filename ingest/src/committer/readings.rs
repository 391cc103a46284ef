//! Moves a submission's readings into a commit: ids for dictionary indices, late ones flagged, positions that are
//! committed already left out, other gateways' devices to the quarantine.

use super::{registry::Registry, stream::Stream};
use crate::{
    intake::Submission,
    store::{Columns, Commit, Refused, SeriesId},
};
use pantau_proto::{Flags, RangeSet, v1::Reason};

/// `known` holds the committed positions when some of the submission's are among them.
pub(crate) fn take(
    submission: &mut Submission,
    stream: &mut Stream,
    registry: &mut Registry,
    known: Option<&RangeSet>,
    commit: &mut Commit,
) {
    let series = std::mem::take(&mut submission.series);
    let all_own = stream.resolve(&series, registry, &submission.source.gateway, &mut commit.new_series);
    let columns = Columns {
        series: Vec::new(),
        times: std::mem::take(&mut submission.times),
        values: std::mem::take(&mut submission.values),
        flags: std::mem::take(&mut submission.flags),
    };
    if all_own && known.is_none() {
        // The usual way; the vector of indices becomes the vector of ids.
        let series = series.into_iter().map(|index| SeriesId(stream.id(index).unwrap_or(u32::MAX))).collect();
        commit.readings = Columns { series, ..columns };
    } else {
        one_by_one(submission, &series, &columns, stream, registry, known, commit);
    }
}

fn one_by_one(
    submission: &Submission,
    series: &[u32],
    columns: &Columns,
    stream: &Stream,
    registry: &Registry,
    known: Option<&RangeSet>,
    commit: &mut Commit,
) {
    let gone = submission.refused.iter().chain(&submission.rejected).map(|refused| refused.position);
    let mut gone: Vec<u64> = gone.collect();
    gone.sort_unstable();
    let mut gone = gone.into_iter().peekable();
    let mut position = submission.first;
    for (i, index) in series.iter().enumerate() {
        while gone.next_if(|taken| *taken <= position).is_some() {
            position += 1;
        }
        let here = position;
        position += 1;
        if known.is_some_and(|known| known.contains(here)) {
            commit.skipped += 1;
        } else if let Some(id) = stream.id(*index) {
            commit.readings.series.push(SeriesId(id));
            commit.readings.times.push(columns.times[i]);
            commit.readings.values.push(columns.values[i]);
            commit.readings.flags.extend(columns.flags.get(i));
        } else {
            commit.refused.push(foreign(stream, registry, *index, here, columns.times[i], columns.values[i]));
        }
    }
}

fn foreign(
    stream: &Stream,
    registry: &Registry,
    index: u32,
    position: u64,
    time: i64,
    value: f64,
) -> Refused {
    let name = stream.foreign(index);
    let owner = name.and_then(|name| registry.owner(name.device()));
    let detail = match (name, owner) {
        (Some(name), Some(owner)) => format!("device {} belongs to gateway {owner}", name.device()),
        _ => "the stream never named this series".to_owned(),
    };
    Refused {
        position,
        reason: if name.is_some() { Reason::NotOwner } else { Reason::BadName }.into(),
        source: String::new(),
        topic: name.map(|name| name.as_str().to_owned()).unwrap_or_default(),
        detail,
        payload: value.to_string().into_bytes(),
        time,
    }
}

/// Flags every reading from before `before` (milliseconds) as late.
pub(crate) fn flag_late(columns: &mut Columns, before: i64) {
    let Columns { times, flags, .. } = columns;
    if times.iter().any(|time| *time < before) {
        flags.resize(times.len(), 0);
        for (flag, time) in flags.iter_mut().zip(times) {
            *flag |= if *time < before { Flags::LATE.0 } else { 0 };
        }
    }
}
