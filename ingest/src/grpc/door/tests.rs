#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

fn door(gateways: usize) -> (Door, DoorMetrics) {
    let metrics = DoorMetrics::default();
    (Door::new(gateways, metrics.clone()), metrics)
}

#[test]
fn one_connection_too_many_closes_the_one_that_waits_longest() {
    let (door, metrics) = door(3);
    let most = STRANGERS + 6;
    let guests: Vec<Guest> = (0..most).map(|_| door.enter()).collect();
    let greeted = guests[0].greet();
    let _more = [door.enter(), door.enter()];
    let closed: Vec<usize> = (0..most).filter(|n| guests[*n].close.is_cancelled()).collect();
    assert_eq!(closed, [1], "the greeted one does not wait");
    assert_eq!((metrics.crowded_out.get(), metrics.waiting.get()), (1, most as i64));
    assert_eq!(metrics.connections.get(), most as i64 + 1);
    drop(greeted);
    door.enter();
    assert!(guests[0].close.is_cancelled(), "without its session it waits again, the longest of all");
}

#[test]
fn only_a_connection_without_a_session_is_closed_for_its_silence() {
    let (door, metrics) = door(1);
    let guest = door.enter();
    let (one, other) = (guest.greet(), guest.greet());
    drop(one);
    assert!(!door.close_if_silent(guest.number));
    drop(other);
    assert!(door.close_if_silent(guest.number));
    assert_eq!((metrics.silent.get(), metrics.waiting.get()), (1, 1));
}

#[test]
fn a_stop_closes_who_has_no_session() {
    let (door, _) = door(1);
    let (silent, busy) = (door.enter(), door.enter());
    let _session = busy.greet();
    door.close_waiting();
    assert!(silent.close.is_cancelled() && !busy.close.is_cancelled());
}
