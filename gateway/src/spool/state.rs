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

use super::boots::{Boots, Room};
use super::record::{Acked, Record, Snapshot};
use super::sessions::Sessions;

/// Bytes that the parts of a snapshot may take, so that one always has room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shares {
    /// Of acked ranges, and as many of settled ones.
    ranges: usize,
    losses: usize,
    sessions: usize,
    boots: Room,
}

impl Shares {
    /// For a snapshot of so many bytes.
    pub(crate) fn of(bytes: usize) -> Self {
        let part = bytes / 16;
        // The last sixteenth is for what else there is, and for the framing.
        let boots = Room::of(part / 4);
        Self { ranges: part, losses: part / 2, sessions: 12 * part, boots }
    }
}

/// The state that records build up.
#[derive(Debug, Clone)]
pub(crate) struct State {
    shares: Shares,
    /// `None` only before the first record of a spool.
    pub(crate) epoch: Option<Epoch>,
    pub(crate) acked: RangeSet,
    pub(crate) settled: RangeSet,
    /// Losses that ingest does not have yet.
    pub(crate) losses: Vec<Loss>,
    /// No arrival stamp that was ever given is higher.
    pub(crate) stamp_floor: i64,
    /// No reading ever came in later, by the clock of its time.
    pub(crate) latest_arrival: i64,
    /// Stamps up to here may be those of other readings, before the clock went back.
    pub(crate) behind: i64,
    /// What came in before the clock was trusted.
    pub(crate) boots: Boots,
    pub(crate) sessions: Sessions,
}

impl State {
    pub(crate) fn new(shares: Shares) -> Self {
        Self {
            shares,
            epoch: None,
            acked: RangeSet::new(),
            settled: RangeSet::new(),
            losses: Vec::new(),
            stamp_floor: 0,
            latest_arrival: 0,
            behind: 0,
            boots: Boots::new(shares.boots),
            sessions: Sessions::new(shares.sessions),
        }
    }

    /// Takes in what a record at `first` says. Returns how many redelivery entries were given up for want of room.
    pub(crate) fn apply(&mut self, first: u64, record: &Record) -> u64 {
        if let Some(snapshot) = &record.snapshot {
            self.restore(snapshot);
        }
        if let Some(to) = record.went_back {
            self.behind = self.behind.max(self.stamp_floor);
            (self.stamp_floor, self.latest_arrival) = (self.stamp_floor.min(to), to);
        }
        let decided = self.boots.apply(first, record, self.newest());
        self.stamp_floor = self.stamp_floor.max(decided);
        self.latest_arrival = self.latest_arrival.max(decided);
        // By a clock that is not trusted it is in no order with the others.
        if record.boot_time.is_none() {
            self.stamp_floor = self.stamp_floor.max(record.highest_stamp);
            self.latest_arrival = self.latest_arrival.max(record.arrival);
        }
        let forgotten = self.sessions.apply(record);
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
        forgotten
    }

    /// No reading has a later time from here than this.
    pub(crate) fn newest(&self) -> i64 {
        self.stamp_floor.max(self.latest_arrival)
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

    fn restore(&mut self, snapshot: &Snapshot) {
        let set = |ranges: &[Range]| ranges.iter().map(|range| (range.start, range.end)).collect();
        *self = Self::new(self.shares);
        self.epoch = Some(Epoch(snapshot.epoch));
        self.acked = set(&snapshot.acked);
        self.settled = set(&snapshot.settled);
        self.losses.clone_from(&snapshot.losses);
        self.stamp_floor = snapshot.stamp_floor;
        self.latest_arrival = snapshot.latest_arrival;
        self.behind = snapshot.behind;
        self.boots.restore(snapshot);
        snapshot.sessions.iter().for_each(|saved| self.sessions.load(saved));
    }

    /// The record that gives this state to whoever reads from it on. What finds no room in it is learned again: the
    /// later acked ranges from ingest, losses from the damaged disk; the later settled ones are sent again, with the
    /// times that they had.
    pub(crate) fn snapshot(&self) -> Record {
        let mut snapshot = Snapshot {
            epoch: self.epoch.map_or(0, |epoch| epoch.0),
            acked: within(self.shares.ranges, self.acked.to_wire()),
            settled: within(self.shares.ranges, self.settled.to_wire()),
            losses: within(self.shares.losses, self.losses.clone()),
            stamp_floor: self.stamp_floor,
            latest_arrival: self.latest_arrival,
            behind: self.behind,
            sessions: self.sessions.save().collect(),
            ..Snapshot::default()
        };
        self.boots.save(&mut snapshot);
        Record { snapshot: Some(snapshot), ..Record::default() }
    }
}

/// The first of them that encode into so many bytes.
fn within<M: prost::Message>(bytes: usize, mut items: Vec<M>) -> Vec<M> {
    let mut end = 0;
    let fit = items.iter().take_while(|item| {
        let length = item.encoded_len();
        end += 1 + prost::length_delimiter_len(length) + length;
        end <= bytes
    });
    items.truncate(fit.count());
    items
}

/// The record of acked ranges.
pub(crate) fn acked_record(ranges: Vec<Range>, replace: bool) -> Record {
    Record { acked: Some(Acked { ranges, replace }), ..Record::default() }
}
