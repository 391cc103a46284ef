//! A reading without its series, and the one rule for two readings of the same identity. Exists so that memory, files,
//! flush and queries can never disagree about who wins.

/// One reading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Point {
    pub(crate) time: i64,
    pub(crate) value: f64,
    pub(crate) flags: u16,
}

/// What came of laying a newer reading onto an older one with the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Met {
    /// Bit for bit the same value: nothing changes, not even the flags.
    Duplicate,
    /// Another value: the newer one stands.
    Replaced,
}

/// Tells which of the two it is.
pub(crate) fn meet(older: f64, newer: f64) -> Met {
    if older.to_bits() == newer.to_bits() { Met::Duplicate } else { Met::Replaced }
}

/// Counts of what was met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) duplicates: u64,
    pub(crate) replaced: u64,
}

impl Tally {
    pub(crate) fn count(&mut self, met: Met) {
        match met {
            Met::Duplicate => self.duplicates += 1,
            Met::Replaced => self.replaced += 1,
        }
    }
}

/// Brings points into the order of time with each time once. Among equal times the order in `points` is older to newer.
pub(crate) fn settle(points: &mut Vec<Point>, tally: &mut Tally) {
    points.sort_by_key(|point| point.time);
    points.dedup_by(|newer, older| {
        if newer.time != older.time {
            return false;
        }
        let met = meet(older.value, newer.value);
        if met == Met::Replaced {
            *older = *newer;
        }
        tally.count(met);
        true
    });
}

/// One of several sorted pieces into one, later pieces being newer. Pieces that do not overlap are only joined.
pub(crate) fn merge(pieces: Vec<Vec<Point>>) -> Vec<Point> {
    let mut pieces = pieces.into_iter().filter(|piece| !piece.is_empty());
    let Some(mut all) = pieces.next() else { return Vec::new() };
    let mut in_order = true;
    for piece in pieces {
        in_order &= all.last().map(|point| point.time) < piece.first().map(|point| point.time);
        all.extend_from_slice(&piece);
    }
    if !in_order {
        settle(&mut all, &mut Tally::default());
    }
    all
}
