//! Fresh readings for whoever watches. Lossy by design: a watcher that is too slow loses the oldest and is told how
//! many messages it missed; the committer never waits for one, and pays nothing while nobody watches.

use crate::store::{Commit, SeriesId};
use pantau_proto::Flags;
use std::sync::Arc;
use tokio::sync::broadcast;

/// Messages that a slow watcher may lie behind.
const BEHIND: usize = 4096;
/// Readings in one message at most: with [`BEHIND`] a bound on memory, 50 MB when a flood meets a slow watcher.
const TOGETHER: usize = 256;

/// One committed reading.
#[derive(Clone, Debug)]
pub struct LiveReading {
    /// Its series.
    pub id: SeriesId,
    /// The name of its series.
    pub name: Arc<str>,
    /// Milliseconds since the epoch, UTC.
    pub time: i64,
    /// In the catalogue's unit.
    pub value: f64,
    /// Flag bits.
    pub flags: u16,
}

/// Where committed readings are called out.
#[derive(Clone, Debug)]
pub struct Live(broadcast::Sender<Arc<[LiveReading]>>);

impl Default for Live {
    fn default() -> Self {
        Self(broadcast::channel(BEHIND).0)
    }
}

impl Live {
    /// From now on, every message.
    pub fn watch(&self) -> broadcast::Receiver<Arc<[LiveReading]>> {
        self.0.subscribe()
    }

    /// Calls out the readings of durable commits. Late ones are history, not news: they are left out.
    pub fn publish(&self, commits: &[Commit], mut name: impl FnMut(SeriesId) -> Option<Arc<str>>) {
        if self.0.receiver_count() == 0 {
            return;
        }
        for commit in commits {
            let columns = &commit.readings;
            for start in (0..columns.len()).step_by(TOGETHER) {
                let chunk = start..columns.len().min(start + TOGETHER);
                let news: Arc<[LiveReading]> = chunk
                    .filter_map(|i| {
                        let flags = columns.flags.get(i).copied().unwrap_or(0);
                        if Flags(flags).contains(Flags::LATE) {
                            return None;
                        }
                        let (id, time, value) = (columns.series[i], columns.times[i], columns.values[i]);
                        name(id).map(|name| LiveReading { id, name, time, value, flags })
                    })
                    .collect();
                if !news.is_empty() {
                    // Nobody left to listen is no error.
                    let _ = self.0.send(news);
                }
            }
        }
    }
}
