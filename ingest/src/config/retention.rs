//! What the configuration says of retention: checked, and in the form that the engine and the validation want.

use super::{Config, Engine};
use crate::store::embedded::{Class, DEFAULT_CLASS, Keep, Retention};
use pantau_settings::{Fault, between};

/// A century: more is a mistake.
const MOST_MONTHS: u32 = 1_200;
const MOST_CLASSES: usize = 100;

impl Config {
    /// What is kept for how long.
    pub(crate) fn retention(&self) -> Retention {
        let class = |class: &super::Class| Class {
            name: class.class.clone(),
            quantities: class.quantities.clone(),
            keep: Keep { raw_months: class.raw_months, rollup_months: class.rollup_months },
        };
        let store = &self.store;
        let default = Keep { raw_months: store.keep_raw_months, rollup_months: store.keep_rollup_months };
        Retention { default, classes: self.classes.iter().map(class).collect() }
    }

    pub(super) fn check_retention(&self) -> Result<(), Fault> {
        let store = &self.store;
        if store.engine != Engine::Embedded {
            let given = [
                ("store.keep_raw_months", store.keep_raw_months > 0),
                ("store.keep_rollup_months", store.keep_rollup_months > 0),
                ("retention[0].class", !self.classes.is_empty()),
            ];
            if let Some((key, _)) = given.iter().find(|(_, given)| *given) {
                return Err(Fault::new(
                    *key,
                    "means nothing to a database, which drops readings by its own retention",
                    "remove it, and set the retention in the database",
                ));
            }
        }
        months(
            "store.keep_raw_months",
            store.keep_raw_months,
            "store.keep_rollup_months",
            store.keep_rollup_months,
        )?;
        if self.classes.len() > MOST_CLASSES {
            let what = format!("there are {} classes; {MOST_CLASSES} are allowed", self.classes.len());
            return Err(Fault::new(
                "retention[0].class",
                what,
                "put quantities that are kept equally long in one",
            ));
        }
        for n in 0..self.classes.len() {
            self.check_class(n)?;
        }
        Ok(())
    }

    fn check_class(&self, n: usize) -> Result<(), Fault> {
        let own = &self.classes[n];
        let key = |key: &str| format!("retention[{n}].{key}");
        let name = &own.class;
        let letters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        if name.is_empty() || name.len() > 32 || !name.bytes().all(letters) {
            let mend = "use 1 to 32 lower-case letters, digits, _ and -";
            return Err(Fault::new(key("class"), format!("{name:?} is no name of a class"), mend));
        }
        if name == DEFAULT_CLASS {
            let mend = "use another name; the default class is set by keep_raw_months and keep_rollup_months under [store]";
            return Err(Fault::new(key("class"), "\"default\" is the class of what no other names", mend));
        }
        if self.classes[..n].iter().any(|other| other.class == *name) {
            return Err(Fault::new(key("class"), format!("class {name} is there twice"), "make them one"));
        }
        for (at, quantity) in own.quantities.iter().enumerate() {
            if pantau_proto::quantity(quantity).is_none() {
                let mend = "write it as in proto/quantities.csv, for example \"sound_level\"";
                return Err(Fault::new(key("quantities"), format!("{quantity:?} is no quantity"), mend));
            }
            let earlier = self.classes[..n].iter().find(|other| other.quantities.contains(quantity));
            let twice = own.quantities[..at].contains(quantity).then_some(own);
            if let Some(other) = earlier.or(twice) {
                let what = format!("{quantity} is in class {} already", other.class);
                return Err(Fault::new(key("quantities"), what, "name it in one class only"));
            }
        }
        months(&key("raw_months"), own.raw_months, &key("rollup_months"), own.rollup_months)
    }
}

/// Roll-ups are kept at least as long as what they were made of: a query may so always stand on them.
fn months(raw_key: &str, raw: u32, rollup_key: &str, rollup: u32) -> Result<(), Fault> {
    between(raw_key, raw, 0, MOST_MONTHS)?;
    between(rollup_key, rollup, 0, MOST_MONTHS)?;
    if rollup > 0 && (raw == 0 || raw > rollup) {
        let readings = if raw == 0 { "for ever".to_owned() } else { format!("for {raw} months") };
        return Err(Fault::new(
            rollup_key,
            format!("{rollup} keeps roll-ups shorter than their readings, which are kept {readings}"),
            "keep roll-ups for as many months at least, or for ever (0)",
        ));
    }
    Ok(())
}
