//! The newest reading of each series, in memory: what `latest` answers without asking the database. Taken from the
//! commits of this process, and from what the database says once after the start.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pantau_journal::FileLayer;
use tokio_util::sync::CancellationToken;

use super::RemoteReader;
use super::line::parts;
use super::server::Fault;
use crate::store::embedded::{Point, Slot};
use crate::store::types::{Commit, LatestPoint, SeriesId};
use crate::store::{Names, StoreReader};

/// Wait after the database did not say what it has.
const RETRY: Duration = Duration::from_secs(5);
/// Names that are taken out of the catalog at once.
const NAMES: usize = 10_000;

/// See the module. 56 bytes a series.
#[derive(Clone, Debug, Default)]
pub(crate) struct Newest(Arc<Mutex<Vec<Slot>>>);

impl Newest {
    /// Takes in what the database has taken.
    pub(crate) fn note(&self, commit: &Commit) {
        let mut slots = self.lock();
        let columns = &commit.readings;
        for (reading, ((series, time), value)) in
            columns.series.iter().zip(&columns.times).zip(&columns.values).enumerate()
        {
            let flags = columns.flags.get(reading).copied().unwrap_or(0);
            let point = Point { time: *time, value: *value, flags };
            slot(&mut slots, *series).note(point, commit.received_ms);
        }
    }

    fn note_known(&self, series: SeriesId, last: Point, first: Option<i64>) {
        slot(&mut self.lock(), series).note_known(last, first.unwrap_or(last.time));
    }

    pub(crate) fn latest(&self, series: &[SeriesId]) -> Vec<Option<LatestPoint>> {
        let slots = self.lock();
        series.iter().map(|series| slots.get(series.index())?.latest(*series)).collect()
    }

    /// First time and last time.
    pub(crate) fn extent(&self, series: SeriesId) -> (Option<i64>, Option<i64>) {
        let (first, last, _) = self.lock().get(series.index()).map_or((None, None, 0), Slot::extent);
        (first, last)
    }

    /// Held for a few moves only; no move can panic halfway.
    fn lock(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn slot(slots: &mut Vec<Slot>, series: SeriesId) -> &mut Slot {
    if slots.len() <= series.index() {
        slots.resize(series.index() + 1, Slot::EMPTY);
    }
    &mut slots[series.index()]
}

/// Asks the database once, after the start, what the newest readings are. Readings are taken meanwhile.
pub struct Loader<F: FileLayer> {
    pub(crate) reader: RemoteReader<F>,
    pub(crate) stop: CancellationToken,
}

impl<F: FileLayer> Loader<F> {
    /// Tries until the database answers, then waits for the stop.
    pub async fn run(self) {
        tokio::select! {
            () = self.stop.cancelled() => return,
            () = self.load() => {}
        }
        self.stop.cancelled().await;
    }

    async fn load(&self) {
        let mut told = false;
        while let Err(error) = self.try_load().await {
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(%error, "the database does not say which readings are the newest; asking again");
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Takes in the newest reading of every series that the catalog has.
    ///
    /// # Errors
    /// When the database does not answer; what it said before is kept.
    pub(crate) async fn try_load(&self) -> Result<(), Fault> {
        for quantity in self.quantities() {
            for ((device, channel), known) in self.reader.queries.known(&quantity).await? {
                let name = match channel.as_str() {
                    "" => format!("{device}/{quantity}"),
                    channel => format!("{device}/{quantity}/{channel}"),
                };
                // What others wrote into the database is no series of ours.
                let Some(series) = self.reader.find(&name) else { continue };
                if let Some((time, value, flags)) = known.last {
                    self.reader.newest.note_known(series, Point { time, value, flags }, known.first);
                }
            }
        }
        Ok(())
    }

    fn quantities(&self) -> BTreeSet<String> {
        let mut quantities = BTreeSet::new();
        let mut after: Option<Arc<str>> = None;
        loop {
            let page = self.reader.series("", after.as_deref(), NAMES);
            for item in &page.items {
                if let Some((_, quantity, _)) = parts(&item.name)
                    && !quantities.contains(quantity)
                {
                    quantities.insert(quantity.to_owned());
                }
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return quantities,
            }
        }
    }
}
