use super::{Finding, Garbage, Ledger, Sent, Stored};

fn sent(time: Option<i64>, value: f64, acked: bool) -> Sent {
    Sent { series: "d/power".to_owned(), time, value, acked, publishes: 1 }
}

fn stored(points: &[(i64, f64)]) -> Stored {
    [("d/power".to_owned(), points.to_vec())].into()
}

fn ledger(sent: Vec<Sent>) -> Ledger {
    Ledger { sent, ..Ledger::default() }
}

#[test]
fn what_was_acked_and_stored_once_is_fine_and_what_was_not_acked_may_be_there_or_not() {
    let ledger = ledger(vec![sent(Some(1), 1.0, true), sent(None, 2.0, true), sent(None, 3.0, false)]);
    assert_eq!(ledger.check(&stored(&[(1, 1.0), (9, 2.0)]), &[]), []);
    assert_eq!(ledger.check(&stored(&[(1, 1.0), (9, 2.0), (10, 3.0)]), &[]), []);
}

#[test]
fn an_acked_reading_that_is_not_stored_is_lost() {
    let ledger = ledger(vec![sent(Some(1), 1.0, true)]);
    assert_eq!(ledger.check(&Stored::new(), &[]), [Finding::Lost(sent(Some(1), 1.0, true))]);
}

#[test]
fn a_reading_at_another_time_is_foreign_and_the_one_that_was_sent_is_lost() {
    let ledger = ledger(vec![sent(Some(1), 1.0, true)]);
    let findings = ledger.check(&stored(&[(2, 1.0)]), &[]);
    let foreign = Finding::Foreign { series: "d/power".to_owned(), time: 2, value: 1.0 };
    assert_eq!(findings, [foreign, Finding::Lost(sent(Some(1), 1.0, true))]);
}

#[test]
fn an_untimed_reading_may_be_there_once_for_each_publish_and_a_timed_one_only_once() {
    let again = |time| Sent { publishes: 2, ..sent(time, 1.0, true) };
    assert_eq!(ledger(vec![again(None)]).check(&stored(&[(5, 1.0), (6, 1.0)]), &[]), []);
    let findings = ledger(vec![sent(None, 1.0, true)]).check(&stored(&[(5, 1.0), (6, 1.0)]), &[]);
    assert_eq!(findings, [Finding::Repeated { sent: sent(None, 1.0, true), stored: 2 }]);
    let findings = ledger(vec![again(Some(5))]).check(&stored(&[(5, 1.0), (5, 1.0)]), &[]);
    assert_eq!(findings, [Finding::Repeated { sent: again(Some(5)), stored: 2 }]);
}

#[test]
fn garbage_is_to_be_in_the_quarantine_once() {
    let garbage = Garbage { topic: "t".to_owned(), payload: "x".to_owned(), acked: true, publishes: 1 };
    let ledger = Ledger { garbage: vec![garbage.clone()], ..Ledger::default() };
    assert_eq!(ledger.check(&Stored::new(), &["x".to_owned()]), []);
    assert_eq!(ledger.check(&Stored::new(), &[]), [Finding::GarbageLost(garbage.clone())]);
    let findings = ledger.check(&Stored::new(), &["x".to_owned(), "x".to_owned(), "y".to_owned()]);
    let expected = [Finding::GarbageForeign("y".to_owned()), Finding::GarbageRepeated { garbage, stored: 2 }];
    assert_eq!(findings, expected);
}
