//! The index of a file of many pages: it finds what is there, whatever of it is damaged, and never anything twice.

use std::path::Path;

use pantau_journal::FileLayer as _;
use pantau_journal::sim::SimFiles;

use super::super::block::Scratch;
use super::super::columns::Entry;
use super::super::datafile::{DataFile, FileId};
use super::super::filewriter::FileWriter;
use super::super::pagecache::{Found, PageCache};
use super::super::point::Point;
use super::support::{ALL, Rig, commit, data_files, entries, files};
use crate::store::StoreReader;
use crate::store::types::SeriesId;

const PATH: &str = "/d/1970-01-0000000007.pts";

/// 1,300 blocks: every second series has one, series 300 has 600. The blocks, and what was written.
fn sample() -> (SimFiles, Vec<Entry>, DataFile) {
    let files = files();
    files.create_dir(Path::new("/d")).unwrap();
    let id = FileId { seq: 7, generation: 0, month: 0, class: 0 };
    let mut writer = FileWriter::create(&files, Path::new("/d"), id).unwrap();
    for series in (0..1_400).step_by(2) {
        for block in 0..if series == 300 { 600 } else { 1 } {
            let point = |at: i64| Point { time: block * 100 + at, value: f64::from(series), flags: 0 };
            writer.add(series, &[point(10), point(20)], &mut Scratch::default()).unwrap();
        }
    }
    let written = writer.finish().unwrap();
    let (all, damaged) = entries(&files, &written);
    assert!(all.len() == 1_299 && !damaged && written.index.pages().len() == 11);
    (files, all, written)
}

fn reopened(files: &SimFiles) -> (DataFile, bool) {
    let (file, mended) = DataFile::open(files, Path::new(PATH)).unwrap();
    (file, mended.is_some())
}

#[test]
fn a_series_is_found_wherever_it_is() {
    let (files, all, written) = sample();
    let (file, mended) = reopened(&files);
    assert!(!mended && file.index == written.index);
    let cache = PageCache::new(40_000);
    let periods = [(i64::MIN, i64::MAX), (12, 15), (21, 109), (30_000, 31_025), (59_920, 70_000), (-5, 9)];
    for series in (0..1_403).chain([u32::MAX]) {
        for (first, last) in periods {
            let Found { entries, missing } =
                cache.overlapping(&files, &file, &mut None, series, (first, last)).unwrap();
            let touches = |entry: &&Entry| {
                let summary = &entry.summary;
                summary.series == series && summary.last >= first && summary.first <= last
            };
            assert!(entries.iter().eq(all.iter().filter(touches)), "{series} {first} {last}");
            assert_eq!(missing, []);
        }
    }
}

#[test]
fn a_damaged_page_costs_no_block_and_a_damaged_block_in_it_only_itself() {
    let (files, all, written) = sample();
    for (number, page) in written.index.pages().iter().enumerate() {
        for at in [0, 5, 9, 12, 15, 17, 30, page.bytes as usize - 1] {
            let files = files.copy();
            files.flip(Path::new(PATH), page.offset as usize + at, 0x41);
            let (file, mended) = reopened(&files);
            let (found, damaged) = entries(&files, &file);
            assert!(!mended && damaged && found == all, "page {number}, byte {at}");
            files.flip(Path::new(PATH), page.blocks_at as usize + 25, 0x41);
            let found = entries(&files, &file).0;
            let expected = all.iter().filter(|entry| entry.offset != page.blocks_at);
            assert!(found.iter().eq(expected), "page {number}, byte {at}, and a block");
        }
    }
}

#[test]
fn without_its_directory_a_file_has_its_pages_and_without_one_of_them_its_blocks() {
    let (files, all, written) = sample();
    let end = files.contents(Path::new(PATH)).unwrap().len();
    for at in [end - 1, end - 31, end - 40, end - 32 - 32 * 11 - 40] {
        let files = files.copy();
        files.flip(Path::new(PATH), at, 0x41);
        let (file, mended) = reopened(&files);
        assert!(mended && file.walked && file.index == written.index, "byte {at}");
        for (number, page) in written.index.pages().iter().enumerate() {
            let files = files.copy();
            files.flip(Path::new(PATH), page.offset as usize + 20, 0x41);
            let (file, mended) = reopened(&files);
            assert!(mended && file.index.totals == written.index.totals, "byte {at}, page {number}");
            assert!(entries(&files, &file).0 == all, "byte {at}, page {number}");
        }
    }
}

#[test]
fn a_damaged_page_is_told_at_the_opening_and_its_file_kept_apart_and_answers_stay() {
    let mut rig = Rig::fresh(400);
    for day in 0..2 {
        let readings: Vec<(u32, i64, f64)> = (0..400).map(|series| (series, day * 1_000, 1.5)).collect();
        rig.append(commit(day as u64 * 400, &readings));
        rig.flush();
    }
    let file = rig.reader.shared.lock().files[0].clone();
    let page = file.index.pages()[1];
    rig.files.flip(&file.path, page.offset as usize + 30, 0x41);
    assert_eq!((rig.all(0).len(), rig.all(130), rig.all(399).len()), (2, vec![(0, 1.5), (1_000, 1.5)], 2));
    // Not read before, and now neither its page nor its block is sound.
    rig.files.flip(&file.path, page.blocks_at as usize + 30, 0x41);
    let mut rig = rig.kill();
    let [damage] = rig.recovery.damage.as_slice() else { panic!("{:?}", rig.recovery.damage) };
    assert!(damage.contains("1 pages of its index are damaged") && damage.ends_with("but 1"), "{damage}");
    let points = rig.reader.range(SeriesId(128), ALL, 9).unwrap();
    assert_eq!((points.times, points.damaged), (vec![1_000], 1));
    assert_eq!(rig.reader.range(SeriesId(127), ALL, 9).unwrap().damaged, 0);
    rig.compactor.merge_all().unwrap();
    assert_eq!(data_files(&rig).len(), 2);
}

#[test]
fn a_page_that_is_damaged_while_the_store_runs_stops_its_merge_and_nothing_else() {
    let mut rig = Rig::fresh(300);
    for day in 0..4 {
        let readings: Vec<(u32, i64, f64)> = (0..300).map(|series| (series, day * 1_000, 1.5)).collect();
        rig.append(commit(day as u64 * 300, &readings));
        rig.flush();
    }
    let file = rig.reader.shared.lock().files[0].clone();
    rig.files.flip(&file.path, file.index.pages()[2].offset as usize + 30, 0x41);
    rig.compactor.merge_all().unwrap();
    rig.compactor.sweep();
    assert_eq!(rig.reader.stats().files, 2, "the other three are one");
    for series in 0..300 {
        assert_eq!(rig.all(series).len(), 4);
    }
}
