//! A device with a window, few packet ids and a constant value on a link that loses the end of what either side
//! sent, against the session and the real spool: what is acknowledged is stored, and stored once.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU16;

use bytes::{Buf, Bytes, BytesMut};
use pantau_journal::Committer;
use pantau_journal::sim::{PowerCut, SimFiles};
use pantau_proto::TimeMs;
use proptest::prelude::*;
use rmqtt_codec::types::{Publish, QoS};

use super::super::packets::Inbound;
use super::super::pipeline::Work;
use super::super::session::{Kept, Session};
use super::super::wire::{First, first};
use crate::intake::types::{Intake as _, SessionEvent};
use crate::spool::tests::{intake, reopen_with};
use crate::spool::{Bounds, Spool};

/// A device notices after so many seconds that no acknowledgements come.
const PATIENCE_S: i64 = 20;

#[derive(Debug, Clone)]
enum Op {
    /// The device goes on for so many seconds.
    Seconds(i64),
    /// From now on the gateway's bytes are lost.
    LoseAcks,
    /// From now on bytes are lost both ways.
    LoseAll,
    /// The device connects again; the link holds for so many packets of those that it sends at once, which the
    /// gateway reads in pieces of this size.
    Connect(usize, usize),
    /// The gateway loses power, with or without what it has not synced.
    Crash(bool),
    /// Syncs stop until the next second.
    Stall,
    /// The gateway's clock is set, milliseconds.
    SetClock(i64),
}

fn ops(crashes: u32, clocks: u32) -> impl Strategy<Value = Vec<Op>> {
    let packets = prop_oneof![2 => Just(usize::MAX), 1 => 0_usize..12];
    let connect = (packets, prop_oneof![Just(1_usize), Just(3), Just(1_000)]);
    let op = prop_oneof![
        6 => prop_oneof![3 => 1_i64..6, 2 => 1_i64..100, 1 => 100_i64..300].prop_map(Op::Seconds),
        2 => Just(Op::LoseAcks),
        3 => Just(Op::LoseAll),
        8 => connect.prop_map(|(packets, piece)| Op::Connect(packets, piece)),
        2 => Just(Op::Stall),
        crashes => any::<bool>().prop_map(Op::Crash),
        clocks => (-100_000_i64..100_000).prop_map(Op::SetClock),
    ];
    prop::collection::vec(op, 1..80)
}

/// True seconds, and the gateway's clock in milliseconds.
#[derive(Debug, Clone, Copy, Default)]
struct Moment {
    second: i64,
    clock: i64,
}

/// One message of the device.
#[derive(Debug, Clone, Default)]
struct Message {
    id: u16,
    timed: bool,
    sent: Moment,
    /// When the message that had this id before was last there.
    before: Option<Moment>,
    /// When it was there, at first and last.
    there: Option<(Moment, Moment)>,
    acked: bool,
    /// How often it is on disk, or on the way there.
    stored: u32,
}

struct World {
    files: SimFiles,
    spool: Spool<SimFiles>,
    committer: Committer<SimFiles>,
    session: Option<Session>,
    kept: Option<Box<Kept>>,
    tickets: usize,
    /// Messages that are not synced.
    loose: Vec<usize>,
    stalled: bool,
    now: Moment,
    /// Whether bytes arrive: the device's, the gateway's.
    up: bool,
    down: bool,
    deaf_s: i64,
    window: usize,
    ids: u16,
    /// Every so many messages one carries its time; 1 = none.
    timed: usize,
    messages: Vec<Message>,
    in_flight: VecDeque<usize>,
    last_there: BTreeMap<u16, Moment>,
}

fn bounds() -> Bounds {
    Bounds { max_bytes: 64 << 20, segment_bytes: 64 << 10, ..crate::spool::tests::bounds() }
}

impl World {
    fn new(window: usize, ids: u16, timed: usize) -> Self {
        let files = SimFiles::new();
        let opened = reopen_with(&files, bounds());
        let started = SessionEvent::Started { client: "device", expiry_s: u32::MAX };
        drop(intake(&opened.spool).session(started).unwrap());
        let kept = Kept { client: "device".into(), expiry_s: u32::MAX, ..Kept::default() };
        let mut world = Self {
            files,
            spool: opened.spool,
            committer: opened.committer,
            session: None,
            kept: Some(Box::new(kept)),
            tickets: 0,
            loose: Vec::new(),
            stalled: false,
            now: Moment { second: 0, clock: 1_800_000_000_000 },
            up: false,
            down: false,
            deaf_s: 0,
            window,
            ids,
            timed,
            messages: Vec::new(),
            in_flight: VecDeque::new(),
            last_there: BTreeMap::new(),
        };
        world.save();
        world.connect(usize::MAX, 1);
        world
    }

    fn step(&mut self, op: &Op) {
        match op {
            Op::Seconds(seconds) => (0..*seconds).for_each(|_| self.second()),
            Op::LoseAcks => self.down = false,
            Op::LoseAll => (self.up, self.down) = (false, false),
            Op::Connect(packets, piece) => {
                self.disconnect();
                self.connect(*packets, *piece);
            }
            Op::Crash(synced) => self.crash(*synced),
            Op::Stall => self.stalled = true,
            Op::SetClock(by) => self.now.clock += by,
        }
    }

    fn second(&mut self) {
        self.now.second += 1;
        self.now.clock += 1_000;
        self.stalled = false;
        self.sync();
        self.deaf_s = if self.down { 0 } else { self.deaf_s + 1 };
        if self.deaf_s > PATIENCE_S {
            self.disconnect();
        }
        if self.in_flight.len() < self.window {
            let id = u16::try_from(self.messages.len() % usize::from(self.ids)).unwrap() + 1;
            let timed = self.messages.len() % self.timed == 1;
            let before = self.last_there.get(&id).copied();
            self.messages.push(Message { id, timed, sent: self.now, before, ..Message::default() });
            self.in_flight.push_back(self.messages.len() - 1);
            if self.up {
                self.arrive(&[self.messages.len() - 1], false);
            }
        }
    }

    fn disconnect(&mut self) {
        (self.up, self.down) = (false, false);
        self.stalled = false;
        self.sync();
        if let Some(session) = self.session.take() {
            self.kept = Some(session.end());
        }
    }

    /// The device sends again what is in flight; the link breaks after so many packets.
    fn connect(&mut self, packets: usize, piece: usize) {
        let Some(kept) = self.kept.take() else { return };
        let connect: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x00\x00\x3c\x00\x01a";
        let Ok(Some(First::Connect(connect))) = first(&mut BytesMut::from(connect), 1024, 1024) else {
            panic!("CONNECT");
        };
        self.session = Some(Session::begin(kept, connect.0, 100));
        (self.up, self.deaf_s) = (true, 0);
        let again: Vec<usize> = self.in_flight.iter().copied().collect();
        self.down = packets > again.len();
        let sent = &again[..packets.min(again.len())];
        sent.chunks(piece).for_each(|piece| self.arrive(piece, true));
        self.up = self.down;
    }

    /// These messages arrive in one read.
    fn arrive(&mut self, messages: &[usize], dup: bool) {
        let arrival = TimeMs(self.now.clock);
        let Some(session) = &mut self.session else { return };
        for n in messages {
            let message = &mut self.messages[*n];
            let first = message.there.map_or(self.now, |there| there.0);
            message.there = Some((first, self.now));
            self.last_there.insert(message.id, self.now);
            let time = 1_700_000_000_000 + message.sent.second * 1_000;
            let (topic, payload) = if message.timed {
                ("pantau/a", format!("{{\"time\":{time},\"pm10\":0}}"))
            } else {
                ("pantau/a/pm10", "0".to_owned())
            };
            let publish = Publish {
                dup,
                retain: false,
                qos: QoS::AtLeastOnce,
                topic: topic.into(),
                packet_id: NonZeroU16::new(message.id),
                payload: Bytes::from(payload),
                properties: None,
            };
            session.packet(Inbound::Publish(Box::new(publish)), arrival).unwrap();
        }
        let door = intake(&self.spool);
        while let Work::Frames(count) = session.work() {
            let frames = session.frames(count, arrival);
            drop(door.submit("device", &frames).unwrap());
            for frame in &frames {
                let id = frame.key.unwrap().packet_id;
                let of_id = |n: &&usize| self.messages[**n].id == id;
                self.loose.push(*self.in_flight.iter().find(of_id).unwrap());
            }
            session.accepted(count, arrival, &[]);
            self.tickets += 1;
        }
        self.sync();
    }

    fn sync(&mut self) {
        if self.stalled {
            return;
        }
        self.save();
        if let Some(session) = &mut self.session {
            (0..std::mem::take(&mut self.tickets)).for_each(|_| session.resolved());
            while session.out.has_remaining() {
                assert_eq!(session.out.get_u16(), 0x4002, "a PUBACK");
                let id = session.out.get_u16();
                if self.down {
                    let n = self.in_flight.pop_front().unwrap();
                    assert_eq!(self.messages[n].id, id, "acknowledgements keep their order");
                    self.messages[n].acked = true;
                }
            }
        }
    }

    fn save(&mut self) {
        while self.committer.commit_once().unwrap() {}
        self.loose.drain(..).for_each(|n| self.messages[n].stored += 1);
    }

    fn crash(&mut self, synced: bool) {
        (self.up, self.down, self.stalled, self.tickets) = (false, false, false, 0);
        if synced {
            self.save();
        }
        self.loose.clear();
        self.files = self.files.crash(PowerCut::LoseAll);
        let opened = reopen_with(&self.files, bounds());
        (self.spool, self.committer, self.session) = (opened.spool, opened.committer, None);
        self.kept = Some(Box::new(Kept::recovered(&opened.sessions[0])));
    }

    /// Lets the device get rid of everything.
    fn finish(&mut self) {
        self.disconnect();
        self.connect(usize::MAX, 1_000);
        self.disconnect();
        assert!(self.in_flight.is_empty());
    }
}

fn play(ops: &[Op], window: usize, ids: u16, timed: usize) -> Vec<Message> {
    let mut world = World::new(window, ids, timed);
    ops.iter().for_each(|op| world.step(op));
    world.finish();
    world.messages
}

/// The one doubt: the id was used again, and nothing new was there before that shows by its time that the
/// acknowledgement of the id's last message had arrived.
fn doubtful(messages: &[Message], n: usize) -> bool {
    let Some(before) = messages[n].before else { return false };
    let shows =
        |(first, _): (Moment, Moment)| first.second > before.second && first.clock - before.clock > 30_000;
    !messages[..n].iter().any(|other| other.stored > 0 && other.there.is_some_and(shows))
}

/// By the gateway's clock the id was used again soon, with a second for the time between two messages.
fn soon(messages: &[Message], n: usize) -> bool {
    let Message { sent, before: Some(before), there: Some((_, last)), .. } = messages[n] else {
        return false;
    };
    (sent.clock - before.clock).abs().min((last.clock - before.clock).abs()) <= 31_000
}

/// The gateway crashed while this or a message with it was in flight for long.
fn late(messages: &[Message], n: usize) -> bool {
    let there = |message: &Message| message.there.map(|(first, last)| (first.second, last.second));
    let (first, last) = there(&messages[n]).unwrap();
    let with = messages[n.saturating_sub(100)..=n].iter().filter_map(there);
    with.filter(|with| with.0 <= last && with.1 >= first).any(|(first, last)| last - first > 30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_acknowledged_is_stored_and_once_however_the_link_breaks(
        ops in ops(0, 0), window in 1_usize..60, timed in 1_usize..5,
    ) {
        let messages = play(&ops, window, 100, timed);
        for (n, message) in messages.iter().enumerate() {
            prop_assert!(message.acked && message.stored == 1, "message {}: {:?}", n, message);
        }
    }

    #[test]
    fn with_ids_that_come_again_soon_only_a_doubtful_message_is_not_stored(
        ops in ops(0, 0), window in 1_usize..100, more in 0_u16..20,
    ) {
        let ids = u16::try_from(window).unwrap() + more;
        let messages = play(&ops, window, ids, 1);
        for (n, message) in messages.iter().enumerate() {
            let fits = message.stored == 1 || message.stored == 0 && doubtful(&messages, n);
            prop_assert!(message.acked && fits, "message {}: {:?}", n, message);
        }
    }

    #[test]
    fn a_gateway_that_crashes_loses_nothing_and_stores_again_only_what_it_acknowledged_late(
        ops in ops(3, 0), window in 1_usize..60, timed in 1_usize..5,
    ) {
        let messages = play(&ops, window, 100, timed);
        for (n, message) in messages.iter().enumerate() {
            let fits = message.stored == 1 || message.stored > 1 && late(&messages, n);
            prop_assert!(message.acked && fits, "message {}: {:?}", n, message);
        }
    }

    #[test]
    fn a_clock_that_is_set_may_store_again_and_loses_nothing(
        ops in ops(2, 4), window in 1_usize..60, timed in 1_usize..5,
    ) {
        let messages = play(&ops, window, 100, timed);
        for (n, message) in messages.iter().enumerate() {
            let fits = message.stored >= 1 || soon(&messages, n) || doubtful(&messages, n);
            prop_assert!(message.acked && fits, "message {}: {:?}", n, message);
        }
    }
}
