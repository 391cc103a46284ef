//! `pantau-sim`: arguments, logging, exit code.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use pantau_sim::app::{self, SimError};
use pantau_sim::cli::Cli;
use tracing::level_filters::LevelFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    tracing_subscriber::fmt().with_max_level(LevelFilter::INFO).with_writer(std::io::stderr).init();
    let printed = app::run(cli).and_then(|text| Ok(writeln!(std::io::stdout(), "{text}")?));
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error @ SimError::Option(_)) => {
            tracing::error!("{error}");
            ExitCode::from(2)
        }
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
