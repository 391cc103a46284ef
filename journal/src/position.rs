//! The two things that callers see of the log: where something is, and what is there.

use std::fmt;

/// A place in the journal. Counts what the caller counts (readings), not bytes and not records:
/// a record that was appended with `count` takes `count` positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One appended record, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The first position that it takes; for `count` 0 the position that the next counted record took.
    pub first: Position,
    /// How many positions it takes.
    pub count: u32,
    /// The bytes that were appended.
    pub bytes: Vec<u8>,
}

impl Record {
    /// One after the last position that it takes.
    #[must_use]
    pub fn end(&self) -> Position {
        Position(self.first.0 + u64::from(self.count))
    }
}
