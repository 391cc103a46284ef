//! `pantau-ingest`: see [`pantau_ingest::cli`].

use clap::Parser;
use pantau_ingest::{app, cli};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    cli::main(cli::Args::parse(), app::run).await
}
