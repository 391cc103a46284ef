//! Arrival stamps: the time of a reading whose payload has none.
//!
//! ```text
//!   waiting ── trusted ──────────────────────► by the wall clock
//!      └────── an hour ──► by the boot's offset, flagged ──► trusted: by the wall clock
//! ```
//! Always:
//! - Strictly rising for each series, also across restarts: no stamp is at or below the floor, and the floor of a
//!   start is the highest stamp of all runs before. Bounded: beyond [`MAX_SERIES`] series the map is folded into the
//!   floor. A clock that goes back by less than two minutes therefore gives stamps that crawl on by 1 ms until it has
//!   caught up.
//! - A clock that goes back further is followed: stamps begin anew, or they would stand still for hours. Until it has
//!   caught up they are flagged, because a stamp may be that of an earlier reading, which it then replaces.
//! - While the clock is not trusted, stamps are the time since the boot ([`super::boots`]).
//! - A series that has more readings than one a millisecond gets stamps ahead of the clock, but never more than
//!   [`AHEAD_MS`] ahead of the latest arrival that there was: what comes beyond is not stamped. So neither the other
//!   series after a restart nor ingest's rule for times in the future are touched by it.

use hashbrown::HashMap;
use pantau_proto::{Flags, TimeMs};

use super::record::{BootOffset, BootTime, Undecided};
use crate::decode::{Columns, UNTIMED};

const MAX_SERIES: usize = 50_000;
/// How far stamps may be ahead, milliseconds.
const AHEAD_MS: i64 = 60_000;
/// How long readings wait for a clock that is trusted, milliseconds since the first of them.
const PATIENCE_MS: i64 = 3_600_000;

/// Marks a reading that was stamped here.
pub(super) const ARRIVAL: u32 = Flags::ARRIVAL_TIME.0 as u32;
const UNCERTAIN: u32 = Flags::CLOCK_UNCERTAIN.0 as u32;

/// This run of the machine, and its clock that no one sets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Boot {
    /// 0 where the kernel gives none: then nothing waits.
    pub(crate) id: u64,
    /// Milliseconds since then.
    pub(crate) since: fn() -> TimeMs,
}

/// What a record says of its readings.
#[derive(Debug, Default)]
pub(crate) struct Stamped {
    /// Of all readings, or none where none has any.
    pub(crate) flags: Vec<u32>,
    pub(crate) boot_time: Option<BootTime>,
}

/// What a look at the clock changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Looked {
    /// Of this boot, once it is decided.
    pub(crate) offset: Option<BootOffset>,
    /// The wall clock went back to this.
    pub(crate) went_back: Option<i64>,
}

/// Gives the stamps.
#[derive(Debug)]
pub(crate) struct Stamps {
    wall: Line,
    /// Stamps up to here are flagged.
    behind: i64,
    boot: Option<Boot>,
    keeping: Keeping,
    offset: Option<BootOffset>,
}

#[derive(Debug)]
enum Keeping {
    Trusted,
    /// Nothing waits any longer.
    Uncertain,
    /// Stamps since the boot.
    Waiting(Line),
}

impl Stamps {
    /// No stamp was higher than `floor` and no arrival later than `latest_arrival`, in ms since the epoch; those up to
    /// `behind` may be taken.
    pub(crate) fn new(floor: i64, latest_arrival: i64, behind: i64) -> Self {
        let wall = Line::new(floor, latest_arrival);
        Self { wall, behind, boot: None, keeping: Keeping::Trusted, offset: None }
    }

    /// The process begins in `boot`, for which `offset` was decided before, or which is `undecided`. `room`: readings
    /// of one more boot may wait.
    pub(crate) fn begin(
        &mut self,
        boot: Boot,
        offset: Option<BootOffset>,
        undecided: Option<Undecided>,
        room: bool,
    ) {
        (self.boot, self.offset) = (Some(boot), offset);
        let undecided = undecided.filter(|undecided| undecided.boot == boot.id);
        self.keeping = match undecided {
            Some(undecided) => Keeping::Waiting(Line::new(undecided.highest, undecided.highest)),
            None if offset.is_none() && room && boot.id != 0 => Keeping::Waiting(Line::new(0, 0)),
            None => Keeping::Uncertain,
        };
    }

    /// Which boot this is, or 0.
    pub(crate) fn boot(&self) -> u64 {
        self.boot.map_or(0, |boot| boot.id)
    }

    /// Stamps were given up to `floor`, by an earlier boot.
    pub(crate) fn rise(&mut self, floor: i64) {
        self.wall.rise(floor);
    }

    /// The wall clock shows `wall`. `undecided` are the readings that wait.
    pub(crate) fn look(&mut self, wall: TimeMs, trusted: bool, undecided: Option<Undecided>) -> Looked {
        let since_boot = self.boot.map_or(0, |boot| (boot.since)().0);
        let undecided = undecided.filter(|undecided| undecided.boot == self.boot());
        if let Keeping::Waiting(line) = &self.keeping {
            let tired =
                undecided.is_some_and(|undecided| since_boot.saturating_sub(undecided.since) >= PATIENCE_MS);
            if !trusted && !tired {
                return Looked::default();
            }
            let first = undecided.map_or(since_boot, |undecided| undecided.since);
            let highest = line.highest;
            let offset = self.decide(wall, since_boot, first, trusted);
            if highest > 0 {
                self.wall.rise(highest.saturating_add(offset.offset));
            }
            self.offset = Some(offset);
        }
        self.keeping = if trusted { Keeping::Trusted } else { Keeping::Uncertain };
        // Where the boot's offset rules, the wall clock is not looked at.
        let ruled = !trusted && self.offset.is_some();
        let went_back = (!ruled && self.wall.is_ahead_of(wall.0)).then_some(wall.0);
        if let Some(to) = went_back {
            self.behind = self.behind.max(self.wall.top());
            self.wall = Line::new(self.wall.floor.min(to), to);
        }
        Looked { offset: self.offset, went_back }
    }

    /// The offset of this boot, the first reading of which came at `first`.
    fn decide(&self, wall: TimeMs, since_boot: i64, first: i64, trusted: bool) -> BootOffset {
        let boot = self.boot();
        if !trusted {
            let undecided = Undecided { boot, since: first, highest: 0, offset: 0 };
            let offset = undecided.by_clock(wall.0, since_boot, self.wall.top());
            return BootOffset { boot, offset, uncertain: true, end: 0 };
        }
        let offset = wall.0.saturating_sub(since_boot);
        // So much further on they come after all stamps before.
        let short = self.wall.floor.saturating_add(1).saturating_sub(first.saturating_add(offset)).max(0);
        let offset = if short <= AHEAD_MS { offset.saturating_add(short) } else { offset };
        // Where stamps may be those of earlier readings.
        let uncertain = short > AHEAD_MS || first.saturating_add(offset) <= self.behind;
        BootOffset { boot, offset, uncertain, end: 0 }
    }

    /// Stamps the untimed readings, which arrived at `arrival`, and takes the flags of all readings out of `columns`.
    ///
    /// # Errors
    /// The places of the readings that came too fast; then nothing is stamped.
    pub(crate) fn stamp(&mut self, columns: &mut Columns, arrival: TimeMs) -> Result<Stamped, Vec<usize>> {
        let since_boot = self.boot.map_or(0, |boot| (boot.since)().0);
        let boot = self.boot();
        let (line, at, boot_time, flagged_to) = match &mut self.keeping {
            Keeping::Waiting(line) => (line, since_boot, Some(BootTime { boot, since_boot }), i64::MIN),
            Keeping::Trusted => (&mut self.wall, arrival.0, None, self.behind),
            Keeping::Uncertain => {
                let at = self.offset.map_or(arrival.0, |offset| since_boot.saturating_add(offset.offset));
                (&mut self.wall, at, None, i64::MAX)
            }
        };
        if !columns.times.contains(&UNTIMED) {
            return Ok(Stamped { flags: std::mem::take(&mut columns.flags), boot_time });
        }
        let mut flags = columns.flags.clone();
        flags.resize(columns.len(), 0);
        let mut too_fast = Vec::new();
        let readings = columns.names.split('\n').zip(&mut columns.times).zip(&mut flags).enumerate();
        for (n, ((name, time), flags)) in readings.filter(|(_, ((_, time), _))| **time == UNTIMED) {
            match line.next(name, at) {
                Some(stamp) => {
                    *time = stamp;
                    *flags |= if stamp <= flagged_to { ARRIVAL | UNCERTAIN } else { ARRIVAL };
                }
                None => too_fast.push(n),
            }
        }
        if too_fast.is_empty() {
            return Ok(Stamped { flags, boot_time });
        }
        line.take_back(&columns.names, &columns.times, &flags);
        for (time, _) in columns.times.iter_mut().zip(flags).filter(|(_, flags)| flags & ARRIVAL != 0) {
            *time = UNTIMED;
        }
        Err(too_fast)
    }

    /// These stamps go to no reading, after all.
    pub(crate) fn take_back(&mut self, names: &str, times: &[i64], flags: &[u32]) {
        match &mut self.keeping {
            Keeping::Waiting(line) => line.take_back(names, times, flags),
            _ => self.wall.take_back(names, times, flags),
        }
    }
}

/// The last stamp of each series, by one clock.
#[derive(Debug)]
struct Line {
    floor: i64,
    highest: i64,
    latest_arrival: i64,
    last: HashMap<Box<str>, i64>,
}

impl Line {
    fn new(floor: i64, latest_arrival: i64) -> Self {
        Self { floor, highest: floor, latest_arrival, last: HashMap::new() }
    }

    /// No stamp and no arrival was later.
    fn top(&self) -> i64 {
        self.highest.max(self.latest_arrival)
    }

    /// Whether it is further ahead of this time than a right clock brings it.
    fn is_ahead_of(&self, wall: i64) -> bool {
        let (arrival, stamp) = (self.latest_arrival, self.highest);
        arrival > wall.saturating_add(2 * AHEAD_MS) || stamp > wall.saturating_add(3 * AHEAD_MS)
    }

    /// Stamps go on above `floor`.
    fn rise(&mut self, floor: i64) {
        self.floor = self.floor.max(floor);
        self.highest = self.highest.max(floor);
        self.latest_arrival = self.latest_arrival.max(floor);
    }

    fn take_back(&mut self, names: &str, times: &[i64], flags: &[u32]) {
        let readings: Vec<_> = names.split('\n').zip(times).zip(flags).collect();
        for ((name, time), _) in readings.into_iter().rev().filter(|(_, flags)| **flags & ARRIVAL != 0) {
            // Unless another reading of the series was stamped meanwhile.
            if let Some(last) = self.last.get_mut(name).filter(|last| **last == *time) {
                *last = time.saturating_sub(1);
            }
        }
    }

    fn next(&mut self, series: &str, arrival: i64) -> Option<i64> {
        self.latest_arrival = self.latest_arrival.max(arrival);
        if self.last.len() >= MAX_SERIES {
            self.floor = self.highest;
            self.last.clear();
        }
        let least = arrival.max(self.floor.saturating_add(1));
        let stamp = match self.last.get_mut(series) {
            Some(last) => {
                let stamp = least.max(last.saturating_add(1));
                if stamp > self.latest_arrival.saturating_add(AHEAD_MS) {
                    return None;
                }
                *last = stamp;
                stamp
            }
            // Another series may have brought the floor where it is.
            None => {
                self.last.insert(series.into(), least);
                least
            }
        };
        self.highest = self.highest.max(stamp);
        Some(stamp)
    }
}
