//! What the whole way is compared with: mosquitto, a script with paho-mqtt and influxdb-client, victoria-metrics.

use crate::load::Shape;
use crate::peers::{Keeps, Mosquitto, VictoriaMetrics};
use pantau_e2e::clock::{Deadline, now, wait_until};
use pantau_e2e::parts::LIMIT;
use pantau_e2e::process::Proc;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The names of what the script writes.
const POINTS: &str = "pipeline_.*";

/// All three, on a folder that may have been used before.
struct Pipeline {
    broker: Mosquitto,
    store: VictoriaMetrics,
    script: Proc,
}

impl Pipeline {
    fn start(folder: &Path, keeps: Keeps) -> Self {
        let broker = Mosquitto::start(folder, keeps);
        // What the broker delivers again counts once.
        let store = VictoriaMetrics::start(folder, &["-dedup.minScrapeInterval=1ms"]);
        let (path, log) = (folder.join("pipeline.py"), folder.join("pipeline.log"));
        std::fs::write(&path, include_str!("pipeline.py")).unwrap();
        let _ = std::fs::remove_file(&log);
        let mut command = Command::new("/usr/bin/python3");
        command.arg(&path).args([broker.address.port().to_string(), store.address.port().to_string()]);
        if let Some(packages) = std::env::var_os("BENCH_PYTHONPATH") {
            command.env("PYTHONPATH", packages);
        }
        let mut script = Proc::start("pipeline.py", command, &log);
        wait_until("the script to subscribe", LIMIT, || {
            script.assert_alive();
            script.output().contains("ready")
        });
        Self { broker, store, script }
    }

    fn kill(mut self) {
        self.broker.process.kill();
        self.script.kill();
        self.store.process.kill();
    }
}

/// Messages a second, from the first PUBLISH until all points can be read; the broker keeps nothing on disk.
pub(crate) fn rate(shape: &Shape) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let mut pipeline = Pipeline::start(folder.path(), Keeps::Nothing);
    let start = now();
    let load = crate::load::mqtt(pipeline.broker.address, shape);
    let limit = Deadline::after(4 * LIMIT);
    loop {
        std::thread::sleep(Duration::from_millis(500));
        pipeline.script.assert_alive();
        let found = pipeline.store.count(POINTS);
        if found >= load.acked {
            return load.acked as f64 / start.elapsed().as_secs_f64();
        }
        assert!(!limit.passed(), "only {found} of {} acked messages can be read", load.acked);
    }
}

/// Acked messages that are nowhere after all three were killed with the last ack and started again; the broker
/// keeps its queues on disk.
pub(crate) fn lost(shape: &Shape) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = Pipeline::start(folder.path(), Keeps::Queues);
    let load = crate::load::mqtt(pipeline.broker.address, shape);
    pipeline.kill();
    let pipeline = Pipeline::start(folder.path(), Keeps::Queues);
    load.acked.saturating_sub(pipeline.store.settled_count(POINTS))
}
