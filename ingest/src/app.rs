//! Wires the parts together; the only file that starts tasks, every one of which is joined.
//!
//! ```text
//! start   store (recovery) → quarantine index caught up → committer, flusher, indexer → gRPC, HTTP
//! stop    listeners: no new work, what is in flight is answered → committer drained, memory flushed → flusher,
//!         indexer; 10 seconds at most
//! ```
//!
//! A task that ends before it is told to ends the process with an error: what supervises it starts it again, and the
//! journal has everything that was acked.

use crate::{
    clock::Clock,
    committer::Committer,
    config::{Config, ConfigError, Problem},
    gateways::{Gateways, TokenDigest},
    grpc, http,
    intake::Intake,
    live::Live,
    metrics::{CommitMetrics, EngineNumbers, Metrics},
    quarantine::{self, Quarantine, QuarantineError},
    store::{
        Commit, Store as _, StoreReader as _,
        embedded::{self, EmbeddedReader, Replayed},
    },
};
use pantau_journal::{FileLayer, StdFiles};
use pantau_proto::GatewayId;
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// What listeners may take to answer what they have.
const LISTENERS_STOP: Duration = Duration::from_secs(4);
/// What the committer, the flush and the index may take after that.
const STORE_STOP: Duration = Duration::from_millis(5_500);

/// Why ingest does not run, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The configuration does not fit together.
    #[error("{problem}\n  mend: {mend}")]
    Config {
        /// What is wrong.
        problem: String,
        /// What to do.
        mend: String,
    },
    /// The file of the configuration cannot be used.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// A port is taken, or an address is not this machine's.
    #[error(
        "{what} cannot listen on {address}: {source}\n  mend: stop what uses it, or choose another address: [{what}] listen = \"127.0.0.1:0\" takes a free port"
    )]
    Bind {
        /// `http` or `grpc`.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A token file cannot be used.
    #[error("the token of gateway {gateway} in {}: {problem}\n  mend: put the token on the file's first line, 16 characters or more", file.display())]
    Token {
        /// Whose.
        gateway: GatewayId,
        /// Where.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The data folder cannot be used.
    #[error("the data folder {}: {source}\n  mend: [ingest] data_dir must be a folder that this user may write", dir.display())]
    Data {
        /// Which.
        dir: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error("the store: {0}")]
    Store(#[from] embedded::OpenError),
    /// The quarantine cannot be opened.
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
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
        matches!(self, Self::Config { .. } | Self::File(_) | Self::Bind { .. } | Self::Token { .. })
    }
}

/// Listeners that are open; nothing else has been touched yet.
#[derive(Debug)]
pub struct Bound {
    http: TcpListener,
    grpc: TcpListener,
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
    config
        .check()
        .map_err(|Problem { problem, mend, .. }| AppError::Config { problem, mend: mend.to_owned() })?;
    let listen = async |what, address| {
        TcpListener::bind(address).await.map_err(|source| AppError::Bind { what, address, source })
    };
    Ok(Bound {
        http: listen("http", config.http.listen).await?,
        grpc: listen("grpc", config.grpc.listen).await?,
    })
}

/// Reads every gateway's token.
///
/// # Errors
/// When a token file cannot be read or holds no good token.
pub fn tokens(config: &Config) -> Result<Vec<(GatewayId, TokenDigest)>, AppError> {
    let read = |gateway: &crate::config::Gateway| {
        let token = match (&gateway.token, &gateway.token_file) {
            (Some(token), _) => token.clone(),
            (None, file) => {
                let file = file.clone().unwrap_or_default();
                let wrong =
                    |problem| AppError::Token { gateway: gateway.id.clone(), file: file.clone(), problem };
                let text = std::fs::read_to_string(&file).map_err(|error| wrong(error.to_string()))?;
                let token = text.lines().next().unwrap_or_default().trim().to_owned();
                if token.len() < 16 {
                    return Err(wrong("the token is shorter than 16 characters".to_owned()));
                }
                token
            }
        };
        Ok((gateway.id.clone(), TokenDigest::of(&token)))
    };
    config.gateways.iter().map(read).collect()
}

/// Runs until `stop` is cancelled, then stops in order within 10 seconds.
///
/// # Errors
/// When something cannot be opened, or a part ends unexpectedly.
pub async fn run(bound: Bound, config: Config, stop: CancellationToken) -> Result<(), AppError> {
    run_on(StdFiles::default(), bound, config, stop).await
}

/// [`run`] on other files, for tests that break them.
///
/// # Errors
/// As [`run`].
pub async fn run_on<F: FileLayer>(
    files: F,
    bound: Bound,
    config: Config,
    stop: CancellationToken,
) -> Result<(), AppError> {
    let clock = Clock::system();
    let start = u64::try_from(clock.now().0).unwrap_or(0);
    let gateways = Arc::new(Gateways::new(tokens(&config)?, start));
    let opened = open(files, &config).await?;
    let Open { store, reader, flusher, quarantine, feed, indexer } = opened;

    let live = Live::default();
    let commit_metrics = Arc::new(CommitMetrics::default());
    let read_engine = {
        let reader = reader.clone();
        Box::new(move || numbers(&reader))
    };
    let metrics = Arc::new(Metrics::new(&commit_metrics, read_engine, Arc::clone(&gateways)));
    let (intake, queue) = Intake::new(config.limits.in_flight_bytes.0);
    let late_after = config.limits.late_after.as_ms();
    let committer =
        Committer::new(store, &reader, late_after, clock.clone(), live.clone(), feed, commit_metrics);
    let shared = Arc::new(grpc::Shared {
        intake: intake.clone(),
        reader: reader.clone(),
        gateways: Arc::clone(&gateways),
        quarantine: quarantine.clone(),
        clock: clock.clone(),
        stop: stop.clone(),
        window: config.grpc.window,
        series_per_stream: config.limits.series_per_stream,
        oldest: config.limits.oldest.0,
    });
    let api = Arc::new(http::Api {
        reader,
        quarantine,
        gateways,
        stations: config.stations.iter().map(|s| (s.device.as_str().to_owned(), s.clone())).collect(),
        queries: Arc::new(Semaphore::new(config.limits.queries)),
        watchers: Arc::new(Semaphore::new(config.limits.live_clients)),
        limits: config.limits,
        clock,
        live,
        metrics,
        stop: stop.clone(),
    });
    for (what, address) in [("http", bound.http_addr()), ("grpc", bound.grpc_addr())] {
        if let Ok(address) = address {
            tracing::info!(%address, "{what} listens");
        }
    }

    let mut tasks = Tasks::default();
    tasks.listeners.spawn(async { ("http", http::serve(bound.http, api).await.map_err(|e| e.to_string())) });
    tasks
        .listeners
        .spawn(async { ("grpc", grpc::serve(bound.grpc, shared).await.map_err(|e| e.to_string())) });
    tasks.keepers.spawn_blocking(move || {
        let drained = committer.run(queue).map_err(|error| error.to_string());
        ("committer", drained.and_then(|mut store| store.flush().map_err(|error| error.to_string())))
    });
    tasks.keepers.spawn_blocking(move || ("flusher", flusher.run().map_err(|error| error.to_string())));
    tasks.keepers.spawn(async {
        indexer.run().await;
        ("quarantine index", Ok(()))
    });
    tasks.until(stop, intake).await
}

/// A task's name and how it ended.
type Ended = (&'static str, Result<(), String>);

#[derive(Default)]
struct Tasks {
    listeners: JoinSet<Ended>,
    keepers: JoinSet<Ended>,
}

impl Tasks {
    /// Waits for `stop` or for a task that ends too early; then stops all in order.
    async fn until(mut self, stop: CancellationToken, intake: Intake) -> Result<(), AppError> {
        let mut first = tokio::select! {
            biased;
            () = stop.cancelled() => Ok(()),
            Some(ended) = self.listeners.join_next() => Err(early(ended)),
            Some(ended) = self.keepers.join_next() => Err(early(ended)),
        };
        tracing::info!("stopping");
        stop.cancel();
        let stopped = tokio::time::timeout(LISTENERS_STOP, join(&mut self.listeners)).await;
        let stopped = stopped.unwrap_or_else(|_| {
            // Their clients do not read; nothing of theirs is acked that is not stored.
            tracing::warn!("listeners did not stop in time");
            Ok(())
        });
        first = first.and(stopped);
        self.listeners.abort_all();
        intake.close().await;
        drop(intake);
        let late =
            |_| Err(AppError::Ended { task: "the store", detail: "it did not stop in time".to_owned() });
        let stopped = tokio::time::timeout(STORE_STOP, join(&mut self.keepers)).await.unwrap_or_else(late);
        first = first.and(stopped);
        if first.is_ok() {
            tracing::info!("stopped; everything acked is stored");
        }
        first
    }
}

fn early(ended: Result<Ended, tokio::task::JoinError>) -> AppError {
    let (task, detail) = match ended {
        Ok((task, Ok(()))) => (task, "without being told to".to_owned()),
        Ok((task, Err(detail))) => (task, detail),
        Err(error) => ("a task", error.to_string()),
    };
    AppError::Ended { task, detail }
}

async fn join(tasks: &mut JoinSet<Ended>) -> Result<(), AppError> {
    let mut all = Ok(());
    while let Some(ended) = tasks.join_next().await {
        if !matches!(ended, Ok((_, Ok(())))) {
            all = all.and(Err(early(ended)));
        }
    }
    all
}

struct Open<F: FileLayer> {
    store: embedded::EmbeddedStore<F>,
    reader: EmbeddedReader<F>,
    flusher: embedded::Flusher<F>,
    quarantine: Quarantine,
    feed: quarantine::Feed,
    indexer: quarantine::Indexer,
}

/// Recovers the store and brings the quarantine index up to the journal.
async fn open<F: FileLayer>(files: F, config: &Config) -> Result<Open<F>, AppError> {
    let dir = config.ingest.data_dir.clone();
    let data = |source| AppError::Data { dir: dir.clone(), source };
    std::fs::create_dir_all(&dir).map_err(data)?;
    let mut engine = embedded::Config::new(dir.join("store"));
    engine.memory_bytes = usize::try_from(config.store.memory_bytes.0).unwrap_or(usize::MAX);
    engine.flush_after = config.store.flush_after.0;
    let recovered = tokio::task::spawn_blocking(move || recover(files, engine)).await;
    let panicked =
        |error: tokio::task::JoinError| AppError::Ended { task: "recovery", detail: error.to_string() };
    let (opened, replayed) = recovered.map_err(panicked)??;
    let embedded::Opened { store, reader, flusher, recovery } = opened;
    tracing::info!(
        readings = recovery.replayed_readings,
        commits = recovery.replayed_commits,
        torn_tail_bytes = recovery.torn_tail_bytes,
        "the store is recovered"
    );
    for damage in &recovery.damage {
        tracing::error!(damage, "the store is damaged");
    }
    let (quarantine, connection) = Quarantine::open(&quarantine_file(&dir)).await?;
    let (position, indexed) = (reader.clone(), reader.clone());
    let (feed, mut indexer) = quarantine::pair(
        connection,
        move || position.applied(),
        move |position| indexed.set_indexed(position),
    );
    indexer.catch_up(&replayed, reader.applied()).await.map_err(QuarantineError::from)?;
    Ok(Open { store, reader, flusher, quarantine, feed, indexer })
}

/// Where the quarantine index is.
pub(crate) fn quarantine_file(data_dir: &Path) -> PathBuf {
    data_dir.join("quarantine.sqlite")
}

/// The store, and what its journal holds for the quarantine.
fn recover<F: FileLayer>(
    files: F,
    engine: embedded::Config,
) -> Result<(embedded::Opened<F>, Vec<Commit>), AppError> {
    let mut replayed = Vec::new();
    let opened = embedded::open(files, engine, &mut |Replayed { commit, .. }| {
        if quarantine::concerns(commit) {
            let mut kept = Commit::new(commit.gateway.clone(), commit.epoch, commit.received_ms);
            kept.refused.clone_from(&commit.refused);
            kept.losses.clone_from(&commit.losses);
            replayed.push(kept);
        }
    })?;
    Ok((opened, replayed))
}

fn numbers<F: FileLayer>(reader: &EmbeddedReader<F>) -> EngineNumbers {
    let (stats, journal) = (reader.stats(), reader.journal().stats());
    let fsync = journal.fsync;
    let bounds = pantau_journal::FSYNC_BOUNDS.into_iter().chain([f64::MAX]);
    EngineNumbers {
        counters: reader.counters(),
        memory_readings: stats.memory_readings,
        flushes: stats.flushes,
        files: stats.files,
        file_bytes: stats.file_bytes,
        series: stats.series,
        journal_bytes: journal.bytes,
        fsync: (fsync.sum, fsync.count, bounds.zip(fsync.buckets).collect()),
    }
}
