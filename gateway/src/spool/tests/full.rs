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
    let release = spool.prepare_release(TimeMs(i64::MAX)).unwrap();
    while opened.committer.commit_once().unwrap() {}
    release.snapshot.unwrap().peek().unwrap().unwrap();
    spool.release(release.before).unwrap();
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

/// The smallest that the configuration allows.
fn small() -> Bounds {
    Bounds { segment_bytes: 1 << 20, max_bytes: 4 << 20, pending_bytes: 32 << 20, ..bounds() }
}

fn commit(opened: &mut Opened<SimFiles>) {
    while opened.committer.commit_once().unwrap() {}
}

/// Sessions of every kind until none has room, each with as many deliveries as are remembered.
fn crowd(opened: &mut Opened<SimFiles>) {
    let door = intake(&opened.spool);
    for n in 0.. {
        let client = format!("client-{n}-{}", "x".repeat(n % 240));
        if door.session(SessionEvent::Started { client: &client, expiry_s: u32::MAX }).is_err() {
            break;
        }
        let kind = if n % 3 == 0 { Delivery::ExactlyOnce } else { Delivery::AtLeastOnce };
        let ids = 1..=u16::try_from(MAX_ENTRIES).unwrap();
        let frames: Vec<_> =
            ids.map(|id| frame("pantau/a/pm10", b"1", 1, key(u16::MAX - id, u64::MAX, kind))).collect();
        // Of those that do not fit nothing is taken.
        let _ = door.submit(&client, &frames);
        commit(opened);
    }
}

#[test]
fn sessions_at_their_bounds_never_keep_a_full_spool_from_being_freed() {
    let mut files = SimFiles::new();
    let mut opened = reopen_with(&files, small());
    crowd(&mut opened);
    assert!(value(&opened.spool.counters().forgotten) > 10_000);
    let sessions = opened.spool.shared.ordered.lock().unwrap().state.sessions.recovered();
    assert!(sessions.iter().any(|session| session.held.len() == MAX_ENTRIES));
    let frames = vec![frame("pantau/a/pm10", b"1", 1, None); 1_000];
    for round in 0..6 {
        let door = intake(&opened.spool);
        while let Ok(ticket) = door.submit("c", &frames) {
            drop(ticket);
            commit(&mut opened);
        }
        // Starts and given up messages while it is full take nothing away from what frees it.
        for start in 0..20 {
            drop(opened);
            files = if start % 2 == 0 { files.kill() } else { files.crash(PowerCut::LoseAll) };
            opened = reopen_with(&files, small());
            opened.spool.shed(1, TimeMs(0));
            opened.spool.prepare_release(TimeMs(100_000 * i64::from(20 * round + start)));
            commit(&mut opened);
        }
        assert_eq!(opened.sessions.len(), sessions.len());
        let door = intake(&opened.spool);
        assert_eq!(door.submit("c", &frames).unwrap_err(), SubmitError::Full);
        let synced = opened.spool.journal().synced().0;
        opened.spool.acked(&[(0, synced)].into_iter().collect(), &[]);
        opened.spool.prepare_release(TimeMs(i64::MAX - 1)).expect("acked segments can be freed");
        commit(&mut opened);
        let release = opened.spool.prepare_release(TimeMs(i64::MAX)).unwrap();
        opened.spool.release(release.before).unwrap();
        commit(&mut opened);
        assert!(opened.spool.journal().segments().len() <= 2);
    }
    let after = reopen_with(&files.kill(), small()).sessions;
    assert!(sessions == after, "sessions have changed");
}

#[test]
fn what_a_session_must_not_forget_waits_for_room() {
    let files = SimFiles::new();
    let mut opened = reopen_with(&files, small());
    crowd(&mut opened);
    let door = intake(&opened.spool);
    let many: Vec<_> =
        (1..=60).map(|id| frame("pantau/a/pm10", b"1", 1, key(id, 1, Delivery::ExactlyOnce))).collect();
    let said = |opened: &Opened<SimFiles>| locked(&opened.spool.shared.ordered).crowded;
    assert_eq!(door.submit("client-1-x", &many).unwrap_err(), SubmitError::Full);
    assert!(said(&opened));
    let before = opened.spool.journal().stats().next;
    drop(door.submit("client-1-x", &[frame("pantau/a/pm10", b"1", 1, None)]).unwrap());
    assert!(opened.spool.journal().stats().next > before, "readings go on");
    assert!(said(&opened), "what needs no room does not make it be said again");
    drop(door.session(SessionEvent::Ended { client: "client-0-" }).unwrap());
    drop(door.submit("client-1-x", &many).unwrap());
}
