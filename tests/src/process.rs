//! A running binary, ended with its guard. Its stderr is kept in a file and printed when a test fails.

use crate::clock::{Deadline, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// How to build what the whole-system tests start; printed when a binary is missing.
pub const BUILD: &str = "cargo build --release --workspace --bins";
/// The same for the binaries with the volatile file layer.
pub const BUILD_FAULTS: &str = "cargo build --release --workspace \
     --features pantau-gateway/faults,pantau-ingest/faults \
     --bin pantau-gateway-faults --bin pantau-ingest-faults";

/// The binary `name` of this build: beside the running test, or in `PANTAU_BIN_DIR`.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let folder = std::env::var_os("PANTAU_BIN_DIR").map(PathBuf::from).unwrap_or_else(|| {
        let own = std::env::current_exe().expect("the test knows its own path");
        let folder = own.parent().expect("a file is in a folder");
        if folder.ends_with("deps") { folder.parent().unwrap().to_owned() } else { folder.to_owned() }
    });
    let path = folder.join(name);
    let build = if name.ends_with("-faults") { BUILD_FAULTS } else { BUILD };
    assert!(path.exists(), "{} is missing; build it first: {build}", path.display());
    path
}

/// A started process. Dropping it kills it.
#[derive(Debug)]
pub struct Proc {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Proc {
    /// Starts `command` with stdin closed and stdout and stderr appended to `log`.
    #[must_use]
    pub fn start(name: &str, mut command: Command, log: &Path) -> Self {
        let out = File::options().create(true).append(true).open(log).expect("the log can be written");
        let err = out.try_clone().expect("a file handle can be cloned");
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self { name: name.to_owned(), child, log: log.to_owned(), ended: None }
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it printed so far, over all its lives on this log.
    #[must_use]
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("the child can be asked");
        }
        self.ended
    }

    /// Panics if it has ended by itself.
    #[track_caller]
    pub fn assert_alive(&mut self) {
        if let Some(status) = self.ended() {
            panic!("{} ended by itself with {status}:\n{}", self.name, tail(&self.output()));
        }
    }

    /// SIGKILL: nothing of it runs on, nothing is cleaned up.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            let _ = self.child.kill();
            self.ended = Some(self.child.wait().expect("a killed child can be waited for"));
        }
    }

    /// Sends SIGTERM and returns at once.
    pub fn signal_term(&mut self) {
        if self.ended().is_none() {
            let pid = Pid::from_child(&self.child);
            kill_process(pid, Signal::TERM).expect("the child can be signalled");
        }
    }

    /// SIGTERM, then waits; panics if it is still there after `limit`.
    #[track_caller]
    pub fn terminate(&mut self, limit: Duration) -> ExitStatus {
        self.signal_term();
        self.wait(limit)
    }

    /// Waits for its end; panics if it is still there after `limit`.
    #[track_caller]
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Deadline::after(limit);
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(
                !deadline.passed(),
                "{} still runs after {limit:?}:\n{}",
                self.name,
                tail(&self.output())
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Polls until `probe` gives something, while the process lives.
    #[track_caller]
    pub fn wait_for<T>(&mut self, what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
        wait_for(what, limit, || {
            self.assert_alive();
            probe()
        })
    }

    /// Resident memory now, and its peak, in bytes.
    #[must_use]
    pub fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) * 1024
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// Bytes that it has made the kernel write to disks so far.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        let io = std::fs::read_to_string(format!("/proc/{}/io", self.id())).unwrap_or_default();
        let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
        line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
    }

    /// CPU seconds used so far, user and system.
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        let after = stat.rsplit(')').next().unwrap_or_default();
        let ticks: u64 =
            after.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<u64>().ok()).sum();
        ticks as f64 / 100.0
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {} ({}):\n{}\n---", self.name, self.log.display(), tail(&self.output()));
        }
    }
}

/// The last 40 lines.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// Runs a command to its end and returns (exit code, stdout, stderr); panics after `limit`.
#[track_caller]
pub fn run(command: Command, limit: Duration) -> (i32, String, String) {
    run_fed(command, Stdio::null(), limit)
}

/// The same for a command that reads `input`.
#[track_caller]
pub fn run_fed(mut command: Command, input: Stdio, limit: Duration) -> (i32, String, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    command.stdin(input).stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let deadline = Deadline::after(limit);
    let read = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    loop {
        if let Some(status) = child.try_wait().expect("the child can be asked") {
            return (status.code().unwrap_or(-1), read(&out), read(&err));
        }
        if deadline.passed() {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{command:?} still runs after {limit:?}:\n{}\n{}", tail(&read(&out)), tail(&read(&err)));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
