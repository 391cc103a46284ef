//! What the tests share: a store on simulated files, and short ways to say things.

use std::ops::Range;
use std::time::Duration;

use pantau_journal::sim::{PowerCut, SimFiles};
use pantau_proto::{Epoch, GatewayId};

use super::super::columns::Entry;
use super::super::datafile::DataFile;
use super::super::pages::Pages;
use super::super::{
    Compactor, Config, EmbeddedReader, EmbeddedStore, Flusher, Opened, Recovery, Retention, open,
};
use crate::store::types::{Commit, NewSeries, SeriesId};
use crate::store::{Store, StoreReader};

pub(super) const ALL: Range<i64> = i64::MIN..i64::MAX;
pub(super) const DIR: &str = "/store";

pub(super) fn files() -> SimFiles {
    SimFiles::new()
}

pub(super) fn gateway() -> GatewayId {
    GatewayId::new("gw-1").unwrap()
}

/// Readings as (series, time, value); its positions are `first..first + readings`.
pub(super) fn commit(first: u64, readings: &[(u32, i64, f64)]) -> Commit {
    let mut commit = Commit::new(gateway(), Epoch(1), 1_000);
    commit.ranges.push(first..first + readings.len() as u64);
    for &(series, time, value) in readings {
        commit.readings.series.push(SeriesId(series));
        commit.readings.times.push(time);
        commit.readings.values.push(value);
    }
    commit
}

pub(super) fn new_series(ids: Range<u32>) -> Vec<NewSeries> {
    ids.map(|id| NewSeries {
        id: SeriesId(id),
        name: format!("dev-{id:05}/temperature").into(),
        gateway: gateway(),
    })
    .collect()
}

pub(super) fn config() -> Config {
    Config {
        memory_bytes: 1 << 20,
        flush_after: Duration::from_secs(3_600),
        max_wait: Duration::from_millis(20),
        free_floor_bytes: 0,
        journal: pantau_journal::Config {
            segment_bytes: 64 << 10,
            max_bytes: 16 << 20,
            free_floor_bytes: 0,
            ..pantau_journal::Config::default()
        },
        ..Config::new(DIR)
    }
}

/// All blocks of a file, and whether a page of its index is damaged.
pub(super) fn entries(files: &SimFiles, file: &DataFile) -> (Vec<Entry>, bool) {
    let handle = file.handle(files).unwrap();
    let (mut pages, mut entries, mut damaged) = (Pages::default(), Vec::new(), false);
    while let Some(page) = pages.next(files, &handle, file).unwrap() {
        entries.extend(page.entries);
        damaged |= page.missing.is_some();
    }
    (entries, damaged)
}

/// A store with its parts in one hand.
pub(super) struct Rig {
    pub(super) files: SimFiles,
    pub(super) store: EmbeddedStore<SimFiles>,
    pub(super) reader: EmbeddedReader<SimFiles>,
    pub(super) flusher: Flusher<SimFiles>,
    pub(super) compactor: Compactor<SimFiles>,
    pub(super) recovery: Recovery,
    retention: Retention,
}

impl Rig {
    pub(super) fn open(files: SimFiles) -> Self {
        Self::keeping(files, Retention::default())
    }

    /// Opens with another retention than for ever.
    pub(super) fn keeping(files: SimFiles, retention: Retention) -> Self {
        let config = Config { retention: retention.clone(), ..config() };
        let Opened { store, reader, flusher, compactor, recovery } =
            open(files.clone(), config, &mut |_| {}).unwrap();
        reader.set_indexed(u64::MAX);
        Self { files, store, reader, flusher, compactor, recovery, retention }
    }

    /// A new store with `series` series.
    pub(super) fn fresh(series: u32) -> Self {
        let mut rig = Self::open(files());
        let mut first = commit(0, &[]);
        first.new_series = new_series(0..series);
        rig.append(first);
        rig
    }

    pub(super) fn append(&mut self, commit: Commit) {
        assert_eq!(self.store.append(&[commit]).unwrap(), 1);
    }

    pub(super) fn flush(&mut self) {
        self.store.freeze().unwrap();
        self.flusher.flush_once().unwrap();
    }

    /// Ends as a process that is killed: the page cache stays.
    pub(super) fn kill(self) -> Self {
        Self::keeping(self.files.kill(), self.retention)
    }

    /// Ends as a machine without power does.
    pub(super) fn crash(self, cut: PowerCut) -> Self {
        Self::keeping(self.files.crash(cut), self.retention)
    }

    pub(super) fn all(&self, series: u32) -> Vec<(i64, f64)> {
        let points = self.reader.range(SeriesId(series), ALL, usize::MAX).unwrap();
        assert_eq!(points.damaged, 0);
        points.times.into_iter().zip(points.values).collect()
    }
}

/// The files of readings.
pub(super) fn data_files(rig: &Rig) -> Vec<String> {
    let data = std::path::Path::new(DIR).join("data");
    let paths = rig.files.paths();
    let names = paths.iter().filter(|path| path.starts_with(&data)).filter_map(|path| path.file_name());
    names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.ends_with(".pts")).collect()
}
