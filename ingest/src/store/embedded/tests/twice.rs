//! What must not count twice: a damaged block that an answer comes by again, a file that a merge replaces under a check, and
//! readings for which a roll-up stands that a crash left alone.

use std::path::{Path, PathBuf};

use pantau_journal::FileLayer;
use pantau_journal::sim::{PowerCut, SimFiles};

use super::super::verify::verify;
use super::rollup::{BASE, DAY, HOUR, Model, check, rolled};
use super::support::{DIR, Rig, commit};
use crate::store::StoreReader;
use crate::store::types::{Agg, SeriesId};

fn data(name: &str) -> PathBuf {
    Path::new(DIR).join("data").join(name)
}

fn names(files: &SimFiles) -> Vec<String> {
    let listed = files.list(&Path::new(DIR).join("data")).unwrap();
    let mut names: Vec<String> = listed.into_iter().map(|file| file.name).collect();
    names.sort();
    names
}

#[test]
fn a_damaged_block_counts_once_in_an_answer_that_comes_by_it_twice() {
    let (mut rig, _) = rolled();
    // Late readings in two hours of the first block, so far apart that what is between them is not read.
    rig.append(commit(50_000, &[(0, BASE + 5, 1.0), (0, BASE + 26 * HOUR + 5, 1.0)]));
    let name = names(&rig.files).into_iter().find(|name| name.ends_with(".pts")).unwrap();
    rig.files.flip(&data(&name), 60, 1);
    let time = BASE..BASE + 5 * DAY;
    let raw = rig.reader.range(SeriesId(0), time.clone(), 100_000).unwrap();
    assert_eq!(raw.damaged, 3_160, "the first block, 26 hours and 20 minutes");
    let reads = rig.reader.stats().damaged_reads;
    let steps = rig.reader.aggregate(SeriesId(0), time, HOUR, &[Agg::Mean], 1_000).unwrap();
    assert_eq!(rig.reader.stats().damaged_reads - reads, 2, "it comes by it twice");
    assert_eq!(steps.damaged, raw.damaged);
}

#[test]
fn readings_of_files_that_a_merge_replaces_under_a_check_count_once() {
    let mut rig = Rig::fresh(1);
    for n in 0..6 {
        rig.append(commit(n, &[(0, n as i64, 1.0)]));
        rig.flush();
    }
    // It is told between the files that were checked and those that were not: the moment for the merge of either.
    rig.files.flip(&data(&names(&rig.files)[2]), 34, 0xff);
    let (files, mut findings) = (rig.files.clone(), Vec::new());
    let checked = verify(&files, Path::new(DIR), &mut |finding| {
        rig.compactor.merge_all().unwrap();
        rig.compactor.sweep();
        findings.push(finding.file);
    });
    let checked = checked.unwrap();
    assert_eq!(findings, ["data/1970-01-0000000002.pts"]);
    assert_eq!(names(&files).iter().filter(|name| name.ends_with(".pts")).count(), 3, "{:?}", names(&files));
    assert_eq!((checked.readings, checked.findings), (5, 1));
    let again = verify(&files, Path::new(DIR), &mut |_| {}).unwrap();
    assert_eq!((again.readings, again.files, again.blocks), (5, checked.files, checked.blocks));
}

/// A store whose February was merged with late readings, and what that merge replaced: name and contents.
fn merged() -> (Rig, Model, Vec<(String, Vec<u8>)>) {
    let (mut rig, mut model) = rolled();
    let before = names(&rig.files);
    let contents = |name: &String| (name.clone(), rig.files.contents(&data(name)).unwrap());
    let kept: Vec<(String, Vec<u8>)> = before.iter().map(contents).collect();
    let late = [(0, BASE + DAY + 5, 99.5), (1, BASE + DAY, -4.0)];
    rig.append(commit(50_000, &late));
    model.extend(late.iter().map(|reading| ((reading.0, reading.1), (reading.2, 0))));
    rig.flush();
    rig.compactor.merge_all().unwrap();
    rig.compactor.sweep();
    let now = names(&rig.files);
    let replaced: Vec<_> = kept.into_iter().filter(|(name, _)| !now.contains(name)).collect();
    let extensions: Vec<&str> = replaced.iter().map(|(name, _)| &name[name.len() - 3..]).collect();
    assert_eq!(extensions, ["pts", "rol"], "{now:?}");
    (rig, model, replaced)
}

/// Opens without the manifest, and asks for everything.
fn lost_manifest(files: SimFiles, model: &Model) -> Rig {
    files.remove(&Path::new(DIR).join("MANIFEST")).unwrap();
    let rig = Rig::open(files);
    for series in 0..3 {
        for step in [HOUR, DAY] {
            check(&rig, model, series, &(BASE..BASE + 5 * DAY), step);
        }
    }
    rig
}

#[test]
fn a_roll_up_that_a_crash_left_alone_is_not_taken_for_dropped_readings() {
    let (rig, model, replaced) = merged();
    // Roll-ups are made anew where there are readings.
    let expected: Vec<String> = names(&rig.files).into_iter().filter(|name| name.ends_with(".pts")).collect();
    let readings = |rig: &Rig| rig.reader.counters().readings;
    let whole = readings(&lost_manifest(rig.files.copy(), &model));
    for left in [vec![1], vec![0], vec![0, 1]] {
        let files = rig.files.copy();
        for (name, contents) in left.iter().map(|at| &replaced[*at]) {
            files.set_contents(&data(name), contents.clone());
        }
        let found = lost_manifest(files, &model);
        assert_eq!(found.recovery.damage.len(), 1, "{:?}", found.recovery.damage);
        // Readings of which a second copy is found cannot be told from others until they are merged; of a roll-up they can.
        if left == [1] {
            assert_eq!((names(&found.files), readings(&found)), (expected.clone(), whole));
        }
    }
    // One that may have said what of dropped readings is known is kept, but for nobody's answers.
    let (name, mut contents) = replaced[1].clone();
    let directory = contents.len() - 30;
    contents[directory] ^= 0x21;
    let files = rig.files.copy();
    files.set_contents(&data(&name), contents);
    let found = lost_manifest(files, &model);
    assert!(found.recovery.damage[1].contains(&name), "{:?}", found.recovery.damage);
    assert!(names(&found.files).contains(&format!("{name}.damaged")), "{:?}", names(&found.files));
}

#[test]
fn power_that_fails_while_left_overs_are_removed_counts_nothing_twice() {
    let (rig, model, replaced) = merged();
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..24 {
        let files = rig.files.copy();
        replaced.iter().for_each(|(name, contents)| files.set_contents(&data(name), contents.clone()));
        drop(Rig::open(files.clone()));
        let files = files.crash(PowerCut::Tear(seed));
        let left = names(&files);
        let left = [0, 1].map(|at: usize| left.contains(&replaced[at].0));
        assert!(left[0] || !left[1], "the roll-up goes first");
        seen.insert(left);
        lost_manifest(files, &model);
    }
    assert_eq!(seen.len(), 3, "both, the readings, nothing: {seen:?}");
}
