//! Which class of retention a file or a quantity belongs to: what the manifest keeps of it. A class has a number, which
//! stands in its files' headers and names, and a name, by which the configuration knows it.
//!
//! ```text
//! u32 n, n × text                    names of classes 1 to n; class 0 is "default"
//! u32 n, n × (text, u16)             quantities that are not in class 0, with their class
//! u32 n, n × u64                     cuts: numbers of files
//! ```
//! What always holds: a number is never given to another name, so that old files stay what they are when a class leaves
//! the configuration. When a quantity changes its class, the number of the next file becomes a **cut**: files before and
//! behind a cut are not merged. For the old class may get files after the new one's, and a merge with those would lift
//! older readings of that quantity over newer ones.

use std::collections::BTreeMap;

use super::bytes::{self, Cursor, Malformed};
use super::manifest::FileRef;
use super::retention::{DEFAULT_CLASS, Keep, Retention};

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Classes {
    /// Of classes 1 to n; empty for one whose name was lost with a manifest.
    names: Vec<String>,
    members: BTreeMap<String, u16>,
    /// Rising.
    pub(crate) cuts: Vec<u64>,
}

impl Classes {
    /// The name of a class, unless it was lost.
    pub(crate) fn name(&self, class: u16) -> Option<&str> {
        match usize::from(class).checked_sub(1) {
            None => Some(DEFAULT_CLASS),
            Some(at) => self.names.get(at).map(String::as_str).filter(|name| !name.is_empty()),
        }
    }

    /// For people.
    pub(crate) fn called(&self, class: u16) -> String {
        self.name(class).map_or_else(|| format!("c{class} (its name is lost)"), str::to_owned)
    }

    /// The class of each series of a quantity.
    pub(crate) fn of_quantity(&self, quantity: &str) -> u16 {
        self.members.get(quantity).copied().unwrap_or(0)
    }

    /// Whether any quantity is in another class than 0.
    pub(crate) fn any(&self) -> bool {
        !self.members.is_empty()
    }

    /// How long a class keeps what it has; `None`: the configuration no longer knows it, so for ever.
    pub(crate) fn keep(&self, class: u16, retention: &Retention) -> Option<Keep> {
        let name = self.name(class)?;
        if class == 0 {
            return Some(retention.default);
        }
        retention.classes.iter().find(|known| known.name == name).map(|known| known.keep)
    }

    /// Makes room for a class that a file has and no name is known of.
    pub(crate) fn adopt(&mut self, class: u16) {
        if self.names.len() < usize::from(class) {
            self.names.resize(usize::from(class), String::new());
        }
    }

    /// Takes in what is configured now: new names get numbers, and a quantity that changes its class a cut before
    /// `next_file`. Whether anything is different.
    pub(crate) fn take_in(&mut self, retention: &Retention, files: &[FileRef], next_file: u64) -> bool {
        let before = self.clone();
        let mut members = BTreeMap::new();
        for class in &retention.classes {
            let at = self.names.iter().position(|name| *name == class.name).unwrap_or(self.names.len());
            // 65,535 names in the life of a store; what comes after them is kept as the default class.
            let Ok(number) = u16::try_from(at + 1) else { continue };
            if at == self.names.len() {
                self.names.push(class.name.clone());
            }
            members.extend(class.quantities.iter().map(|quantity| (quantity.clone(), number)));
        }
        if members != self.members {
            self.members = members;
            self.cuts.push(next_file);
        }
        self.trim(files);
        *self != before
    }

    /// Of several cuts with no file between them one is enough, and of those before all files none is needed.
    fn trim(&mut self, files: &[FileRef]) {
        let mut from = 0;
        let cuts = std::mem::take(&mut self.cuts);
        for cut in cuts {
            if files.iter().any(|file| (from..cut).contains(&file.id.seq)) {
                self.cuts.push(cut);
                from = cut;
            }
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        bytes::put_len(out, self.names.len());
        self.names.iter().for_each(|name| bytes::put_text(out, name));
        bytes::put_len(out, self.members.len());
        for (quantity, class) in &self.members {
            bytes::put_text(out, quantity);
            out.extend_from_slice(&class.to_le_bytes());
        }
        bytes::put_len(out, self.cuts.len());
        bytes::put_u64s(out, self.cuts.iter().copied());
    }

    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let mut classes = Self::default();
        for _ in 0..cursor.count(2)? {
            classes.names.push(cursor.text()?.to_owned());
        }
        for _ in 0..cursor.count(4)? {
            let quantity = cursor.text()?.to_owned();
            classes.members.insert(quantity, cursor.u16()?);
        }
        for _ in 0..cursor.count(8)? {
            classes.cuts.push(cursor.u64()?);
        }
        Ok(classes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::datafile::FileId;
    use super::super::retention::Class;
    use super::*;

    fn retention(classes: &[(&str, &str)]) -> Retention {
        let class = |(name, quantities): &(&str, &str)| Class {
            name: (*name).to_owned(),
            quantities: quantities.split_whitespace().map(str::to_owned).collect(),
            keep: Keep { raw_months: 1, rollup_months: 2 },
        };
        Retention { default: Keep::default(), classes: classes.iter().map(class).collect() }
    }

    fn files(seqs: &[u64]) -> Vec<FileRef> {
        let id = |seq: &u64| FileId { seq: *seq, generation: 0, month: 0, class: 0 };
        seqs.iter().map(|seq| FileRef { id: id(seq), bytes: 1, rollup_bytes: 0 }).collect()
    }

    #[test]
    fn a_number_stays_with_its_name_whatever_is_configured_later() {
        let mut classes = Classes::default();
        assert!(classes.take_in(&retention(&[("a", "x y"), ("b", "z")]), &[], 0));
        assert!(classes.take_in(&retention(&[("b", "z x")]), &files(&[0, 1]), 2));
        assert!(!classes.take_in(&retention(&[("b", "z x")]), &files(&[0, 1]), 2));
        assert!(classes.take_in(&retention(&[("c", "y"), ("b", "z")]), &files(&[0, 1]), 2));
        assert_eq!(
            [0, 1, 2, 3, 4].map(|class| classes.name(class)),
            [Some("default"), Some("a"), Some("b"), Some("c"), None]
        );
        assert_eq!(["x", "y", "z"].map(|quantity| classes.of_quantity(quantity)), [0, 3, 2]);
        assert_eq!(classes.keep(1, &retention(&[("b", "")])), None, "it is kept for ever");
        assert_eq!(classes.keep(2, &retention(&[("b", "")])), Some(Keep { raw_months: 1, rollup_months: 2 }));
    }

    #[test]
    fn a_change_cuts_and_cuts_that_part_nothing_go() {
        let mut classes = Classes::default();
        classes.take_in(&retention(&[("a", "x")]), &[], 0);
        assert!(classes.cuts.is_empty(), "there is nothing before it");
        classes.take_in(&retention(&[]), &files(&[0, 1, 2]), 3);
        classes.take_in(&retention(&[("a", "x")]), &files(&[0, 1, 2]), 3);
        assert_eq!(classes.cuts, [3]);
        classes.take_in(&retention(&[("a", "y")]), &files(&[2, 5]), 6);
        assert_eq!(classes.cuts, [3, 6]);
        classes.take_in(&retention(&[("a", "y")]), &files(&[5]), 6);
        assert_eq!(classes.cuts, [6]);
    }

    #[test]
    fn a_lost_name_is_not_given_again() {
        let mut classes = Classes::default();
        classes.adopt(2);
        classes.take_in(&retention(&[("a", "x")]), &[], 0);
        assert_eq!((classes.of_quantity("x"), classes.name(1), classes.name(2)), (3, None, None));
        assert_eq!(classes.keep(2, &retention(&[("a", "x")])), None);
        assert_eq!(classes.called(2), "c2 (its name is lost)");
    }
}
