//! `make bench`: the figures that Pantau promises, each beside what it is compared with, in the same run.
//!
//! What it prints on stdout is BENCHMARKS.md, word for word; what it does meanwhile goes to stderr.
//! `BENCH_RUNS=1` measures once instead of three times, `BENCH_ONLY=acked,latency` only some figures. A figure
//! that cannot be measured is named as such, the others are measured all the same, and the exit code is 1.
//!
#![doc = include_str!("method.md")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark that cannot measure has nothing to say but where and why"
)]

mod beside;
mod decode;
mod idle;
mod lines;
mod live;
mod load;
mod machine;
mod mqtt;
mod ours;
mod peers;
mod pipeline;
mod recovery;
mod report;
mod sizes;
mod store;
mod visible;
mod way;
mod write;

use report::{Report, Row};
use std::process::ExitCode;

type Measure = fn(runs: usize) -> Vec<Row>;

const FIGURES: [(&str, Measure); 12] = [
    ("acked", mqtt::acked),
    ("latency", mqtt::latency),
    ("decode", decode::decode),
    ("way", way::way),
    ("live", live::live),
    ("grpc", write::grpc),
    ("visible", visible::visible),
    ("sizes", sizes::sizes),
    ("store", store::store),
    ("recovery", recovery::recovery),
    ("idle", idle::idle),
    ("memory", mqtt::memory),
];

fn main() -> ExitCode {
    let runs = std::env::var("BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(3).max(1);
    let only = std::env::var("BENCH_ONLY").unwrap_or_default();
    let wanted: Vec<&str> = only.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if let Some(wrong) = wanted.iter().find(|name| FIGURES.iter().all(|(known, _)| known != *name)) {
        let known: Vec<&str> = FIGURES.iter().map(|(name, _)| *name).collect();
        eprintln!("BENCH_ONLY: there is no {wrong:?}; there are: {}", known.join(", "));
        return ExitCode::from(2);
    }
    let load_before = machine::load();
    let mut report = Report::default();
    for (name, measure) in FIGURES {
        if !wanted.is_empty() && !wanted.contains(&name) {
            continue;
        }
        eprintln!("measuring {name} …");
        machine::write_back();
        match std::panic::catch_unwind(|| measure(runs)) {
            Ok(rows) => {
                rows.iter().for_each(|row| eprintln!("  {}", row.line()));
                report.rows.extend(rows);
            }
            // Why was printed when it happened.
            Err(_) => report.missing.push(name),
        }
    }
    println!("{}", report.document(&machine::describe(runs, &load_before)));
    if report.missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
