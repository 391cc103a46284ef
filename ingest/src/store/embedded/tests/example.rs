//! The examples of format 1 in `testdata/store-v1` and `testdata/rollup-v1` must always be readable. Once released they are
//! never written again; a new format gets an example of its own.

use std::path::{Path, PathBuf};

use pantau_journal::StdFiles;
use pantau_proto::{Epoch, Flags};

use super::super::point::Point;
use super::super::rollup::{Cache, Extent, Extra, Fold, Rollup, Wanted};
use super::super::{Config, Opened, open};
use super::support::{ALL, gateway};
use crate::store::types::{Level, SeriesId};
use crate::store::{Names, StoreReader};

const START: i64 = 1_772_323_200_000 - 300 * 10_000; // 50 minutes before 2026-03-01T00:00:00Z

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/store-v1")
}

/// Decimals on an exact grid, decimals with jitter and flags, and floats of every kind.
fn reading(series: u32, at: i64) -> (i64, f64, u16) {
    let time = START + at * 10_000;
    match series {
        0 => (time, ((at * 7) % 23 + 200) as f64 / 10.0, 0),
        1 => (time + (at * 31) % 50, (at * 3) as f64, if at % 50 == 0 { Flags::SPIKE.0 } else { 0 }),
        _ => {
            let extremes = [-0.0, f64::MIN_POSITIVE / 2.0, f64::MAX, f64::MIN, 1.0 / 3.0];
            (time + at * at, extremes[at as usize % 5], Flags::LATE.0)
        }
    }
}

#[test]
fn a_store_of_format_1_is_read() {
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("data")).unwrap();
    for name in ["MANIFEST", "series.log", "data/2026-02-0000000000.pts", "data/2026-03-0000000001.pts"] {
        std::fs::copy(folder().join(name), copy.path().join(name)).unwrap();
    }
    let mut config = Config::new(copy.path());
    config.journal.segment_bytes = 64 << 10;
    let Opened { reader, recovery, .. } = open(StdFiles::new(), config, &mut |_| {}).unwrap();
    // The example comes without its journal, and nothing else may be wrong.
    assert!(recovery.damage.iter().all(|damage| damage.starts_with("journal:")), "{:?}", recovery.damage);
    for series in 0..3 {
        let count = if series < 2 { 600 } else { 100 };
        let expected: Vec<(i64, f64, u16)> = (0..count).map(|at| reading(series, at)).collect();
        let found = reader.range(SeriesId(series), ALL, 1_000).unwrap();
        let bits = |value: &f64| value.to_bits();
        assert_eq!(found.times, expected.iter().map(|reading| reading.0).collect::<Vec<_>>());
        let values: Vec<u64> = expected.iter().map(|reading| bits(&reading.1)).collect();
        assert_eq!(found.values.iter().map(bits).collect::<Vec<_>>(), values);
        let flags: Vec<u16> = expected.iter().map(|reading| reading.2).collect();
        assert_eq!(found.flags, if series == 0 { Vec::new() } else { flags });
    }
    assert_eq!(reader.find("dev-00002/temperature"), Some(SeriesId(2)));
    assert_eq!(reader.ranges(&gateway(), Epoch(1)).iter().collect::<Vec<_>>(), [(0, 900), (1_000, 1_001)]);
    let counters = reader.counters();
    assert_eq!((counters.readings, counters.stored, counters.late), (1_300, 1_300, 100));
}

/// The example's readings of a series before March.
fn february(series: u32) -> Vec<Point> {
    let all = (0..if series < 2 { 300 } else { 100 }).map(|at| reading(series, at));
    let points = all.map(|(time, value, flags)| Point { time, value, flags });
    points.filter(|point| point.time < START + 3_000_000).collect()
}

#[test]
fn a_roll_up_of_format_1_is_read() {
    let files = StdFiles::new();
    let name = "2026-02-0000000000-1.rol";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/rollup-v1").join(name);
    let (rollup, mended) = Rollup::open(&files, &path).unwrap();
    assert_eq!((rollup.id.rollup_name().as_str(), mended), (name, None));
    let mut extents = Vec::new();
    assert_eq!(
        rollup.extents(&files, &(0..=u32::MAX), &mut |extent| extents.push(extent)).unwrap(),
        Vec::<String>::new()
    );
    for series in 0..3 {
        let points = february(series);
        let (first, last) = (points[0], points[points.len() - 1]);
        let extent = Extent {
            series,
            count: points.len() as u64,
            first: first.time,
            last: last.time,
            last_flags: last.flags,
            last_value: last.value,
        };
        assert_eq!(extents[series as usize], extent);
        for level in [Level::Hour, Level::Day] {
            let mut fold = Fold::new(level);
            fold.add(&points, Extra::None);
            fold.close();
            let pack = rollup.read(&files, &Cache::default(), (level, series), Wanted::ALL).unwrap().unwrap();
            let (extra, rows) = pack.rows(series).unwrap();
            assert_eq!((extra, rows.collect::<Vec<_>>()), (Extra::None, fold.rows));
        }
    }
}
