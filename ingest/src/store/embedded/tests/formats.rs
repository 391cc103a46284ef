//! Every format gives back what it was given.

use pantau_journal::FileLayer as _;
use proptest::prelude::*;

use super::super::block::{self, MAX_POINTS, Scratch, Summary};
use super::super::bytes;
use super::super::columns::Entry;
use super::super::datafile::{DataFile, FileId};
use super::super::filewriter::FileWriter;
use super::super::index::{self, Index, PageRef, Totals};
use super::super::manifest::{FileRef, Manifest};
use super::super::months::{month_name, month_of, month_start};
use super::super::point::{Point, Tally, merge, settle};
use super::super::record;
use super::support::{commit, gateway};
use crate::store::types::{Commit, Elsewhere, Loss, NewSeries, Refused, SeriesId};

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-1_000_000_i64..1_000_000, 0_u32..5)
            .prop_map(|(digits, scale)| digits as f64 / 10_f64.powi(scale as i32)),
        any::<f64>(),
        prop::sample::select(vec![
            0.0,
            -0.0,
            f64::MIN_POSITIVE / 8.0,
            f64::MAX,
            f64::MIN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            9_007_199_254_740_993.0,
            0.1 + 0.2,
        ]),
    ]
}

fn points() -> impl Strategy<Value = Vec<Point>> {
    let step = prop_oneof![Just(10_000_i64), 1_i64..100_000, 1_i64..100_000_000_000];
    let decimals = (-10_000_i64..10_000).prop_map(|digits| digits as f64 / 10.0);
    let values = prop_oneof![3 => prop::collection::vec(decimals, 1..700), 2 => prop::collection::vec(value(), 1..300)];
    (
        -1_000_000_000_000_i64..2_000_000_000_000,
        values,
        step,
        prop::sample::select(vec![0_u16, 0, 1, 8, 0xffff]),
    )
        .prop_map(|(start, values, step, flag)| {
            let point = |(at, value): (usize, f64)| Point {
                time: start + at as i64 * step + (at as i64 * 7) % step.min(50),
                value,
                flags: if at % 3 == 0 { flag } else { 0 },
            };
            values.into_iter().enumerate().map(point).collect()
        })
}

fn same(left: &[Point], right: &[Point]) -> bool {
    let bits = |points: &[Point]| -> Vec<(i64, u64, u16)> {
        points.iter().map(|point| (point.time, point.value.to_bits(), point.flags)).collect()
    };
    bits(left) == bits(right)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_number_takes_as_few_bytes_as_it_needs(number in any::<i64>(), shift in 0_u32..64) {
        let number = number >> shift;
        let mut out = Vec::new();
        bytes::put_short(&mut out, number);
        // Two's complement and seven bits a byte.
        let digits = 65 - number.unsigned_abs().max((!number).unsigned_abs()).leading_zeros();
        prop_assert!(out.len() as u32 <= digits.div_ceil(7).max(1) && out.len() <= 10);
        let mut cursor = bytes::Cursor::new(&out);
        prop_assert_eq!(cursor.short(), Ok(number));
        prop_assert!(cursor.is_empty());
        prop_assert!(bytes::Cursor::new(&out[..out.len() - 1]).short().is_err());
    }

    #[test]
    fn a_block_gives_back_every_bit(points in points(), series: u32) {
        let mut out = vec![7; 3];
        let len = block::encode(series, &points, &mut Scratch::default(), &mut out);
        prop_assert_eq!(block::claimed_len(&out[3..]), Some(len));
        let (found, back) = block::decode(&out[3..]).unwrap();
        prop_assert_eq!(found, series);
        prop_assert!(same(&points, &back));
    }

    #[test]
    fn settling_keeps_the_newest_of_equal_times(times in prop::collection::vec(0_i64..20, 0..60)) {
        let mut points: Vec<Point> =
            times.iter().enumerate().map(|(at, time)| Point { time: *time, value: at as f64, flags: 0 }).collect();
        let model: std::collections::BTreeMap<i64, f64> = points.iter().map(|point| (point.time, point.value)).collect();
        let mut tally = Tally::default();
        settle(&mut points, &mut tally);
        prop_assert_eq!(points.iter().map(|point| (point.time, point.value)).collect::<Vec<_>>(), model.into_iter().collect::<Vec<_>>());
        prop_assert_eq!(tally.replaced as usize + points.len(), times.len());
    }

    #[test]
    fn a_month_holds_exactly_its_days(time in -62_135_596_800_000_i64..253_402_300_799_999) {
        let month = month_of(time);
        prop_assert!(month_start(month) <= time && time < month_start(month + 1));
        let (year, number) = (1970 + month.div_euclid(12), month.rem_euclid(12) + 1);
        let day = format!("{year:04}-{number:02}-01T00:00:00Z").parse::<jiff::Timestamp>().unwrap();
        prop_assert_eq!(day.as_millisecond(), month_start(month));
        prop_assert_eq!(month_name(month), format!("{year:04}-{number:02}"));
    }

    #[test]
    fn malformed_input_is_an_error_and_never_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = record::decode(&bytes);
        let _ = index::decode_version_1(&bytes, 3, 32, 4_096);
        let _ = Index::decode(&bytes, 3, 4_096);
        let _ = index::decode_page(&bytes, 4_096);
        if bytes.len() > 8 {
            // With a right checksum, so that what lies behind it is tried as well.
            let len = bytes.len() as u32;
            bytes[4..8].copy_from_slice(&len.to_le_bytes());
            let crc = crc32c::crc32c(&bytes[4..]);
            bytes[..4].copy_from_slice(&crc.to_le_bytes());
            let _ = block::decode(&bytes);
        }
    }
}

#[test]
fn a_full_block_of_extremes_comes_back() {
    let far = |at: usize| Point {
        time: -62_000_000_000_000 + at as i64 * 70_000_000_000,
        value: f64::MAX / (at + 1) as f64,
        flags: u16::MAX,
    };
    let points: Vec<Point> = (0..MAX_POINTS).map(far).collect();
    let mut out = Vec::new();
    block::encode(1, &points, &mut Scratch::default(), &mut out);
    assert!(same(&points, &block::decode(&out).unwrap().1));
}

#[test]
fn decimals_take_far_less_than_floats() {
    let points: Vec<Point> = (0..4_096)
        .map(|at| Point { time: at * 10_000, value: (200 + (at * 37) % 11) as f64 / 10.0, flags: 0 })
        .collect();
    let mut out = Vec::new();
    block::encode(1, &points, &mut Scratch::default(), &mut out);
    assert!(out.len() < 4_096 * 6 / 10, "{} bytes", out.len());
}

#[test]
fn every_flipped_bit_of_a_block_is_seen() {
    let points: Vec<Point> =
        (0..50).map(|at| Point { time: at * 1_000, value: at as f64 / 10.0, flags: 1 }).collect();
    let mut out = Vec::new();
    block::encode(9, &points, &mut Scratch::default(), &mut out);
    for bit in 0..out.len() * 8 {
        let mut bent = out.clone();
        bent[bit / 8] ^= 1 << (bit % 8);
        assert!(block::decode(&bent).is_err(), "bit {bit}");
    }
    for len in 0..out.len() {
        assert!(block::decode(&out[..len]).is_err(), "cut at {len}");
    }
}

#[test]
fn pieces_that_follow_each_other_are_only_joined() {
    let piece =
        |from: i64| (from..from + 3).map(|time| Point { time, value: 0.0, flags: 0 }).collect::<Vec<_>>();
    assert_eq!(merge(vec![piece(0), Vec::new(), piece(3), piece(10)]).len(), 9);
    assert_eq!(
        merge(vec![piece(2), piece(0)]).iter().map(|point| point.time).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4]
    );
}

/// Blocks as a file has them: in the order of series, then time, one after the other from `offset` on.
fn blocks(offset: u64) -> Vec<Entry> {
    let mut offset = offset;
    let entry = |at: u32| {
        let point = |n: i64| Point {
            time: i64::from(at % 3) * 1_000 + n * 3,
            value: n as f64 * 0.3,
            flags: u16::from(at == 7),
        };
        let points: Vec<Point> = (0..=i64::from(at)).map(point).collect();
        let entry = Entry { summary: Summary::of(at / 3, &points).unwrap(), offset, len: 100 + at };
        offset += u64::from(entry.len);
        entry
    };
    (0..100_u32).map(entry).collect()
}

#[test]
fn a_page_comes_back_and_every_flipped_byte_is_seen() {
    let entries = blocks(32);
    let mut out = Vec::new();
    index::encode_page(&entries, &mut out);
    assert!(index::is_marked(&out) && out.len() < 100 * 40, "{} bytes", out.len());
    assert_eq!(index::decode_page(&out, 100_000).unwrap(), entries);
    let end = entries.last().map(|last| last.offset + u64::from(last.len)).unwrap();
    assert!(index::decode_page(&out, end).is_ok() && index::decode_page(&out, end - 1).is_err());
    for at in 0..out.len() {
        let mut bent = out.clone();
        bent[at] ^= 0x40;
        assert!(index::decode_page(&bent, 100_000).is_err(), "byte {at}");
        assert!(index::decode_page(&out[..at], 100_000).is_err(), "cut at {at}");
    }
}

#[test]
fn a_directory_comes_back_and_knows_where_to_look() {
    let page = |n: u64| PageRef {
        series: n as u32 / 2 * 10,
        first: (n % 2 * 1_000) as i64,
        blocks: 128,
        bytes: 900,
        blocks_at: 32 + n * 10_000,
        offset: 31 + (n + 1) * 10_000 - 900,
    };
    let totals = Totals { blocks: 1_280, readings: 9_999, first: -5, last: 7_000 };
    let index = Index::new((0..10).map(page).collect(), totals);
    let mut out = Vec::new();
    index.encode(&mut out);
    assert_eq!(out.len(), 48 + 10 * 32);
    assert_eq!(std::mem::size_of::<PageRef>(), 32, "what a page costs in memory");
    assert_eq!(Index::decode(&out, 10, 200_000).unwrap(), index);
    for at in 0..out.len() {
        assert!(Index::decode(&out[..at], 10, 200_000).is_err(), "cut at {at}");
    }
    assert_eq!(index.touching(10, 0, 500), 2..3);
    assert_eq!(index.touching(10, 500, 1_500), 2..4);
    assert_eq!(index.touching(10, 1_500, 1_600), 3..4);
    assert_eq!(index.touching(15, 0, 5_000), 3..4, "it may come behind the page's first series");
    assert_eq!(index.touching(0, -9, -1), 0..0, "its first block is later");
    assert_eq!((index.touching(0, 7_001, 9_000), index.touching(0, -9, -6)), (0..0, 0..0));
}

#[test]
fn a_commit_comes_back_from_its_record() {
    let mut commit = commit(7, &[(0, 5, 1.5), (1, -5, f64::MIN)]);
    commit.ranges = vec![3..9, 12..13];
    commit.reported_next = Some(13);
    commit.skipped = 4;
    commit.readings.flags = vec![0, 8];
    commit.new_series = vec![NewSeries { id: SeriesId(0), name: "a/b".into(), gateway: gateway() }];
    commit.refused = vec![Refused {
        position: 5,
        reason: 3,
        source: "dev".to_owned(),
        topic: "a/b".to_owned(),
        detail: "not a number".to_owned(),
        payload: vec![0, 255, 3],
        time: -4,
    }];
    commit.losses = vec![Loss {
        start: 1,
        end: 2,
        first_time: 3,
        last_time: 4,
        count: 1,
        reason: 2,
        detail: "full".to_owned(),
    }];
    let elsewhere = Commit { elsewhere: Elsewhere { readings: 7, late: 2 }, ..commit.clone() };
    for (version, commit) in [(1, commit), (2, elsewhere)] {
        let mut out = Vec::new();
        record::encode(&commit, &mut out);
        assert_eq!((out[0], record::decode(&out).unwrap()), (version, commit));
        for len in 0..out.len() {
            assert!(record::decode(&out[..len]).is_err(), "cut at {len}");
        }
    }
}

#[test]
fn a_manifest_comes_back_and_damage_is_seen() {
    let files = super::support::files();
    let dir = std::path::Path::new("/m");
    files.create_dir(dir).unwrap();
    assert_eq!(Manifest::load(&files, dir).unwrap(), None);
    let mut manifest = Manifest {
        generation: 4,
        next_file: 9,
        covered: 77,
        names_bytes: 16,
        series: 3,
        ..Manifest::default()
    };
    manifest.counters.late = 5;
    manifest.classes.adopt(5);
    manifest.classes.cuts = vec![3, 7];
    let id = FileId { seq: 8, generation: 2, month: -3, class: 5 };
    manifest.files = vec![FileRef { id, bytes: 99, rollup_bytes: 7 }];
    let mut state = crate::store::types::EpochState { reported_next: Some(0), ..Default::default() };
    state.ranges.insert(4, 9);
    manifest.gateways.entry(gateway()).or_default().insert(u64::MAX, state);
    manifest.store(&files, dir).unwrap();
    assert_eq!(Manifest::load(&files, dir).unwrap(), Some(manifest));
}

#[test]
fn a_manifest_of_version_2_is_read() {
    let files = super::support::files();
    let dir = std::path::Path::new("/m");
    files.create_dir(dir).unwrap();
    let mut bytes = b"PANTAUMF\x02\0\0\0".to_vec();
    bytes::put_u64s(&mut bytes, [4, 9, 77, 16]);
    bytes.extend_from_slice(&3_u32.to_le_bytes());
    bytes::put_u64s(&mut bytes, 1..=9);
    for part in [1_u32, 8, 0, 2, 674] {
        bytes.extend_from_slice(&part.to_le_bytes());
    }
    bytes::put_u64s(&mut bytes, [99]);
    bytes.extend_from_slice(&0_u32.to_le_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    super::super::fs::replace(&files, &dir.join("MANIFEST"), &bytes).unwrap();
    let manifest = Manifest::load(&files, dir).unwrap().unwrap();
    let id = FileId { seq: 8, generation: 2, month: 674, class: 0 };
    assert_eq!(manifest.files, [FileRef { id, bytes: 99, rollup_bytes: 0 }]);
    assert_eq!(
        (manifest.covered, manifest.counters.skipped, id.name().as_str()),
        (77, 9, "2026-03-0000000008-2.pts")
    );
}

#[test]
fn a_file_says_of_which_class_it_is() {
    let files = super::support::files();
    let dir = std::path::Path::new("/d");
    files.create_dir(dir).unwrap();
    let id = FileId { seq: 19, generation: 1, month: 674, class: 3 };
    let mut writer = FileWriter::create(&files, dir, id).unwrap();
    let point = Point { time: month_start(674), value: 1.0, flags: 0 };
    writer.add(0, &[point], &mut Scratch::default()).unwrap();
    let written = writer.finish().unwrap();
    assert_eq!(written.path, dir.join("2026-03-c3-0000000019-1.pts"));
    let (read, mended) = DataFile::open(&files, &written.path).unwrap();
    assert_eq!((read.id, mended), (id, None));
}
