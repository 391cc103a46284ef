//! Whether a disk has room for what a journal takes next, in figures that an operator can act on.

use std::fmt;
use std::path::Path;

use crate::config::Config;
use crate::files::FileLayer;
use crate::journal::Journal;
use crate::stats::FullReason;
use crate::ticket::lock;

/// A disk without room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// Bytes that may still be taken.
    pub free: u64,
    /// Bytes that would have to be free.
    pub needed: u64,
    /// Of these, what is left free.
    pub floor: u64,
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { free, needed, floor } = *self;
        write!(
            f,
            "{} MiB are free and {} MiB needed, of which {} MiB stay free: {} MiB are missing",
            free >> 20,
            mib(needed),
            mib(floor),
            mib(needed.saturating_sub(free))
        )
    }
}

/// Rounded up, so that freeing as much is enough.
fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

impl Config {
    /// What is lacking for `segments` more of them.
    fn shortage(&self, free: u64, segments: u64) -> Option<Shortage> {
        let needed = self.free_floor_bytes.saturating_add(self.segment_bytes.saturating_mul(segments));
        (free < needed).then_some(Shortage { free, needed, floor: self.free_floor_bytes })
    }
}

/// What the disk of `dir` lacks for a journal of which nothing is kept: too little, and one can take nothing, or soon nothing
/// more. Opens nothing and makes nothing; `dir` need not be there yet.
pub fn shortage<F: FileLayer>(files: &F, dir: &Path, config: &Config) -> Option<Shortage> {
    let here =
        |path: &Path| files.free_bytes(if path.as_os_str().is_empty() { Path::new(".") } else { path }).ok();
    let free = dir.ancestors().find_map(here)?;
    let own: u64 = files.list(dir).map_or(0, |entries| entries.iter().map(|entry| entry.bytes).sum());
    // The reserve comes first, then one to write to.
    config.shortage(free.saturating_add(own), 2)
}

impl<F: FileLayer> Journal<F> {
    /// What the disk lacks now for the next segment; `None` while one is prepared, or could be.
    #[must_use]
    pub fn shortage(&self) -> Option<Shortage> {
        let shared = self.shared();
        let state = lock(&shared.state);
        if state.spares > 0 || state.no_space != Some(FullReason::FreeSpace) {
            return None;
        }
        drop(state);
        shared.config.shortage(shared.files.free_bytes(&shared.dir).ok()?, 1)
    }
}
