//! The engines of the suite, and how each is opened.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use pantau_journal::StdFiles;
use pantau_proto::{Epoch, GatewayId, RangeSet};

use crate::store::embedded::{self, Opened};
use crate::store::remote::{Database, Metrics, RemoteReader, RemoteStore};
use crate::store::{Commit, SeriesId, Store, StoreError, StoreReader};

/// An engine that can be opened again after it was dropped.
pub(super) trait Engine {
    type Writing: Store;
    type Reading: StoreReader;

    /// Writer, reader, and what must live as long as they.
    fn open(&self) -> (Self::Writing, Self::Reading, Box<dyn Any>);
}

pub(super) struct Embedded(pub(super) tempfile::TempDir);

impl Engine for Embedded {
    type Writing = embedded::EmbeddedStore<StdFiles>;
    type Reading = embedded::EmbeddedReader<StdFiles>;

    fn open(&self) -> (Self::Writing, Self::Reading, Box<dyn Any>) {
        let mut config = embedded::Config::new(self.0.path());
        config.journal.segment_bytes = 1 << 20;
        config.journal.free_floor_bytes = 0;
        let opened = embedded::open(StdFiles::default(), config, &mut |_| {}).unwrap();
        let Opened { store, reader, flusher, .. } = opened;
        (store, reader, Box::new(flusher))
    }
}

impl Engine for Database {
    type Writing = RemoteStore<StdFiles>;
    type Reading = RemoteReader<StdFiles>;

    fn open(&self) -> (Self::Writing, Self::Reading, Box<dyn Any>) {
        let opened = self.open();
        self.runtime.block_on(opened.loader.try_load()).unwrap();
        (opened.store, opened.reader, Box::new(opened.flusher))
    }
}

/// A store on VictoriaMetrics that shows what it took before it says so.
pub(super) struct Shown(RemoteStore<StdFiles>, Arc<Metrics>);

impl Engine for Arc<Metrics> {
    type Writing = Shown;
    type Reading = RemoteReader<StdFiles>;

    fn open(&self) -> (Self::Writing, Self::Reading, Box<dyn Any>) {
        // Nothing is killed here, so nothing has to settle.
        let opened = Metrics::open(self, Duration::ZERO);
        self.database.show();
        self.runtime.block_on(opened.loader.try_load()).unwrap();
        (Shown(opened.store, Self::clone(self)), opened.reader, Box::new(opened.flusher))
    }
}

impl Store for Shown {
    fn append(&mut self, commits: &[Commit]) -> Result<usize, StoreError> {
        let taken = self.0.append(commits);
        self.1.database.show();
        taken
    }

    fn amended(&mut self) -> Vec<(usize, Commit)> {
        self.0.amended()
    }

    fn ranges(&self, gateway: &GatewayId, epoch: Epoch) -> RangeSet {
        self.0.ranges(gateway, epoch)
    }

    fn next_series(&self) -> SeriesId {
        self.0.next_series()
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.0.flush()
    }
}
