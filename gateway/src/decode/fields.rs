//! From a foreign payload's fields to readings: what all vendor formats do alike.
//!
//! A field's path, such as `BME280` `Temperature` or `temperature_2`, is looked up in this order: the rule's own
//! `fields`; the format's own names; [`super::names`]. A unit at the end of a name counts (`wind_speed_kmh`), a number at
//! the end or what stands before the last part of a path becomes the channel.
//!
//! What no quantity stands for: known but useless fields (uptime, link quality) are passed over in silence; unknown
//! numeric fields are named by one refusal a payload, and only if nothing else of it could be read.
//!
//! Two fields that come to one series at one time would overwrite each other in the store: the first is taken, another
//! value is refused by its name.

use std::collections::BTreeMap;
use std::hash::BuildHasher as _;
use std::sync::LazyLock;

use hashbrown::DefaultHashBuilder;
use pantau_proto::v1::Reason;
use pantau_proto::{Flags, SeriesName, quantity, units};

use super::columns::{Columns, Found, Mark};
use super::meaning::looked_up;
pub(super) use super::meaning::{Meaning, Own, single};
use super::tree::{At, Value};
use super::{MAX_READINGS, Notes, Refusal, UNTIMED};

/// Levels below the payload's fields that are looked into.
const MAX_PATH: usize = 4;
/// So many unknown fields are named.
const MAX_NAMED: usize = 8;

/// Where the rule wants a field to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// `quantity` or `quantity/channel`.
    measure: String,
    unit: String,
}

impl Target {
    /// `water_level`, `water_level/upstream`, `water_level cm`; None for `-`, which means: leave it out.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, String> {
        if text == "-" {
            return Ok(None);
        }
        let (measure, unit) = text.split_once(' ').unwrap_or((text, ""));
        let series = SeriesName::new(format!("d/{measure}")).map_err(|error| error.to_string())?;
        check_unit(series.quantity(), unit)?;
        Ok(Some(Self { measure: measure.to_owned(), unit: unit.to_owned() }))
    }
}

/// Whether there is such a quantity, and it can be had from this unit.
pub(crate) fn check_unit(name: &str, unit: &str) -> Result<(), String> {
    let Some(quantity) = quantity(name) else {
        return Err(format!("there is no quantity {name:?} in the catalogue"));
    };
    if units::conversion(quantity, unit).is_none() {
        let known: Vec<&str> = units::known(quantity).collect();
        return Err(format!("{unit:?} is no unit of {name}, which has {}", known.join(", ")));
    }
    Ok(())
}

/// The rule's own fields, by path (its parts joined by dots).
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(BTreeMap<String, Option<Target>>);

impl Fields {
    /// Entries that do not parse are left out; the configuration's check refuses them before.
    pub(crate) fn new(fields: &BTreeMap<String, String>) -> Self {
        let parsed = fields.iter().filter_map(|(path, text)| Some((path.clone(), Target::parse(text).ok()?)));
        Self(parsed.collect())
    }

    fn named(&self, path: &[&str]) -> Option<&Option<Target>> {
        // A path may be as long as its packet: it is put together only where it can be one of these.
        let length = path.iter().map(|part| part.len() + 1).sum::<usize>();
        let can_be = self.0.keys().any(|key| key.len() + 1 == length);
        if can_be { self.0.get(&path.join(".")) } else { None }
    }
}

/// Reads fields of one device at one time.
pub(super) struct Reader<'r> {
    pub(super) device: &'r str,
    pub(super) time: i64,
    pub(super) flags: Flags,
    fields: &'r Fields,
    own: Own,
    columns: &'r mut Columns,
    notes: &'r mut Notes,
    start: Mark,
    /// Of each reading: series and time.
    taken: Vec<u64>,
    hasher: DefaultHashBuilder,
    known: bool,
    unknown: Vec<String>,
    refusal: Option<Refusal>,
}

impl<'r> Reader<'r> {
    pub(super) fn new(
        device: &'r str,
        time: i64,
        fields: &'r Fields,
        own: Own,
        columns: &'r mut Columns,
        notes: &'r mut Notes,
    ) -> Self {
        let start = columns.mark();
        Self {
            device,
            time,
            flags: Flags::NONE,
            fields,
            own,
            columns,
            notes,
            start,
            taken: Vec::new(),
            hasher: DefaultHashBuilder::default(),
            known: false,
            unknown: Vec::new(),
            refusal: None,
        }
    }

    /// Reads what is inside of `at`, whose own path is `path`.
    pub(super) fn tree<'t>(&mut self, at: At<'t, '_>, path: &mut Vec<&'t str>) {
        if path.len() >= MAX_PATH {
            if at.members().any(|member| member.number().is_some()) {
                self.unknown(path);
            }
            return;
        }
        let is_list = matches!(at.value(), Value::List);
        for (n, member) in at.members().enumerate() {
            let part = if is_list { PLACES.get(n).map(String::as_str) } else { Some(member.key()) };
            let Some(part) = part else {
                let what = format!("{}: a list of more than {MAX_READINGS} values", shown(path));
                return self.refuse(Refusal::new(Reason::TooLarge, what));
            };
            path.push(part);
            self.value(member, path);
            path.pop();
        }
    }

    /// Reads one value, whose own path is `path`.
    pub(super) fn value<'t>(&mut self, at: At<'t, '_>, path: &mut Vec<&'t str>) {
        match at.value() {
            Value::Null => {}
            Value::Bool(on) => self.switch(path, *on),
            Value::Text(text) => match text.as_ref() {
                "ON" | "on" => self.switch(path, true),
                "OFF" | "off" => self.switch(path, false),
                text => self.text(path, text),
            },
            Value::Whole(_) | Value::Float(_) => {
                if let Some(number) = at.number() {
                    self.number(path, number, "");
                }
            }
            // {"value": 27.4, "unit": "Cel"}
            Value::Map if at.get("value").is_some_and(|value| value.number().is_some()) => {
                let number = at.get("value").and_then(At::number).unwrap_or(f64::NAN);
                self.number(path, number, at.get("unit").and_then(At::text).unwrap_or(""));
            }
            Value::Map | Value::List => self.tree(at, path),
        }
    }

    /// A number may be written as text, as some codecs do. Other text where a quantity is expected is none.
    fn text(&mut self, path: &[&str], text: &str) {
        if matches!(self.meaning(path, ""), Meaning::Is(..)) {
            match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => self.number(path, number, ""),
                _ => self.unknown(path),
            }
        }
    }

    /// A field that is on or off is read where a quantity is one, too.
    pub(super) fn switch(&mut self, path: &[&str], on: bool) {
        if let Meaning::Is(measure, channel, _) = self.meaning(path, "") {
            let name = measure.split('/').next().unwrap_or(measure);
            if quantity(name).is_some_and(|quantity| quantity.kind == pantau_proto::Kind::State) {
                self.push(measure, channel, "", if on { 1.0 } else { 0.0 });
            }
        }
    }

    /// A numeric field; `unit` is what the payload says, or empty.
    pub(super) fn number(&mut self, path: &[&str], number: f64, unit: &str) {
        self.meant(path, number, self.meaning(path, unit));
    }

    /// The same with what the field is known to stand for.
    pub(super) fn meant(&mut self, path: &[&str], number: f64, meaning: Meaning<'_>) {
        match meaning {
            Meaning::Ignored => {
                self.known = true;
                self.notes.ignored(path);
            }
            Meaning::Unknown => self.unknown(path),
            Meaning::Is(measure, channel, unit) => self.add(measure, channel, unit, number, path),
        }
    }

    /// What this is cannot be known.
    fn unknown(&mut self, path: &[&str]) {
        self.notes.ignored(path);
        if self.unknown.len() < MAX_NAMED {
            self.unknown.push(shown(path));
        }
    }

    /// A value whose meaning the format itself knows.
    pub(super) fn push(&mut self, measure: &str, channel: &str, unit: &str, value: f64) {
        self.add(measure, channel, unit, value, &[measure]);
    }

    fn add(&mut self, measure: &str, channel: &str, unit: &str, value: f64, path: &[&str]) {
        self.known = true;
        let count = self.columns.since(self.start);
        if count > MAX_READINGS {
            // The payload is refused for it.
            return;
        }
        let found = Found {
            device: self.device,
            quantity: measure,
            channel,
            unit,
            value,
            time: self.time,
            flags: self.flags,
        };
        let mark = self.columns.mark();
        if let Err(Refusal { reason, detail }) = self.columns.add(found) {
            if self.refusal.is_none() {
                self.refuse(Refusal::new(reason, format!("{}: {detail}", shown(path))));
            }
            return;
        }
        let name = self.columns.name_since(mark);
        let key = self.hasher.hash_one((name, self.time));
        let same =
            (self.time != UNTIMED).then(|| self.taken.iter().position(|taken| *taken == key)).flatten();
        let Some(same) = same else { return self.taken.push(key) };
        if self.columns.value(self.start, same) != Some(value) && self.refusal.is_none() {
            let what = format!(
                "{}: {name} has another value in this payload already: give one of them a channel by [decode.fields] of this rule",
                shown(path)
            );
            self.refuse(Refusal::new(Reason::UnknownQuantity, what));
        }
        self.columns.back_to(mark);
    }

    /// The first refusal is the one that is told.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.refusal.get_or_insert(refusal);
    }

    /// The format knows this field and needs nothing of it.
    pub(super) fn passed_over(&mut self) {
        self.known = true;
    }

    /// Whether the rule itself says what this field is.
    pub(super) fn is_named(&self, path: &[&str]) -> bool {
        self.fields.named(path).is_some()
    }

    pub(super) fn finish(self) -> Result<(), Refusal> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        if self.columns.since(self.start) == 0 && !self.known && !self.unknown.is_empty() {
            let detail = format!(
                "no quantity is known for {}: say what they are by [decode.fields] of this rule",
                self.unknown.join(", ")
            );
            return Err(Refusal::new(Reason::UnknownQuantity, detail));
        }
        Ok(())
    }

    /// What a field stands for.
    pub(super) fn meaning<'a>(&self, path: &[&'a str], unit: &'a str) -> Meaning<'a>
    where
        'r: 'a,
    {
        let fields: &'r Fields = self.fields;
        match fields.named(path) {
            Some(None) => Meaning::Ignored,
            Some(Some(target)) => {
                let said = if target.unit.is_empty() { unit } else { &target.unit };
                Meaning::Is(&target.measure, "", said)
            }
            None => looked_up(self.own, path, unit),
        }
    }
}

/// The places in a list as people count.
static PLACES: LazyLock<Vec<String>> = LazyLock::new(|| (1..=MAX_READINGS).map(|n| n.to_string()).collect());

/// A path as people write it, and not more of it than a line holds.
pub(super) fn shown(path: &[&str]) -> String {
    path.join(".").chars().take(64).collect()
}
