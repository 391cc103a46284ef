//! What one load connection sends and when: closed loop (the window is always full) or paced (a publish is
//! due every interval, whether the server keeps up or not). A pure state machine: sockets and clocks are the
//! shell's.
//!
//! Always holds: at most `window` publishes are in flight; a packet id is not used again before its ack; the
//! times of one topic's payloads rise strictly, so that no two are the same reading.

use std::collections::VecDeque;

use pantau_proto::TimeMs;

use super::histogram::Histogram;
use super::packet::{Incoming, Template};
use crate::text::{TIME_LEN, digits, time_text};

/// Bytes that are encoded ahead of the socket at most, to bound memory when it does not take them.
const MAX_OUT: usize = 1 << 18;

/// When publishes are due.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    Closed,
    /// Nanoseconds from publish to publish, and when the first is due.
    Every {
        interval: f64,
        first: u64,
    },
}

/// One connection's side.
pub(crate) struct Sender {
    topics: Vec<Topic>,
    turn: usize,
    /// Send time + 1 of each packet id in flight, 0 where free. Index 0 is not used.
    slots: Vec<u64>,
    next_id: u16,
    in_flight: usize,
    window: usize,
    qos1: bool,
    pace: Pace,
    /// Publishes that were ever due.
    due: u64,
    /// When those that are due and not sent were first seen to be.
    owed: VecDeque<u64>,
    /// Publishes still to send.
    left: u64,
    out: Vec<u8>,
    written: usize,
    second: (i64, [u8; TIME_LEN]),
    pub(crate) latency: Histogram,
    pub(crate) sent: u64,
    pub(crate) acked: u64,
}

struct Topic {
    template: Template,
    /// The last payload's time.
    last: i64,
    /// Payloads so far, beginning anywhere: the value follows from it.
    count: i64,
}

impl Sender {
    pub(crate) fn new(topics: Vec<Template>, window: u16, qos1: bool, pace: Pace, messages: u64) -> Self {
        let topic = |(index, template)| Topic { template, last: 0, count: 37 * index as i64 };
        Self {
            topics: topics.into_iter().enumerate().map(topic).collect(),
            turn: 0,
            // Twice the window, so that a slow first ack does not hold up the ids after it.
            slots: vec![0; (2 * usize::from(window)).min(usize::from(u16::MAX)) + 1],
            next_id: 0,
            in_flight: 0,
            window: window.into(),
            qos1,
            pace,
            due: 0,
            owed: VecDeque::new(),
            left: messages,
            out: Vec::new(),
            written: 0,
            second: (i64::MIN, [0; TIME_LEN]),
            latency: Histogram::new(),
            sent: 0,
            acked: 0,
        }
    }

    /// Encodes all that may be sent now.
    pub(crate) fn fill(&mut self, now: u64, wall: TimeMs) {
        if let Pace::Every { interval, first } = self.pace {
            let due = (now.saturating_sub(first) as f64 / interval) as u64 + u64::from(now >= first);
            while self.due < due && (self.owed.len() as u64) < self.left {
                self.owed.push_back(now);
                self.due += 1;
            }
        }
        // In a closed loop a quarter of the window is refilled at once: one write for many acks.
        if matches!(self.pace, Pace::Closed) && self.in_flight > self.window - self.window / 4 {
            return;
        }
        while self.may_send() && self.out.len() < MAX_OUT {
            let stamp = match self.pace {
                Pace::Closed => now,
                Pace::Every { .. } => match self.owed.pop_front() {
                    Some(stamp) => stamp,
                    None => break,
                },
            };
            self.publish(stamp, wall);
        }
    }

    fn publish(&mut self, stamp: u64, wall: TimeMs) {
        let id = if self.qos1 { self.take_id(stamp) } else { 0 };
        self.turn = (self.turn + 1) % self.topics.len();
        let Self { topics, turn, out, second, .. } = self;
        let topic = &mut topics[*turn];
        topic.last = wall.0.max(topic.last + 1);
        // Between 20.0 and 30.0, up and down by a tenth every four readings, as temperature goes.
        topic.count += 1;
        let tenths = 200 + (topic.count / 4 % 200 - 100).abs();
        let (whole, ms) = (topic.last.div_euclid(1_000), topic.last.rem_euclid(1_000));
        if second.0 != whole {
            *second = (whole, time_text(TimeMs(whole * 1_000)));
        }
        digits(&mut second.1[20..23], ms);
        topic.template.write(out, id, &second.1, tenths);
        self.left -= 1;
        self.sent += 1;
    }

    /// A packet id that is free. There is one: there are twice as many as the window.
    fn take_id(&mut self, stamp: u64) -> u16 {
        loop {
            self.next_id =
                if usize::from(self.next_id) + 1 < self.slots.len() { self.next_id + 1 } else { 1 };
            let slot = &mut self.slots[usize::from(self.next_id)];
            if *slot == 0 {
                *slot = stamp + 1;
                self.in_flight += 1;
                return self.next_id;
            }
        }
    }

    /// Whether the window lets another one go.
    fn may_send(&self) -> bool {
        self.left > 0 && self.in_flight < self.window
    }

    /// Whether there is more to encode although the socket took everything (only at QoS 0, where nothing is
    /// in flight).
    pub(crate) fn is_hungry(&self) -> bool {
        matches!(self.pace, Pace::Closed) && !self.qos1 && self.left > 0
    }

    /// Bytes for the socket.
    pub(crate) fn pending(&self) -> &[u8] {
        &self.out[self.written..]
    }

    /// The socket took so many of them.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        }
    }

    /// True when the ack was one of a publish in flight.
    pub(crate) fn incoming(&mut self, packet: Incoming, now: u64) -> bool {
        let Incoming::PubAck(id) = packet else { return false };
        match self.slots.get_mut(usize::from(id)) {
            Some(slot) if *slot != 0 => {
                self.latency.record(now.saturating_sub(*slot - 1));
                *slot = 0;
                self.in_flight -= 1;
                self.acked += 1;
                true
            }
            _ => false,
        }
    }

    /// Sends no more.
    pub(crate) fn finish(&mut self) {
        self.left = 0;
        self.owed.clear();
    }

    /// Whether everything is sent, written and acknowledged.
    pub(crate) fn is_done(&self) -> bool {
        self.left == 0 && self.in_flight == 0 && self.pending().is_empty()
    }

    /// The latest time in a payload. Ahead of the clock when a topic got more than 1,000 a second.
    pub(crate) fn latest(&self) -> i64 {
        self.topics.iter().map(|topic| topic.last).max().unwrap_or(0)
    }

    /// Publishes without an ack.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// When the next publish is due that was not yet seen to be; None in a closed loop or at the end.
    pub(crate) fn next_due(&self) -> Option<u64> {
        match self.pace {
            Pace::Every { interval, first } if (self.owed.len() as u64) < self.left => {
                Some(first + (self.due as f64 * interval) as u64)
            }
            _ => None,
        }
    }
}
