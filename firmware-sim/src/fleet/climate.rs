//! Rain and river. A day of the rainy season (November to April) mostly has an afternoon storm and sometimes
//! one at night; all kecamatan share it, each gets its own amount. The river rises two to five hours after
//! and falls over a day.

use super::noise::{ease, hash, signed, unit};

pub(super) const HOUR: i64 = 3_600_000;
pub(super) const DAY: i64 = 24 * HOUR;
/// Western Indonesian time.
pub(super) const WIB: i64 = 7 * HOUR;

/// After so many days a rain counter begins again, as if its battery had been changed.
const COUNTER_DAYS: i64 = 512;
/// What a kecamatan gets of a storm, on average.
const MEAN_SHARE: f64 = 0.75;

/// Rain of one day that falls in one piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storm {
    pub(super) start: i64,
    pub(super) duration: i64,
    pub(super) amount_mm: f64,
}

impl Storm {
    /// What has fallen by `time`, in mm.
    fn fallen(self, time: i64) -> f64 {
        self.amount_mm * ease((time - self.start) as f64 / self.duration as f64)
    }

    /// How hard it rains at `time`, in mm/h.
    fn rate(self, time: i64) -> f64 {
        let x = (time - self.start) as f64 / self.duration as f64;
        if !(0.0..1.0).contains(&x) {
            return 0.0;
        }
        let hours = self.duration as f64 / HOUR as f64;
        self.amount_mm / hours * 6.0 * x * (1.0 - x)
    }
}

/// The day of a time, in WIB, since 1970-01-01.
pub(super) fn day(time: i64) -> i64 {
    (time + WIB).div_euclid(DAY)
}

/// Hours since midnight WIB.
pub(super) fn hour(time: i64) -> f64 {
    (time + WIB).rem_euclid(DAY) as f64 / HOUR as f64
}

/// From -1 in the dry season (mid-July) to 1 in the rainy one (mid-January).
pub(super) fn wetness(day: i64) -> f64 {
    (std::f64::consts::TAU * (day as f64 - 14.0) / 365.2425).cos()
}

/// The storms of the region on a day; in one `place`, or as the river's basin gets them.
pub(super) fn storms(seed: u64, place: Option<u64>, day: i64) -> impl Iterator<Item = Storm> {
    [0_u64, 1].into_iter().filter_map(move |which| {
        let of_day = |salt: u64| hash(&[seed, 0x5701, day.cast_unsigned(), which, salt]);
        let chance = (0.45 + 0.35 * wetness(day)) * if which == 0 { 1.0 } else { 0.25 };
        if unit(of_day(0)) >= chance {
            return None;
        }
        let amount = 2.0 + 40.0 * unit(of_day(1)).powi(2);
        let minutes = 40.0 + 80.0 * unit(of_day(2)) + amount;
        // The first one in the afternoon, the second one before dawn.
        let begin = if which == 0 { 13.0 + 6.0 * unit(of_day(3)) } else { 1.0 + 3.0 * unit(of_day(3)) };
        let (share, shift) = match place {
            None => (MEAN_SHARE, 0.0),
            Some(place) => {
                let of_place = |salt: u64| hash(&[of_day(4), place, salt]);
                (0.3 + 0.9 * unit(of_place(0)), signed(of_place(1)) / 3.0)
            }
        };
        Some(Storm {
            start: day * DAY - WIB + ((begin + shift) * HOUR as f64) as i64,
            duration: (minutes * 60_000.0) as i64,
            amount_mm: amount * share,
        })
    })
}

/// Rain at a place in mm/h.
pub(super) fn rain_rate(seed: u64, place: u64, time: i64) -> f64 {
    storms(seed, Some(place), day(time)).map(|storm| storm.rate(time)).sum()
}

/// What a counter at a place shows, in mm, not yet in tips.
pub(super) fn rain_total(seed: u64, place: u64, time: i64) -> f64 {
    let today = day(time);
    let first = today - today.rem_euclid(COUNTER_DAYS);
    (first..=today).flat_map(|day| storms(seed, Some(place), day)).map(|storm| storm.fallen(time)).sum()
}

/// The river's level above its datum in m, without waves.
pub(super) fn river_level(seed: u64, time: i64) -> f64 {
    let today = day(time);
    let base = 1.6 + 0.5 * wetness(today);
    let rise = |storm: Storm| {
        let hours = (time - storm.start - storm.duration / 2) as f64 / HOUR as f64 - 1.5;
        if hours <= 0.0 {
            0.0
        } else {
            storm.amount_mm * (1.0 - (-hours / 2.5).exp()) * (-hours / 22.0).exp()
        }
    };
    let storms = (today - 5..=today).flat_map(|day| storms(seed, None, day));
    base + 0.09 * storms.map(rise).sum::<f64>()
}
