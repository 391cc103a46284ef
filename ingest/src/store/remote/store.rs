//! The writing half: database, journal, then the newest readings; see the folder's rules.

use std::sync::Arc;

use pantau_journal::FileLayer;
use pantau_proto::{Epoch, Flags, GatewayId, RangeSet};

use super::RemoteReader;
use super::line::{Heads, Lines, Refusal, TIMES};
use super::settle::Settling;
use super::writer::Writer;
use crate::store::embedded::EmbeddedStore;
use crate::store::types::{Columns, Commit, Elsewhere, Refused, SeriesId};
use crate::store::{Names, Store, StoreError};

/// The writing half.
pub struct RemoteStore<F: FileLayer> {
    pub(super) control: EmbeddedStore<F>,
    pub(super) reader: RemoteReader<F>,
    pub(super) writer: Writer,
    pub(super) settling: Option<Settling>,
    pub(super) heads: Heads,
    pub(super) amended: Vec<(usize, Commit)>,
}

impl<F: FileLayer> Store for RemoteStore<F> {
    fn append(&mut self, commits: &[Commit]) -> Result<usize, StoreError> {
        self.amended.clear();
        self.control.validate(commits)?;
        let fresh: Vec<_> = commits.iter().flat_map(|commit| &commit.new_series).collect();
        let next = self.control.next_series();
        let name = |series: SeriesId| match series.index().checked_sub(next.index()) {
            Some(new) => fresh.get(new).map(|new| new.name.clone()),
            None => self.reader.control.name(series),
        };
        let now = commits.last().map_or(0, |commit| commit.received_ms);
        let runtime = &self.reader.runtime;
        let times = match &self.settling {
            Some(settling) if commits.iter().any(|commit| !commit.readings.is_empty()) => {
                runtime.block_on(settling.times(&self.writer, now)).map_err(StoreError::Unavailable)?
            }
            _ => TIMES,
        };
        let (lines, mut refusals) = Lines::of(commits, &times, &mut self.heads, name);
        let written = match &self.settling {
            Some(settling) => runtime.block_on(settling.write(&self.writer, &lines, now)),
            None => runtime.block_on(self.writer.write(&lines, now)),
        };
        let taken = match written {
            Ok(refused) => {
                refusals.extend(refused);
                let mut kept: Vec<Commit> = commits.to_vec();
                self.amend(&mut kept, refusals);
                self.journal(&kept)
            }
            Err(why) => Err(StoreError::Unavailable(why)),
        };
        // What is not durable never happened: the numbers of its series may be given to others.
        self.heads.forget_from(self.control.next_series());
        taken
    }

    fn amended(&mut self) -> Vec<(usize, Commit)> {
        std::mem::take(&mut self.amended)
    }

    fn ranges(&self, gateway: &GatewayId, epoch: Epoch) -> RangeSet {
        self.control.ranges(gateway, epoch)
    }

    fn next_series(&self) -> SeriesId {
        self.control.next_series()
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.control.flush()
    }
}

impl<F: FileLayer> RemoteStore<F> {
    /// See [`EmbeddedStore::close`].
    ///
    /// # Errors
    /// When the control journal cannot be written.
    pub fn close(self) -> Result<(), StoreError> {
        self.control.close()
    }

    /// Journals commits whose readings the database has.
    fn journal(&mut self, kept: &[Commit]) -> Result<usize, StoreError> {
        let records: Vec<Commit> = kept.iter().map(without_readings).collect();
        let taken = self.control.append(&records)?;
        kept[..taken].iter().for_each(|commit| self.reader.newest.note(commit));
        self.amended.retain(|(index, _)| *index < taken);
        Ok(taken)
    }

    /// Moves refused readings to the commits' quarantine.
    fn amend(&mut self, commits: &mut [Commit], mut refusals: Vec<Refusal>) {
        refusals.sort_unstable_by_key(|refusal| refusal.place);
        let mut committed = Vec::new();
        for of_one in refusals.chunk_by(|a, b| a.place.commit == b.place.commit) {
            let Some(index) = of_one.first().map(|refusal| refusal.place.commit) else { continue };
            // The positions that were committed before this one, also by commits of the same call.
            committed.clear();
            committed.extend(commits[..index].iter().map(|commit| {
                let of = (commit.gateway.clone(), commit.epoch);
                (of, commit.ranges.clone())
            }));
            let names: Vec<Option<Arc<str>>> = of_one
                .iter()
                .map(|refusal| {
                    let series = commits[index].readings.series.get(refusal.place.reading)?;
                    let mut fresh = commits.iter().flat_map(|commit| &commit.new_series);
                    let fresh = fresh.find(|new| new.id == *series).map(|new| new.name.clone());
                    fresh.or_else(|| self.reader.control.name(*series))
                })
                .collect();
            let commit = &mut commits[index];
            let mut known = self.control.ranges(&commit.gateway, commit.epoch);
            for ((gateway, epoch), ranges) in &committed {
                if *gateway == commit.gateway && *epoch == commit.epoch {
                    for range in ranges {
                        known.insert(range.start, range.end);
                    }
                }
            }
            let positions = positions(commit, &known);
            for (refusal, name) in of_one.iter().zip(names) {
                let reading = refusal.place.reading;
                commit.refused.push(Refused {
                    position: positions.get(reading).copied().unwrap_or_default(),
                    reason: refusal.reason.into(),
                    source: String::new(),
                    topic: name.map(|name| name.to_string()).unwrap_or_default(),
                    detail: refusal.detail.clone(),
                    payload: commit.readings.values[reading].to_string().into_bytes(),
                    time: commit.readings.times[reading],
                });
            }
            commit.readings = without(&commit.readings, of_one);
            self.amended.push((index, commit.clone()));
        }
    }
}

/// The position of each reading: those of the commit that were neither committed before nor refused, in order.
fn positions(commit: &Commit, known: &RangeSet) -> Vec<u64> {
    let Some(range) = commit.ranges.first() else { return Vec::new() };
    let refused: Vec<u64> = commit.refused.iter().map(|refused| refused.position).collect();
    let fresh = known.missing(range.start, range.end).flat_map(|(start, end)| start..end);
    fresh.filter(|position| !refused.contains(position)).take(commit.readings.len()).collect()
}

fn without(readings: &Columns, refusals: &[Refusal]) -> Columns {
    let mut gone = refusals.iter().map(|refusal| refusal.place.reading).peekable();
    let kept: Vec<usize> = (0..readings.len()).filter(|reading| gone.next_if_eq(reading).is_none()).collect();
    Columns {
        series: kept.iter().map(|reading| readings.series[*reading]).collect(),
        times: kept.iter().map(|reading| readings.times[*reading]).collect(),
        values: kept.iter().map(|reading| readings.values[*reading]).collect(),
        flags: kept.iter().filter_map(|reading| readings.flags.get(*reading).copied()).collect(),
    }
}

/// What is journaled of a commit.
fn without_readings(commit: &Commit) -> Commit {
    let late = commit.readings.flags.iter().filter(|flags| Flags(**flags).contains(Flags::LATE)).count();
    Commit {
        gateway: commit.gateway.clone(),
        epoch: commit.epoch,
        received_ms: commit.received_ms,
        ranges: commit.ranges.clone(),
        reported_next: commit.reported_next,
        skipped: commit.skipped,
        new_series: commit.new_series.clone(),
        readings: Columns::default(),
        refused: commit.refused.clone(),
        losses: commit.losses.clone(),
        elsewhere: Elsewhere { readings: commit.readings.len() as u64, late: late as u64 },
    }
}
