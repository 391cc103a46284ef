//! Positions that bring no reading: losses, epochs that end, gaps that are left open.

use super::*;

#[test]
fn a_loss_commits_its_positions_and_is_recorded_once() {
    let store = ModelStore::default();
    let mut committer = committer(store.clone());
    let loss =
        || Loss { start: 10, end: 20, count: 10, reason: LossReason::SpoolFull.into(), ..Loss::default() };
    for _ in 0..2 {
        let (mut submission, mut answer) = batch(source("gw", 1), 0, 0, false);
        submission.losses.push(loss());
        commit(&mut committer, vec![submission]).unwrap();
        assert_eq!(ranges(answer.try_take()), [10..20]);
    }
    let commits = store.0.lock().unwrap().commits.clone();
    assert_eq!(commits.iter().flat_map(|commit| &commit.losses).collect::<Vec<_>>(), [&loss()]);
}

#[test]
fn a_loss_counts_what_it_says_without_what_came_after_all() {
    let store = ModelStore::default();
    let mut committer = committer(store.clone());
    let (came, _answer) = batch(source("gw", 1), 8, 5, true);
    commit(&mut committer, vec![came]).unwrap();
    // Positions, readings given up: one position of many messages, one for each reading, and one that came as a whole.
    for (start, end, count) in [(5, 6, 40), (10, 20, 10), (8, 12, 4)] {
        let (mut submission, _answer) = batch(source("gw", 1), 0, 0, false);
        submission.losses = vec![Loss { start, end, count, ..Loss::default() }];
        commit(&mut committer, vec![submission]).unwrap();
    }
    let commits = store.0.lock().unwrap().commits.clone();
    let counts: Vec<u64> = commits.iter().flat_map(|commit| &commit.losses).map(|loss| loss.count).collect();
    assert_eq!(counts, [40, 7]);
}

#[test]
fn an_epoch_that_ends_short_leaves_one_loss_record_of_what_never_came() {
    let store = ModelStore::default();
    let mut committer = committer(store.clone());
    let (first, _a) = batch(source("gw", 1), 2, 2, true);
    commit(&mut committer, vec![first]).unwrap();
    for _ in 0..2 {
        let next = Source { epoch: Epoch(8), generation: 2, ..source("gw", 2) };
        let (mut hello, _answer) = batch(next, 0, 0, false);
        hello.ended = Some((Epoch(7), 0..10));
        hello.reported_next = Some(0);
        commit(&mut committer, vec![hello]).unwrap();
    }
    let commits = store.0.lock().unwrap().commits.clone();
    let losses: Vec<&Loss> = commits.iter().flat_map(|commit| &commit.losses).collect();
    assert_eq!(losses.len(), 1);
    let ended = i32::from(LossReason::EpochEnded);
    assert_eq!((losses[0].start, losses[0].end, losses[0].count, losses[0].reason), (0, 10, 8, ended));
    assert!(store.ranges(&"gw".parse().unwrap(), Epoch(7)).contains_range(0, 10));
}

#[test]
fn more_separate_ranges_than_may_be_are_refused_until_gaps_are_filled() {
    let store = ModelStore::default();
    let mut committer = committer(store.clone());
    let mut taken = |first: u64, count: u32, lost: &mut dyn Iterator<Item = u64>| {
        let (mut submission, mut answer) = batch(source("gw", 1), first, count, first == 0);
        submission.losses =
            lost.map(|at| Loss { start: at, end: at + 1, count: 1, ..Loss::default() }).collect();
        commit(&mut committer, vec![submission]).unwrap();
        match answer.try_take() {
            Some(Outcome::Committed { .. }) => true,
            Some(Outcome::Rejected(reason)) if reason.contains("lowest missing ones first") => false,
            other => panic!("{other:?}"),
        }
    };
    let most = MOST_RANGES as u64;
    assert!(taken(0, 0, &mut (0..most).map(|n| 2 * n + 1)));
    let far = 10 * most;
    assert!(!taken(far, 1, &mut [].into_iter()), "one range more");
    assert!(!taken(far, 0, &mut [1, far].into_iter()), "what is known does not hide it");
    assert!(taken(0, 1, &mut [].into_iter()), "as many as before");
    assert!(taken(2, 1, &mut [].into_iter()), "one less");
    assert!(taken(far, 1, &mut [].into_iter()), "and one more again");
    let committed = store.ranges(&"gw".parse().unwrap(), Epoch(7));
    assert_eq!((committed.len_ranges(), committed.contains_range(0, 4)), (MOST_RANGES, true));
    assert_eq!(values(&store), [0.0, 2.0, far as f64], "nothing of what was refused is stored");
}
