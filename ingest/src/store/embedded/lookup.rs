//! Finds numbers by texts that stand elsewhere: 6 to 11 bytes a number, whatever the texts take.
//!
//! A table doubles when it is full, and must then look at the text of each of its numbers. So there are many, and they are
//! of unequal size: each is full at another time, and none holds the writer up for long.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Tables. The largest takes twice as much as the smallest.
const TABLES: usize = 64;

/// See the module.
#[derive(Debug)]
pub(crate) struct Lookup {
    hasher: DefaultHashBuilder,
    tables: [HashTable<u32>; TABLES],
}

impl Default for Lookup {
    fn default() -> Self {
        Self { hasher: DefaultHashBuilder::default(), tables: std::array::from_fn(|_| HashTable::new()) }
    }
}

impl Lookup {
    /// The number whose text is `text`, as far as `of` tells texts.
    pub(crate) fn find<'a>(&self, text: &str, of: impl Fn(u32) -> &'a str) -> Option<u32> {
        let hash = self.hasher.hash_one(text);
        self.tables[table(hash)].find(hash, |number| of(*number) == text).copied()
    }

    /// Puts a number in; in the place of one with the same text if `replaces` says so of that one.
    pub(crate) fn put<'a>(
        &mut self,
        number: u32,
        of: impl Fn(u32) -> &'a str,
        replaces: impl Fn(u32) -> bool,
    ) {
        let Self { hasher, tables } = self;
        let text = of(number);
        let hash = hasher.hash_one(text);
        let table = &mut tables[table(hash)];
        match table.find_mut(hash, |other| of(*other) == text) {
            Some(found) if replaces(*found) => *found = number,
            Some(_) => {}
            None => {
                table.insert_unique(hash, number, |other| hasher.hash_one(of(*other)));
            }
        }
    }
}

/// The table of a hash, by bits that the tables themselves do not use. Powers of two at equal distances make the tables'
/// shares: so the moments at which they double are spread evenly, from one doubling of all numbers to the next.
fn table(hash: u64) -> usize {
    const BITS: u32 = 24;
    let part = (hash >> 32) as u32 & ((1 << BITS) - 1);
    let share = (1.0 + f64::from(part) / f64::from(1_u32 << BITS)).log2();
    ((share * TABLES as f64) as usize).min(TABLES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_double_one_after_the_other() {
        let texts: Vec<String> = (0..40_000).map(|number| format!("device-{number}/temperature")).collect();
        let of = |number: u32| texts[number as usize].as_str();
        let (mut lookup, mut most) = (Lookup::default(), 0);
        let mut rooms = [0; TABLES];
        for number in 0..texts.len() as u32 {
            lookup.put(number, of, |_| true);
            if number % 1_000 == 999 {
                let grown = lookup.tables.iter().zip(&mut rooms).filter_map(|(table, room)| {
                    let grew = *room > 0 && table.capacity() > *room;
                    *room = table.capacity();
                    grew.then_some(table.len())
                });
                most = most.max(if number > 10_000 { grown.sum() } else { 0 });
            }
        }
        // All at once they would look at each of the numbers within a thousand of them.
        assert!(most < texts.len() / 4, "{most}");
        for number in 0..texts.len() as u32 {
            assert_eq!(lookup.find(of(number), of), Some(number));
        }
        assert_eq!(lookup.find("device-40000/temperature", of), None);
    }
}
