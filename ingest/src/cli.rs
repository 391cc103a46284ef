//! The command line: `pantau-ingest run|check|config|compact|verify|backup|restore|retention`.

use crate::{
    app::{self, AppError, Bound},
    care::{self, BackupArgs, RestoreArgs, RetentionArgs, VerifyArgs},
    clock::Clock,
    config::{Config, DEFAULT},
    room, startup,
    store::remote,
};
use clap::{Parser, Subcommand};
use pantau_journal::StdFiles;
use std::{
    future::Future,
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
};
use tokio_util::sync::CancellationToken;

/// The city's side of Pantau: takes what gateways deliver, keeps it, shows it.
#[derive(Debug, Parser)]
#[command(name = "pantau-ingest", version)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs until SIGTERM or SIGINT, then stops in order within 10 seconds.
    Run {
        /// TOML file; `pantau-ingest config` prints one. Without it the defaults are used.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Least severe messages in the log (stderr): error, warn, info, debug or trace.
        #[arg(long, default_value = "info", value_name = "LEVEL")]
        log: tracing::Level,
    },
    /// Checks a configuration and its token files; exit code 2 with file, line and mend when they cannot be used. A
    /// database is asked whether it answers, writes and reads; one point of the measurement pantau_probe stays there.
    Check {
        /// TOML file to check.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Makes the database's bucket when it is missing.
        #[arg(long)]
        create_bucket: bool,
    },
    /// Merges the data files of an ingest that is stopped, so that each month is one file. A running one does so by
    /// itself, little by little; this is for after a large import.
    Compact {
        /// TOML file of that ingest.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Reads every byte of a data folder, also beside a running ingest, and prints each damaged place with what it costs
    /// and how to mend it. Exit code 0: sound, 1: damage found, 2: it could not be checked.
    Verify(VerifyArgs),
    /// Copies a data folder, also beside a running ingest: everything acknowledged before is in it. Data files are hard
    /// links where TARGET is on the same file system. It is complete once TARGET has the file BACKUP.
    Backup(BackupArgs),
    /// Makes a data folder from a backup, after checking every checksum of it. The folder must be empty or missing.
    Restore(RestoreArgs),
    /// Says what retention drops and when, and drops nothing: a running ingest does that by itself. Reads the configuration
    /// and the list of files, also beside a running ingest.
    Retention(RetentionArgs),
    /// Prints a commented configuration with every default.
    Config,
}

/// Everything that a process does: parse, run until told to stop, say why not. `run` serves on the bound listeners.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the command line is this file's business")]
pub async fn main<F>(args: Args, run: impl FnOnce(Bound, Config, CancellationToken) -> F) -> ExitCode
where
    F: Future<Output = Result<(), AppError>>,
{
    let done = match args.command {
        Command::Config => {
            print!("{DEFAULT}");
            Ok(ExitCode::SUCCESS)
        }
        Command::Check { config, create_bucket } => match load(Some(&config)) {
            Ok(read) => check(&config, &read, create_bucket).await.map(|()| ExitCode::SUCCESS),
            Err(error) => Err(error),
        },
        Command::Compact { config } => load(config.as_deref()).and_then(|config| {
            println!("{}", startup::compact(StdFiles::new(), &config)?);
            Ok(ExitCode::SUCCESS)
        }),
        Command::Verify(args) => care::run_verify(args).await,
        Command::Backup(args) => care::run_backup(args).await,
        Command::Restore(args) => care::run_restore(args),
        Command::Retention(args) => care::run_retention(args).map(|()| ExitCode::SUCCESS),
        Command::Run { config, log } => {
            let colours = std::io::stderr().is_terminal();
            tracing_subscriber::fmt()
                .with_writer(std::io::stderr)
                .with_ansi(colours)
                .with_max_level(log)
                .init();
            serve(config, run).await.map(|()| ExitCode::SUCCESS)
        }
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("pantau-ingest: {error}");
            ExitCode::from(if error.is_config() { 2 } else { 1 })
        }
    }
}

/// Says what is fine and what is doubtful.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the command line is this file's business")]
async fn check(file: &Path, config: &Config, create_bucket: bool) -> Result<(), AppError> {
    if let Some(warning) = room::warning(config) {
        eprintln!("pantau-ingest: warning: {warning}");
    }
    if let Some(server) = startup::server(config) {
        let (now, oldest) = (Clock::system().now().0, config.limits.oldest.0);
        let report = remote::check::check(&server, now, oldest, create_bucket).await?;
        report.warnings.iter().for_each(|warning| eprintln!("pantau-ingest: warning: {warning}"));
        report.fine.iter().for_each(|fine| println!("{fine}"));
    }
    println!("{}: fine; {} gateways may report", file.display(), config.gateways.len());
    Ok(())
}

fn load(file: Option<&Path>) -> Result<Config, AppError> {
    Ok(file.map_or_else(|| Ok(Config::default()), pantau_settings::load)?)
}

async fn serve<F>(
    config: Option<PathBuf>,
    run: impl FnOnce(Bound, Config, CancellationToken) -> F,
) -> Result<(), AppError>
where
    F: Future<Output = Result<(), AppError>>,
{
    let config = load(config.as_deref())?;
    let bound = app::bind(&config).await?;
    let stop = CancellationToken::new();
    let running = run(bound, config, stop.clone());
    let mut running = std::pin::pin!(running);
    tokio::select! {
        ended = &mut running => ended,
        () = told_to_stop() => {
            stop.cancel();
            running.await
        }
    }
}

/// SIGTERM or SIGINT.
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!(
            "signals cannot be waited for; stop this process with SIGKILL, nothing acked is lost"
        );
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
