use pantau_proto::TimeMs;

use super::super::deliveries::{Deliveries, Repeat};
use crate::intake::types::{Delivered, MAX_ENTRIES};

const SECOND: i64 = 1_000;

/// Seconds of some day.
fn at(second: i64) -> TimeMs {
    TimeMs(1_800_000_000_000 + second * SECOND)
}

/// Messages with these ids, one a second from second 0 on; the hash is eleven times the id.
fn stored(ids: &[u16]) -> Deliveries {
    let entry = |(second, id): (i64, &u16)| Delivered {
        packet_id: *id,
        hash: u64::from(*id) * 11,
        arrival: at(second),
    };
    let entries: Vec<Delivered> = (0..).zip(ids).map(entry).collect();
    let mut deliveries = Deliveries::recovered(&entries);
    deliveries.connected();
    deliveries
}

#[test]
fn a_repeat_on_a_later_connection_is_known_once_and_then_belongs_to_that_connection() {
    let mut deliveries = stored(&[1, 2]);
    assert_eq!(deliveries.repeat(2, 22, at(2)), Repeat::OfEarlierConnection);
    assert_eq!(deliveries.repeat(2, 22, at(2)), Repeat::OfThisConnection);
    deliveries.connected();
    assert_eq!(deliveries.repeat(2, 22, at(2)), Repeat::OfEarlierConnection);
}

#[test]
fn another_payload_or_a_new_use_of_the_id_is_no_repeat() {
    let mut deliveries = stored(&[1, 2]);
    assert_eq!(deliveries.repeat(1, 99, at(2)), Repeat::Unknown);
    deliveries.new_message(2, at(2));
    assert_eq!(deliveries.repeat(2, 22, at(2)), Repeat::Unknown);
    assert_eq!(deliveries.repeat(3, 33, at(2)), Repeat::Unknown);
}

#[test]
fn a_repeat_shows_that_the_client_knows_the_acknowledgements_before_it() {
    let mut deliveries = stored(&[1, 2, 3]);
    assert_eq!(deliveries.repeat(2, 22, at(4)), Repeat::OfEarlierConnection);
    assert_eq!(deliveries.repeat(3, 33, at(4)), Repeat::OfEarlierConnection);
    // The client has begun with 2: message 1 was acknowledged, this is another one under its id.
    assert_eq!(deliveries.repeat(1, 11, at(4)), Repeat::Unknown);
    // What it sent again is still known when it is sent once more.
    deliveries.connected();
    assert_eq!(deliveries.repeat(2, 22, at(4)), Repeat::OfEarlierConnection);
    assert_eq!(deliveries.repeat(3, 33, at(4)), Repeat::OfEarlierConnection);
}

#[test]
fn a_run_of_repeats_is_known_however_long_the_client_was_away_and_where_ever_it_breaks_off() {
    let mut deliveries = stored(&[1, 2, 3, 4]);
    let day = 86_400;
    assert_eq!(deliveries.repeat(1, 11, at(day)), Repeat::OfEarlierConnection);
    assert_eq!(deliveries.repeat(2, 22, at(day)), Repeat::OfEarlierConnection);
    deliveries.connected();
    for id in 1..=4 {
        assert_eq!(deliveries.repeat(id, u64::from(id) * 11, at(2 * day)), Repeat::OfEarlierConnection);
    }
}

#[test]
fn what_was_repeated_a_moment_ago_outlives_the_new_message_behind_it() {
    let mut deliveries = stored(&[1, 2, 3]);
    let day = 86_400;
    assert_eq!(deliveries.repeat(1, 11, at(day)), Repeat::OfEarlierConnection);
    assert_eq!(deliveries.repeat(2, 22, at(day)), Repeat::OfEarlierConnection);
    deliveries.new_message(9, at(day + 1));
    deliveries.stored(9, 99, at(day + 1));
    deliveries.connected();
    assert_eq!(deliveries.repeat(1, 11, at(day + 2)), Repeat::OfEarlierConnection);
    assert_eq!(deliveries.repeat(2, 22, at(day + 2)), Repeat::OfEarlierConnection);
    assert_eq!(deliveries.repeat(9, 99, at(day + 2)), Repeat::OfEarlierConnection);
}

#[test]
fn what_was_repeated_does_not_keep_what_was_not_beyond_its_time() {
    let mut deliveries = stored(&[1, 2, 3]);
    assert_eq!(deliveries.repeat(1, 11, at(20)), Repeat::OfEarlierConnection);
    deliveries.new_message(9, at(32));
    deliveries.connected();
    assert_eq!(deliveries.repeat(1, 11, at(32)), Repeat::OfEarlierConnection);
    assert_eq!(deliveries.repeat(3, 33, at(32)), Repeat::OfEarlierConnection);
    assert_eq!(deliveries.repeat(2, 22, at(32)), Repeat::Unknown);
}

#[test]
fn an_entry_ends_when_something_new_comes_long_after_its_message() {
    let mut deliveries = stored(&[1, 2]);
    deliveries.new_message(9, at(30));
    deliveries.connected();
    assert_eq!(deliveries.repeat(1, 11, at(30)), Repeat::OfEarlierConnection, "30 s are not over");
    let mut deliveries = stored(&[1, 2]);
    deliveries.new_message(9, at(31));
    deliveries.connected();
    assert_eq!(deliveries.repeat(1, 11, at(31)), Repeat::Unknown);
    assert_eq!(deliveries.repeat(2, 22, at(31)), Repeat::OfEarlierConnection);
}

#[test]
fn an_unknown_message_marked_dup_is_new_for_those_behind_it() {
    // A client that cycles through few ids sends two constant values again, both lost with the connection.
    let mut deliveries = stored(&[1, 2, 3]);
    assert_eq!(deliveries.repeat(4, 44, at(100)), Repeat::Unknown);
    assert_eq!(deliveries.repeat(1, 11, at(100)), Repeat::Unknown, "heard in the same read is heard before");
}

#[test]
fn a_clock_that_goes_back_ends_all_entries_with_the_next_new_message() {
    let mut deliveries = stored(&[1, 2, 3]);
    assert_eq!(
        deliveries.repeat(1, 11, at(-500)),
        Repeat::OfEarlierConnection,
        "a repeat is known all the same"
    );
    deliveries.connected();
    assert_eq!(deliveries.repeat(1, 11, at(-499)), Repeat::OfEarlierConnection);
    deliveries.new_message(9, at(-498));
    assert!(deliveries.is_empty());
    let mut deliveries = stored(&[1, 2, 3]);
    deliveries.new_message(9, at(1));
    assert!(deliveries.is_empty(), "however little it goes back");
}

#[test]
fn only_the_latest_entries_are_kept() {
    let mut deliveries = Deliveries::default();
    for id in 1..=u16::try_from(MAX_ENTRIES + 10).unwrap() {
        deliveries.new_message(id, at(0));
        deliveries.stored(id, u64::from(id), at(0));
    }
    deliveries.connected();
    assert_eq!(deliveries.repeat(11, 11, at(0)), Repeat::OfEarlierConnection);
    assert_eq!(deliveries.repeat(10, 10, at(0)), Repeat::Unknown);
}
