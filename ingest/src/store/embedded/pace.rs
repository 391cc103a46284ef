//! How fast the work in the background goes: at most half of the time, so that the writer's syncs have the disk for
//! themselves the other half.

use std::time::Duration;

use pantau_journal::FileLayer;

use super::state::Shared;

/// Bytes read or written between two rests.
const STRETCH: u64 = 2 << 20;

/// See the module.
pub(crate) struct Pace<'a, F: FileLayer> {
    shared: &'a Shared,
    files: &'a F,
    restless: bool,
    began: Duration,
    moved: u64,
}

impl<'a, F: FileLayer> Pace<'a, F> {
    /// Begins now; `restless`: for a store that nobody writes to.
    pub(crate) fn begin(shared: &'a Shared, files: &'a F, restless: bool) -> Self {
        Self { shared, files, restless, began: files.monotonic(), moved: 0 }
    }

    /// So many bytes were read or written: rests when it is time. Tells whether the store is being closed.
    pub(crate) fn is_closed_after(&mut self, bytes: u64) -> bool {
        self.moved += bytes;
        if self.moved < STRETCH || self.restless {
            return false;
        }
        self.moved = 0;
        let worked = self.files.monotonic().saturating_sub(self.began);
        let (state, _) = self.shared.wait_while(self.shared.lock(), worked, |state| !state.closed);
        let closed = state.closed;
        drop(state);
        self.began = self.files.monotonic();
        closed
    }
}
