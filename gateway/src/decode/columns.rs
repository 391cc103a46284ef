//! Decoded readings as columns: what the decoders fill and the spool's record takes over without a copy.
//!
//! Always: as many names, times and values as [`Columns::len`]; `names` holds one `series\n` a reading; `units`
//! is empty (every unit is the catalogue's) or holds one `unit\n` a reading; names and units hold no line feed;
//! `flags` is empty or holds one entry a reading.

use pantau_proto::ids::MAX_SERIES_BYTES;
use pantau_proto::v1::Reason;
use pantau_proto::{Flags, SeriesName};

use super::Refusal;
use crate::intake::types::Measured;

/// Stands for the time of a reading whose payload has none.
pub(crate) const UNTIMED: i64 = i64::MIN;

const MAX_UNIT: usize = 32;

/// Readings in columns.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Columns {
    pub(crate) names: String,
    pub(crate) units: String,
    /// Milliseconds since the epoch, or [`UNTIMED`].
    pub(crate) times: Vec<i64>,
    pub(crate) values: Vec<f64>,
    pub(crate) flags: Vec<u32>,
}

/// A reading of `device` as a decoder found it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) device: &'a str,
    /// May hold the channel, too: `quantity/channel`.
    pub(super) quantity: &'a str,
    /// Empty where there is none.
    pub(super) channel: &'a str,
    /// Empty: the catalogue's.
    pub(super) unit: &'a str,
    pub(super) value: f64,
    /// Or [`UNTIMED`].
    pub(super) time: i64,
    pub(super) flags: Flags,
}

/// A place to go back to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    names: usize,
    units: usize,
    readings: usize,
}

impl Columns {
    pub(crate) fn with_capacity(readings: usize) -> Self {
        Self {
            names: String::with_capacity(readings * 24),
            units: String::new(),
            times: Vec::with_capacity(readings),
            values: Vec::with_capacity(readings),
            flags: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { names: self.names.len(), units: self.units.len(), readings: self.values.len() }
    }

    pub(crate) fn back_to(&mut self, mark: Mark) {
        self.names.truncate(mark.names);
        self.units.truncate(mark.units);
        self.times.truncate(mark.readings);
        self.values.truncate(mark.readings);
        self.flags.truncate(mark.readings);
    }

    /// How many readings there are since `mark`.
    pub(super) fn since(&self, mark: Mark) -> usize {
        self.len() - mark.readings
    }

    /// The devices of the readings since `mark`, each as often as it has readings.
    pub(super) fn devices_since(&self, mark: Mark) -> impl Iterator<Item = &str> {
        self.names[mark.names..].lines().map(|series| series.split('/').next().unwrap_or(series))
    }

    /// The series of the one reading since `mark`.
    pub(super) fn name_since(&self, mark: Mark) -> &str {
        self.names[mark.names..].trim_end_matches('\n')
    }

    /// The value of the nth reading since `mark`.
    pub(super) fn value(&self, mark: Mark, n: usize) -> Option<f64> {
        self.values.get(mark.readings + n).copied()
    }

    /// Gives a time to every reading since `mark`.
    pub(crate) fn set_time(&mut self, mark: Mark, time: i64) {
        self.times[mark.readings..].fill(time);
    }

    /// Appends a reading of `<device>/<measure>` after checking its name, unit and value.
    pub(crate) fn push(
        &mut self,
        device: &str,
        measure: &str,
        unit: &str,
        value: f64,
    ) -> Result<(), Refusal> {
        short(device.len() + 1 + measure.len())?;
        let start = self.names.len();
        self.names.push_str(device);
        self.names.push('/');
        self.names.push_str(measure);
        self.finish(start, unit, value)
    }

    /// Appends a reading of a series that is already written as `device/quantity[/channel]`.
    pub(crate) fn push_series(&mut self, series: &str, value: f64) -> Result<(), Refusal> {
        let start = self.names.len();
        self.names.push_str(series);
        self.finish(start, "", value)
    }

    /// Appends a reading that the gateway measured itself.
    pub(crate) fn push_measured(&mut self, reading: &Measured<'_>) -> Result<(), Refusal> {
        let start = self.names.len();
        self.names.push_str(reading.series);
        self.finish(start, reading.unit, reading.value)?;
        self.flag(reading.flags);
        Ok(())
    }

    /// Appends a reading with all that is known of it after checking its name, unit and value.
    pub(super) fn add(&mut self, found: Found<'_>) -> Result<(), Refusal> {
        short(found.device.len() + 1 + found.quantity.len() + found.channel.len())?;
        // Else `a/ph` would be a device `a` with a quantity `ph`.
        if found.device.contains('/') {
            return Err(Refusal::new(
                Reason::BadName,
                format!("the device name {:?} has a slash", found.device),
            ));
        }
        let start = self.names.len();
        self.names.push_str(found.device);
        self.names.push('/');
        self.names.push_str(found.quantity);
        if !found.channel.is_empty() {
            self.names.push('/');
            self.names.push_str(found.channel);
        }
        self.finish(start, found.unit, found.value)?;
        if let Some(time) = self.times.last_mut() {
            *time = found.time;
        }
        self.flag(found.flags);
        Ok(())
    }

    /// Flags the last reading.
    fn flag(&mut self, flags: Flags) {
        if !flags.is_empty() {
            self.flags.resize(self.len(), 0);
            if let Some(last) = self.flags.last_mut() {
                *last = u32::from(flags.0);
            }
        }
    }

    fn finish(&mut self, start: usize, unit: &str, value: f64) -> Result<(), Refusal> {
        let checked = check(&self.names[start..], unit, value);
        if checked.is_err() {
            self.names.truncate(start);
            return checked;
        }
        self.names.push('\n');
        if !unit.is_empty() && self.units.is_empty() {
            self.units.extend(std::iter::repeat_n('\n', self.values.len()));
        }
        if !unit.is_empty() || !self.units.is_empty() {
            self.units.push_str(unit);
            self.units.push('\n');
        }
        self.times.push(UNTIMED);
        self.values.push(value);
        // Most payloads have no flag at all: the column begins with the first one.
        if !self.flags.is_empty() {
            self.flags.push(0);
        }
        Ok(())
    }
}

/// A name that is as long as its packet is not copied first, reading after reading.
fn short(bytes: usize) -> Result<(), Refusal> {
    if bytes <= MAX_SERIES_BYTES {
        return Ok(());
    }
    let what =
        format!("the name of the series has {bytes} bytes or more, at most {MAX_SERIES_BYTES} are allowed");
    Err(Refusal::new(Reason::BadName, what))
}

fn check(name: &str, unit: &str, value: f64) -> Result<(), Refusal> {
    if let Err(error) = SeriesName::check(name) {
        return Err(Refusal::new(Reason::BadName, error.to_string()));
    }
    if !value.is_finite() {
        return Err(Refusal::new(Reason::NotFinite, format!("{name}: the value is not a finite number")));
    }
    if unit.len() > MAX_UNIT || unit.chars().any(char::is_control) {
        return Err(Refusal::new(
            Reason::UnknownUnit,
            format!("{name}: a unit has at most {MAX_UNIT} printable bytes"),
        ));
    }
    Ok(())
}
