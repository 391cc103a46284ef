//! What happens to a copy when the store moves on between its steps.

use std::path::Path;

use pantau_journal::StdFiles;

use super::super::copy::{Copier, copy_store};
use super::super::{Config, Opened, open};
use super::support::{ALL, commit, config, new_series};
use crate::store::types::SeriesId;
use crate::store::{Store, StoreReader};

/// Each commit about half a segment, so that a flush frees some.
const READINGS: u64 = 200;

fn start(dir: &Path) -> Opened<StdFiles> {
    let mut config = Config { dir: dir.to_owned(), ..config() };
    config.journal.segment_bytes = 8 << 10;
    config.journal.max_bytes = 1 << 20;
    let opened = open(StdFiles::new(), config, &mut |_| {}).unwrap();
    opened.reader.set_indexed(u64::MAX);
    opened
}

/// The `n`th commit, and a flush when that is wanted.
fn go_on(opened: &mut Opened<StdFiles>, n: u64, flush: bool) {
    let readings: Vec<_> = (n * READINGS..(n + 1) * READINGS).map(|at| (0, at as i64, 1.0)).collect();
    let mut commit = commit(n * READINGS, &readings);
    if n == 0 {
        commit.new_series = new_series(0..1);
    }
    opened.store.append(&[commit]).unwrap();
    if flush {
        opened.store.freeze().unwrap();
        opened.flusher.flush_once().unwrap();
    }
}

fn assert_holds(copy: &Path, commits: u64) {
    let opened = start(copy);
    assert_eq!(opened.recovery.damage, Vec::<String>::new());
    let points = opened.reader.range(SeriesId(0), ALL, usize::MAX).unwrap();
    assert_eq!((points.times.len() as u64, points.damaged), (commits * READINGS, 0));
}

#[test]
fn a_journal_that_a_flush_freed_meanwhile_begins_a_new_round() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let mut opened = start(&from);
    (0..3).for_each(|n| go_on(&mut opened, n, n == 0));
    let mut copier = Copier::begin(&from, &to).unwrap();
    let manifest = copier.manifest().unwrap();
    assert_eq!(copier.data_files(&manifest).unwrap().unwrap().len(), 1);
    assert!(copier.journal(&manifest).unwrap().is_some(), "it goes on where the files end");
    (3..6).for_each(|n| go_on(&mut opened, n, true));
    assert!(copier.journal(&manifest).unwrap().is_none(), "what lies between is in files that came later");
    let other = folder.path().join("other");
    assert_eq!(copy_store(&from, &other).unwrap().lacking, Vec::<String>::new());
    assert_holds(&other, 6);
}

#[test]
fn files_that_a_merge_replaced_meanwhile_begin_a_new_round() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let mut opened = start(&from);
    (0..6).for_each(|n| go_on(&mut opened, n, true));
    let mut copier = Copier::begin(&from, &to).unwrap();
    let manifest = copier.manifest().unwrap();
    opened.compactor.merge_all().unwrap();
    opened.compactor.sweep();
    assert!(copier.data_files(&manifest).unwrap().is_none());
    copy_store(&from, &to).unwrap();
    assert_holds(&to, 6);
}
