//! HC-SR04 and its kin (JSN-SR04T): a distance by ultrasound, and from it the level of water under the sensor (ElecFreaks
//! HC-SR04 user guide: trigger 10 µs, echo as long as the sound is on its way, 60 ms between measurements).
//!
//! ```text
//! trigger ─┐▔└───────────────────────
//! echo    ────┐▔▔▔▔▔▔▔▔▔▔▔▔└─────────      its width by the kernel's time stamps, not by ours
//! ```
//! Always: several pings, and the median of the good ones, which have to be more than half.

use std::time::Duration;

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::OutputPin;

use super::Driver;
use crate::pins::backend::{Edge, Edges};
use crate::pins::trouble::Trouble;
use crate::polled::Answer;

pub(crate) const PINGS: usize = 5;
/// The echo begins at once, after 8 cycles of 40 kHz; a sensor without power never begins it.
const BEGIN: Duration = Duration::from_millis(20);
/// Without an echo the sensor ends by itself after 38 ms.
const LONGEST: Duration = Duration::from_millis(60);
/// Nearer it hears itself; farther it hears nothing.
const RANGE: std::ops::RangeInclusive<f64> = 0.02..=6.0;

pub(crate) struct HcSr04<T, D> {
    trigger: T,
    echo: Box<dyn Edges>,
    delay: D,
    /// Of sound, in m/s.
    speed: f64,
    /// Of the sensor above the zero of the level, in m.
    height: Option<f64>,
}

impl<T: OutputPin + Send, D: DelayNs + Send> HcSr04<T, D> {
    /// A distance in m, and where `height` is given the water level in m.
    pub(crate) fn new(trigger: T, echo: Box<dyn Edges>, delay: D, celsius: f64, height: Option<f64>) -> Self {
        Self { trigger, echo, delay, speed: speed_of_sound(celsius), height }
    }

    /// The distance of one ping in m; none where no good echo came.
    fn ping(&mut self) -> Result<Option<f64>, Trouble> {
        for _ in 0..64 {
            if self.echo.next(Duration::ZERO)?.is_none() {
                break;
            }
        }
        if self.echo.is_high()? {
            return Ok(None);
        }
        let failed = |error: T::Error| Trouble::Bus(format!("{error:?}"));
        self.trigger.set_high().map_err(failed)?;
        self.delay.delay_us(12);
        self.trigger.set_low().map_err(failed)?;
        let Some(begin) = self.echo.next(BEGIN)? else { return Ok(None) };
        let Some(end) = self.echo.next(LONGEST)? else { return Ok(None) };
        Ok(width(begin, end)
            .map(|width| width.as_secs_f64() * self.speed / 2.0)
            .filter(|d| RANGE.contains(d)))
    }
}

impl<T: OutputPin + Send, D: DelayNs + Send> Driver for HcSr04<T, D> {
    fn measure(&mut self) -> Result<Answer, Trouble> {
        let mut good = Vec::with_capacity(PINGS);
        for n in 0..PINGS {
            if n > 0 {
                self.delay.delay_ms(60);
            }
            good.extend(self.ping()?);
        }
        if good.len() <= PINGS / 2 {
            return Err(Trouble::wrong(format!(
                "{} of {PINGS} pings had a good echo: look at its wires, its 5 V, the divider at ECHO, and what hangs before it",
                good.len()
            )));
        }
        good.sort_by(f64::total_cmp);
        let distance = good[good.len() / 2];
        let mut answer = Answer::default();
        answer.push(0, distance);
        if let Some(height) = self.height {
            answer.push(1, height - distance);
        }
        Ok(answer)
    }
}

/// Between a rising edge and the falling one that the kernel recorded right after it.
fn width(begin: Edge, end: Edge) -> Option<Duration> {
    let neighbours = end.sequence == begin.sequence.wrapping_add(1);
    (begin.rising && !end.rising && neighbours).then(|| end.at.checked_sub(begin.at)).flatten()
}

/// In dry air, in m/s.
pub(super) fn speed_of_sound(celsius: f64) -> f64 {
    331.3 * (1.0 + celsius / 273.15).max(0.0).sqrt()
}
