//! The spool as the uplink sees it: what there is to send, and what ingest has.

use pantau_journal::{FileLayer, Position, Ticket};
use pantau_proto::v1::{Loss, LossReason, Rejected};
use pantau_proto::{Epoch, RangeSet};

use super::state::acked_record;
use super::{Door, Ordered, Record, Spool, locked};
use crate::figures::count;
use crate::intake::types::SubmitError;

/// What Hello says, and what the uplink needs beside.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) epoch: Epoch,
    /// The first position that is still in the spool and not settled under an earlier epoch.
    pub(crate) kept: u64,
    /// One after the last synced position.
    pub(crate) next: u64,
    /// Positions that are never sent under this epoch.
    pub(crate) settled: RangeSet,
    /// Losses that ingest does not have yet.
    pub(crate) losses: Vec<Loss>,
}

impl<F: FileLayer> Spool<F> {
    pub(crate) fn offer(&self) -> Offer {
        let stats = self.shared.journal.stats();
        let next = self.shared.journal.synced().0;
        let ordered = locked(&self.shared.ordered);
        let state = &ordered.state;
        Offer {
            epoch: state.epoch.unwrap_or(Epoch(0)),
            kept: state.settled.first_gap(stats.kept.0).min(next),
            next,
            settled: state.settled.clone(),
            losses: state.losses.clone(),
        }
    }

    /// What ingest named as committed in HelloReply. It may be less than what was acked before: an ingest that was
    /// restored gets again what it lacks, as far as it is still here.
    pub(crate) fn committed(&self, committed: &RangeSet) {
        let kept = self.shared.journal.stats().kept.0;
        let mut ordered = locked(&self.shared.ordered);
        let mut acked = committed.clone();
        acked.extend(&ordered.state.settled);
        acked.insert(0, kept);
        if acked == ordered.state.acked {
            return;
        }
        let new: u64 = acked.len_positions().saturating_sub(ordered.state.acked.len_positions());
        count(&self.shared.counters.acked, new);
        ordered.unsaved = RangeSet::new();
        let record = acked_record(acked.to_wire(), true);
        if let Err(error) = self.note_locked(&mut ordered, &record) {
            tracing::warn!(%error, "the acked ranges could not be journaled; a restart may send again");
            ordered.state.apply(0, &record);
        }
    }

    /// An Ack came.
    pub(crate) fn acked(&self, ranges: &RangeSet, rejected: &[Rejected]) {
        let mut ordered = locked(&self.shared.ordered);
        let new = ordered.state.ack(ranges.iter());
        ordered.unsaved.extend(ranges);
        drop(ordered);
        count(&self.shared.counters.acked, new);
        count(&self.shared.counters.rejected, rejected.len() as u64);
    }

    /// Begins a new epoch: what is acked is settled, the rest goes on under it. To be awaited before Hello names it.
    pub(crate) fn new_epoch(&self, epoch: Epoch) -> Result<Ticket, SubmitError> {
        let mut ordered = locked(&self.shared.ordered);
        // First what is acked: a restart would else settle less, and send the rest again.
        self.save_acks_locked(&mut ordered, Door::Reserve)?;
        let epoch = Record { epoch: Some(epoch.0), ..Record::default() };
        let ticket = self.note_locked(&mut ordered, &epoch)?;
        drop(ordered);
        self.shared.journal.sync_soon();
        Ok(ticket)
    }

    /// Positions that turned out to be unreadable after the start.
    pub(crate) fn lost(&self, start: Position, end: Position, detail: String) -> Vec<Loss> {
        let mut ordered = locked(&self.shared.ordered);
        let losses: Vec<Loss> = ordered
            .state
            .acked
            .missing(start.0, end.0)
            .map(|(start, end)| damage(start, end, &detail))
            .collect();
        count(&self.shared.counters.lost, losses.iter().map(|loss| loss.count).sum());
        self.note_losses(&mut ordered, losses.clone());
        losses
    }

    pub(super) fn note_losses(&self, ordered: &mut Ordered, losses: Vec<Loss>) {
        let record = Record { losses, ..Record::default() };
        if let Err(error) = self.note_locked(ordered, &record) {
            tracing::warn!(%error, "a loss could not be journaled; the next start finds it again");
            ordered.state.apply(0, &record);
        }
    }
}

/// The loss of [start, end) to a damaged disk.
pub(super) fn damage(start: u64, end: u64, detail: &str) -> Loss {
    Loss {
        start,
        end,
        count: end - start,
        reason: LossReason::Damaged.into(),
        detail: detail.chars().take(200).collect(),
        ..Loss::default()
    }
}
