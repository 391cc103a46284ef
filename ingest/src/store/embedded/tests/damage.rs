//! Damage costs what is damaged, is told, and never gives a wrong value or a panic.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use pantau_journal::FileLayer;
use pantau_journal::sim::{PowerCut, SimFiles};
use pantau_proto::Epoch;

use super::super::block::Scratch;
use super::super::datafile::{DataFile, FileId};
use super::super::filewriter::FileWriter;
use super::super::fs;
use super::super::point::Point;
use super::support::{ALL, DIR, Rig, commit, entries, files, gateway, new_series};
use crate::store::types::SeriesId;
use crate::store::{Names, StoreReader};

type Contents = BTreeMap<u32, Vec<(i64, u64)>>;

/// A file of three series and what it holds.
fn sample(files: &SimFiles) -> (Vec<u8>, Contents) {
    let dir = Path::new("/d");
    files.create_dir(dir).unwrap();
    let id = FileId { seq: 7, generation: 0, month: 0, class: 0 };
    let mut writer = FileWriter::create(files, dir, id).unwrap();
    let mut contents = Contents::new();
    for series in 0..3_u32 {
        let points: Vec<Point> = (0..40_i64)
            .map(|at| Point {
                time: at * 1_000 + i64::from(series),
                value: (at * 7 % 13) as f64 / 10.0,
                flags: u16::from(at == 9),
            })
            .collect();
        writer.add(series, &points, &mut Scratch::default()).unwrap();
        contents.insert(series, points.iter().map(|point| (point.time, point.value.to_bits())).collect());
    }
    let file = writer.finish().unwrap();
    (fs::read_all(files, &file.path).unwrap(), contents)
}

/// Reads all that can be read. `true` when something was told to be wrong.
fn try_read(files: &SimFiles, bytes: &[u8]) -> (Contents, bool) {
    let path = Path::new("/d/bent.pts");
    let file = fs::create_anew(files, path).unwrap();
    files.write_at(&file, bytes, 0).unwrap();
    let mut contents = Contents::new();
    let (file, mut told) = match DataFile::open(files, path) {
        Ok((file, mended)) => (file, mended.is_some()),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            return (contents, true);
        }
    };
    let handle = file.handle(files).unwrap();
    let (entries, damaged) = entries(files, &file);
    told |= damaged;
    for entry in &entries {
        match file.read_block(files, &handle, entry) {
            Ok(points) => {
                let points = points.iter().map(|point| (point.time, point.value.to_bits()));
                contents.entry(entry.summary.series).or_default().extend(points);
            }
            Err(_) => told = true,
        }
    }
    (contents, told)
}

#[test]
fn every_flipped_byte_of_a_file_is_told_and_costs_at_most_its_block() {
    let files = files();
    let (bytes, expected) = sample(&files);
    assert_eq!(try_read(&files, &bytes), (expected.clone(), false));
    for at in 0..bytes.len() {
        let mut bent = bytes.clone();
        bent[at] ^= 0x21;
        let (found, told) = try_read(&files, &bent);
        assert!(told, "byte {at}");
        for (series, points) in &found {
            assert_eq!(Some(points), expected.get(series), "byte {at}");
        }
        if at >= 32 {
            // Behind the header a damaged block takes no other with it, and a damaged index none at all.
            assert!(found.len() >= 2, "byte {at}: {} series left", found.len());
        }
    }
}

#[test]
fn a_file_cut_at_any_byte_gives_whole_blocks_or_nothing() {
    let files = files();
    let (bytes, expected) = sample(&files);
    for len in 0..bytes.len() {
        let (found, told) = try_read(&files, &bytes[..len]);
        assert!(told, "cut at {len}");
        for (series, points) in &found {
            assert_eq!(Some(points), expected.get(series), "cut at {len}");
        }
    }
}

fn bend(rig: &Rig, name: &str, at: usize) {
    rig.files.flip(&Path::new(DIR).join(name), at, 0xff);
}

fn filled() -> Rig {
    let mut rig = Rig::fresh(2);
    rig.append(commit(0, &[(0, 1, 1.0), (0, 2, 2.0), (1, 1, 5.0)]));
    rig.flush();
    rig.append(commit(3, &[(0, 3, 3.0)]));
    rig.flush();
    rig
}

#[test]
fn a_damaged_block_is_left_out_and_counted_in_the_answer() {
    let rig = filled();
    bend(&rig, "data/1970-01-0000000000.pts", 34);
    let points = rig.reader.range(SeriesId(0), ALL, 100).unwrap();
    assert_eq!((points.times, points.damaged), (vec![3], 2));
    assert_eq!(rig.all(1), [(1, 5.0)]);
    assert_eq!(rig.reader.stats().damaged_reads, 1);
}

#[test]
fn a_file_that_went_missing_is_told_and_the_rest_served() {
    let rig = filled();
    rig.files.remove(&Path::new(DIR).join("data/1970-01-0000000000.pts")).unwrap();
    let mut rig = rig.kill();
    assert!(rig.recovery.damage[0].contains("1970-01-0000000000.pts"), "{:?}", rig.recovery.damage);
    assert_eq!(rig.all(0), [(3, 3.0)]);
    rig.append(commit(9, &[(0, 1, 1.0)]));
    rig.flush();
    assert_eq!(rig.kill().all(0), [(1, 1.0), (3, 3.0)]);
}

#[test]
fn a_damaged_manifest_costs_no_reading() {
    let rig = filled();
    let before = rig.all(0);
    bend(&rig, "MANIFEST", 30);
    let rig = rig.kill();
    assert!(rig.recovery.damage[0].contains("MANIFEST.damaged"), "{:?}", rig.recovery.damage);
    assert_eq!(rig.all(0), before);
    assert_eq!(rig.reader.find("dev-00001/temperature"), Some(SeriesId(1)));
    let mut rig = rig.kill();
    assert_eq!(rig.recovery.damage, Vec::<String>::new());
    rig.append(commit(9, &[(0, 9, 9.0)]));
    rig.flush();
    let counters = rig.reader.counters();
    assert_eq!(counters.pending(), 0);
    assert_eq!(counters.stored, 5);
}

#[test]
fn a_lost_manifest_does_not_pass_for_a_new_store() {
    let rig = filled();
    let before = rig.all(0);
    rig.files.remove(&Path::new(DIR).join("MANIFEST")).unwrap();
    let rig = rig.kill();
    assert_eq!(rig.recovery.damage.len(), 1);
    assert_eq!(rig.all(0), before);
}

#[test]
fn a_damaged_name_costs_only_its_name() {
    let rig = filled();
    bend(&rig, "series.log", 16 + 8 + 4 + 2);
    let rig = rig.kill();
    assert!(rig.recovery.damage[0].contains("series.log"), "{:?}", rig.recovery.damage);
    assert_eq!(rig.reader.find("dev-00001/temperature"), Some(SeriesId(1)));
    assert_eq!(rig.all(0).len(), 3);
}

#[test]
fn a_series_log_that_went_missing_costs_no_name_that_is_known_and_holds_no_flush_up() {
    let log = Path::new(DIR).join("series.log");
    let name = |id: u32| format!("dev-{id:05}/temperature");
    let add = |rig: &mut Rig, id: u32, position: u64| {
        let mut new = commit(position, &[(id, 1, 1.0)]);
        new.new_series = new_series(id..id + 1);
        rig.append(new);
        rig.flush();
    };
    // While it runs all names are in memory.
    let mut rig = filled();
    rig.files.remove(&log).unwrap();
    add(&mut rig, 2, 4);
    let mut rig = rig.crash(PowerCut::LoseAll);
    assert_eq!(rig.recovery.damage, [""; 0]);
    assert!((0..3).all(|id| rig.reader.find(&name(id)) == Some(SeriesId(id))));
    // When it is opened without one, only new names are.
    add(&mut rig, 3, 5);
    let files = rig.files.kill();
    files.remove(&log).unwrap();
    for entry in files.list(&Path::new(DIR).join("journal")).unwrap() {
        files.remove(&Path::new(DIR).join("journal").join(entry.name)).unwrap();
    }
    let mut rig = Rig::open(files);
    assert!(rig.recovery.damage.iter().any(|damage| damage.starts_with("series.log has 0 bytes")));
    add(&mut rig, 4, 6);
    let rig = rig.crash(PowerCut::LoseAll);
    let found = (0..5).map(|id| rig.reader.find(&name(id)));
    assert_eq!(found.collect::<Vec<_>>(), [None, None, None, None, Some(SeriesId(4))]);
    assert_eq!((rig.all(0).len(), rig.all(4).len(), rig.recovery.damage.len()), (3, 1, 0));
}

#[test]
fn every_flipped_byte_of_the_series_log_costs_one_name_at_most() {
    let mut rig = Rig::fresh(4);
    rig.append(commit(0, &[(0, 1, 1.0)]));
    rig.flush();
    let path = Path::new(DIR).join("series.log");
    for at in 0..rig.files.contents(&path).unwrap().len() {
        let files = rig.files.copy();
        files.flip(&path, at, 0x11);
        // Without the journal, which has the names as well.
        for entry in files.list(&Path::new(DIR).join("journal")).unwrap() {
            files.remove(&Path::new(DIR).join("journal").join(entry.name)).unwrap();
        }
        let bent = Rig::open(files);
        assert!(bent.recovery.damage.iter().any(|damage| damage.contains("series.log")), "byte {at}");
        let named = (0..4).filter(|id| bent.reader.find(&format!("dev-{id:05}/temperature")).is_some());
        assert!(named.count() >= 3, "byte {at}: {:?}", bent.recovery.damage);
    }
}

#[test]
fn files_that_no_manifest_names_are_removed() {
    let rig = filled();
    for name in ["data/1970-01-0000000077.pts", "data/1970-01-0000000078.tmp"] {
        let file = rig.files.create(&Path::new(DIR).join(name)).unwrap();
        rig.files.sync_data(&file).unwrap();
    }
    let rig = rig.kill();
    assert_eq!(rig.files.list(&Path::new(DIR).join("data")).unwrap().len(), 2);
    assert_eq!(rig.all(0).len(), 3);
}

#[test]
fn a_journal_that_was_replaced_is_told_and_later_commits_are_kept() {
    let rig = filled();
    let journal = Path::new(DIR).join("journal");
    let files = rig.files.kill();
    for entry in files.list(&journal).unwrap() {
        files.remove(&journal.join(entry.name)).unwrap();
    }
    let mut rig = Rig::open(files);
    assert!(
        rig.recovery.damage.iter().any(|damage| damage.contains("restored")),
        "{:?}",
        rig.recovery.damage
    );
    assert_eq!(rig.reader.ranges(&gateway(), Epoch(1)).iter().collect::<Vec<_>>(), [(0, 4)]);
    rig.append(commit(4, &[(0, 4, 4.0)]));
    let rig = rig.crash(PowerCut::LoseAll);
    assert_eq!(rig.all(0).len(), 4);
}
