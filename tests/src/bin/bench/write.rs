//! The store's side: how many readings a second are committed from gRPC batches; beside line protocol into
//! victoria-metrics.

use crate::peers::VictoriaMetrics;
use crate::table::{Row, median, short};
use pantau_e2e::clock::{now, now_ms, wait_until};
use pantau_e2e::parts::{Ingest, LIMIT};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

const SERIES: usize = 5_000;
const BATCH: usize = 10_000;
const READINGS: usize = 10_000_000;
const SENDERS: usize = 2;

pub(crate) fn grpc(runs: usize) -> Vec<Row> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        ours.push(ours_once());
        theirs.push(theirs_once());
    }
    vec![Row {
        figure: "gRPC → committed, readings per second, 5,000 series, batches of 10,000",
        pantau: short(median(ours)),
        beside: format!(
            "victoria-metrics, line protocol, {SENDERS} senders, not synced: {}",
            short(median(theirs))
        ),
        wanted: "≥ 2 M",
    }]
}

fn ours_once() -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let mut ingest = Ingest::new(folder.path(), None, None, "");
    ingest.start();
    let load = crate::load::grpc(ingest.grpc, SERIES, BATCH, READINGS);
    let accepted = ingest.metrics().count("pantau_ingest_accepted_total");
    assert!(accepted >= load.acked, "{} acked, {accepted} accepted", load.acked);
    ingest.part.stop();
    load.per_second
}

/// Bodies are written beforehand, as our own load generator does, so that the senders cost little.
fn theirs_once() -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let mut store = VictoriaMetrics::start(folder.path());
    let bodies: Vec<Vec<Vec<u8>>> = (0..SENDERS).map(bodies).collect();
    let start = now();
    std::thread::scope(|scope| {
        let senders: Vec<_> =
            bodies.iter().map(|bodies| scope.spawn(|| send_all(store.address, bodies))).collect();
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
    let rate = READINGS as f64 / start.elapsed().as_secs_f64();
    wait_until("a point to be readable", LIMIT, || store.count("load_0_value") > 0);
    store.process.terminate(LIMIT);
    rate
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

fn send_all(address: SocketAddr, bodies: &[Vec<u8>]) {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    for body in bodies {
        post(&mut stream, address, body);
        assert_eq!(status(&mut answers), 204);
    }
}

fn post(stream: &mut TcpStream, address: SocketAddr, body: &[u8]) {
    let head = format!(
        "POST /write?precision=ms HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
}

/// Reads one answer to its end; gives its status.
fn status(answers: &mut BufReader<TcpStream>) -> u16 {
    let (mut status, mut length) = (0, 0);
    loop {
        let mut line = String::new();
        answers.read_line(&mut line).unwrap();
        if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
            status = rest[..3].parse().unwrap();
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            let mut body = vec![0; length];
            answers.read_exact(&mut body).unwrap();
            return status;
        }
    }
}

/// Writes readings into a victoria-metrics by line protocol: (series number, time, value).
pub(crate) fn write_points(address: SocketAddr, points: impl Iterator<Item = (usize, i64, f64)>) {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let mut text = String::new();
    let mut flush = |text: &mut String| {
        post(&mut stream, address, text.as_bytes());
        assert_eq!(status(&mut answers), 204);
        text.clear();
    };
    for (series, time, value) in points {
        let _ = writeln!(text, "kept_{series} value={value} {time}");
        if text.len() > 400_000 {
            flush(&mut text);
        }
    }
    if !text.is_empty() {
        flush(&mut text);
    }
}
