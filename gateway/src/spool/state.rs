//! What the spool knows beyond the readings themselves. Pure: records in, the same state out, whether they are
//! applied as they are written or read back after a crash.
//!
//! ```text
//!   positions  0 …… kept …………………………… next
//!   acked      ████████████████░░██░░░░░░░    ingest has it (now; an ingest restored from a backup has less)
//!   settled    ████████░░░░░░░░░░░░░░░░░░░    acked under an earlier epoch: never sent under this one
//! ```

use pantau_proto::v1::{Loss, Range};
use pantau_proto::{Epoch, RangeSet};
use prost::Message as _;

use super::record::{Acked, Record, Snapshot};
use super::sessions::Sessions;

/// Bytes of a snapshot's part at most, about: a part must fit into the smallest segment.
const PART_BYTES: usize = 24 << 10;

/// The state that records build up.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct State {
    /// `None` only before the first record of a spool.
    pub(crate) epoch: Option<Epoch>,
    pub(crate) acked: RangeSet,
    pub(crate) settled: RangeSet,
    /// Losses that ingest does not have yet.
    pub(crate) losses: Vec<Loss>,
    /// No arrival stamp that was ever given is higher.
    pub(crate) stamp_floor: i64,
    pub(crate) sessions: Sessions,
    /// Parts of a snapshot whose last part has not come.
    partial: Option<Box<State>>,
}

impl State {
    /// Takes in what a record says.
    pub(crate) fn apply(&mut self, record: &Record) {
        self.stamp_floor = self.stamp_floor.max(record.highest_stamp);
        self.sessions.apply(record);
        if let Some(Acked { ranges, replace }) = &record.acked {
            if *replace {
                self.acked = RangeSet::new();
            }
            self.ack(ranges.iter().map(|range| (range.start, range.end)));
        }
        if let Some(epoch) = record.epoch {
            self.epoch = Some(Epoch(epoch));
            self.settled = self.acked.clone();
        }
        self.losses.extend_from_slice(&record.losses);
        if let Some(part) = &record.snapshot {
            self.take_part(part);
        }
    }

    /// Ingest has these positions now. Returns how many of them are new.
    pub(crate) fn ack(&mut self, ranges: impl Iterator<Item = (u64, u64)>) -> u64 {
        let mut new = 0;
        for (start, end) in ranges.filter(|(start, end)| start < end) {
            new += self.acked.insert(start, end);
        }
        let acked = &self.acked;
        self.losses.retain(|loss| !acked.contains_range(loss.start, loss.end));
        new
    }

    fn take_part(&mut self, part: &Snapshot) {
        if part.first {
            self.partial = Some(Box::new(Self {
                epoch: Some(Epoch(part.epoch)),
                acked: part.acked.iter().map(|range| (range.start, range.end)).collect(),
                settled: part.settled.iter().map(|range| (range.start, range.end)).collect(),
                losses: part.losses.clone(),
                stamp_floor: part.stamp_floor,
                ..Self::default()
            }));
        }
        let Some(mut partial) = self.partial.take() else { return };
        part.sessions.iter().for_each(|saved| partial.sessions.load(saved));
        if part.last {
            *self = *partial;
        } else {
            self.partial = Some(partial);
        }
    }

    /// The records that give this state to whoever reads from them on. `stamp_floor` may be ahead of the state's.
    pub(crate) fn snapshot(&self, stamp_floor: i64) -> Vec<Record> {
        let mut parts = vec![Snapshot {
            first: true,
            epoch: self.epoch.map_or(0, |epoch| epoch.0),
            acked: self.acked.to_wire(),
            settled: self.settled.to_wire(),
            losses: self.losses.clone(),
            stamp_floor: stamp_floor.max(self.stamp_floor),
            ..Snapshot::default()
        }];
        let mut bytes = 0;
        for saved in self.sessions.save() {
            bytes += saved.encoded_len();
            if bytes > PART_BYTES {
                bytes = saved.encoded_len();
                parts.push(Snapshot::default());
            }
            if let Some(part) = parts.last_mut() {
                part.sessions.push(saved);
            }
        }
        if let Some(part) = parts.last_mut() {
            part.last = true;
        }
        parts.into_iter().map(|part| Record { snapshot: Some(part), ..Record::default() }).collect()
    }
}

/// The record of acked ranges.
pub(crate) fn acked_record(ranges: Vec<Range>, replace: bool) -> Record {
    Record { acked: Some(Acked { ranges, replace }), ..Record::default() }
}
