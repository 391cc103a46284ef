//! A decoded batch becomes a submission: dictionary entries judged, readings validated, refused payloads and
//! losses taken over. Pure.

use crate::{
    intake::{Ack, Source, Submission},
    store::{Loss, Refused},
    validate::{self, Columns, Entry, Window, clipped},
};
use pantau_proto::v1::{self, BatchBody};

/// The series that a stream has named so far.
#[derive(Debug, Default)]
pub(super) struct Dictionary(Vec<Entry>);

/// How a batch broke the contract.
#[derive(Debug, thiserror::Error, PartialEq)]
pub(super) enum Broken {
    #[error("the stream names {named} series; {limit} are allowed")]
    TooManySeries { named: usize, limit: usize },
    #[error("series index {index} is not in the dictionary of {len}")]
    NoSuchSeries { index: u32, len: usize },
}

impl Dictionary {
    /// Judges a batch of the positions `[first, first + count)`; `body` was checked by the wire's decoder.
    pub(super) fn submission(
        &mut self,
        source: Source,
        (first, count): (u64, u32),
        body: BatchBody,
        window: &Window<'_>,
        limit: usize,
        ack: Ack,
    ) -> Result<Submission, Broken> {
        let named = self.0.len() + body.new_series.len();
        if named > limit {
            return Err(Broken::TooManySeries { named, limit });
        }
        let judged = |series: &v1::Series| validate::entry(&series.name, &series.unit, window.retention);
        let new_series: Vec<Entry> = body.new_series.iter().map(judged).collect();
        self.0.extend(new_series.iter().cloned());
        if let Some(index) = body.series.iter().max().filter(|index| **index as usize >= self.0.len()) {
            return Err(Broken::NoSuchSeries { index: *index, len: self.0.len() });
        }
        let refused: Vec<Refused> = body.refused.into_iter().map(take_refused).collect();
        let mut columns = Columns {
            series: body.series,
            times: body.time_deltas,
            values: body.values,
            // The decoder has checked that they fit.
            flags: body.flags.into_iter().map(|flags| (flags & 0xffff) as u16).collect(),
        };
        let mut time = 0_i64;
        for delta in &mut columns.times {
            time = time.wrapping_add(*delta);
            *delta = time;
        }
        let rejected = validate::readings(&self.0, &mut columns, window, |i| position_of(first, &refused, i));
        let Columns { series, times, values, flags } = columns;
        Ok(Submission {
            first,
            count,
            new_series,
            series,
            times,
            values,
            flags,
            refused,
            rejected,
            losses: body.losses.into_iter().map(take_loss).collect(),
            ..Submission::empty(source, ack)
        })
    }
}

/// The position of the reading with index `i`: readings skip the positions of refused payloads.
fn position_of(first: u64, refused: &[Refused], i: usize) -> u64 {
    let unshifted = first + i as u64;
    let (mut low, mut high) = (0, refused.len());
    while low < high {
        let middle = low + (high - low) / 2;
        if refused[middle].position - middle as u64 <= unshifted {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    unshifted + low as u64
}

fn take_refused(refused: v1::Refused) -> Refused {
    let source = if refused.source.is_empty() { "gateway".to_owned() } else { clipped(&refused.source) };
    Refused {
        position: refused.position,
        reason: refused.reason,
        source,
        topic: clipped(&refused.topic),
        detail: clipped(&refused.detail),
        payload: refused.payload.into(),
        time: refused.time,
    }
}

fn take_loss(loss: v1::Loss) -> Loss {
    Loss {
        start: loss.start,
        end: loss.end,
        first_time: loss.first_time,
        last_time: loss.last_time,
        count: loss.count,
        reason: loss.reason,
        detail: clipped(&loss.detail),
    }
}

#[cfg(test)]
mod tests;
