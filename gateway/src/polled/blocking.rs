//! Sensors whose drivers block (I²C, SPI, files of the kernel), on a thread of their bus's own.
//!
//! ```text
//! Blocking (in the bus's task) ── which sensor ─► Worker (thread) ── answer ─► Blocking
//! ```
//! Always: one call is under way at most, so neither channel ever holds more than one entry. A call that outlasts its
//! timeout keeps the thread; its late answer is thrown away, and until it comes every sensor of the bus is told which of
//! them holds it up. The thread ends when the bus is dropped and its call has returned.

use std::time::Duration;

use tokio::sync::mpsc;

use super::{Answer, Bus, Fault};

/// A sensor whose driver blocks.
pub trait Sensor: Send {
    /// Measures. Whatever a call before left undone (an error, a power cut of the sensor) has to be set right first: a
    /// sensor that was unplugged and plugged in again answers without anybody's help.
    ///
    /// # Errors
    /// What is wrong, and how to mend it.
    fn poll(&mut self) -> Result<Answer, Fault>;
}

/// The end of the bus that waits.
#[derive(Debug)]
pub struct Blocking {
    names: Vec<String>,
    ask: mpsc::Sender<usize>,
    answers: mpsc::Receiver<Result<Answer, Fault>>,
    /// The sensor that the thread is busy with.
    busy: Option<usize>,
}

/// The end of the bus that works.
pub struct Worker {
    sensors: Vec<Box<dyn Sensor>>,
    asked: mpsc::Receiver<usize>,
    answer: mpsc::Sender<Result<Answer, Fault>>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("sensors", &self.sensors.len()).finish_non_exhaustive()
    }
}

/// A bus of sensors, each with its name, in the order of their plans. [`Worker::run`] belongs on a thread.
#[must_use]
pub fn blocking(sensors: Vec<(String, Box<dyn Sensor>)>) -> (Blocking, Worker) {
    let (ask, asked) = mpsc::channel(1);
    let (answer, answers) = mpsc::channel(1);
    let (names, sensors) = sensors.into_iter().unzip();
    (Blocking { names, ask, answers, busy: None }, Worker { sensors, asked, answer })
}

impl Worker {
    /// Until the bus is dropped.
    pub fn run(mut self) {
        while let Some(n) = self.asked.blocking_recv() {
            let polled = match self.sensors.get_mut(n) {
                Some(sensor) => sensor.poll(),
                None => Err(Fault::new("there is no such sensor on this bus")),
            };
            if self.answer.blocking_send(polled).is_err() {
                return;
            }
        }
    }
}

const ENDED: &str = "the thread of a bus ended";

impl Bus for Blocking {
    async fn poll(&mut self, sensor: usize) -> Result<Answer, Fault> {
        let ended = || Fault::Ended(ENDED.into());
        if self.busy.is_some() {
            // Too late for the poll that it belongs to.
            drop(self.answers.recv().await.ok_or_else(ended)?);
            self.busy = None;
        }
        self.ask.send(sensor).await.map_err(|_| ended())?;
        self.busy = Some(sensor);
        let answer = self.answers.recv().await.ok_or_else(ended)?;
        self.busy = None;
        answer
    }

    fn give_up(&mut self, sensor: usize, after: Duration) -> Fault {
        match self.busy.and_then(|busy| Some((busy, self.names.get(busy)?))) {
            Some((busy, name)) if busy != sensor => Fault::new(format!(
                "the bus is held up by {name:?}, which does not answer: look at its wires, or give it a bus of its own"
            )),
            _ => Fault::new(format!("no answer within {after:?}: look at its wires and its power")),
        }
    }
}
