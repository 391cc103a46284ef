//! One bus: asks its sensors when they are due and hands their readings to the intake, in one task.
//!
//! ```text
//! ask ── (time, sensor, values), bounded ─► take ─► intake
//! ```
//! `ask` never waits for the spool. While it is full, the queue holds what was measured first; what finds the queue full
//! as well is given up.

use std::sync::Arc;
use std::time::Duration;

use pantau_proto::TimeMs;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::health::{Change, Health};
use super::schedule::Grid;
use super::stats::{SensorStats, State};
use super::{Answer, Bus, Fault, Plan, Value};
use crate::intake::types::{Intake, Measured, SubmitError};
use crate::mqtt_server::Clock;

/// Answers that wait for the spool at most.
const QUEUE: usize = 64;
/// Between a poll that failed and its repeat.
const PAUSE: Duration = Duration::from_millis(50);

/// A bus that is ready to run.
#[derive(Debug)]
pub struct Poller<B, I> {
    name: String,
    bus: B,
    plans: Vec<Plan>,
    stats: Vec<Arc<SensorStats>>,
    intake: I,
    clock: Clock,
}

/// What `ask` hands on.
struct Taken {
    at: TimeMs,
    sensor: usize,
    values: Vec<Value>,
}

/// What `ask` knows of a sensor.
struct Asked {
    grid: Grid,
    health: Health,
    /// When it is asked next: its slot, or sooner, to try again.
    due: Instant,
    /// How often it was asked in this slot.
    tried: u32,
}

impl<B: Bus, I: Intake> Poller<B, I> {
    /// `name` is what people call the bus; the bus knows its sensors by their place in `plans`.
    pub fn new(name: impl Into<String>, bus: B, plans: Vec<Plan>, intake: I, clock: Clock) -> Self {
        let name = name.into();
        let stats = plans.iter().map(|plan| Arc::new(SensorStats::new(&plan.name, &name))).collect();
        Self { name, bus, plans, stats, intake, clock }
    }

    /// What is counted of each sensor.
    pub fn stats(&self) -> Vec<Arc<SensorStats>> {
        self.stats.clone()
    }

    /// Asks until `stop`.
    ///
    /// # Errors
    /// When the bus has ended.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), String> {
        let (into, answers) = mpsc::channel(QUEUE);
        let (plans, stats, intake, clock) = (&self.plans, &self.stats, &self.intake, self.clock);
        let ask = async {
            let asking = Asking { plans, stats, intake, clock, into, bus: &self.name };
            let asked = asking.run(&mut self.bus, &stop).await;
            stats.iter().for_each(|stats| stats.set(State::Stopped, (clock.wall)()));
            asked
        };
        tokio::join!(ask, take(plans, stats, intake, answers, &stop)).0
    }
}

struct Asking<'a, I> {
    plans: &'a [Plan],
    stats: &'a [Arc<SensorStats>],
    intake: &'a I,
    clock: Clock,
    into: mpsc::Sender<Taken>,
    bus: &'a str,
}

impl<I: Intake> Asking<'_, I> {
    async fn run<B: Bus>(&self, bus: &mut B, stop: &CancellationToken) -> Result<(), String> {
        let start = (self.clock.monotonic)();
        let asked = |plan: &Plan| Asked {
            grid: Grid::new(plan.period, start),
            health: Health::new(plan.faulty_after),
            due: start,
            tried: 0,
        };
        let mut sensors: Vec<Asked> = self.plans.iter().map(asked).collect();
        loop {
            let next = sensors.iter_mut().enumerate().min_by_key(|(_, sensor)| sensor.due);
            let Some((n, sensor)) = next else {
                stop.cancelled().await;
                return Ok(());
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = sleep_until(sensor.due) => {}
            }
            let (at, began, within) = ((self.clock.wall)(), (self.clock.monotonic)(), self.plans[n].timeout);
            let polled = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                polled = timeout(within, bus.poll(n)) => polled,
            };
            match polled.unwrap_or_else(|_| Err(bus.give_up(n, within))) {
                Ok(answer) => self.answered(n, sensor, answer, at),
                Err(Fault::Ended(why)) => return Err(why),
                Err(Fault::Sensor(why)) => self.failed(n, sensor, why, (at, began)),
            }
        }
    }

    fn answered(&self, n: usize, sensor: &mut Asked, answer: Answer, at: TimeMs) {
        let stats = &self.stats[n];
        stats.absent.add(answer.absent);
        let readings = answer.values.len() as u64;
        if readings > 0 && self.into.try_send(Taken { at, sensor: n, values: answer.values }).is_err() {
            stats.shed.add(readings);
            self.intake.shed(readings, at);
        }
        let Some(why) = answer.fault else {
            if sensor.health.answered() == Change::Recovered {
                tracing::info!(sensor = stats.name, bus = self.bus, "answers again");
            }
            stats.answered.set(u64::try_from(at.0).unwrap_or(0));
            stats.set(State::Ok, at);
            return self.done(n, sensor);
        };
        self.fault(n, sensor, why, at);
    }

    fn failed(&self, n: usize, sensor: &mut Asked, why: String, (at, began): (TimeMs, Instant)) {
        let (plan, now) = (&self.plans[n], (self.clock.monotonic)());
        let again = now + PAUSE;
        // As it took this time, it may take the next one.
        let in_time = again + (now - began) <= sensor.grid.after();
        if sensor.tried < plan.retries && in_time && !sensor.health.is_faulty() {
            tracing::debug!(sensor = plan.name, bus = self.bus, why, "asked again");
            self.stats[n].retries.add(1);
            sensor.tried += 1;
            sensor.due = again;
            return;
        }
        self.fault(n, sensor, why, at);
    }

    /// The poll of this slot failed.
    fn fault(&self, n: usize, sensor: &mut Asked, why: String, at: TimeMs) {
        let stats = &self.stats[n];
        stats.failed.add(1);
        let change = sensor.health.failed();
        if change == Change::Faulty {
            tracing::warn!(sensor = stats.name, bus = self.bus, "faulty: {why}");
        }
        stats.set(if change == Change::Failing { State::Failing(why) } else { State::Faulty(why) }, at);
        self.done(n, sensor);
    }

    fn done(&self, n: usize, sensor: &mut Asked) {
        let rest = sensor.health.rest(self.plans[n].period);
        let missed = sensor.grid.advance(rest, (self.clock.monotonic)(), (self.clock.wall)());
        self.stats[n].polls.add(1);
        self.stats[n].missed.add(missed);
        (sensor.due, sensor.tried) = (sensor.grid.due(), 0);
    }
}

/// Hands readings to the intake until `ask` has ended and everything is taken or, when the gateway stops, given up.
async fn take<I: Intake>(
    plans: &[Plan],
    stats: &[Arc<SensorStats>],
    intake: &I,
    mut answers: mpsc::Receiver<Taken>,
    stop: &CancellationToken,
) {
    while let Some(Taken { at, sensor, values }) = answers.recv().await {
        let (plan, stats) = (&plans[sensor], &stats[sensor]);
        let measured: Vec<Measured<'_>> = values
            .iter()
            .filter_map(|Value { series, value, flags }| {
                let series = plan.series.get(*series)?;
                Some(Measured { series: &series.name, unit: &series.unit, value: *value, flags: *flags })
            })
            .collect();
        let refused = loop {
            // Nothing waits for the ticket: there is nobody to be told.
            let Err(error) = intake.measured(&plan.name, &measured, at) else { break None };
            if error != SubmitError::Full || stop.is_cancelled() {
                break Some(error);
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = intake.room() => {}
            }
        };
        let readings = measured.len() as u64;
        match refused {
            None => stats.readings.add(readings),
            Some(error) => {
                tracing::debug!(sensor = plan.name, %error, readings, "given up");
                stats.shed.add(readings);
                intake.shed(readings, at);
            }
        }
    }
}
