//! One connection to a broker, until it is lost: three loops that run side by side in one task.
//!
//! ```text
//! receive ──(Inbox, bounded)──► store ──(tickets, bounded)──► acknowledge ──► link ──► broker
//! ```
//! The link is polled by `receive` alone and is never kept waiting by the disk; what waits for room in the spool is bounded
//! by what the broker sends ahead of its acknowledgements.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use pantau_proto::TimeMs;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::link::{self, Event, Message, Poller, Sender, WINDOW};
use super::{BrokerStats, Outgoing, State, Taking};
use crate::intake::types::{Delivery, DeliveryKey, Frame, Intake, SubmitError, delivery_hash};
use crate::mqtt_server::Repeat;

/// Messages that become one record at most.
const TOGETHER: usize = 256;
/// How long what could not be said now waits.
const AGAIN: Duration = Duration::from_millis(2);

/// What `receive` hands on, in the order in which it came.
#[derive(Debug)]
enum Inbox {
    Connected { session_present: bool },
    Message(Message),
}

/// Packet ids to be acknowledged when a ticket resolves.
type Promise<T> = (Option<T>, Vec<u16>);

/// What the loops of a connection tell each other.
#[derive(Default)]
struct Shared {
    /// Messages that came in and are not acknowledged.
    owed: AtomicUsize,
    /// Messages at QoS 0 that came in and are not taken by the spool yet.
    unstored: AtomicUsize,
    /// Messages at QoS 0 that came when nothing more was taken.
    late: AtomicUsize,
    /// Nothing more is taken.
    stopping: AtomicBool,
}

/// Until the connection is lost, and why; `None` after `stop`.
pub(super) async fn run<I: Intake>(
    taking: &mut Taking<I>,
    outgoing: &mut mpsc::Receiver<Outgoing>,
    stop: &CancellationToken,
) -> Option<String> {
    let (intake, now, shared) = (taking.intake.clone(), taking.clock.wall, Shared::default());
    let lost = until_lost(taking, outgoing, stop, &shared).await;
    // Nobody sends these again.
    let shed = shared.unstored.load(Ordering::SeqCst) + shared.late.load(Ordering::SeqCst);
    intake.shed(shed as u64, now());
    lost
}

async fn until_lost<I: Intake>(
    taking: &mut Taking<I>,
    outgoing: &mut mpsc::Receiver<Outgoing>,
    stop: &CancellationToken,
    shared: &Shared,
) -> Option<String> {
    let (sender, poller) = link::open(&taking.settings);
    let (into, inbox) = mpsc::channel(2 * usize::from(WINDOW));
    let (promise, promises) = mpsc::channel(usize::from(WINDOW));
    let receive = Receive {
        settings: taking.settings.clone(),
        stats: Arc::clone(&taking.stats),
        now: taking.clock.wall,
        sender: sender.clone(),
        shared,
    };
    let grace = taking.settings.stop_grace;
    let mut receive = pin!(receive.run(poller, into));
    let mut store = pin!(store(taking, inbox, promise, shared));
    let mut acknowledge = pin!(acknowledge::<I>(&sender, promises, shared));
    let mut speak = pin!(speak(&sender, outgoing));
    tokio::select! {
        lost = &mut receive => {
            // What came in before is taken all the same, as far as there is room.
            let taken = async {
                tokio::select! {
                    _ = &mut store => {}
                    _ = &mut acknowledge => {}
                }
            };
            drop(timeout(grace, taken).await);
            return Some(lost);
        }
        lost = &mut store => return Some(lost),
        lost = &mut acknowledge => return Some(lost),
        () = &mut speak => {}
        () = stop.cancelled() => {}
    }
    shared.stopping.store(true, Ordering::SeqCst);
    let settled = async {
        while shared.owed.load(Ordering::SeqCst) + shared.unstored.load(Ordering::SeqCst) > 0 {
            sleep(AGAIN).await;
        }
        sender.disconnect();
        // Until the broker has closed the connection, which `receive` sees.
        std::future::pending::<()>().await;
    };
    let ended = async {
        tokio::select! {
            _ = &mut receive => {}
            _ = &mut store => {}
            _ = &mut acknowledge => {}
            () = settled => {}
        }
    };
    // What is not acknowledged by then comes again.
    drop(timeout(grace, ended).await);
    None
}

/// Says what the gateway has to say.
async fn speak(sender: &Sender, outgoing: &mut mpsc::Receiver<Outgoing>) {
    while let Some((topic, payload)) = outgoing.recv().await {
        // Whoever did not hear it is asked again with its next message.
        drop(sender.publish(&topic, payload));
    }
}

struct Receive<'a> {
    settings: super::Settings,
    stats: Arc<BrokerStats>,
    now: fn() -> TimeMs,
    sender: Sender,
    shared: &'a Shared,
}

impl Receive<'_> {
    async fn run(self, mut poller: Poller, into: mpsc::Sender<Inbox>) -> String {
        loop {
            let event = match poller.next().await {
                Ok(event) => event,
                Err(error) => return error,
            };
            match event {
                Event::Connected { session_present } => {
                    self.stats.connects.add(1);
                    if into.send(Inbox::Connected { session_present }).await.is_err() {
                        return CLOSED.to_owned();
                    }
                    // Each time: what is wanted may have changed since the broker's session began.
                    if self.sender.subscribe(&self.settings.filters).is_err() {
                        return "the topics are no filters".to_owned();
                    }
                }
                Event::Subscribed(taken) => self.subscribed(&taken),
                Event::Message(message) => {
                    self.stats.received.add(1);
                    let stopping = self.shared.stopping.load(Ordering::SeqCst);
                    let count = match message.packet_id {
                        // The broker sends it again.
                        Some(_) if stopping => continue,
                        Some(_) => &self.shared.owed,
                        None if stopping => &self.shared.late,
                        None => &self.shared.unstored,
                    };
                    count.fetch_add(1, Ordering::SeqCst);
                    if stopping {
                        continue;
                    }
                    if into.send(Inbox::Message(message)).await.is_err() {
                        return CLOSED.to_owned();
                    }
                }
                Event::Other => {}
            }
        }
    }

    fn subscribed(&self, taken: &[bool]) {
        let filters = &self.settings.filters;
        let refused: Vec<String> = filters
            .iter()
            .zip(taken)
            .filter(|(_, taken)| !**taken)
            .map(|(filter, _)| filter.clone())
            .collect();
        let (broker, address) = (&self.stats.name, &self.stats.address);
        if refused.is_empty() {
            tracing::info!(broker, address, "subscribed");
            self.stats.set(State::Connected, (self.now)());
        } else {
            tracing::error!(
                broker,
                address,
                ?refused,
                "the broker refuses to send these topics: look at its access rules for this user"
            );
            self.stats.set(State::Refused(refused), (self.now)());
        }
    }
}

/// The spool takes nothing any more: the process ends.
const CLOSED: &str = "the spool is closed";

/// Journals what came in.
async fn store<I: Intake>(
    taking: &mut Taking<I>,
    mut inbox: mpsc::Receiver<Inbox>,
    promise: mpsc::Sender<Promise<I::Ticket>>,
    shared: &Shared,
) -> String {
    let mut came = Vec::with_capacity(TOGETHER);
    loop {
        if inbox.recv_many(&mut came, TOGETHER).await == 0 {
            return CLOSED.to_owned();
        }
        let mut batch = Batch::default();
        for item in came.drain(..) {
            match item {
                Inbox::Message(message) => batch.add(taking, message),
                Inbox::Connected { session_present } => {
                    let begun = loop {
                        match taking.begin(session_present) {
                            Ok(ticket) => break ticket,
                            Err(SubmitError::Closed) => return CLOSED.to_owned(),
                            // The part of the spool that keeps sessions is full.
                            Err(SubmitError::Full | SubmitError::TooLarge) => taking.intake.room().await,
                        }
                    };
                    if promise.send((Some(begun), Vec::new())).await.is_err() {
                        return CLOSED.to_owned();
                    }
                }
            }
        }
        if let Err(closed) = batch.submit(taking, &promise, shared).await {
            return closed;
        }
    }
}

/// What has to be stored, and the packet id to be acknowledged.
type Item = (Option<(Message, Option<DeliveryKey>)>, Option<u16>);

/// Messages in order; those that need no journal have only an acknowledgement.
#[derive(Default)]
struct Batch {
    items: Vec<Item>,
}

impl Batch {
    fn add<I: Intake>(&mut self, taking: &mut Taking<I>, message: Message) {
        let packet_id = message.packet_id;
        if message.retain && !taking.settings.retained {
            taking.stats.retained.add(1);
            return self.items.push((None, packet_id));
        }
        let Some(id) = packet_id else { return self.items.push((Some((message, None)), None)) };
        let (hash, arrival) = (delivery_hash(&message.topic, &message.payload), taking.arrival());
        if !message.dup {
            taking.deliveries.new_message(id, arrival);
        } else if taking.deliveries.repeat(id, hash, arrival) != Repeat::Unknown {
            taking.stats.redelivered.add(1);
            return self.items.push((None, packet_id));
        }
        let key = DeliveryKey { packet_id: id, hash, kind: Delivery::AtLeastOnce };
        self.items.push((Some((message, Some(key))), packet_id));
    }

    async fn submit<I: Intake>(
        &self,
        taking: &mut Taking<I>,
        promise: &mpsc::Sender<Promise<I::Ticket>>,
        shared: &Shared,
    ) -> Result<(), String> {
        let key = super::session_key(&taking.settings.name);
        let (mut from, mut most, mut waited) = (0, self.items.len(), false);
        while from < self.items.len() {
            let piece = &self.items[from..self.items.len().min(from + most)];
            let arrival = taking.arrival();
            let frames: Vec<Frame<'_>> = piece
                .iter()
                .filter_map(|(stored, _)| stored.as_ref())
                .map(|(message, key)| Frame {
                    topic: &message.topic,
                    payload: &message.payload,
                    arrival,
                    key: *key,
                })
                .collect();
            let ticket = if frames.is_empty() {
                None
            } else {
                match taking.intake.submit(&key, &frames) {
                    Ok(ticket) => Some(ticket),
                    Err(SubmitError::TooLarge) if piece.len() > 1 => {
                        most = piece.len() / 2;
                        continue;
                    }
                    Err(SubmitError::Full | SubmitError::TooLarge) => {
                        if !waited {
                            taking.stats.withheld.add(frames.len() as u64);
                        }
                        waited = true;
                        taking.intake.room().await;
                        continue;
                    }
                    Err(SubmitError::Closed) => return Err(CLOSED.to_owned()),
                }
            };
            // Only now: what waits for room when the connection is lost was not stored, and has to come again.
            for (_, key) in piece.iter().filter_map(|(stored, _)| stored.as_ref()) {
                if let Some(key) = key {
                    taking.deliveries.stored(key.packet_id, key.hash, arrival);
                }
            }
            let at_qos_0 = piece.iter().filter(|(_, packet_id)| packet_id.is_none()).count();
            shared.unstored.fetch_sub(at_qos_0, Ordering::SeqCst);
            waited = false;
            from += piece.len();
            let acks = piece.iter().filter_map(|(_, packet_id)| *packet_id).collect();
            promise.send((ticket, acks)).await.map_err(|_| CLOSED.to_owned())?;
        }
        Ok(())
    }
}

/// Acknowledges, in order, what is durable.
async fn acknowledge<I: Intake>(
    sender: &Sender,
    mut promises: mpsc::Receiver<Promise<I::Ticket>>,
    shared: &Shared,
) -> String {
    while let Some((ticket, acks)) = promises.recv().await {
        if let Some(ticket) = ticket
            && ticket.await.is_err()
        {
            break;
        }
        for packet_id in acks {
            while sender.acknowledge(packet_id).is_err() {
                sleep(AGAIN).await;
            }
            shared.owed.fetch_sub(1, Ordering::SeqCst);
        }
    }
    CLOSED.to_owned()
}
