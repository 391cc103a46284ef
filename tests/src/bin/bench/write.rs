//! The store's side: how many readings a second are committed from gRPC batches, and what is left after kill -9;
//! beside line protocol into victoria-metrics.

use crate::lines::Sender;
use crate::machine::write_back;
use crate::ours;
use crate::peers::VictoriaMetrics;
use crate::report::{Row, median, short, whole};
use pantau_e2e::clock::{now, now_ms};
use std::fmt::Write as _;

const SERIES: usize = 5_000;
const BATCH: usize = 10_000;
const READINGS: usize = 10_000_000;
const SENDERS: usize = 2;

pub(crate) fn grpc(runs: usize) -> Vec<Row> {
    let (mut our_rates, mut our_losses) = (Vec::new(), Vec::new());
    let (mut their_rates, mut their_losses) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let (rate, lost) = ours_once();
        our_rates.push(rate);
        our_losses.push(lost);
        let (rate, lost) = theirs_once();
        their_rates.push(rate);
        their_losses.push(lost as f64);
    }
    let (our_rate, their_rate) = (median(our_rates), median(their_rates));
    // Of ours the worst run counts.
    let our_loss = our_losses.into_iter().max().unwrap_or(0);
    let all = whole(READINGS as u64);
    vec![Row {
        figure: "gRPC → committed, readings per second: 5,000 series, batches of 10,000; acked and lost at kill -9",
        pantau: format!("{}; {} of {all} lost", short(our_rate), whole(our_loss)),
        peer: format!(
            "victoria-metrics, line protocol from {SENDERS} senders: {}; {} of {all} lost",
            short(their_rate),
            whole(median(their_losses) as u64)
        ),
        ratio: Some(our_rate / their_rate),
        wanted: "≥ 2 M, 0 lost",
        met: our_rate >= 2e6 && our_loss == 0,
    }]
}

/// Readings a second, and how many of them cannot be read after a kill with the last ack.
fn ours_once() -> (f64, u64) {
    write_back();
    let (mut ingest, _folder) = ours::ingest("");
    let load = crate::load::grpc(ingest.grpc, SERIES, BATCH, READINGS);
    ingest.part.kill();
    ingest.start();
    let found = ours::read_back(ingest.http);
    assert!(found <= load.acked, "{found} stored of {} sent", load.acked);
    ingest.part.stop();
    (load.per_second, load.acked - found)
}

/// The same. Bodies are written beforehand, as our own load generator does, so that the senders cost little.
fn theirs_once() -> (f64, u64) {
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
    store.process.kill();
    let store = VictoriaMetrics::start(folder.path(), &[]);
    (rate, (READINGS as u64).saturating_sub(store.settled_count("load_.*")))
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
