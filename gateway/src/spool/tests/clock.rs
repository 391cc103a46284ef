//! What comes before the clock is trusted, and clocks that step. Time moves only where a test moves it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::cell::Cell;
use std::collections::BTreeMap;

use pantau_proto::Flags;
use proptest::prelude::*;

use super::*;
use crate::figures::value;

thread_local! {
    static SINCE_BOOT: Cell<i64> = const { Cell::new(0) };
}

fn since_boot() -> TimeMs {
    TimeMs(SINCE_BOOT.get())
}

const HOUR: i64 = 3_600_000;
/// When the machine was switched on, truly.
const ON: i64 = 1_800_000_000_000;

fn roomy() -> Bounds {
    Bounds { segment_bytes: 256 << 10, max_bytes: 16 << 20, ..bounds() }
}

fn start(files: &SimFiles, boot: u64, since: i64, wall: i64, trusted: bool) -> Opened<SimFiles> {
    let opened = reopen_with(files, roomy());
    SINCE_BOOT.set(since);
    opened.spool.begin_boot(Boot { id: boot, since: since_boot });
    let mut opened = opened;
    look(&mut opened, wall, trusted);
    opened
}

/// As the gateway does each second. True if something was let go.
fn look(opened: &mut Opened<SimFiles>, wall: i64, trusted: bool) -> bool {
    let Some(ticket) = opened.spool.look(TimeMs(wall), trusted).unwrap() else { return false };
    let held = opened.spool.held();
    commit(opened);
    ticket.peek().unwrap().unwrap();
    assert_eq!(opened.spool.held(), held, "nothing leaves before the decision is on the disk");
    opened.spool.release_held();
    true
}

fn commit(opened: &mut Opened<SimFiles>) {
    while opened.committer.commit_once().unwrap() {}
}

fn publish(opened: &mut Opened<SimFiles>, topic: &str, payload: &str, wall: i64) {
    let frame = frame(topic, payload.as_bytes(), wall, None);
    drop(intake(&opened.spool).submit("c", &[frame]).unwrap());
    commit(opened);
}

/// What the uplink may send: series, time and flags by position.
fn sendable(spool: &Spool<SimFiles>) -> BTreeMap<u64, (String, i64, Flags)> {
    let (held, mut reader) = (spool.held(), spool.journal().reader(Position(0)));
    let mut found = BTreeMap::new();
    while let Some(raw) = reader.next().unwrap() {
        let record = Record::decode(raw.bytes.as_slice()).unwrap();
        let mut cursor = Cursor::new(raw.first.0, record).resolved(|boot| spool.boot_offset(boot));
        let (mut position, arrival) = (cursor.position(), cursor.arrival());
        while let Some(item) = cursor.next() {
            let entry = match item {
                Item::Reading(name, _, reading) => (name.to_owned(), reading.time.0, reading.flags),
                Item::Refused(_) => ("refused".to_owned(), arrival, Flags::NONE),
            };
            if !held.contains(position) {
                found.insert(position, entry);
            }
            position += 1;
        }
    }
    found
}

fn at(position: u64, opened: &Opened<SimFiles>) -> (i64, Flags) {
    let (_, time, flags) = sendable(&opened.spool).remove(&position).unwrap();
    (time, flags)
}

const UNCERTAIN: Flags = Flags(Flags::ARRIVAL_TIME.0 | Flags::CLOCK_UNCERTAIN.0);

#[test]
fn what_has_no_time_of_its_own_waits_for_the_clock_and_the_rest_does_not() {
    let files = SimFiles::new();
    let mut opened = start(&files, 7, 5_000, 1_000, false);
    let mixed = [
        frame("pantau/a/pm10", b"1", 1_000, None),
        frame("pantau/b", br#"{"time":1799000000000,"pm10":2}"#, 1_000, None),
        frame("pantau/a/pm10", b"nonsense", 1_000, None),
    ];
    drop(intake(&opened.spool).submit("c", &mixed).unwrap());
    commit(&mut opened);
    assert_eq!(opened.spool.journal().synced(), Position(3), "it is as durable as anything");
    let sent = sendable(&opened.spool);
    assert_eq!(
        sent.into_iter().collect::<Vec<_>>(),
        [(1, ("b/pm10".to_owned(), 1_799_000_000_000, Flags::NONE))]
    );
    SINCE_BOOT.set(9_000);
    publish(&mut opened, "pantau/a/pm10", "3", 1_500);
    SINCE_BOOT.set(60_000);
    assert!(look(&mut opened, ON + 60_000, true));
    assert_eq!(at(0, &opened), (ON + 5_000, Flags::ARRIVAL_TIME));
    assert_eq!(at(2, &opened).0, ON + 5_000, "the refused one's arrival");
    assert_eq!(at(3, &opened), (ON + 9_000, Flags::ARRIVAL_TIME));
    publish(&mut opened, "pantau/a/pm10", "4", ON + 60_000);
    assert_eq!(at(4, &opened), (ON + 60_000, Flags::ARRIVAL_TIME));
}

#[test]
fn the_offset_of_a_boot_never_changes() {
    let files = SimFiles::new();
    let mut opened = start(&files, 7, 5_000, 1_000, false);
    publish(&mut opened, "pantau/a/pm10", "1", 1_000);
    assert!(look(&mut opened, ON + 5_000, true));
    assert!(!look(&mut opened, ON + 9 * HOUR, true));
    let sent = sendable(&opened.spool);
    drop(opened);
    // The process starts again, then the machine, each with another idea of the time.
    for (boot, wall) in [(7, ON + HOUR), (8, ON - HOUR), (9, ON + 2 * HOUR)] {
        let opened = start(&files.crash(PowerCut::LoseAll), boot, 90_000, wall, true);
        assert_eq!(sendable(&opened.spool), sent);
    }
}

#[test]
fn a_process_that_starts_again_in_the_same_boot_goes_on_waiting() {
    let files = SimFiles::new();
    let mut opened = start(&files, 7, 5_000, 1_000, false);
    publish(&mut opened, "pantau/a/pm10", "1", 1_000);
    drop(opened);
    let mut opened = start(&files.crash(PowerCut::LoseAll), 7, 6_000, 2_000, false);
    publish(&mut opened, "pantau/a/pm10", "2", 2_000);
    assert!(sendable(&opened.spool).is_empty());
    SINCE_BOOT.set(8_000);
    assert!(look(&mut opened, ON + 8_000, true));
    assert_eq!((at(0, &opened).0, at(1, &opened).0), (ON + 5_000, ON + 6_000));
}

#[test]
fn after_an_hour_what_waits_goes_as_far_as_its_time_is_known_and_that_is_final() {
    let files = SimFiles::new();
    let mut opened = start(&files, 7, 5_000, ON - HOUR, false);
    publish(&mut opened, "pantau/a/pm10", "1", ON - HOUR);
    SINCE_BOOT.set(5_000 + HOUR - 1);
    assert!(!look(&mut opened, ON - 1, false));
    SINCE_BOOT.set(5_000 + HOUR);
    assert!(look(&mut opened, ON, false));
    assert_eq!(at(0, &opened), (ON - HOUR, UNCERTAIN));
    publish(&mut opened, "pantau/a/pm10", "2", ON);
    assert_eq!(at(1, &opened), (ON, UNCERTAIN), "nothing waits any longer");
    assert!(!look(&mut opened, ON + 500 * HOUR, true));
    assert_eq!(at(0, &opened), (ON - HOUR, UNCERTAIN));
    publish(&mut opened, "pantau/a/pm10", "3", ON + 500 * HOUR);
    assert_eq!(at(2, &opened), (ON + 500 * HOUR, Flags::ARRIVAL_TIME));
}

#[test]
fn readings_of_a_boot_that_never_got_an_offset_go_with_the_next_one() {
    let files = SimFiles::new();
    let mut opened = start(&files, 6, 1_000, ON, true);
    publish(&mut opened, "pantau/a/pm10", "0", ON);
    drop(opened);
    // Its clock begins in 1970, which cannot be: it is after what was there before.
    let mut opened = start(&files.crash(PowerCut::LoseAll), 7, 5_000, 0, false);
    publish(&mut opened, "pantau/a/pm10", "1", 0);
    SINCE_BOOT.set(7_000);
    publish(&mut opened, "pantau/a/pm10", "2", 2_000);
    drop(opened);
    let opened = start(&files.crash(PowerCut::LoseAll), 8, 5_000, 0, false);
    assert_eq!(at(1, &opened), (ON + 1, UNCERTAIN));
    assert_eq!(at(2, &opened), (ON + 2_001, UNCERTAIN));
}

#[test]
fn a_clock_that_goes_back_for_hours_is_followed_and_flagged_until_it_has_caught_up() {
    let files = SimFiles::new();
    let mut opened = start(&files, 7, 0, ON, true);
    publish(&mut opened, "pantau/a/pm10", "1", ON);
    assert!(!look(&mut opened, ON - 50_000, true));
    publish(&mut opened, "pantau/a/pm10", "2", ON - 50_000);
    assert_eq!(at(1, &opened), (ON + 1, Flags::ARRIVAL_TIME), "a little is waited for");
    look(&mut opened, ON - 7 * HOUR, true);
    assert_eq!(value(&opened.spool.counters().clock_went_back), 1);
    publish(&mut opened, "pantau/a/pm10", "3", ON - 7 * HOUR);
    assert_eq!(at(2, &opened), (ON - 7 * HOUR, UNCERTAIN));
    drop(opened);
    let mut opened = start(&files.crash(PowerCut::LoseAll), 8, 0, ON - 6 * HOUR, true);
    assert_eq!(value(&opened.spool.counters().clock_went_back), 0);
    publish(&mut opened, "pantau/a/pm10", "4", ON - 6 * HOUR);
    assert_eq!(at(3, &opened), (ON - 6 * HOUR, UNCERTAIN));
    publish(&mut opened, "pantau/a/pm10", "5", ON + 2);
    assert_eq!(at(4, &opened), (ON + 2, Flags::ARRIVAL_TIME));
}

#[test]
fn a_machine_that_starts_with_an_earlier_time_does_not_stand_still_until_then() {
    let files = SimFiles::new();
    let mut opened = start(&files, 7, 0, ON + 7 * HOUR, true);
    publish(&mut opened, "pantau/a/pm10", "1", ON + 7 * HOUR);
    drop(opened);
    let mut opened = start(&files.crash(PowerCut::LoseAll), 8, 0, ON, true);
    publish(&mut opened, "pantau/a/pm10", "2", ON + 10);
    assert_eq!(at(1, &opened), (ON + 10, UNCERTAIN));
}

#[test]
fn ranges_that_wait_are_bounded_and_none_is_forgotten() {
    let files = SimFiles::new();
    let mut opened = reopen(&files);
    SINCE_BOOT.set(1_000);
    opened.spool.begin_boot(Boot { id: 7, since: since_boot });
    look(&mut opened, 0, false);
    for n in 0..20 {
        publish(&mut opened, "pantau/a/pm10", "1", 0);
        publish(&mut opened, "pantau/a", &format!("{{\"time\":{},\"pm10\":2}}", ON + n), 0);
    }
    let held = opened.spool.held();
    assert!(held.len_ranges() <= 2, "{held:?}");
    assert!((0..40).step_by(2).all(|position| held.contains(position)));
}

#[derive(Debug, Clone)]
enum Op {
    /// Series, whether it has a time.
    Publish(u8, bool),
    Wait(i64),
    Step(i64),
    Look,
    Trust,
    /// The process; or the machine, with a clock that is off by so much.
    Restart(Option<i64>),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let hours = || prop_oneof![-90_000..90_000_i64, -9 * HOUR..9 * HOUR];
    let op = prop_oneof![
        8 => (0_u8..3, any::<bool>()).prop_map(|(series, timed)| Op::Publish(series, timed)),
        3 => prop_oneof![0..5_i64, 0..2 * HOUR].prop_map(Op::Wait),
        1 => hours().prop_map(Op::Step),
        4 => Just(Op::Look),
        1 => Just(Op::Trust),
        1 => prop::option::of(hours()).prop_map(Op::Restart),
    ];
    prop::collection::vec(op, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn every_reading_goes_once_in_order_with_a_time_that_never_changes(ops in ops()) {
        let mut files = SimFiles::new();
        let (mut boot, mut on, mut wrong, mut trusted) = (1, ON, 0, false);
        let mut opened = start(&files, boot, 0, ON, trusted);
        let mut sent: BTreeMap<u64, (String, i64, Flags)> = BTreeMap::new();
        let mut published = 0;
        for op in ops.into_iter().chain([Op::Trust, Op::Look]) {
            let wall = on + SINCE_BOOT.get() + wrong;
            match op {
                Op::Publish(series, timed) => {
                    let payload = match timed {
                        true => format!("{{\"time\":{},\"pm10\":1}}", 4_000_000_000_000_i64 + published),
                        false => "{\"pm10\":1}".to_owned(),
                    };
                    publish(&mut opened, &format!("pantau/{series}"), &payload, wall);
                    published += 1;
                }
                Op::Wait(ms) => SINCE_BOOT.set(SINCE_BOOT.get() + ms),
                Op::Step(ms) => wrong += ms,
                Op::Look => drop(look(&mut opened, wall, trusted)),
                Op::Trust => {
                    (trusted, wrong) = (true, 0);
                    look(&mut opened, on + SINCE_BOOT.get(), true);
                }
                Op::Restart(machine) => {
                    files = files.crash(PowerCut::LoseAll);
                    if let Some(off) = machine {
                        on += SINCE_BOOT.get() + 10_000;
                        SINCE_BOOT.set(0);
                        (boot, wrong, trusted) = (boot + 1, off, false);
                    }
                    let since = SINCE_BOOT.get();
                    opened = start(&files, boot, since, on + since + wrong, trusted);
                }
            }
            for (position, entry) in sendable(&opened.spool) {
                let before = sent.insert(position, entry.clone());
                prop_assert!(before.is_none_or(|before| before == entry), "{position} changed to {entry:?}");
            }
        }
        let positions: Vec<u64> = sent.keys().copied().collect();
        prop_assert_eq!(positions, (0..u64::try_from(published).unwrap()).collect::<Vec<_>>());
        let mut newest: BTreeMap<&str, i64> = BTreeMap::new();
        for (position, (series, time, flags)) in &sent {
            if !flags.contains(Flags::ARRIVAL_TIME) {
                prop_assert!(*time >= 4_000_000_000_000 && !flags.contains(Flags::CLOCK_UNCERTAIN));
                continue;
            }
            let before = newest.insert(series, newest.get(series.as_str()).map_or(*time, |at| *time.max(at)));
            let rises = before.is_none_or(|before| before < *time);
            prop_assert!(rises || flags.contains(Flags::CLOCK_UNCERTAIN), "{position}: {before:?} then {time}");
        }
    }
}
