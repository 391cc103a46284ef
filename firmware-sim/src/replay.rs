//! Replays the real year as three stations that speak our own JSON.
//!
//! As history: every observation with its own time, as fast as it is acknowledged. Live: one hour of the year
//! every 3600/speed seconds, stamped with the present, beginning at the hour that has the present's month,
//! day and hour; a missing hour passes in silence.

use std::sync::Arc;

use pantau_proto::TimeMs;

use crate::device::{Emission, Message, Source};
use crate::text::{DAY_MS, civil, payload};
use crate::weather::{HOUR_MS, Observation};

/// One station.
pub(crate) struct ReplaySource {
    topic: String,
    year: Arc<[Observation]>,
    /// The next observation of `year`.
    at: usize,
    pace: Pace,
}

enum Pace {
    History,
    Live {
        /// The full hour of the year that is due next.
        hour: i64,
        /// When it is due.
        due: i64,
        /// Milliseconds from hour to hour.
        step: i64,
    },
}

impl ReplaySource {
    pub(crate) fn history(device: &str, year: Vec<Observation>) -> Self {
        Self { topic: format!("pantau/{device}"), year: year.into(), at: 0, pace: Pace::History }
    }

    /// `speed` 1 is real time: an hour takes an hour. At most 1,000 hours a second.
    pub(crate) fn live(device: &str, year: Vec<Observation>, now: TimeMs, speed: f64) -> Self {
        let step = (HOUR_MS as f64 / speed).clamp(3.6, 1e12) as i64;
        let hour = year.first().map_or(0, |first| same_hour(now, first.time));
        let at = year.partition_point(|observation| observation.time.0 < hour);
        let mut source = Self {
            topic: format!("pantau/{device}"),
            year: year.into(),
            at,
            pace: Pace::Live { hour, due: now.0, step },
        };
        source.wrap();
        source
    }

    /// Begins the year again at its end.
    fn wrap(&mut self) {
        if self.at == self.year.len()
            && let (Pace::Live { hour, .. }, Some(first)) = (&mut self.pace, self.year.first())
        {
            self.at = 0;
            *hour = first.time.0;
        }
    }
}

impl Source for ReplaySource {
    fn due(&self) -> Option<TimeMs> {
        let next = self.year.get(self.at)?;
        match self.pace {
            Pace::History => Some(TimeMs(i64::MIN)),
            // The hours without a row before it pass in silence.
            Pace::Live { hour, due, step } => Some(TimeMs(due + (next.time.0 - hour) / HOUR_MS * step)),
        }
    }

    fn take(&mut self, now: TimeMs) -> Option<Emission> {
        let due = self.due().filter(|due| *due <= now)?;
        let observation = self.year.get(self.at)?;
        let time = match &mut self.pace {
            Pace::History => observation.time,
            Pace::Live { hour, due: next, step } => {
                *hour = observation.time.0 + HOUR_MS;
                *next = due.0 + *step;
                due
            }
        };
        let message = Message {
            topic: self.topic.clone(),
            payload: payload(time, &observation.values).into_bytes(),
            readings: observation.values.len() as u32,
        };
        self.at += 1;
        self.wrap();
        Some(Emission::Message(message))
    }
}

/// The full hour with the month, day and hour of `now` in the year after `first`; `first` where there is no
/// such day.
fn same_hour(now: TimeMs, first: TimeMs) -> i64 {
    let (today, begin) = (now.0.div_euclid(DAY_MS), first.0.div_euclid(DAY_MS));
    let (_, month, date) = civil(today);
    let same = (begin..begin + 366).find(|day| {
        let (_, its_month, its_date) = civil(*day);
        (its_month, its_date) == (month, date)
    });
    let hour = now.0.rem_euclid(DAY_MS) / HOUR_MS * HOUR_MS;
    same.map_or(first.0, |day| (day * DAY_MS + hour).max(first.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use pantau_proto::TimeMs;

    use super::ReplaySource;
    use crate::device::{Emission, Source};
    use crate::weather::{HOUR_MS, Observation, year};

    fn time(text: &str) -> TimeMs {
        TimeMs(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    fn text(emission: Option<Emission>) -> String {
        match emission {
            Some(Emission::Message(message)) => String::from_utf8(message.payload).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn history_keeps_its_own_times_and_ends() {
        let year = year("wx-jfk").unwrap();
        let rows = year.len();
        let mut source = ReplaySource::history("wx-jfk", year);
        let now = time("2026-11-24T04:00:00Z");
        assert!(
            text(source.take(now))
                .starts_with(r#"{"time":"2013-01-01T06:00:00.000Z","air_temperature":3.9,"#)
        );
        let mut taken = 1;
        while source.take(now).is_some() {
            taken += 1;
        }
        assert_eq!(taken, rows);
        assert_eq!(source.due(), None);
    }

    #[test]
    fn live_begins_at_the_same_hour_of_the_year_and_stamps_now() {
        let now = time("2026-11-24T04:59:59Z");
        let year = year("wx-jfk").unwrap();
        let row = year.iter().find(|row| row.time == time("2013-11-24T04:00:00Z")).unwrap();
        let (name, value) = row.values[0];
        let mut source = ReplaySource::live("wx-jfk", year.clone(), now, 3600.0);
        assert_eq!(source.due(), Some(now));
        assert!(
            text(source.take(now))
                .starts_with(&format!(r#"{{"time":"2026-11-24T04:59:59.000Z","{name}":{value}"#))
        );
        // One hour a second.
        assert_eq!(source.take(TimeMs(now.0 + 999)), None);
        assert!(source.take(TimeMs(now.0 + 1_000)).is_some());
    }

    #[test]
    fn a_missing_hour_passes_in_silence_and_the_year_begins_again() {
        let hour = |n: i64| Observation { time: TimeMs(n * HOUR_MS), values: vec![("pm10", n as f64)] };
        let mut source = ReplaySource::live("d", vec![hour(0), hour(3)], TimeMs(7 * HOUR_MS), 1.0);
        // Hour 7 of the first of January is after the last row: the year begins again at once.
        let mut times = vec![];
        for _ in 0..3 {
            let due = source.due().unwrap();
            text(source.take(due));
            times.push(due.0 / HOUR_MS - 7);
        }
        assert_eq!(times, [0, 3, 4]);
    }

    #[test]
    fn the_29th_of_february_begins_at_the_first_row() {
        let source = ReplaySource::live("wx-jfk", year("wx-jfk").unwrap(), time("2028-02-29T05:00:00Z"), 1.0);
        assert_eq!(source.at, 0);
    }
}
