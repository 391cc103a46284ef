//! The state machine without a socket: what is submitted, and which acknowledgements leave when.

use bytes::{Buf, BytesMut};
use pantau_proto::TimeMs;
use proptest::prelude::*;

use super::super::packets::Inbound;
use super::super::pipeline::Work;
use super::super::session::{Kept, Next, RECEIVE_MAX, Session};
use super::super::wire::{First, first};
use crate::intake::types::Delivery;

/// A session, the payloads that its intake holds, and the tickets that have not resolved.
struct Bench {
    session: Session,
    stored: Vec<(String, Option<Delivery>)>,
    released: Vec<u16>,
    tickets: usize,
    now: TimeMs,
}

impl Bench {
    fn new(v5: bool, kept: Kept) -> Self {
        let connect: &[u8] = if v5 {
            b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01a"
        } else {
            b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a"
        };
        let Ok(Some(First::Connect(connect))) = first(&mut BytesMut::from(connect), 1024, 1024) else {
            panic!("CONNECT");
        };
        let session = Session::begin(Box::new(kept), connect.0, 100);
        Bench { session, stored: Vec::new(), released: Vec::new(), tickets: 0, now: TimeMs(0) }
    }

    fn persistent() -> Self {
        Bench::new(false, Kept { client: "a".into(), expiry_s: 60, ..Kept::default() })
    }

    fn clean() -> Self {
        Bench::new(false, Kept { client: "a".into(), ..Kept::default() })
    }

    fn reconnect(self) -> Self {
        assert_eq!(self.tickets, 0, "a session is given back only without tickets");
        let Bench { stored, released, now, .. } = self;
        Bench { stored, released, now, ..Bench::new(false, *self.session.end()) }
    }

    /// One packet as bytes.
    fn packet(&mut self, bytes: &[u8]) -> Next {
        let packet = self.session.wire.next(&mut BytesMut::from(bytes)).unwrap().unwrap();
        self.session.packet(packet, self.now).unwrap()
    }

    fn publish(&mut self, qos: u8, packet_id: u16, dup: bool, payload: &str) {
        let mut bytes = vec![0x30 | (u8::from(dup) << 3) | (qos << 1), 0, 0, 1, b't'];
        if qos > 0 {
            bytes.extend_from_slice(&packet_id.to_be_bytes());
        }
        bytes.extend_from_slice(payload.as_bytes());
        bytes[1] = u8::try_from(bytes.len() - 2).unwrap();
        self.packet(&bytes);
    }

    fn release(&mut self, packet_id: u16) {
        let [high, low] = packet_id.to_be_bytes();
        self.packet(&[0x62, 2, high, low]);
    }

    /// Hands everything pending to the intake.
    fn submit(&mut self) {
        loop {
            match self.session.work() {
                Work::Nothing => return,
                Work::Release(packet_id) => {
                    self.released.push(packet_id);
                    self.session.released(packet_id);
                }
                Work::Frames(count) => {
                    let frames = self.session.frames(count, self.now);
                    assert_eq!(frames.len(), count);
                    for frame in frames {
                        let payload = String::from_utf8(frame.payload.to_vec()).unwrap();
                        self.stored.push((payload, frame.key.map(|key| key.kind)));
                    }
                    self.session.accepted(count, self.now, &[]);
                }
            }
            self.tickets += 1;
        }
    }

    fn resolve_all(&mut self) -> Vec<(u8, u16)> {
        for _ in 0..std::mem::take(&mut self.tickets) {
            self.session.resolved();
        }
        self.out()
    }

    /// The acknowledgements that have left, as (first byte, packet id).
    fn out(&mut self) -> Vec<(u8, u16)> {
        let mut acks = Vec::new();
        while self.session.out.has_remaining() {
            let head = self.session.out.get_u8();
            let length = usize::from(self.session.out.get_u8());
            let body = self.session.out.split_to(length);
            acks.push((head, if length >= 2 { u16::from_be_bytes([body[0], body[1]]) } else { 0 }));
        }
        acks
    }

    fn payloads(&self) -> Vec<&str> {
        self.stored.iter().map(|(payload, _)| payload.as_str()).collect()
    }
}

const PUBACK: u8 = 0x40;
const PUBREC: u8 = 0x50;
const PUBCOMP: u8 = 0x70;

#[test]
fn an_ack_never_leaves_before_the_sync_and_acks_keep_the_order_of_the_packets() {
    let mut bench = Bench::clean();
    bench.publish(1, 1, false, "a");
    bench.publish(2, 2, false, "b");
    bench.submit();
    bench.publish(0, 0, false, "c");
    bench.publish(1, 3, false, "d");
    bench.submit();
    assert_eq!(bench.out(), []);
    bench.session.resolved();
    assert_eq!(bench.out(), [(PUBACK, 1), (PUBREC, 2)]);
    bench.session.resolved();
    assert_eq!(bench.out(), [(PUBACK, 3)]);
    assert_eq!(bench.payloads(), ["a", "b", "c", "d"]);
    assert!(bench.stored.iter().all(|(_, key)| key.is_none()), "a clean session journals only readings");
}

#[test]
fn a_ping_is_answered_at_once() {
    let mut bench = Bench::clean();
    bench.publish(1, 1, false, "a");
    bench.packet(b"\xc0\x00");
    bench.submit();
    assert_eq!(bench.out(), [(0xd0, 0)]);
}

#[test]
fn a_repeat_of_an_unacknowledged_message_is_swallowed_even_in_a_clean_session() {
    let mut bench = Bench::clean();
    bench.publish(1, 1, false, "a");
    bench.publish(1, 1, true, "a");
    bench.submit();
    bench.publish(1, 1, true, "a");
    bench.submit();
    assert_eq!(bench.resolve_all(), [(PUBACK, 1)]);
    assert_eq!(bench.payloads(), ["a"]);
    assert_eq!(bench.session.repeats, 2);
}

#[test]
fn a_repeat_after_a_reconnect_is_acknowledged_and_not_stored_in_a_persistent_session() {
    let mut bench = Bench::persistent();
    bench.publish(1, 1, false, "a");
    bench.submit();
    bench.resolve_all();
    let mut bench = bench.reconnect();
    bench.publish(1, 1, true, "a");
    bench.submit();
    assert_eq!(bench.out(), [(PUBACK, 1)], "it is stored already: nothing to wait for");
    bench.publish(1, 1, true, "a");
    bench.submit();
    assert_eq!(bench.out(), [], "one acknowledgement is enough on one connection");
    assert_eq!(bench.payloads(), ["a"]);
}

#[test]
fn the_ack_of_a_repeat_keeps_its_place() {
    let mut bench = Bench::persistent();
    bench.publish(1, 7, false, "a");
    bench.submit();
    bench.resolve_all();
    let mut bench = bench.reconnect();
    bench.publish(1, 8, false, "b");
    bench.submit();
    bench.publish(1, 7, true, "a");
    bench.submit();
    bench.publish(1, 9, false, "c");
    bench.submit();
    assert_eq!(bench.out(), []);
    assert_eq!(bench.resolve_all(), [(PUBACK, 8), (PUBACK, 7), (PUBACK, 9)]);
}

#[test]
fn in_doubt_a_message_is_stored() {
    let mut bench = Bench::persistent();
    bench.publish(1, 1, false, "a");
    bench.publish(1, 2, false, "b");
    bench.publish(1, 3, false, "c");
    bench.submit();
    bench.resolve_all();
    let mut bench = bench.reconnect();
    bench.publish(1, 1, true, "other payload");
    bench.publish(1, 2, true, "b");
    bench.publish(1, 3, false, "c");
    bench.publish(1, 4, true, "never seen");
    bench.submit();
    assert_eq!(bench.resolve_all(), [(PUBACK, 1), (PUBACK, 2), (PUBACK, 3), (PUBACK, 4)]);
    assert_eq!(bench.payloads(), ["a", "b", "c", "other payload", "c", "never seen"]);
}

#[test]
fn a_qos_2_message_is_stored_once_however_often_it_comes() {
    let mut bench = Bench::persistent();
    bench.publish(2, 1, false, "a");
    bench.submit();
    bench.publish(2, 1, true, "a");
    bench.submit();
    assert_eq!(bench.resolve_all(), [(PUBREC, 1)]);
    let mut bench = bench.reconnect();
    bench.publish(2, 1, true, "a");
    bench.submit();
    assert_eq!(bench.out(), [(PUBREC, 1)]);
    bench.release(1);
    bench.submit();
    assert_eq!(bench.out(), [], "PUBCOMP waits for the sync of the release");
    assert_eq!(bench.resolve_all(), [(PUBCOMP, 1)]);
    bench.publish(2, 1, false, "a");
    bench.submit();
    assert_eq!(bench.payloads(), ["a", "a"], "after the release the id is free");
    assert_eq!(bench.released, [1]);
    assert_eq!(bench.stored[0].1, Some(Delivery::ExactlyOnce));
}

#[test]
fn a_qos_2_message_that_was_never_stored_is_not_held() {
    let mut bench = Bench::persistent();
    bench.publish(2, 1, false, "a");
    // The connection ends while the spool is full: nothing was submitted.
    let mut bench = bench.reconnect();
    bench.publish(2, 1, true, "a");
    bench.submit();
    assert_eq!(bench.payloads(), ["a"]);
}

#[test]
fn a_release_of_an_unknown_id_is_completed() {
    let mut bench = Bench::clean();
    bench.release(9);
    bench.submit();
    assert_eq!(bench.out(), [(PUBCOMP, 9)]);
}

#[test]
fn the_release_is_journaled_after_the_messages_before_it() {
    let mut bench = Bench::persistent();
    bench.publish(2, 1, false, "a");
    bench.submit();
    bench.resolve_all();
    bench.publish(1, 2, false, "b");
    bench.release(1);
    bench.publish(1, 3, false, "c");
    bench.submit();
    assert_eq!(bench.tickets, 3);
    assert_eq!(bench.resolve_all(), [(PUBACK, 2), (PUBCOMP, 1), (PUBACK, 3)]);
}

#[test]
fn a_v5_client_that_exceeds_the_receive_maximum_is_told_so() {
    let mut bench = Bench::new(true, Kept::default());
    let publish = |id: u16| [0x32, 6, 0, 1, b't', (id >> 8) as u8, id as u8, 0];
    let mut send = |id| {
        let packet = bench.session.wire.next(&mut BytesMut::from(&publish(id)[..])).unwrap().unwrap();
        bench.session.packet(packet, TimeMs(0))
    };
    for id in 1..=RECEIVE_MAX {
        send(id).unwrap();
    }
    assert_eq!(u8::from(send(RECEIVE_MAX + 1).unwrap_err().reason), 0x93);
}

#[test]
fn a_session_without_expiry_cannot_get_one_by_leaving() {
    let mut bench = Bench::new(true, Kept::default());
    assert!(
        bench.session.packet(Inbound::Disconnect { expiry_s: Some(5), in_order: true }, TimeMs(0)).is_err()
    );
    let leave = Inbound::Disconnect { expiry_s: Some(0), in_order: true };
    assert_eq!(bench.session.packet(leave, TimeMs(0)).unwrap(), Next::Leave { in_order: true });
}

#[derive(Debug, Clone)]
enum Step {
    Publish { qos: u8, id: u16, dup: bool, payload: u8 },
    Release(u16),
    Submit,
    Resolve,
    Reconnect,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let publish = (0..3_u8, 1..6_u16, any::<bool>(), 0..4_u8)
        .prop_map(|(qos, id, dup, payload)| Step::Publish { qos, id, dup: dup && qos > 0, payload });
    let step = prop_oneof![
        6 => publish,
        2 => (1..6_u16).prop_map(Step::Release),
        4 => Just(Step::Submit),
        3 => Just(Step::Resolve),
        1 => Just(Step::Reconnect),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Whatever comes: each acknowledgement that leaves is owed by a packet, in the order of the packets, and
    /// only after all that was submitted up to it has resolved.
    #[test]
    fn any_sequence_of_packets_is_acknowledged_in_order_and_only_after_its_tickets(
        steps in steps(), persistent: bool,
    ) {
        let mut bench = if persistent { Bench::persistent() } else { Bench::clean() };
        // Acknowledgements owed, in order, and how many submits stood before each when it was submitted.
        let mut expected: std::collections::VecDeque<(u8, u16)> = std::collections::VecDeque::new();
        let mut acked = 0;
        let mut owed = 0;
        for step in steps {
            match step {
                Step::Publish { qos, id, dup, payload } => {
                    bench.publish(qos, id, dup, ["w", "x", "y", "z"][usize::from(payload)]);
                    match qos {
                        1 => expected.push_back((PUBACK, id)),
                        2 => expected.push_back((PUBREC, id)),
                        _ => {}
                    }
                    owed += usize::from(qos > 0);
                }
                Step::Release(id) => {
                    bench.release(id);
                    expected.push_back((PUBCOMP, id));
                    owed += 1;
                }
                Step::Submit => bench.submit(),
                Step::Resolve if bench.tickets > 0 => {
                    bench.tickets -= 1;
                    bench.session.resolved();
                }
                Step::Resolve => {}
                Step::Reconnect => {
                    bench.resolve_all();
                    bench = bench.reconnect();
                    expected.clear();
                }
            }
            for ack in bench.out() {
                // Swallowed repeats owe nothing: skip over them, never backwards.
                let at = expected.iter().position(|owed| *owed == ack);
                prop_assert!(at.is_some(), "{ack:?} was not owed");
                expected.drain(..=at.unwrap());
                acked += 1;
            }
        }
        prop_assert!(acked <= owed);
        bench.submit();
        bench.resolve_all();
        prop_assert!(bench.session.may_read());
    }
}
