//! Merges of files: smaller, the same answers, and nothing that a reader needs goes away under it.

use std::path::Path;

use pantau_journal::FileLayer as _;

use super::super::CompactError;
use super::support::{ALL, DIR, Rig, commit, data_files, entries};
use crate::store::StoreReader;
use crate::store::types::{Agg, SeriesId};

const DAY: i64 = 86_400_000;
const MARCH: i64 = 1_772_323_200_000;

/// Twenty days of two slow series, a file a day; on each the first reading of the day before comes again, changed.
fn slow() -> Rig {
    let mut rig = Rig::fresh(2);
    for day in 0..20 {
        let mut readings: Vec<(u32, i64, f64)> = (0..48)
            .map(|at| (at % 2, MARCH + day * DAY + i64::from(at) * 1_000_000, f64::from(at) / 10.0))
            .collect();
        readings.push((0, MARCH + (day - 1).max(0) * DAY, day as f64));
        rig.append(commit(day as u64 * 49, &readings));
        rig.flush();
    }
    rig
}

#[test]
fn slow_series_get_full_blocks_and_every_answer_stays() {
    let mut rig = slow();
    let before: Vec<_> = (0..2).map(|series| rig.all(series)).collect();
    let (counters, old) = (rig.reader.counters(), rig.reader.stats());
    assert_eq!((old.files, old.blocks), (20, 40));
    rig.compactor.merge_all().unwrap();
    rig.compactor.sweep();
    let new = rig.reader.stats();
    assert_eq!((new.files, new.blocks), (1, 2));
    assert!(new.file_bytes * 2 < old.file_bytes, "{} of {}", new.file_bytes, old.file_bytes);
    assert_eq!(data_files(&rig), ["2026-03-0000000019-1.pts"]);
    for rig in [rig, slow()] {
        assert_eq!((0..2).map(|series| rig.all(series)).collect::<Vec<_>>(), before);
        assert_eq!(rig.reader.counters(), counters);
        let sums =
            rig.reader.aggregate(SeriesId(1), MARCH..MARCH + 20 * DAY, DAY, &[Agg::Count], 20).unwrap();
        assert_eq!(sums.counts, [24; 20]);
        let rig = rig.kill();
        assert_eq!((0..2).map(|series| rig.all(series)).collect::<Vec<_>>(), before);
        assert_eq!((rig.recovery.damage.len(), rig.reader.counters()), (0, counters));
    }
}

#[test]
fn what_somebody_reads_stays_until_he_has_read_it() {
    let mut rig = slow();
    let reading = rig.reader.shared.lock().files.clone();
    rig.compactor.merge_all().unwrap();
    rig.compactor.sweep();
    assert_eq!(data_files(&rig).len(), 21);
    for file in reading.iter() {
        let handle = file.handle(&rig.files).unwrap();
        for entry in entries(&rig.files, file).0 {
            file.read_block(&rig.files, &handle, &entry).unwrap();
        }
    }
    drop(reading);
    rig.compactor.sweep();
    assert_eq!(data_files(&rig).len(), 1);
}

#[test]
fn a_file_with_a_damaged_block_is_kept_apart_and_the_others_are_merged() {
    let mut rig = slow();
    let damaged = Path::new(DIR).join("data/2026-03-0000000007.pts");
    rig.files.flip(&damaged, 60, 1);
    rig.compactor.merge_all().unwrap();
    rig.compactor.sweep();
    assert_eq!(
        data_files(&rig),
        ["2026-03-0000000006-1.pts", "2026-03-0000000007.pts", "2026-03-0000000019-1.pts"]
    );
    let points = rig.reader.range(SeriesId(0), ALL, usize::MAX).unwrap();
    assert_eq!(points.times.len(), 19 * 24 + 1, "the first reading of that day came again a day later");
    assert!(points.damaged >= 24);
}

#[test]
fn a_file_with_a_damaged_index_is_kept_apart_too() {
    let rig = slow();
    let damaged = Path::new(DIR).join("data/2026-03-0000000000.pts");
    let end = rig.files.contents(&damaged).unwrap().len();
    rig.files.flip(&damaged, end - 40, 1);
    let mut rig = rig.kill();
    assert_eq!(rig.recovery.damage.len(), 1, "{:?}", rig.recovery.damage);
    rig.compactor.merge_all().unwrap();
    assert_eq!(data_files(&rig), ["2026-03-0000000000.pts", "2026-03-0000000019-1.pts"]);
}

#[test]
fn without_its_manifest_a_store_still_knows_which_files_are_newer() {
    let mut rig = slow();
    let before: Vec<_> = (0..2).map(|series| rig.all(series)).collect();
    // The old files are still there, and one more, newer, with a reading that is changed once more.
    let _reading = rig.reader.shared.lock().files.clone();
    rig.compactor.merge_all().unwrap();
    rig.append(commit(2_000, &[(0, MARCH, 77.0)]));
    rig.flush();
    assert_eq!(data_files(&rig).len(), 22);
    rig.files.remove(&Path::new(DIR).join("MANIFEST")).unwrap();
    let rig = rig.kill();
    assert!(rig.recovery.damage[0].starts_with("MANIFEST"), "{:?}", rig.recovery.damage);
    assert_eq!(rig.all(1), before[1]);
    assert_eq!((rig.all(0)[0], &rig.all(0)[1..]), ((MARCH, 77.0), &before[0][1..]));
}

#[test]
fn without_room_nothing_is_merged_and_nothing_is_lost() {
    let mut rig = slow();
    let before = rig.all(0);
    let used: usize = rig.files.paths().iter().map(|path| rig.files.contents(path).unwrap().len()).sum();
    rig.files.set_capacity(used as u64 + 10);
    assert!(matches!(rig.compactor.merge_all(), Err(CompactError::NoRoom { .. })));
    rig.files.set_capacity(u64::MAX);
    rig.compactor.merge_all().unwrap();
    assert_eq!(rig.all(0), before);
}

#[test]
fn readings_that_come_while_files_are_merged_are_laid_onto_the_merged_ones() {
    let mut rig = slow();
    // The table is set aside before the merge and written after it.
    rig.append(commit(2_000, &[(0, MARCH, 77.0), (0, MARCH + 1_000, 5.0), (1, MARCH + 1_000_000, 0.1)]));
    rig.store.freeze().unwrap();
    rig.compactor.merge_all().unwrap();
    rig.compactor.sweep();
    rig.flusher.flush_once().unwrap();
    let counters = rig.reader.counters();
    assert_eq!((counters.pending(), counters.readings), (0, 20 * 49 + 3));
    assert_eq!(rig.all(0)[..2], [(MARCH, 77.0), (MARCH + 1_000, 5.0)]);
    let stored = (0..2).map(|series| rig.all(series).len() as u64).sum::<u64>();
    assert_eq!(counters.stored, stored);
    rig.compactor.merge_all().unwrap();
    assert_eq!(rig.all(0)[..2], [(MARCH, 77.0), (MARCH + 1_000, 5.0)]);
}
