//! What of a persistent session is remembered, and for how long.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::super::record::SavedSession;
use super::super::sessions::Sessions;
use super::*;

fn delivery(id: u32, hash: u64, arrival: i64) -> Record {
    Record { source: "c".into(), ids: vec![id], hashes: vec![hash], arrival, ..Record::default() }
}

#[test]
fn sessions_forget_the_oldest_entries_and_those_whose_id_is_used_again() {
    let mut sessions = Sessions::new(1 << 20);
    let mut deliver = |id: u32, hash: u64| {
        sessions.apply(&delivery(id, hash, 0));
        sessions.recovered().remove(0).entries
    };
    for n in 0..u32::try_from(MAX_ENTRIES).unwrap() {
        deliver(n + 1, 9);
    }
    let entries = deliver(2_000, 9);
    assert_eq!((entries.len(), entries[0].packet_id), (MAX_ENTRIES, 2));
    let entries = deliver(6, 77);
    assert_eq!(entries.len(), MAX_ENTRIES - 1);
    assert_eq!(entries.last(), Some(&Delivered { packet_id: 6, hash: 77, arrival: TimeMs(0) }));
    assert_eq!(entries.iter().filter(|entry| entry.packet_id == 6).count(), 1);
}

#[test]
fn sessions_forget_deliveries_whose_acknowledgement_has_had_its_time_also_after_a_snapshot() {
    let ids = |sessions: &Sessions| {
        let entries = sessions.recovered().remove(0).entries;
        entries.iter().map(|entry| entry.packet_id).collect::<Vec<_>>()
    };
    for snapshot in [false, true] {
        let mut sessions = Sessions::new(1 << 20);
        let start = 1_800_000_000_000;
        for (id, second) in [(1, 0), (2, 10), (3, 30)] {
            sessions.apply(&delivery(id, 9, start + second * 1_000));
        }
        assert_eq!(ids(&sessions), [1, 2, 3]);
        if snapshot {
            let saved: Vec<_> = sessions.save().collect();
            sessions = Sessions::new(1 << 20);
            saved.iter().for_each(|saved| sessions.load(saved));
        }
        sessions.apply(&delivery(4, 9, start + 30_001));
        assert_eq!(ids(&sessions), [2, 3, 4], "snapshot: {snapshot}");
        // The clock went back: how old the others are is not known.
        sessions.apply(&delivery(5, 9, start + 30_000));
        assert_eq!(ids(&sessions), [5], "snapshot: {snapshot}");
    }
}

#[test]
fn entries_of_a_snapshot_without_times_are_known_until_something_new_comes() {
    let mut sessions = Sessions::new(1 << 20);
    let saved = SavedSession { client: "c".into(), ids: vec![1], hashes: vec![9], ..SavedSession::default() };
    sessions.load(&saved);
    assert_eq!(sessions.recovered()[0].entries.len(), 1);
    sessions.apply(&delivery(2, 9, 1_800_000_000_000));
    assert_eq!(sessions.recovered()[0].entries[0].packet_id, 2);
}
