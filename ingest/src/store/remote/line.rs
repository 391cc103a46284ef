//! Readings as line protocol, the text that InfluxDB and VictoriaMetrics both take.
//!
//! ```text
//! pm2_5,device=jkt-air-07 value=12.5 1700000000000
//! water_level,device=bacem,channel=left value=1.25,flags=8i 1700000000000
//! ```
//! The quantity is the measurement, device and channel are tags, `value` is always a float, `flags` an integer that is
//! written only when it is not 0; times are milliseconds. So series + time is the database's identity of a point too. The
//! gateway is no tag: a device that moves to another gateway stays the same series.
//!
//! What always holds: each line that leaves here is one reading, and is read back as the same bits. What the protocol
//! cannot express (a backslash or control character in a name, a value that is not finite, a time beyond 64 bits of
//! nanoseconds) never becomes a line.

use bytes::Bytes;
use hashbrown::HashMap;
use pantau_proto::v1::Reason;
use std::{
    io::Write as _,
    ops::{Range, RangeInclusive},
    sync::Arc,
};

use crate::store::types::{Commit, SeriesId};

/// Times that a database of nanoseconds can hold, in milliseconds: the years 1677 to 2262.
pub(crate) const TIMES: RangeInclusive<i64> = -9_223_372_036_854..=9_223_372_036_854;

/// Where a reading stands: which commit of the append, which reading of the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) commit: usize,
    pub(crate) reading: usize,
}

/// A reading that the database does not take, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) place: Place,
    pub(crate) reason: Reason,
    pub(crate) detail: String,
}

/// The parts of a series' name: `device/quantity` or `device/quantity/channel`.
pub(crate) fn parts(name: &str) -> Option<(&str, &str, Option<&str>)> {
    let mut parts = name.splitn(3, '/');
    let (device, quantity) = (parts.next()?, parts.next()?);
    let channel = parts.next();
    let fine = !device.is_empty() && !quantity.is_empty() && channel != Some("");
    fine.then_some((device, quantity, channel))
}

/// Everything of a series' lines that stands before the value. `None` when the protocol cannot express the name.
fn head(name: &str) -> Option<Arc<[u8]>> {
    if name.contains(|c: char| c == '\\' || c.is_control()) {
        return None;
    }
    let (device, quantity, channel) = parts(name)?;
    // A line that begins with # is a comment.
    if quantity.starts_with('#') {
        return None;
    }
    let mut head = Vec::with_capacity(name.len() + 32);
    escape(quantity, b", ", &mut head);
    head.extend_from_slice(b",device=");
    escape(device, b",= ", &mut head);
    if let Some(channel) = channel {
        head.extend_from_slice(b",channel=");
        escape(channel, b",= ", &mut head);
    }
    head.extend_from_slice(b" value=");
    Some(head.into())
}

fn escape(text: &str, special: &[u8], out: &mut Vec<u8>) {
    for byte in text.bytes() {
        if special.contains(&byte) {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

/// The heads of all series that were ever written since the start, about 60 bytes each.
#[derive(Debug, Default)]
pub(crate) struct Heads(HashMap<SeriesId, Option<Arc<[u8]>>>);

impl Heads {
    /// Forgets the series from `next` on: their numbers may be given to other names.
    pub(crate) fn forget_from(&mut self, next: SeriesId) {
        self.0.retain(|series, _| *series < next);
    }

    fn of(&mut self, series: SeriesId, name: impl FnOnce(SeriesId) -> Option<Arc<str>>) -> Option<Arc<[u8]>> {
        let known = self.0.entry(series).or_insert_with(|| name(series).and_then(|name| head(&name)));
        known.clone()
    }
}

/// The lines of one append.
#[derive(Debug)]
pub(crate) struct Lines {
    bytes: Bytes,
    /// Where each line ends, its newline included.
    ends: Vec<usize>,
    places: Vec<Place>,
    /// Whether no reading repeats or precedes an earlier one of its series. Only then it does not matter in which order
    /// the database gets them.
    pub(crate) rising: bool,
}

impl Lines {
    /// The lines of `commits`, and what cannot be a line or lies beyond the `times` that the database keeps. `name` knows
    /// every series.
    pub(crate) fn of(
        commits: &[Commit],
        times: &RangeInclusive<i64>,
        heads: &mut Heads,
        name: impl Fn(SeriesId) -> Option<Arc<str>>,
    ) -> (Self, Vec<Refusal>) {
        let readings = commits.iter().map(|commit| commit.readings.len()).sum();
        let mut bytes: Vec<u8> = Vec::with_capacity(readings * 80);
        let (mut ends, mut places) = (Vec::with_capacity(readings), Vec::with_capacity(readings));
        let mut refused = Vec::new();
        let mut lasts: HashMap<SeriesId, i64> = HashMap::new();
        let mut rising = true;
        for (number, commit) in commits.iter().enumerate() {
            let columns = &commit.readings;
            for (reading, ((series, time), value)) in
                columns.series.iter().zip(&columns.times).zip(&columns.values).enumerate()
            {
                let place = Place { commit: number, reading };
                let head = match heads.of(*series, &name) {
                    Some(head) if value.is_finite() && times.contains(time) => head,
                    head => {
                        refused.push(unwritable(place, head.is_some(), times, *time, *value));
                        continue;
                    }
                };
                rising &= lasts.insert(*series, *time).is_none_or(|last| last < *time);
                bytes.extend_from_slice(&head);
                // Debug of a float is the shortest text that reads back as the same bits; Display would write 1e300 out.
                let flags = columns.flags.get(reading).copied().unwrap_or(0);
                let _ = match flags {
                    0 => writeln!(bytes, "{value:?} {time}"),
                    flags => writeln!(bytes, "{value:?},flags={flags}i {time}"),
                };
                ends.push(bytes.len());
                places.push(place);
            }
        }
        (Self { bytes: bytes.into(), ends, places, rising }, refused)
    }

    /// Number of lines.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The text of some lines; copies nothing.
    pub(crate) fn text(&self, lines: &Range<usize>) -> Bytes {
        self.bytes.slice(self.start(lines.start)..self.start(lines.end))
    }

    /// Which reading a line is.
    pub(crate) fn place(&self, line: usize) -> Option<Place> {
        self.places.get(line).copied()
    }

    /// All lines in bodies of at most `most_lines` and about `most_bytes`.
    pub(crate) fn bodies(&self, most_lines: usize, most_bytes: usize) -> Vec<Range<usize>> {
        let mut bodies = Vec::new();
        let mut start = 0;
        while start < self.len() {
            let full = self.start(start) + most_bytes;
            let fitting = self.ends[start..].partition_point(|end| *end <= full);
            let end = (start + fitting.clamp(1, most_lines)).min(self.len());
            bodies.push(start..end);
            start = end;
        }
        bodies
    }

    fn start(&self, line: usize) -> usize {
        line.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0)
    }
}

fn unwritable(place: Place, named: bool, times: &RangeInclusive<i64>, time: i64, value: f64) -> Refusal {
    let (reason, detail) = if !named {
        (Reason::BadName, "line protocol cannot express this name".to_owned())
    } else if !value.is_finite() {
        (Reason::NotFinite, format!("the database keeps no {value}"))
    } else if time < *times.start() {
        (Reason::TimeTooOld, format!("the database keeps readings from {} on", shown(*times.start())))
    } else {
        (Reason::TimeInFuture, format!("the database keeps readings up to {}", shown(*times.end())))
    };
    Refusal { place, reason, detail }
}

fn shown(time: i64) -> String {
    jiff::Timestamp::from_millisecond(time).map_or_else(|_| format!("{time} ms"), |time| time.to_string())
}
