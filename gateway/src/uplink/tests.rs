#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use pantau_proto::RangeSet;
use proptest::prelude::*;

use super::plan::{NeverSent, Plan};
use crate::backoff::{Backoff, STABLE};

fn set(ranges: &[(u64, u64)]) -> RangeSet {
    ranges.iter().copied().collect()
}

#[test]
fn a_plan_sends_what_is_missing_and_nothing_beyond_the_synced_end() {
    let mut plan = Plan::new(5, set(&[(0, 10), (20, 30)]), 2);
    assert_eq!(plan.next(10), None);
    assert_eq!(plan.next(15), Some((10, 15)));
    plan.sent(10, 15);
    assert_eq!(plan.next(40), Some((15, 20)));
    plan.sent(15, 20);
    assert_eq!(plan.next(40), None, "the window is full");
    assert_eq!(plan.acked(&set(&[(10, 15), (15, 20)])), Ok(true));
    assert_eq!(plan.next(40), Some((30, 40)));
}

#[test]
fn a_batch_stays_in_flight_until_all_of_it_is_acked() {
    let mut plan = Plan::new(0, RangeSet::new(), 1);
    plan.sent(0, 10);
    assert_eq!(plan.acked(&set(&[(0, 4), (5, 10)])), Ok(false));
    assert!(plan.waits() && !plan.open());
    assert_eq!(plan.acked(&set(&[(4, 5)])), Ok(true));
    assert!(!plan.waits());
}

#[test]
fn an_ack_of_what_was_never_sent_changes_nothing() {
    let mut plan = Plan::new(0, RangeSet::new(), 2);
    plan.sent(0, 10);
    assert_eq!(plan.acked(&set(&[(0, 11)])), Err(NeverSent));
    assert_eq!(plan.acked(&set(&[(20, 21)])), Err(NeverSent));
    assert_eq!(plan.next(2_010), Some((10, 2_010)));
    plan.sent_losses(&set(&[(20, 25), (27, 28)]));
    assert_eq!(plan.acked(&set(&[(0, 10), (20, 25), (27, 28)])), Ok(true));
    assert_eq!(plan.next(30), Some((10, 20)));
}

#[test]
fn a_few_readings_gather_while_others_are_in_flight() {
    let mut plan = Plan::new(0, RangeSet::new(), 4);
    assert_eq!(plan.awaited(), 0);
    assert_eq!(plan.next(3), Some((0, 3)), "nothing is in flight: at once");
    plan.sent(0, 3);
    assert_eq!((plan.next(2_002), plan.awaited()), (None, 2_002));
    assert_eq!(plan.next(2_003), Some((3, 2_003)), "enough of them");
    plan.sent(3, 2_003);
    assert_eq!(plan.next(2_004), None);
    assert_eq!(plan.acked(&set(&[(0, 3)])), Ok(true));
    assert_eq!(plan.next(2_004), None, "an answer is due");
    assert_eq!(plan.acked(&set(&[(3, 2_003)])), Ok(true));
    assert_eq!(plan.next(2_004), Some((2_003, 2_004)));
}

#[test]
fn a_gap_is_stepped_over() {
    let mut plan = Plan::new(0, RangeSet::new(), 1);
    plan.skipped(7);
    assert_eq!(plan.next(9), Some((7, 9)));
}

#[test]
fn the_wait_grows_to_its_bound_and_starts_anew_after_a_stable_stream() {
    let mut backoff = Backoff::new(Duration::from_secs(15));
    let waits: Vec<u128> = (0..9).map(|_| backoff.after(Duration::ZERO, 1.0).as_millis()).collect();
    assert_eq!(waits, [200, 400, 800, 1_600, 3_200, 6_400, 12_800, 15_000, 15_000]);
    assert_eq!(backoff.after(STABLE, 1.0).as_millis(), 200);
    assert_eq!(backoff.after(Duration::ZERO, 0.0), Duration::ZERO);
}

proptest! {
    /// Against an ingest that commits at random and forgets what was in flight when a stream ends: every position
    /// arrives, none that was acked is sent again within a stream, and the window holds.
    #[test]
    fn every_position_is_sent_and_nothing_acked_is_sent_again_within_a_stream(
        steps in prop::collection::vec((0_u8..6, 1_u64..40), 1..300),
        window in 1_u32..5,
        settled in prop::collection::vec((0_u64..200, 1_u64..20), 0..4),
    ) {
        let settled: RangeSet = settled.into_iter().map(|(start, len)| (start, start + len)).collect();
        let (mut committed, mut synced) = (RangeSet::new(), 0_u64);
        let start = |committed: &RangeSet| {
            let mut done = committed.clone();
            done.extend(&settled);
            Plan::new(0, done, window)
        };
        let mut plan = start(&committed);
        let mut flights: Vec<(u64, u64)> = Vec::new();
        let mut sent = RangeSet::new();
        let step = |kind: u8, n: u64, plan: &mut Plan, committed: &mut RangeSet, synced: &mut u64,
                        flights: &mut Vec<(u64, u64)>, sent: &mut RangeSet| {
            match kind {
                0 => *synced += n,
                1 | 2 => if let Some((start, end)) = plan.next(*synced) {
                    let end = end.min(start + n);
                    assert!(start < end && end <= *synced && flights.len() < window as usize);
                    for position in start..end {
                        assert!(!committed.contains(position) && !settled.contains(position) && !sent.contains(position));
                    }
                    plan.sent(start, end);
                    sent.insert(start, end);
                    flights.push((start, end));
                },
                3 | 4 => if !flights.is_empty() {
                    let (start, end) = flights[usize::try_from(n).unwrap() % flights.len()];
                    // A part first, now and then.
                    let part = if kind == 3 { end } else { start + (end - start).div_ceil(2) };
                    committed.insert(start, part);
                    plan.acked(&[(start, part)].into_iter().collect()).unwrap();
                    flights.retain(|(start, end)| !committed.contains_range(*start, *end));
                },
                _ => {
                    *plan = start(committed);
                    flights.clear();
                    *sent = RangeSet::new();
                }
            }
        };
        for (kind, n) in steps {
            step(kind, n, &mut plan, &mut committed, &mut synced, &mut flights, &mut sent);
        }
        for _ in 0..2_000 {
            step(1, 1_000, &mut plan, &mut committed, &mut synced, &mut flights, &mut sent);
            step(3, 0, &mut plan, &mut committed, &mut synced, &mut flights, &mut sent);
        }
        committed.extend(&settled);
        prop_assert!(committed.contains_range(0, synced));
    }
}
