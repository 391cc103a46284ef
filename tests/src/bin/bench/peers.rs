//! The servers that Pantau is compared with, from Debian's packages, on free ports and folders of their own.

use pantau_e2e::clock::wait_until;
use pantau_e2e::http::{get, try_get};
use pantau_e2e::ports;
use pantau_e2e::process::Proc;
use serde_json::Value;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

fn program(paths: &[&'static str], package: &str) -> &'static str {
    let found = paths.iter().find(|path| Path::new(path).exists());
    found.unwrap_or_else(|| panic!("{} is missing: apt-get install {package}", paths[0]))
}

/// A mosquitto, in memory, with queues that drop nothing.
#[derive(Debug)]
pub(crate) struct Mosquitto {
    pub(crate) process: Proc,
    pub(crate) address: SocketAddr,
}

impl Mosquitto {
    pub(crate) fn start(folder: &Path) -> Self {
        let address = ports::free();
        let config = folder.join("mosquitto.conf");
        let text = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n\
             max_inflight_messages 0\nlog_type error\nuser root\n",
            address.port()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(program(&["/usr/sbin/mosquitto", "/usr/bin/mosquitto"], "mosquitto"));
        command.arg("-c").arg(&config);
        let mut process = Proc::start("mosquitto", command, &folder.join("mosquitto.log"));
        wait_until("mosquitto to listen", LIMIT, || {
            process.assert_alive();
            TcpStream::connect(address).is_ok()
        });
        Self { process, address }
    }
}

/// A victoria-metrics on a folder that may have been used before.
#[derive(Debug)]
pub(crate) struct VictoriaMetrics {
    pub(crate) process: Proc,
    pub(crate) address: SocketAddr,
    data: PathBuf,
}

impl VictoriaMetrics {
    pub(crate) fn start(folder: &Path) -> Self {
        let address = ports::free();
        let data = folder.join("victoria-metrics");
        let mut command = Command::new(program(&["/usr/bin/victoria-metrics"], "victoria-metrics"));
        command.arg(format!("-storageDataPath={}", data.display()));
        command.arg(format!("-httpListenAddr={address}"));
        // The first quarter of 2013 is part of the real year.
        command.args([
            "-retentionPeriod=30y",
            "-search.latencyOffset=0s",
            "-search.maxUniqueTimeseries=1000000",
        ]);
        command.args(["-loggerLevel=ERROR", "-search.maxPointsPerTimeseries=10000000"]);
        let mut process = Proc::start("victoria-metrics", command, &folder.join("victoria-metrics.log"));
        wait_until("victoria-metrics to listen", LIMIT, || {
            process.assert_alive();
            try_get(address, "/health").is_ok_and(|answer| answer.status == 200)
        });
        Self { process, address, data }
    }

    /// All points in it, summed over the series whose names match `pattern`.
    pub(crate) fn count(&self, pattern: &str) -> u64 {
        let _ = get(self.address, "/internal/force_flush");
        let path = format!("/api/v1/export?match[]={{__name__=~%22{pattern}%22}}&start=0");
        let answer = get(self.address, &path);
        let lines = answer.body.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.map(|series| series["values"].as_array().map_or(0, Vec::len) as u64).sum()
    }

    /// Stops it in order and gives the bytes that it keeps.
    pub(crate) fn stop_and_measure(mut self) -> u64 {
        self.process.terminate(LIMIT);
        folder_bytes(&self.data)
    }
}

/// Bytes of all files below a folder.
pub(crate) fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => folder_bytes(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(size).sum()
}
