//! Fuzzing of everything that reads bytes from outside: real payloads (`gateway/fuzz/`), changed again and again.
//!
//! Runs on the stable compiler as ordinary tests: a few thousand changes each by default, or for
//! `PANTAU_FUZZ_SECONDS` each (the stage `fuzz` of `make test`, longer in `make soak`). No coverage is measured, as that
//! needs a compiler of its own; instead a change that leads to an outcome that was not seen before (another refusal,
//! other quantities, other flags, another number of readings) joins the payloads that are changed further.
//!
//! A panic or a broken promise prints the input as a literal: make a test of it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod mutate;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use hashbrown::HashSet;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use self::mutate::mutated;
use crate::clock;

/// Runs of a target when no time is given.
const RUNS: usize = 3_000;
/// Payloads that are changed further at most, each of so many bytes at most.
const POOL: usize = 4_000;
const LARGEST: usize = 64 << 10;

/// A payload with the topic that it came on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
}

/// What was committed for a target: files whose first line is the topic.
pub(crate) fn corpus(target: &str) -> Vec<Input> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let inputs = files.iter().map(|file| {
        let bytes = std::fs::read(file).unwrap();
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        let topic = String::from_utf8(bytes[..end].to_vec()).unwrap();
        Input { topic, payload: bytes[end + 1..].to_vec() }
    });
    inputs.collect()
}

/// Changes the corpus of a target and hands it to `check`, which panics when a promise is broken and else says in a
/// number what kind of outcome it was.
fn fuzz(target: &str, mut check: impl FnMut(&Input) -> u64) {
    let seconds = std::env::var("PANTAU_FUZZ_SECONDS").ok().and_then(|text| text.parse::<f64>().ok());
    let until = seconds.map(|seconds| clock::monotonic() + Duration::from_secs_f64(seconds));
    // The same each time, unless there is time to see something new.
    let seed = if seconds.is_some() { rand::random() } else { 42 };
    let mut random = SmallRng::seed_from_u64(seed);
    let mut pool = corpus(target);
    let (mut seen, mut runs) = (HashSet::new(), 0_usize);
    for input in &pool {
        seen.insert(check(input));
    }
    let seeds = pool.len();
    while until.map_or(runs < RUNS, |until| clock::monotonic() < until) {
        for _ in 0..64 {
            let (one, other) = (pool.choose(&mut random).unwrap(), pool.choose(&mut random).unwrap());
            let mut input = one.clone();
            for _ in 0..1 << random.random_range(0..4) {
                mutated(&mut input.payload, &other.payload, &mut random);
            }
            if random.random_ratio(1, 50) {
                let mut topic = std::mem::take(&mut input.topic).into_bytes();
                mutated(&mut topic, other.topic.as_bytes(), &mut random);
                input.topic = String::from_utf8_lossy(&topic).into_owned();
            }
            input.payload.truncate(LARGEST);
            runs += 1;
            match catch_unwind(AssertUnwindSafe(|| check(&input))) {
                Ok(outcome) => {
                    if seen.len() < 1_000_000 && seen.insert(outcome) && pool.len() < POOL {
                        pool.push(input);
                    }
                }
                Err(cause) => {
                    let payload = input.payload.escape_ascii();
                    println!("{target}, seed {seed}: topic {:?}, payload b\"{payload}\"", input.topic);
                    std::panic::resume_unwind(cause);
                }
            }
        }
    }
    println!("{target}: {runs} runs, {} outcomes, {seeds} payloads became {}", seen.len(), pool.len());
}
