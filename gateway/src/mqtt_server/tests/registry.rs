use std::sync::Arc;

use super::super::outbound::{Message, Way};
use super::super::packets::Filter;
use super::super::sessions::{Grant, Outcome, Refusal, Registry, Request};
use rmqtt_codec::v5::RetainHandling;

use super::super::session::Kept;
use crate::intake::types::SessionEvent;

fn request(client: &str, clean: bool, expiry_s: u32) -> Request {
    Request { client: client.to_owned(), clean, expiry_s }
}

/// A registry whose journal can be told to take nothing.
struct Bench {
    registry: Registry<&'static str>,
    journal: Vec<String>,
    full: bool,
}

impl Bench {
    fn new(max_sessions: usize) -> Self {
        Bench { registry: Registry::new(max_sessions), journal: Vec::new(), full: false }
    }

    fn run<T>(
        &mut self,
        act: impl FnOnce(&mut Registry<&'static str>, &mut dyn FnMut(SessionEvent<'_>) -> bool) -> T,
    ) -> T {
        let Bench { registry, journal, full } = self;
        act(registry, &mut |event| {
            if !*full {
                journal.push(match event {
                    SessionEvent::Started { client, expiry_s } => format!("start {client} {expiry_s}"),
                    SessionEvent::Resumed { client, expiry_s } => format!("resume {client} {expiry_s}"),
                    SessionEvent::Ended { client } => format!("end {client}"),
                    SessionEvent::Released { .. } => unreachable!(),
                });
            }
            !*full
        })
    }

    fn connect(&mut self, connection: u64, request: Request) -> Result<Grant, Refusal> {
        match self.run(|registry, journal| registry.connect(connection, request, "first", journal)) {
            Outcome::Answer { answer, .. } => answer,
            Outcome::Kick { .. } => panic!("taken"),
        }
    }

    fn end(&mut self, connection: u64, kept: Box<Kept>, now_s: u64) -> Option<Outcome<&'static str>> {
        let client = kept.client.clone();
        self.run(|registry, journal| registry.ended(connection, &client, Some(kept), now_s, journal))
    }
}

#[test]
fn a_persistent_session_comes_back_until_it_expires() {
    let mut bench = Bench::new(10);
    let grant = bench.connect(1, request("a", false, 60)).unwrap();
    assert!(!grant.present);
    assert!(bench.end(1, grant.kept, 100).is_none());
    let grant = bench.connect(2, request("a", false, 60)).unwrap();
    assert!(grant.present);
    bench.end(2, grant.kept, 200);
    bench.run(|registry, journal| registry.expire(259, journal));
    assert_eq!(bench.registry.away(), 1);
    bench.run(|registry, journal| registry.expire(260, journal));
    assert_eq!(bench.registry.away(), 0);
    assert!(!bench.connect(3, request("a", false, 60)).unwrap().present);
    assert_eq!(bench.journal, ["start a 60", "end a", "start a 60"]);
}

#[test]
fn a_clean_connect_ends_the_session_before_its_connack() {
    let mut bench = Bench::new(10);
    let grant = bench.connect(1, request("a", false, 60)).unwrap();
    bench.end(1, grant.kept, 0);
    let grant = bench.connect(2, request("a", true, 0)).unwrap();
    assert!(!grant.present);
    assert_eq!(bench.journal, ["start a 60", "end a"]);
    bench.end(2, grant.kept, 0);
    assert_eq!(bench.journal.len(), 2, "a clean session is not journaled");
}

#[test]
fn another_expiry_is_journaled_and_expiry_0_ends_with_the_connection() {
    let mut bench = Bench::new(10);
    let grant = bench.connect(1, request("a", false, 60)).unwrap();
    bench.end(1, grant.kept, 0);
    let grant = bench.connect(2, request("a", false, 0)).unwrap();
    assert!(grant.present);
    bench.end(2, grant.kept, 0);
    assert_eq!(bench.journal, ["start a 60", "resume a 0", "end a"]);
}

#[test]
fn a_second_connection_waits_for_the_first_and_a_third_displaces_it() {
    let mut bench = Bench::new(10);
    let grant = bench.connect(1, request("a", false, 60)).unwrap();
    let outcome =
        bench.run(|registry, journal| registry.connect(2, request("a", false, 60), "second", journal));
    assert!(matches!(outcome, Outcome::Kick { connection: 1, displaced: None }));
    let outcome =
        bench.run(|registry, journal| registry.connect(3, request("a", false, 60), "third", journal));
    assert!(matches!(outcome, Outcome::Kick { connection: 1, displaced: Some("second") }));
    match bench.end(1, grant.kept, 0) {
        Some(Outcome::Answer { to: "third", connection: 3, answer: Ok(grant), .. }) => assert!(grant.present),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_begins_that_the_journal_does_not_take() {
    let mut bench = Bench::new(10);
    let grant = bench.connect(1, request("a", false, 60)).unwrap();
    bench.end(1, grant.kept, 0);
    bench.full = true;
    assert_eq!(bench.connect(2, request("b", false, 60)).err(), Some(Refusal::Busy));
    assert_eq!(bench.connect(2, request("a", true, 0)).err(), Some(Refusal::Busy));
    assert!(bench.connect(2, request("a", false, 60)).unwrap().present, "nothing to journal, nothing lost");
}

#[test]
fn an_end_that_the_journal_does_not_take_is_owed_before_the_client_may_come_back() {
    let mut bench = Bench::new(10);
    let grant = bench.connect(1, request("a", false, 60)).unwrap();
    bench.end(1, grant.kept, 0);
    bench.full = true;
    bench.run(|registry, journal| registry.expire(60, journal));
    assert_eq!(bench.connect(2, request("a", true, 0)).err(), Some(Refusal::Busy));
    bench.full = false;
    bench.connect(2, request("a", true, 0)).unwrap();
    assert_eq!(bench.journal, ["start a 60", "end a"]);
}

#[test]
fn the_session_that_would_expire_first_makes_room() {
    let mut bench = Bench::new(2);
    for (connection, client, expiry_s) in [(1, "a", 100), (2, "b", 50), (3, "c", 200)] {
        let grant = bench.connect(connection, request(client, false, expiry_s)).unwrap();
        bench.end(connection, grant.kept, 0);
    }
    assert_eq!(bench.registry.away(), 2);
    assert_eq!(bench.journal.last().map(String::as_str), Some("end b"));
}

#[test]
fn a_recovered_session_is_present() {
    let mut bench = Bench::new(10);
    bench.registry.recover(Box::new(Kept { client: "a".into(), expiry_s: 60, ..Kept::default() }), 0);
    assert!(bench.connect(1, request("a", false, 60)).unwrap().present);
    assert!(bench.journal.is_empty());
}

#[test]
fn a_late_end_of_an_old_connection_does_not_touch_the_new_one() {
    let mut bench = Bench::new(10);
    let grant = bench.connect(1, request("a", true, 0)).unwrap();
    bench.end(1, grant.kept, 0);
    bench.connect(2, request("a", true, 0)).unwrap();
    assert!(bench.end(1, Box::new(Kept { client: "a".into(), ..Kept::default() }), 0).is_none());
    let outcome = bench.run(|registry, journal| registry.connect(3, request("a", true, 0), "x", journal));
    assert!(matches!(outcome, Outcome::Kick { connection: 2, .. }));
}

#[test]
fn a_message_goes_to_each_subscriber_once_with_its_highest_qos() {
    let mut bench = Bench::new(10);
    let filter = |filter: &str, qos| Filter {
        filter: filter.to_owned(),
        qos,
        retain_as_published: false,
        retain_handling: RetainHandling::AtSubscribe,
    };
    bench.connect(1, request("a", true, 0)).unwrap();
    let grant = bench.connect(2, request("b", false, 60)).unwrap();
    bench.registry.subscribe(1, "a", &[filter("pantau/#", 0), filter("pantau/time", 1)]);
    bench.registry.subscribe(2, "b", &[filter("pantau/time", 1)]);
    bench.end(2, grant.kept, 0);
    let message =
        Arc::new(Message { topic: "pantau/time".into(), payload: "1".into(), retain: true, way: Way::Kept });
    let mut sent = Vec::new();
    let dropped = bench.registry.route(&message, |connection, delivery| {
        sent.push((connection, delivery.qos, delivery.retain));
        true
    });
    assert_eq!((sent, dropped), (vec![(1, 1, false)], 0));
    assert_eq!(bench.registry.unsubscribe(1, "a", &["pantau/time".into(), "x".into()]), [true, false]);
}
