//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Takes readings from field devices in durably and forwards them to ingest.
#[derive(Debug, Parser)]
#[command(name = "pantau-gateway", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run until SIGTERM or SIGINT
    Run(File),
    /// Check the configuration and say what is wrong, where, and how to mend it
    Check(File),
    /// Print a commented configuration with the defaults
    Config,
    /// Look into the spool of a gateway that is not running
    Spool {
        /// What to look at.
        #[command(subcommand)]
        command: SpoolCommand,
    },
}

/// What to look at.
#[derive(Debug, Subcommand)]
pub enum SpoolCommand {
    /// Print segments, positions, epoch and what ingest has
    Inspect(File),
}

/// The configuration.
#[derive(Debug, Args)]
pub struct File {
    /// The configuration file (TOML)
    #[arg(long, short, value_name = "FILE")]
    pub config: PathBuf,
}
