#![allow(clippy::unwrap_used, clippy::expect_used)]

mod blocking;
mod run;
mod schedule;

use std::time::Duration;

use super::health::{Change, Health};
use super::stats::{SensorStats, State};
use pantau_proto::TimeMs;

#[test]
fn a_sensor_is_faulty_after_so_many_failed_polls_and_well_after_one_answer() {
    let mut health = Health::new(3);
    assert_eq!(health.answered(), Change::None);
    assert_eq!([health.failed(), health.failed()], [Change::Failing; 2]);
    assert_eq!((health.answered(), health.is_faulty()), (Change::None, false), "in a row");
    let four = [health.failed(), health.failed(), health.failed(), health.failed()];
    assert_eq!(four, [Change::Failing, Change::Failing, Change::Faulty, Change::None]);
    assert_eq!((health.answered(), health.is_faulty()), (Change::Recovered, false));
}

#[test]
fn a_faulty_sensor_is_asked_more_and_more_rarely_but_every_half_minute() {
    let rests = |period| {
        let mut health = Health::new(2);
        let mut rest = || {
            health.failed();
            health.rest(Duration::from_secs(period))
        };
        [rest(), rest(), rest(), rest(), rest(), rest(), rest(), rest()]
    };
    assert_eq!(rests(1), [0, 0, 1, 3, 7, 15, 29, 29]);
    assert_eq!(rests(10), [0, 0, 1, 2, 2, 2, 2, 2]);
    assert_eq!(rests(60), [0; 8]);
}

#[test]
fn what_fails_has_failed_since_the_first_of_its_failed_polls() {
    let stats = SensorStats::new("s", "b");
    let set = |state, at| {
        stats.set(state, TimeMs(at));
        stats.state().1.0
    };
    assert_eq!(set(State::Ok, 10), 10);
    assert_eq!(set(State::Ok, 20), 10);
    assert_eq!(set(State::Failing("a".into()), 30), 30);
    assert_eq!(set(State::Faulty("b".into()), 40), 30);
    assert_eq!(set(State::Faulty("c".into()), 50), 30);
    assert_eq!(stats.state().0, State::Faulty("c".into()), "the latest reason");
    assert_eq!(set(State::Ok, 60), 60);
}
