//! Turns submissions into commits: (what is committed, who owns what, submission, now) → commits and answer.
//!
//! Pure but for its memory. Always true: a position is put into at most one commit that succeeds, whatever streams
//! interleave; a stream that a newer one of the same gateway has fenced gets [`Outcome::Retry`]; what was planned is
//! either [`Planner::kept`] or [`Planner::undone`] as a whole; an epoch's committed positions are [`MOST_RANGES`] ranges
//! at most.

use super::{MOST_RANGES, readings, registry::Registry, stream::Stream};
use crate::{
    intake::{Outcome, Rejection, Source, Submission},
    store::{Commit, Loss, Refused},
    validate::Entry,
};
use hashbrown::HashMap;
use pantau_proto::{
    Epoch, GatewayId, RangeSet,
    v1::{LossReason, Reason},
};
use std::ops::Range;

/// What is to be done about one submission.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// To be appended, in order; the answer holds once they are durable.
    pub(crate) commits: Vec<Commit>,
    /// Positions that are committed then.
    pub(crate) ranges: Vec<Range<u64>>,
    /// Those of them that ingest put into the quarantine.
    pub(crate) rejected: Vec<Rejection>,
}

/// See the module.
pub(crate) struct Planner {
    pub(crate) registry: Registry,
    streams: HashMap<GatewayId, Stream>,
    committed: HashMap<(GatewayId, Epoch), RangeSet>,
    late_after_ms: i64,
}

impl Planner {
    pub(crate) fn new(registry: Registry, late_after_ms: i64) -> Self {
        Self { registry, streams: HashMap::new(), committed: HashMap::new(), late_after_ms }
    }

    /// These commits are durable; they follow those of the last call.
    pub(crate) fn kept(&mut self, commits: &[Commit]) {
        self.registry.remember(commits.iter().map(|commit| commit.new_series.len()).sum());
    }

    /// Nothing that was planned and not [`Planner::kept`] happened. Streams that are under way must start anew: their
    /// dictionaries may name series that never came to be.
    pub(crate) fn undone(&mut self) {
        self.registry.forget();
        self.committed.clear();
        self.streams.values_mut().for_each(Stream::give_up);
    }

    /// Plans one submission and empties it, except for its ack. `ranges` reads the committed positions from the
    /// store.
    ///
    /// # Errors
    /// The outcome for a submission of which nothing is committed.
    pub(crate) fn plan(
        &mut self,
        submission: &mut Submission,
        now: i64,
        ranges: impl Fn(&GatewayId, Epoch) -> RangeSet,
    ) -> Result<Plan, Outcome> {
        let Source { gateway, epoch, .. } = submission.source.clone();
        self.enter(&submission.source, std::mem::take(&mut submission.new_series))?;
        let first = submission.first;
        let end = first
            .checked_add(u64::from(submission.count))
            .ok_or_else(|| Outcome::Rejected("its positions do not end before 2^64".to_owned()))?;

        let key = (gateway.clone(), epoch);
        let mut committed = self.committed.remove(&key).unwrap_or_else(|| ranges(&gateway, epoch));
        let losses = submission.losses.iter().map(|loss| (loss.start, loss.end));
        if !has_room(&committed, losses.chain([(first, end)])) {
            self.committed.insert(key, committed);
            return Err(Outcome::Rejected(format!(
                "more than {MOST_RANGES} separate ranges of positions would be committed: send the lowest missing ones first"
            )));
        }
        let mut plan = Plan::default();
        if let Some((old, positions)) = submission.ended.take() {
            plan.commits.extend(self.end_epoch(&gateway, old, positions, now, &ranges));
        }
        let mut commit = Commit::new(gateway, epoch, now);
        commit.reported_next = submission.reported_next;
        if let Some(stream) = self.streams.get_mut(&submission.source.gateway) {
            let known = overlaps(&committed, first, end).then_some(&committed);
            readings::take(submission, stream, &mut self.registry, known, &mut commit);
            move_refused(std::mem::take(&mut submission.rejected), known, &mut commit);
            commit.refused.sort_unstable_by_key(|refused| refused.position);
            plan.rejected = commit.refused.iter().map(rejection).collect();
            move_refused(std::mem::take(&mut submission.refused), known, &mut commit);
        }
        readings::flag_late(&mut commit.readings, now.saturating_sub(self.late_after_ms));
        if end > first {
            committed.insert(first, end);
            commit.ranges.push(first..end);
        }
        for mut loss in std::mem::take(&mut submission.losses) {
            let fresh = committed.insert(loss.start, loss.end);
            plan.ranges.push(loss.start..loss.end);
            if fresh > 0 {
                commit.ranges.push(loss.start..loss.end);
                // What came after all is not lost. A position can speak of more than one reading; only one that is fresh.
                loss.count = loss.count.saturating_sub((loss.end - loss.start) - fresh);
                commit.losses.push(loss);
            }
        }
        self.committed.insert(key, committed);
        plan.ranges.extend((end > first).then_some(first..end));
        if !commit.ranges.is_empty() || !commit.losses.is_empty() || commit.reported_next.is_some() {
            plan.commits.push(commit);
        }
        Ok(plan)
    }
}

impl Planner {
    /// Fences, and appends to the stream's dictionary.
    fn enter(&mut self, source: &Source, entries: Vec<Entry>) -> Result<(), Outcome> {
        let stream =
            self.streams.entry_ref(&source.gateway).or_insert_with(|| Stream::new(source.generation));
        if source.generation > stream.generation() {
            *stream = Stream::new(source.generation);
        }
        if source.generation < stream.generation() || stream.is_given_up() {
            return Err(Outcome::Retry);
        }
        stream.extend(entries);
        Ok(())
    }

    /// What an epoch that is over had and never delivered is lost, and said so.
    fn end_epoch(
        &mut self,
        gateway: &GatewayId,
        epoch: Epoch,
        positions: Range<u64>,
        now: i64,
        ranges: impl Fn(&GatewayId, Epoch) -> RangeSet,
    ) -> Option<Commit> {
        let key = (gateway.clone(), epoch);
        let mut committed = self.committed.remove(&key).unwrap_or_else(|| ranges(gateway, epoch));
        let gaps: Vec<(u64, u64)> = committed.missing(positions.start, positions.end).collect();
        let ended = gaps.first().zip(gaps.last()).map(|(first, last)| {
            let count = gaps.iter().map(|(start, end)| end - start).sum();
            let mut commit = Commit::new(gateway.clone(), epoch, now);
            commit.ranges = gaps.iter().map(|(start, end)| *start..*end).collect();
            commit.losses.push(Loss {
                start: first.0,
                end: last.1,
                count,
                reason: LossReason::EpochEnded.into(),
                detail: format!("the gateway began a new epoch; {count} positions of this one never arrived"),
                ..Loss::default()
            });
            commit
        });
        for (start, end) in gaps {
            committed.insert(start, end);
        }
        self.committed.insert(key, committed);
        ended
    }
}

/// Whether the committed positions stay few enough ranges with these; what makes them fewer is always taken.
fn has_room(committed: &RangeSet, more: impl Iterator<Item = (u64, u64)>) -> bool {
    let (before, most) = (committed.len_ranges(), more.size_hint().1.unwrap_or(usize::MAX));
    if before.saturating_add(most) <= MOST_RANGES {
        return true;
    }
    let mut after = committed.clone();
    for (start, end) in more {
        after.insert(start, end);
    }
    after.len_ranges() <= MOST_RANGES.max(before)
}

/// Whether any position of `[first, end)` is committed.
fn overlaps(committed: &RangeSet, first: u64, end: u64) -> bool {
    let missing: u64 = committed.missing(first, end).map(|(start, end)| end - start).sum();
    missing < end.saturating_sub(first)
}

/// Moves what is not known yet into the commit's quarantine; counts the rest as skipped.
fn move_refused(refused: Vec<Refused>, known: Option<&RangeSet>, commit: &mut Commit) {
    for refused in refused {
        if known.is_some_and(|known| known.contains(refused.position)) {
            commit.skipped += 1;
        } else {
            commit.refused.push(refused);
        }
    }
}

pub(crate) fn rejection(refused: &Refused) -> Rejection {
    Rejection {
        position: refused.position,
        reason: Reason::try_from(refused.reason).unwrap_or_default(),
        detail: refused.detail.clone(),
    }
}
