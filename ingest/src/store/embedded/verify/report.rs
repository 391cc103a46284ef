//! What a check says: findings, one line each, and what was checked.

use std::fmt;
use std::ops::AddAssign;

/// What mends a data file.
pub(super) const COPY_BACK: &str = "stop ingest and copy the file back from a backup; without one leave it: what cannot be \
                                    read is left out of answers, and they say so";

/// A place that is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The file, relative to the folder that was checked.
    pub(crate) file: String,
    /// Where in it, in bytes.
    pub(crate) offset: Option<u64>,
    /// What is wrong.
    pub(crate) what: String,
    /// What is lost by it.
    pub(crate) cost: String,
    /// What to do.
    pub(crate) mend: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, what, cost, mend } = self;
        write!(f, "{file}: ")?;
        if let Some(offset) = offset {
            write!(f, "byte {offset}: ")?;
        }
        write!(f, "{what}; costs: {cost}; mend: {mend}")
    }
}

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checked {
    /// Files, those of the journal among them.
    pub(crate) files: u64,
    /// Blocks of data files.
    pub(crate) blocks: u64,
    /// Readings in sound blocks of the files that a manifest names.
    pub(crate) readings: u64,
    /// Names of series.
    pub(crate) series: u64,
    /// Commits in the journal.
    pub(crate) commits: u64,
    /// Bytes read.
    pub(crate) bytes: u64,
    /// Findings told.
    pub(crate) findings: u64,
}

impl AddAssign for Checked {
    fn add_assign(&mut self, other: Self) {
        self.files += other.files;
        self.blocks += other.blocks;
        self.readings += other.readings;
        self.series += other.series;
        self.commits += other.commits;
        self.bytes += other.bytes;
        self.findings += other.findings;
    }
}

/// Milliseconds since the epoch as people write them.
pub(super) fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| format!("{ms} ms"), |time| time.to_string())
}
