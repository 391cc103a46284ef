//! Wires the stages; nothing else starts tasks and threads.
//!
//! ```text
//! mqtt_server ─┐
//! mqtt_client ─┼► intake ─► spool ─► uplink         each a task, the spool's committer a thread
//! buses ───────┘              ▲  └─► keeper         (frees what is acked)
//! (app/buses.rs)              └───── status
//! ```
//! Always: every task and thread is joined; one that ends unasked ends the process with an error; a graceful stop goes
//! from the front to the back (take no more, sync, let the uplink empty the spool for a while, close) and takes at
//! most ten seconds.

mod buses;
mod status;
mod stop;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pantau_journal::FileLayer;
use pantau_settings::Fault;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::buses::Buses;
use self::status::{Sources, serve};
use self::stop::{BROKER, BUS, MQTT, STOP, Stops, drain};
use crate::clock;
use crate::config::Config;
use crate::decode::Decoder;
use crate::figures::Counters;
use crate::intake::SpoolIntake;
use crate::mqtt_client::{self, Publisher};
use crate::mqtt_server::{self, Listeners, Server};
use crate::polled;
use crate::reload::Reload;
use crate::room::{self, Watch};
use crate::spool::{self, Boot, Spool, SpoolError};
use crate::timekeeper;
use crate::tls;
use crate::trust::Trust;
use crate::uplink::{Uplink, UplinkConfigError};
use crate::wiring;

/// Why the gateway ended.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A port cannot be had.
    #[error(
        "cannot listen on {address} for {what}: {source}\n  mend: stop what uses the port, or set another address of this machine in `{key}`"
    )]
    Bind {
        /// Which listener.
        what: &'static str,
        /// Its address.
        address: SocketAddr,
        /// Its key in the configuration.
        key: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The spool cannot be opened or the disk failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// A file of the configuration cannot be used any more.
    #[error("{}: {}\n  mend: {}", .0.key, .0.what, .0.mend)]
    File(Fault),
    /// A user of the MQTT listener is unfit.
    #[error(transparent)]
    User(#[from] mqtt_server::UserError),
    /// The uplink's configuration is unfit.
    #[error(transparent)]
    Uplink(#[from] UplinkConfigError),
    /// A part ended that should not.
    #[error("{0} ended unexpectedly: {1}")]
    Ended(&'static str, String),
    /// The system starts no more threads.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// Listeners that are open, before anything runs.
#[derive(Debug)]
pub struct Bound {
    mqtt: Listeners,
    status: TcpListener,
    /// Where field devices connect: without TLS, unless that is off.
    pub mqtt_address: SocketAddr,
    /// Where the status page is.
    pub status_address: SocketAddr,
}

/// Opens the listeners.
///
/// # Errors
/// When a port cannot be had.
pub async fn bind(config: &Config) -> Result<Bound, AppError> {
    let plain = match config.mqtt.plain {
        true => Some(listen("MQTT", "mqtt.listen", config.mqtt.listen).await?),
        false => None,
    };
    let tls = match &config.mqtt.tls {
        Some(tls) => Some(listen("MQTT with TLS", "mqtt.tls.listen", tls.listen).await?),
        None => None,
    };
    let mqtt_address = plain.as_ref().or(tls.as_ref()).map_or(config.mqtt.listen, |(_, address)| *address);
    let mqtt =
        Listeners { plain: plain.map(|(listener, _)| listener), tls: tls.map(|(listener, _)| listener) };
    let (status, status_address) = listen("the status page", "status.listen", config.status.listen).await?;
    Ok(Bound { mqtt, status, mqtt_address, status_address })
}

async fn listen(
    what: &'static str,
    key: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), AppError> {
    let failed = |source| AppError::Bind { what, address, key, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Runs until `stop`, then stops gracefully.
///
/// # Errors
/// When the spool cannot be opened or a part ends unasked.
pub async fn run(bound: Bound, config: Config, stop: CancellationToken) -> Result<(), AppError> {
    run_reloading(bound, config, mpsc::channel(1).1, stop).await
}

/// The same, and takes what can be exchanged while it runs from each configuration that `reloads` brings.
///
/// # Errors
/// When the spool cannot be opened or a part ends unasked.
pub async fn run_reloading(
    bound: Bound,
    config: Config,
    reloads: mpsc::Receiver<Config>,
    stop: CancellationToken,
) -> Result<(), AppError> {
    #[cfg(feature = "faults")]
    if let Some(faults) = crate::faults::Faults::from_env() {
        return run_on(faults.files(), faults.prepare(), bound, config, reloads, stop).await;
    }
    run_on(pantau_journal::StdFiles::new(), |_| {}, bound, config, reloads, stop).await
}

type Tasks = JoinSet<(&'static str, Result<(), String>)>;

async fn run_on<F: FileLayer>(
    files: F,
    prepare: impl FnOnce(&pantau_journal::Journal<F>),
    bound: Bound,
    config: Config,
    reloads: mpsc::Receiver<Config>,
    stop: CancellationToken,
) -> Result<(), AppError> {
    let counters = Arc::new(Counters::default());
    let (dir, bounds) = (config.gateway.data_dir.join("spool"), wiring::bounds(&config));
    let lacking = room::warning_on(&files, &config);
    if let Some(warning) = &lacking {
        tracing::warn!("{warning}");
    }
    let opening =
        tokio::task::spawn_blocking(move || spool::open(files, &dir, bounds, rand::random(), counters));
    let opened = opening.await.map_err(|error| AppError::Ended("opening the spool", error.to_string()))??;
    let spool = opened.spool;
    prepare(spool.journal());
    let board = clock::starts_without_time();
    let boot = Boot { id: clock::boot_id(), since: clock::since_boot };
    let known = spool.boot_offset(boot.id).is_some_and(|offset| !offset.uncertain);
    let mut trust = Trust::new(config.gateway.clock, board, spool.newest()).already(known);
    spool.begin_boot(boot);
    let decided = timekeeper::look(&spool, &mut trust);
    let decoder = Arc::new(Decoder::new(&config.decode_rules()));
    let intake = SpoolIntake::new(spool.clone(), Arc::clone(&decoder));
    let clock = mqtt_server::Clock { wall: clock::now, monotonic: clock::monotonic_tokio };
    let brokers = wiring::brokers(&config).map_err(AppError::File)?;
    let mut sessions = opened.sessions;
    let of_brokers = mqtt_client::take_sessions(&mut sessions, &brokers, &intake);
    let client = |settings| mqtt_client::Client::new(settings, intake.clone(), &of_brokers, clock);
    let clients: Vec<_> = brokers.into_iter().map(client).collect();
    let door = wiring::listener(&config.mqtt).map_err(AppError::File)?;
    let (listener, outbound) = Server::new(door, intake.clone(), &sessions, clock)?;
    let mut reload = Reload::new(config.clone(), listener.doorkeeper());
    drop((sessions, of_brokers));
    let buses = Buses::new(&config, &intake, clock);
    let stats = Sources {
        listener: listener.stats(),
        brokers: clients.iter().map(|client| client.stats()).collect(),
        sensors: buses.stats(),
    };
    let publishers: Vec<Publisher> = clients.iter().map(|client| client.publisher()).collect();
    let sources = 1 + clients.len() + buses.count();
    let uplink = Uplink::new(spool.clone(), &config.gateway.id, &config.uplink)?;

    let committer = opened.committer;
    let (ended, mut committed) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("spool-sync".into())
        .spawn(move || drop(ended.send(committer.run().map_err(|error| error.to_string()))))
        .map_err(AppError::Thread)?;
    let stops = Stops::default();
    let mut tasks = Tasks::new();
    tracing::info!(address = %bound.mqtt_address, "listening for MQTT");
    if let (Some(tls), Some(Ok(address))) =
        (&config.mqtt.tls, bound.mqtt.tls.as_ref().map(TcpListener::local_addr))
    {
        tracing::info!(%address, "listening for MQTT with TLS");
        if let Some(warning) = tls::warning(tls, clock::now()) {
            tracing::warn!("{warning}");
        }
    }
    tracing::info!(address = %bound.status_address, "listening for the status page");
    start(&mut tasks, MQTT, {
        let (socket, stop) = (bound.mqtt, stops.mqtt.clone());
        async move {
            listener.run(socket, JoinSet::new(), stop).await;
            Ok(())
        }
    });
    for client in clients {
        let stop = stops.mqtt.clone();
        start(&mut tasks, BROKER, async move {
            client.run(stop).await;
            Ok(())
        });
    }
    let threads = buses.start(&stops.mqtt, &mut |bus| start(&mut tasks, BUS, bus))?;
    start(&mut tasks, "the uplink", {
        let stop = stops.uplink.clone();
        async move {
            uplink.run(stop).await;
            Ok(())
        }
    });
    start(
        &mut tasks,
        "the clock",
        timekeeper::run(spool.clone(), trust, decided, outbound.clone(), stops.rest.clone()),
    );
    start(
        &mut tasks,
        "the keeper of the spool",
        keep(spool.clone(), Watch::new(lacking.is_some(), clock::monotonic()), stops.rest.clone()),
    );
    start(&mut tasks, "the reload of the configuration", {
        let (mut reloads, stop) = (reloads, stops.rest.clone());
        async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    Some(config) = reloads.recv() => reload.take(config, clock::now()),
                    else => break,
                }
            }
            stop.cancelled().await;
            Ok(())
        }
    });
    start(&mut tasks, "what decoders ask of devices", {
        let (outbox, stop) = (decoder.outbox(), stops.rest.clone());
        async move {
            loop {
                let request = tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    request = outbox.next() => request,
                };
                // Whoever did not hear it is asked again with its next message.
                publishers.iter().for_each(|broker| broker.publish(&request.topic, &request.payload));
                if let Err(error) = outbound.publish(&request.topic, request.payload, false) {
                    tracing::debug!(%error, topic = request.topic, "not published");
                }
            }
        }
    });
    start(
        &mut tasks,
        "the status page",
        serve(bound.status, &spool, stats, decoder, &config, stops.rest.clone()),
    );

    let outcome = tokio::select! {
        () = stop.cancelled() => Ok(()),
        Some(done) = tasks.join_next() => Err(unexpected(done)),
        done = &mut committed => Err(AppError::Ended("the spool's commits", why(done))),
    };
    if outcome.is_ok() {
        tracing::info!("stopping");
        drain(&spool, &stops, &mut tasks, sources).await;
    }
    for token in [&stops.mqtt, &stops.uplink, &stops.rest] {
        token.cancel();
    }
    let joined = timeout(STOP[3], async { while tasks.join_next().await.is_some() {} }).await;
    if joined.is_err() {
        tracing::warn!("a task did not end in time and is cut off");
        tasks.shutdown().await;
    }
    polled::join(threads).await;
    spool.save_acks();
    spool.journal().close();
    drop(spool);
    outcome?;
    let failed = |error| AppError::Ended("the spool's commits", error);
    // The last sync. A disk that hangs is not waited for: what is not synced was not acknowledged.
    match timeout(STOP[3], committed).await {
        Ok(Ok(Ok(()))) => {}
        Ok(done) => return Err(failed(why(done))),
        Err(_) => return Err(failed("the disk does not answer".into())),
    }
    let joined = tokio::task::spawn_blocking(move || thread.join()).await;
    joined.map_err(|error| failed(error.to_string()))?.map_err(|_| failed("it panicked".into()))
}

fn start(
    tasks: &mut Tasks,
    name: &'static str,
    task: impl Future<Output = Result<(), String>> + Send + 'static,
) {
    tasks.spawn(async move { (name, task.await) });
}

/// Frees what is acked, several times a second and when somebody wants room.
async fn keep<F: FileLayer>(spool: Spool<F>, mut disk: Watch, stop: CancellationToken) -> Result<(), String> {
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = sleep(Duration::from_millis(300)) => {}
            () = async { sleep(Duration::from_millis(20)).await; spool.wanted().await } => {}
        }
        let round = spool.clone();
        let kept = tokio::task::spawn_blocking(move || round.keep(clock::now())).await;
        match kept.map_err(|error| error.to_string())? {
            Ok(()) => {}
            Err(error @ SpoolError::Release(_)) => {
                tracing::warn!(%error, "acked segments cannot be freed yet; the next round tries again")
            }
            Err(error) => return Err(error.to_string()),
        }
        disk.look(spool.journal().shortage(), clock::monotonic());
    }
}

fn unexpected(done: Result<(&'static str, Result<(), String>), tokio::task::JoinError>) -> AppError {
    match done {
        Ok((name, Ok(()))) => AppError::Ended(name, "without a reason".into()),
        Ok((name, Err(error))) => AppError::Ended(name, error),
        Err(error) => AppError::Ended("a task", error.to_string()),
    }
}

fn why(done: Result<Result<(), String>, oneshot::error::RecvError>) -> String {
    match done {
        Ok(Ok(())) => "without a reason".into(),
        Ok(Err(error)) => error,
        Err(_) => "it panicked".into(),
    }
}
