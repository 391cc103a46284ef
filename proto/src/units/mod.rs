//! Conversions between what devices say and what the catalogue stores.
//!
//! A conversion is `(x + offset) * multiply / divide`, with the two factors reduced whole numbers wherever
//! the units allow it: 101325 Pa is exactly 1013.25 hPa and 3305 mV exactly 3.305 V, where a multiplication
//! by 0.01 would leave noise in the last bits (and cost the store its decimal compression).
//!
//! Units are UCUM codes and the spellings that devices use. `µ`, `³`, `²` and `^` are read as `u`, `3`, `2`
//! and nothing; case matters (mW is not MW).

mod table;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::quantity::Quantity;
use table::{Dimension, Unit};

/// From a unit to the catalogue's and back. Finite numbers stay finite unless they overflow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conversion {
    offset: f64,
    multiply: f64,
    divide: f64,
}

impl Conversion {
    /// Changes nothing.
    pub const IDENTITY: Self = Self { offset: 0.0, multiply: 1.0, divide: 1.0 };

    /// A value in the catalogue's unit.
    #[must_use]
    pub fn to_catalogue(self, value: f64) -> f64 {
        if self.is_identity() { value } else { (value + self.offset) * self.multiply / self.divide }
    }

    /// A value of the catalogue's in the other unit.
    #[must_use]
    pub fn from_catalogue(self, value: f64) -> f64 {
        if self.is_identity() { value } else { value * self.divide / self.multiply - self.offset }
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_identity(self) -> bool {
        self == Self::IDENTITY
    }
}

/// How to get from `unit` to the quantity's unit. `unit` empty is the quantity's own. None for a unit that
/// is not known, or not one of this quantity.
#[must_use]
pub fn conversion(quantity: &Quantity, unit: &str) -> Option<Conversion> {
    if unit.is_empty() || unit == quantity.unit || unit == quantity.senml_unit {
        return Some(Conversion::IDENTITY);
    }
    let unit = plain(unit);
    dimensions(quantity).find_map(|(dimension, own)| {
        dimension.units.iter().find(|known| known.names.contains(&&*unit)).map(|known| between(known, own))
    })
}

/// All spellings of units that a quantity is taken in, its own among them.
pub fn known(quantity: &'static Quantity) -> impl Iterator<Item = &'static str> {
    dimensions(quantity).flat_map(|(dimension, _)| dimension.units).flat_map(|unit| unit.names).copied()
}

/// The dimensions that hold for a quantity, each with the quantity's own unit in it.
fn dimensions(quantity: &Quantity) -> impl Iterator<Item = (&'static Dimension, &'static Unit)> {
    let (name, own) = (quantity.name, quantity.unit);
    table::DIMENSIONS
        .iter()
        .filter(move |dimension| dimension.only.is_none_or(|only| only == name))
        .filter_map(move |dimension| {
            let own = dimension.units.iter().find(|unit| unit.names.contains(&own))?;
            Some((dimension, own))
        })
}

/// From `from` to `to`, both of one dimension. A unit that things are stored in has no offset.
fn between(from: &Unit, to: &Unit) -> Conversion {
    let (multiply, divide) = reduced(from.multiply * to.divide, from.divide * to.multiply);
    Conversion { offset: from.offset, multiply, divide }
}

/// The fraction with whole numbers made as small as they go.
fn reduced(multiply: f64, divide: f64) -> (f64, f64) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let (mut a, mut b) = (multiply, divide);
    if a.fract() != 0.0 || b.fract() != 0.0 || a >= EXACT || b >= EXACT {
        return (multiply, divide);
    }
    while b != 0.0 {
        (a, b) = (b, a % b);
    }
    (multiply / a, divide / a)
}

fn plain(unit: &str) -> Cow<'_, str> {
    if unit.bytes().all(|byte| byte.is_ascii() && byte != b'^') {
        return Cow::Borrowed(unit);
    }
    let read = |letter| match letter {
        'µ' | 'μ' => Some('u'),
        '²' => Some('2'),
        '³' => Some('3'),
        '^' => None,
        other => Some(other),
    };
    Cow::Owned(unit.chars().filter_map(read).collect())
}
