//! When the devices of one connection send what, with their faults. A pure state machine: time comes in with
//! each call.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use pantau_proto::TimeMs;

use super::faults::{BOOT_MESSAGES, Fault, FaultCounts, Faults, SILENT_MESSAGES, garbage};
use super::{Device, noise, signals};
use crate::device::{Emission, Message, Source};
use crate::text::payload;

/// The devices of one connection.
pub(crate) struct FleetSource {
    seed: u64,
    period: i64,
    faults: Faults,
    members: Vec<Member>,
    /// Nothing is due from here on.
    end: i64,
    /// When each member is due next, the earliest first.
    schedule: BinaryHeap<Reverse<(i64, usize)>>,
    /// Made and not yet taken.
    ready: VecDeque<Emission>,
    counts: FaultCounts,
}

struct Member {
    device: Device,
    topic: String,
    skew: i64,
    /// Silent below this message's number.
    silent_until: i64,
    /// What the rain counter showed at the last reboot.
    rain_zero_mm: f64,
    /// Waits for the next one to overtake it.
    held: Option<Message>,
}

impl FleetSource {
    /// Devices that begin at `start`, each `period_ms` (at least 1) with a phase of its own.
    pub(crate) fn new(
        seed: u64,
        devices: Vec<Device>,
        start: TimeMs,
        period_ms: i64,
        faults: Faults,
    ) -> Self {
        let period = period_ms.max(1);
        let mut schedule = BinaryHeap::with_capacity(devices.len());
        let mut members = Vec::with_capacity(devices.len());
        for (index, device) in devices.into_iter().enumerate() {
            let phase = (noise::hash(&[seed, 0x9a5e, device.id]) % period.cast_unsigned()).cast_signed();
            let first = start.0.div_euclid(period) * period + phase;
            schedule.push(Reverse((if first < start.0 { first + period } else { first }, index)));
            members.push(Member {
                topic: format!("pantau/{}", device.name),
                skew: faults.skew_ms(seed, device.id),
                silent_until: i64::MIN,
                rain_zero_mm: 0.0,
                held: None,
                device,
            });
        }
        Self {
            seed,
            period,
            faults,
            members,
            end: i64::MAX,
            schedule,
            ready: VecDeque::new(),
            counts: FaultCounts::default(),
        }
    }

    /// The same devices, which say nothing from `end` on.
    pub(crate) fn until(mut self, end: TimeMs) -> Self {
        self.end = end.0;
        self.schedule.retain(|Reverse((due, _))| *due < end.0);
        self
    }

    /// How often each fault came.
    pub(crate) fn counts(&self) -> FaultCounts {
        self.counts
    }

    /// What a member sends at `due`, put into `ready`.
    fn step(&mut self, index: usize, due: i64) {
        let Self { seed, period, faults, members, ready, counts, .. } = self;
        let (seed, Some(member)) = (*seed, members.get_mut(index)) else { return };
        let (id, number) = (member.device.id, due.div_euclid(*period));
        let strikes = |fault| faults.strikes(fault, seed, id, number);

        if number < member.silent_until {
            counts.silent += 1;
            return;
        }
        if strikes(Fault::Reboot) {
            counts.reboots += 1;
            counts.silent += 1;
            member.silent_until = number + BOOT_MESSAGES;
            member.rain_zero_mm = signals::rain_counter(seed, &member.device, due);
            ready.extend(member.held.take().map(Emission::Message));
            ready.push_back(Emission::Cut);
            return;
        }
        if strikes(Fault::Silence) {
            counts.silent += 1;
            member.silent_until = number + SILENT_MESSAGES;
            ready.extend(member.held.take().map(Emission::Message));
            return;
        }
        let values = signals::values(seed, &member.device, due, member.rain_zero_mm);
        let mut message = Message {
            topic: member.topic.clone(),
            payload: payload(TimeMs(due + member.skew), &values).into_bytes(),
            readings: values.len() as u32,
        };
        counts.skewed += u64::from(member.skew != 0);
        if strikes(Fault::Garbage) {
            counts.garbage += 1;
            message.payload = garbage(seed, id, number, &message.payload);
            message.readings = 0;
        }
        if let Some(late) = member.held.take() {
            counts.out_of_order += 1;
            ready.extend([Emission::Message(message), Emission::Message(late)]);
        } else if strikes(Fault::OutOfOrder) {
            member.held = Some(message);
        } else {
            if strikes(Fault::Duplicate) {
                counts.duplicates += 1;
                ready.push_back(Emission::Message(message.clone()));
            }
            ready.push_back(Emission::Message(message));
        }
    }
}

impl Source for FleetSource {
    fn due(&self) -> Option<TimeMs> {
        if self.ready.is_empty() {
            self.schedule.peek().map(|Reverse((due, _))| TimeMs(*due))
        } else {
            Some(TimeMs(i64::MIN))
        }
    }

    fn take(&mut self, now: TimeMs) -> Option<Emission> {
        while self.ready.is_empty() {
            let Reverse((due, index)) = *self.schedule.peek()?;
            if due > now.0 {
                return None;
            }
            self.schedule.pop();
            if due + self.period < self.end {
                self.schedule.push(Reverse((due + self.period, index)));
            }
            self.step(index, due);
        }
        self.ready.pop_front()
    }
}
