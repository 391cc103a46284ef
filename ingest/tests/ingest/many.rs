//! Very many series, nearly all of them idle, in a real process: written and killed, merged, dropped by retention, and
//! each time all of it is there that must be, and nothing else.
//!
//! 20,000 series; `make soak` makes it a million (`PANTAU_E2E_KILLS` = 10).

use crate::harness::{Body, TOKEN, Uplink, get, json, now, uplink};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const DAY: i64 = 86_400_000;
/// Of a batch, each of another series.
const READINGS: usize = 5_000;
/// Batches in a stream at most: there is a bound on what one may name.
const BATCHES: usize = 16;
/// Of all that is done to all series.
const LONG: Duration = Duration::from_secs(600);

/// A multiple of 5,000.
fn series() -> u32 {
    let factor = std::env::var("PANTAU_E2E_KILLS").ok().and_then(|factor| factor.parse().ok()).unwrap_or(1);
    if factor > 1 { 100_000 * factor } else { 20_000 }
}

/// Four to a device.
fn name(series: u32) -> String {
    let quantity = ["air_temperature", "relative_humidity", "pm2_5", "sound_level"][series as usize % 4];
    format!("device-{:07}/{quantity}", series / 4)
}

fn value(series: u32, pass: u32) -> f64 {
    f64::from(series % 97) / 2.0 + f64::from(pass)
}

struct Process {
    folder: PathBuf,
    http: SocketAddr,
    grpc: SocketAddr,
    child: Option<Child>,
}

impl Process {
    fn new(folder: &Path) -> Self {
        let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        Self { folder: folder.to_owned(), http: free(), grpc: free(), child: None }
    }

    /// Small tables, so that the files of a month are many. Months of readings and of roll-ups; 0: for ever.
    fn configure(&self, readings: u32, roll_ups: u32) {
        let Self { folder, http, grpc, .. } = self;
        let mut text = format!("[ingest]\ndata_dir = {:?}\n", folder.join("data"));
        let _ = write!(text, "[http]\nlisten = \"{http}\"\n[grpc]\nlisten = \"{grpc}\"\n");
        let _ = write!(text, "[[gateway]]\nid = \"gw\"\ntoken = \"{TOKEN}\"\n");
        let _ = write!(text, "[store]\nmemory = \"{} B\"\n", series() * 50);
        let _ = write!(text, "keep_raw_months = {readings}\nkeep_rollup_months = {roll_ups}\n");
        std::fs::write(self.config(), text).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.folder.join("ingest.toml")
    }

    async fn start(&mut self) {
        let log = std::fs::File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
        let run = Command::new(env!("CARGO_BIN_EXE_pantau-ingest"))
            .args(["run", "--config"])
            .arg(self.config())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.child = Some(run.unwrap());
        let http = self.http;
        self.wait_until("it is ready", async || {
            get(http, "/readyz").await.is_ok_and(|(status, _)| status == 200)
        })
        .await;
    }

    /// Waits while the process lives.
    async fn wait_until(&mut self, what: &str, reached: impl AsyncFn() -> bool) {
        let reached = async {
            while !reached().await {
                let ended = self.child.as_mut().unwrap().try_wait().unwrap();
                assert!(
                    ended.is_none(),
                    "{ended:?}: {}",
                    std::fs::read_to_string(self.folder.join("log")).unwrap()
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LONG, reached).await.expect(what);
    }

    fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Resident memory and its peak, MB.
    fn memory(&self) -> (f64, f64) {
        let id = self.child.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let field = |name: &str| -> f64 {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1e3
        };
        (field("VmRSS:"), field("VmHWM:"))
    }

    /// Runs a command on the data folder.
    fn command(&self, arguments: &[&str]) -> String {
        let run = Command::new(env!("CARGO_BIN_EXE_pantau-ingest")).args(arguments).output().unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "{arguments:?}: {said}");
        said
    }

    fn verify(&self) {
        let said = self.command(&["verify", self.folder.join("data").to_str().unwrap()]);
        assert!(said.contains("sound: "), "{said}");
    }

    async fn hello(&self, next: u64) -> (Uplink, Vec<(u64, u64)>) {
        let mut uplink = uplink(self.grpc, TOKEN).await.unwrap();
        uplink.say_hello("gw", 1, next).await;
        let reply = uplink.hello_reply().await;
        (uplink, reply.committed.iter().map(|range| (range.start, range.end)).collect())
    }

    async fn count(&self, name: &str) -> u64 {
        let (_, text) = get(self.http, "/metrics").await.unwrap();
        let name = format!("pantau_ingest_{name} ");
        let line =
            text.lines().find(|line| line.starts_with(&name)).unwrap_or_else(|| panic!("{name} in {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

/// One reading of each series of `numbers`, in batches, at positions from `first` on. Killed (-9) amid some of them, it
/// takes the rest after a start, and no acked position is missing then.
async fn write(process: &mut Process, pass: u32, numbers: &[u32], first: u64, time: i64) {
    let next = first + numbers.len() as u64;
    let batches: Vec<&[u32]> = numbers.chunks(READINGS).collect();
    let at = |batch: usize| first + (batch * READINGS) as u64;
    let streams = (batches.len() / 12).clamp(2, BATCHES);
    let mut acked = 0;
    while acked < batches.len() {
        let (mut uplink, committed) = process.hello(next).await;
        let is_committed = |batch: usize| {
            let (start, end) = (at(batch), at(batch) + batches[batch].len() as u64);
            committed.iter().any(|range| range.0 <= start && end <= range.1)
        };
        assert!((0..acked).all(is_committed), "an acked batch is gone: {committed:?}");
        while acked < batches.len() && is_committed(acked) {
            acked += 1;
        }
        let (start, end) = (acked, batches.len().min(acked + streams));
        for (batch, own) in batches.iter().enumerate().take(end).skip(start) {
            let mut body = Body::default();
            for (index, number) in (((batch - start) * READINGS) as u32..).zip(*own) {
                let of = time + i64::from(number % 60_000);
                body = body.series(&name(*number), "").reading(index, of, value(*number, pass));
            }
            uplink.batch(body.at(at(batch))).await;
            // The last of several is not waited for: the kill meets it anywhere.
            if batch == start || batch + 1 < end {
                let ack = uplink.ack().await;
                assert!(ack.rejected.is_empty(), "{:?}", ack.rejected.first());
                acked += 1;
            }
        }
        tokio::time::sleep(Duration::from_millis(u64::from(pass) * 7 + acked as u64 % 5)).await;
        process.kill();
        process.start().await;
    }
}

/// Some series, spread over all.
fn samples() -> impl Iterator<Item = u32> {
    let all = series();
    (0..400_u64).map(move |at| (at * 7_919 % u64::from(all)) as u32)
}

/// What each sampled series has: readings, and the newest one.
async fn check(process: &Process, from: i64, wanted: impl Fn(u32) -> (Vec<f64>, Option<f64>)) {
    for number in samples() {
        let (readings, newest) = wanted(number);
        let name = name(number);
        let path = format!("/api/v1/readings?series={name}&from={from}&step=raw");
        let found = json(process.http, &path).await["series"][0]["values"].clone();
        assert_eq!(found, serde_json::json!(readings), "{name}");
        let found = json(process.http, &format!("/api/v1/latest?series={name}")).await["items"].clone();
        assert_eq!(found[0]["value"].as_f64(), newest, "{name}: {found}");
    }
}

/// All names, in their order.
async fn listed(process: &Process) -> u32 {
    let (mut count, mut last, mut cursor) = (0, String::new(), String::new());
    loop {
        let page = json(process.http, &format!("/api/v1/series?limit=1000{cursor}")).await;
        for item in page["items"].as_array().unwrap() {
            let name = item["series"].as_str().unwrap();
            assert!(*last < *name, "{name} comes after {last}");
            last = name.to_owned();
            count += 1;
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={}", next.replace('/', "%2F")),
            None => return count,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn very_many_series_outlive_kills_merges_and_retention() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::new(dir.path());
    process.configure(0, 0);
    process.start().await;
    let (empty, _) = process.memory();
    let all: Vec<u32> = (0..series()).collect();
    let some: Vec<u32> = all.iter().copied().filter(|number| number.is_multiple_of(3)).collect();
    let (old, new) = (now() - 100 * DAY, now() - 600_000);
    let from = old - DAY;
    write(&mut process, 1, &all, 0, old).await;
    write(&mut process, 2, &some, all.len() as u64, new).await;
    let both = |number: u32| match number % 3 {
        0 => (vec![value(number, 1), value(number, 2)], Some(value(number, 2))),
        _ => (vec![value(number, 1)], Some(value(number, 1))),
    };
    check(&process, from, both).await;
    assert_eq!(listed(&process).await, series());
    process.kill();
    process.verify();

    let said = process.command(&["compact", "--config", process.config().to_str().unwrap()]);
    process.verify();
    process.start().await;
    let (idle, _) = process.memory();
    println!("{} series; {said}idle: {:.0} bytes each", series(), (idle - empty) * 1e6 / f64::from(series()));
    check(&process, from, both).await;
    assert_eq!(process.count("series").await, u64::from(series()));
    process.kill();

    // The readings go, what is known of each series stays.
    process.configure(1, 0);
    process.start().await;
    let http = process.http;
    let dropped = async || {
        let (_, text) = get(http, "/metrics").await.unwrap();
        text.contains(&format!("pantau_ingest_retention_dropped_readings_total {}\n", series()))
    };
    process.wait_until("the old readings are dropped", dropped).await;
    println!("dropping readings: {:.1} MB at most", process.memory().1 - idle);
    let new_only = |number: u32| if number.is_multiple_of(3) { vec![value(number, 2)] } else { Vec::new() };
    for _ in ["as it was dropped", "as it is opened"] {
        check(&process, from, |number| (new_only(number), both(number).1)).await;
        process.kill();
        process.verify();
        process.start().await;
    }
    process.kill();

    // Then all that was kept of them.
    process.configure(1, 1);
    process.start().await;
    let last = name((0..series()).rev().find(|number| !number.is_multiple_of(3)).unwrap());
    let gone = async || {
        let known = json(http, &format!("/api/v1/latest?series={last}")).await;
        known["items"].as_array().unwrap().is_empty()
    };
    process.wait_until("nothing of the old readings is known", gone).await;
    println!("dropping roll-ups: {:.1} MB at most", process.memory().1 - idle);
    for _ in ["as it was dropped", "as it is opened"] {
        check(&process, from, |number| (new_only(number), new_only(number).first().copied())).await;
        assert_eq!(listed(&process).await, series());
        process.kill();
        process.verify();
        process.start().await;
    }
}
