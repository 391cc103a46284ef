//! The journal's promise, tested from outside on a disk that fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, reason = "tests own their tasks and clocks")]

mod bounds;
mod damage;
mod format;
mod inspect;
mod model;
mod poison;
mod readers;
mod tickets;

use std::path::{Path, PathBuf};
use std::time::Duration;

use pantau_journal::sim::SimFiles;
use pantau_journal::{Config, FileLayer, Journal, Opened, Position, Record, open};

pub(crate) const DIR: &str = "/log";

pub(crate) fn dir() -> &'static Path {
    Path::new(DIR)
}

/// Tiny segments, so that everything rotates.
pub(crate) fn tiny() -> Config {
    Config {
        segment_bytes: 4096,
        max_bytes: 1 << 20,
        free_floor_bytes: 0,
        commit_bytes: 1 << 20,
        commit_delay: Duration::ZERO,
        pending_bytes: 1 << 20,
    }
}

pub(crate) fn start(files: &SimFiles) -> Opened<SimFiles> {
    open(files.clone(), dir(), tiny()).unwrap()
}

pub(crate) fn read_from<F: FileLayer>(journal: &Journal<F>, from: u64) -> Vec<Record> {
    let mut reader = journal.reader(Position(from));
    std::iter::from_fn(|| reader.next().unwrap()).collect()
}

pub(crate) fn read_all<F: FileLayer>(journal: &Journal<F>) -> Vec<Record> {
    read_from(journal, 0)
}

/// Bytes that tell which record they belong to.
pub(crate) fn bytes(number: u64, len: usize) -> Vec<u8> {
    (0..len as u64).map(|i| (number.wrapping_mul(31) + i) as u8).collect()
}

/// Appends and commits one record.
pub(crate) fn put(opened: &mut Opened<SimFiles>, count: u32, payload: &[u8]) -> Record {
    let ticket = opened.journal.append(count, payload).unwrap();
    opened.committer.commit_once().unwrap();
    let first = ticket.first;
    ticket.wait().unwrap();
    Record { first, count, bytes: payload.to_vec() }
}

pub(crate) fn segment_paths(files: &SimFiles) -> Vec<PathBuf> {
    files.paths().into_iter().filter(|p| p.extension().is_some_and(|e| e == "journal")).collect()
}
