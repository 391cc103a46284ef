//! What an answer lacks because it cannot be read. An answer may come by the same place again and again; it counts once.

use std::collections::HashSet;

use super::datafile::FileId;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    places: HashSet<(FileId, u64)>,
    readings: u64,
}

impl Damage {
    /// `readings` cannot be read that should be at a place of a file: of a block, of a page of the index, or at the
    /// file's beginning where nothing can be read at all.
    pub(crate) fn note(&mut self, file: FileId, offset: u64, readings: u64) {
        if readings > 0 && self.places.insert((file, offset)) {
            self.readings += readings;
        }
    }

    pub(crate) fn readings(&self) -> u64 {
        self.readings
    }
}
