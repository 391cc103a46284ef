//! Whatever the encoder writes, a strict parser takes it and gives back the same bits.

use std::collections::BTreeMap;

use pantau_proto::v1::Reason;
use proptest::prelude::*;

use super::support::{Database, NOW, commit};
use crate::store::remote::line::{Heads, Lines, TIMES};
use crate::store::types::{Commit, SeriesId};

fn encode(commit: Commit, names: &[String]) -> (Lines, Vec<Reason>) {
    let name = |series: SeriesId| names.get(series.index()).map(|name| name.as_str().into());
    let (lines, refused) = Lines::of(&[commit], &TIMES, &mut Heads::default(), name);
    (lines, refused.into_iter().map(|refusal| refusal.reason).collect())
}

fn text(commit: Commit, names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let (lines, refused) = encode(commit, &names);
    assert_eq!(refused, []);
    String::from_utf8(lines.text(&(0..lines.len())).to_vec()).unwrap()
}

#[test]
fn a_reading_is_one_line_of_its_quantity() {
    let mut readings = commit(0, &[(0, NOW, 12.5), (1, -5, 1e300), (0, NOW + 1, -0.0)]);
    readings.readings.flags = vec![0, 8, 0];
    assert_eq!(
        text(readings, &["jkt-air-07/pm2_5", "bacem/water_level/left"]),
        "pm2_5,device=jkt-air-07 value=12.5 1700000000000\n\
         water_level,device=bacem,channel=left value=1e300,flags=8i -5\n\
         pm2_5,device=jkt-air-07 value=-0.0 1700000000001\n"
    );
    assert_eq!(
        text(commit(0, &[(0, 1, 1.0)]), &["a,b =c/q u,a=n/x=y"]),
        "q\\ u\\,a=n,device=a\\,b\\ \\=c,channel=x\\=y value=1.0 1\n"
    );
}

#[test]
fn what_the_protocol_cannot_express_never_becomes_a_line() {
    let names = ["a\\/q", "a/q\n", "a", "a/#q", "a/q/", "fine/q"].map(str::to_owned);
    let odd: Vec<_> = (0..5).map(|series| (series, 1, 1.0)).collect();
    let (lines, refused) = encode(commit(0, &odd), &names);
    assert_eq!((lines.len(), refused), (0, vec![Reason::BadName; 5]));
    let odd =
        [(5, 1, f64::NAN), (5, 1, f64::NEG_INFINITY), (5, TIMES.end() + 1, 1.0), (5, TIMES.start() - 1, 1.0)];
    let (lines, refused) = encode(commit(0, &odd), &names);
    let reasons = [Reason::NotFinite, Reason::NotFinite, Reason::TimeInFuture, Reason::TimeTooOld];
    assert_eq!((lines.len(), refused), (0, reasons.to_vec()));
}

#[test]
fn bodies_hold_whole_lines_within_both_bounds() {
    let readings: Vec<_> = (0..100).map(|time| (0, time, 1.0)).collect();
    let names = ["dev/q".to_owned()];
    let (lines, _) = encode(commit(0, &readings), &names);
    for (most_lines, most_bytes) in [(1, 1 << 20), (7, 1 << 20), (1_000, 100), (1_000, 1), (1_000, 1 << 20)] {
        let bodies = lines.bodies(most_lines, most_bytes);
        let mut next = 0;
        for body in &bodies {
            assert_eq!(body.start, next);
            assert!(body.len() == 1 || (body.len() <= most_lines && lines.text(body).len() <= most_bytes));
            assert!(lines.text(body).ends_with(b"\n"));
            next = body.end;
        }
        assert_eq!(next, 100);
    }
}

fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9_.:-]{0,8}",
        // Anything but what no name holds: the separator, the backslash, control characters.
        "[^/\\\\#\\p{C}][^/\\\\\\p{C}]{0,12}",
        "[ ,=\"'!]{1,4}",
    ]
}

fn name() -> impl Strategy<Value = String> {
    (part(), part(), prop::option::of(part())).prop_map(|(device, quantity, channel)| match channel {
        None => format!("{device}/{quantity}"),
        Some(channel) => format!("{device}/{quantity}/{channel}"),
    })
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("finite", |value| value.is_finite()),
        prop::num::f64::SUBNORMAL,
        (-100_000i32..100_000).prop_map(|value| f64::from(value) / 10.0),
        Just(-0.0),
        Just(f64::MAX),
        Just(f64::MIN_POSITIVE),
    ]
}

#[test]
fn a_strict_parser_takes_every_line_and_gives_back_the_same_bits() {
    let database = Database::start();
    let influx = database.influx();
    let times = prop_oneof![TIMES, 0i64..10, NOW - 10..NOW];
    let readings =
        prop::collection::vec((0u32..4, times, value(), prop_oneof![Just(0u16), any::<u16>()]), 1..30);
    let mut runner =
        proptest::test_runner::TestRunner::new(ProptestConfig { cases: 150, ..ProptestConfig::default() });
    let run = std::cell::Cell::new(0);
    runner
        .run(&(prop::collection::vec(name(), 4), readings), |(mut names, readings)| {
            // Each case has series of its own.
            run.set(run.get() + 1);
            for (number, name) in names.iter_mut().enumerate() {
                *name = format!("{}-{number}-{name}", run.get());
            }
            let mut expected: BTreeMap<(u32, i64), (f64, u16)> = BTreeMap::new();
            let mut whole = commit(0, &[]);
            for (series, time, value, flags) in readings {
                // The flags of a point stay when it is written again without any.
                let before = expected.get(&(series, time)).map_or(0, |(_, flags)| *flags);
                expected.insert((series, time), (value, if flags == 0 { before } else { flags }));
                whole.readings.series.push(SeriesId(series));
                whole.readings.times.push(time);
                whole.readings.values.push(value);
                whole.readings.flags.push(flags);
            }
            let (lines, refused) = encode(whole, &names);
            prop_assert_eq!(refused, vec![]);
            let (status, said) = database.influxd.write(&lines.text(&(0..lines.len())));
            prop_assert_eq!(status, 204, "{}", said);
            for (series, name) in names.iter().enumerate() {
                let read = database.runtime.block_on(influx.range(name, i64::MIN..i64::MAX, 1_000));
                let points = read.unwrap().unwrap();
                let of_it = expected.iter().filter(|((of, _), _)| *of as usize == series);
                let (mut times, mut values, mut flags) = (Vec::new(), Vec::new(), Vec::new());
                for ((_, time), (value, bits)) in of_it {
                    times.push(*time);
                    values.push(value.to_bits());
                    flags.push(*bits);
                }
                if flags.iter().all(|bits| *bits == 0) {
                    flags.clear();
                }
                let read: Vec<u64> = points.values.iter().map(|value| value.to_bits()).collect();
                prop_assert_eq!((points.times, read, points.flags), (times, values, flags), "{}", name);
            }
            Ok(())
        })
        .unwrap();
}
