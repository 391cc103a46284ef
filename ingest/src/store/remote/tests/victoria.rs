//! VictoriaMetrics of Debian's package as the store: what it took is there again, and what had not settled when it was
//! killed is sent again.

use std::time::Duration;

use pantau_databases::VictoriaMetrics;
use pantau_journal::StdFiles;
use pantau_proto::v1::Reason;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::support::{NOW, bounds, commit, control, named};
use crate::clock::Clock;
use crate::store::remote::check::check;
use crate::store::remote::victoria::Victoria;
use crate::store::remote::{Config, Kind, Opened, Server, open};
use crate::store::types::SeriesId;
use crate::store::{Store, StoreReader};

/// Its process was seen to lose what it had taken in the last 9 seconds before a kill.
const SETTLE: Duration = Duration::from_secs(12);

/// A VictoriaMetrics with a folder for a store on it.
pub(crate) struct Metrics {
    pub(crate) runtime: Runtime,
    pub(crate) stop: CancellationToken,
    pub(crate) database: VictoriaMetrics,
    folder: tempfile::TempDir,
}

impl Metrics {
    pub(crate) fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = VictoriaMetrics::start(folder.path(), options);
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
        Self { runtime, stop: CancellationToken::new(), database, folder }
    }

    fn server(&self, settle: Duration) -> Server {
        Server {
            url: format!("http://{}", self.database.address),
            kind: Kind::Victoria { settle },
            ..Server::default()
        }
    }

    pub(crate) fn open(&self, settle: Duration) -> Opened<StdFiles> {
        let config = Config { control: control(self.folder.path()), server: self.server(settle) };
        let (handle, stop) = (self.runtime.handle().clone(), self.stop.clone());
        let mut opened = open(StdFiles::default(), config, handle, stop, &mut |_| {}).unwrap();
        opened.store.writer.bounds = bounds();
        opened.reader.control().set_indexed(u64::MAX);
        opened
    }
}

#[test]
fn what_had_not_settled_when_it_was_killed_is_sent_again() {
    let mut database = Metrics::start(&["-retentionPeriod=100y", "-dedup.minScrapeInterval=1ms"]);
    let Opened { mut store, reader, .. } = database.open(SETTLE);
    store.writer.bounds.patience = Duration::from_secs(20);
    let part = |from: u32| -> Vec<_> {
        (from..from + 20_000).map(|at| (at % 10, NOW + i64::from(at) * 1_000, f64::from(at))).collect()
    };
    let mut first = commit(0, &part(0));
    first.new_series = (0..10).map(|id| named(id, &format!("dev-{id}/q"))).collect();
    let (taken, took) = Clock::system().timed(|| store.append(&[first]).unwrap());
    assert!(taken == 1 && took >= SETTLE, "{took:?}");
    // Killed while the second waits: it must be sent again to the new process, and wait anew.
    let (taken, took) = std::thread::scope(|scope| {
        let writing =
            scope.spawn(|| Clock::system().timed(|| store.append(&[commit(20_000, &part(20_000))]).unwrap()));
        std::thread::sleep(Duration::from_secs(3));
        database.database.kill();
        database.database.restart();
        writing.join().unwrap()
    });
    assert!(taken == 1 && took >= SETTLE * 2, "{took:?}");
    // And once more, right behind the ack: what was acked is kept.
    database.database.kill();
    database.database.restart();
    database.database.show();
    for series in 0..10 {
        let points = reader.range(SeriesId(series), 0..i64::MAX, 1_000_000).unwrap();
        let expected: Vec<f64> = (0..40_000).filter(|at| at % 10 == series).map(f64::from).collect();
        assert_eq!(points.values, expected, "series {series}");
    }
    // The stop does not wait for what settles.
    database.stop.cancel();
    let (refused, took) =
        Clock::system().timed(|| store.append(&[commit(40_000, &part(40_000))]).unwrap_err());
    assert!(refused.is_retryable() && took < Duration::from_secs(3), "{refused} after {took:?}");
}

#[test]
fn what_it_would_drop_without_a_word_is_refused() {
    let database = Metrics::start(&["-retentionPeriod=2", "-dedup.minScrapeInterval=1ms"]);
    let Opened { mut store, reader, .. } = database.open(Duration::from_millis(10));
    let now = Clock::system().now().0;
    let day = 86_400_000;
    let mut all =
        commit(0, &[(0, now - 63 * day, 1.0), (0, now - 50 * day, 2.0), (0, now, 3.0), (0, -5, 4.0)]);
    all.received_ms = now;
    all.new_series = vec![named(0, "dev/q")];
    assert_eq!(store.append(&[all]).unwrap(), 1);
    let amended = store.amended();
    let refused = amended[0].1.refused.iter().map(|refused| (refused.position, refused.reason));
    let old = i32::from(Reason::TimeTooOld);
    assert_eq!(refused.collect::<Vec<_>>(), [(0, old), (3, old)]);
    database.database.show();
    assert_eq!(reader.range(SeriesId(0), 0..i64::MAX, 10).unwrap().values, [2.0, 3.0]);
}

#[test]
fn a_check_demands_the_option_that_keeps_a_point_once() {
    let now = Clock::system().now().0;
    let ask = |database: &Metrics, oldest| {
        database.runtime.block_on(check(&database.server(SETTLE), now, oldest, false))
    };
    let without = Metrics::start(&["-retentionPeriod=2"]);
    let fault = format!("{:?}", ask(&without, now).unwrap_err());
    assert!(fault.contains("-dedup.minScrapeInterval=1ms"), "{fault}");
    let with = Metrics::start(&["-retentionPeriod=2", "-dedup.minScrapeInterval=1ms"]);
    let report = ask(&with, now - 30 * 86_400_000).unwrap();
    assert_eq!((report.fine.len(), report.warnings.as_slice()), (3, [].as_slice()));
    let report = ask(&with, now - 90 * 86_400_000).unwrap();
    assert!(report.warnings[0].contains("keeps 62 days only"), "{:?}", report.warnings);
    let process =
        with.runtime.block_on(Victoria { client: with.server(SETTLE).reading().unwrap() }.process());
    assert!(process.unwrap().started > 1_700_000_000.0);
}
