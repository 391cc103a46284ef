//! The engine that the configuration chose, as one type: everything behind it is generic over the traits only.

use std::ops::Range;
use std::sync::Arc;

use pantau_journal::FileLayer;
use pantau_proto::{Epoch, GatewayId, RangeSet};

use super::embedded::{EmbeddedReader, EmbeddedStore};
use super::remote::{RemoteReader, RemoteStore};
use super::types::{
    Agg, Buckets, Commit, Counters, GatewayState, LatestPoint, Points, SeriesId, SeriesInfo, SeriesPage,
};
use super::{Names, ReadError, Store, StoreError, StoreReader};

/// The writing half of the chosen engine.
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
pub enum AnyStore<F: FileLayer> {
    /// Files of our own.
    Embedded(EmbeddedStore<F>),
    /// A database.
    Remote(RemoteStore<F>),
}

/// The reading half of the chosen engine.
pub enum AnyReader<F: FileLayer> {
    /// Files of our own.
    Embedded(EmbeddedReader<F>),
    /// A database.
    Remote(RemoteReader<F>),
}

macro_rules! either {
    ($any:expr, $engine:ident => $call:expr) => {
        match $any {
            Self::Embedded($engine) => $call,
            Self::Remote($engine) => $call,
        }
    };
}

impl<F: FileLayer> AnyStore<F> {
    /// The graceful end; see [`EmbeddedStore::close`].
    ///
    /// # Errors
    /// When the files or the journal cannot be written; what was committed is still safe.
    pub fn close(self) -> Result<(), StoreError> {
        either!(self, store => store.close())
    }
}

impl<F: FileLayer> Store for AnyStore<F> {
    fn append(&mut self, commits: &[Commit]) -> Result<usize, StoreError> {
        either!(self, store => store.append(commits))
    }

    fn amended(&mut self) -> Vec<(usize, Commit)> {
        either!(self, store => store.amended())
    }

    fn ranges(&self, gateway: &GatewayId, epoch: Epoch) -> RangeSet {
        either!(self, store => store.ranges(gateway, epoch))
    }

    fn next_series(&self) -> SeriesId {
        either!(self, store => store.next_series())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        either!(self, store => store.flush())
    }
}

impl<F: FileLayer> AnyReader<F> {
    /// The reader of what is journaled on this machine: everything with the embedded engine, all but the readings with a
    /// remote one.
    pub fn local(&self) -> &EmbeddedReader<F> {
        match self {
            Self::Embedded(reader) => reader,
            Self::Remote(reader) => reader.control(),
        }
    }

    /// Why a remote database takes no readings, while it takes none.
    pub fn trouble(&self) -> Option<String> {
        match self {
            Self::Embedded(_) => None,
            Self::Remote(reader) => reader.trouble(),
        }
    }
}

impl<F: FileLayer> Clone for AnyReader<F> {
    fn clone(&self) -> Self {
        match self {
            Self::Embedded(reader) => Self::Embedded(reader.clone()),
            Self::Remote(reader) => Self::Remote(reader.clone()),
        }
    }
}

impl<F: FileLayer> Names for AnyReader<F> {
    fn find(&self, name: &str) -> Option<SeriesId> {
        either!(self, reader => reader.find(name))
    }

    fn name(&self, series: SeriesId) -> Option<Arc<str>> {
        either!(self, reader => reader.name(series))
    }

    fn owner(&self, device: &str) -> Option<GatewayId> {
        either!(self, reader => reader.owner(device))
    }
}

impl<F: FileLayer> StoreReader for AnyReader<F> {
    fn latest(&self, series: &[SeriesId]) -> Vec<Option<LatestPoint>> {
        either!(self, reader => reader.latest(series))
    }

    fn series(&self, prefix: &str, after: Option<&str>, limit: usize) -> SeriesPage {
        either!(self, reader => reader.series(prefix, after, limit))
    }

    fn info(&self, series: SeriesId) -> Option<SeriesInfo> {
        either!(self, reader => reader.info(series))
    }

    fn range(&self, series: SeriesId, time: Range<i64>, limit: usize) -> Result<Points, ReadError> {
        either!(self, reader => reader.range(series, time, limit))
    }

    fn aggregate(
        &self,
        series: SeriesId,
        time: Range<i64>,
        step_ms: i64,
        aggs: &[Agg],
        limit: usize,
    ) -> Result<Buckets, ReadError> {
        either!(self, reader => reader.aggregate(series, time, step_ms, aggs, limit))
    }

    fn ranges(&self, gateway: &GatewayId, epoch: Epoch) -> RangeSet {
        either!(self, reader => reader.ranges(gateway, epoch))
    }

    fn gateways(&self) -> Vec<GatewayState> {
        either!(self, reader => reader.gateways())
    }

    fn counters(&self) -> Counters {
        either!(self, reader => reader.counters())
    }
}
