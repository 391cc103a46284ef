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
    /// Show what would come of a payload (read from standard input), and why not
    Decode(Decode),
    /// Make a device's login
    Device {
        /// What to do with it.
        #[command(subcommand)]
        command: DeviceCommand,
    },
    /// Look into the spool of a gateway that is not running
    Spool {
        /// What to look at.
        #[command(subcommand)]
        command: SpoolCommand,
    },
}

/// What to do with a device.
#[derive(Debug, Subcommand)]
pub enum DeviceCommand {
    /// Add a user to the configuration, and print what to type into the device (and a QR code of it)
    Add(AddDevice),
}

/// A device that is to get a login.
#[derive(Debug, Args)]
pub struct AddDevice {
    /// Its name, which is its user name, too
    #[arg(value_name = "NAME")]
    pub name: String,
    /// How the device reaches this machine; the host name unless it is given
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// The configuration, to which a [[mqtt.user]] table is added
    #[command(flatten)]
    pub file: File,
}

/// What to look at.
#[derive(Debug, Subcommand)]
pub enum SpoolCommand {
    /// Print segments, positions, epoch and what ingest has
    Inspect(File),
}

/// A payload and the rules that it is read by. Ends with 0 when something could be read, else with 1.
#[derive(Debug, Args)]
pub struct Decode {
    /// The configuration file whose [[decode]] rules hold
    #[arg(long, short, value_name = "FILE", required_unless_present = "profile")]
    pub config: Option<PathBuf>,
    /// The format, as in `format` of a rule; with --config its first rule of this format
    #[arg(long, short, value_name = "FORMAT")]
    pub profile: Option<String>,
    /// The topic that the payload came on
    #[arg(long, short, value_name = "TOPIC")]
    pub topic: String,
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// Decode it so often and print only how long one takes
    #[arg(long, value_name = "TIMES", conflicts_with = "json")]
    pub repeat: Option<u32>,
}

/// The configuration.
#[derive(Debug, Args)]
pub struct File {
    /// The configuration file (TOML)
    #[arg(long, short, value_name = "FILE")]
    pub config: PathBuf,
}
