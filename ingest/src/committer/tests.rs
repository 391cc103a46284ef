#![allow(clippy::unwrap_used, clippy::expect_used, clippy::single_range_in_vec_init)]

mod names;
mod positions;

use super::*;
use crate::{
    intake::{Answer, Intake, Source},
    store::embedded::Retention,
    store::{Loss, NewSeries, Refused, SeriesId},
    validate::{self, Entry},
};
use pantau_proto::{
    Epoch, Flags, GatewayId, RangeSet, TimeMs,
    v1::{LossReason, Reason},
};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Mutex,
};

fn entry(name: &str, unit: &str) -> Entry {
    validate::entry(name, unit, &Retention::default())
}

const NOW: i64 = 1_700_000_000_000;

/// A store in memory that fails when it is told to.
#[derive(Clone, Debug, Default)]
struct ModelStore(Arc<Mutex<Model>>);

#[derive(Debug, Default)]
struct Model {
    commits: Vec<Commit>,
    ranges: BTreeMap<(String, u64), RangeSet>,
    /// What the next appends do: take so many commits, or fail; afterwards all goes well.
    next: VecDeque<Result<usize, StoreError>>,
}

impl Store for ModelStore {
    fn append(&mut self, commits: &[Commit]) -> Result<usize, StoreError> {
        let mut model = self.0.lock().unwrap();
        let taken = model.next.pop_front().unwrap_or(Ok(commits.len()))?.clamp(1, commits.len());
        let mut series: usize = model.commits.iter().map(|commit| commit.new_series.len()).sum();
        for commit in &commits[..taken] {
            for new in &commit.new_series {
                assert_eq!(new.id, SeriesId(series as u32), "ids count up without gaps");
                series += 1;
            }
            assert!(commit.readings.series.iter().all(|id| id.index() < series), "every series is known");
            let ranges = model.ranges.entry((commit.gateway.to_string(), commit.epoch.0)).or_default();
            for range in &commit.ranges {
                ranges.insert(range.start, range.end);
            }
            model.commits.push(commit.clone());
        }
        Ok(taken)
    }

    fn ranges(&self, gateway: &GatewayId, epoch: Epoch) -> RangeSet {
        let key = (gateway.to_string(), epoch.0);
        self.0.lock().unwrap().ranges.get(&key).cloned().unwrap_or_default()
    }

    fn next_series(&self) -> SeriesId {
        SeriesId(
            self.0.lock().unwrap().commits.iter().map(|commit| commit.new_series.len()).sum::<usize>() as u32
        )
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Names for ModelStore {
    fn find(&self, name: &str) -> Option<SeriesId> {
        self.series(|series| &*series.name == name).map(|series| series.id)
    }

    fn name(&self, id: SeriesId) -> Option<Arc<str>> {
        self.series(|series| series.id == id).map(|series| series.name)
    }

    fn owner(&self, device: &str) -> Option<GatewayId> {
        let of_device = |series: &NewSeries| series.name.split('/').next() == Some(device);
        self.series(of_device).map(|series| series.gateway)
    }
}

impl ModelStore {
    fn series(&self, wanted: impl Fn(&NewSeries) -> bool) -> Option<NewSeries> {
        let model = self.0.lock().unwrap();
        model.commits.iter().flat_map(|commit| &commit.new_series).find(|series| wanted(series)).cloned()
    }
}

fn committer(store: ModelStore) -> Committer<ModelStore> {
    Committer {
        planner: Planner::new(Registry::new(store.clone(), store.next_series()), 600_000),
        store,
        clock: Clock::manual(TimeMs(NOW)),
        live: Live::default(),
        quarantine: Feed::nowhere(),
        metrics: Arc::default(),
        alone: 0,
    }
}

fn source(gateway: &str, generation: u64) -> Source {
    Source { gateway: gateway.parse().unwrap(), epoch: Epoch(7), generation }
}

/// Readings at `[first, first + count)`, the value is the position. Names its one series when `names`.
fn batch(source: Source, first: u64, count: u32, names: bool) -> (Submission, Answer) {
    let (ack, answer) = Ack::new();
    let positions = first..first + u64::from(count);
    let submission = Submission {
        first,
        count,
        new_series: if names { vec![entry("dev/pulses", "")] } else { Vec::new() },
        series: vec![0; count as usize],
        times: positions.clone().map(|position| NOW - 1000 + position as i64).collect(),
        values: positions.map(|position| position as f64).collect(),
        ..Submission::empty(source, ack)
    };
    (submission, answer)
}

fn commit(committer: &mut Committer<ModelStore>, submissions: Vec<Submission>) -> Result<(), StoreError> {
    committer.commit(&mut submissions.into_iter().map(|submission| (submission, None)).collect())
}

fn values(store: &ModelStore) -> Vec<f64> {
    store.0.lock().unwrap().commits.iter().flat_map(|commit| commit.readings.values.clone()).collect()
}

fn ranges(outcome: Option<Outcome>) -> Vec<std::ops::Range<u64>> {
    match outcome {
        Some(Outcome::Committed { ranges, .. }) => ranges,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_comes_again_is_acked_again_and_stored_once() {
    let store = ModelStore::default();
    let mut committer = committer(store.clone());
    let (first, mut first_answer) = batch(source("gw", 1), 0, 4, true);
    let (again, mut again_answer) = batch(source("gw", 1), 0, 4, false);
    let (overlap, mut overlap_answer) = batch(source("gw", 1), 2, 4, false);
    commit(&mut committer, vec![first, again, overlap]).unwrap();
    assert_eq!(values(&store), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(ranges(first_answer.try_take()), [0..4]);
    assert_eq!(ranges(again_answer.try_take()), [0..4]);
    assert_eq!(ranges(overlap_answer.try_take()), [2..6]);
    let skipped: u64 = store.0.lock().unwrap().commits.iter().map(|commit| commit.skipped).sum();
    assert_eq!(skipped, 6);
}

#[test]
fn a_fenced_stream_gets_nothing_stored() {
    let store = ModelStore::default();
    let mut committer = committer(store.clone());
    let (new, mut new_answer) = batch(source("gw", 2), 0, 2, true);
    let (old, mut old_answer) = batch(source("gw", 1), 2, 2, true);
    commit(&mut committer, vec![new, old]).unwrap();
    assert_eq!(values(&store), [0.0, 1.0]);
    assert_eq!(ranges(new_answer.try_take()), [0..2]);
    assert_eq!(old_answer.try_take(), Some(Outcome::Retry));
    assert_eq!(committer.metrics.fenced.get(), 1);
}

#[test]
fn when_the_store_has_no_room_nothing_is_acked_and_the_stream_starts_anew() {
    let store = ModelStore::default();
    store.0.lock().unwrap().next.push_back(Err(StoreError::Full("test".to_owned())));
    let mut committer = committer(store.clone());
    let (first, mut first_answer) = batch(source("gw", 1), 0, 2, true);
    commit(&mut committer, vec![first]).unwrap();
    assert_eq!(first_answer.try_take(), Some(Outcome::Retry));
    // The rest of the stream is not taken: its dictionary never came to be.
    let (second, mut second_answer) = batch(source("gw", 1), 2, 2, false);
    commit(&mut committer, vec![second]).unwrap();
    assert_eq!(second_answer.try_take(), Some(Outcome::Retry));
    let (anew, mut anew_answer) = batch(source("gw", 2), 0, 4, true);
    commit(&mut committer, vec![anew]).unwrap();
    assert_eq!(ranges(anew_answer.try_take()), [0..4]);
    assert_eq!(values(&store).len(), 4);
}

#[test]
fn what_the_store_took_before_it_was_full_is_acked() {
    let store = ModelStore::default();
    store.0.lock().unwrap().next.extend([Ok(1), Err(StoreError::Busy)]);
    let mut committer = committer(store.clone());
    let (first, mut first_answer) = batch(source("gw", 1), 0, 2, true);
    let (second, mut second_answer) = batch(source("other", 1), 0, 2, true);
    commit(&mut committer, vec![first, second]).unwrap();
    assert_eq!(ranges(first_answer.try_take()), [0..2]);
    assert_eq!(second_answer.try_take(), Some(Outcome::Retry));
}

#[test]
fn a_failed_store_ends_the_committer_without_an_ack() {
    let store = ModelStore::default();
    store.0.lock().unwrap().next.push_back(Err(StoreError::Failed("fsync".to_owned())));
    let mut committer = committer(store);
    let (first, mut answer) = batch(source("gw", 1), 0, 2, true);
    assert!(commit(&mut committer, vec![first]).is_err());
    assert_eq!(answer.try_take(), Some(Outcome::Retry));
}

#[test]
fn a_submission_that_is_too_large_is_rejected_alone() {
    let store = ModelStore::default();
    let large = || Err(StoreError::TooLarge { bytes: 1 });
    store.0.lock().unwrap().next.extend([large(), large()]);
    let mut committer = committer(store.clone());
    let (a, mut a_answer) = batch(source("a", 1), 0, 1, true);
    let (b, mut b_answer) = batch(source("b", 1), 0, 1, true);
    commit(&mut committer, vec![a, b]).unwrap();
    assert_eq!((a_answer.try_take(), b_answer.try_take()), (Some(Outcome::Retry), Some(Outcome::Retry)));
    assert!(committer.alone > 0);
    let (a, mut a_answer) = batch(source("a", 2), 0, 1, true);
    commit(&mut committer, vec![a]).unwrap();
    assert!(matches!(a_answer.try_take(), Some(Outcome::Rejected(_))));
}

#[test]
fn a_device_of_another_gateway_goes_to_the_quarantine() {
    let store = ModelStore::default();
    let mut committer = committer(store.clone());
    let (owner, _owner) = batch(source("owner", 1), 0, 1, true);
    let (mut thief, mut answer) = batch(source("thief", 1), 0, 3, true);
    thief.new_series.push(entry("own/pulses", ""));
    thief.series = vec![1, 0, 1];
    commit(&mut committer, vec![owner, thief]).unwrap();
    assert_eq!(values(&store), [0.0, 0.0, 2.0]);
    let Some(Outcome::Committed { ranges, rejected }) = answer.try_take() else { panic!("not committed") };
    assert_eq!((ranges, rejected.len()), (vec![0..3], 1));
    assert_eq!((rejected[0].position, rejected[0].reason), (1, Reason::NotOwner));
    assert!(rejected[0].detail.contains("belongs to gateway owner"), "{rejected:?}");
    let quarantined = store.0.lock().unwrap().commits[1].refused.clone();
    assert_eq!((quarantined[0].topic.as_str(), quarantined[0].payload.as_slice()), ("dev/pulses", &b"1"[..]));
}

#[test]
fn old_readings_are_flagged_late_at_the_commit() {
    let store = ModelStore::default();
    let mut committer = committer(store.clone());
    let (mut old, _answer) = batch(source("gw", 1), 0, 3, true);
    old.times = vec![NOW - 600_001, NOW - 600_000, NOW];
    commit(&mut committer, vec![old]).unwrap();
    assert_eq!(store.0.lock().unwrap().commits[0].readings.flags, [Flags::LATE.0, 0, 0]);
}

#[test]
fn refused_payloads_keep_their_positions_when_a_batch_overlaps() {
    let store = ModelStore::default();
    let mut committer = committer(store.clone());
    let refuse = |position| Refused { position, source: "mqtt".to_owned(), ..Refused::default() };
    // Positions 0 1 2 3 4 5: reading, refused, reading, rejected, reading, reading.
    let make = |first: u64, count: u32, values: Vec<f64>, refused: Vec<u64>, rejected: Vec<u64>, names| {
        let (mut submission, answer) = batch(source("gw", 1), first, count, names);
        submission.series.truncate(values.len());
        submission.times.truncate(values.len());
        submission.values = values;
        submission.refused = refused.into_iter().map(refuse).collect();
        submission.rejected = rejected.into_iter().map(refuse).collect();
        (submission, answer)
    };
    let (first, _a) = make(0, 3, vec![0.0, 2.0], vec![1], vec![], true);
    let (whole, mut answer) = make(0, 6, vec![0.0, 2.0, 4.0, 5.0], vec![1], vec![3], false);
    commit(&mut committer, vec![first, whole]).unwrap();
    assert_eq!(values(&store), [0.0, 2.0, 4.0, 5.0]);
    let refused: Vec<u64> =
        store.0.lock().unwrap().commits.iter().flat_map(|c| &c.refused).map(|r| r.position).collect();
    assert_eq!(refused, [1, 3]);
    let Some(Outcome::Committed { rejected, .. }) = answer.try_take() else { panic!("not committed") };
    assert_eq!(
        rejected.iter().map(|r| r.position).collect::<Vec<_>>(),
        [3],
        "the gateway knows its own refusals"
    );
}

#[tokio::test]
async fn what_is_in_the_queue_when_the_door_closes_is_committed() {
    let store = ModelStore::default();
    let (intake, queue) = Intake::new(1 << 20);
    let (first, mut first_answer) = batch(source("gw", 1), 0, 2, true);
    let (late, mut late_answer) = batch(source("gw", 1), 2, 2, false);
    intake.submit(first).await;
    intake.close().await;
    intake.submit(late).await;
    let committer = committer(store.clone());
    tokio::task::spawn_blocking(move || committer.run(queue).map(drop)).await.unwrap().unwrap();
    assert_eq!(ranges(first_answer.try_take()), [0..2]);
    // What was sent before the committer closed the queue may still be in it; it is committed or to be sent again.
    match late_answer.try_take() {
        Some(Outcome::Committed { .. }) => assert_eq!(values(&store).len(), 4),
        Some(Outcome::Retry) => assert_eq!(values(&store).len(), 2),
        other => panic!("{other:?}"),
    }
}

proptest! {
    /// Two streams of one gateway, the second begins anywhere; batches of any size, in any order, again and again;
    /// the store fails or takes a part at any time.
    #[test]
    fn any_interleaving_of_two_streams_stores_each_position_once(
        steps in prop::collection::vec((0u64..40, 1u32..12, any::<bool>(), 0u8..8), 1..60),
        together in 1usize..5,
    ) {
        let store = ModelStore::default();
        let mut committer = committer(store.clone());
        let mut generation = [1, 2];
        let mut named = [false, false];
        let mut acked = RangeSet::new();
        for group in steps.chunks(together) {
            let (mut submissions, mut answers) = (Vec::new(), Vec::new());
            for (first, count, second, fault) in group {
                let stream = usize::from(*second);
                match fault {
                    0 => store.0.lock().unwrap().next.push_back(Err(StoreError::Busy)),
                    1 => store.0.lock().unwrap().next.push_back(Ok(1)),
                    _ => {}
                }
                let (submission, answer) = batch(source("gw", generation[stream]), *first, *count, !named[stream]);
                named[stream] = true;
                submissions.push(submission);
                answers.push((stream, answer));
            }
            commit(&mut committer, submissions).unwrap();
            for (stream, mut answer) in answers {
                match answer.try_take() {
                    Some(Outcome::Committed { ranges, .. }) => {
                        for range in ranges {
                            acked.insert(range.start, range.end);
                        }
                    }
                    Some(Outcome::Retry) => {
                        // The gateway connects again.
                        generation[stream] = generation[0].max(generation[1]) + 1;
                        named[stream] = false;
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
            }
        }
        let mut stored = values(&store);
        stored.sort_by(f64::total_cmp);
        prop_assert!(stored.windows(2).all(|pair| pair[0] < pair[1]), "stored twice: {stored:?}");
        let committed = store.ranges(&"gw".parse().unwrap(), Epoch(7));
        prop_assert_eq!(stored.len() as u64, committed.len_positions());
        for (start, end) in acked.iter() {
            prop_assert!(committed.contains_range(start, end), "acked but not stored: {start}..{end}");
        }
    }
}
