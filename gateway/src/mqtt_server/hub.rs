//! The one owner of what connections share: the registry of sessions, the links to the connections and the
//! retained messages. Connections ask it by a bounded channel; it never waits for one of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use rmqtt_codec::v5::RetainHandling;
use tokio::sync::{mpsc, oneshot};

use super::outbound::{Delivery, Message, QUEUE, RETAINED, Way};
use super::packets::Filter;
use super::session::Kept;
use super::sessions::{Grant, Outcome, Refusal, Registry, Request};
use super::stats::Stats;
use super::topics;
use crate::intake::types::{Intake, RecoveredSession, SessionEvent};

pub(crate) type Granted = oneshot::Sender<Result<Grant, Refusal>>;

/// What a connection asks.
#[derive(Debug)]
pub(crate) enum Ask {
    Connect { connection: u64, request: Request, reply: Granted },
    Subscribe { connection: u64, client: String, filters: Vec<Filter>, reply: oneshot::Sender<Subscribed> },
    Unsubscribe { connection: u64, client: String, filters: Vec<String>, reply: oneshot::Sender<Vec<bool>> },
}

#[derive(Debug)]
pub(crate) struct Subscribed {
    /// For each filter whether it was taken.
    pub(crate) taken: Vec<bool>,
    pub(crate) retained: Vec<Delivery>,
}

/// Why a connection has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kick {
    TakenOver,
    Stopping,
}

/// The hub's end of a connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) deliveries: mpsc::Sender<Delivery>,
    pub(crate) kick: Option<oneshot::Sender<Kick>>,
    /// Set when the connection has a session.
    pub(crate) client: Option<String>,
}

pub(crate) struct Hub<I> {
    registry: Registry<Granted>,
    links: HashMap<u64, Link>,
    retained: BTreeMap<String, Arc<Message>>,
    intake: I,
    stats: Arc<Stats>,
    now_s: u64,
    stopping: bool,
}

impl<I: Intake> Hub<I> {
    pub(crate) fn new(
        intake: I,
        stats: Arc<Stats>,
        recovered: &[RecoveredSession],
        max_sessions: usize,
    ) -> Self {
        let mut registry = Registry::new(max_sessions);
        for session in recovered {
            registry.recover(Box::new(Kept::recovered(session)), 0);
        }
        let links = HashMap::new();
        let mut hub =
            Hub { registry, links, retained: BTreeMap::new(), intake, stats, now_s: 0, stopping: false };
        hub.tick(0);
        hub
    }

    pub(crate) fn connections(&self) -> usize {
        self.links.len()
    }

    /// A connection was accepted.
    pub(crate) fn opened(&mut self, connection: u64, link: Link) {
        self.links.insert(connection, link);
        self.stats.connections.set(self.links.len() as u64);
    }

    /// A connection has ended. `kept` is its session, if it had one and could give it back.
    pub(crate) fn closed(&mut self, connection: u64, kept: Option<Box<Kept>>) {
        let client = self.links.remove(&connection).and_then(|link| link.client);
        self.stats.connections.set(self.links.len() as u64);
        if let Some(client) = client {
            let now_s = self.now_s;
            let outcome = self.registry.ended(connection, &client, kept, now_s, &mut journal(&self.intake));
            self.act(outcome);
        }
    }

    pub(crate) fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Connect { reply, .. } if self.stopping => drop(reply.send(Err(Refusal::Stopping))),
            Ask::Connect { connection, request, reply } => {
                let outcome = self.registry.connect(connection, request, reply, &mut journal(&self.intake));
                self.act(Some(outcome));
            }
            Ask::Subscribe { connection, client, filters, reply } => {
                let subscribed = self.subscribe(connection, &client, &filters);
                drop(reply.send(subscribed));
            }
            Ask::Unsubscribe { connection, client, filters, reply } => {
                drop(reply.send(self.registry.unsubscribe(connection, &client, &filters)));
            }
        }
    }

    fn act(&mut self, mut next: Option<Outcome<Granted>>) {
        while let Some(outcome) = next.take() {
            match outcome {
                Outcome::Kick { connection, displaced } => {
                    self.kick(connection, Kick::TakenOver);
                    if let Some(displaced) = displaced {
                        drop(displaced.send(Err(Refusal::Displaced)));
                    }
                }
                Outcome::Answer { to, connection, client, answer } => {
                    // A connection that is gone by now gives back what it was granted.
                    let unheard = match (answer, self.links.get_mut(&connection)) {
                        (answer, Some(link)) => {
                            link.client = answer.is_ok().then(|| client.clone());
                            to.send(answer).err()
                        }
                        (answer, None) => Some(answer),
                    };
                    if let Some(Ok(Grant { kept, .. })) = unheard {
                        if let Some(link) = self.links.get_mut(&connection) {
                            link.client = None;
                        }
                        let now_s = self.now_s;
                        let mut journal = journal(&self.intake);
                        next = self.registry.ended(connection, &client, Some(kept), now_s, &mut journal);
                    }
                }
            }
        }
    }

    fn kick(&mut self, connection: u64, reason: Kick) {
        if let Some(kick) = self.links.get_mut(&connection).and_then(|link| link.kick.take()) {
            let _ = kick.send(reason);
        }
    }

    /// The gateway publishes.
    pub(crate) fn publish(&mut self, message: Arc<Message>) {
        if message.way != Way::Later {
            let links = &self.links;
            let dropped = self.registry.route(&message, |connection, delivery| {
                links.get(&connection).is_some_and(|link| link.deliveries.try_send(delivery).is_ok())
            });
            self.stats.outbound_dropped.add(dropped);
        }
        if !message.retain {
            return;
        }
        if message.payload.is_empty() {
            self.retained.remove(&message.topic);
        } else if self.retained.len() < RETAINED || self.retained.contains_key(&message.topic) {
            self.retained.insert(message.topic.clone(), message);
        } else {
            tracing::warn!(topic = %message.topic, "not retained: {RETAINED} topics are retained already");
            self.stats.outbound_dropped.add(1);
        }
    }

    fn subscribe(&mut self, connection: u64, client: &str, filters: &[Filter]) -> Subscribed {
        let taken = self.registry.subscribe(connection, client, filters);
        let wanted = |(filter, taken): (&Filter, &Option<bool>)| match filter.retain_handling {
            RetainHandling::NoAtSubscribe => false,
            RetainHandling::AtSubscribeNew => *taken == Some(true),
            RetainHandling::AtSubscribe => taken.is_some(),
        };
        let wanting: Vec<&Filter> =
            filters.iter().zip(&taken).filter(|pair| wanted(*pair)).map(|(filter, _)| filter).collect();
        // Each message once, however many of the filters match it, and no more than can wait for a client.
        let retained = self.retained.values().filter_map(|message| {
            let matching = wanting.iter().filter(|filter| topics::matches(&filter.filter, &message.topic));
            let qos = message.qos(matching.map(|filter| filter.qos).max()?);
            Some(Delivery { message: Arc::clone(message), qos, retain: true })
        });
        Subscribed {
            retained: retained.take(QUEUE).collect(),
            taken: taken.iter().map(Option::is_some).collect(),
        }
    }

    /// Once a second; `now_s` counts from the start of the listener.
    pub(crate) fn tick(&mut self, now_s: u64) {
        self.now_s = now_s;
        self.registry.expire(now_s, &mut journal(&self.intake));
        self.stats.sessions_away.set(self.registry.away() as u64);
    }

    /// Asks every connection to end.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
        for link in self.links.values_mut() {
            if let Some(kick) = link.kick.take() {
                let _ = kick.send(Kick::Stopping);
            }
        }
    }
}

/// Append order is all that a session event needs, so its ticket is not waited for.
fn journal<I: Intake>(intake: &I) -> impl FnMut(SessionEvent<'_>) -> bool {
    |event| intake.session(event).is_ok()
}
