//! The command line of `pantau-sim`.

use clap::{Parser, Subcommand};

use crate::load::{GrpcLoad, MqttLoad};
use crate::options::{FleetOptions, ReplayOptions};

/// Field devices in software, for trying Pantau and for driving it hard.
#[derive(Debug, Parser)]
#[command(name = "pantau-sim", version, propagate_version = true)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Three real weather stations replay the year 2013
    Replay {
        #[command(flatten)]
        options: ReplayOptions,
        /// Print the summary as JSON
        #[arg(long)]
        json: bool,
    },
    /// Simulated devices at the 12 kecamatan of Sukoharjo, with faults on demand
    Fleet {
        #[command(flatten)]
        options: Box<FleetOptions>,
        /// Print the summary as JSON
        #[arg(long)]
        json: bool,
    },
    /// Drive a gateway, a broker or ingest as hard as asked
    Load {
        /// Which side
        #[command(subcommand)]
        side: Side,
    },
}

/// What `load` drives.
#[derive(Debug, Subcommand)]
pub enum Side {
    /// A gateway or any MQTT 3.1.1 broker
    Mqtt {
        #[command(flatten)]
        options: MqttLoad,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
    /// Ingest, as a gateway does
    Grpc {
        #[command(flatten)]
        options: GrpcLoad,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
}
