//! Walks through one record position by position, for the uplink. Pure.

use pantau_proto::{Flags, Reading, TimeMs};

use super::record::{BootOffset, Record, RefusedPayload};

/// One position.
#[derive(Debug, PartialEq)]
pub(crate) enum Item<'a> {
    /// A reading: series name, unit or "", the reading.
    Reading(&'a str, &'a str, Reading),
    /// A refused payload.
    Refused(&'a RefusedPayload),
}

/// A record and how far it is read.
#[derive(Debug)]
pub(crate) struct Cursor {
    record: Record,
    first: u64,
    /// Positions that were read.
    taken: u32,
    name_at: usize,
    unit_at: usize,
    reading: usize,
    refused: usize,
    time: i64,
    /// What makes times of the arrival stamps, if that has to be.
    offset: Option<BootOffset>,
}

impl Cursor {
    /// Of a record of shed messages there is nothing to read: the cursor stands at its end.
    pub(crate) fn new(first: u64, record: Record) -> Self {
        let taken = u32::from(record.shed.is_some());
        Self { record, first, taken, name_at: 0, unit_at: 0, reading: 0, refused: 0, time: 0, offset: None }
    }

    /// With the times that readings have which came before the clock was trusted. `offset` says what was decided for a
    /// boot; where that is lost, it is what the wall clock said.
    pub(crate) fn resolved(mut self, offset: impl FnOnce(u64) -> Option<BootOffset>) -> Self {
        self.offset = self.record.boot_time.map(|time| {
            offset(time.boot).unwrap_or(BootOffset {
                boot: time.boot,
                offset: self.record.arrival.saturating_sub(time.since_boot),
                uncertain: true,
                end: 0,
            })
        });
        self
    }

    /// The position that [`Cursor::next`] gives.
    pub(crate) fn position(&self) -> u64 {
        self.first + u64::from(self.taken)
    }

    /// One after the last position of the record.
    pub(crate) fn end(&self) -> u64 {
        self.first + u64::from(self.record.positions())
    }

    /// When the record came in.
    pub(crate) fn arrival(&self) -> i64 {
        match (self.offset, self.record.boot_time) {
            (Some(offset), Some(time)) => time.since_boot.saturating_add(offset.offset),
            _ => self.record.arrival,
        }
    }

    /// Where it came from, if the record says so.
    pub(crate) fn source(&self) -> &str {
        &self.record.source
    }

    /// The next position, or `None` at the end of the record.
    pub(crate) fn next(&mut self) -> Option<Item<'_>> {
        if let Some(refused) = self.record.refused.get(self.refused)
            && (refused.offset <= self.taken || self.reading >= self.record.values.len())
        {
            self.refused += 1;
            self.taken += 1;
            return Some(Item::Refused(refused));
        }
        let value = *self.record.values.get(self.reading)?;
        let delta = self.record.time_deltas.get(self.reading).copied().unwrap_or(0);
        self.time = self.time.wrapping_add(delta);
        let flags = self.record.flags.get(self.reading).copied().unwrap_or(0);
        self.reading += 1;
        self.taken += 1;
        let name = line(&self.record.names, &mut self.name_at);
        let unit = line(&self.record.units, &mut self.unit_at);
        let (mut flags, mut time) = (Flags(u16::try_from(flags).unwrap_or(0)), self.time);
        if let Some(offset) = self.offset.filter(|_| flags.contains(Flags::ARRIVAL_TIME)) {
            time = time.saturating_add(offset.offset);
            if offset.uncertain {
                flags |= Flags::CLOCK_UNCERTAIN;
            }
        }
        Some(Item::Reading(name, unit, Reading { time: TimeMs(time), value, flags }))
    }
}

fn line<'a>(lines: &'a str, at: &mut usize) -> &'a str {
    let rest = lines.get(*at..).unwrap_or("");
    let line = rest.split('\n').next().unwrap_or("");
    *at = (*at + line.len() + 1).min(lines.len());
    line
}
