//! A time-series database of somebody else as the store: InfluxDB 2 or later by its v2 write API.
//!
//! ```text
//! append(commits)
//!   line.rs      readings as lines
//!   writer.rs    bodies ──HTTP──► database: 204 for every line, or the reading is refused
//!   control/     a record a commit, without its readings: ranges, new series, refused payloads, losses, counts; one fsync
//! then the acks leave
//! StoreReader    range, aggregate: influx.rs asks the database; latest: newest.rs; the rest: control
//! ```
//!
//! What always holds:
//! - The readings of a commit are in the database before its record is journaled here, and the record before the ack. A
//!   crash in between sends the readings again, and series + time makes them the same points.
//! - The control journal is an embedded store whose commits have no readings, so that recovery, the quarantine's feed,
//!   the bounds on disk and the way that a torn end is cut are the same code.
//! - Nothing of the readings is kept here: what the database loses after its 204 is lost, as far as the gateways' spools
//!   do not still have it.

mod alarm;
pub(crate) mod check;
mod influx;
mod line;
mod newest;
mod server;
#[cfg(test)]
mod tests;
mod writer;

use std::ops::Range;
use std::sync::Arc;

use pantau_journal::FileLayer;
use pantau_proto::{Epoch, Flags, GatewayId, RangeSet};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use self::alarm::Alarm;
use self::influx::Influx;
use self::line::{Heads, Lines, Refusal};
use self::newest::Newest;
use self::server::Fault;
use self::writer::{Bounds, Writer};
use super::embedded::{self, Compactor, EmbeddedReader, EmbeddedStore, Flusher, Gather, Recovery, Replayed};
use super::types::{
    Agg, Buckets, Columns, Commit, Counters, Elsewhere, GatewayState, LatestPoint, Points, Refused, SeriesId,
    SeriesInfo, SeriesPage,
};
use super::{ReadError, Store, StoreError, StoreReader};

#[cfg(test)]
pub(crate) use tests::Database;

pub use newest::Loader;
pub use server::Server;
pub(crate) use server::address;

/// What a remote store needs.
#[derive(Clone, Debug)]
pub struct Config {
    /// The control journal.
    pub control: embedded::Config,
    /// The database.
    pub server: Server,
}

/// Why a remote store cannot be opened. A database that is away is no reason.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The control journal cannot be opened.
    #[error(transparent)]
    Control(#[from] embedded::OpenError),
    /// The client cannot be made.
    #[error("the client of the database: {0}")]
    Client(String),
}

/// A remote store that is ready; the database was not asked for anything yet.
pub struct Opened<F: FileLayer> {
    /// For the one writer thread.
    pub store: RemoteStore<F>,
    /// For everyone else.
    pub reader: RemoteReader<F>,
    /// For a thread of its own.
    pub flusher: Flusher<F>,
    /// For a thread of its own.
    pub compactor: Compactor<F>,
    /// For a task of its own.
    pub loader: Loader<F>,
    /// What was found in the control journal.
    pub recovery: Recovery,
}

/// Opens the store. Requests run on `runtime`, whose threads must not be those that call the store. After `stop` the
/// database is waited for no longer than a moment.
///
/// # Errors
/// When the control journal or the client cannot be had.
pub fn open<F: FileLayer>(
    files: F,
    config: Config,
    runtime: Handle,
    stop: CancellationToken,
    on_replay: &mut dyn FnMut(Replayed<'_>),
) -> Result<Opened<F>, OpenError> {
    let opened = embedded::open(files, config.control, on_replay)?;
    let Config { server, .. } = config;
    let alarm = Alarm::default();
    let newest = Newest::default();
    let influx =
        Influx { client: server.reading().map_err(OpenError::Client)?, database: server.database.clone() };
    let reader = RemoteReader {
        control: opened.reader,
        influx,
        newest: newest.clone(),
        alarm: alarm.clone(),
        runtime: runtime.clone(),
    };
    let writer = Writer {
        client: server.writing().map_err(OpenError::Client)?,
        bucket: server.bucket,
        bounds: Bounds::default(),
        alarm,
        stop: stop.clone(),
    };
    let store = RemoteStore {
        control: opened.store,
        reader: reader.clone(),
        writer,
        heads: Heads::default(),
        amended: Vec::new(),
    };
    let loader = Loader { reader: reader.clone(), stop };
    let embedded::Opened { flusher, compactor, recovery, .. } = opened;
    Ok(Opened { store, reader, flusher, compactor, loader, recovery })
}

/// The writing half.
pub struct RemoteStore<F: FileLayer> {
    control: EmbeddedStore<F>,
    reader: RemoteReader<F>,
    writer: Writer,
    heads: Heads,
    amended: Vec<(usize, Commit)>,
}

impl<F: FileLayer> Store for RemoteStore<F> {
    fn append(&mut self, commits: &[Commit]) -> Result<usize, StoreError> {
        self.amended.clear();
        self.control.validate(commits)?;
        let fresh: Vec<_> = commits.iter().flat_map(|commit| &commit.new_series).collect();
        let next = self.control.next_series();
        let name = |series: SeriesId| match series.index().checked_sub(next.index()) {
            Some(new) => fresh.get(new).map(|new| new.name.clone()),
            None => self.reader.control.info(series).map(|info| info.name),
        };
        let (lines, mut refusals) = Lines::of(commits, &mut self.heads, name);
        let now = commits.last().map_or(0, |commit| commit.received_ms);
        let written = self.reader.runtime.block_on(self.writer.write(&lines, now));
        let taken = match written {
            Ok(refused) => {
                refusals.extend(refused);
                let mut kept: Vec<Commit> = commits.to_vec();
                self.amend(&mut kept, refusals);
                self.journal(&kept)
            }
            Err(why) => Err(StoreError::Unavailable(why)),
        };
        // What is not durable never happened: the numbers of its series may be given to others.
        self.heads.forget_from(self.control.next_series());
        taken
    }

    fn amended(&mut self) -> Vec<(usize, Commit)> {
        std::mem::take(&mut self.amended)
    }

    fn ranges(&self, gateway: &GatewayId, epoch: Epoch) -> RangeSet {
        self.control.ranges(gateway, epoch)
    }

    fn next_series(&self) -> SeriesId {
        self.control.next_series()
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.control.flush()
    }
}

impl<F: FileLayer> RemoteStore<F> {
    /// See [`EmbeddedStore::close`].
    ///
    /// # Errors
    /// When the control journal cannot be written.
    pub fn close(self) -> Result<(), StoreError> {
        self.control.close()
    }

    /// Journals commits whose readings the database has.
    fn journal(&mut self, kept: &[Commit]) -> Result<usize, StoreError> {
        let records: Vec<Commit> = kept.iter().map(without_readings).collect();
        let taken = self.control.append(&records)?;
        kept[..taken].iter().for_each(|commit| self.reader.newest.note(commit));
        self.amended.retain(|(index, _)| *index < taken);
        Ok(taken)
    }

    /// Moves refused readings to the commits' quarantine.
    fn amend(&mut self, commits: &mut [Commit], mut refusals: Vec<Refusal>) {
        refusals.sort_unstable_by_key(|refusal| refusal.place);
        let mut committed = Vec::new();
        for of_one in refusals.chunk_by(|a, b| a.place.commit == b.place.commit) {
            let Some(index) = of_one.first().map(|refusal| refusal.place.commit) else { continue };
            // The positions that were committed before this one, also by commits of the same call.
            committed.clear();
            committed.extend(commits[..index].iter().map(|commit| {
                let of = (commit.gateway.clone(), commit.epoch);
                (of, commit.ranges.clone())
            }));
            let names: Vec<Option<Arc<str>>> = of_one
                .iter()
                .map(|refusal| {
                    let series = commits[index].readings.series.get(refusal.place.reading)?;
                    let mut fresh = commits.iter().flat_map(|commit| &commit.new_series);
                    let fresh = fresh.find(|new| new.id == *series).map(|new| new.name.clone());
                    fresh.or_else(|| self.reader.control.info(*series).map(|info| info.name))
                })
                .collect();
            let commit = &mut commits[index];
            let mut known = self.control.ranges(&commit.gateway, commit.epoch);
            for ((gateway, epoch), ranges) in &committed {
                if *gateway == commit.gateway && *epoch == commit.epoch {
                    for range in ranges {
                        known.insert(range.start, range.end);
                    }
                }
            }
            let positions = positions(commit, &known);
            for (refusal, name) in of_one.iter().zip(names) {
                let reading = refusal.place.reading;
                commit.refused.push(Refused {
                    position: positions.get(reading).copied().unwrap_or_default(),
                    reason: refusal.reason.into(),
                    source: String::new(),
                    topic: name.map(|name| name.to_string()).unwrap_or_default(),
                    detail: refusal.detail.clone(),
                    payload: commit.readings.values[reading].to_string().into_bytes(),
                    time: commit.readings.times[reading],
                });
            }
            commit.readings = without(&commit.readings, of_one);
            self.amended.push((index, commit.clone()));
        }
    }
}

/// The position of each reading: those of the commit that were neither committed before nor refused, in order.
fn positions(commit: &Commit, known: &RangeSet) -> Vec<u64> {
    let Some(range) = commit.ranges.first() else { return Vec::new() };
    let refused: Vec<u64> = commit.refused.iter().map(|refused| refused.position).collect();
    let fresh = known.missing(range.start, range.end).flat_map(|(start, end)| start..end);
    fresh.filter(|position| !refused.contains(position)).take(commit.readings.len()).collect()
}

fn without(readings: &Columns, refusals: &[Refusal]) -> Columns {
    let mut gone = refusals.iter().map(|refusal| refusal.place.reading).peekable();
    let kept: Vec<usize> = (0..readings.len()).filter(|reading| gone.next_if_eq(reading).is_none()).collect();
    Columns {
        series: kept.iter().map(|reading| readings.series[*reading]).collect(),
        times: kept.iter().map(|reading| readings.times[*reading]).collect(),
        values: kept.iter().map(|reading| readings.values[*reading]).collect(),
        flags: kept.iter().filter_map(|reading| readings.flags.get(*reading).copied()).collect(),
    }
}

/// What is journaled of a commit.
fn without_readings(commit: &Commit) -> Commit {
    let late = commit.readings.flags.iter().filter(|flags| Flags(**flags).contains(Flags::LATE)).count();
    Commit {
        gateway: commit.gateway.clone(),
        epoch: commit.epoch,
        received_ms: commit.received_ms,
        ranges: commit.ranges.clone(),
        reported_next: commit.reported_next,
        skipped: commit.skipped,
        new_series: commit.new_series.clone(),
        readings: Columns::default(),
        refused: commit.refused.clone(),
        losses: commit.losses.clone(),
        elsewhere: Elsewhere { readings: commit.readings.len() as u64, late: late as u64 },
    }
}

/// The reading half. `range` and `aggregate` block on the database: for threads that are not the runtime's own.
pub struct RemoteReader<F: FileLayer> {
    control: EmbeddedReader<F>,
    influx: Influx,
    newest: Newest,
    alarm: Alarm,
    runtime: Handle,
}

impl<F: FileLayer> Clone for RemoteReader<F> {
    fn clone(&self) -> Self {
        Self {
            control: self.control.clone(),
            influx: self.influx.clone(),
            newest: self.newest.clone(),
            alarm: self.alarm.clone(),
            runtime: self.runtime.clone(),
        }
    }
}

impl<F: FileLayer> RemoteReader<F> {
    /// The control journal's reader: what the quarantine's index and the metrics stand on.
    pub fn control(&self) -> &EmbeddedReader<F> {
        &self.control
    }

    /// Why the database takes no readings, while it takes none.
    pub fn trouble(&self) -> Option<String> {
        self.alarm.shown()
    }

    fn name(&self, series: SeriesId) -> Result<Arc<str>, ReadError> {
        self.control.info(series).map(|info| info.name).ok_or(ReadError::UnknownSeries(series))
    }

    fn extended(&self, info: SeriesInfo) -> SeriesInfo {
        let (first, last, points) = self.newest.extent(info.id);
        SeriesInfo { first, last, points, ..info }
    }
}

fn unavailable(fault: Fault) -> ReadError {
    ReadError::Unavailable(fault.to_string())
}

impl<F: FileLayer> StoreReader for RemoteReader<F> {
    fn latest(&self, series: &[SeriesId]) -> Vec<Option<LatestPoint>> {
        self.newest.latest(series)
    }

    fn find(&self, name: &str) -> Option<SeriesId> {
        self.control.find(name)
    }

    fn series(&self, prefix: &str, after: Option<&str>, limit: usize) -> SeriesPage {
        let SeriesPage { items, next } = self.control.series(prefix, after, limit);
        SeriesPage { items: items.into_iter().map(|info| self.extended(info)).collect(), next }
    }

    fn info(&self, series: SeriesId) -> Option<SeriesInfo> {
        self.control.info(series).map(|info| self.extended(info))
    }

    fn range(&self, series: SeriesId, time: Range<i64>, limit: usize) -> Result<Points, ReadError> {
        let name = self.name(series)?;
        let points = self.runtime.block_on(self.influx.range(&name, time, limit)).map_err(unavailable)?;
        points.ok_or(ReadError::TooManyPoints { limit })
    }

    fn aggregate(
        &self,
        series: SeriesId,
        time: Range<i64>,
        step_ms: i64,
        aggs: &[Agg],
        limit: usize,
    ) -> Result<Buckets, ReadError> {
        if step_ms < 1 {
            return Err(ReadError::BadStep);
        }
        let name = self.name(series)?;
        let end = time.end;
        let mut gather =
            Gather::new(time.clone(), step_ms, aggs, limit).ok_or(ReadError::TooManyBuckets { limit })?;
        let influx = &self.influx;
        let asked = async {
            if aggs.iter().any(|agg| agg.needs_readings()) {
                if aggs.contains(&Agg::Increase) {
                    gather.begin_after(influx.before(&name, time.start).await?);
                }
                influx.gather(&name, time, &mut gather).await?;
                return Ok(gather.finish(aggs));
            }
            let mut buckets = gather.finish(aggs);
            influx.aggregate(&name, step_ms, end, aggs, &mut buckets).await?;
            Ok(buckets)
        };
        self.runtime.block_on(asked).map_err(unavailable)
    }

    fn ranges(&self, gateway: &GatewayId, epoch: Epoch) -> RangeSet {
        self.control.ranges(gateway, epoch)
    }

    fn gateways(&self) -> Vec<GatewayState> {
        self.control.gateways()
    }

    fn counters(&self) -> Counters {
        self.control.counters()
    }
}
