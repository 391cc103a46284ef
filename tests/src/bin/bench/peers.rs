//! The servers that Pantau is compared with, from Debian's packages, on free ports and folders of their own,
//! with the settings that suit them best: queues that drop nothing, nothing logged, nothing held back.

pub(crate) use pantau_e2e::broker::{Keeps, Mosquitto};
use pantau_e2e::clock::{now_ms, wait_until};
use pantau_e2e::http::{encode, get, get_json, try_get};
use pantau_e2e::ports;
use pantau_e2e::process::Proc;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

fn program(paths: &[&'static str], package: &str) -> &'static str {
    let found = paths.iter().find(|path| Path::new(path).exists());
    found.unwrap_or_else(|| panic!("{} is missing: apt-get install {package}", paths[0]))
}

/// A victoria-metrics on a folder that may have been used before.
#[derive(Debug)]
pub(crate) struct VictoriaMetrics {
    pub(crate) process: Proc,
    pub(crate) address: SocketAddr,
    data: PathBuf,
}

impl VictoriaMetrics {
    /// `options` are added to its command line.
    pub(crate) fn start(folder: &Path, options: &[&str]) -> Self {
        let address = ports::free();
        let data = folder.join("victoria-metrics");
        let mut command = Command::new(program(&["/usr/bin/victoria-metrics"], "victoria-metrics"));
        command.arg(format!("-storageDataPath={}", data.display()));
        command.arg(format!("-httpListenAddr={address}"));
        // The real year is 2013.
        command
            .args(["-retentionPeriod=30y", "-search.latencyOffset=0s", "-loggerLevel=ERROR"])
            .args(options);
        let mut process = Proc::start("victoria-metrics", command, &folder.join("victoria-metrics.log"));
        wait_until("victoria-metrics to listen", LIMIT, || {
            process.assert_alive();
            try_get(address, "/health").is_ok_and(|answer| answer.status == 200)
        });
        Self { process, address, data }
    }

    /// All points that can be read, of the series whose names match `pattern`.
    pub(crate) fn count(&self, pattern: &str) -> u64 {
        let _ = get(self.address, "/internal/force_flush");
        let query = format!("sum(count_over_time({{__name__=~\"{pattern}\"}}[20y]))");
        let time = now_ms() / 1_000 + 3_600;
        let path = format!("/api/v1/query?nocache=1&time={time}&query={}", encode(&query));
        let answer = get_json(self.address, &path);
        let value = answer["data"]["result"][0]["value"][1].as_str();
        value.map_or(0, |value| value.parse::<f64>().expect("a count") as u64)
    }

    /// The same, once it has not changed for longer than a new series takes to be found (about ten seconds).
    pub(crate) fn settled_count(&self, pattern: &str) -> u64 {
        let (mut last, mut same) = (0, 0);
        while same < 15 {
            std::thread::sleep(Duration::from_secs(1));
            let found = self.count(pattern);
            same = if found == last { same + 1 } else { 0 };
            last = found;
        }
        last
    }

    /// Stops it in order and gives the bytes that it keeps, without its cache.
    pub(crate) fn stop_and_measure(mut self) -> u64 {
        self.process.terminate(LIMIT);
        folder_bytes(&self.data) - folder_bytes(&self.data.join("cache"))
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
