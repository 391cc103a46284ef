//! The gateway and ingest as processes on folders and ports of their own, started and started again.

use crate::clock::wait_until;
use crate::http::try_get;
use crate::metrics::Metrics;
use crate::ports;
use crate::process::{Proc, binary};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// Longer than this, and a start or a stop counts as a hang.
pub const LIMIT: Duration = Duration::from_secs(30);
/// What a graceful stop may take at most, as the design promises.
pub const STOP: Duration = Duration::from_secs(10);
/// The token that both sides know.
pub const TOKEN: &str = "e2e-token-e2e-token-e2e-token-32";
/// The id that gateways go by, unless a test says otherwise.
pub const GATEWAY: &str = "gw-e2e";

/// What every part has in common: a binary, a config file, a log, and a process now and then.
#[derive(Debug)]
pub struct Part {
    pub name: &'static str,
    pub config: PathBuf,
    pub data: PathBuf,
    log: PathBuf,
    faults: Option<String>,
    process: Option<Proc>,
}

impl Part {
    fn new(name: &'static str, folder: &Path, faults: Option<&str>) -> Self {
        let config = folder.join(format!("{name}.toml"));
        let log = folder.join(format!("{name}.log"));
        let faults = faults.map(str::to_owned);
        Self { name, config, data: folder.join(name), log, faults, process: None }
    }

    /// Starts the process and returns at once.
    pub fn launch(&mut self) {
        assert!(self.process.is_none(), "{} runs already", self.name);
        let name = match self.faults {
            Some(_) => format!("{}-faults", self.name),
            None => self.name.to_owned(),
        };
        let mut command = Command::new(binary(&name));
        command.args(["run", "--config"]).arg(&self.config);
        if let Some(faults) = &self.faults {
            command.env("PANTAU_FAULTS", faults);
        }
        command.env("RUST_BACKTRACE", "1");
        self.process = Some(Proc::start(self.name, command, &self.log));
    }

    /// The running process.
    #[track_caller]
    pub fn process(&mut self) -> &mut Proc {
        self.process.as_mut().expect("the part is started")
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.assert_alive();
            process.kill();
        }
    }

    /// Lets go of a process that has ended or may have.
    pub fn kill_if_running(&mut self) {
        self.process = None;
    }

    /// SIGTERM; must end well within the promised time.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        let Some(mut process) = self.process.take() else { panic!("{} does not run", self.name) };
        let status = process.terminate(STOP);
        assert!(status.success(), "{} ended with {status}:\n{}", self.name, process.output());
        status
    }

    /// Runs another command of its binary on its config; gives back what it prints.
    #[track_caller]
    #[must_use]
    pub fn command(&self, command: &str) -> String {
        let ran = Command::new(binary(self.name)).arg(command).arg("--config").arg(&self.config).output();
        let ran = ran.expect("the binary runs");
        let errors = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{} {command} ended with {}: {errors}", self.name, ran.status);
        String::from_utf8_lossy(&ran.stdout).into_owned()
    }

    /// All that it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

/// A gateway.
#[derive(Debug)]
pub struct Gateway {
    pub part: Part,
    pub mqtt: SocketAddr,
    pub status: SocketAddr,
}

impl Gateway {
    /// Writes the config of a gateway that reports to `uplink`; `extra` is TOML that is added to it.
    #[must_use]
    pub fn new(
        folder: &Path,
        uplink: SocketAddr,
        faults: Option<&str>,
        data: Option<&Path>,
        extra: &str,
    ) -> Self {
        let mut part = Part::new("pantau-gateway", folder, faults);
        if let Some(data) = data {
            data.clone_into(&mut part.data);
        }
        let (mqtt, status) = (ports::free(), ports::free());
        let config = format!(
            "[gateway]\nid = \"{GATEWAY}\"\ndata_dir = {data:?}\nprofile = \"fast\"\n\n\
             [mqtt]\nlisten = \"{mqtt}\"\nanonymous = true\n\n\
             [uplink]\nurl = \"http://{uplink}\"\ntoken = \"{TOKEN}\"\n\n\
             [status]\nlisten = \"{status}\"\n\n{extra}",
            data = part.data,
        );
        std::fs::write(&part.config, merged(&config)).expect("the config can be written");
        Self { part, mqtt, status }
    }

    /// Starts it and waits until it takes connections.
    #[track_caller]
    pub fn start(&mut self) {
        self.part.launch();
        let (mqtt, status) = (self.mqtt, self.status);
        let process = self.part.process();
        wait_until("the gateway to listen", LIMIT, || {
            process.assert_alive();
            TcpStream::connect(mqtt).is_ok() && TcpStream::connect(status).is_ok()
        });
    }

    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics::scrape(self.status)
    }

    /// Waits until everything that it took in is acked by ingest.
    #[track_caller]
    pub fn wait_drained(&mut self, limit: Duration) {
        let status = self.status;
        let process = self.part.process();
        let mut last = String::new();
        let drained = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_until("the gateway's backlog to drain", limit, || {
                process.assert_alive();
                let Ok(answer) = try_get(status, "/metrics") else { return false };
                last = answer.body;
                let Ok(metrics) = Metrics::parse(&last) else { return false };
                metrics.find("pantau_gateway_backlog_readings") == Some(0.0)
            });
        }));
        if let Err(panic) = drained {
            let ours: Vec<&str> = last.lines().filter(|line| line.starts_with("pantau_")).collect();
            eprintln!("the gateway's last metrics:\n{}", ours.join("\n"));
            std::panic::resume_unwind(panic);
        }
    }
}

/// An ingest service.
#[derive(Debug)]
pub struct Ingest {
    pub part: Part,
    pub http: SocketAddr,
    pub grpc: SocketAddr,
}

impl Ingest {
    /// Writes the config of an ingest that knows the one gateway; `extra` is TOML that is added to it.
    #[must_use]
    pub fn new(folder: &Path, faults: Option<&str>, data: Option<&Path>, extra: &str) -> Self {
        let mut part = Part::new("pantau-ingest", folder, faults);
        if let Some(data) = data {
            data.clone_into(&mut part.data);
        }
        let (http, grpc) = (ports::free(), ports::free());
        let config = format!(
            "[ingest]\ndata_dir = {data:?}\n\n[http]\nlisten = \"{http}\"\n\n[grpc]\nlisten = \"{grpc}\"\n\n\
             [[gateway]]\nid = \"{GATEWAY}\"\ntoken = \"{TOKEN}\"\n\n{extra}",
            data = part.data,
        );
        std::fs::write(&part.config, merged(&config)).expect("the config can be written");
        Self { part, http, grpc }
    }

    /// Starts it and waits until it says that it is ready.
    #[track_caller]
    pub fn start(&mut self) {
        self.part.launch();
        let http = self.http;
        let process = self.part.process();
        wait_until("ingest to be ready", LIMIT, || {
            process.assert_alive();
            try_get(http, "/readyz").is_ok_and(|answer| answer.status == 200)
        });
    }

    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics::scrape(self.http)
    }
}

/// Folds a table that comes twice (once from the harness, once from a test's extra lines) into one.
fn merged(config: &str) -> String {
    let mut tables: Vec<(String, Vec<&str>)> = vec![(String::new(), Vec::new())];
    for line in config.lines() {
        if line.starts_with('[') {
            let known = tables.iter().position(|(name, _)| name == line && !line.starts_with("[["));
            let table = match known {
                Some(at) => tables.remove(at),
                None => (line.to_owned(), Vec::new()),
            };
            tables.push(table);
        } else {
            let lines = &mut tables.last_mut().unwrap().1;
            let key = line.split('=').next().unwrap_or_default().trim().to_owned();
            lines.retain(|old| key.is_empty() || old.split('=').next().unwrap_or_default().trim() != key);
            lines.push(line);
        }
    }
    tables.iter().map(|(name, lines)| format!("{name}\n{}\n", lines.join("\n"))).collect()
}

#[cfg(test)]
mod tests {
    use super::merged;

    #[test]
    fn a_later_line_replaces_an_earlier_one_of_the_same_table() {
        let config = merged("[a]\nx = 1\ny = 2\n[[b]]\nz = 1\n[[b]]\nz = 2\n[a]\nx = 3\n");
        assert_eq!(config, "\n\n[[b]]\nz = 1\n[[b]]\nz = 2\n[a]\ny = 2\nx = 3\n");
    }
}
