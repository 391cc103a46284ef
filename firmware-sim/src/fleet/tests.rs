#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use pantau_proto::{DeviceName, TimeMs, quantity};

use super::climate::{DAY, HOUR, WIB, day, rain_total, river_level, storms};
use super::{Device, FaultCounts, Faults, FleetSource, Kind, devices, signals, stations};
use crate::device::{Emission, Source};

const SEED: u64 = 7;
/// 2026-01-01 00:00 WIB
const YEAR: i64 = 1_767_200_400_000;

fn device(kind: Kind) -> Device {
    devices(6).find(|device| device.kind == kind).unwrap()
}

/// Values of one quantity over a year, every 20 minutes.
fn year(kind: Kind, name: &str) -> Vec<(i64, f64)> {
    let device = device(kind);
    let value = |time| {
        let values = signals::values(SEED, &device, time, 0.0);
        (time, values.iter().find(|(found, _)| *found == name).unwrap().1)
    };
    (0..365 * 72).map(|step| value(YEAR + step * 20 * 60_000)).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count)
}

fn at_hour(values: &[(i64, f64)], hour: i64) -> f64 {
    mean(
        values
            .iter()
            .filter(|(time, _)| (time + WIB).rem_euclid(DAY) / HOUR == hour)
            .map(|(_, value)| *value),
    )
}

#[test]
fn stations_stand_at_all_kecamatan_and_have_valid_names() {
    let all = stations(144, SEED);
    assert_eq!(all[0].device, "skh-air-01");
    assert_eq!(all[0].kind, "air");
    assert_eq!(all[..72].iter().map(|s| (s.kind, &s.kecamatan)).collect::<BTreeSet<_>>().len(), 72);
    assert_eq!(all.iter().map(|station| &station.device).collect::<BTreeSet<_>>().len(), 144);
    for station in &all {
        assert!(DeviceName::new(&station.device).is_ok());
        assert!(
            (-7.83..-7.53).contains(&station.lat) && (110.70..110.96).contains(&station.lon),
            "{station:?}"
        );
    }
    // A larger fleet begins with the smaller one.
    assert_eq!(stations(10, SEED), all[..10]);
}

#[test]
fn every_signal_is_plausible_for_a_year_and_the_same_again() {
    for device in devices(6) {
        for step in 0..365 * 24 {
            let time = YEAR + step * HOUR + 17_123;
            let values = signals::values(SEED, &device, time, 0.0);
            assert_eq!(values, signals::values(SEED, &device, time, 0.0));
            for (name, value) in values {
                assert!(quantity(name).unwrap().is_plausible(value), "{name} {value} at {time}");
                // Rounded to a sensor's resolution: at most two decimals.
                assert!(
                    format!("{value}").split('.').nth(1).is_none_or(|digits| digits.len() <= 2),
                    "{name} {value}"
                );
            }
        }
    }
    let other = |seed| signals::values(seed, &device(Kind::Air), YEAR, 0.0);
    assert_ne!(other(1), other(2));
}

#[test]
fn temperature_and_humidity_have_a_tropical_day() {
    let temperature = year(Kind::Air, "air_temperature");
    let (low, high) = (at_hour(&temperature, 2), at_hour(&temperature, 13));
    assert!((23.0..25.5).contains(&low) && (31.0..34.0).contains(&high), "{low} {high}");
    assert!(temperature.iter().all(|(_, value)| (20.0..35.0).contains(value)));
    let humidity = year(Kind::Air, "relative_humidity");
    assert!(at_hour(&humidity, 2) > at_hour(&humidity, 13) + 20.0);
}

#[test]
fn fine_dust_has_episodes() {
    let dust = year(Kind::Air, "pm2_5");
    let days: Vec<f64> = dust.chunks(72).map(|day| mean(day.iter().map(|(_, value)| *value))).collect();
    let bad = days.iter().filter(|mean| **mean > 55.4).count();
    assert!((5..120).contains(&bad), "{bad} days above 55.4");
    assert!(dust.iter().all(|(_, value)| (1.0..250.0).contains(value)));
}

#[test]
fn a_year_of_rain_is_one_of_central_java() {
    let total = |place| {
        let rain = |day| storms(SEED, Some(place), day).map(|storm| storm.amount_mm).sum::<f64>();
        (day(YEAR)..day(YEAR) + 365).map(rain).sum::<f64>()
    };
    let mean = (0..12).map(total).sum::<f64>() / 12.0;
    assert!((1_500.0..3_500.0).contains(&mean), "{mean} mm");
    // The counter never falls but where it begins again.
    let counter = year(Kind::Rain, "rainfall_total");
    let falls = counter.windows(2).filter(|pair| pair[1].1 < pair[0].1).count();
    assert!(falls <= 1, "{falls} resets");
    assert!(rain_total(SEED, 0, YEAR + 200 * DAY) >= 0.0);
}

#[test]
fn the_river_rises_after_rain_and_stays_in_its_bed() {
    let level = year(Kind::River, "water_level");
    assert!(level.iter().all(|(_, value)| (0.5..9.5).contains(value)));
    let heavy: Vec<i64> = (day(YEAR)..day(YEAR) + 365)
        .flat_map(|day| storms(SEED, None, day))
        .filter(|storm| storm.amount_mm > 20.0)
        .map(|storm| storm.start)
        .collect();
    assert!(heavy.len() > 5);
    for start in heavy {
        let (before, after) = (river_level(SEED, start), river_level(SEED, start + 8 * HOUR));
        assert!(after > before + 0.4, "{before} m, then {after} m");
    }
}

/// All messages of an hour: (topic, payload).
fn hour(faults: Faults) -> (Vec<(String, Vec<u8>)>, usize, FaultCounts) {
    let mut source = FleetSource::new(SEED, devices(12).collect(), TimeMs(YEAR), 10_000, faults);
    let (mut messages, mut cuts) = (vec![], 0);
    let end = TimeMs(YEAR + HOUR - 1);
    while let Some(emission) = source.take(end) {
        match emission {
            Emission::Message(message) => messages.push((message.topic, message.payload)),
            Emission::Cut => cuts += 1,
        }
    }
    (messages, cuts, source.counts())
}

#[test]
fn without_faults_every_device_sends_every_period() {
    let (messages, cuts, counts) = hour(Faults::default());
    assert_eq!((messages.len(), cuts, counts), (12 * 360, 0, FaultCounts::default()));
    let mut last: BTreeMap<&str, &[u8]> = BTreeMap::new();
    for (topic, payload) in &messages {
        // RFC 3339 sorts as text.
        assert!(last.insert(topic, payload).is_none_or(|before| before[..34] < payload[..34]));
        serde_json::from_slice::<serde_json::Value>(payload).unwrap();
    }
}

#[test]
fn faults_are_seeded_counted_and_do_what_they_say() {
    let one = |change: fn(&mut Faults)| {
        let mut faults = Faults::default();
        change(&mut faults);
        assert_eq!(hour(faults), hour(faults), "seeded");
        hour(faults)
    };
    let clean = hour(Faults::default()).0;
    let all = clean.len() as u64;

    let (messages, _, counts) = one(|faults| faults.duplicate = 0.1);
    assert!((200..800).contains(&counts.duplicates));
    assert_eq!(messages.len() as u64, all + counts.duplicates);
    assert_eq!(messages.iter().collect::<BTreeSet<_>>(), clean.iter().collect());

    let (messages, _, counts) = one(|faults| faults.out_of_order = 0.1);
    assert!(counts.out_of_order > 200);
    assert_ne!(messages, clean);
    let missing = clean.len() - messages.len();
    assert!(missing <= 12, "at most one a device still waits at the end");

    let (messages, _, counts) = one(|faults| faults.garbage = 0.1);
    let garbage = messages.iter().filter(|message| !clean.contains(message)).count() as u64;
    assert_eq!(garbage, counts.garbage);

    let (messages, cuts, counts) = one(|faults| faults.reboot = 0.005);
    assert_eq!(cuts as u64, counts.reboots);
    assert_eq!(messages.len() as u64 + counts.silent, all);

    let (messages, _, counts) = one(|faults| faults.silence = 0.005);
    assert!(counts.silent > 60);
    assert_eq!(messages.len() as u64 + counts.silent, all);

    let (messages, _, counts) = one(|faults| faults.clock_skew = 90);
    assert_eq!(counts.skewed, all);
    assert!(messages.iter().zip(&clean).all(|(skewed, right)| skewed.0 == right.0));
    assert_ne!(messages, clean);
}

#[test]
fn a_reboot_begins_the_rain_counter_again() {
    let device = device(Kind::Rain);
    let time = YEAR + 40 * DAY;
    let total = signals::rain_counter(SEED, &device, time);
    assert!(total > 10.0);
    assert_eq!(signals::values(SEED, &device, time, total)[0], ("rainfall_total", 0.0));
    assert_eq!(signals::values(SEED, &device, time, 0.0)[0], ("rainfall_total", total));
}

#[test]
fn the_past_ends_where_the_present_begins() {
    let from = TimeMs(YEAR);
    let until = TimeMs(YEAR + 3_600_000);
    let mut past = FleetSource::new(SEED, devices(3).collect(), from, 60_000, Faults::default()).until(until);
    let mut messages = 0;
    while past.due().is_some() {
        assert!(past.due().is_some_and(|due| due.0 < until.0));
        messages += usize::from(past.take(TimeMs(i64::MAX)).is_some());
    }
    assert_eq!(messages, 3 * 60);
}
