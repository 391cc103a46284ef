//! What the demo shows: which stations there are, where its data lives, and which history is already in.

use std::io;
use std::path::{Path, PathBuf};

use pantau_ingest::config::Station;

use crate::app::AppError;
use crate::cli::DemoOptions;
use crate::config::{Config, Own};

/// Devices of the simulated fleet: three for each of the twelve kecamatan.
pub(crate) const DEVICES: u32 = 36;
/// The same city at every start.
pub(crate) const SEED: u64 = 3311;
/// Its file says that the replayed year was acknowledged whole.
const HISTORY_DONE: &str = "history-replayed";

/// `pantau/demo` in the user's data directory (XDG Base Directory Specification).
///
/// # Errors
/// Without `XDG_DATA_HOME` and `HOME`.
pub(crate) fn data_dir(options: &DemoOptions) -> Result<PathBuf, AppError> {
    if let Some(dir) = &options.data_dir {
        return Ok(dir.clone());
    }
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|dir| dir.join("pantau/demo"))
        .ok_or(AppError::NoHome)
}

/// The configuration that nobody has to write.
pub(crate) fn config(options: &DemoOptions, data_dir: &Path) -> Config {
    let mut config = Config {
        ingest: pantau_ingest::config::Config::default(),
        gateway: pantau_gateway::config::Config::default(),
    };
    config.settle(&Own { data_dir: data_dir.to_path_buf(), gateway: "demo".to_owned(), ..Own::default() });
    config.ingest.http.listen = options.http;
    config.ingest.grpc.listen = options.grpc;
    config.gateway.mqtt.listen = options.mqtt;
    // Whoever looks at the demo looks at it now, also where no clock is kept right.
    config.gateway.gateway.clock = pantau_gateway::config::ClockTrust::Always;
    config.gateway.mqtt.anonymous = true;
    config.gateway.status.listen = options.status;
    config.ingest.stations = stations();
    config
}

/// Places of the simulated devices and of the replayed weather stations.
fn stations() -> Vec<Station> {
    let fleet = pantau_sim::fleet::stations(DEVICES, SEED);
    let weather = pantau_sim::weather::stations();
    fleet
        .into_iter()
        .chain(weather)
        .filter_map(|station| {
            Some(Station {
                device: station.device.parse().ok()?,
                name: Some(station.name),
                latitude: Some(station.lat),
                longitude: Some(station.lon),
                kecamatan: Some(station.kecamatan).filter(|name| !name.is_empty()),
                kind: Some(station.kind.to_owned()),
            })
        })
        .collect()
}

/// Whether the year was replayed into this folder before.
pub(crate) fn has_history(data_dir: &Path) -> bool {
    data_dir.join(HISTORY_DONE).exists()
}

/// Remembers that it was. A crash in between replays it again, and identity makes it the same readings.
///
/// # Errors
/// As the system says.
pub(crate) fn remember_history(data_dir: &Path) -> io::Result<()> {
    std::fs::write(data_dir.join(HISTORY_DONE), "The year 2013 was replayed into this folder.\n")
}
