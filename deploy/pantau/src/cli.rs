//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Pantau keeps watch: gateway, ingest and the page in one process
#[derive(Debug, Parser)]
#[command(name = "pantau", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Simulated devices, gateway, ingest and the page; nothing to configure
    Demo(DemoOptions),
    /// Gateway, ingest and the page for real devices, from a configuration file
    Serve {
        /// The configuration; `pantau config` prints one
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Prints a commented default configuration for `serve`
    Config,
}

/// Options of `pantau demo`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoOptions {
    /// Where the data lives; kept from run to run [default: pantau/demo in the user's data directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The page and the API (port 0 takes a free one)
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) http: SocketAddr,
    /// Where gateways report to ingest
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8081")]
    pub(crate) grpc: SocketAddr,
    /// Where devices connect
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1883")]
    pub(crate) mqtt: SocketAddr,
    /// The gateway's own status page
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9080")]
    pub(crate) status: SocketAddr,
    /// Stop after so many seconds
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) run_for: Option<Duration>,
    /// No simulated devices
    #[arg(long)]
    pub(crate) no_sim: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no number of seconds");
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}
