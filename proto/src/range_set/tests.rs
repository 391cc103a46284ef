#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{RangeError, RangeSet};
use crate::v1::Range;

const SPACE: u64 = 60;

fn holds_its_invariant(set: &RangeSet) -> bool {
    let ranges: Vec<_> = set.iter().collect();
    ranges.iter().all(|(start, end)| start < end) && ranges.windows(2).all(|pair| pair[0].1 < pair[1].0)
}

proptest! {
    #[test]
    fn it_agrees_with_a_plain_set_of_positions(
        inserts in prop::collection::vec((0..SPACE, 0..12_u64), 0..40),
        below in prop::option::of(0..SPACE),
        (from, width) in (0..SPACE, 0..SPACE),
    ) {
        let mut set = RangeSet::new();
        let mut model = BTreeSet::new();
        for (start, len) in inserts {
            let new = (start..start + len).filter(|position| model.insert(*position)).count() as u64;
            prop_assert_eq!(set.insert(start, start + len), new);
            prop_assert!(holds_its_invariant(&set));
        }
        if let Some(below) = below {
            set.remove_below(below);
            model = model.split_off(&below);
            prop_assert!(holds_its_invariant(&set));
        }
        let end = from + width;
        for position in 0..SPACE + 15 {
            prop_assert_eq!(set.contains(position), model.contains(&position));
        }
        prop_assert_eq!(set.len_positions(), model.len() as u64);
        prop_assert_eq!(set.contains_range(from, end), (from..end).all(|p| model.contains(&p)));
        prop_assert_eq!(set.first_gap(from), (from..).find(|p| !model.contains(p)).unwrap());
        prop_assert_eq!(set.end(), model.last().map_or(0, |last| last + 1));
        let missing: Vec<_> = set.missing(from, end).collect();
        prop_assert!(missing.iter().all(|(s, e)| s < e));
        let missing: Vec<u64> = missing.into_iter().flat_map(|(s, e)| s..e).collect();
        prop_assert_eq!(missing, (from..end).filter(|p| !model.contains(p)).collect::<Vec<_>>());
        prop_assert_eq!(RangeSet::from_wire(&set.to_wire()).unwrap(), set);
    }
}

#[test]
fn a_range_that_ends_before_it_begins_is_refused() {
    let wire = [Range { start: 1, end: 4 }, Range { start: 9, end: 8 }];
    assert_eq!(RangeSet::from_wire(&wire).unwrap_err(), RangeError { start: 9, end: 8 });
}

#[test]
fn the_ends_of_the_number_range_do_not_overflow() {
    let mut set = RangeSet::new();
    assert_eq!(set.insert(u64::MAX - 1, u64::MAX), 1);
    assert_eq!(set.insert(0, u64::MAX), u64::MAX - 1);
    assert_eq!(set.len_positions(), u64::MAX);
    assert_eq!(set.first_gap(5), u64::MAX);
    assert_eq!(set.missing(0, u64::MAX).count(), 0);
}
