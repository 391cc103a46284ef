//! A set of positions as sorted, merged, half-open ranges: what is committed, what is acknowledged, what
//! is missing. Mostly one long range with a few holes, so a sorted vector is the fastest there is.
//!
//! Always holds: ranges ascend, none is empty, no two touch or overlap.

#[cfg(test)]
mod tests;

use crate::v1;

/// Positions as half-open ranges. `u64::MAX` itself is no position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RangeSet {
    ranges: Vec<(u64, u64)>,
}

/// Why ranges from the wire are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the range [{start}, {end}) ends before it begins")]
pub struct RangeError {
    /// Its start.
    pub start: u64,
    /// Its end.
    pub end: u64,
}

impl RangeSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// Adds [start, end); nothing happens when it is empty. Returns how many positions were new.
    pub fn insert(&mut self, start: u64, end: u64) -> u64 {
        if start >= end {
            return 0;
        }
        // The common case: the next range continues or follows the last.
        match self.ranges.last_mut() {
            None => {
                self.ranges.push((start, end));
                return end - start;
            }
            Some(last) if last.1 == start => {
                last.1 = end;
                return end - start;
            }
            Some(last) if last.1 < start => {
                self.ranges.push((start, end));
                return end - start;
            }
            Some(_) => {}
        }
        // All ranges that touch or overlap the new one melt into it.
        let from = self.ranges.partition_point(|range| range.1 < start);
        let to = self.ranges.partition_point(|range| range.0 <= end);
        let melted = &self.ranges[from..to];
        let known: u64 = melted.iter().map(|&(s, e)| e.min(end).saturating_sub(s.max(start))).sum();
        let low = melted.first().map_or(start, |range| range.0.min(start));
        let high = melted.last().map_or(end, |range| range.1.max(end));
        self.ranges.splice(from..to, [(low, high)]);
        end - start - known
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: &Self) {
        for (start, end) in other.iter() {
            self.insert(start, end);
        }
    }

    /// Takes out everything below `position`.
    pub fn remove_below(&mut self, position: u64) {
        let keep = self.ranges.partition_point(|range| range.1 <= position);
        self.ranges.drain(..keep);
        if let Some(first) = self.ranges.first_mut() {
            first.0 = first.0.max(position);
        }
    }

    /// Whether `position` is in the set.
    #[must_use]
    pub fn contains(&self, position: u64) -> bool {
        self.range_after(position).is_some_and(|range| range.0 <= position)
    }

    /// Whether all of [start, end) is in the set. True for an empty range.
    #[must_use]
    pub fn contains_range(&self, start: u64, end: u64) -> bool {
        start >= end || self.range_after(start).is_some_and(|range| range.0 <= start && range.1 >= end)
    }

    /// The first range that ends after `position`.
    fn range_after(&self, position: u64) -> Option<(u64, u64)> {
        self.ranges.get(self.ranges.partition_point(|range| range.1 <= position)).copied()
    }

    /// The parts of [start, end) that are not in the set, ascending.
    pub fn missing(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let from = self.ranges.partition_point(|range| range.1 <= start);
        let mut rest = self.ranges[from..].iter();
        let mut at = start;
        std::iter::from_fn(move || {
            while at < end {
                let Some(&(known, known_end)) = rest.next() else {
                    let gap = (at, end);
                    at = end;
                    return Some(gap);
                };
                let gap = (at, known.min(end));
                at = known_end;
                if gap.0 < gap.1 {
                    return Some(gap);
                }
            }
            None
        })
    }

    /// The first position at or after `from` that is not in the set.
    #[must_use]
    pub fn first_gap(&self, from: u64) -> u64 {
        self.range_after(from).map_or(from, |(start, end)| if start <= from { end } else { from })
    }

    /// The ranges, ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, u64)> + DoubleEndedIterator + '_ {
        self.ranges.iter().copied()
    }

    /// How many positions there are.
    #[must_use]
    pub fn len_positions(&self) -> u64 {
        self.ranges.iter().map(|(start, end)| end - start).sum()
    }

    /// How many ranges there are.
    #[must_use]
    pub fn len_ranges(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// One after the highest position; 0 for the empty set.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.ranges.last().map_or(0, |range| range.1)
    }

    /// As the wire has it.
    #[must_use]
    pub fn to_wire(&self) -> Vec<v1::Range> {
        self.iter().map(|(start, end)| v1::Range { start, end }).collect()
    }

    /// From the wire; order, overlaps and empty ranges do not matter.
    ///
    /// # Errors
    /// When a range ends before it begins.
    pub fn from_wire(ranges: &[v1::Range]) -> Result<Self, RangeError> {
        let mut set = Self::new();
        for &v1::Range { start, end } in ranges {
            if start > end {
                return Err(RangeError { start, end });
            }
            set.insert(start, end);
        }
        Ok(set)
    }
}

impl FromIterator<(u64, u64)> for RangeSet {
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(ranges: I) -> Self {
        let mut set = Self::new();
        for (start, end) in ranges {
            set.insert(start, end);
        }
        set
    }
}
