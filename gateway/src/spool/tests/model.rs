#![allow(clippy::unwrap_used, clippy::expect_used)]
//! The spool against a naive model, with power cuts at random moments.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Op {
    /// Client, (packet id, payload kind, QoS) a frame.
    Publish(u8, Vec<(u16, bool, u8)>),
    Session(u8, u8, u16),
    /// Milliseconds.
    Wait(i64),
    Commit,
    Ack(u64),
    Keep,
    Shed(u64),
    NewEpoch(u64),
    Crash(u64, bool),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let frames = prop::collection::vec((1_u16..6, any::<bool>(), 0_u8..3), 1..4);
    let op = prop_oneof![
        8 => (0_u8..2, frames).prop_map(|(client, frames)| Op::Publish(client, frames)),
        3 => (0_u8..2, 0_u8..4, 1_u16..6).prop_map(|(client, kind, id)| Op::Session(client, kind, id)),
        2 => (0_i64..40_000).prop_map(Op::Wait),
        6 => Just(Op::Commit),
        3 => (1_u64..40).prop_map(Op::Ack),
        3 => Just(Op::Keep),
        1 => (1_u64..9).prop_map(Op::Shed),
        1 => (1_u64..u64::MAX).prop_map(Op::NewEpoch),
        1 => (any::<u64>(), any::<bool>()).prop_map(|(seed, back)| Op::Crash(seed, back)),
    ];
    prop::collection::vec(op, 1..300)
}

/// Expiry, last delivery, entries oldest first, held ids.
type Naive = BTreeMap<String, (u32, i64, Vec<Delivered>, BTreeSet<u16>)>;

struct World {
    files: SimFiles,
    opened: Opened<SimFiles>,
    clock: i64,
    next_value: f64,
    /// Messages given up, in no record yet.
    shed: u64,
    keeps: i64,
    /// What was submitted and not known to be durable: position, series ("shed": no reading), value.
    loose: Vec<(u64, String, f64)>,
    /// Durable: series, value.
    durable: BTreeMap<u64, (String, f64)>,
    /// Arrival stamps that were seen, by position; never forgotten.
    stamps: BTreeMap<u64, (String, i64)>,
    ingest: RangeSet,
    /// The sessions after each journaled record; the first entry is durable.
    sessions: Vec<Naive>,
    epochs: Vec<u64>,
}

impl World {
    fn new() -> Self {
        let files = SimFiles::new();
        let opened = reopen(&files);
        Self {
            files,
            opened,
            clock: 1_000_000,
            next_value: 0.0,
            shed: 0,
            keeps: 0,
            loose: Vec::new(),
            durable: BTreeMap::new(),
            stamps: BTreeMap::new(),
            ingest: RangeSet::new(),
            sessions: vec![Naive::new()],
            epochs: vec![42],
        }
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Publish(client, frames) => self.publish(client, &frames),
            Op::Session(client, kind, id) => self.session(client, kind, id),
            Op::Wait(ms) => self.clock += ms,
            Op::Commit => self.commit(),
            Op::Ack(count) => {
                let synced = self.opened.spool.journal().synced().0;
                let start = self.ingest.first_gap(0);
                // Sometimes with a hole, which a later ack fills.
                let start = if count % 5 == 0 { (start + 2).min(synced) } else { start };
                let end = (start + count).min(synced);
                self.ingest.insert(start, end);
                self.opened.spool.acked(&[(start, end)].into_iter().collect(), &[]);
            }
            Op::Keep => {
                let next = self.opened.spool.journal().stats().next.0;
                let later = self.later();
                let prepared = self.opened.spool.prepare_release(later);
                if self.opened.spool.journal().stats().next.0 > next {
                    self.loose.push((next, "shed".into(), std::mem::take(&mut self.shed) as f64));
                }
                self.commit();
                if let Some(release) = prepared {
                    if let Some(snapshot) = release.snapshot {
                        snapshot.peek().unwrap().unwrap();
                    }
                    self.opened.spool.release(release.before).unwrap();
                }
            }
            Op::Shed(messages) => {
                self.opened.spool.shed(messages, TimeMs(self.clock));
                self.shed += messages;
            }
            Op::NewEpoch(epoch) => {
                if let Ok(ticket) = self.opened.spool.new_epoch(Epoch(epoch)) {
                    self.epochs.push(epoch);
                    self.commit();
                    ticket.peek().unwrap().unwrap();
                }
            }
            Op::Crash(seed, back) => self.crash(seed, back),
        }
    }

    /// So late that everything acked is to be freed, and each time so much later that what was shed is due.
    fn later(&mut self) -> TimeMs {
        self.keeps += 1;
        TimeMs(i64::MAX / 2 + 20_000 * self.keeps)
    }

    fn publish(&mut self, client: u8, frames: &[(u16, bool, u8)]) {
        self.clock += 1;
        let client = format!("client-{client}");
        let texts: Vec<(String, f64)> = frames
            .iter()
            .map(|(_, timed, _)| {
                self.next_value += 1.0;
                let value = self.next_value;
                let time = 5_000_000_000_000_i64 + self.clock;
                (
                    if *timed {
                        format!("{{\"time\":{time},\"pm10\":{value}}}")
                    } else {
                        format!("{{\"pm10\":{value}}}")
                    },
                    value,
                )
            })
            .collect();
        let built: Vec<Frame<'_>> = frames
            .iter()
            .zip(&texts)
            .map(|((id, _, qos), (text, value))| {
                let hash = value.to_bits();
                let key = match qos {
                    0 => None,
                    1 => key(*id, hash, Delivery::AtLeastOnce),
                    _ => key(*id, hash, Delivery::ExactlyOnce),
                };
                frame("pantau/dev", text.as_bytes(), self.clock, key)
            })
            .collect();
        let first = self.opened.spool.journal().stats().next.0;
        match intake(&self.opened.spool).submit(&client, &built) {
            Ok(_) => {}
            Err(SubmitError::Full) => return,
            Err(error) => panic!("{error}"),
        }
        let mut sessions = self.sessions.last().unwrap().clone();
        for ((position, (_, value)), (id, _, qos)) in (first..).zip(&texts).zip(frames) {
            self.loose.push((position, "dev/pm10".into(), *value));
            if *qos == 0 {
                continue;
            }
            let (_, heard, entries, held) =
                sessions.entry(client.clone()).or_insert((u32::MAX, 0, Vec::new(), BTreeSet::new()));
            let kept = self.clock - 30_000..=self.clock;
            entries.retain(|entry| kept.contains(&entry.arrival.0) && *heard <= self.clock);
            *heard = self.clock;
            if *qos == 2 {
                held.insert(*id);
            } else {
                entries.retain(|entry| entry.packet_id != *id);
                let arrival = TimeMs(self.clock);
                entries.push(Delivered { packet_id: *id, hash: value.to_bits(), arrival });
            }
        }
        self.sessions.push(sessions);
    }

    fn session(&mut self, client: u8, kind: u8, id: u16) {
        let name = format!("client-{client}");
        let client = name.as_str();
        let mut sessions = self.sessions.last().unwrap().clone();
        let event = match kind {
            0 => {
                sessions.insert(name.clone(), (60, 0, Vec::new(), BTreeSet::new()));
                SessionEvent::Started { client, expiry_s: 60 }
            }
            1 => {
                sessions.entry(name.clone()).or_default().0 = 90;
                SessionEvent::Resumed { client, expiry_s: 90 }
            }
            2 => {
                sessions.remove(client);
                SessionEvent::Ended { client }
            }
            _ => {
                if let Some((_, _, _, held)) = sessions.get_mut(client) {
                    held.remove(&id);
                }
                SessionEvent::Released { client, packet_id: id }
            }
        };
        match intake(&self.opened.spool).session(event) {
            Ok(_) => self.sessions.push(sessions),
            Err(SubmitError::Full) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn commit(&mut self) {
        while self.opened.committer.commit_once().unwrap() {}
        for (position, series, value) in self.loose.drain(..) {
            self.durable.insert(position, (series, value));
        }
        self.sessions.drain(..self.sessions.len() - 1);
        self.check();
    }

    fn crash(&mut self, seed: u64, back: bool) {
        self.shed = 0;
        self.files = self.files.crash(PowerCut::Tear(seed));
        self.opened = reopen(&self.files);
        if back {
            self.clock -= 500;
        }
        let there: BTreeMap<u64, f64> = contents(&self.opened.spool)
            .into_iter()
            .map(|(position, _, _, value)| (position, value))
            .collect();
        for (position, series, value) in self.loose.drain(..) {
            if there.get(&position).is_some_and(|found| found.to_bits() == value.to_bits()) {
                self.durable.insert(position, (series, value));
            }
        }
        let heard = |client: &str| {
            let ordered = locked(&self.opened.spool.shared.ordered);
            ordered.state.sessions.save().find(|saved| saved.client == client).unwrap().heard
        };
        let recovered: Naive = self
            .opened
            .sessions
            .iter()
            .map(|session| {
                let (heard, held) = (heard(&session.client), session.held.iter().copied().collect());
                (session.client.clone(), (session.expiry_s, heard, session.entries.clone(), held))
            })
            .collect();
        assert!(self.sessions.contains(&recovered), "{recovered:?} is none of {:?}", self.sessions);
        self.sessions = vec![recovered];
        self.check();
    }

    /// What must hold whenever everything is synced.
    fn check(&mut self) {
        let found = contents(&self.opened.spool);
        let there: BTreeMap<u64, (String, f64)> =
            found.iter().map(|(position, series, _, value)| (*position, (series.clone(), *value))).collect();
        let kept = self.opened.spool.journal().stats().kept.0;
        let offer = self.opened.spool.offer();
        assert_eq!(Some(&offer.epoch.0), self.epochs.last());
        for (position, reading) in &self.durable {
            if *position >= kept {
                assert_eq!(there.get(position), Some(reading), "position {position}");
            } else {
                assert!(self.ingest.contains(*position), "{position} was freed and is not acked");
            }
            if !self.ingest.contains(*position) {
                assert!(*position >= offer.kept && !offer.settled.contains(*position));
            }
        }
        let state = locked(&self.opened.spool.shared.ordered).state.clone();
        let snapshot = state.snapshot().encoded_len();
        assert!(snapshot <= bounds().snapshot_bytes(), "a snapshot of {snapshot} bytes");
        let acked = state.acked;
        for position in self.durable.keys().filter(|position| acked.contains(**position)) {
            assert!(self.ingest.contains(*position), "{position} counts as acked and is not");
        }
        // Times below are stamps: those of devices are far higher.
        for (position, series, time, _) in found.into_iter().filter(|entry| entry.2 < 4_000_000_000_000) {
            self.stamps.insert(position, (series, time));
        }
        let mut last: BTreeMap<&str, i64> = BTreeMap::new();
        for (series, time) in self.stamps.values() {
            let before = last.insert(series, *time);
            assert!(before.is_none_or(|before| before < *time), "a stamp goes back: {before:?} then {time}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn what_is_acked_survives_power_cuts_and_the_freeing_of_segments(ops in ops()) {
        let mut world = World::new();
        for op in ops {
            world.step(op);
        }
        world.crash(1, false);
    }
}
