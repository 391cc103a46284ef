//! What came in before the clock was trusted: which positions wait, and what their time turned out to be. Pure.
//!
//! ```text
//!   held ── the clock is trusted ───────────► offset of that boot, journaled once ─► sent with their right time
//!     ├──── an hour went by ────────────────► offset as far as it is known ────────► sent, flagged
//!     └──── the machine was switched off ───► as the wall clock had it ────────────► sent, flagged
//! ```
//! Always:
//! - A reading without a time of its own that came while the clock was not trusted carries the time since the boot
//!   instead, and that boot's id. What its time is, is this plus the boot's offset.
//! - A boot has one offset, which never changes: what was sent once is the same when it is sent again. It is kept as
//!   long as there is a reading that needs it. A boot beyond [`Room::boots`] gets none, and holds nothing.
//! - One boot at most is undecided: the one that is, or that was last.
//! - At most [`Room::ranges`] separate ranges wait; beyond, what comes in between waits too.

use pantau_proto::RangeSet;
use pantau_proto::v1::Range;

use super::record::{BootOffset, Record, Snapshot, Undecided};

/// Bytes of an offset, and of a range, in a snapshot at most.
const OFFSET_BYTES: usize = 36;
const RANGE_BYTES: usize = 24;

/// How much can be kept, so that a snapshot has room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) boots: usize,
    pub(crate) ranges: usize,
}

impl Room {
    /// In so many bytes for each of both.
    pub(crate) fn of(bytes: usize) -> Self {
        Self { boots: (bytes / OFFSET_BYTES).max(1), ranges: (bytes / RANGE_BYTES).max(1) }
    }
}

/// The boots of which there are readings that came too early.
#[derive(Debug, Clone)]
pub(crate) struct Boots {
    room: Room,
    offsets: Vec<BootOffset>,
    undecided: Option<Undecided>,
    /// The positions of the undecided one that wait.
    held: RangeSet,
}

impl Boots {
    pub(crate) fn new(room: Room) -> Self {
        Self { room, offsets: Vec::new(), undecided: None, held: RangeSet::new() }
    }

    /// Takes in what a record at `first` says. Nothing before came later than `newest`. Returns the latest stamp that
    /// got its time by that, or 0.
    pub(crate) fn apply(&mut self, first: u64, record: &Record, newest: i64) -> i64 {
        let decided = record.boot_offset.map_or(0, |offset| self.decide(offset));
        let Some(time) = record.boot_time else { return decided };
        if let Some(offset) = self.offsets.iter_mut().find(|offset| offset.boot == time.boot) {
            // It was on its way when the offset was journaled.
            offset.end = offset.end.max(first + u64::from(record.positions()));
            return if record.highest_stamp > 0 {
                record.highest_stamp.saturating_add(offset.offset)
            } else {
                0
            };
        }
        let other = self.undecided.filter(|undecided| undecided.boot != time.boot);
        let decided = other.map_or(0, |other| self.decide(other.as_known()));
        let undecided = self.undecided.get_or_insert(Undecided {
            boot: time.boot,
            since: time.since_boot,
            highest: 0,
            offset: 0,
        });
        undecided.highest = undecided.highest.max(record.highest_stamp);
        undecided.since = undecided.since.min(time.since_boot);
        undecided.offset = undecided.by_clock(record.arrival, time.since_boot, newest);
        for (start, end) in record.untimed(first) {
            self.hold(start, end);
        }
        decided
    }

    fn hold(&mut self, start: u64, end: u64) {
        let last = self.held.iter().last();
        match last.filter(|_| self.held.len_ranges() >= self.room.ranges) {
            Some((last, _)) => self.held.insert(last.min(start), end),
            None => self.held.insert(start, end),
        };
    }

    fn decide(&mut self, mut offset: BootOffset) -> i64 {
        let Some(undecided) = self.undecided.take_if(|undecided| undecided.boot == offset.boot) else {
            return 0;
        };
        offset.end = self.held.end();
        self.held = RangeSet::new();
        self.offsets.push(offset);
        undecided.highest.saturating_add(offset.offset)
    }

    /// The boot that has no offset yet.
    pub(crate) fn undecided(&self) -> Option<Undecided> {
        self.undecided
    }

    /// What was decided for a boot.
    pub(crate) fn offset(&self, boot: u64) -> Option<BootOffset> {
        self.offsets.iter().find(|offset| offset.boot == boot).copied()
    }

    /// Whether readings of one more boot may wait.
    pub(crate) fn has_room(&self) -> bool {
        self.offsets.len() + usize::from(self.undecided.is_some()) < self.room.boots
    }

    /// The positions that must not leave.
    pub(crate) fn held(&self) -> &RangeSet {
        &self.held
    }

    /// Nothing below `kept` is there any more. `now` is the boot that is.
    pub(crate) fn forget_below(&mut self, kept: u64, now: u64) {
        self.offsets.retain(|offset| offset.end > kept || offset.boot == now);
    }

    pub(crate) fn restore(&mut self, snapshot: &Snapshot) {
        self.offsets.clone_from(&snapshot.boot_offsets);
        self.undecided = snapshot.undecided;
        self.held = snapshot.held.iter().map(|range| (range.start, range.end)).collect();
    }

    pub(crate) fn save(&self, snapshot: &mut Snapshot) {
        snapshot.boot_offsets.clone_from(&self.offsets);
        snapshot.undecided = self.undecided;
        snapshot.held = self.held.iter().map(|(start, end)| Range { start, end }).collect();
    }
}

impl Undecided {
    /// The offset by a wall clock that is not trusted. Where it stands before `newest`, it is certainly wrong: then
    /// this boot began no earlier than that.
    pub(crate) fn by_clock(&self, wall: i64, since_boot: i64, newest: i64) -> i64 {
        wall.saturating_sub(since_boot).max(newest.saturating_add(1).saturating_sub(self.since))
    }

    /// The offset by the wall clock as its last reading had it.
    pub(crate) fn as_known(&self) -> BootOffset {
        BootOffset { boot: self.boot, offset: self.offset, uncertain: true, end: 0 }
    }
}
