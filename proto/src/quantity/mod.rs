//! The catalogue of quantities: what a city measures, in which unit it is stored, and what is plausible.
//!
//! Made at build time from `quantities.csv`, sorted by name.

#[cfg(test)]
mod tests;

/// How values of a quantity behave; decides how they are summed up and drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A level at a time; averages make sense.
    Gauge,
    /// An amount that fell into the interval before its time; sums make sense.
    Amount,
    /// Degrees clockwise from north; averages are those of vectors.
    Angle,
    /// A running total that may be reset; non-negative increases make sense.
    Counter,
    /// Off or on; durations make sense.
    State,
}

/// An entry of the catalogue.
#[derive(Debug, PartialEq)]
pub struct Quantity {
    /// Its name in series, for example `pm2_5`.
    pub name: &'static str,
    /// How its values behave.
    pub kind: Kind,
    /// Its Indonesian title.
    pub title_id: &'static str,
    /// Its English title.
    pub title_en: &'static str,
    /// The unit that it is stored in, as a UCUM code.
    pub unit: &'static str,
    /// The same as SenML has it (RFC 8428 and its registry); empty where there is none.
    pub senml_unit: &'static str,
    /// Its name in the CF conventions; empty where there is none.
    pub cf_name: &'static str,
    /// Values below are flagged, in `unit`.
    pub plausible_min: f64,
    /// Values above are flagged, in `unit`.
    pub plausible_max: f64,
}

include!(concat!(env!("OUT_DIR"), "/quantities.rs"));

impl Quantity {
    /// Whether a value in the catalogue's unit can be. Bounds are inclusive; NaN cannot be.
    #[must_use]
    pub fn is_plausible(&self, value: f64) -> bool {
        (self.plausible_min..=self.plausible_max).contains(&value)
    }
}

/// The quantity of this name.
#[must_use]
pub fn quantity(name: &str) -> Option<&'static Quantity> {
    QUANTITIES.binary_search_by(|entry| entry.name.cmp(name)).ok().map(|at| &QUANTITIES[at])
}

/// All quantities, by name.
#[must_use]
pub fn quantities() -> &'static [Quantity] {
    &QUANTITIES
}
