//! The configuration: what a gateway is told by its TOML file.
//!
//! Always: a key that is not known is refused; a secret may stand in a file of its own. `default.toml` is what
//! `pantau-gateway config` prints; a test keeps it equal to the defaults here.

mod check;
mod decode;
mod modbus;
mod mqtt_client;
mod mqtt_tls;
mod pins;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use pantau_settings::{Secret, Size, address, duration};
use serde::Deserialize;

pub use self::decode::{DecodeRule, Format, JsonReading, JsonRule, Simulated};
pub use self::modbus::{Device, Framing, Modbus, Register};
pub use self::mqtt_client::{MqttClient, Protocol};
pub use self::mqtt_tls::{ClientCerts, MqttTls};
pub use self::pins::{PinKind, PinSensor, Pins};

/// The commented default, as `pantau-gateway config` prints it.
pub const DEFAULT_TOML: &str = include_str!("default.toml");

/// Everything a gateway is told.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Who this gateway is and where it keeps its spool.
    pub gateway: Gateway,
    /// The listener for field devices.
    pub mqtt: Mqtt,
    /// Brokers that are subscribed to.
    pub mqtt_client: Vec<MqttClient>,
    /// Sensors at the pins of the board.
    pub pins: Pins,
    /// Buses of devices that are asked by Modbus.
    pub modbus: Vec<Modbus>,
    /// Topic filters and their payload formats, the first match decides; empty: `pantau/#` is `pantau`.
    pub decode: Vec<DecodeRule>,
    /// Bounds of the spool.
    pub spool: Spool,
    /// The way to ingest.
    pub uplink: Uplink,
    /// The status port.
    pub status: Status,
    /// The log on standard error.
    pub log: Log,
}

/// Who this gateway is and where it keeps its spool.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gateway {
    /// How ingest knows this gateway, 1–64 of `A-Za-z0-9-._:`.
    pub id: String,
    /// The folder of the spool; made if it is not there.
    pub data_dir: PathBuf,
    /// How often the spool syncs.
    pub profile: Profile,
    /// When the machine's clock is believed.
    pub clock: ClockTrust,
}

/// When the machine's clock is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockTrust {
    /// On a board without a clock of its own as `Kernel`; elsewhere also before that, unless it is certainly wrong.
    Auto,
    /// Only once the kernel says that it is synchronised (NTP, PTP, GPS).
    Kernel,
    /// At once.
    Always,
}

/// How often the spool syncs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// After at most 2 ms.
    Fast,
    /// At most once a second.
    Sdcard,
}

/// The MQTT listener.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mqtt {
    /// Address and port; port 0 takes any.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// Listen there, without encryption.
    pub plain: bool,
    /// Listen with TLS, too.
    pub tls: Option<MqttTls>,
    /// Connections at most.
    pub max_connections: usize,
    /// A packet at most.
    pub max_packet: Size,
    /// Devices may come without name and password.
    pub anonymous: bool,
    /// The plain words for `anonymous` on an address that others reach.
    pub anyone_on_the_network_may_publish: bool,
    /// Who may publish.
    pub user: Vec<User>,
}

/// A device's login.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The MQTT user name.
    pub name: String,
    /// Its argon2 hash in PHC form. After loading read from `password_file` if that is given; without either the user needs a
    /// certificate.
    #[serde(default)]
    pub password_hash: Option<Secret>,
    /// A file that holds the hash.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Devices that it may publish for; one that ends in `*` stands for all that begin so. None: the one of its own name.
    #[serde(default)]
    pub devices: Vec<String>,
    /// Topic filters that it may publish on. None: all.
    #[serde(default)]
    pub topics: Vec<String>,
}

/// Bounds of the spool.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Spool {
    /// All segments at most.
    pub max_size: Size,
    /// Left free on the disk at least.
    pub free_floor: Size,
    /// One segment.
    pub segment: Size,
    /// How long acked readings stay while there is room.
    #[serde(deserialize_with = "duration")]
    pub keep_acked: Duration,
}

/// The way to ingest.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Uplink {
    /// `http://host:port` of ingest's gRPC listener.
    pub url: String,
    /// Bearer token. After loading read from `token_file` if that is given.
    pub token: Secret,
    /// A file that holds the token.
    pub token_file: Option<PathBuf>,
    /// Batches in flight at most, 1–1,024.
    pub window: u32,
    /// The longest wait between two attempts.
    #[serde(deserialize_with = "duration")]
    pub retry_max: Duration,
}

/// The status port.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Status {
    /// Address and port; port 0 takes any.
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// The plain words for an address that others reach.
    pub anyone_on_the_network_may_read: bool,
}

/// The log on standard error.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The least level that is shown.
    pub level: Level,
}

/// Log levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            id: "gateway-1".into(),
            data_dir: "pantau-gateway-data".into(),
            profile: Profile::Fast,
            clock: ClockTrust::Auto,
        }
    }
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            listen: loopback(1883),
            plain: true,
            tls: None,
            max_connections: 1_000,
            max_packet: Size(64 << 10),
            anonymous: false,
            anyone_on_the_network_may_publish: false,
            user: Vec::new(),
        }
    }
}

impl Default for Spool {
    fn default() -> Self {
        Self {
            max_size: Size(4 << 30),
            free_floor: Size(256 << 20),
            segment: Size(16 << 20),
            keep_acked: Duration::from_secs(7 * 86_400),
        }
    }
}

impl Default for Uplink {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8081".into(),
            token: Secret::default(),
            token_file: None,
            window: 8,
            retry_max: Duration::from_secs(15),
        }
    }
}

impl Default for Status {
    fn default() -> Self {
        Self { listen: loopback(9080), anyone_on_the_network_may_read: false }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { level: Level::Info }
    }
}

impl Config {
    /// The rules for payloads, never empty.
    #[must_use]
    pub fn decode_rules(&self) -> Vec<DecodeRule> {
        if self.decode.is_empty() {
            return vec![DecodeRule::new("pantau/#", Format::Pantau)];
        }
        self.decode.clone()
    }
}
