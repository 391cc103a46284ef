//! What an operator can set, from one TOML file.
//!
//! Every error names file, line and what to do about it; unknown keys are errors, so that a typing mistake
//! never silently means the default. `pantau-ingest config` prints [`DEFAULT`], which a test reads back and
//! compares with [`Config::default`]: the printed defaults are the real ones.

mod check;
mod units;

pub(crate) use check::Problem;
pub use units::{ByteSize, Span};

use pantau_proto::{DeviceName, GatewayId, TimeMs};
use serde::Deserialize;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

/// The commented default configuration.
pub const DEFAULT: &str = include_str!("default.toml");

/// Everything that ingest is told from outside.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `[ingest]`
    pub ingest: Ingest,
    /// `[http]`
    pub http: Http,
    /// `[grpc]`
    pub grpc: Grpc,
    /// `[store]`
    pub store: Store,
    /// `[limits]`
    pub limits: Limits,
    /// `[[gateway]]`: who may report.
    #[serde(rename = "gateway")]
    pub gateways: Vec<Gateway>,
    /// `[[station]]`: what is known about a device beside its readings.
    #[serde(rename = "station")]
    pub stations: Vec<Station>,
}

/// Where ingest keeps its data.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Ingest {
    /// Folder of the store and the quarantine; made when it is missing.
    pub data_dir: PathBuf,
}

impl Default for Ingest {
    fn default() -> Self {
        Self { data_dir: PathBuf::from("pantau-data/ingest") }
    }
}

/// The API and the page.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// HTTP has no login yet: beyond loopback it starts only when this says that everyone may read.
    pub anyone_on_the_network_may_read: bool,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 8080).into(), anyone_on_the_network_may_read: false }
    }
}

/// The gateways' door.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Grpc {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Batches that a gateway may have under way without an ack, 1 to 256.
    pub window: u32,
}

impl Default for Grpc {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 8081).into(), window: 16 }
    }
}

/// The embedded store.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Readings not yet in files, bytes of memory; reached, they are flushed.
    pub memory_bytes: ByteSize,
    /// The longest that a reading waits for its file.
    pub flush_after: Span,
}

impl Default for Store {
    fn default() -> Self {
        Self { memory_bytes: ByteSize(128 << 20), flush_after: Span::from_secs(3600) }
    }
}

/// Bounds that keep one client from harming the others.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// A reading older than this at its commit is flagged `late`.
    pub late_after: Span,
    /// Readings before this time are refused.
    #[serde(deserialize_with = "units::instant")]
    pub oldest: TimeMs,
    /// Bytes of readings that wait for the committer, all gateways together.
    pub in_flight_bytes: ByteSize,
    /// Series that one gateway's stream may name.
    pub series_per_stream: u32,
    /// Series in one query.
    pub query_series: usize,
    /// Points in one answer.
    pub query_points: usize,
    /// Queries at the same time; more wait for their turn.
    pub queries: usize,
    /// Live (SSE) clients at the same time; more are sent away with 503.
    pub live_clients: usize,
    /// HTTP connections at the same time, live clients among them; more wait to be accepted.
    pub http_connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            late_after: Span::from_secs(600),
            oldest: TimeMs(946_684_800_000), // 2000-01-01T00:00:00Z
            in_flight_bytes: ByteSize(64 << 20),
            series_per_stream: 100_000,
            query_series: 200,
            query_points: 1_000_000,
            queries: 4,
            live_clients: 500,
            http_connections: 1000,
        }
    }
}

/// A gateway that may report: exactly one of `token` and `token_file`.
#[derive(Clone, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// The name that the gateway gives itself.
    #[serde(deserialize_with = "units::gateway_id")]
    pub id: GatewayId,
    /// Bearer token, 16 characters or more.
    #[serde(default)]
    pub token: Option<String>,
    /// A file whose first line is the token.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gateway({})", self.id.as_str())
    }
}

/// A device's place and purpose.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Station {
    /// The device that stands there.
    #[serde(deserialize_with = "units::device")]
    pub device: DeviceName,
    /// Name for people.
    #[serde(default)]
    pub name: Option<String>,
    /// Degrees north, WGS 84.
    #[serde(default)]
    pub latitude: Option<f64>,
    /// Degrees east, WGS 84.
    #[serde(default)]
    pub longitude: Option<f64>,
    /// District.
    #[serde(default)]
    pub kecamatan: Option<String>,
    /// What kind of station, free text such as `air` or `river`.
    #[serde(default)]
    pub kind: Option<String>,
}

/// Why a configuration cannot be used. Its text names place and mend.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("{}: cannot be read: {source}\n  mend: give an existing file with --config, or print one: pantau-ingest config > ingest.toml", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{file}:{line}: {problem}\n  mend: {mend}")]
    Wrong {
        /// The file as it was named.
        file: String,
        /// First line of the wrong part, counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
        /// What to do.
        mend: String,
    },
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Unreadable, not TOML, an unknown key, a value out of bounds: with file, line and mend.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| ConfigError::Read { file: file.to_path_buf(), source })?;
        Self::parse(&text, &file.display().to_string())
    }

    /// Reads and checks text; `file` is how errors call it.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let wrong = |start: usize, problem: String, mend: &str| ConfigError::Wrong {
            file: file.to_owned(),
            line: text.get(..start).map_or(1, |before| before.matches('\n').count() + 1),
            problem,
            mend: mend.to_owned(),
        };
        let config: Self = toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            wrong(
                start,
                error.message().to_owned(),
                "`pantau-ingest config` prints every key with its default",
            )
        })?;
        match config.check() {
            Ok(()) => Ok(config),
            Err(Problem { place, problem, mend }) => Err(wrong(units::start_of(text, place), problem, mend)),
        }
    }
}

#[cfg(test)]
mod tests;
