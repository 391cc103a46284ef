//! The gateway's program: arguments, configuration, logging, signals.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use pantau_gateway::app::{self, AppError};
use pantau_gateway::cli::{self, Cli, Command, DeviceCommand, SpoolCommand};
use pantau_gateway::config::{Config, DEFAULT_TOML};
use pantau_gateway::{clock, device, explain, inspect, logging, room};
use tokio_util::sync::CancellationToken;

pub(crate) fn main() -> ExitCode {
    let file = match Cli::parse().command {
        Command::Config => return print(DEFAULT_TOML),
        Command::Decode(ref asked) => return decode(asked),
        Command::Device { command: DeviceCommand::Add(ref asked) } => {
            return device::add(asked).map_or_else(|error| fail(2, &error), |text| print(&text));
        }
        Command::Run(ref file) | Command::Check(ref file) => file.config.clone(),
        Command::Spool { command: SpoolCommand::Inspect(ref file) } => file.config.clone(),
    };
    let config = match pantau_settings::load::<Config>(&file) {
        Ok(config) => config,
        Err(error) => return fail(2, &format!("{error}")),
    };
    let done = match Cli::parse().command {
        Command::Check(_) => {
            let warnings = [room::warning(&config), pantau_gateway::tls_warning(&config, clock::now())];
            for warning in warnings.into_iter().flatten() {
                drop(writeln!(std::io::stderr(), "pantau-gateway: warning: {warning}"));
            }
            return print(&format!("{}: fine\n", file.display()));
        }
        Command::Spool { .. } => {
            return inspect::report(&config).map_or_else(|e| fail(1, &e.to_string()), |t| print(&t));
        }
        Command::Run(_) | Command::Config | Command::Decode(_) | Command::Device { .. } => run(config, &file),
    };
    let Err(error) = done else { return ExitCode::SUCCESS };
    let is_config = matches!(error.downcast_ref(), Some(AppError::Bind { .. }));
    fail(if is_config { 2 } else { 1 }, &format!("{error:#}"))
}

fn decode(asked: &cli::Decode) -> ExitCode {
    match explain::run(asked, &mut std::io::stdin().lock(), clock::now()) {
        Ok((text, true)) => print(&text),
        Ok((text, false)) => {
            print(&text);
            ExitCode::FAILURE
        }
        Err(error) => fail(2, &error),
    }
}

fn run(config: Config, file: &Path) -> anyhow::Result<()> {
    logging::init(config.log.level);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(cores.min(4)).max_blocking_threads(8).enable_all().build()?;
    let ended = runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let mut hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
        let bound = app::bind(&config).await?;
        let (reload, reloads) = tokio::sync::mpsc::channel(1);
        let running = app::run_reloading(bound, config, reloads, stop.clone());
        tokio::pin!(running);
        loop {
            tokio::select! {
                ended = &mut running => return ended.context("the gateway stopped"),
                _ = terminate.recv() => break,
                _ = tokio::signal::ctrl_c() => break,
                _ = hangup.recv() => {}
            }
            // A few small files: that they are read here holds nobody up for long.
            match pantau_settings::load::<Config>(file) {
                Ok(config) => drop(reload.try_send(config)),
                Err(error) => {
                    tracing::error!("the configuration was not reloaded, the old one goes on: {error}");
                }
            }
        }
        stop.cancel();
        running.await.context("while stopping")
    });
    // A thread that hangs on a dead disk is not waited for: the supervisor has to see the end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    ended
}

fn print(text: &str) -> ExitCode {
    // A reader that closes early, such as `head`, is no failure.
    drop(std::io::stdout().write_all(text.as_bytes()));
    ExitCode::SUCCESS
}

fn fail(code: u8, text: &str) -> ExitCode {
    drop(writeln!(std::io::stderr(), "pantau-gateway: {text}"));
    ExitCode::from(code)
}
