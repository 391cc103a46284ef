//! A check finds every damaged byte that counts, says what it costs, and changes nothing.

use std::path::{Path, PathBuf};

use pantau_journal::FileLayer;
use pantau_journal::sim::SimFiles;

use super::super::verify::{Checked, Finding, VerifyError, verify};
use super::support::{ALL, DIR, Rig, commit, files};
use crate::store::StoreReader;
use crate::store::types::SeriesId;

fn check(files: &SimFiles) -> (Checked, Vec<Finding>) {
    let mut findings = Vec::new();
    let checked = verify(files, Path::new(DIR), &mut |finding| findings.push(finding)).unwrap();
    assert_eq!(checked.findings, findings.len() as u64);
    (checked, findings)
}

fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

/// Two files, of them one merged, a third month, and commits that are in the journal only.
fn filled() -> Rig {
    const MONTH: i64 = 32 * 86_400_000;
    let mut rig = Rig::fresh(3);
    let readings: Vec<(u32, i64, f64)> =
        (0..60).map(|at| ((at % 3) as u32, at * 1_000, f64::from(at as i32 % 7) / 4.0)).collect();
    rig.append(commit(0, &readings));
    rig.flush();
    rig.append(commit(60, &[(0, 70_000, -1.0), (2, 70_000, f64::NAN), (1, MONTH, 0.5)]));
    rig.flush();
    rig.compactor.merge_all().unwrap();
    rig.compactor.sweep();
    rig.append(commit(63, &[(0, 80_000, 4.0)]));
    rig.append(commit(64, &[(1, 80_000, 5.0)]));
    rig
}

fn state(files: &SimFiles) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    files.paths().into_iter().map(|path| (path.clone(), files.contents(&path))).collect()
}

#[test]
fn a_sound_store_is_sound_while_it_is_open_and_nothing_of_it_changes() {
    let rig = filled();
    let before = state(&rig.files);
    let (checked, findings) = check(&rig.files);
    assert_eq!(findings, []);
    assert_eq!((checked.readings, checked.series, checked.commits), (63, 3, 5));
    assert!(checked.files >= 5 && checked.blocks >= 4 && checked.bytes > 1_000, "{checked:?}");
    assert!(before == state(&rig.files));
}

#[test]
fn every_flipped_byte_is_found_unless_no_reading_depends_on_it() {
    let rig = filled();
    let files = rig.files.copy();
    let expected: Vec<_> =
        (0..3).map(|series| rig.reader.range(SeriesId(series), ALL, 1_000).unwrap()).collect();
    let count = |points: &crate::store::types::Points| points.times.len();
    let mut silent = 0;
    for path in files.paths() {
        let contents = files.contents(&path).unwrap();
        let used = contents.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let is_journal = path.extension().is_some_and(|extension| extension == "journal");
        // Behind its end a segment holds zeros, and the spare ones nothing else.
        for at in 0..contents.len().min(used + 64) {
            let what = format!("byte {at} of {}", path.display());
            files.flip(&path, at, 0x21);
            let (_, findings) = check(&files);
            let name = path.strip_prefix(DIR).unwrap().display().to_string();
            if findings.is_empty() {
                silent += 1;
                // The last commit, which nothing proves yet, and fillings: opening finds nothing either.
                assert!(is_journal || name.ends_with(".spare") || name.ends_with("lock"), "{what}");
                let opened = Rig::open(files.copy());
                assert_eq!(opened.recovery.damage, Vec::<String>::new(), "{what}");
                let lost: usize = expected.iter().map(count).sum::<usize>()
                    - (0..3)
                        .map(|s| count(&opened.reader.range(SeriesId(s), ALL, 1_000).unwrap()))
                        .sum::<usize>();
                assert!(
                    lost == 0 || (lost == 1 && opened.recovery.torn_tail_bytes > 0),
                    "{what}: {lost} lost"
                );
            } else {
                assert!(findings.iter().all(|finding| finding.file == name), "{what}: {findings:?}");
                assert!(findings[0].offset.is_some_and(|offset| offset <= at as u64), "{what}: {findings:?}");
            }
            files.flip(&path, at, 0x21);
        }
    }
    assert!(silent > 0);
    assert_eq!(check(&files).1, []);
}

#[test]
fn a_data_file_cut_at_any_byte_is_found() {
    let files = filled().files.copy();
    let path = files.paths().into_iter().find(|path| path.extension().is_some_and(|e| e == "pts")).unwrap();
    let whole = files.contents(&path).unwrap();
    for len in 0..whole.len() {
        files.set_contents(&path, whole[..len].to_vec());
        assert!(check(&files).0.findings > 0, "cut at {len}");
    }
}

#[test]
fn a_finding_names_place_cost_and_mend() {
    let files = filled().files.copy();
    let data = files.list(&path("data")).unwrap();
    let name = format!("data/{}", data.iter().map(|file| &file.name).min().unwrap());
    files.flip(&path(&name), 40, 0xff);
    let said: Vec<String> = check(&files).1.iter().map(ToString::to_string).collect();
    let [line] = said.as_slice() else { panic!("{said:?}") };
    assert!(
        line.starts_with(&format!("{name}: byte 32: malformed: a block's checksum is wrong; costs: ")),
        "{line}"
    );
    assert!(
        line.contains("21 readings of dev-00000/temperature, 1970-01-01T00:00:00Z to 1970-01-01T00:01:10Z"),
        "{line}"
    );
    assert!(line.contains("; mend: stop ingest and copy the file back from a backup"), "{line}");
}

#[test]
fn what_is_missing_is_told() {
    let cases = [("MANIFEST", "missing beside data files"), ("series.log", "the file is missing")];
    for (name, word) in cases {
        let files = filled().files.copy();
        files.remove(&path(name)).unwrap();
        let (_, findings) = check(&files);
        assert!(findings.iter().any(|f| f.file == name && f.what.contains(word)), "{name}: {findings:?}");
    }
    let files = filled().files.copy();
    let data = files.list(&path("data")).unwrap();
    files.remove(&path("data").join(&data[0].name)).unwrap();
    assert!(check(&files).1[0].to_string().contains("the file is missing; costs: all readings in it"));
    // A journal that begins behind the files, and one that ends before them.
    let files = filled().files.copy();
    for entry in files.list(&path("journal")).unwrap() {
        files.remove(&path("journal").join(entry.name)).unwrap();
    }
    assert!(check(&files).1[0].what.contains("it ends at position 0"), "{:?}", check(&files).1);
}

#[test]
fn files_that_a_merge_replaces_meanwhile_are_no_damage() {
    let mut rig = Rig::fresh(1);
    for n in 0..6 {
        rig.append(commit(n, &[(0, n as i64, 1.0)]));
        rig.flush();
    }
    // The names come before the data files: what is told of them is the moment for the merge.
    rig.files.flip(&path("series.log"), 20, 0xff);
    let before = rig.files.list(&path("data")).unwrap();
    let (files, mut findings) = (rig.files.clone(), Vec::new());
    let checked = verify(&files, Path::new(DIR), &mut |finding| {
        rig.compactor.merge_all().unwrap();
        rig.compactor.sweep();
        findings.push(finding.file);
    });
    assert_eq!((checked.unwrap().readings, findings), (6, vec!["series.log".to_owned()]));
    let after = files.list(&path("data")).unwrap();
    assert!(
        after.len() < before.len() && after.iter().all(|file| !before.contains(file)),
        "all were replaced"
    );
}

#[test]
fn a_folder_without_a_store_is_no_store() {
    let found = verify(&files(), Path::new(DIR), &mut |_| {});
    assert!(matches!(found, Err(VerifyError::NoStore(_))), "{found:?}");
}
