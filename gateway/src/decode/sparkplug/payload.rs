//! A Sparkplug B payload as far as readings need it.
//!
//! ```proto
//! message Payload { uint64 timestamp = 1; repeated Metric metrics = 2; uint64 seq = 3; }
//! message Metric {
//!   string name = 1; uint64 alias = 2; uint64 timestamp = 3; uint32 datatype = 4;
//!   bool is_historical = 5; bool is_transient = 6; bool is_null = 7; PropertySet properties = 9;
//!   oneof value { uint32 int = 10; uint64 long = 11; float float = 12; double double = 13; bool boolean = 14; … }
//! }
//! message PropertySet { repeated string keys = 1; repeated PropertyValue values = 2; }
//! message PropertyValue { uint32 type = 1; bool is_null = 2; uint32 int = 3; uint64 long = 4; string string = 8; … }
//! ```

use pantau_proto::Flags;
use pantau_proto::v1::Reason;

use crate::decode::Refusal;
use crate::decode::protobuf::{Bad, Fields};

/// Metrics of one payload at most.
pub(super) const MAX_METRICS: usize = 5_000;
/// The quality of a good value.
const GOOD: u64 = 192;

#[derive(Debug, Default)]
pub(super) struct Payload<'a> {
    pub(super) timestamp: u64,
    pub(super) seq: Option<u64>,
    pub(super) metrics: Vec<Metric<'a>>,
}

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Metric<'a> {
    pub(super) name: &'a str,
    pub(super) alias: Option<u64>,
    /// 0: the payload's.
    pub(super) timestamp: u64,
    pub(super) datatype: Option<u8>,
    pub(super) flags: Flags,
    pub(super) null: bool,
    /// The engineering unit, where the properties say it.
    pub(super) unit: &'a str,
    pub(super) raw: Raw,
}

/// A value as it is on the wire.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) enum Raw {
    #[default]
    None,
    /// `int` or `long`: two's complement of what the datatype says.
    Bits(u64),
    Number(f64),
    Bool(bool),
    /// Text, bytes, sets, templates.
    Other,
}

impl Raw {
    /// The number by its datatype. Without one an integer is unsigned.
    #[expect(clippy::cast_precision_loss, reason = "readings are doubles")]
    #[expect(clippy::cast_possible_truncation, reason = "the datatype says how many bits there are")]
    pub(super) fn number(self, datatype: Option<u8>) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Bits(bits) => match datatype {
                Some(1) => Some(f64::from((bits as u8).cast_signed())),
                Some(2) => Some(f64::from((bits as u16).cast_signed())),
                Some(3) => Some(f64::from((bits as u32).cast_signed())),
                Some(4) => Some(bits.cast_signed() as f64),
                Some(5..=8) | None => Some(bits as f64),
                // DateTime and what else is no measurement.
                Some(_) => None,
            },
            Self::None | Self::Bool(_) | Self::Other => None,
        }
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<Payload<'_>, Refusal> {
    let bad = |what: Bad| Refusal::new(Reason::BadPayload, format!("not a Sparkplug B payload: {what}"));
    let mut payload = Payload::default();
    let mut fields = Fields::of(bytes);
    while let Some((number, value)) = fields.next().map_err(bad)? {
        match number {
            1 => payload.timestamp = value.varint().map_err(bad)?,
            2 if payload.metrics.len() >= MAX_METRICS => {
                let what = format!("more than {MAX_METRICS} metrics in one payload");
                return Err(Refusal::new(Reason::TooLarge, what));
            }
            2 => payload.metrics.push(value.bytes().and_then(metric).map_err(bad)?),
            3 => payload.seq = Some(value.varint().map_err(bad)?),
            _ => {}
        }
    }
    Ok(payload)
}

fn metric(bytes: &[u8]) -> Result<Metric<'_>, Bad> {
    let mut metric = Metric::default();
    let mut fields = Fields::of(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => metric.name = value.text()?,
            2 => metric.alias = Some(value.varint()?),
            3 => metric.timestamp = value.varint()?,
            4 => metric.datatype = Some(u8::try_from(value.varint()?).unwrap_or(u8::MAX)),
            5 if value.varint()? != 0 => metric.flags |= Flags::LATE,
            7 => metric.null = value.varint()? != 0,
            9 => properties(value.bytes()?, &mut metric)?,
            10 | 11 => metric.raw = Raw::Bits(value.varint()?),
            12 => metric.raw = Raw::Number(widened(value.float()?)),
            13 => metric.raw = Raw::Number(value.double()?),
            14 => metric.raw = Raw::Bool(value.varint()? != 0),
            15..=19 => metric.raw = Raw::Other,
            _ => {}
        }
    }
    Ok(metric)
}

/// The double that has the float's shortest decimals: 27.4 stays 27.4 and does not become 27.399999618530273.
fn widened(float: f32) -> f64 {
    if !float.is_finite() || float.fract() == 0.0 {
        return f64::from(float);
    }
    float.to_string().parse().unwrap_or_else(|_| f64::from(float))
}

fn properties<'a>(bytes: &'a [u8], metric: &mut Metric<'a>) -> Result<(), Bad> {
    // Keys and values are two lists of equal length.
    let (mut keys, mut values) = (Fields::of(bytes), Fields::of(bytes));
    while let Some(key) = nth(&mut keys, 1)? {
        let Some(value) = nth(&mut values, 2)? else { return Err("a property without a value") };
        match key {
            b"Quality" if !matches!(property(value)?.0, None | Some(GOOD)) => {
                metric.flags |= Flags::BAD_QUALITY;
            }
            b"engUnit" | b"EngUnit" | b"unit" | b"Unit" => metric.unit = property(value)?.1,
            _ => {}
        }
    }
    Ok(())
}

/// The next field of this number.
fn nth<'a>(fields: &mut Fields<'a>, wanted: u64) -> Result<Option<&'a [u8]>, Bad> {
    while let Some((number, value)) = fields.next()? {
        if number == wanted {
            return value.bytes().map(Some);
        }
    }
    Ok(None)
}

/// A property's whole number and its text.
fn property(bytes: &[u8]) -> Result<(Option<u64>, &str), Bad> {
    let (mut whole, mut text) = (None, "");
    let mut fields = Fields::of(bytes);
    while let Some((number, value)) = fields.next()? {
        match number {
            3 | 4 => whole = Some(value.varint()?),
            8 => text = value.text()?,
            _ => {}
        }
    }
    Ok((whole, text))
}
