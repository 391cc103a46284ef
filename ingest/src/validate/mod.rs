//! Decides what a reading is worth, without a clock, a file or a lock.
//!
//! What depends on the series alone (name, quantity, unit) is decided once, when the stream names the series, and
//! kept as an [`Entry`]; a reading then costs one look into the dictionary, one multiplication and four
//! comparisons. A reading is stored, stored with a flag, or refused with a reason; refused ones go to the
//! quarantine with their value, so that poison never blocks the readings behind it.
//!
//! Who owns a device is decided at the commit, where all gateways meet.

use crate::store::{
    Refused,
    embedded::{Keep, Retention},
};
use pantau_proto::{Flags, SeriesName, quantity, units, v1::Reason};

/// Furthest that a reading's time may lie ahead of ingest's clock, milliseconds.
pub const FUTURE_MS: i64 = 10 * 60 * 1000;

/// Flags that a gateway may set; ingest decides about the others itself.
const FROM_GATEWAY: u16 = Flags::LATE.0
    | Flags::CLOCK_UNCERTAIN.0
    | Flags::CALIBRATED.0
    | Flags::ARRIVAL_TIME.0
    | Flags::BAD_QUALITY.0
    | Flags::SIMULATED.0;

/// Longest text that is kept about a refusal, bytes.
const DETAIL_BYTES: usize = 512;

/// A series as one stream names it: what every reading of it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The name.
    pub name: SeriesName,
    conversion: units::Conversion,
    identity: bool,
    plausible_min: f64,
    plausible_max: f64,
    /// Place of its class in [`Retention`].
    class: usize,
}

/// A series that is fine, or why none of its readings can be stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// Readings of it are looked at one by one.
    Good(Facts),
    /// All its readings go to the quarantine.
    Bad {
        /// As the stream wrote it.
        name: String,
        /// Why.
        reason: Reason,
        /// In words.
        detail: String,
    },
}

/// The columns of a batch's readings, changed in place.
#[derive(Debug, Default)]
pub struct Columns {
    /// Dictionary index, one a reading.
    pub series: Vec<u32>,
    /// Milliseconds since the epoch, UTC.
    pub times: Vec<i64>,
    /// As sent; afterwards in the catalogue's unit.
    pub values: Vec<f64>,
    /// Flag bits; empty: all zero.
    pub flags: Vec<u16>,
}

/// The times that a reading may have.
#[derive(Clone, Debug)]
pub struct Window<'a> {
    now: i64,
    oldest: i64,
    pub(crate) retention: &'a Retention,
    /// The first time that is taken, by class.
    firsts: Vec<i64>,
}

impl<'a> Window<'a> {
    /// At `now` by ingest's clock, milliseconds; before `oldest` nothing is taken, in a class from its first month that is
    /// kept on.
    pub fn new(now: i64, oldest: i64, retention: &'a Retention) -> Self {
        Self { now, oldest, retention, firsts: retention.firsts(now, oldest) }
    }
}

/// Judges a series by its name and unit (`""`: the catalogue's).
pub fn entry(name: &str, unit: &str, retention: &Retention) -> Entry {
    let bad = |reason, detail: String| Entry::Bad { name: clipped(name), reason, detail: clipped(&detail) };
    let parsed: SeriesName = match name.parse() {
        Ok(parsed) => parsed,
        Err(error) => return bad(Reason::BadName, format!("{error}")),
    };
    let Some(known) = quantity(parsed.quantity()) else {
        let detail = format!("the catalogue has no quantity {:?}", parsed.quantity());
        return bad(Reason::UnknownQuantity, detail);
    };
    let Some(conversion) = units::conversion(known, unit) else {
        let detail = format!("{unit:?} cannot be converted to {} for {}", known.unit, known.name);
        return bad(Reason::UnknownUnit, detail);
    };
    Entry::Good(Facts {
        name: parsed,
        conversion,
        identity: conversion.is_identity(),
        plausible_min: known.plausible_min,
        plausible_max: known.plausible_max,
        class: retention.class_of(known.name),
    })
}

/// Judges every reading of a batch: bad ones leave `columns` for the returned list, which rises by position.
///
/// `position_of` says which position the reading with an index has. Every index in `columns.series` must be
/// inside `dictionary`; one that is not is refused as a bad name.
pub fn readings(
    dictionary: &[Entry],
    columns: &mut Columns,
    window: &Window<'_>,
    position_of: impl Fn(usize) -> u64,
) -> Vec<Refused> {
    let latest = window.now.saturating_add(FUTURE_MS);
    let mut refusals = Vec::new();
    let mut kept = 0;
    for flag in &mut columns.flags {
        *flag &= FROM_GATEWAY;
    }
    for i in 0..columns.series.len() {
        let (index, time, sent) = (columns.series[i], columns.times[i], columns.values[i]);
        let reason = match dictionary.get(index as usize) {
            Some(Entry::Good(facts)) => {
                let value = if facts.identity { sent } else { facts.conversion.to_catalogue(sent) };
                let first = window.firsts.get(facts.class).copied().unwrap_or(window.oldest);
                if value.is_finite() && time <= latest && time >= first {
                    if kept != i {
                        columns.series[kept] = index;
                        columns.times[kept] = time;
                        if !columns.flags.is_empty() {
                            columns.flags[kept] = columns.flags[i];
                        }
                    }
                    columns.values[kept] = value;
                    if value < facts.plausible_min || value > facts.plausible_max {
                        if columns.flags.is_empty() {
                            columns.flags.resize(columns.series.len(), 0);
                        }
                        columns.flags[kept] |= Flags::OUT_OF_RANGE.0;
                    }
                    kept += 1;
                    continue;
                }
                if !value.is_finite() {
                    Reason::NotFinite
                } else if time > latest {
                    Reason::TimeInFuture
                } else {
                    Reason::TimeTooOld
                }
            }
            Some(Entry::Bad { reason, .. }) => *reason,
            None => Reason::BadName,
        };
        refusals.push(refusal(dictionary.get(index as usize), position_of(i), time, sent, reason, window));
    }
    columns.series.truncate(kept);
    columns.times.truncate(kept);
    columns.values.truncate(kept);
    columns.flags.truncate(kept);
    refusals
}

fn refusal(
    entry: Option<&Entry>,
    position: u64,
    time: i64,
    value: f64,
    reason: Reason,
    window: &Window<'_>,
) -> Refused {
    let (topic, detail) = match (entry, reason) {
        (Some(Entry::Bad { name, detail, .. }), _) => (name.clone(), detail.clone()),
        (Some(Entry::Good(facts)), Reason::TimeInFuture) => {
            let ahead = time.saturating_sub(window.now) / 1000;
            (facts.name.as_str().to_owned(), format!("{ahead} s ahead of ingest's clock; 600 s are allowed"))
        }
        (Some(Entry::Good(facts)), Reason::TimeTooOld) => {
            (facts.name.as_str().to_owned(), too_old(facts, time, window))
        }
        (Some(Entry::Good(facts)), _) => {
            (facts.name.as_str().to_owned(), "the value is no finite number".to_owned())
        }
        (None, _) => (String::new(), "the stream never named this series".to_owned()),
    };
    let (source, payload) = (String::new(), value.to_string().into_bytes());
    Refused { position, reason: reason.into(), source, topic, detail, payload, time }
}

fn too_old(facts: &Facts, time: i64, window: &Window<'_>) -> String {
    match window.retention.class(facts.class).filter(|_| time >= window.oldest) {
        Some((class, Keep { raw_months, .. })) => {
            format!("older than what class {class} keeps: the current month and {raw_months} before it (UTC)")
        }
        None => "before the oldest time that is kept (limits.oldest)".to_owned(),
    }
}

/// At most [`DETAIL_BYTES`] of a text, cut between characters.
pub fn clipped(text: &str) -> String {
    text[..text.floor_char_boundary(DETAIL_BYTES)].to_owned()
}

#[cfg(test)]
mod tests;
