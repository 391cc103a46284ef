//! Readings that the gateway measured by itself: no payload, no topic, and the time of the poll as their arrival.

use pantau_journal::FileLayer;
use pantau_proto::TimeMs;
use pantau_proto::v1::Reason;

use super::types::{Frame, Measured, SubmitError};
use super::{SpoolIntake, SpoolTicket, TOO_FAST, refused};
use crate::decode::{Columns, Refusal};
use crate::figures::count;
use crate::spool::Record;

impl<F: FileLayer> SpoolIntake<F> {
    pub(super) fn take_measured(
        &self,
        source: &str,
        readings: &[Measured<'_>],
        at: TimeMs,
    ) -> Result<SpoolTicket, SubmitError> {
        let mut too_fast = Vec::new();
        let (record, columns, stamped) = loop {
            let mut columns = Columns::with_capacity(readings.len());
            let (mut record, mut places) = (Record::default(), Vec::with_capacity(readings.len()));
            for (n, reading) in readings.iter().enumerate() {
                let taken = match too_fast.contains(&n) {
                    true => Err(Refusal::new(Reason::TooFast, TOO_FAST)),
                    false => columns.push_measured(reading),
                };
                let Err(refusal) = taken else {
                    places.push(n);
                    continue;
                };
                let text = format!("{} {}", reading.value, reading.unit);
                let payload = text.trim_end().as_bytes();
                let frame = Frame { topic: reading.series, payload, arrival: at, key: None };
                record.refused.push(refused(columns.len() + record.refused.len(), &frame, refusal));
            }
            if !record.refused.is_empty() {
                source.clone_into(&mut record.source);
            }
            match self.spool.stamp(&mut columns, at) {
                Ok(stamped) => break (record, columns, stamped),
                Err(fast) => too_fast.extend(fast.into_iter().filter_map(|place| places.get(place).copied())),
            }
        };
        let (refused, taken) = (record.refused.len(), columns.len() + record.refused.len());
        let ticket = self.spool.submit(record, columns, stamped, at)?;
        count(&self.counters().accepted, taken as u64);
        count(&self.counters().quarantined, refused as u64);
        Ok(SpoolTicket(ticket))
    }
}
