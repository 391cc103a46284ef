//! Arrival stamps: the time of a reading whose payload has none.
//!
//! Always:
//! - Strictly rising for each series, also across restarts: no stamp is at or below the floor, and the floor of a
//!   start is the highest stamp of all runs before. Bounded: beyond [`MAX_SERIES`] series the map is folded into the
//!   floor. A clock that goes back therefore gives stamps that crawl on by 1 ms until it has caught up.
//! - A series that has more readings than one a millisecond gets stamps ahead of the clock, but never more than
//!   [`AHEAD_MS`] ahead of the latest arrival that there was: what comes beyond is not stamped. So neither the other
//!   series after a restart nor ingest's rule for times in the future are touched by it.

use hashbrown::HashMap;
use pantau_proto::{Flags, TimeMs};

use crate::decode::{Columns, UNTIMED};

const MAX_SERIES: usize = 50_000;
/// How far stamps may be ahead, milliseconds.
const AHEAD_MS: i64 = 60_000;

/// Marks a reading that was stamped here.
pub(super) const ARRIVAL: u32 = Flags::ARRIVAL_TIME.0 as u32;

/// The last stamp of each series.
#[derive(Debug)]
pub(crate) struct Stamps {
    floor: i64,
    highest: i64,
    latest_arrival: i64,
    last: HashMap<Box<str>, i64>,
}

impl Stamps {
    /// No stamp was higher than `floor` and no arrival later than `latest_arrival`, in ms since the epoch.
    pub(crate) fn new(floor: i64, latest_arrival: i64) -> Self {
        Self { floor, highest: floor, latest_arrival, last: HashMap::new() }
    }

    /// Stamps the untimed readings, which arrived at `arrival`, and takes the flags of all readings out of `columns`.
    ///
    /// # Errors
    /// The places of the readings that came too fast; then nothing is stamped.
    pub(crate) fn stamp(&mut self, columns: &mut Columns, arrival: TimeMs) -> Result<Vec<u32>, Vec<usize>> {
        let mut flags = columns.flags.clone();
        flags.resize(columns.len(), 0);
        let mut too_fast = Vec::new();
        let readings = columns.names.split('\n').zip(&mut columns.times).zip(&mut flags).enumerate();
        for (n, ((name, time), flags)) in readings.filter(|(_, ((_, time), _))| **time == UNTIMED) {
            match self.next(name, arrival.0) {
                Some(stamp) => {
                    *time = stamp;
                    *flags |= ARRIVAL;
                }
                None => too_fast.push(n),
            }
        }
        if too_fast.is_empty() {
            return Ok(flags);
        }
        self.take_back(&columns.names, &columns.times, &flags);
        for (time, _) in columns.times.iter_mut().zip(flags).filter(|(_, flags)| flags & ARRIVAL != 0) {
            *time = UNTIMED;
        }
        Err(too_fast)
    }

    /// These stamps go to no reading, after all.
    pub(crate) fn take_back(&mut self, names: &str, times: &[i64], flags: &[u32]) {
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
