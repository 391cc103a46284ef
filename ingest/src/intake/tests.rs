#![allow(clippy::unwrap_used, clippy::expect_used, clippy::single_range_in_vec_init)]

use super::*;
use std::time::Duration;

fn source() -> Source {
    Source { gateway: "gw".parse().unwrap(), epoch: Epoch(1), generation: 1 }
}

#[tokio::test]
async fn an_ack_says_what_it_is_told_once() {
    let (ack, answer) = Ack::new();
    ack.committed(vec![0..3], Vec::new());
    assert_eq!(answer.await, Outcome::Committed { ranges: vec![0..3], rejected: Vec::new() });
    let (ack, answer) = Ack::new();
    ack.rejected("no");
    assert_eq!(answer.await, Outcome::Rejected("no".to_owned()));
    let (ack, answer) = Ack::new();
    ack.retry();
    assert_eq!(answer.await, Outcome::Retry);
}

#[tokio::test]
async fn an_ack_dropped_without_a_word_means_retry() {
    let (ack, mut answer) = Ack::new();
    assert_eq!(answer.try_take(), None);
    drop(ack);
    assert_eq!(answer.try_take(), Some(Outcome::Retry));
    let (ack, answer) = Ack::new();
    drop(Submission::empty(source(), ack));
    assert_eq!(answer.await, Outcome::Retry);
}

#[tokio::test]
async fn a_door_whose_committer_has_gone_means_retry() {
    let (intake, receiver) = Intake::new(1 << 20);
    drop(receiver);
    let (ack, answer) = Ack::new();
    intake.submit(Submission::empty(source(), ack)).await;
    assert_eq!(answer.await, Outcome::Retry);
}

#[tokio::test]
async fn a_full_door_makes_senders_wait_until_room_is_given_back() {
    let (intake, mut receiver) = Intake::new(64 << 10);
    let big = |ack| {
        let mut submission = Submission::empty(source(), ack);
        submission.series = vec![0; 2_000];
        submission
    };
    let (first, _first) = Ack::new();
    intake.submit(big(first)).await;
    let (second, _second) = Ack::new();
    let mut waiting = std::pin::pin!(intake.submit(big(second)));
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut waiting).await.is_err());
    drop(receiver.recv().await);
    tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap();
    assert!(receiver.recv().await.is_some());
}
