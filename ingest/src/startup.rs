//! What happens before anything runs: ports are taken, tokens read, the store recovered and the quarantine index brought
//! up to the journal. Every failure names its place and its mend.

use crate::{
    care::{self, CareError},
    config::{Config, Engine},
    metrics::EngineNumbers,
    quarantine::{self, Quarantine, QuarantineError},
    room,
    store::{
        AnyReader, AnyStore, Commit, StoreReader as _,
        embedded::{self, EmbeddedReader, Replayed},
        remote,
    },
};
use pantau_journal::FileLayer;
use pantau_proto::{Epoch, GatewayId, v1::LossReason};
use pantau_settings::{Complaint, Fault, Size};
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};
use tokio::{net::TcpListener, runtime::Handle};
use tokio_util::sync::CancellationToken;

/// Bytes of commits that are read back from the journal for the quarantine at once.
const REREAD_BYTES: usize = 8 << 20;

/// Why ingest does not run, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The configuration does not fit together.
    #[error(transparent)]
    Config(#[from] Fault),
    /// The file of the configuration cannot be used.
    #[error(transparent)]
    File(#[from] Complaint),
    /// A port is taken, or an address is not this machine's.
    #[error(
        "cannot listen on {address} for {what}: {source}\n  mend: stop what uses the port, or set another address of this machine in `{what}.listen`"
    )]
    Bind {
        /// `http` or `grpc`.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The data folder cannot be used.
    #[error("the data folder {}: {source}\n  mend: data_dir must be a folder that this user may write", dir.display())]
    Data {
        /// Which.
        dir: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error("the store: {0}")]
    Store(#[from] remote::OpenError),
    /// The files of the store cannot be merged.
    #[error(transparent)]
    Compact(#[from] embedded::CompactError),
    /// The quarantine cannot be opened.
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
    /// A command on the data folder did not do its work.
    #[error(transparent)]
    Care(#[from] CareError),
    /// A restore was cut short; a start would make a new, empty store beside it.
    #[error(
        "a restore into the data folder {} did not finish\n  mend: remove what is in it and restore again", .0.display()
    )]
    HalfRestored(PathBuf),
    /// A part ended that must not.
    #[error("{task} ended: {detail}")]
    Ended {
        /// Which.
        task: &'static str,
        /// Why.
        detail: String,
    },
}

impl AppError {
    /// Whether the configuration is at fault (exit code 2).
    pub fn is_config(&self) -> bool {
        match self {
            Self::Config(_) | Self::File(_) | Self::Bind { .. } => true,
            Self::Care(error) => error.is_usage(),
            _ => false,
        }
    }
}

/// Listeners that are open; nothing else has been touched yet.
#[derive(Debug)]
pub struct Bound {
    pub(crate) http: TcpListener,
    pub(crate) grpc: TcpListener,
}

impl Bound {
    /// Where the page and the API are.
    ///
    /// # Errors
    /// When the system does not know.
    pub fn http_addr(&self) -> io::Result<SocketAddr> {
        self.http.local_addr()
    }

    /// Where gateways deliver.
    ///
    /// # Errors
    /// When the system does not know.
    pub fn grpc_addr(&self) -> io::Result<SocketAddr> {
        self.grpc.local_addr()
    }
}

/// Opens the listeners, so that a port that is taken is reported before anything runs and port 0 works.
///
/// # Errors
/// When the configuration does not fit together or an address cannot be listened on.
pub async fn bind(config: &Config) -> Result<Bound, AppError> {
    config.check()?;
    let listen = async |what, address| {
        TcpListener::bind(address).await.map_err(|source| AppError::Bind { what, address, source })
    };
    Ok(Bound {
        http: listen("http", config.http.listen).await?,
        grpc: listen("grpc", config.grpc.listen).await?,
    })
}

/// Everything that is recovered and ready to run.
pub(crate) struct Open<F: FileLayer> {
    pub(crate) store: AnyStore<F>,
    pub(crate) reader: AnyReader<F>,
    pub(crate) flusher: embedded::Flusher<F>,
    pub(crate) compactor: embedded::Compactor<F>,
    pub(crate) loader: Option<remote::Loader<F>>,
    pub(crate) quarantine: Quarantine,
    pub(crate) feed: quarantine::Feed,
    pub(crate) indexer: quarantine::Indexer<EmbeddedReader<F>>,
    /// Epochs that were declared over.
    pub(crate) over: Vec<(GatewayId, Epoch)>,
}

/// Recovers the store and brings the quarantine index up to the journal.
pub(crate) async fn open<F: FileLayer>(
    files: F,
    config: &Config,
    stop: &CancellationToken,
) -> Result<Open<F>, AppError> {
    let dir = config.ingest.data_dir.clone();
    let data = |source| AppError::Data { dir: dir.clone(), source };
    std::fs::create_dir_all(&dir).map_err(data)?;
    not_half_restored(&dir)?;
    let lacking = room::warning_on(&files, config);
    if let Some(warning) = &lacking {
        tracing::warn!("{warning}");
    }
    let (engine, server, stop) = (engine(config), server(config), stop.clone());
    let recovered = tokio::task::spawn_blocking(move || recover(files, engine, server, stop)).await;
    let panicked =
        |error: tokio::task::JoinError| AppError::Ended { task: "recovery", detail: error.to_string() };
    let (opened, Found { unindexed, mut over }) = recovered.map_err(panicked)??;
    let Recovered { store, reader, flusher, compactor, loader, recovery } = opened;
    let local = reader.local();
    tracing::info!(
        readings = recovery.replayed_readings,
        commits = recovery.replayed_commits,
        torn_tail_bytes = recovery.torn_tail_bytes,
        "the store is recovered"
    );
    if let Some(shortage) = local.journal().shortage().filter(|_| lacking.is_none()) {
        tracing::warn!("the disk of {} is full: {}", dir.display(), room::consequence(shortage));
    }
    for damage in &recovery.damage {
        tracing::error!(damage, "the store is damaged");
    }
    for class in &recovery.kept_for_ever {
        tracing::warn!(class, "this class has files and is not in the configuration: they are kept for ever");
    }
    let quarantine::Opened { quarantine, writer, over: known } =
        quarantine::open(&dir.join("quarantine.sqlite")).await?;
    over.extend(known);
    let (feed, mut indexer) = quarantine::pair(writer, &quarantine, local.clone());
    indexer.start(unindexed.unwrap_or_else(|| local.applied())).await;
    Ok(Open { store, reader, flusher, compactor, loader, quarantine, feed, indexer, over })
}

fn not_half_restored(data_dir: &Path) -> Result<(), AppError> {
    if care::is_half_restored(data_dir) { Err(AppError::HalfRestored(data_dir.to_owned())) } else { Ok(()) }
}

/// The bounds of what is kept on this machine: the whole store, or the control journal of a remote one.
pub(crate) fn engine(config: &Config) -> embedded::Config {
    let folder = match config.store.engine {
        Engine::Embedded => "store",
        Engine::Influxdb | Engine::Victoriametrics => "control",
    };
    let mut engine = embedded::Config::new(config.ingest.data_dir.join(folder));
    engine.memory_bytes = config.store.memory.as_usize();
    engine.flush_after = config.store.flush_after;
    engine.retention = config.retention();
    engine.journal.free_floor_bytes = config.store.free_floor.0;
    engine.free_floor_bytes = config.store.free_floor.0;
    // The journal must hold what is in memory, and what comes while that is flushed.
    engine.journal.max_bytes = engine.journal.max_bytes.max(config.store.memory.0.saturating_mul(2));
    engine
}

/// Merges the files of a store that no process uses until each month is one file. Says what came of it.
pub(crate) fn compact<F: FileLayer>(files: F, config: &Config) -> Result<String, AppError> {
    not_half_restored(&config.ingest.data_dir)?;
    let mut opened = embedded::open(files, engine(config), &mut |_| {}).map_err(remote::OpenError::from)?;
    for damage in &opened.recovery.damage {
        tracing::error!(%damage, "the store is damaged");
    }
    let before = opened.reader.stats();
    opened.compactor.merge_all()?;
    let after = opened.reader.stats();
    Ok(format!(
        "{} files of {} became {} of {}",
        before.files,
        Size(before.file_bytes),
        after.files,
        Size(after.file_bytes)
    ))
}

/// What the journal still has for the quarantine.
#[derive(Default)]
struct Found {
    /// Where the first of it is.
    unindexed: Option<u64>,
    /// Epochs that it declares over; those before are in the index.
    over: Vec<(GatewayId, Epoch)>,
}

/// The database, when there is one.
pub(crate) fn server(config: &Config) -> Option<remote::Server> {
    let store = &config.store;
    let kind = match store.engine {
        Engine::Embedded => return None,
        Engine::Influxdb => remote::Kind::Influx,
        Engine::Victoriametrics => remote::Kind::Victoria { settle: store.settle },
    };
    Some(remote::Server {
        url: store.url.clone(),
        org: store.org.clone(),
        bucket: store.bucket.clone(),
        database: if store.database.is_empty() { &store.bucket } else { &store.database }.clone(),
        token: store.token.clone(),
        ca: store.ca.clone(),
        kind,
    })
}

/// An engine that is recovered.
struct Recovered<F: FileLayer> {
    store: AnyStore<F>,
    reader: AnyReader<F>,
    flusher: embedded::Flusher<F>,
    compactor: embedded::Compactor<F>,
    loader: Option<remote::Loader<F>>,
    recovery: embedded::Recovery,
}

/// Opens the engine that was chosen.
fn recover<F: FileLayer>(
    files: F,
    engine: embedded::Config,
    server: Option<remote::Server>,
    stop: CancellationToken,
) -> Result<(Recovered<F>, Found), AppError> {
    let mut found = Found::default();
    let mut on_replay = |Replayed { commit, position }: Replayed<'_>| {
        if quarantine::concerns(commit) {
            found.unindexed.get_or_insert(position);
        }
        if commit.losses.iter().any(|loss| loss.reason == i32::from(LossReason::EpochEnded)) {
            found.over.push((commit.gateway.clone(), commit.epoch));
        }
    };
    let recovered = match server {
        None => {
            let opened = embedded::open(files, engine, &mut on_replay).map_err(remote::OpenError::from)?;
            let embedded::Opened { store, reader, flusher, compactor, recovery } = opened;
            let (store, reader) = (AnyStore::Embedded(store), AnyReader::Embedded(reader));
            Recovered { store, reader, flusher, compactor, loader: None, recovery }
        }
        Some(server) => {
            let config = remote::Config { control: engine, server };
            let opened = remote::open(files, config, Handle::current(), stop, &mut on_replay)?;
            let remote::Opened { store, reader, flusher, compactor, loader, recovery } = opened;
            let (store, reader) = (AnyStore::Remote(store), AnyReader::Remote(reader));
            Recovered { store, reader, flusher, compactor, loader: Some(loader), recovery }
        }
    };
    Ok((recovered, found))
}

impl<F: FileLayer> quarantine::CommitLog for EmbeddedReader<F> {
    fn applied(&self) -> u64 {
        Self::applied(self)
    }

    fn set_indexed(&self, position: u64) {
        Self::set_indexed(self, position);
    }

    fn reread(&self, from: u64) -> io::Result<(Vec<Commit>, u64)> {
        self.journaled(from, REREAD_BYTES, quarantine::concerns)
    }
}

/// What is wrong although readings are taken, for people. Empty when all is well.
pub(crate) fn problems<F: FileLayer>(any: &AnyReader<F>, quarantine: &Quarantine) -> Vec<String> {
    let reader = any.local();
    let journal = reader.journal();
    let mut problems = Vec::new();
    if let Some(why) = any.trouble() {
        problems.push(format!(
            "the database takes no readings: {why}; gateways keep them and wait. `pantau-ingest check` says what to mend"
        ));
    }
    if let Some(why) = quarantine.trouble() {
        problems.push(format!(
            "{why}: {} commits wait for it in the journal, which has {} of {} bytes; when that is full nothing more is \
             taken. Free disk space, or stop ingest and move quarantine.sqlite away: it is made anew from what the \
             journal still has",
            reader.applied().saturating_sub(reader.indexed()),
            journal.stats().bytes,
            journal.config().max_bytes,
        ));
    }
    if let Some(shortage) = journal.shortage() {
        problems.push(format!("the disk is full: {}", room::consequence(shortage)));
    }
    if let Some(why) = reader.flush_error() {
        problems.push(format!(
            "readings cannot be moved from the journal into files: {why}; when journal and memory are full nothing more \
             is taken"
        ));
    }
    if let Some(why) = reader.overdue_error() {
        problems.push(format!("what retention no longer keeps is still there: {why}"));
    }
    problems
}

/// What the engine and its journal say of themselves.
pub(crate) fn numbers<F: FileLayer>(any: &AnyReader<F>, quarantine: &Quarantine) -> EngineNumbers {
    let reader = any.local();
    let (stats, journal) = (reader.stats(), reader.journal().stats());
    let fsync = journal.fsync;
    let bounds = pantau_journal::FSYNC_BOUNDS.into_iter().chain([f64::MAX]);
    EngineNumbers {
        counters: reader.counters(),
        memory_readings: stats.memory_readings,
        flushes: stats.flushes,
        merges: stats.merges,
        merged_bytes: stats.merged_bytes,
        dropped: [stats.expired_files, stats.expired_bytes, stats.expired_readings],
        rolled_bytes: stats.rolled_bytes,
        rollup_bytes: stats.rollup_bytes,
        overdue_bytes: stats.overdue_bytes,
        merge_failing: stats.merge_failing,
        files: stats.files,
        file_bytes: stats.file_bytes,
        series: stats.series,
        journal_bytes: journal.bytes,
        unindexed_commits: reader.applied().saturating_sub(reader.indexed()),
        index_failing: quarantine.trouble().is_some(),
        fsync: (fsync.sum, fsync.count, bounds.zip(fsync.buckets).collect()),
    }
}
