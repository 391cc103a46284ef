//! The reading half: the database for readings, memory for the newest ones, the control journal for the rest.

use std::ops::Range;
use std::sync::Arc;

use pantau_journal::FileLayer;
use pantau_proto::{Epoch, GatewayId, RangeSet};
use tokio::runtime::Handle;

use super::alarm::Alarm;
use super::newest::Newest;
use super::queries::Queries;
use super::server::Fault;
use crate::store::embedded::{EmbeddedReader, Gather};
use crate::store::types::{
    Agg, Buckets, Counters, GatewayState, LatestPoint, Points, SeriesId, SeriesInfo, SeriesPage,
};
use crate::store::{Names, ReadError, StoreReader};

/// The reading half. `range` and `aggregate` block on the database: for threads that are not the runtime's own.
pub struct RemoteReader<F: FileLayer> {
    pub(super) control: EmbeddedReader<F>,
    pub(super) queries: Queries,
    pub(super) newest: Newest,
    pub(super) alarm: Alarm,
    pub(super) runtime: Handle,
}

impl<F: FileLayer> Clone for RemoteReader<F> {
    fn clone(&self) -> Self {
        Self {
            control: self.control.clone(),
            queries: self.queries.clone(),
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

    fn known(&self, series: SeriesId) -> Result<Arc<str>, ReadError> {
        self.control.name(series).ok_or(ReadError::UnknownSeries(series))
    }

    fn extended(&self, info: SeriesInfo) -> SeriesInfo {
        let (first, last) = self.newest.extent(info.id);
        SeriesInfo { first, last, points: None, ..info }
    }
}

fn unavailable(fault: Fault) -> ReadError {
    ReadError::Unavailable(fault.to_string())
}

impl<F: FileLayer> Names for RemoteReader<F> {
    fn find(&self, name: &str) -> Option<SeriesId> {
        self.control.find(name)
    }

    fn name(&self, series: SeriesId) -> Option<Arc<str>> {
        self.control.name(series)
    }

    fn owner(&self, device: &str) -> Option<GatewayId> {
        self.control.owner(device)
    }
}

impl<F: FileLayer> StoreReader for RemoteReader<F> {
    fn latest(&self, series: &[SeriesId]) -> Vec<Option<LatestPoint>> {
        self.newest.latest(series)
    }

    fn series(&self, prefix: &str, after: Option<&str>, limit: usize) -> SeriesPage {
        let SeriesPage { items, next } = self.control.series(prefix, after, limit);
        SeriesPage { items: items.into_iter().map(|info| self.extended(info)).collect(), next }
    }

    fn info(&self, series: SeriesId) -> Option<SeriesInfo> {
        self.control.info(series).map(|info| self.extended(info))
    }

    fn range(&self, series: SeriesId, time: Range<i64>, limit: usize) -> Result<Points, ReadError> {
        let name = self.known(series)?;
        let points = self.runtime.block_on(self.queries.range(&name, time, limit)).map_err(unavailable)?;
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
        let name = self.known(series)?;
        let gather =
            Gather::new(time.clone(), step_ms, aggs, limit).ok_or(ReadError::TooManyBuckets { limit })?;
        let asked = self.queries.aggregate(&name, time, step_ms, aggs, gather);
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
