//! The buses of what the gateway asks by itself: which there are, and the threads of those whose work may block.
//!
//! ```text
//! TCP            a task
//! pins           a task ◄─► a thread that calls the drivers (polled/blocking.rs)
//! serial line    a thread with a runtime of its own ──(its end)──► a task that waits for it
//! ```
//! Always: a thread that hangs in a system call is not waited for: it holds nothing that was promised to anybody.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::AppError;
use crate::config::Config;
use crate::intake::types::Intake;
use crate::modbus::{Modbus, Way};
use crate::mqtt_server::Clock;
use crate::polled::{Blocking, Poller, SensorStats, Worker, blocking};
use crate::wiring;

/// Ends when a bus does.
pub(super) type End = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// A thread with its bus's name.
pub(super) type Thread = (String, JoinHandle<()>);

/// All buses, ready to run.
pub(super) struct Buses<I> {
    pins: Vec<(String, Poller<Blocking, I>, Worker)>,
    tcp: Vec<Poller<Modbus, I>>,
    serial: Vec<(String, Poller<Modbus, I>)>,
}

impl<I: Intake> Buses<I> {
    /// Opens nothing yet.
    pub(super) fn new(config: &Config, intake: &I, clock: Clock) -> Self {
        let mut buses = Self { pins: Vec::new(), tcp: Vec::new(), serial: Vec::new() };
        for bus in wiring::pin_buses(config) {
            let (waits, works) = blocking(bus.sensors);
            let poller = Poller::new(bus.name.clone(), waits, bus.plans, intake.clone(), clock);
            buses.pins.push((bus.name, poller, works));
        }
        for wiring::ModbusBus { name, way, devices, plans } in wiring::modbus_buses(config) {
            let serial = matches!(way, Way::Serial(..));
            let modbus = Modbus::new(way, devices, clock);
            let poller = Poller::new(name.clone(), modbus, plans, intake.clone(), clock);
            match serial {
                true => buses.serial.push((name, poller)),
                false => buses.tcp.push(poller),
            }
        }
        buses
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.pins.len() + self.tcp.len() + self.serial.len()
    }

    /// What is counted of all sensors.
    pub(super) fn stats(&self) -> Vec<Arc<SensorStats>> {
        let pins = self.pins.iter().flat_map(|(_, poller, _)| poller.stats());
        let modbus = self.tcp.iter().chain(self.serial.iter().map(|(_, poller)| poller));
        pins.chain(modbus.flat_map(Poller::stats)).collect()
    }

    /// Starts them; `start` makes a task of each.
    pub(super) fn start(
        self,
        stop: &CancellationToken,
        start: &mut dyn FnMut(End),
    ) -> Result<Vec<Thread>, AppError> {
        let mut threads = Vec::new();
        for (name, poller, worker) in self.pins {
            // The bus's task ends with an error when its thread does.
            let (thread, _) = on_thread(name, move || {
                worker.run();
                Ok(())
            })?;
            threads.push(thread);
            start(Box::pin(poller.run(stop.clone())));
        }
        for poller in self.tcp {
            start(Box::pin(poller.run(stop.clone())));
        }
        for (name, poller) in self.serial {
            let stop = stop.clone();
            let (thread, end) = on_thread(name, move || {
                let mut runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = runtime.enable_all().build().map_err(|error| error.to_string())?;
                runtime.block_on(poller.run(stop))
            })?;
            threads.push(thread);
            start(Box::pin(end));
        }
        Ok(threads)
    }
}

/// Starts a thread; the future ends when it does.
fn on_thread(
    bus: String,
    work: impl FnOnce() -> Result<(), String> + Send + 'static,
) -> Result<(Thread, impl Future<Output = Result<(), String>> + Send + 'static), AppError> {
    let (ended, end) = oneshot::channel();
    let thread = std::thread::Builder::new().name("sensors".into());
    let thread = thread.spawn(move || drop(ended.send(work()))).map_err(AppError::Thread)?;
    Ok(((bus, thread), async move { end.await.unwrap_or_else(|_| Err("it panicked".into())) }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use tokio::time::timeout;

    use super::*;
    use crate::polled::join;

    #[tokio::test]
    async fn a_thread_that_hangs_in_a_system_call_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let read = pipe.clone();
        let hang = move || std::fs::read(read).map(drop).map_err(|error| error.to_string());
        let (first, hangs) = on_thread("hangs".into(), hang).unwrap();
        let (second, ends) = on_thread("ends".into(), || Err("its device is gone".into())).unwrap();
        assert_eq!(ends.await, Err("its device is gone".into()));
        let (third, panics) = on_thread("panics".into(), || panic!("on purpose")).unwrap();
        assert_eq!(panics.await, Err("it panicked".into()));
        timeout(Duration::from_secs(20), join(vec![first, second, third])).await.unwrap();
        // Only now somebody writes, so it was hanging all the while.
        let writer = std::thread::Builder::new().spawn(move || std::fs::write(pipe, "x").unwrap()).unwrap();
        assert_eq!(hangs.await, Ok(()));
        writer.join().unwrap();
    }
}
