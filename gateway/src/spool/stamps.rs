//! Arrival stamps: the time of a reading whose payload has none.
//!
//! Always: strictly rising for each series, also across restarts: no stamp is at or below the floor, and the floor
//! of a start is the highest stamp of all runs before. Bounded: beyond [`MAX_SERIES`] series the map is folded into
//! the floor. A clock that goes back therefore gives stamps that crawl on by 1 ms until it has caught up.

use hashbrown::HashMap;

const MAX_SERIES: usize = 50_000;

/// The last stamp of each series.
#[derive(Debug)]
pub(crate) struct Stamps {
    floor: i64,
    highest: i64,
    last: HashMap<Box<str>, i64>,
}

impl Stamps {
    pub(crate) fn new(floor: i64) -> Self {
        Self { floor, highest: floor, last: HashMap::new() }
    }

    /// The stamp for a reading of `series` that arrived at `arrival`.
    pub(crate) fn stamp(&mut self, series: &str, arrival: i64) -> i64 {
        if self.last.len() >= MAX_SERIES {
            self.floor = self.highest;
            self.last.clear();
        }
        let stamp = match self.last.get_mut(series) {
            Some(last) => {
                *last = arrival.max(last.saturating_add(1)).max(self.floor.saturating_add(1));
                *last
            }
            None => {
                let stamp = arrival.max(self.floor.saturating_add(1));
                self.last.insert(series.into(), stamp);
                stamp
            }
        };
        self.highest = self.highest.max(stamp);
        stamp
    }
}
