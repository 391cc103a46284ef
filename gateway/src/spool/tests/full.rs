//! A spool without room: what is withheld, what is given up, and how it gets room again.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::figures::value;

#[test]
fn a_full_spool_withholds_until_acked_segments_are_freed() {
    let files = SimFiles::new();
    let mut opened = reopen(&files);
    let spool = opened.spool.clone();
    let door = intake(&spool);
    drop(door.session(SessionEvent::Started { client: "c", expiry_s: 60 }).unwrap());
    let mut taken = 0;
    let full = loop {
        let frames = [frame("pantau/a/pm10", b"1", 1, None)];
        match door.submit("c", &frames) {
            Ok(ticket) => drop(ticket),
            Err(error) => break error,
        }
        taken += 1;
        while opened.committer.commit_once().unwrap() {}
        assert!(taken < 10_000);
    };
    assert_eq!(full, SubmitError::Full);
    while opened.committer.commit_once().unwrap() {}
    spool.acked(&[(0, spool.journal().synced().0)].into_iter().collect(), &[]);
    let below = spool.prepare_release(TimeMs(i64::MAX)).unwrap();
    while opened.committer.commit_once().unwrap() {}
    spool.unsynced_snapshot().unwrap().peek().unwrap().unwrap();
    spool.release(below).unwrap();
    while opened.committer.commit_once().unwrap() {}
    let frames = [frame("pantau/a/pm10", b"1", 1, None)];
    drop(door.submit("c", &frames).unwrap());
    while opened.committer.commit_once().unwrap() {}
    drop((opened, spool, door));
    let opened = reopen(&files.crash(PowerCut::LoseAll));
    assert_eq!(opened.sessions.len(), 1, "the session outlives the segment that said it");
    assert_eq!(opened.spool.backlog(TimeMs(1)).0, 1);
}

/// Submits until there is no room.
fn fill(opened: &mut Opened<SimFiles>) {
    let door = intake(&opened.spool);
    let frames = [frame("pantau/a/pm10", b"1", 1, None)];
    while let Ok(ticket) = door.submit("c", &frames) {
        drop(ticket);
        while opened.committer.commit_once().unwrap() {}
    }
}

#[test]
fn what_a_full_spool_shed_is_one_record_that_stays_until_it_is_acked() {
    let files = SimFiles::new();
    let mut opened = reopen(&files);
    fill(&mut opened);
    let (spool, counters) = (opened.spool.clone(), Arc::clone(opened.spool.counters()));
    let accepted = value(&counters.accepted);
    let door = intake(&spool);
    door.shed(0, TimeMs(60_000));
    door.shed(30, TimeMs(61_000));
    door.shed(12, TimeMs(60_500));
    assert_eq!(value(&counters.accepted), accepted + 42);
    assert_eq!((value(&counters.lost), value(&counters.shed)), (42, 42));
    let shed = |opened: &mut Opened<SimFiles>| {
        while opened.committer.commit_once().unwrap() {}
        let found = contents(&opened.spool);
        found
            .into_iter()
            .filter(|entry| entry.1 == "shed")
            .map(|entry| (entry.0, entry.3))
            .collect::<Vec<_>>()
    };
    let position = spool.journal().stats().next.0;
    spool.prepare_release(TimeMs(70_000));
    assert_eq!(shed(&mut opened), [(position, 42.0)]);
    // Others come and go: ten seconds later there is one more record, whatever they did.
    for second in 70..81 {
        door.shed(1, TimeMs(second * 1_000));
        spool.prepare_release(TimeMs(second * 1_000));
    }
    assert_eq!(shed(&mut opened), [(position, 42.0), (position + 1, 11.0)]);
    drop((opened, spool, door));
    let mut opened = reopen(&files.crash(PowerCut::LoseAll));
    assert_eq!(shed(&mut opened), [(position, 42.0), (position + 1, 11.0)]);
    opened.spool.acked(&[(0, position)].into_iter().collect(), &[]);
    assert_eq!(opened.spool.backlog(TimeMs(80_100)).0, 2);
    opened.spool.acked(&[(position, position + 2)].into_iter().collect(), &[]);
    assert_eq!(opened.spool.backlog(TimeMs(80_100)).0, 0);
}

#[test]
fn what_was_shed_last_is_journaled_before_a_stop() {
    let files = SimFiles::new();
    let mut opened = reopen(&files);
    opened.spool.shed(1, TimeMs(1));
    opened.spool.save_rest(TimeMs(2));
    opened.spool.shed(2, TimeMs(3));
    opened.spool.save_rest(TimeMs(4));
    opened.spool.save_rest(TimeMs(5));
    while opened.committer.commit_once().unwrap() {}
    let messages: Vec<f64> = contents(&opened.spool).into_iter().map(|entry| entry.3).collect();
    assert_eq!(messages, [1.0, 2.0]);
}
