//! Wires the parts together; the only file that starts tasks, every one of which is joined.
//!
//! ```text
//! start   store (recovery) → quarantine index caught up → committer, flusher, compactor, indexer,
//!         loader of a remote engine → gRPC, HTTP
//! stop    listeners: no new work, what is in flight is answered → committer drained, memory flushed → flusher,
//!         indexer; 10 seconds at most
//! ```
//!
//! A task that ends before it is told to ends the process with an error: what supervises it starts it again, and the
//! journal has everything that was acked.

pub use crate::startup::{AppError, Bound, bind};
use crate::{
    clock::Clock,
    committer::Committer,
    config::{self, Config},
    gateways::{Gateways, TokenDigest},
    grpc, http,
    intake::Intake,
    live::Live,
    metrics::{CommitMetrics, Metrics},
    startup::{Open, numbers, open, problems},
};
use pantau_journal::{FileLayer, StdFiles};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// What listeners may take to answer what they have.
const LISTENERS_STOP: Duration = Duration::from_secs(4);
/// What the committer, the flush and the index may take after that.
const STORE_STOP: Duration = Duration::from_millis(5_500);

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
    let token = |gateway: &config::Gateway| (gateway.id.clone(), TokenDigest::of(gateway.token.reveal()));
    let tokens = config.gateways.iter().map(token);
    let gateways = Arc::new(Gateways::new(tokens, start));
    let opened = open(files, &config, &stop).await?;
    let Open { store, reader, flusher, compactor, loader, quarantine, feed, indexer, over } = opened;
    over.iter().for_each(|(gateway, epoch)| gateways.declare_over(gateway, *epoch));

    let live = Live::default();
    let commit_metrics = Arc::new(CommitMetrics::default());
    let (for_metrics, for_health) =
        ((reader.clone(), quarantine.clone()), (reader.clone(), quarantine.clone()));
    let read_engine = Box::new(move || numbers(&for_metrics.0, &for_metrics.1));
    let door_metrics = grpc::DoorMetrics::default();
    let metrics = Arc::new(Metrics::new(&commit_metrics, &door_metrics, read_engine, Arc::clone(&gateways)));
    let (intake, queue) = Intake::new(config.limits.in_flight.0);
    let late_after = i64::try_from(config.limits.late_after.as_millis()).unwrap_or(i64::MAX);
    let compactor_clock = clock.clone();
    let committer =
        Committer::new(store, reader.clone(), late_after, clock.clone(), live.clone(), feed, commit_metrics);
    let shared = Arc::new(grpc::Shared {
        intake: intake.clone(),
        reader: reader.clone(),
        door: grpc::Door::new(gateways.count(), door_metrics),
        gateways: Arc::clone(&gateways),
        clock: clock.clone(),
        stop: stop.clone(),
        window: config.grpc.window,
        series_per_stream: config.limits.series_per_stream,
        oldest: config.limits.oldest.0,
        retention: config.retention(),
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
        problems: Box::new(move || problems(&for_health.0, &for_health.1)),
        stop: stop.clone(),
    });
    for (what, address) in [("http", bound.http_addr()), ("grpc", bound.grpc_addr())] {
        if let Ok(address) = address {
            tracing::info!(%address, "{what} listens");
        }
    }

    let mut tasks = Tasks::default();
    tasks.listeners.spawn(async {
        http::serve(bound.http, api, JoinSet::new()).await;
        ("http", Ok(()))
    });
    tasks
        .listeners
        .spawn(async { ("grpc", grpc::serve(bound.grpc, shared).await.map_err(|e| e.to_string())) });
    tasks.keepers.spawn_blocking(move || {
        let drained = committer.run(queue).map_err(|error| error.to_string());
        ("committer", drained.and_then(|store| store.close().map_err(|error| error.to_string())))
    });
    tasks.keepers.spawn_blocking(move || ("flusher", flusher.run().map_err(|error| error.to_string())));
    tasks.keepers.spawn_blocking(move || {
        compactor.run(move || compactor_clock.now().0);
        ("compactor", Ok(()))
    });
    if let Some(loader) = loader {
        tasks.keepers.spawn(async {
            loader.run().await;
            ("newest readings", Ok(()))
        });
    }
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
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            Some(ended) = self.listeners.join_next() => Some(ended),
            Some(ended) = self.keepers.join_next() => Some(ended),
        };
        // A part that only ended may have done so because another one failed; then that is the cause to name.
        let quiet = matches!(ended, Some(Ok((_, Ok(())))));
        let mut first = ended.map_or(Ok(()), |ended| Err(early(ended)));
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
        let late =
            |_| Err(AppError::Ended { task: "the store", detail: "it did not stop in time".to_owned() });
        let stopped = tokio::time::timeout(STORE_STOP, async {
            // Waits while the queue is full.
            intake.close().await;
            drop(intake);
            join(&mut self.keepers).await
        });
        let stopped = stopped.await.unwrap_or_else(late);
        first = if quiet && stopped.is_err() { stopped } else { first.and(stopped) };
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
