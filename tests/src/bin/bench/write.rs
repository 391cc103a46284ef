//! The store's side: how many readings a second are committed from gRPC batches, and what is left after kill -9;
//! beside line protocol into victoria-metrics.

use crate::lines::Sender;
use crate::machine::write_back;
use crate::ours;
use crate::peers::VictoriaMetrics;
use crate::report::{Row, median, short, whole};
use pantau_e2e::clock::{now, now_ms};
use pantau_e2e::process::Proc;
use std::fmt::Write as _;

const SERIES: usize = 5_000;
const BATCH: usize = 10_000;
const READINGS: usize = 10_000_000;
const SENDERS: usize = 2;

/// One run of a server.
struct Run {
    /// Readings a second.
    rate: f64,
    /// Readings that cannot be read after a kill with the last ack.
    lost: u64,
    cost: Cost,
}

/// What it took of the machine until the last ack.
struct Cost {
    /// CPU seconds for a million readings.
    cpu: f64,
    /// Bytes written a reading, by the kernel's count.
    written: f64,
    /// Resident memory at most, bytes.
    memory: f64,
}

impl Cost {
    fn of(process: &Proc) -> Self {
        let readings = READINGS as f64;
        Self {
            cpu: process.cpu_seconds() / (readings / 1e6),
            written: process.written_bytes() as f64 / readings,
            memory: process.memory().1 as f64,
        }
    }
}

pub(crate) fn grpc(runs: usize) -> Vec<Row> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        ours.push(ours_once());
        theirs.push(theirs_once());
    }
    let of = |runs: &[Run], get: fn(&Run) -> f64| median(runs.iter().map(get).collect());
    let both = |get: fn(&Run) -> f64| (of(&ours, get), of(&theirs, get));
    let (our_rate, their_rate) = both(|run| run.rate);
    // Of ours the worst run counts.
    let our_loss = ours.iter().map(|run| run.lost).max().unwrap_or(0);
    let their_loss = of(&theirs, |run| run.lost as f64) as u64;
    let all = whole(READINGS as u64);
    let cost = |figure, get: fn(&Run) -> f64, wanted, most: f64| {
        let (our, their) = both(get);
        Row {
            figure,
            pantau: format!("{our:.2}"),
            peer: format!("victoria-metrics: {their:.2}"),
            ratio: Some(our / their),
            wanted,
            // What the kernel does not tell is read as nothing.
            met: our > 0.0 && our < most,
        }
    };
    vec![
        Row {
            figure: "gRPC → committed, readings per second: 5,000 series, batches of 10,000; acked and lost at kill -9",
            pantau: format!("{}; {} of {all} lost", short(our_rate), whole(our_loss)),
            peer: format!(
                "victoria-metrics, line protocol from {SENDERS} senders: {}; {} of {all} lost",
                short(their_rate),
                whole(their_loss)
            ),
            ratio: Some(our_rate / their_rate),
            wanted: "≥ 3 M and ≥ 2 × victoria-metrics, 0 lost",
            met: our_rate >= 3e6 && our_rate >= 2.0 * their_rate && our_loss == 0,
        },
        cost("CPU seconds per million at that rate", |run| run.cost.cpu, "< 0.35", 0.35),
        cost("bytes written a reading, until the last ack", |run| run.cost.written, "< 25", 25.0),
        cost("resident memory at that rate, at most, MB", |run| run.cost.memory / 1e6, "< 250", 250.0),
    ]
}

fn ours_once() -> Run {
    write_back();
    let (mut ingest, _folder) = ours::ingest("");
    let load = crate::load::grpc(ingest.grpc, SERIES, BATCH, READINGS);
    let cost = Cost::of(ingest.part.process());
    ingest.part.kill();
    ingest.start();
    let found = ours::read_back(ingest.http);
    assert!(found <= load.acked, "{found} stored of {} sent", load.acked);
    ingest.part.stop();
    Run { rate: load.per_second, lost: load.acked - found, cost }
}

/// The same. Bodies are written beforehand, as our own load generator does, so that the senders cost little.
fn theirs_once() -> Run {
    write_back();
    let folder = tempfile::tempdir().unwrap();
    let mut store = VictoriaMetrics::start(folder.path(), &[]);
    let bodies: Vec<Vec<Vec<u8>>> = (0..SENDERS).map(bodies).collect();
    let address = store.address;
    let start = now();
    std::thread::scope(|scope| {
        for bodies in &bodies {
            scope.spawn(move || {
                let mut sender = Sender::connect(address);
                bodies.iter().for_each(|body| sender.send(body));
            });
        }
    });
    let rate = READINGS as f64 / start.elapsed().as_secs_f64();
    let cost = Cost::of(&store.process);
    store.process.kill();
    let store = VictoriaMetrics::start(folder.path(), &[]);
    Run { rate, lost: (READINGS as u64).saturating_sub(store.settled_count("load_.*")), cost }
}

fn bodies(sender: usize) -> Vec<Vec<u8>> {
    let base = now_ms() - 86_400_000;
    let own = SERIES / SENDERS;
    let body = |batch: usize| {
        let mut text = String::with_capacity(BATCH * 48);
        for n in batch * BATCH..(batch + 1) * BATCH {
            let (series, step) = (sender * own + n % own, (n / own) as i64);
            let value = 20.0 + ((series * 7 + n / own) % 150) as f64 / 10.0;
            let _ = writeln!(text, "load_{series} value={value} {}", base + step * 1_000);
        }
        text.into_bytes()
    };
    (0..READINGS / SENDERS / BATCH).map(body).collect()
}
