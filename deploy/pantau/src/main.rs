//! `pantau`: gateway and ingest in one process; see [`cli`].

mod app;
mod cli;
mod config;
mod demo;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use app::AppError;
use cli::{Cli, Command};

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Demo(options) => run(pantau_gateway::config::Level::Warn, app::demo(options)),
        Command::Serve { config } => config::Config::load(&config)
            .map_err(AppError::from)
            .and_then(|config| run(config.gateway.log.level, app::serve(config))),
        Command::Config => {
            // A reader that closes early, such as `head`, is no failure.
            drop(std::io::stdout().write_all(config::DEFAULT_TOML.as_bytes()));
            Ok(())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "pantau: {error}"));
            ExitCode::from(if error.is_users() { 2 } else { 1 })
        }
    }
}

fn run(
    level: pantau_gateway::config::Level,
    work: impl Future<Output = Result<(), AppError>>,
) -> Result<(), AppError> {
    pantau_gateway::logging::init(level);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(AppError::Runtime)?;
    let done = runtime.block_on(work);
    // Everything was joined or has had its time: a thread that hangs must not keep the process.
    runtime.shutdown_background();
    done
}
