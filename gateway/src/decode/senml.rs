//! SenML, JSON and CBOR (RFC 8428): resolves the records of a pack and finds what they measure.
//!
//! - Base fields hold for their record and those after it until replaced. Name = bn + n, time = bt + t, value = bv + v,
//!   sum = bs + s, unit = u, else bu. A time below 2²⁸ s counts from the arrival; 0, or none, is the arrival itself.
//! - The whole pack is refused when a record breaks the RFC's form: a bver above 10, an unknown label that ends in `_`, not
//!   exactly one of v, vs, vb, vd (unless there is s), a name of other characters than `A-Za-z0-9-:./_` or one that begins
//!   with none of letters and digits, a time that cannot be.
//! - The device is bn without its last separator; without bn it is what n has before its last `/` (or `:`, where a known
//!   name follows), a whole URN, else the topic's.
//!   The rest of the name says the quantity; where it does not, the unit does (`Cel` is the air's temperature), and the
//!   rest is the channel. Texts, data and positions (lat, lon, alt) are passed over; a sum is read for counters only.

use std::borrow::Cow;

use pantau_proto::v1::Reason;
use pantau_proto::{Flags, Kind, TimeMs, quantity};

use super::cbor::{self, Bad, Label, Length};
use super::fields::{Fields, Meaning, Reader};
use super::names::{self, Plain};
use super::{Columns, Message, Notes, Refusal, UNTIMED, senml_json};

/// Records of one pack at most, those without a value among them.
pub(super) const MAX_RECORDS: usize = 2_000;
/// Bytes of a record's name at most, both parts together.
const MAX_NAME: usize = 1_024;
/// Below, a time counts from now (section 4.5.3).
const ABSOLUTE: f64 = 268_435_456.0;

/// What a unit alone means (names and units of the SenML registries).
const BY_UNIT: [(&str, &str); 20] = [
    ("Cel", "air_temperature"),
    ("K", "air_temperature"),
    ("%RH", "relative_humidity"),
    ("Pa", "air_pressure"),
    ("hPa", "air_pressure"),
    ("%EL", "battery"),
    ("V", "voltage"),
    ("mV", "voltage"),
    ("A", "current"),
    ("mA", "current"),
    ("W", "power"),
    ("kW", "power"),
    ("J", "energy"),
    ("kWh", "energy"),
    ("dB", "sound_level"),
    ("dBm", "signal_strength"),
    ("m3/s", "water_flow"),
    ("pH", "ph"),
    ("ppm", "carbon_dioxide"),
    ("count", "pulses"),
];

/// One record as it is written.
#[derive(Debug, Default)]
pub(super) struct Record<'a> {
    pub(super) bver: Option<f64>,
    pub(super) bn: Option<Cow<'a, str>>,
    pub(super) bt: Option<f64>,
    pub(super) bu: Option<Cow<'a, str>>,
    pub(super) bv: Option<f64>,
    pub(super) bs: Option<f64>,
    pub(super) n: Option<Cow<'a, str>>,
    pub(super) u: Option<Cow<'a, str>>,
    pub(super) t: Option<f64>,
    pub(super) s: Option<f64>,
    pub(super) v: Option<f64>,
    pub(super) vb: Option<bool>,
    /// How many of vs and vd there are.
    pub(super) others: u8,
}

pub(super) fn json(
    message: Message<'_>,
    fields: &Fields,
    out: &mut Columns,
    notes: &mut Notes,
) -> Result<(), Refusal> {
    let records = senml_json::records(message.payload)?;
    resolve(&records, message, fields, out, notes)
}

fn wrong(n: usize, what: impl std::fmt::Display) -> Refusal {
    Refusal::new(Reason::BadPayload, format!("record {}: {what}", n + 1))
}

fn few(n: usize) -> Result<(), Refusal> {
    if n < MAX_RECORDS {
        return Ok(());
    }
    Err(Refusal::new(Reason::TooLarge, format!("more than {MAX_RECORDS} records")))
}

pub(super) fn unknown(key: &str) -> String {
    let key: String = key.chars().take(64).collect();
    format!("{key:?} must be understood, as it ends in _, and is not")
}

pub(super) fn cbor(
    message: Message<'_>,
    fields: &Fields,
    out: &mut Columns,
    notes: &mut Notes,
) -> Result<(), Refusal> {
    let mut reader = cbor::Reader::new(message.payload);
    let mut records = Vec::new();
    let bad = |Bad { what, at }| Refusal::new(Reason::BadPayload, format!("byte {at}: {what}"));
    let length = reader.list().map_err(bad)?;
    while more(&mut reader, length, records.len()) {
        few(records.len())?;
        records.push(packed(&mut reader, records.len(), bad)?);
    }
    if !reader.is_at_end() {
        return reader.bad("bytes behind the pack").map_err(bad);
    }
    resolve(&records, message, fields, out, notes)
}

fn more(reader: &mut cbor::Reader<'_>, length: Length, so_far: usize) -> bool {
    match length {
        Length::Known(n) => (so_far as u64) < n,
        Length::Open => !reader.is_break(),
    }
}

fn packed<'a>(
    reader: &mut cbor::Reader<'a>,
    n: usize,
    bad: impl Fn(Bad) -> Refusal + Copy,
) -> Result<Record<'a>, Refusal> {
    let mut record = Record::default();
    let length = reader.map().map_err(bad)?;
    let mut members = 0;
    while more(reader, length, members) {
        members += 1;
        let done = match reader.label().map_err(bad)? {
            Label::Number(-1) => reader.number().map(|value| record.bver = Some(value)),
            Label::Number(-2) => reader.text().map(|value| record.bn = Some(value)),
            Label::Number(-3) => reader.number().map(|value| record.bt = Some(value)),
            Label::Number(-4) => reader.text().map(|value| record.bu = Some(value)),
            Label::Number(-5) => reader.number().map(|value| record.bv = Some(value)),
            Label::Number(-6) => reader.number().map(|value| record.bs = Some(value)),
            Label::Number(0) => reader.text().map(|value| record.n = Some(value)),
            Label::Number(1) => reader.text().map(|value| record.u = Some(value)),
            Label::Number(2) => reader.number().map(|value| record.v = Some(value)),
            Label::Number(4) => reader.boolean().map(|value| record.vb = Some(value)),
            Label::Number(5) => reader.number().map(|value| record.s = Some(value)),
            Label::Number(6) => reader.number().map(|value| record.t = Some(value)),
            Label::Number(3 | 8) => {
                record.others = record.others.saturating_add(1);
                reader.skip()
            }
            Label::Text(key) if key.ends_with('_') => return Err(wrong(n, unknown(&key))),
            Label::Number(_) | Label::Text(_) => reader.skip(),
        };
        done.map_err(bad)?;
    }
    Ok(record)
}

/// What base fields say up to a record.
#[derive(Default)]
struct Base<'r> {
    name: &'r str,
    time: f64,
    unit: &'r str,
    value: Option<f64>,
    sum: f64,
}

fn resolve(
    records: &[Record<'_>],
    message: Message<'_>,
    fields: &Fields,
    out: &mut Columns,
    notes: &mut Notes,
) -> Result<(), Refusal> {
    let start = out.mark();
    let mut base = Base::default();
    let mut reader = Reader::new(message.device, UNTIMED, fields, &[], out, notes);
    let mut broken = None;
    for (n, record) in records.iter().enumerate() {
        if let Err(what) = one(record, &mut base, message, &mut reader) {
            broken = Some(wrong(n, what));
            break;
        }
    }
    let timed = reader.time != UNTIMED;
    let done = reader.finish();
    if let Some(broken) = broken {
        out.back_to(start);
        return Err(broken);
    }
    if timed {
        notes.time_from = "bt + t";
    }
    done
}

fn one<'r>(
    record: &'r Record<'_>,
    base: &mut Base<'r>,
    message: Message<'r>,
    reader: &mut Reader<'r>,
) -> Result<(), String> {
    if record.bver.is_some_and(|version| version > 10.0) {
        return Err("bver is above 10, the version that is understood".into());
    }
    base.name = record.bn.as_deref().unwrap_or(base.name);
    base.time = record.bt.unwrap_or(base.time);
    base.unit = record.bu.as_deref().unwrap_or(base.unit);
    base.value = record.bv.or(base.value);
    base.sum = record.bs.unwrap_or(base.sum);
    let values = u8::from(record.v.is_some()) + u8::from(record.vb.is_some());
    if values.saturating_add(record.others) > 1 {
        return Err("has more than one of v, vs, vb and vd".into());
    }
    if values + record.others == 0 && record.s.is_none() {
        return Err("has none of v, vs, vb, vd and s".into());
    }
    let name = record.n.as_deref().unwrap_or("");
    check_name(base.name, name)?;
    let (device, rest) = split(base.name, name, message.device);
    (reader.device, reader.flags) = (device, Flags::NONE);
    reader.time = time(base.time + record.t.unwrap_or(0.0), message.arrival)?;
    let unit = record.u.as_deref().unwrap_or(base.unit);
    if let Some(value) = record.v {
        number(reader, rest, unit, base.value.map_or(value, |more| more + value));
    } else if let Some(on) = record.vb {
        reader.switch(&[if rest.is_empty() { "switch" } else { rest }], on);
    } else if let Some(sum) = record.s.filter(|_| record.others == 0) {
        let counter = |name| quantity(name).is_some_and(|quantity| quantity.kind == Kind::Counter);
        match reader.meaning(&[rest], unit) {
            Meaning::Is(measure, ..) if counter(measure.split('/').next().unwrap_or("")) => {
                reader.number(&[rest], base.sum + sum, unit);
            }
            _ => reader.passed_over(),
        }
    }
    Ok(())
}

fn number(reader: &mut Reader<'_>, rest: &str, unit: &str, value: f64) {
    let meaning = reader.meaning(&[rest], unit);
    if meaning != Meaning::Unknown {
        return reader.meant(&[rest], value, meaning);
    }
    match BY_UNIT.iter().find(|(known, _)| *known == unit) {
        Some((_, measure)) => reader.push(measure, rest, unit, value),
        None if matches!(unit, "lat" | "lon" | "alt") => reader.passed_over(),
        None => reader.number(&[if rest.is_empty() { "(no name)" } else { rest }], value, unit),
    }
}

/// The rules of names (section 4.5.1) on both parts put together.
fn check_name(base: &str, name: &str) -> Result<(), String> {
    if base.len() + name.len() > MAX_NAME {
        return Err(format!("its name has more than {MAX_NAME} bytes"));
    }
    let mut bytes = base.bytes().chain(name.bytes());
    match bytes.next() {
        None => Err("has neither bn nor n".into()),
        Some(first) if !first.is_ascii_alphanumeric() => {
            Err("its name begins with no letter or digit".into())
        }
        Some(_) => {
            let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-:./_".contains(&byte);
            if bytes.all(fine) { Ok(()) } else { Err("its name has other signs than - : . / _".into()) }
        }
    }
}

/// The device and what is left of the name.
fn split<'r>(base: &'r str, name: &'r str, topic: &'r str) -> (&'r str, &'r str) {
    let trimmed = base.trim_end_matches(['/', ':', '.', '-', '_']);
    if !trimmed.is_empty() {
        return (trimmed, name.trim_start_matches(['/', ':', '.', '-', '_']));
    }
    if let Some(parts) = name.rsplit_once('/') {
        return parts;
    }
    match name.rsplit_once(':') {
        Some((device, rest)) if Plain::of(rest).is_some_and(|plain| names::known(&plain).is_some()) => {
            (device, rest)
        }
        // A device's URN, and nothing more.
        Some(_) => (name, ""),
        None => (topic, name),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be within some thousand years")]
fn time(seconds: f64, arrival: TimeMs) -> Result<i64, String> {
    if !seconds.is_finite() || !(-ABSOLUTE..1e11).contains(&seconds) {
        return Err("its time is none that can be".into());
    }
    if seconds == 0.0 {
        return Ok(UNTIMED);
    }
    let ms = (seconds * 1e3).round() as i64;
    Ok(if seconds < ABSOLUTE { arrival.0.saturating_add(ms) } else { ms })
}
