use super::super::deliveries::{Deliveries, Repeat};
use crate::intake::types::MAX_ENTRIES;

#[test]
fn a_repeat_on_a_later_connection_is_known_once_and_then_belongs_to_that_connection() {
    let mut deliveries = Deliveries::recovered(&[(1, 11), (2, 22)]);
    deliveries.connected();
    assert_eq!(deliveries.repeat(2, 22), Repeat::OfEarlierConnection);
    assert_eq!(deliveries.repeat(2, 22), Repeat::OfThisConnection);
    deliveries.connected();
    assert_eq!(deliveries.repeat(2, 22), Repeat::OfEarlierConnection);
}

#[test]
fn another_payload_or_a_new_use_of_the_id_is_no_repeat() {
    let mut deliveries = Deliveries::recovered(&[(1, 11), (2, 22)]);
    deliveries.connected();
    assert_eq!(deliveries.repeat(1, 99), Repeat::Unknown);
    deliveries.forget(2);
    assert_eq!(deliveries.repeat(2, 22), Repeat::Unknown);
    assert_eq!(deliveries.repeat(3, 33), Repeat::Unknown);
}

#[test]
fn a_repeat_shows_that_the_client_knows_the_acknowledgements_before_it() {
    let mut deliveries = Deliveries::recovered(&[(1, 11), (2, 22), (3, 33)]);
    deliveries.connected();
    assert_eq!(deliveries.repeat(2, 22), Repeat::OfEarlierConnection);
    assert_eq!(deliveries.repeat(3, 33), Repeat::OfEarlierConnection);
    // The client has begun with 2: message 1 was acknowledged, this is another one under its id.
    assert_eq!(deliveries.repeat(1, 11), Repeat::Unknown);
    // What it sent again is still known when it is sent once more.
    deliveries.connected();
    assert_eq!(deliveries.repeat(2, 22), Repeat::OfEarlierConnection);
    assert_eq!(deliveries.repeat(3, 33), Repeat::OfEarlierConnection);
}

#[test]
fn only_the_latest_entries_are_kept() {
    let mut deliveries = Deliveries::default();
    for id in 1..=u16::try_from(MAX_ENTRIES + 10).unwrap() {
        deliveries.insert(id, u64::from(id));
    }
    deliveries.connected();
    assert_eq!(deliveries.repeat(10, 10), Repeat::Unknown);
    assert_eq!(deliveries.repeat(11, 11), Repeat::OfEarlierConnection);
}

#[test]
fn an_id_that_is_used_again_and_again_does_not_push_out_the_others() {
    let mut deliveries = Deliveries::default();
    deliveries.insert(1, 1);
    for round in 0..1500 {
        deliveries.forget(2);
        deliveries.insert(2, round);
    }
    deliveries.connected();
    assert_eq!(deliveries.repeat(1, 1), Repeat::OfEarlierConnection);
}
