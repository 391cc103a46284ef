#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::store::embedded::Class;
use proptest::prelude::*;

const NOW: i64 = 1_700_000_000_000;
const OLDEST: i64 = 946_684_800_000;

fn entry(name: &str, unit: &str) -> Entry {
    super::entry(name, unit, &Retention::default())
}

fn judge(dictionary: &[Entry], readings_of: &[(u32, i64, f64)]) -> (Columns, Vec<Refused>) {
    let mut columns = Columns {
        series: readings_of.iter().map(|r| r.0).collect(),
        times: readings_of.iter().map(|r| r.1).collect(),
        values: readings_of.iter().map(|r| r.2).collect(),
        flags: Vec::new(),
    };
    let retention = Retention::default();
    let window = Window::new(NOW, OLDEST, &retention);
    let refusals = readings(dictionary, &mut columns, &window, |i| 100 + i as u64);
    (columns, refusals)
}

fn bad(name: &str, unit: &str) -> Reason {
    match entry(name, unit) {
        Entry::Bad { reason, .. } => reason,
        Entry::Good(_) => panic!("{name} {unit} is good"),
    }
}

#[test]
fn a_series_is_judged_once_by_name_quantity_and_unit() {
    assert!(matches!(entry("jkt-air-07/pm2_5", ""), Entry::Good(_)));
    assert!(matches!(entry("jkt-air-07/pm2_5/b", "ug/m3"), Entry::Good(_)));
    assert_eq!(bad("no slash", ""), Reason::BadName);
    assert_eq!(bad("a b/pm2_5", ""), Reason::BadName);
    assert_eq!(bad("a/happiness", ""), Reason::UnknownQuantity);
    assert_eq!(bad("a/air_temperature", "parsec"), Reason::UnknownUnit);
}

#[test]
fn values_are_converted_to_the_catalogues_unit() {
    let dictionary = [entry("a/air_temperature", "degF"), entry("a/air_temperature", "")];
    let (columns, refusals) = judge(&dictionary, &[(0, NOW, 212.0), (1, NOW, 21.5)]);
    assert!((columns.values[0] - 100.0).abs() < 1e-9 && columns.values[1] == 21.5, "{columns:?}");
    assert!(refusals.is_empty());
}

#[test]
fn every_bad_reading_is_refused_with_its_reason_and_the_others_stay() {
    let dictionary = [entry("a/air_temperature", ""), entry("a/happiness", "")];
    let (columns, refusals) = judge(
        &dictionary,
        &[
            (0, NOW, 1.0),
            (0, NOW, f64::NAN),
            (0, NOW + FUTURE_MS + 1, 2.0),
            (0, NOW + FUTURE_MS, 3.0),
            (0, OLDEST - 1, 4.0),
            (0, OLDEST, 5.0),
            (1, NOW, 6.0),
            (9, NOW, 7.0),
            (0, NOW, f64::INFINITY),
        ],
    );
    assert_eq!(columns.values, [1.0, 3.0, 5.0]);
    assert_eq!(columns.times, [NOW, NOW + FUTURE_MS, OLDEST]);
    let reasons: Vec<_> =
        refusals.iter().map(|r| (r.position, Reason::try_from(r.reason).unwrap())).collect();
    use Reason::*;
    assert_eq!(
        reasons,
        [
            (101, NotFinite),
            (102, TimeInFuture),
            (104, TimeTooOld),
            (106, UnknownQuantity),
            (107, BadName),
            (108, NotFinite)
        ]
    );
    assert_eq!(
        (refusals[1].topic.as_str(), refusals[1].payload.as_slice()),
        ("a/air_temperature", &b"2"[..])
    );
}

#[test]
fn an_implausible_value_is_flagged_and_kept() {
    let dictionary = [entry("a/air_temperature", "")];
    let (columns, refusals) = judge(&dictionary, &[(0, NOW, 20.0), (0, NOW, f64::NAN), (0, NOW, 99.0)]);
    assert_eq!((columns.values.as_slice(), refusals.len()), (&[20.0, 99.0][..], 1));
    assert_eq!(columns.flags, [0, Flags::OUT_OF_RANGE.0]);
}

#[test]
fn a_gateway_cannot_set_the_flags_that_ingest_decides_about() {
    let mut columns =
        Columns { series: vec![0], times: vec![NOW], values: vec![20.0], flags: vec![u16::MAX] };
    let retention = Retention::default();
    let window = Window::new(NOW, OLDEST, &retention);
    readings(&[entry("a/air_temperature", "")], &mut columns, &window, |i| i as u64);
    assert_eq!(columns.flags, [FROM_GATEWAY]);
}

#[test]
fn what_is_older_than_its_class_keeps_is_refused_and_says_which_class() {
    let keep = Keep { raw_months: 1, rollup_months: 0 };
    let noise = Class { name: "noise".to_owned(), quantities: vec!["sound_level".to_owned()], keep };
    let retention = Retention { default: Keep::default(), classes: vec![noise] };
    let dictionary = ["a/sound_level", "a/rainfall"].map(|name| super::entry(name, "", &retention));
    let first = 1_696_118_400_000; // 2023-10-01; NOW is in November
    let times = [first, first - 1, OLDEST - 1];
    let mut columns = Columns {
        series: vec![0, 0, 0, 1],
        times: times.into_iter().chain([first - 1]).collect(),
        values: vec![50.0; 4],
        flags: Vec::new(),
    };
    let window = Window::new(NOW, OLDEST, &retention);
    let refusals = readings(&dictionary, &mut columns, &window, |i| i as u64);
    assert_eq!(columns.times, [first, first - 1]);
    let told: Vec<_> = refusals.iter().map(|refused| (refused.reason, refused.detail.as_str())).collect();
    assert_eq!(
        told,
        [
            (
                Reason::TimeTooOld as i32,
                "older than what class noise keeps: the current month and 1 before it (UTC)"
            ),
            (Reason::TimeTooOld as i32, "before the oldest time that is kept (limits.oldest)"),
        ]
    );
}

proptest! {
    #[test]
    fn nothing_is_lost_between_kept_and_refused(
        rows in prop::collection::vec((0u32..4, prop_oneof![Just(NOW), Just(0), Just(i64::MAX), Just(i64::MIN)], any::<f64>()), 0..50)
    ) {
        let dictionary = [entry("a/air_temperature", "K"), entry("a/b/c/d", ""), entry("a/rainfall", "inch")];
        let (columns, refusals) = judge(&dictionary, &rows);
        prop_assert_eq!(columns.series.len() + refusals.len(), rows.len());
        prop_assert!(columns.values.len() == columns.series.len() && columns.times.len() == columns.series.len());
        prop_assert!(columns.flags.is_empty() || columns.flags.len() == columns.series.len());
        prop_assert!(refusals.windows(2).all(|w| w[0].position < w[1].position));
        prop_assert!(columns.values.iter().all(|v| v.is_finite()));
    }
}
