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

/// A paragraph: commit, processor, memory, kernel, disk, versions of the peers.
pub(crate) fn describe(runs: usize) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse::<u64>().unwrap_or(0);
    let dirty = !first_line("git", &["status", "--porcelain"]).is_empty();
    let package = |name: &str| first_line("dpkg-query", &["-W", "-f=${Version}", name]);
    format!(
        "Commit {}{}, {}. {cores} cores of {}, {:.0} GiB, {}, kernel {}, temporary files on {}. \
         Medians of {runs}; the load generator runs on the same cores. mosquitto {}, victoria-metrics {}.",
        first_line("git", &["rev-parse", "--short", "HEAD"]),
        if dirty { " with local changes" } else { "" },
        first_line("date", &["-u", "+%Y-%m-%d"]),
        field("/proc/cpuinfo", "model name"),
        memory as f64 / 1024.0 / 1024.0,
        field("/etc/os-release", "PRETTY_NAME"),
        first_line("uname", &["-r"]),
        first_line("sh", &["-c", "df --output=fstype,source \"${TMPDIR:-/tmp}\" | tail -1"]),
        package("mosquitto"),
        package("victoria-metrics"),
    )
}
