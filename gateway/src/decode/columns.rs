//! Decoded readings as columns: what the decoders fill and the spool's record takes over without a copy.
//!
//! Always: as many names, times and values as [`Columns::len`]; `names` holds one `series\n` a reading; `units`
//! is empty (every unit is the catalogue's) or holds one `unit\n` a reading; names and units hold no line feed.

use pantau_proto::SeriesName;
use pantau_proto::v1::Reason;

use super::Refusal;

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
        Ok(())
    }
}

fn check(name: &str, unit: &str, value: f64) -> Result<(), Refusal> {
    if let Err(error) = SeriesName::new(name) {
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
