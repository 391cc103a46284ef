use std::time::Duration;

use pantau_proto::TimeMs;
use proptest::prelude::*;

use super::super::schedule::Grid;
use crate::clock::monotonic_tokio;

/// A wall clock that can be stepped.
const EPOCH: i64 = 1_700_000_000_123;

#[test]
fn the_first_poll_is_made_at_once_and_those_after_it_on_the_clock() {
    let start = monotonic_tokio();
    let period = Duration::from_secs(10);
    let mut grid = Grid::new(period, start);
    assert_eq!(grid.due(), start);
    let wall = |after: u64| TimeMs(1_700_000_003_000 + i64::try_from(after).unwrap());
    assert_eq!(grid.advance(0, start + Duration::from_millis(200), wall(200)), 0);
    assert_eq!(grid.due(), start + Duration::from_secs(7), "at …10 s");
    // Late by three and a half periods: no burst.
    let late = 7_000 + 35_000;
    assert_eq!(grid.advance(0, start + Duration::from_millis(late), wall(late)), 3);
    assert_eq!(grid.due(), start + Duration::from_secs(47));
    // Two periods of rest are missed as well.
    assert_eq!(grid.advance(2, start + Duration::from_millis(47_500), wall(47_500)), 2);
    assert_eq!(grid.due(), start + Duration::from_secs(77));
}

proptest! {
    #[test]
    fn slots_are_a_period_apart_and_every_one_is_polled_or_missed(
        period in 100_u64..100_000,
        polls in proptest::collection::vec((0_u64..400_000, 0_u32..5), 2..60),
    ) {
        let start = monotonic_tokio();
        let wall = |now: tokio::time::Instant| {
            TimeMs(EPOCH + i64::try_from((now - start).as_millis()).unwrap())
        };
        let length = Duration::from_millis(period);
        let mut grid = Grid::new(length, start);
        grid.advance(0, start, wall(start));
        let first = grid.due();
        prop_assert_eq!(wall(first).0.rem_euclid(i64::try_from(period).unwrap()), 0);
        let (mut made, mut missed) = (0_u32, 0);
        for (took, rest) in polls {
            let (due, now) = (grid.due(), grid.due() + Duration::from_millis(took));
            made += 1;
            missed += u32::try_from(grid.advance(rest, now, wall(now))).unwrap();
            prop_assert!(grid.due() > now.max(due));
            prop_assert_eq!(grid.due(), first + length * (made + missed));
        }
    }

    #[test]
    fn after_a_step_of_the_clock_slots_are_aligned_again_and_never_crowd(
        period in 100_u64..100_000,
        polls in proptest::collection::vec(
            (0_u64..200_000, prop_oneof![3 => Just(0_i64), 1 => -100_000_000..100_000_000_i64]), 2..60),
    ) {
        let start = monotonic_tokio();
        let (length, mut stepped) = (Duration::from_millis(period), 0);
        let mut grid = Grid::new(length, start);
        for (took, step) in polls {
            stepped += step;
            let (due, now) = (grid.due(), grid.due() + Duration::from_millis(took));
            let wall = |at: tokio::time::Instant| EPOCH + stepped + i64::try_from((at - start).as_millis()).unwrap();
            grid.advance(0, now, TimeMs(wall(now)));
            prop_assert!(grid.due() > now || grid.due() >= due + length / 2);
            prop_assert!(grid.due() >= due + length / 2 && grid.due() >= now);
            prop_assert!(grid.due() <= now + length * 2);
            // What the clock is slewed by is let pass.
            let off = wall(grid.due()).rem_euclid(i64::try_from(period).unwrap());
            let off = off.min(i64::try_from(period).unwrap() - off);
            prop_assert!(off <= i64::try_from((period / 20).clamp(20, 1_000)).unwrap() + 1);
        }
    }
}
