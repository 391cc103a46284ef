//! What retention drops, and when. Pure.
//!
//! What always holds:
//! - A month's readings go [`GRACE_MS`] after its time is over, its roll-ups likewise after theirs. What was accepted just
//!   before is by then in its file: else it would come into a file of its own after the month was dropped.
//! - Readings go before their roll-ups only where all of a month and class is one part with roll-ups, so that no hour
//!   stands in two of them. What is not yet so is prepared by merging it. A part that cannot be merged, because it is
//!   damaged, does not hold this up: its readings go by themselves, rolled up as far as they can be read.
//! - A clock that is ahead drops nothing: the current month is at most the one after the newest that has readings.

use std::collections::HashSet;

use super::datafile::FileId;
use super::manifest::FileRef;
use super::months::{month_of, month_start};
use super::retention::Keep;

/// From the end of a month's time to the end of its files: three days.
pub(crate) const GRACE_MS: i64 = 3 * 86_400_000;

/// What is dropped of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Its readings and its roll-ups.
    Whole,
    /// Its readings.
    Raw,
}

/// What is to be done now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) drops: Vec<(FileId, What)>,
    /// Months of classes that have to become one part with roll-ups.
    pub(crate) prepare: Vec<(i64, u16)>,
}

/// When readings and roll-ups of a month go; `None`: never.
pub(crate) fn ends(keep: Option<Keep>, month: i64) -> (Option<i64>, Option<i64>) {
    let end = |months: u32| (months > 0).then(|| month_start(month + i64::from(months) + 1) + GRACE_MS);
    keep.map_or((None, None), |keep| (end(keep.raw_months), end(keep.rollup_months)))
}

/// The time that counts as now: no later than what the newest part allows.
pub(crate) fn believed(now: i64, parts: &[FileRef]) -> i64 {
    let newest = parts.iter().filter(|part| part.bytes > 0).map(|part| part.id.month).max();
    newest.map_or(now, |newest| if month_of(now) > newest + 1 { month_start(newest + 2) - 1 } else { now })
}

/// What goes at `now`. `parts` is in the order of age; `apart` are those that are not merged.
pub(crate) fn due(
    parts: &[FileRef],
    apart: &HashSet<FileId>,
    keep: impl Fn(u16) -> Option<Keep>,
    now: i64,
) -> Due {
    let mut due = Due::default();
    let over = |end: Option<i64>| end.is_some_and(|end| end <= now);
    for part in parts {
        let id = part.id;
        let (raw, rollup) = ends(keep(id.class), id.month);
        if over(rollup) {
            due.drops.push((id, What::Whole));
        } else if over(raw) && part.bytes > 0 {
            let same = |other: &&FileRef| {
                other.bytes > 0 && (other.id.month, other.id.class) == (id.month, id.class)
            };
            let alone = part.rollup_bytes > 0 && parts.iter().filter(same).count() == 1;
            if alone || apart.contains(&id) {
                due.drops.push((id, What::Raw));
            } else if !due.prepare.contains(&(id.month, id.class)) {
                due.prepare.push((id.month, id.class));
            }
        }
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARCH: i64 = 674; // 2026-03

    fn part(seq: u64, month: i64, class: u16, bytes: u64, rollup_bytes: u64) -> FileRef {
        FileRef { id: FileId { seq, generation: 0, month, class }, bytes, rollup_bytes }
    }

    /// Class 0 keeps everything, class 1 readings for a month and roll-ups for three, class 2 both for two; 3 is unknown.
    fn keep(class: u16) -> Option<Keep> {
        match class {
            0 => Some(Keep::default()),
            1 => Some(Keep { raw_months: 1, rollup_months: 3 }),
            2 => Some(Keep { raw_months: 2, rollup_months: 2 }),
            _ => None,
        }
    }

    type Told = (Vec<(u64, What)>, Vec<(i64, u16)>);

    fn at(parts: &[FileRef], apart: &[u64], now: i64) -> Told {
        let apart = parts.iter().map(|part| part.id).filter(|id| apart.contains(&id.seq)).collect();
        let Due { drops, prepare } = due(parts, &apart, keep, now);
        (drops.into_iter().map(|(id, what)| (id.seq, what)).collect(), prepare)
    }

    #[test]
    fn a_month_is_kept_three_days_longer_than_it_is_taken() {
        let parts = [
            part(0, MARCH, 0, 9, 0),
            part(1, MARCH, 1, 9, 9),
            part(2, MARCH, 2, 9, 9),
            part(3, MARCH, 3, 9, 9),
        ];
        let may = month_start(MARCH + 2);
        assert_eq!(at(&parts, &[], may + GRACE_MS - 1), (vec![], vec![]));
        assert_eq!(at(&parts, &[], may + GRACE_MS), (vec![(1, What::Raw)], vec![]));
        let june = month_start(MARCH + 3) + GRACE_MS;
        assert_eq!(at(&parts, &[], june - 1).0, [(1, What::Raw)]);
        assert_eq!(at(&parts, &[], june).0, [(1, What::Raw), (2, What::Whole)]);
        let july = month_start(MARCH + 4) + GRACE_MS;
        assert_eq!(at(&parts, &[], july).0, [(1, What::Whole), (2, What::Whole)]);
    }

    #[test]
    fn readings_go_before_roll_ups_only_from_a_part_that_is_alone_and_has_them() {
        let may = month_start(MARCH + 2) + GRACE_MS;
        assert_eq!(at(&[part(0, MARCH, 1, 9, 0)], &[], may), (vec![], vec![(MARCH, 1)]));
        let two = [part(0, MARCH, 1, 9, 9), part(1, MARCH, 1, 9, 9), part(2, MARCH, 2, 9, 9)];
        assert_eq!(at(&two, &[], may), (vec![], vec![(MARCH, 1)]));
        assert_eq!(at(&[part(0, MARCH, 1, 0, 9)], &[], may), (vec![], vec![]), "they are gone already");
    }

    #[test]
    fn what_is_damaged_goes_by_itself_and_holds_nothing_up() {
        let may = month_start(MARCH + 2) + GRACE_MS;
        let parts = [part(0, MARCH, 1, 9, 0), part(1, MARCH, 1, 9, 0), part(2, MARCH, 1, 9, 0)];
        assert_eq!(at(&parts, &[1], may), (vec![(1, What::Raw)], vec![(MARCH, 1)]));
        let later = [part(1, MARCH, 1, 0, 9), part(2, MARCH, 1, 9, 9)];
        assert_eq!(at(&later, &[1], may), (vec![(2, What::Raw)], vec![]));
        assert_eq!(at(&parts, &[1], may - 1), (vec![], vec![]), "it stays while it is wanted");
    }

    #[test]
    fn a_clock_that_is_years_ahead_drops_nothing_that_is_new() {
        let parts = [part(0, MARCH, 0, 9, 0), part(1, MARCH + 1, 1, 9, 9), part(2, MARCH + 9, 1, 0, 9)];
        let now = month_start(MARCH + 2);
        assert_eq!(believed(now + 5, &parts), now + 5);
        assert_eq!(believed(month_start(MARCH + 700), &parts), month_start(MARCH + 3) - 1);
        assert_eq!(believed(now, &[]), now);
    }
}
