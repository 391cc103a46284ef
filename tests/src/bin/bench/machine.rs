//! What the figures were measured on.

use std::process::Command;

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or_default().trim().to_owned()
}

fn field(file: &str, key: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
    line.split_once([':', '=']).map_or("", |(_, value)| value).trim().trim_matches('"').to_owned()
}

/// Has the kernel write what is still in its cache, so that no figure pays for the one before it.
pub(crate) fn write_back() {
    let _ = Command::new("sync").status();
}

/// How busy the machine is: processes that want a core, averaged over the last minute.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

/// A list: command and commit, machine, what is compared with. `load_before` is what [`load`] was at the start.
pub(crate) fn describe(runs: usize, load_before: &str) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse::<u64>().unwrap_or(0);
    let disk = first_line("sh", &["-c", "df --output=fstype,source \"${TMPDIR:-/tmp}\" | tail -1"]);
    let package = |name: &str| first_line("dpkg-query", &["-W", "-f=${Version}", name]);
    format!(
        "- Command: `{}`, at commit {}.\n\
         - Machine: {cores} cores of {}, {:.0} GiB of memory, files on {}, kernel {}, {}.\n\
         - Compared with: mosquitto {}, victoria-metrics {}, paho-mqtt {}, influxdb-client {}.\n\
         - {}. The load generator runs on the same cores. Load average before the start: {load_before}.",
        command(),
        commit(),
        field("/proc/cpuinfo", "model name"),
        memory as f64 / 1024.0 / 1024.0,
        disk.split_whitespace().collect::<Vec<_>>().join(" "),
        first_line("uname", &["-r"]),
        field("/etc/os-release", "PRETTY_NAME"),
        package("mosquitto"),
        package("victoria-metrics"),
        package("python3-paho-mqtt"),
        influxdb_client(),
        if runs == 1 { "One run".to_owned() } else { format!("Medians of {runs} runs") },
    )
}

/// How to have it measured again.
fn command() -> String {
    let set = |name: &str| std::env::var(name).ok().map(|value| format!("{name}={value} "));
    let settings: String = ["BENCH_RUNS", "BENCH_ONLY"].into_iter().filter_map(set).collect();
    format!("{settings}make bench")
}

fn commit() -> String {
    let commit = first_line("git", &["rev-parse", "--short", "HEAD"]);
    // This page is what the run is for; that it is not committed yet changes nothing that is measured.
    let changes = first_line("git", &["status", "--porcelain", "--", ".", ":!BENCHMARKS.md"]);
    match (commit.is_empty(), changes.is_empty()) {
        (true, _) => "unknown".to_owned(),
        (false, true) => commit,
        (false, false) => format!("{commit} with local changes"),
    }
}

fn influxdb_client() -> String {
    let folder = std::env::var_os("BENCH_PYTHONPATH").unwrap_or_default();
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let version = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        Some(name.strip_prefix("influxdb_client-")?.strip_suffix(".dist-info")?.to_owned())
    };
    entries.filter_map(version).next().unwrap_or_default()
}
