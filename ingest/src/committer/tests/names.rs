//! Names and owners while the store takes a part, or nothing.

use super::*;

/// A reading of each series.
fn naming(source: Source, first: u64, names: &[&str]) -> (Submission, Answer) {
    let count = names.len() as u32;
    let (mut submission, answer) = batch(source, first, count, false);
    submission.new_series = names.iter().map(|name| entry(name, "")).collect();
    submission.series = (0..count).collect();
    (submission, answer)
}

/// Positions that were refused because their device is another gateway's.
fn foreign(outcome: Option<Outcome>) -> Vec<u64> {
    let Some(Outcome::Committed { rejected, .. }) = outcome else { panic!("{outcome:?}") };
    assert!(rejected.iter().all(|rejection| rejection.reason == Reason::NotOwner), "{rejected:?}");
    rejected.into_iter().map(|rejection| rejection.position).collect()
}

#[test]
fn what_the_store_did_not_take_is_nobodys_and_its_number_is_given_again() {
    let store = ModelStore::default();
    store.0.lock().unwrap().next.extend([Ok(1), Err(StoreError::Busy)]);
    let mut committer = committer(store.clone());
    let (a, mut a_answer) = naming(source("a", 1), 0, &["one/pulses", "one/pulses/b"]);
    let (b, mut b_answer) = naming(source("b", 1), 0, &["two/pulses", "three/pulses"]);
    commit(&mut committer, vec![a, b]).unwrap();
    assert_eq!(foreign(a_answer.try_take()), [0; 0]);
    assert_eq!(b_answer.try_take(), Some(Outcome::Retry));
    assert_eq!(store.next_series(), SeriesId(2));

    // Meanwhile another gateway comes first with one of the devices.
    let (c, mut c_answer) = naming(source("c", 1), 0, &["three/pulses", "one/pulses"]);
    let (b, mut b_answer) = naming(source("b", 2), 0, &["two/pulses", "three/pulses", "three/pulses/b"]);
    commit(&mut committer, vec![c, b]).unwrap();
    assert_eq!((foreign(c_answer.try_take()), foreign(b_answer.try_take())), (vec![1], vec![1, 2]));
    let found = ["one/pulses", "one/pulses/b", "three/pulses", "two/pulses"].map(|name| store.find(name));
    assert_eq!(found, [0, 1, 2, 3].map(|id| Some(SeriesId(id))));
    assert_eq!(store.find("three/pulses/b"), None);
}

#[test]
fn a_name_that_comes_again_in_another_stream_or_group_keeps_its_number() {
    let store = ModelStore::default();
    let mut committer = committer(store.clone());
    let (first, _answer) = naming(source("a", 1), 0, &["one/pulses", "one/pulses/b"]);
    let (same_group, _answer) = naming(source("a", 2), 2, &["one/pulses/b", "one/pulses/c"]);
    commit(&mut committer, vec![first, same_group]).unwrap();
    let (later, _answer) = naming(source("a", 3), 4, &["one/pulses/c", "one/pulses", "one/pulses/d"]);
    commit(&mut committer, vec![later]).unwrap();
    let commits = store.0.lock().unwrap().commits.clone();
    let numbers = commits.iter().map(|commit| commit.readings.series.iter().map(|id| id.0).collect());
    assert_eq!(numbers.collect::<Vec<Vec<u32>>>(), [vec![0, 1], vec![1, 2], vec![2, 0, 3]]);
    // What is called out has the names of the store.
    let called = [0, 3, 4].map(|id| committer.planner.registry.called(SeriesId(id)));
    assert_eq!(
        called.map(|name| name.map(|name| name.to_string())),
        [Some("one/pulses".to_owned()), Some("one/pulses/d".to_owned()), None]
    );
}
