//! JSON of any shape, by a mapping: where its values, times and names are.
//!
//! ```toml
//! [decode.json]
//! device = "/id"                    # else from the topic
//! each = "/data"                    # a list whose elements are read one by one
//! time = "/ts"                      # in the element, else in the whole payload; without it the arrival counts
//! time_format = "unix_s"            # rfc3339 (default), unix_s, unix_ms, unix_us, unix_ns, or a pattern
//! reading = [{ value = "/t", quantity = "air_temperature", unit = "[degF]", channel = "roof" }]
//! ```
//! Paths are JSON pointers (RFC 6901). Where quantity, channel or unit begin with a slash they are pointers too. A value
//! is a number, also one written as text, or true and false for 1 and 0; where it is missing or null there is no
//! reading. A time that cannot be read refuses the whole payload: else it would be stored at a wrong one.

use pantau_proto::v1::Reason;
use pantau_proto::{Flags, quantity};

use super::columns::Found;
use super::names::{self, Known, Plain, UNSAID};
use super::pattern::Pattern;
use super::rules::Wrong;
use super::time::{self, Unit, Zone};
use super::tree::{At, Tree, Value};
use super::{Columns, Message, Notes, Refusal, UNTIMED, check_unit};
use crate::config::{DecodeRule, JsonReading};

const POINTER: &str = "write a JSON pointer such as \"/data/0/temp\", or \"\" for the whole payload";

/// A `[decode.json]` table, checked.
#[derive(Debug)]
pub(crate) struct Mapping {
    device: Option<Pointer>,
    each: Option<Pointer>,
    time: Option<(Pointer, Format)>,
    zone: Option<Zone>,
    readings: Vec<Place>,
}

type Pointer = Vec<String>;

#[derive(Debug)]
enum Format {
    Rfc3339,
    Unit(Unit),
    Pattern(Pattern),
}

#[derive(Debug)]
struct Place {
    /// As it is written, for refusals.
    shown: String,
    value: Pointer,
    quantity: Said,
    channel: Said,
    unit: Said,
}

/// A text of the rule's, or where it is in the payload.
#[derive(Debug)]
enum Said {
    Here(String),
    There(Pointer),
}

impl Said {
    fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with('/') { pointer(text).map(Self::There) } else { Ok(Self::Here(text.to_owned())) }
    }

    fn of<'s>(&'s self, at: At<'s, '_>) -> &'s str {
        match self {
            Self::Here(text) => text,
            Self::There(steps) => at.follow(steps).and_then(At::text).unwrap_or(""),
        }
    }
}

fn pointer(text: &str) -> Result<Pointer, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let Some(steps) = text.strip_prefix('/') else {
        return Err(format!("{text:?} is no JSON pointer: it must begin with a slash"));
    };
    Ok(steps.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

impl Mapping {
    pub(super) fn new(rule: &DecodeRule, zone: Option<Zone>) -> Result<Self, Wrong> {
        let Some(json) = &rule.json else {
            return Err(Wrong::new(
                "format",
                "format \"json\" needs a [decode.json] table with its readings",
                "add it, or use format \"pantau_json\" for Pantau's own JSON",
            ));
        };
        let at = |key: &str, text: &Option<String>| {
            let parsed = text.as_deref().map(pointer).transpose();
            parsed.map_err(|what| Wrong::new(format!("json.{key}"), what, POINTER))
        };
        let format = time_format(json.time_format.as_deref(), zone)?;
        if json.time.is_none() && (json.time_format.is_some() || zone.is_some()) {
            return Err(Wrong::new(
                "json.time_format",
                "there is a time's format or zone and no time",
                "say where the time is by `time`, or take them away",
            ));
        }
        if json.reading.is_empty() || json.reading.len() > 200 {
            return Err(Wrong::new("json.reading", "1 to 200 readings are wanted", "name the values"));
        }
        let readings = json.reading.iter().enumerate().map(|(n, reading)| Place::new(n, reading));
        Ok(Self {
            device: at("device", &json.device)?,
            each: at("each", &json.each)?,
            time: at("time", &json.time)?.map(|steps| (steps, format)),
            zone,
            readings: readings.collect::<Result<_, _>>()?,
        })
    }
}

fn time_format(format: Option<&str>, zone: Option<Zone>) -> Result<Format, Wrong> {
    let wrong = |what: String| {
        Wrong::new(
            "json.time_format",
            what,
            "write rfc3339, unix_s, unix_ms, unix_us, unix_ns or a pattern such as \"%d/%m/%Y %H:%M:%S\"",
        )
    };
    let format = match format {
        None | Some("rfc3339") => Format::Rfc3339,
        Some(name) => match Unit::named(name) {
            Some(unit) => Format::Unit(unit),
            None => Format::Pattern(
                Pattern::parse(name).map_err(|what| wrong(format!("the pattern {name:?} {what}")))?,
            ),
        },
    };
    match (&format, zone) {
        (Format::Pattern(pattern), None) if !pattern.has_zone => Err(Wrong::new(
            "json.time_format",
            "the pattern says no zone (%z) and the rule has none",
            "set zone = \"WIB\" or another one in the rule",
        )),
        (Format::Unit(_), Some(_)) => {
            Err(Wrong::new("zone", "a number since 1970 is UTC and has no zone", "take the zone away"))
        }
        _ => Ok(format),
    }
}

impl Place {
    fn new(n: usize, reading: &JsonReading) -> Result<Self, Wrong> {
        let wrong =
            |key: &str, what: String, mend: &str| Wrong::new(format!("json.reading[{n}].{key}"), what, mend);
        let said = |key: &str, text: &str| Said::parse(text).map_err(|what| wrong(key, what, POINTER));
        let (channel, unit) =
            (reading.channel.as_deref().unwrap_or(""), reading.unit.as_deref().unwrap_or(""));
        if !reading.quantity.starts_with('/') {
            let known = if unit.starts_with('/') { "" } else { unit };
            check_unit(&reading.quantity, known).map_err(|what| {
                wrong(
                    if quantity(&reading.quantity).is_some() { "unit" } else { "quantity" },
                    what,
                    "use one that is there, or a pointer to where the payload says it",
                )
            })?;
        }
        if !channel.is_empty() && !channel.starts_with('/') {
            pantau_proto::SeriesName::new(format!("d/q/{channel}")).map_err(|error| {
                wrong("channel", error.to_string(), "use 1 to 32 letters, digits and . _ : -")
            })?;
        }
        Ok(Self {
            shown: reading.value.clone(),
            value: pointer(&reading.value).map_err(|what| wrong("value", what, POINTER))?,
            quantity: said("quantity", &reading.quantity)?,
            channel: said("channel", channel)?,
            unit: said("unit", unit)?,
        })
    }
}

pub(super) fn decode(
    message: Message<'_>,
    mapping: &Mapping,
    out: &mut Columns,
    notes: &mut Notes,
) -> Result<(), Refusal> {
    let tree = Tree::read(message.payload, |_, _| true)?;
    let (root, start) = (tree.root(), out.mark());
    let of_all = Ok(UNTIMED);
    let mut run =
        Run { message, mapping, root_device: None, of_all, found: 0, refusal: None, out, timed: false };
    let done = match &mapping.each {
        None => run.element(root),
        Some(steps) => match root.follow(steps).filter(|list| matches!(list.value(), Value::List)) {
            Some(list) => {
                run.root_device = mapping.device.as_ref().and_then(|steps| root.follow(steps));
                let time = mapping.time.as_ref().and_then(|(steps, _)| root.follow(steps));
                run.of_all = time.map_or(Ok(UNTIMED), |time| run.read_time(time));
                list.members().try_for_each(|element| run.element(element))
            }
            None => Err(Refusal::new(Reason::BadPayload, "there is no list where `each` points")),
        },
    };
    let Run { found, refusal, timed, .. } = run;
    if timed {
        notes.time_from = "time";
    }
    if let Err(refusal) = done {
        out.back_to(start);
        return Err(refusal);
    }
    if found == 0 {
        return Err(Refusal::new(
            Reason::BadPayload,
            "none of the values of [decode.json] is in the payload",
        ));
    }
    refusal.map_or(Ok(()), Err)
}

struct Run<'r, 't, 'a> {
    message: Message<'r>,
    mapping: &'r Mapping,
    /// What stands beside the list is looked up and read once, not for each element.
    root_device: Option<At<'t, 'a>>,
    of_all: Result<i64, Refusal>,
    out: &'r mut Columns,
    /// Values that are there, null or not.
    found: usize,
    refusal: Option<Refusal>,
    timed: bool,
}

impl<'t, 'a> Run<'_, 't, 'a> {
    /// An error means that nothing of the payload may be taken.
    fn element(&mut self, at: At<'t, 'a>) -> Result<(), Refusal> {
        let time = self.time(at)?;
        let device = match &self.mapping.device {
            None => self.message.device,
            Some(steps) => {
                let place = at.follow(steps).or(self.root_device);
                place
                    .and_then(At::text)
                    .ok_or_else(|| Refusal::new(Reason::BadName, "there is no text where `device` points"))?
            }
        };
        for place in &self.mapping.readings {
            if let Err(refusal) = self.reading(at, place, device, time) {
                self.refusal.get_or_insert(refusal);
            }
        }
        Ok(())
    }

    fn time(&mut self, at: At<'t, 'a>) -> Result<i64, Refusal> {
        let Some((steps, _)) = &self.mapping.time else { return Ok(UNTIMED) };
        let time = match at.follow(steps) {
            Some(place) => self.read_time(place),
            None => self.of_all.clone(),
        }?;
        self.timed |= time != UNTIMED;
        Ok(time)
    }

    fn read_time(&self, place: At<'t, 'a>) -> Result<i64, Refusal> {
        let Some((_, format)) = &self.mapping.time else { return Ok(UNTIMED) };
        let zone = self.mapping.zone.unwrap_or(Zone(0));
        let read = match (format, place.value()) {
            (_, Value::Null) => return Ok(UNTIMED),
            (Format::Rfc3339, Value::Text(text)) => match self.mapping.zone {
                Some(zone) => time::local(text, zone),
                None => time::rfc3339(text),
            },
            (Format::Unit(unit), Value::Whole(number)) => unit.whole(*number),
            (Format::Unit(unit), Value::Float(number)) => unit.float(*number),
            (Format::Unit(unit), Value::Text(text)) => match (text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(number), _) => unit.whole(number),
                (_, Ok(number)) => unit.float(number),
                _ => Err("the time is no number".into()),
            },
            (Format::Pattern(pattern), Value::Text(text)) => pattern.read(text, zone),
            (Format::Pattern(pattern), Value::Whole(number)) => pattern.read(&number.to_string(), zone),
            _ => Err("what is where `time` points is no time of time_format".into()),
        };
        read.map_err(|detail| Refusal::new(Reason::BadPayload, detail))
    }

    fn reading(&mut self, at: At<'t, 'a>, place: &Place, device: &str, time: i64) -> Result<(), Refusal> {
        let Some(value) = at.follow(&place.value) else { return Ok(()) };
        self.found += 1;
        let number = match value.value() {
            Value::Null => return Ok(()),
            Value::Bool(on) => Some(if *on { 1.0 } else { 0.0 }),
            Value::Text(text) => text.trim().parse().ok(),
            _ => value.number(),
        };
        let shown = &place.shown;
        let Some(number) = number else {
            return Err(Refusal::new(Reason::BadPayload, format!("what is at {shown:?} is no number")));
        };
        let (name, said) = (place.quantity.of(at), place.unit.of(at));
        let (name, unit) = match &place.quantity {
            Said::Here(_) => (name, said),
            Said::There(_) => meant(name, said).ok_or_else(|| {
                let name: String = name.chars().take(64).collect();
                Refusal::new(
                    Reason::UnknownQuantity,
                    format!("{shown:?}: no quantity is known for {name:?} without a unit of its own"),
                )
            })?,
        };
        self.out.add(Found {
            device,
            quantity: name,
            channel: place.channel.of(at),
            unit,
            value: number,
            time,
            flags: Flags::NONE,
        })
    }
}

/// What a payload calls a quantity, with its unit: the catalogue's name, or one that devices use.
fn meant<'n>(name: &'n str, unit: &'n str) -> Option<(&'n str, &'n str)> {
    if quantity(name).is_some() {
        return Some((name, unit));
    }
    match names::known(&Plain::of(name)?)? {
        Known::Is(name, _) if !unit.is_empty() => Some((name, unit)),
        Known::Is(name, known) if known != UNSAID => Some((name, known)),
        _ => None,
    }
}
