//! What each kind of device reports, as a pure function of (seed, device, time), rounded to what such a
//! sensor resolves.

use super::Device;
use super::climate::{DAY, HOUR, WIB, day, hour, rain_rate, rain_total, river_level};
use super::noise::{hash, smooth, unit};
use crate::text::round;

/// What a device measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Air: temperature, humidity, pressure, PM2.5, PM10.
    Air,
    /// River: level and battery.
    River,
    /// Tipping-bucket rain gauge: a counter that a reboot resets, and battery.
    Rain,
    /// Sound level.
    Noise,
    /// Traffic: flow and speed.
    Traffic,
    /// Streetlight: power and voltage.
    Light,
}

/// Millimetres of a tip of the bucket.
const TIP_MM: f64 = 0.2;

impl Kind {
    /// All kinds, in the order in which a fleet takes them.
    pub const ALL: [Self; 6] = [Self::Air, Self::River, Self::Rain, Self::Noise, Self::Traffic, Self::Light];

    /// As it stands in the device's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Air => "air",
            Self::River => "river",
            Self::Rain => "rain",
            Self::Noise => "noise",
            Self::Traffic => "traffic",
            Self::Light => "light",
        }
    }

    /// Its Indonesian name.
    #[must_use]
    pub const fn title_id(self) -> &'static str {
        match self {
            Self::Air => "Udara",
            Self::River => "Sungai",
            Self::Rain => "Hujan",
            Self::Noise => "Kebisingan",
            Self::Traffic => "Lalu lintas",
            Self::Light => "Lampu jalan",
        }
    }
}

/// Quantities and values in the catalogue's units. `rain_zero_mm` is what a rain counter showed when it was
/// reset.
pub(super) fn values(seed: u64, device: &Device, time: i64, rain_zero_mm: f64) -> Vec<(&'static str, f64)> {
    let own = |salt: u64, period: i64| smooth([seed, device.id, salt], time, period);
    match device.kind {
        Kind::Air => air(seed, device, time),
        Kind::River => {
            let level = river_level(seed, time) + 0.02 * own(1, 20 * 60_000) + 0.01 * own(2, 20_000);
            vec![("water_level", round(level, 100.0)), battery(time, own(3, 6 * HOUR))]
        }
        Kind::Rain => {
            let total = rain_counter(seed, device, time);
            // Below zero after the counter's own reset: it counts from nothing then.
            let since = if total < rain_zero_mm { total } else { total - rain_zero_mm };
            vec![("rainfall_total", round(since, 10.0)), battery(time, own(3, 6 * HOUR))]
        }
        Kind::Noise => {
            let busy = activity(time);
            let rain = 4.0 * (rain_rate(seed, device.place, time) / 20.0).min(1.0);
            let level = 44.0 + 22.0 * busy + rain + 3.0 * own(1, 5 * 60_000) + 2.5 * own(2, 4_000);
            vec![("sound_level", round(level, 10.0))]
        }
        Kind::Traffic => {
            let capacity = 700.0 + 900.0 * unit(hash(&[seed, device.id, 9]));
            let flow = capacity * (0.04 + activity(time)) * (1.0 + 0.15 * own(1, 10 * 60_000))
                + 20.0 * own(2, 30_000);
            let flow = flow.max(0.0);
            let speed = 58.0 - 38.0 * (flow / 1_800.0) + 4.0 * own(3, 60_000);
            vec![("traffic_flow", flow.round()), ("traffic_speed", speed.max(3.0).round())]
        }
        Kind::Light => {
            let on = lamp_share(hour(time));
            let voltage = 222.0 - 5.0 * activity(time) + 2.0 * own(1, 15 * 60_000) + 0.4 * own(2, 10_000);
            let power = (0.4 + 119.6 * on) * (voltage / 220.0);
            vec![("power", round(power, 10.0)), ("voltage", round(voltage, 10.0))]
        }
    }
}

/// What a rain gauge's counter shows without resets, in mm, in whole tips.
pub(super) fn rain_counter(seed: u64, device: &Device, time: i64) -> f64 {
    round((rain_total(seed, device.place, time) / TIP_MM).floor() * TIP_MM, 10.0)
}

fn air(seed: u64, device: &Device, time: i64) -> Vec<(&'static str, f64)> {
    let own = |salt: u64, period: i64| smooth([seed, device.id, salt], time, period);
    let all = |salt: u64, period: i64| smooth([seed, u64::MAX, salt], time, period);
    let rain = (rain_rate(seed, device.place, time) / 15.0).min(1.0);

    // Warmest at 13:30; between 23 and 34 °C on most days, cooler in the rain.
    let sun = (std::f64::consts::TAU * (hour(time) - 13.5) / 24.0).cos();
    let temperature = 28.3 + 4.3 * sun + 0.9 * all(11, 9 * HOUR) + 0.3 * own(12, 20 * 60_000) - 2.5 * rain;
    let humidity = 76.0 - 4.4 * (temperature - 28.3) + 4.0 * all(13, 7 * HOUR) + 12.0 * rain;
    // Twice a day, as everywhere in the tropics.
    let tide = (std::f64::consts::TAU * (hour(time) - 9.5) / 12.0).cos();
    let pressure = 1_000.5 + 1.4 * tide + 1.2 * all(14, DAY) + 0.1 * own(15, HOUR);

    let smoke = episode(seed, time);
    let pm2_5 = (16.0 + 16.0 * activity(time) + 7.0 * own(16, 2 * HOUR) + 1.5 * own(17, 60_000) + smoke)
        * (1.0 - 0.5 * rain);
    let pm2_5 = pm2_5.max(1.0);
    let pm10 = pm2_5 * (1.7 + 0.2 * own(18, 3 * HOUR));
    vec![
        ("air_temperature", round(temperature, 10.0)),
        ("relative_humidity", humidity.clamp(30.0, 100.0).round()),
        ("air_pressure", round(pressure, 10.0)),
        ("pm2_5", round(pm2_5, 10.0)),
        ("pm10", round(pm10, 10.0)),
    ]
}

/// How busy people are, from 0 to 1: a peak in the morning and one in the evening, less on Sundays.
fn activity(time: i64) -> f64 {
    let bump = |at: f64, width: f64| (-((hour(time) - at) / width).powi(2)).exp();
    let sunday = (day(time) + 4).rem_euclid(7) == 0;
    let peaks = 0.75 * bump(7.0, 1.2) + 0.85 * bump(17.2, 1.8) + 0.5 * bump(12.0, 4.5);
    (if sunday { 0.6 } else { 1.0 } * peaks).min(1.0)
}

/// PM2.5 that smoke or still air adds to the whole region for a day or three, in µg/m3.
fn episode(seed: u64, time: i64) -> f64 {
    let block = (time + WIB).div_euclid(3 * DAY);
    let draw = hash(&[seed, 0xe915, block.cast_unsigned()]);
    if unit(draw) > 0.16 {
        return 0.0;
    }
    let share = (time + WIB).rem_euclid(3 * DAY) as f64 / (3 * DAY) as f64;
    let peak = 45.0 + 75.0 * unit(hash(&[draw, 1]));
    peak * (std::f64::consts::PI * share).sin().powi(2)
}

/// A streetlight: on from 17:45 to 5:30, half between midnight and four.
fn lamp_share(hour: f64) -> f64 {
    match hour {
        h if (5.5..17.75).contains(&h) => 0.0,
        h if h < 4.0 => 0.5,
        _ => 1.0,
    }
}

/// A 12 V battery behind a solar panel.
fn battery(time: i64, noise: f64) -> (&'static str, f64) {
    let sun = (std::f64::consts::TAU * (hour(time) - 13.0) / 24.0).cos();
    ("battery_voltage", round(12.6 + 0.7 * sun + 0.1 * noise, 100.0))
}
