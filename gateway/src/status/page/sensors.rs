//! The page's table of what the gateway asks by itself.

use std::fmt::Write as _;

use super::{Language, duration, escape, grouped};
use crate::figures::{Figures, SensorFigures};
use crate::polled::State;

/// How it stands with each sensor, since when, when it last answered and how many readings it gave.
pub(super) fn render(figures: &Figures, language: Language) -> String {
    if figures.sensors.is_empty() {
        return String::new();
    }
    let mut rows = String::new();
    for sensor in &figures.sensors {
        let state = state(sensor, language);
        let since = match sensor.since.0 {
            0 => String::new(),
            since => format!(" ({})", duration(age(figures, since))),
        };
        let answered = match i64::try_from(sensor.answered).unwrap_or(i64::MAX) {
            0 => language.say("belum pernah menjawab", "never answered").to_owned(),
            at => format!(
                "{} {}",
                language.say("umur jawaban terakhir:", "age of the last answer:"),
                duration(age(figures, at))
            ),
        };
        let failed = match sensor.failed {
            0 => String::new(),
            failed => format!(
                ", {} {}",
                grouped(failed, language),
                language.say("kali gagal", if failed == 1 { "failed poll" } else { "failed polls" })
            ),
        };
        let _ = write!(
            rows,
            "<tr><th scope=\"row\">{} <code>{}</code><br>{state}{since}<br><small>{answered}{failed}</small></th>\
             <td>{}</td></tr>",
            escape(&sensor.name),
            escape(&sensor.bus),
            grouped(sensor.readings, language),
        );
    }
    let title = language
        .say("Sensor yang dibaca gerbang, dan datanya", "Sensors that the gateway reads, and readings");
    format!("<h2>{title}</h2><table>{rows}</table>")
}

fn age(figures: &Figures, at: i64) -> u64 {
    u64::try_from(figures.now.0.saturating_sub(at)).unwrap_or(0)
}

fn state(sensor: &SensorFigures, language: Language) -> String {
    let with = |word: &str, why: &String| format!("{word}: {}", escape(why));
    match &sensor.state {
        State::Waiting => language.say("belum dibaca", "not asked yet").to_owned(),
        State::Ok => language.say("baik", "fine").to_owned(),
        State::Stopped => language.say("berhenti", "stopped").to_owned(),
        State::Failing(why) => with(language.say("gagal", "failing"), why),
        State::Faulty(why) => with(language.say("rusak", "faulty"), why),
    }
}
