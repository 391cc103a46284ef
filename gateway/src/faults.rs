//! Faults on demand, for the tests that must notice them. Only compiled with the feature `faults`.
//!
//! `PANTAU_FAULTS=volatile[,drop-syncs][,ack-early]`: writes stay in the process until their sync, so that SIGKILL loses
//! what was not synced; syncs do nothing; devices are acknowledged before the sync.

use pantau_journal::faults::VolatileFiles;
use pantau_journal::{FileLayer, Journal};

/// What the environment asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    drop_syncs: bool,
    ack_early: bool,
}

impl Faults {
    /// `None` unless `PANTAU_FAULTS` is set.
    pub(crate) fn from_env() -> Option<Self> {
        let asked = std::env::var("PANTAU_FAULTS").ok()?;
        let has = |fault| asked.split(',').any(|part| part.trim() == fault);
        tracing::warn!(asked, "running with faults: for tests only");
        Some(Self { drop_syncs: has("drop-syncs"), ack_early: has("ack-early") })
    }

    pub(crate) fn prepare<F: FileLayer>(self) -> impl FnOnce(&Journal<F>) {
        move |journal| journal.ack_before_sync(self.ack_early)
    }

    pub(crate) fn files(self) -> VolatileFiles {
        let files = VolatileFiles::new();
        files.drop_syncs(self.drop_syncs);
        files
    }
}
