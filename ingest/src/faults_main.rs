//! `pantau-ingest-faults`: ingest on files that forget what was not synced, so that SIGKILL does what a power cut does.
//! `PANTAU_FAULTS=volatile` syncs honestly, `volatile,drop-syncs` not at all. For the crash tests only.

use clap::Parser;
use pantau_ingest::{app, cli};
use pantau_journal::faults::VolatileFiles;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let files = VolatileFiles::new();
    let faults = std::env::var("PANTAU_FAULTS").unwrap_or_default();
    files.drop_syncs(faults.split(',').any(|fault| fault == "drop-syncs"));
    cli::main(cli::Args::parse(), |bound, config, stop| app::run_on(files, bound, config, stop)).await
}
