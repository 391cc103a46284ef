//! What can be asked of the simulator: the options of its subcommands, also for callers inside of a process.

use std::time::Duration;

use clap::Args;

use crate::fleet::{Faults, MAX_DEVICES};

/// Where the devices connect.
#[derive(Args, Clone, Debug)]
pub struct BrokerOptions {
    /// The gateway or broker
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:1883")]
    pub broker: String,
    /// User name
    #[arg(long, requires = "password")]
    pub user: Option<String>,
    /// Its password
    #[arg(long, requires = "user")]
    pub password: Option<String>,
}

impl BrokerOptions {
    /// A gateway at `broker` without a login.
    #[must_use]
    pub fn at(broker: impl Into<String>) -> Self {
        Self { broker: broker.into(), user: None, password: None }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> Option<(String, u16)> {
        let (host, port) = self.broker.rsplit_once(':')?;
        Some((host.trim_matches(['[', ']']).into(), port.parse().ok()?))
    }

    pub(crate) fn login(&self) -> Option<(String, String)> {
        Some((self.user.clone()?, self.password.clone()?))
    }
}

/// Options of `fleet`.
#[derive(Args, Clone, Debug)]
pub struct FleetOptions {
    #[command(flatten)]
    pub broker: BrokerOptions,
    /// How many devices
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_DEVICES)))]
    pub devices: u32,
    /// Time between two messages of a device: 500ms, 1s, 10m
    #[arg(long, default_value = "1s", value_parser = duration)]
    pub period: Duration,
    /// First so much of the past, a message a minute with its own time, as fast as it is acknowledged: 24h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub past: Option<Duration>,
    /// Same seed, same city
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Connections that the devices share [default: one each, at most 20]
    #[arg(long, value_name = "C")]
    pub connections: Option<u32>,
    /// Most publishes in flight on a connection
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    pub window: u16,
    /// Stop after so long
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub run_for: Option<Duration>,
    #[command(flatten)]
    pub faults: Faults,
}

impl FleetOptions {
    /// `devices` devices, a message a second each, without faults.
    #[must_use]
    pub fn new(broker: BrokerOptions, devices: u32, seed: u64) -> Self {
        Self {
            broker,
            devices,
            period: Duration::from_secs(1),
            past: None,
            seed,
            connections: None,
            window: 100,
            run_for: None,
            faults: Faults::default(),
        }
    }
}

/// Options of `replay`.
#[derive(Args, Clone, Debug)]
pub struct ReplayOptions {
    #[command(flatten)]
    pub broker: BrokerOptions,
    /// Hours of the year that pass in an hour; 3600 is one observation a second
    #[arg(long, default_value_t = 3600.0, value_parser = speed)]
    pub speed: f64,
    /// The whole year with its own times, as fast as it is acknowledged, then end
    #[arg(long)]
    pub history: bool,
    /// Which stations
    #[arg(long, value_name = "DEVICES", value_delimiter = ',', default_values = ["wx-ewr", "wx-jfk", "wx-lga"], value_parser = ["wx-ewr", "wx-jfk", "wx-lga"])]
    pub stations: Vec<String>,
    /// Most publishes in flight on a connection
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..))]
    pub window: u16,
    /// Stop after so long
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub run_for: Option<Duration>,
}

impl ReplayOptions {
    /// All three stations, live, one observation a second.
    #[must_use]
    pub fn live(broker: BrokerOptions) -> Self {
        let stations = crate::weather::stations().into_iter().map(|station| station.device).collect();
        Self { broker, speed: 3600.0, history: false, stations, window: 500, run_for: None }
    }

    /// All three stations, the whole year with its own times.
    #[must_use]
    pub fn history(broker: BrokerOptions) -> Self {
        Self { history: true, ..Self::live(broker) }
    }
}

/// `500ms`, `1s`, `10m`, `2h`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let scale = match &text[digits.len()..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err("a time is a number with ms, s, m or h".into()),
    };
    let number: f64 = digits.parse().map_err(|_| format!("{digits:?} is not a number"))?;
    let time = Duration::try_from_secs_f64(number * scale).map_err(|error| error.to_string())?;
    if time < Duration::from_millis(1) { Err("at least 1ms".into()) } else { Ok(time) }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(speed) if (0.001..=1_000_000.0).contains(&speed) => Ok(speed),
        _ => Err("a speed is a number from 0.001 to 1000000".into()),
    }
}
