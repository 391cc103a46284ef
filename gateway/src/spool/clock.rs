//! The spool and the clock: what came before the clock was trusted waits here until its time is known for good.
//!
//! Always: the offset of a boot is synced before any reading leaves that needs it; what waits is synced like everything
//! else, and acknowledged.

use pantau_journal::{FileLayer, Ticket};
use pantau_proto::{RangeSet, TimeMs};

use super::record::{BootOffset, Record};
use super::stamps::Boot;
use super::{Spool, locked};
use crate::figures::{count, value};
use crate::intake::types::SubmitError;

impl<F: FileLayer> Spool<F> {
    /// The process begins in `boot`; nothing is stamped before. To be followed by [`Spool::look`].
    pub(crate) fn begin_boot(&self, boot: Boot) {
        let ordered = locked(&self.shared.ordered);
        let boots = &ordered.state.boots;
        let (offset, undecided, room) = (boots.offset(boot.id), boots.undecided(), boots.has_room());
        drop(ordered);
        locked(&self.shared.stamps).begin(boot, offset, undecided, room);
    }

    /// A look at the wall clock, which is trusted or not: each second, and before the first reading. When it decides
    /// the time of readings that wait, they go with [`Spool::release_held`], after the ticket has resolved.
    ///
    /// # Errors
    /// The decision could not be journaled. The next look tries again, with the same one.
    pub(crate) fn look(&self, wall: TimeMs, trusted: bool) -> Result<Option<Ticket>, SubmitError> {
        let undecided = locked(&self.shared.ordered).state.boots.undecided();
        let (looked, boot) = {
            let mut stamps = locked(&self.shared.stamps);
            (stamps.look(wall, trusted, undecided), stamps.boot())
        };
        let mut ordered = locked(&self.shared.ordered);
        if let Some(to) = looked.went_back {
            count(&self.shared.counters.clock_went_back, 1);
            tracing::warn!("the clock went back; stamps follow it, flagged until it has caught up");
            // A start finds by itself that the clock stands before the stamps.
            let record = Record { went_back: Some(to), ..Record::default() };
            drop(self.note_locked(&mut ordered, &record)?);
        }
        let offset = match ordered.state.boots.undecided() {
            Some(undecided) if undecided.boot != boot => Some(undecided.as_known()),
            Some(_) => looked.offset,
            None => None,
        };
        let Some(offset) = offset else { return Ok(None) };
        let held = ordered.state.boots.held().clone();
        self.say_decided(offset, &held);
        let record = Record { boot_offset: Some(offset), ..Record::default() };
        let ticket = self.note_locked(&mut ordered, &record)?;
        ordered.deciding = held;
        let floor = ordered.state.stamp_floor;
        drop(ordered);
        if offset.boot != boot {
            locked(&self.shared.stamps).rise(floor);
        }
        self.shared.journal.sync_soon();
        Ok(Some(ticket))
    }

    fn say_decided(&self, offset: BootOffset, held: &RangeSet) {
        let readings = held.len_positions();
        if offset.uncertain {
            tracing::warn!(readings, "the clock was not trusted in time: what waited goes as uncertain");
        } else {
            tracing::info!(readings, "the clock is trusted: what waited has its time");
        }
    }

    /// What was decided is on the disk.
    pub(crate) fn release_held(&self) {
        locked(&self.shared.ordered).deciding = RangeSet::new();
        count(&self.shared.counters.releases, 1);
    }

    /// How often something was released; a stream that began before must begin anew to send it.
    pub(crate) fn releases(&self) -> u64 {
        value(&self.shared.counters.releases)
    }

    /// The positions that must not leave now.
    pub(crate) fn held(&self) -> RangeSet {
        let ordered = locked(&self.shared.ordered);
        let mut held = ordered.state.boots.held().clone();
        held.extend(&ordered.deciding);
        held
    }

    /// What was decided for a boot.
    pub(crate) fn boot_offset(&self, boot: u64) -> Option<BootOffset> {
        locked(&self.shared.ordered).state.boots.offset(boot)
    }
}
