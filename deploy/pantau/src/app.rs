//! Starts ingest, gateway and, in the demo, the devices, and stops them in the order of a reading's way. The only file
//! here that starts tasks.
//!
//! ```text
//! start   ports → ingest → gateway → devices
//! stop    devices (what is in flight is acked) → gateway (the spool empties) → ingest (memory is flushed)
//! ```
//! A part that ends unasked ends the process with its error.

use std::io;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pantau_settings::{Complaint, Secret};
use pantau_sim::options::{BrokerOptions, FleetOptions, ReplayOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::DemoOptions;
use crate::config::Config;
use crate::demo;

/// What a stop may take, all in all.
const STOP: Duration = Duration::from_secs(10);
/// What of it the devices may take.
const DEVICES_STOP: Duration = Duration::from_secs(2);

/// Why the process ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppError {
    #[error(transparent)]
    Config(#[from] Complaint),
    #[error("there is no HOME to keep the demo's data in\n  mend: name a folder: pantau demo --data-dir DIR")]
    NoHome,
    #[error(
        "{address} cannot be used for {what}: {source}\n  mend: stop what uses it, or choose another: {mend}"
    )]
    Port { what: &'static str, address: std::net::SocketAddr, source: io::Error, mend: String },
    #[error("the data folder {} cannot be made: {source}\n  mend: name a folder that you may write to", dir.display())]
    Data { dir: PathBuf, source: io::Error },
    #[error(transparent)]
    Ingest(#[from] pantau_ingest::app::AppError),
    #[error(transparent)]
    Gateway(#[from] pantau_gateway::app::AppError),
    #[error("the simulated devices: {0}")]
    Sim(#[from] pantau_sim::app::SimError),
    #[error("{0} ended without being told to")]
    Ended(&'static str),
    #[error("{0} failed: {1}")]
    Task(&'static str, tokio::task::JoinError),
    #[error("the runtime or its signals: {0}")]
    Runtime(io::Error),
    #[error("the stop took longer than {} s; nothing acknowledged is lost", STOP.as_secs())]
    Slow,
}

impl AppError {
    /// Whether the caller can mend it (exit code 2).
    pub(crate) fn is_users(&self) -> bool {
        match self {
            Self::Config(_)
            | Self::NoHome
            | Self::Port { .. }
            | Self::Data { .. }
            | Self::Gateway(pantau_gateway::app::AppError::Bind { .. }) => true,
            Self::Ingest(error) => error.is_config(),
            _ => false,
        }
    }
}

/// `pantau serve`.
///
/// # Errors
/// When something cannot be started, or a part ends unasked.
pub(crate) async fn serve(config: Config) -> Result<(), AppError> {
    let stop = stop_at_a_signal()?;
    let parts = Parts::start(config).await?;
    say(&format!(
        "Pantau keeps watch.\n  page and API  http://{}\n  devices       mqtt://{}\n  gateway       http://{}\n",
        parts.http, parts.mqtt, parts.status
    ));
    parts.until(stop, Devices::default()).await
}

/// `pantau demo`.
///
/// # Errors
/// As [`serve`].
pub(crate) async fn demo(options: DemoOptions) -> Result<(), AppError> {
    let stop = stop_at_a_signal()?;
    let data_dir = demo::data_dir(&options)?;
    let made = std::fs::create_dir_all(&data_dir);
    made.map_err(|source| AppError::Data { dir: data_dir.clone(), source })?;
    let parts = Parts::start(demo::config(&options, &data_dir)).await.map_err(name_the_option)?;
    say(&format!(
        "Pantau keeps watch. Open http://{}\n\n  devices publish to   mqtt://{}\n  the gateway's page   http://{}\n  the data lives in    {}\n\nCtrl-C stops it; nothing is lost, and starting again goes on.\n",
        parts.http,
        parts.mqtt,
        parts.status,
        data_dir.display()
    ));
    let devices = if options.no_sim { Devices::default() } else { Devices::start(&parts, data_dir) };
    if let Some(time) = options.run_for {
        let stop = stop.clone();
        return tokio::select! {
            ended = parts.until(stop.clone(), devices) => ended,
            never = async { tokio::time::sleep(time).await; stop.cancel(); std::future::pending().await } => never,
        };
    }
    parts.until(stop, devices).await
}

/// A part's task and what tells it to stop.
struct Part<E> {
    name: &'static str,
    stop: CancellationToken,
    task: JoinHandle<Result<(), E>>,
}

impl<E: Into<AppError>> Part<E> {
    /// Its end, which is an error unless it was told to stop.
    async fn ended(&mut self) -> Result<(), AppError> {
        match (&mut self.task).await {
            Ok(Ok(())) if self.stop.is_cancelled() => Ok(()),
            Ok(Ok(())) => Err(AppError::Ended(self.name)),
            Ok(Err(error)) => Err(error.into()),
            Err(error) => Err(AppError::Task(self.name, error)),
        }
    }

    async fn stop(&mut self) -> Result<(), AppError> {
        self.stop.cancel();
        if self.task.is_finished() {
            // Either its end was already seen, or it is seen now.
            return Ok(());
        }
        self.ended().await
    }
}

/// Ingest and the gateway, running.
struct Parts {
    ingest: Part<pantau_ingest::app::AppError>,
    gateway: Part<pantau_gateway::app::AppError>,
    http: std::net::SocketAddr,
    mqtt: std::net::SocketAddr,
    status: std::net::SocketAddr,
}

impl Parts {
    /// All ports first, so that one that is taken is said before anything is touched.
    async fn start(mut config: Config) -> Result<Self, AppError> {
        let ingest = pantau_ingest::app::bind(&config.ingest).await?;
        let gateway = pantau_gateway::app::bind(&config.gateway).await?;
        let (http, grpc) = (ingest.http_addr(), ingest.grpc_addr());
        let (http, grpc) = (http.map_err(AppError::Runtime)?, grpc.map_err(AppError::Runtime)?);
        let (mqtt, status) = (gateway.mqtt_address, gateway.status_address);
        introduce(&mut config, grpc);
        let (tell_ingest, tell_gateway) = (CancellationToken::new(), CancellationToken::new());
        let ingest = spawn(pantau_ingest::app::run(ingest, config.ingest, tell_ingest.clone()));
        let gateway = spawn(pantau_gateway::app::run(gateway, config.gateway, tell_gateway.clone()));
        Ok(Self {
            ingest: Part { name: "ingest", stop: tell_ingest, task: ingest },
            gateway: Part { name: "the gateway", stop: tell_gateway, task: gateway },
            http,
            mqtt,
            status,
        })
    }

    /// Runs until `stop` or until a part ends, then stops all.
    async fn until(mut self, stop: CancellationToken, mut devices: Devices) -> Result<(), AppError> {
        let first = tokio::select! {
            () = stop.cancelled() => Ok(()),
            ended = self.ingest.ended() => ended,
            ended = self.gateway.ended() => ended,
            ended = devices.ended() => ended,
        };
        let stopping = async {
            let _ = tokio::time::timeout(DEVICES_STOP, devices.stop()).await;
            let gateway = self.gateway.stop().await;
            gateway.and(self.ingest.stop().await)
        };
        let stopped = tokio::time::timeout(STOP, stopping).await.unwrap_or(Err(AppError::Slow));
        first.and(stopped)
    }
}

/// The simulated devices; none by default.
#[derive(Default)]
struct Devices {
    stop: CancellationToken,
    tasks: tokio::task::JoinSet<Result<(), AppError>>,
}

impl Devices {
    fn start(parts: &Parts, data_dir: PathBuf) -> Self {
        let mut devices = Self::default();
        let broker = BrokerOptions::at(parts.mqtt.to_string());
        let stop = &devices.stop;
        let mut fleet = FleetOptions::new(broker.clone(), demo::DEVICES, demo::SEED);
        // So that the charts of the first minute have something to show.
        fleet.past = (!demo::has_history(&data_dir)).then_some(Duration::from_secs(24 * 3_600));
        let fleet = pantau_sim::app::fleet(fleet, stop.clone());
        let live = pantau_sim::app::replay(ReplayOptions::live(broker.clone()), stop.clone());
        let history = (!demo::has_history(&data_dir)).then(|| history(broker, data_dir, stop.clone()));
        devices.tasks.spawn(async { Ok(fleet.await.map(drop)?) });
        devices.tasks.spawn(async { Ok(live.await.map(drop)?) });
        if let Some(history) = history {
            devices.tasks.spawn(history);
        }
        devices
    }

    /// The first error; otherwise never.
    async fn ended(&mut self) -> Result<(), AppError> {
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(|error| AppError::Task("a simulated device", error))??;
        }
        std::future::pending().await
    }

    async fn stop(&mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Replays the year once for each folder.
async fn history(broker: BrokerOptions, data_dir: PathBuf, stop: CancellationToken) -> Result<(), AppError> {
    let summary = pantau_sim::app::replay(ReplayOptions::history(broker), stop.clone()).await?;
    if !stop.is_cancelled() && summary.unacked == 0 {
        remember(&data_dir);
    }
    Ok(())
}

fn remember(data_dir: &Path) {
    if let Err(error) = demo::remember_history(data_dir) {
        tracing::warn!(%error, "the next start replays the year once more, which changes nothing");
    }
}

/// Tells the gateway where ingest is, and both a token that lives as long as the process.
fn introduce(config: &mut Config, grpc: std::net::SocketAddr) {
    let token: String =
        std::iter::repeat_with(|| format!("{:016x}", rand::random::<u64>())).take(4).collect();
    if let Ok(id) = config.gateway.gateway.id.parse() {
        config.ingest.gateways.push(pantau_ingest::config::Gateway {
            id,
            token: Secret::new(token.clone()),
            token_file: None,
        });
    }
    config.gateway.uplink.token = Secret::new(token);
    // A listener on every address is reached through loopback.
    let host = if grpc.ip().is_unspecified() { std::net::Ipv4Addr::LOCALHOST.into() } else { grpc.ip() };
    config.gateway.uplink.url = format!("http://{}", std::net::SocketAddr::new(host, grpc.port()));
}

#[expect(clippy::disallowed_methods, reason = "this file owns the process's tasks, and joins them")]
fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(work)
}

/// Cancelled at SIGINT or SIGTERM.
fn stop_at_a_signal() -> Result<CancellationToken, AppError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).map_err(AppError::Runtime)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(AppError::Runtime)?;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    // Lives as long as the process: there is nothing to join it for.
    drop(spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        stopping.cancel();
    }));
    Ok(stop)
}

/// A port that is taken, in the words of the demo's options.
fn name_the_option(error: AppError) -> AppError {
    let (what, address, source, option) = match error {
        AppError::Ingest(pantau_ingest::app::AppError::Bind { what: "http", address, source }) => {
            ("the page", address, source, "--http")
        }
        AppError::Ingest(pantau_ingest::app::AppError::Bind { address, source, .. }) => {
            ("the gateways", address, source, "--grpc")
        }
        AppError::Gateway(pantau_gateway::app::AppError::Bind {
            key: "mqtt.listen",
            address,
            source,
            ..
        }) => ("the devices", address, source, "--mqtt"),
        AppError::Gateway(pantau_gateway::app::AppError::Bind { address, source, .. }) => {
            ("the gateway's page", address, source, "--status")
        }
        other => return other,
    };
    let mend = format!("pantau demo {option} {}:0 takes a free port", address.ip());
    AppError::Port { what, address, source, mend }
}

fn say(text: &str) {
    drop(io::stdout().write_all(text.as_bytes()));
}
