//! Field devices that keep an account: each publishes at its own pace, holds what is not acked in an outbox,
//! reconnects for as long as it takes and delivers again as MQTT says.
//!
//! A device of a lasting session never takes "session not present" for an answer once it has had an ack:
//! the ack said that the session's readings, and so the session, are on disk.

use crate::clock::{Deadline, now, now_ms, rfc3339, spawn};
use crate::ledger::{Garbage, Ledger, Sent};
use crate::mqtt::{Client, Hello, Packet, disconnect, publish, pubrel};
use std::collections::VecDeque;
use std::io::Result;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// How a device behaves.
#[derive(Clone, Debug)]
pub struct Manner {
    pub name: String,
    /// The QoS of each publish in turn.
    pub qos: Vec<u8>,
    /// Whether its session ends with each connection.
    pub clean: bool,
    /// Publishes in flight at most.
    pub window: usize,
    /// Publishes a second at most.
    pub rate: u64,
    /// Every so many publishes one that cannot be read; 0: never.
    pub garbage_every: u64,
}

impl Manner {
    /// A device with a lasting session and a mix of QoS 1 and 2.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let qos = vec![1, 1, 2, 1];
        Self { name: name.to_owned(), qos, clean: false, window: 32, rate: 400, garbage_every: 101 }
    }
}

/// Devices at work.
#[derive(Debug)]
pub struct Fleet {
    stop: Arc<AtomicBool>,
    acked: Arc<AtomicU64>,
    devices: Vec<JoinHandle<Ledger>>,
}

impl Fleet {
    /// Starts one thread a device.
    #[must_use]
    pub fn start(gateway: SocketAddr, manners: Vec<Manner>) -> Self {
        let (stop, acked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let device = |manner: Manner| {
            let (stop, acked) = (stop.clone(), acked.clone());
            spawn(&manner.name.clone(), move || Device::new(gateway, manner, acked).run(&stop))
        };
        let devices = manners.into_iter().map(device).collect();
        Self { stop, acked, devices }
    }

    /// Publishes acked so far.
    #[must_use]
    pub fn acked(&self) -> u64 {
        self.acked.load(Ordering::SeqCst)
    }

    /// Takes no new readings, lets the outboxes drain (for half a minute at most) and gives the account.
    #[must_use]
    pub fn stop(self) -> Ledger {
        self.stop.store(true, Ordering::SeqCst);
        let mut ledger = Ledger::default();
        for device in self.devices {
            ledger.merge(device.join().expect("a device does not panic"));
        }
        ledger
    }
}

/// A publish that is not done.
#[derive(Debug)]
struct Flight {
    id: u16,
    qos: u8,
    topic: String,
    payload: String,
    /// PUBREC has come: only PUBREL is left to say.
    released: bool,
    /// Its readings in the ledger, or its garbage.
    readings: std::ops::Range<usize>,
    garbage: Option<usize>,
}

struct Device {
    gateway: SocketAddr,
    manner: Manner,
    total_acked: Arc<AtomicU64>,
    ledger: Ledger,
    flights: VecDeque<Flight>,
    count: u64,
    next_id: u16,
    first_time: i64,
    session_acked: bool,
}

impl Device {
    fn new(gateway: SocketAddr, manner: Manner, total_acked: Arc<AtomicU64>) -> Self {
        let ledger = Ledger::default();
        let first_time = now_ms() - 3_600_000;
        let (flights, count, next_id, session_acked) = (VecDeque::new(), 0, 0, false);
        Self { gateway, manner, total_acked, ledger, flights, count, next_id, first_time, session_acked }
    }

    fn run(mut self, stop: &AtomicBool) -> Ledger {
        let mut patience: Option<Deadline> = None;
        loop {
            let stopping = stop.load(Ordering::SeqCst);
            if stopping && patience.is_none() {
                patience = Some(Deadline::after(Duration::from_secs(30)));
            }
            let tired = patience.as_ref().is_some_and(Deadline::passed);
            if tired || (stopping && self.flights.is_empty()) {
                return self.ledger;
            }
            // A broken connection is what this device is made for: it begins again.
            let _ = self.connection(stop);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// One connection, from its CONNECT to its end.
    fn connection(&mut self, stop: &AtomicBool) -> Result<()> {
        let hello = if self.manner.clean { Hello::clean } else { Hello::lasting };
        let (mut client, present) = Client::connect(self.gateway, &hello(&self.manner.name))?;
        self.ledger.connections += 1;
        self.redeliver(&mut client, present)?;
        let start = now();
        let mut paced = 0;
        let mut patience: Option<Deadline> = None;
        loop {
            let stopping = stop.load(Ordering::SeqCst);
            if stopping && self.flights.is_empty() {
                return client.send(&disconnect());
            }
            let patience =
                stopping.then(|| *patience.get_or_insert(Deadline::after(Duration::from_secs(30))));
            if patience.as_ref().is_some_and(Deadline::passed) {
                return Ok(());
            }
            let due = (start.elapsed().as_secs_f64() * self.manner.rate as f64) as u64;
            let mut bytes = Vec::new();
            while !stopping && paced < due && self.flights.len() < self.manner.window {
                bytes.extend(self.take_reading());
                paced += 1;
            }
            if paced < due && self.flights.len() >= self.manner.window {
                paced = due; // a full window is no debt to be paid off in a burst
            }
            client.send(&bytes)?;
            let mut wait = Duration::from_millis(3);
            while let Some(packet) = client.receive(wait)? {
                if let Some(answer) = self.answered(&packet) {
                    client.send(&answer)?;
                }
                wait = Duration::from_millis(1);
            }
        }
    }

    /// Says again what is not acked, in its first order.
    fn redeliver(&mut self, client: &mut Client, present: bool) -> Result<()> {
        if self.session_acked && !present && !self.manner.clean {
            let name = &self.manner.name;
            self.ledger.breaches.push(format!("{name}: an acked session was forgotten by the gateway"));
        }
        if present && self.manner.clean {
            self.ledger.breaches.push(format!("{}: a clean session was not clean", self.manner.name));
        }
        if !present {
            // What had its PUBREC is taken over; the rest begins anew.
            self.flights.retain(|flight| !flight.released);
            self.session_acked = false;
        }
        let mut bytes = Vec::new();
        for flight in &self.flights {
            if flight.released {
                bytes.extend(pubrel(flight.id));
                continue;
            }
            let payload = flight.payload.as_bytes();
            bytes.extend(publish(&flight.topic, payload, flight.qos, present, flight.id));
            if present {
                self.ledger.redelivered += 1;
            } else if self.manner.clean {
                self.ledger.sent[flight.readings.clone()].iter_mut().for_each(|sent| sent.publishes += 1);
                if let Some(garbage) = flight.garbage {
                    self.ledger.garbage[garbage].publishes += 1;
                }
            }
        }
        client.send(&bytes)
    }

    /// Marks what an answer acks; gives what is to be said back.
    fn answered(&mut self, packet: &Packet) -> Option<Vec<u8>> {
        let (id, qos) = match packet {
            Packet::Puback(id) => (*id, 1),
            Packet::Pubrec(id) | Packet::Pubcomp(id) => (*id, 2),
            Packet::Publish { .. } => return None,
            other => {
                self.ledger.breaches.push(format!("{}: unexpected {other:?}", self.manner.name));
                return None;
            }
        };
        let found = self.flights.iter().position(|flight| flight.id == id && flight.qos == qos);
        let Some(at) = found else {
            self.ledger.breaches.push(format!("{}: {packet:?} for nothing in flight", self.manner.name));
            return None;
        };
        let flight = &mut self.flights[at];
        let first = !flight.released;
        if first {
            self.session_acked = true;
            self.ledger.sent[flight.readings.clone()].iter_mut().for_each(|sent| sent.acked = true);
            if let Some(garbage) = flight.garbage {
                self.ledger.garbage[garbage].acked = true;
            }
            self.total_acked.fetch_add(1, Ordering::SeqCst);
        }
        match packet {
            Packet::Pubrec(_) => {
                flight.released = true;
                Some(pubrel(id))
            }
            Packet::Pubcomp(_) if first => {
                self.ledger.breaches.push(format!("{}: PUBCOMP before PUBREC", self.manner.name));
                None
            }
            _ => {
                self.flights.remove(at);
                None
            }
        }
    }

    /// Measures: the next publish, entered in the ledger and the outbox.
    fn take_reading(&mut self) -> Vec<u8> {
        self.count += 1;
        let (count, name) = (self.count, self.manner.name.clone());
        let qos = self.manner.qos[(count as usize) % self.manner.qos.len()];
        let time = self.first_time + count as i64;
        let start = self.ledger.sent.len();
        let mut garbage = None;
        let topic;
        let payload;
        if self.manner.garbage_every > 0 && count.is_multiple_of(self.manner.garbage_every) {
            topic = format!("pantau/{name}");
            payload = format!("{name} says nonsense {count}");
            garbage = Some(self.ledger.garbage.len());
            let entry =
                Garbage { topic: topic.clone(), payload: payload.clone(), acked: false, publishes: 1 };
            self.ledger.garbage.push(entry);
        } else {
            let mut enter = |quantity: &str, time: Option<i64>, value: f64| {
                let series = format!("{name}/{quantity}");
                self.ledger.sent.push(Sent { series, time, value, acked: false, publishes: 1 });
            };
            match count % 3 {
                0 => {
                    topic = format!("pantau/{name}/pulses");
                    payload = count.to_string();
                    enter("pulses", None, count as f64);
                }
                1 => {
                    let volts = count as f64 / 16.0;
                    topic = format!("pantau/{name}");
                    payload =
                        format!("{{\"time\":\"{}\",\"energy\":{count},\"voltage\":{volts}}}", rfc3339(time));
                    enter("energy", Some(time), count as f64);
                    enter("voltage", Some(time), volts);
                }
                _ => {
                    let watts = count as f64 + 0.5;
                    topic = format!("pantau/{name}");
                    payload = format!("{{\"power\":{watts}}}");
                    enter("power", None, watts);
                }
            }
        }
        let bytes_of = |id| publish(&topic, payload.as_bytes(), qos, false, id);
        if qos == 0 {
            return bytes_of(0);
        }
        let id = self.free_id();
        let bytes = bytes_of(id);
        let readings = start..self.ledger.sent.len();
        self.flights.push_back(Flight { id, qos, topic, payload, released: false, readings, garbage });
        bytes
    }

    fn free_id(&mut self) -> u16 {
        loop {
            // A short cycle, so that ids are used again and again, as small devices do.
            self.next_id = self.next_id % 500 + 1;
            if self.flights.iter().all(|flight| flight.id != self.next_id) {
                return self.next_id;
            }
        }
    }
}
