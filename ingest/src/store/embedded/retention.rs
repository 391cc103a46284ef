//! What is kept for how long, by class. What always holds: months are whole UTC months, because files are cut by them and
//! only whole files are dropped; a month is kept while it is at most so many months before the current one.

use super::months::{month_of, month_start};

/// How long a class keeps what it has, in months before the current one. 0: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Readings.
    pub raw_months: u32,
    /// Roll-ups by hour and day; never shorter than readings.
    pub rollup_months: u32,
}

/// Some quantities that are kept for the same time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Class {
    /// Its name, which stays with its files.
    pub name: String,
    /// The quantities in it. No quantity is in two classes.
    pub quantities: Vec<String>,
    /// How long.
    pub keep: Keep,
}

/// All classes: the default one, in which is what no other names, and the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Of the default class.
    pub default: Keep,
    /// The others.
    pub classes: Vec<Class>,
}

/// The name of the default class.
pub const DEFAULT_CLASS: &str = "default";

impl Retention {
    /// The place of a quantity's class: 0 the default one, else one more than its index in `classes`.
    #[must_use]
    pub fn class_of(&self, quantity: &str) -> usize {
        let holds = |class: &Class| class.quantities.iter().any(|own| own == quantity);
        self.classes.iter().position(holds).map_or(0, |at| at + 1)
    }

    /// Name and months of the class at a place of [`Self::class_of`].
    #[must_use]
    pub fn class(&self, place: usize) -> Option<(&str, Keep)> {
        match place.checked_sub(1) {
            None => Some((DEFAULT_CLASS, self.default)),
            Some(at) => self.classes.get(at).map(|class| (class.name.as_str(), class.keep)),
        }
    }

    /// The first time whose reading is taken at `now`, by the places of [`Self::class_of`]; never before `floor`.
    #[must_use]
    pub fn firsts(&self, now: i64, floor: i64) -> Vec<i64> {
        let keeps = std::iter::once(self.default).chain(self.classes.iter().map(|class| class.keep));
        keeps.map(|keep| first_kept(keep.raw_months, now).map_or(floor, |first| first.max(floor))).collect()
    }
}

/// The first time that is kept at `now`; `None`: all are.
pub(crate) fn first_kept(months: u32, now: i64) -> Option<i64> {
    (months > 0).then(|| month_start(month_of(now) - i64::from(months)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARCH: i64 = 1_772_323_200_000; // 2026-03-01T00:00:00Z

    #[test]
    fn a_month_is_kept_while_it_is_at_most_so_many_before_the_current_one() {
        assert_eq!(first_kept(0, MARCH), None);
        assert_eq!(first_kept(1, MARCH), Some(month_start(month_of(MARCH) - 1)));
        assert_eq!(first_kept(1, MARCH - 1), Some(month_start(month_of(MARCH) - 2)));
        assert_eq!(first_kept(12, MARCH), Some(1_740_787_200_000)); // 2025-03-01
    }

    #[test]
    fn each_class_has_its_own_first_time_and_none_goes_below_the_floor() {
        let noise = Class {
            name: "noise".to_owned(),
            quantities: vec!["sound_level".to_owned()],
            keep: Keep { raw_months: 1, rollup_months: 0 },
        };
        let retention = Retention { default: Keep::default(), classes: vec![noise] };
        assert_eq!((retention.class_of("sound_level"), retention.class_of("rainfall")), (1, 0));
        assert_eq!(retention.class(1), Some(("noise", Keep { raw_months: 1, rollup_months: 0 })));
        assert_eq!((retention.class(0).map(|class| class.0), retention.class(2)), (Some("default"), None));
        assert_eq!(retention.firsts(MARCH, 5), [5, month_start(month_of(MARCH) - 1)]);
        assert_eq!(retention.firsts(MARCH, MARCH), [MARCH, MARCH]);
    }
}
