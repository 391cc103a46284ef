//! The example of format 2 in `testdata/store-v2` must always be readable, and be what was written: manifest version 3 with
//! two classes and with what was dropped, data files of version 2 whose index has several pages, roll-ups beside readings,
//! and one that stands for readings that retention dropped. Once released it is never written again; until then this does:
//!
//! ```text
//! cargo test --release -p pantau-ingest --lib -- --ignored the_example_of_format_2_is_written
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pantau_journal::sim::SimFiles;
use pantau_proto::{Epoch, Flags};

use super::super::verify::verify;
use super::super::{Class, Keep, Retention};
use super::rollup::{DAY, HOUR, Model, check};
use super::support::{ALL, DIR, Rig, commit, files, gateway};
use crate::store::types::{Agg, Level, NewSeries, SeriesId};
use crate::store::{Names, StoreReader};

const FEBRUARY: i64 = 1_769_904_000_000; // 2026-02-01T00:00:00Z
const MARCH: i64 = FEBRUARY + 28 * DAY;
/// Where the readings of each month begin. Of January's only those of `rainfall` are left.
const STARTS: [i64; 3] = [FEBRUARY - 2 * DAY, FEBRUARY + 5 * DAY, MARCH + HOUR];
const DENSE: [&str; 5] =
    ["sko-1/temperature", "sko-1/pulses", "sko-1/wind_direction", "sko-1/rainfall/b", "sko-2/odd"];
const RAINFALL: u32 = 3;
/// Series of two readings a month, so that there are more blocks than a page of an index has.
const SLOW: u32 = 140;

fn series() -> impl Iterator<Item = (u32, String)> {
    let slow = (0..SLOW).map(|number| format!("slow-{number:03}/level"));
    (0..).zip(DENSE.iter().map(|name| (*name).to_owned()).chain(slow))
}

/// The readings of a series in a month: time, value, flags.
fn readings(series: u32, start: i64) -> Vec<(i64, f64, u16)> {
    const ODD: [f64; 5] = [-0.0, f64::MIN_POSITIVE / 2.0, f64::MAX, f64::NAN, 1.0 / 3.0];
    let minute = |at: i64| start + at * 60_000;
    let flag = |every: i64, at: i64, flag: Flags| if at % every == 0 { flag.0 } else { 0 };
    let each = |at: i64| match series {
        0 => (minute(at), ((at * 7) % 230 + 200) as f64 / 10.0, flag(50, at, Flags::SPIKE)),
        1 => (minute(at) + (at * 31) % 50, (at / 3) as f64, flag(97, at, Flags::LATE)),
        2 => (minute(at), ((at * 11) % 360) as f64, 0),
        RAINFALL => (minute(at), (at % 5) as f64 / 5.0, 0),
        4 => (minute(at) + at * at, ODD[at as usize % 5], Flags::LATE.0),
        _ => (minute(at * 900 + i64::from(series)), f64::from(series) + at as f64 / 4.0, 0),
    };
    (0..if series < 4 {
        2_160
    } else if series == 4 {
        100
    } else {
        2
    })
        .map(each)
        .collect()
}

fn retention() -> Retention {
    let rain =
        Class { name: "rain".to_owned(), quantities: vec!["rainfall".to_owned()], keep: Keep::default() };
    Retention { default: Keep { raw_months: 1, rollup_months: 0 }, classes: vec![rain] }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/store-v2")
}

#[test]
#[ignore = "writes testdata/store-v2 anew, which must not be done once format 2 is released"]
fn the_example_of_format_2_is_written() {
    let mut rig = Rig::keeping(files(), retention());
    let mut first = commit(0, &[]);
    let named =
        |(id, name): (u32, String)| NewSeries { id: SeriesId(id), name: name.into(), gateway: gateway() };
    first.new_series = series().map(named).collect();
    rig.append(first);
    let mut position = 0;
    let mut write = |rig: &mut Rig, start: i64, part: usize| {
        for (number, _) in series() {
            let all = readings(number, start);
            // The half of a month comes later than the other, so that there is something to merge.
            let half: Vec<_> = all.chunks(all.len().div_ceil(2)).nth(part).unwrap_or(&[]).to_vec();
            let written: Vec<_> = half.iter().map(|(time, value, _)| (number, *time, *value)).collect();
            let mut commit = commit(position, &written);
            commit.readings.flags = half.iter().map(|(_, _, flags)| *flags).collect();
            position += written.len() as u64;
            rig.append(commit);
        }
        rig.flush();
    };
    for start in &STARTS[..2] {
        (0..2).for_each(|part| write(&mut rig, *start, part));
    }
    rig.compactor.merge_all().unwrap();
    (0..2).for_each(|part| write(&mut rig, STARTS[2], part));
    assert!(rig.compactor.expire(MARCH + 4 * DAY).unwrap());
    rig.compactor.sweep();
    let _ = std::fs::remove_dir_all(folder());
    std::fs::create_dir_all(folder().join("data")).unwrap();
    for path in rig.files.paths() {
        let name = path.strip_prefix(DIR).unwrap();
        if name.starts_with("data") || name.ends_with("MANIFEST") || name.ends_with("series.log") {
            std::fs::write(folder().join(name), rig.files.contents(&path).unwrap()).unwrap();
        }
    }
}

/// A disk with the example, and the names of its data files.
fn example() -> (SimFiles, Vec<String>) {
    let files = files();
    let put = |name: &str| {
        let contents = std::fs::read(folder().join(name)).unwrap();
        files.set_contents(&Path::new(DIR).join(name), contents);
    };
    ["MANIFEST", "series.log"].into_iter().for_each(put);
    let listed = std::fs::read_dir(folder().join("data")).unwrap();
    let mut names: Vec<String> =
        listed.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.iter().for_each(|name| put(&format!("data/{name}")));
    (files, names)
}

#[test]
fn a_store_of_format_2_is_read() {
    let (files, names) = example();
    assert_eq!(
        names,
        [
            // January: of class 0 what is known of the dropped readings, of class 1 readings and roll-ups.
            "2026-01-0000000002-2.rol",
            "2026-01-c1-0000000003-1.pts",
            "2026-01-c1-0000000003-1.rol",
            "2026-02-0000000006-1.pts",
            "2026-02-0000000006-1.rol",
            "2026-02-c1-0000000007-1.pts",
            "2026-02-c1-0000000007-1.rol",
            // March is as it was flushed.
            "2026-03-0000000008.pts",
            "2026-03-0000000010.pts",
            "2026-03-c1-0000000009.pts",
            "2026-03-c1-0000000011.pts",
        ]
    );
    let told = verify(&files, Path::new(DIR), &mut |finding| {
        assert!(finding.file.starts_with("journal"), "{finding}");
    });
    let rig = Rig::keeping(files, retention());
    // The example comes without its journal, and nothing else may be wrong.
    let wrong: Vec<_> = rig.recovery.damage.iter().filter(|damage| !damage.starts_with("journal:")).collect();
    assert_eq!((wrong, rig.recovery.kept_for_ever.as_slice()), (Vec::<&String>::new(), [].as_slice()));

    let mut stored = 0;
    for (number, name) in series() {
        assert_eq!(rig.reader.find(&name), Some(SeriesId(number)));
        let kept = if number == RAINFALL { &STARTS[..] } else { &STARTS[1..] };
        let expected: Vec<_> = kept.iter().flat_map(|start| readings(number, *start)).collect();
        let found = rig.reader.range(SeriesId(number), ALL, 10_000).unwrap();
        let flags = found.flags.iter().copied().chain(std::iter::repeat(0));
        let bits = found.times.iter().zip(&found.values).zip(flags).map(|((t, v), f)| (*t, v.to_bits(), f));
        let wanted = expected.iter().map(|(time, value, flags)| (*time, value.to_bits(), *flags));
        assert!(bits.eq(wanted) && found.damaged == 0, "{name}");
        stored += expected.len() as u64;
    }
    assert_eq!(told.unwrap().readings, stored);
    let (counters, stats) = (rig.reader.counters(), rig.reader.stats());
    let written = 3 * (4 * 2_160 + 100 + 2 * u64::from(SLOW));
    assert_eq!((counters.readings, counters.stored, counters.pending()), (written, written, 0));
    assert_eq!((stats.expired_files, stats.expired_readings), (1, written - stored));
    let ranges = rig.reader.ranges(&gateway(), Epoch(1));
    assert_eq!(ranges.iter().collect::<Vec<_>>(), [(0, written)]);
}

#[test]
fn roll_ups_of_format_2_say_what_the_readings_came_to() {
    let rig = Rig::keeping(example().0, retention());
    let mut model = Model::new();
    for (number, _) in series().filter(|(number, _)| *number != 4) {
        let all = STARTS.iter().flat_map(|start| readings(number, *start));
        model.extend(all.map(|(time, value, flags)| ((number, time), (value, flags))));
    }
    // From a midnight of WIB on, days that have readings of every month.
    let from = STARTS[0] - 7 * HOUR;
    for series in 0..3 {
        for step in [HOUR, DAY, 7 * DAY] {
            check(&rig, &model, series, &(from..from + 42 * DAY), step);
        }
    }
    let mut taken: BTreeMap<(u32, i64), Option<Level>> = BTreeMap::new();
    for series in [0, RAINFALL, 5] {
        for (month, start) in [(1, from), (2, from + 7 * DAY), (3, from + 30 * DAY)] {
            let days = start..start + 4 * DAY;
            let found =
                rig.reader.aggregate(SeriesId(series), days.clone(), DAY, &[Agg::Count], 100).unwrap();
            let there = model.range((series, days.start)..(series, days.end)).count() as u64;
            assert_eq!((found.counts.iter().sum::<u64>(), found.damaged), (there, 0), "{series} in {month}");
            taken.insert((series, month), found.rollup);
        }
    }
    let day = Some(Level::Day);
    // Of a slow series days are kept only where there is nothing else.
    let expected = [[day, day, None], [day, day, None], [day, None, None]].concat();
    assert_eq!(taken.into_values().collect::<Vec<_>>(), expected);
}
