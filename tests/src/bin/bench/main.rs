//! `make bench`: the figures that Pantau promises, beside what they are compared with, in the same run.
//!
//! Each figure is measured `BENCH_RUNS` times (3), interleaved with its peer, and the median is printed as one
//! row of a Markdown table. `BENCH_ONLY=acked,latency` measures only some. Nothing runs at the same time but
//! the load generator, on the same cores.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark that cannot measure has nothing to say but where and why"
)]

mod chain;
mod load;
mod machine;
mod mqtt;
mod peers;
mod recovery;
mod sizes;
mod table;
mod write;

use table::Row;

type Measure = fn(runs: usize) -> Vec<Row>;

const FIGURES: [(&str, Measure); 8] = [
    ("acked", mqtt::acked),
    ("latency", mqtt::latency),
    ("way", chain::way),
    ("live", chain::live),
    ("grpc", write::grpc),
    ("sizes", sizes::sizes),
    ("recovery", recovery::recovery),
    ("memory", mqtt::memory),
];

fn main() {
    let runs = std::env::var("BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(3);
    let only = std::env::var("BENCH_ONLY").unwrap_or_default();
    let wanted: Vec<&str> = only.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if let Some(wrong) = wanted.iter().find(|name| FIGURES.iter().all(|(known, _)| known != *name)) {
        let known: Vec<&str> = FIGURES.iter().map(|(name, _)| *name).collect();
        eprintln!("BENCH_ONLY: there is no {wrong:?}; there are: {}", known.join(", "));
        std::process::exit(2);
    }
    let mut rows = Vec::new();
    for (name, measure) in FIGURES {
        if wanted.is_empty() || wanted.contains(&name) {
            eprintln!("measuring {name} …");
            let found = measure(runs);
            found.iter().for_each(|row| eprintln!("  {}", row.line()));
            rows.extend(found);
        }
    }
    println!("{}\n", machine::describe(runs));
    println!("{}", table::render(&rows));
}
