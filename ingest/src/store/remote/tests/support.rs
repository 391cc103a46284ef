//! What these tests share: a database with its stand-in, and stores on it.

use std::{net::SocketAddr, path::Path, time::Duration};

use pantau_databases::influxd::{DATABASE, Influxd};
use pantau_databases::standin::{BUCKET, ORG, Standin, TOKEN};
use pantau_databases::tls::CA;
use pantau_journal::{FileLayer, StdFiles};
use pantau_settings::Secret;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::store::embedded;
use crate::store::remote::influx::Influx;
use crate::store::remote::line::{Heads, Lines, Refusal, TIMES};
use crate::store::remote::writer::{Bounds, Writer};
use crate::store::remote::{Config, Kind, Opened, Server, open};
use crate::store::types::{Commit, NewSeries, SeriesId};
use pantau_proto::{Epoch, GatewayId};

pub(crate) const NOW: i64 = 1_700_000_000_000;

/// An influxd with a stand-in before it, and a folder for a store.
pub(crate) struct Database {
    pub(crate) runtime: Runtime,
    pub(crate) influxd: Influxd,
    pub(crate) standin: Standin,
    pub(crate) stop: CancellationToken,
    folder: tempfile::TempDir,
}

impl Database {
    pub(crate) fn start() -> Self {
        Self::behind(Standin::start)
    }

    /// The same behind TLS.
    pub(crate) fn start_tls() -> Self {
        Self::behind(Standin::start_tls)
    }

    fn behind(standin: fn(SocketAddr) -> Standin) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        std::fs::create_dir(folder.path().join("influxd")).unwrap();
        let influxd = Influxd::start(&folder.path().join("influxd"));
        let standin = standin(influxd.address);
        Self { runtime, influxd, standin, stop: CancellationToken::new(), folder }
    }

    pub(crate) fn server(&self) -> Server {
        Server {
            url: self.standin.url(),
            org: ORG.to_owned(),
            bucket: BUCKET.to_owned(),
            database: DATABASE.to_owned(),
            token: Secret::new(TOKEN),
            ca: if self.standin.url().starts_with("https") { CA.to_vec() } else { Vec::new() },
            kind: Kind::Influx,
        }
    }

    pub(crate) fn influx(&self) -> Influx {
        Influx { client: self.server().reading().unwrap(), database: DATABASE.to_owned() }
    }

    pub(crate) fn writer(&self) -> Writer {
        Writer {
            client: self.server().writing().unwrap(),
            bucket: BUCKET.to_owned(),
            bounds: bounds(),
            alarm: Default::default(),
            stop: self.stop.clone(),
        }
    }

    /// Everything of one commit, with names as given.
    pub(crate) fn write(
        &self,
        writer: &Writer,
        commit: Commit,
        names: &[&str],
    ) -> Result<Vec<Refusal>, String> {
        let name = |series: SeriesId| names.get(series.index()).map(|name| (*name).into());
        let (lines, refused) = Lines::of(&[commit], &TIMES, &mut Heads::default(), name);
        assert_eq!(refused, []);
        self.runtime.block_on(writer.write(&lines, NOW))
    }

    pub(crate) fn values(&self, name: &str) -> Vec<(i64, f64)> {
        let points = self.runtime.block_on(self.influx().range(name, i64::MIN..i64::MAX, usize::MAX));
        let points = points.unwrap().unwrap();
        points.times.into_iter().zip(points.values).collect()
    }

    /// The store on this database, as it was left.
    pub(crate) fn open(&self) -> Opened<StdFiles> {
        self.open_on(StdFiles::default())
    }

    /// The same on other files.
    pub(crate) fn open_on<F: FileLayer>(&self, files: F) -> Opened<F> {
        let config = Config { control: control(self.folder.path()), server: self.server() };
        let handle = self.runtime.handle().clone();
        let mut opened = open(files, config, handle, self.stop.clone(), &mut |_| {}).unwrap();
        opened.store.writer.bounds = bounds();
        opened.reader.control().set_indexed(u64::MAX);
        opened
    }
}

pub(crate) fn bounds() -> Bounds {
    Bounds {
        backoff: Duration::from_millis(5),
        patience: Duration::from_secs(5),
        last_patience: Duration::from_millis(200),
        ..Bounds::default()
    }
}

pub(crate) fn control_of(database: &Database) -> embedded::Config {
    control(database.folder.path())
}

pub(crate) fn control(folder: &Path) -> embedded::Config {
    let mut config = embedded::Config::new(folder.join("control"));
    config.journal.segment_bytes = 1 << 20;
    config.journal.free_floor_bytes = 0;
    config
}

/// Readings as (series, time, value); its positions are `first..first + readings`.
pub(crate) fn commit(first: u64, readings: &[(u32, i64, f64)]) -> Commit {
    let mut commit = Commit::new(GatewayId::new("gw-1").unwrap(), Epoch(1), NOW);
    commit.ranges.push(first..first + readings.len() as u64);
    for &(series, time, value) in readings {
        commit.readings.series.push(SeriesId(series));
        commit.readings.times.push(time);
        commit.readings.values.push(value);
    }
    commit
}

pub(crate) fn named(id: u32, name: &str) -> NewSeries {
    NewSeries { id: SeriesId(id), name: name.into(), gateway: GatewayId::new("gw-1").unwrap() }
}
