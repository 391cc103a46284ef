//! What an operator can set, from one TOML file.
//!
//! Unknown keys are errors, so that a typing mistake never silently means the default. `pantau-ingest config` prints
//! [`DEFAULT`], which a test reads back and compares with [`Config::default`]: the printed defaults are the real ones.

mod check;
mod retention;
mod values;

use pantau_proto::{DeviceName, GatewayId, TimeMs};
use pantau_settings::{Secret, Size, address, duration};
use serde::Deserialize;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
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
    /// `[[retention]]`: quantities that are kept for another time than the rest.
    #[serde(rename = "retention")]
    pub classes: Vec<Class>,
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
    #[serde(deserialize_with = "address")]
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
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// Batches that a gateway may have under way without an ack, 1 to 256.
    pub window: u32,
}

impl Default for Grpc {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 8081).into(), window: 16 }
    }
}

/// Who keeps the readings.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Pantau itself, in files.
    #[default]
    Embedded,
    /// An InfluxDB with the v2 write API.
    Influxdb,
    /// A VictoriaMetrics.
    Victoriametrics,
}

/// Where readings are kept.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Who keeps the readings.
    pub engine: Engine,
    /// The database's address: `http://host:port` or `https://host:port`.
    pub url: String,
    /// Certificates in PEM of those who may have signed that of the database; not given: those that the machine trusts.
    pub ca_file: Option<PathBuf>,
    /// What is in that file.
    #[serde(skip)]
    pub ca: Vec<u8>,
    /// InfluxDB's organization.
    pub org: String,
    /// Where readings are written.
    pub bucket: String,
    /// What the bucket is called where it is read (`/query`); empty: as the bucket.
    pub database: String,
    /// API token that may read and write the bucket. After loading read from `token_file` if that is given.
    pub token: Secret,
    /// A file whose first line is the token.
    pub token_file: Option<PathBuf>,
    /// How long an ack waits for VictoriaMetrics to keep what it took.
    #[serde(deserialize_with = "duration")]
    pub settle: Duration,
    /// Memory of readings not yet in files; reached, they are flushed.
    pub memory: Size,
    /// The longest that a reading waits for its file.
    #[serde(deserialize_with = "duration")]
    pub flush_after: Duration,
    /// Left free on the disk at least by the journal.
    pub free_floor: Size,
    /// Months before the current one whose readings are kept, of what is in no class; 0: for ever.
    pub keep_raw_months: u32,
    /// The same of roll-ups.
    pub keep_rollup_months: u32,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            engine: Engine::Embedded,
            url: String::new(),
            ca_file: None,
            ca: Vec::new(),
            org: String::new(),
            bucket: String::new(),
            database: String::new(),
            token: Secret::default(),
            token_file: None,
            settle: Duration::from_secs(15),
            memory: Size(128 << 20),
            flush_after: Duration::from_secs(24 * 3600),
            free_floor: Size(64 << 20),
            keep_raw_months: 0,
            keep_rollup_months: 0,
        }
    }
}

/// Bounds that keep one client from harming the others.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// A reading older than this at its commit is flagged `late`.
    #[serde(deserialize_with = "duration")]
    pub late_after: Duration,
    /// Readings before this time are refused.
    #[serde(deserialize_with = "values::instant")]
    pub oldest: TimeMs,
    /// Readings that wait for the committer, all gateways together.
    pub in_flight: Size,
    /// Series that one gateway's stream may name.
    pub series_per_stream: u32,
    /// Series in one query.
    pub query_series: usize,
    /// Points in one answer.
    pub query_points: usize,
    /// How long a query may take, waiting for its turn included.
    #[serde(deserialize_with = "duration")]
    pub query_time: Duration,
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
            late_after: Duration::from_secs(600),
            oldest: TimeMs(946_684_800_000), // 2000-01-01T00:00:00Z
            in_flight: Size(64 << 20),
            series_per_stream: 100_000,
            query_series: 200,
            query_points: 1_000_000,
            query_time: Duration::from_secs(30),
            queries: 4,
            live_clients: 500,
            http_connections: 1000,
        }
    }
}

/// Quantities that are kept for another time than the rest.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Its name, which stays with its files.
    pub class: String,
    /// From the catalogue; each in one class at most.
    pub quantities: Vec<String>,
    /// Months before the current one whose readings are kept; 0: for ever.
    pub raw_months: u32,
    /// The same of roll-ups.
    pub rollup_months: u32,
}

/// A gateway that may report: exactly one of `token` and `token_file`.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// The name that the gateway gives itself.
    #[serde(deserialize_with = "values::gateway_id")]
    pub id: GatewayId,
    /// Bearer token, 16 characters or more. After loading read from `token_file` if that is given.
    #[serde(default)]
    pub token: Secret,
    /// A file whose first line is the token.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
}

/// A device's place and purpose.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Station {
    /// The device that stands there.
    #[serde(deserialize_with = "values::device")]
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

#[cfg(test)]
mod tests;
