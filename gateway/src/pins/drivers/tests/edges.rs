use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use embedded_hal::delay::DelayNs;
use embedded_hal::digital::{self, OutputPin};

use super::super::count::Count;
use super::super::counter::{Counter, Tell};
use super::super::hc_sr04::{HcSr04, speed_of_sound};
use super::super::level::Level;
use super::{Driver, near, values};
use crate::clock;
use crate::pins::backend::{Edge, Edges};
use crate::pins::trouble::Trouble;

/// A line and the kernel's list of its edges, which keeps the newest 16 (the least that GPIO ABI v2 has) and numbers all.
/// Time passes by waits alone.
#[derive(Clone, Default)]
struct Line(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    now: Duration,
    high: bool,
    kept: VecDeque<Edge>,
    sequence: u32,
    /// Edges to come: when, and where to.
    coming: VecDeque<(Duration, bool)>,
    /// HC-SR04: distances of the next pings, in m; none: no echo begins.
    echoes: VecDeque<Option<f64>>,
    trigger: Option<Duration>,
    /// Which edges are recorded; none: both.
    only: Option<bool>,
}

impl State {
    fn go(&mut self, high: bool, at: Duration) {
        if self.high == high {
            return;
        }
        self.high = high;
        if self.only.is_none_or(|only| only == high) {
            self.sequence = self.sequence.wrapping_add(1);
            self.kept.push_back(Edge { at, rising: high, sequence: self.sequence });
            if self.kept.len() > 16 {
                self.kept.pop_front();
            }
        }
    }

    fn pass(&mut self, until: Duration) {
        while let Some((at, high)) = self.coming.front().copied().filter(|(at, _)| *at <= until) {
            self.coming.pop_front();
            self.go(high, at);
        }
        self.now = until;
    }
}

impl Line {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn pulses(&self, n: u32) {
        let mut state = self.state();
        for _ in 0..n {
            state.now += Duration::from_millis(10);
            let now = state.now;
            state.go(false, now);
            state.go(true, now + Duration::from_millis(3));
        }
    }
}

impl Edges for Line {
    fn is_high(&mut self) -> Result<bool, Trouble> {
        Ok(self.state().high)
    }

    fn next(&mut self, within: Duration) -> Result<Option<Edge>, Trouble> {
        let mut state = self.state();
        if state.kept.is_empty() {
            let end = state.now + within;
            let until = state.coming.front().map_or(end, |(at, _)| (*at).min(end));
            state.pass(until);
            if state.kept.is_empty() {
                state.pass(end);
            }
        }
        Ok(state.kept.pop_front())
    }
}

impl DelayNs for Line {
    fn delay_ns(&mut self, ns: u32) {
        let mut state = self.state();
        let until = state.now + Duration::from_nanos(u64::from(ns));
        state.pass(until);
    }
}

impl digital::ErrorType for Line {
    type Error = std::convert::Infallible;
}

/// The trigger of an HC-SR04: low after 10 µs or more of high begins a ping.
impl OutputPin for Line {
    fn set_high(&mut self) -> Result<(), Self::Error> {
        let mut state = self.state();
        state.trigger = Some(state.now);
        Ok(())
    }

    fn set_low(&mut self) -> Result<(), Self::Error> {
        let mut state = self.state();
        let Some(since) = state.trigger.take() else { return Ok(()) };
        if state.now - since < Duration::from_micros(10) {
            return Ok(());
        }
        if let Some(Some(distance)) = state.echoes.pop_front() {
            let begin = state.now + Duration::from_micros(450);
            let width = Duration::from_secs_f64(2.0 * distance / speed_of_sound(28.0));
            state.coming.extend([(begin, true), (begin + width, false)]);
        }
        Ok(())
    }
}

fn ranger(echoes: [Option<f64>; 5], height: Option<f64>) -> (Line, HcSr04<Line, Line>) {
    let line = Line::default();
    line.state().echoes = echoes.into();
    let sensor = HcSr04::new(line.clone(), Box::new(line.clone()), line.clone(), 28.0, height);
    (line, sensor)
}

#[test]
fn the_speed_of_sound_is_that_of_tables() {
    for (celsius, speed) in [(0.0, 331.3), (20.0, 343.2), (35.0, 351.9)] {
        near(speed_of_sound(celsius), speed, 0.1);
    }
}

#[test]
fn an_echo_becomes_a_distance_and_a_water_level_and_outliers_do_not_matter() {
    let (_, mut sensor) = ranger([Some(1.5), Some(1.501), Some(4.0), Some(1.499), Some(0.05)], Some(3.2));
    let measured = values(&sensor.measure().unwrap());
    near(measured[0], 1.5, 1e-6);
    near(measured[1], 1.7, 1e-6);
    // Two pings without an echo are allowed.
    let (_, mut sensor) = ranger([None, Some(0.8), Some(0.8), None, Some(0.8)], None);
    near(values(&sensor.measure().unwrap())[0], 0.8, 1e-6);
}

#[test]
fn no_distance_is_told_without_enough_good_echoes() {
    for echoes in [
        [None; 5],
        [Some(1.0), Some(1.0), None, None, None],
        // What hears nothing ends by itself after 38 ms, which is 6.6 m; what is too near hears itself.
        [Some(6.6); 5],
        [Some(0.01); 5],
    ] {
        let (_, mut sensor) = ranger(echoes, None);
        assert!(sensor.measure().unwrap_err().to_string().contains("good echo"), "{echoes:?}");
    }
    let (line, mut sensor) = ranger([Some(1.0); 5], None);
    line.state().high = true;
    assert!(sensor.measure().is_err(), "an echo line that is stuck");
    line.state().high = false;
    line.state().echoes = [Some(1.0); 5].into();
    near(values(&sensor.measure().unwrap())[0], 1.0, 1e-6);
}

fn counter(
    line: &Line,
    file: &std::path::Path,
    tell: Tell,
    per_pulse: f64,
    clock: fn() -> Instant,
) -> Counter {
    line.state().only = Some(false);
    line.state().high = true;
    Counter::new(Box::new(line.clone()), Count::open(file.into()).unwrap(), tell, per_pulse, clock)
}

#[test]
fn no_pulse_is_missed_though_the_kernel_keeps_only_the_newest_edges() {
    let (dir, line) = (tempfile::tempdir().unwrap(), Line::default());
    let mut rain = counter(&line, &dir.path().join("rain.count"), Tell::Total, 0.2, clock::monotonic);
    assert_eq!(values(&rain.measure().unwrap()), [0.0]);
    for (pulses, total) in [(3, 3), (0, 3), (16, 19), (1_000, 1_019), (1, 1_020)] {
        line.pulses(pulses);
        near(values(&rain.measure().unwrap())[0], f64::from(total) * 0.2, 1e-9);
    }
    // Its numbers wrap.
    line.state().sequence = u32::MAX - 2;
    let mut rain = counter(&line, &dir.path().join("rain.count"), Tell::Total, 1.0, clock::monotonic);
    line.pulses(1);
    let before = values(&rain.measure().unwrap())[0];
    line.pulses(10);
    assert_eq!(values(&rain.measure().unwrap())[0], before + 10.0);
}

#[test]
fn a_total_goes_on_after_a_restart_and_amounts_do_not_repeat() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pins").join("rain.count");
    for run in 0..3 {
        let line = Line::default();
        let mut rain = counter(&line, &file, Tell::Total, 1.0, clock::monotonic);
        line.pulses(7);
        assert_eq!(values(&rain.measure().unwrap()), [f64::from(7 * (run + 1))]);
    }
    let line = Line::default();
    let mut rain = counter(&line, &dir.path().join("amount.count"), Tell::Amount, 0.5, clock::monotonic);
    line.pulses(4);
    assert_eq!(values(&rain.measure().unwrap()), [2.0]);
    assert_eq!(values(&rain.measure().unwrap()), [0.0]);
}

#[test]
fn a_rate_is_by_the_time_between_two_polls() {
    #[expect(clippy::disallowed_methods, reason = "a clock that stands at multiples of 10 s from here")]
    fn steps() -> Instant {
        static BEGAN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        static STEP: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let step = STEP.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        *BEGAN.get_or_init(Instant::now) + Duration::from_secs(10 * step)
    }
    let (dir, line) = (tempfile::tempdir().unwrap(), Line::default());
    let mut wind = counter(&line, &dir.path().join("wind.count"), Tell::Rate, 0.667, steps);
    line.pulses(45);
    near(values(&wind.measure().unwrap())[0], 4.5 * 0.667, 1e-9);
    assert_eq!(values(&wind.measure().unwrap()), [0.0]);
}

#[test]
fn a_count_that_is_damaged_or_cannot_be_saved_is_told_and_never_taken_for_0() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.count");
    Count::open(file.clone()).unwrap().add(41).unwrap();
    assert_eq!(Count::open(file.clone()).unwrap().total(), 41);
    let good = std::fs::read_to_string(&file).unwrap();
    for bad in [good.replace("41", "91"), good[..good.len() - 3].to_owned(), String::new()] {
        std::fs::write(&file, bad).unwrap();
        assert!(Count::open(file.clone()).unwrap_err().contains("damaged"));
    }
    std::fs::write(&file, "pantau-count 1 50 by-hand\n").unwrap();
    assert_eq!(Count::open(file.clone()).unwrap().total(), 50);
    // A file stands where the folder should be: counted in memory, told, and saved once it can be.
    let (blocked, line) = (dir.path().join("blocked"), Line::default());
    let mut rain = counter(&line, &blocked.join("b.count"), Tell::Total, 1.0, clock::monotonic);
    std::fs::write(&blocked, "").unwrap();
    line.pulses(5);
    let answer = rain.measure().unwrap();
    assert_eq!(answer.values[0].value, 5.0);
    assert!(answer.fault.unwrap().contains("cannot be saved"));
    std::fs::remove_file(&blocked).unwrap();
    assert_eq!(values(&rain.measure().unwrap()), [5.0]);
    assert_eq!(Count::open(blocked.join("b.count")).unwrap().total(), 5);
}

#[test]
fn a_switch_is_told_at_each_change_and_once_a_period() {
    let line = Line::default();
    line.state().high = true;
    let mut door = Level::new(Box::new(line.clone()), true, 4);
    let mut look = |go: &[bool]| {
        let mut state = line.state();
        for high in go {
            let now = state.now;
            state.go(*high, now);
        }
        drop(state);
        values(&door.measure().unwrap()).first().copied()
    };
    assert_eq!(look(&[]), Some(0.0));
    assert_eq!([look(&[]), look(&[]), look(&[]), look(&[])], [None, None, None, Some(0.0)]);
    assert_eq!(look(&[false]), Some(1.0));
    assert_eq!(look(&[]), None);
    assert_eq!(look(&[true]), Some(0.0));
    // Closed and open again between two looks.
    assert_eq!([look(&[false, true]), look(&[]), look(&[])], [Some(1.0), Some(0.0), None]);
}
