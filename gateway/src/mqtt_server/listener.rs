//! Accepts connections, owns their tasks and runs the hub between them.
//!
//! Always holds: every connection is a task of the [`JoinSet`] that `app.rs` hands in, and is joined here; its
//! session comes back as its result. Stopping takes no new connection, lets outstanding tickets resolve and
//! their acknowledgements be written, and ends within the grace time.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use hashbrown::HashMap;

use super::auth::UserError;
use super::connection::{self, Context, Ends};
use super::door::{Door, Doorkeeper};
use super::hub::{Ask, Hub, Link};
use super::outbound::{Message, Outbound};
use super::session::Kept;
use super::stats::Stats;
use super::{Clock, Config};
use crate::intake::types::{Intake, RecoveredSession};

/// Questions of connections that wait for the hub at most.
const ASKS: usize = 256;
/// The gateway's messages that wait for the hub at most.
const MESSAGES: usize = 1024;
/// The gateway's messages that wait for one connection at most.
const DELIVERIES: usize = 64;
/// How long nothing is accepted after the system refused a connection (no descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How a connection's task ends. Only the listener looks into it.
#[derive(Debug)]
pub struct Closed(Option<Box<Kept>>);

/// The sockets that are listened on. TLS needs its part of the configuration, too.
#[derive(Debug, Default)]
pub struct Listeners {
    /// Without encryption.
    pub plain: Option<TcpListener>,
    /// With TLS.
    pub tls: Option<TcpListener>,
}

impl From<TcpListener> for Listeners {
    fn from(plain: TcpListener) -> Self {
        Listeners { plain: Some(plain), tls: None }
    }
}

/// The listener, ready to run.
pub struct Server<I> {
    context: Arc<Context<I>>,
    hub: Hub<I>,
    doorkeeper: Doorkeeper,
    asks: mpsc::Receiver<Ask>,
    messages: mpsc::Receiver<Arc<Message>>,
    tasks: HashMap<Id, u64>,
    next: u64,
}

impl<I: Intake> Server<I> {
    /// Prepares the listener. `recovered` are the sessions that the journal knows.
    ///
    /// # Errors
    /// A user of the configuration cannot be used.
    pub fn new(
        config: Config,
        intake: I,
        recovered: &[RecoveredSession],
        clock: Clock,
    ) -> Result<(Self, Outbound), UserError> {
        let (sender, messages) = mpsc::channel(MESSAGES);
        let (asks_sender, asks) = mpsc::channel(ASKS);
        let (doorkeeper, door) = watch::channel(Door::new(&config)?);
        let handshakes = Semaphore::new((config.max_connections / 2).max(1));
        let stats = Arc::new(Stats::default());
        let hub = Hub::new(intake.clone(), Arc::clone(&stats), recovered, config.max_sessions);
        let context = Arc::new(Context { config, intake, door, handshakes, asks: asks_sender, clock, stats });
        let doorkeeper = Doorkeeper(doorkeeper);
        let server = Server { context, hub, doorkeeper, asks, messages, tasks: HashMap::new(), next: 0 };
        Ok((server, Outbound { sender }))
    }

    /// What this listener counts.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.context.stats)
    }

    /// Exchanges users and certificates while the listener runs.
    pub fn doorkeeper(&self) -> Doorkeeper {
        self.doorkeeper.clone()
    }

    /// Runs until `stop` is cancelled and every connection has ended. `tasks` is the set that the connections
    /// become tasks of: `app.rs` makes it, so that it alone decides where tasks run.
    pub async fn run(
        mut self,
        listeners: impl Into<Listeners>,
        mut tasks: JoinSet<Closed>,
        stop: CancellationToken,
    ) {
        let listeners = listeners.into();
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let start = seconds.tick().await;
        let mut pause = false;
        loop {
            // In no fixed order: clients that ask much keep nobody from connecting.
            tokio::select! {
                () = stop.cancelled() => break,
                now = seconds.tick() => self.hub.tick((now - start).as_secs()),
                Some(ended) = tasks.join_next_with_id() => self.joined(ended),
                Some(ask) = self.asks.recv() => self.hub.ask(ask),
                Some(message) = self.messages.recv() => self.hub.publish(message),
                () = sleep(ACCEPT_PAUSE), if pause => pause = false,
                (accepted, tls) = accept(&listeners), if !pause => match accepted {
                    Ok((socket, _)) => self.accept(socket, tls, &mut tasks),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        pause = true;
                    }
                },
            }
        }
        drop(listeners);
        self.stop(tasks).await;
    }

    fn accept(&mut self, socket: TcpStream, tls: bool, tasks: &mut JoinSet<Closed>) {
        if self.hub.connections() >= self.context.config.max_connections {
            self.context.stats.turned_away.add(1);
            return;
        }
        let (Ok(peer), Ok(())) = (socket.peer_addr(), socket.set_nodelay(true)) else { return };
        let connection = self.next;
        self.next += 1;
        let (deliveries_sender, deliveries) = mpsc::channel(DELIVERIES);
        let (kick_sender, kick) = oneshot::channel();
        self.hub.opened(
            connection,
            Link { deliveries: deliveries_sender, kick: Some(kick_sender), client: None },
        );
        let context = Arc::clone(&self.context);
        let ends = Ends { deliveries, kick };
        let task = tasks.spawn(async move {
            Closed(match tls {
                true => Box::pin(connection::run_tls(context, connection, socket, peer, ends)).await,
                false => connection::run(context, connection, socket, peer, ends, None).await,
            })
        });
        self.tasks.insert(task.id(), connection);
    }

    fn joined(&mut self, ended: Result<(Id, Closed), JoinError>) {
        let (task, kept) = match ended {
            Ok((task, Closed(kept))) => (task, kept),
            Err(error) => {
                tracing::error!(%error, "a connection ended unexpectedly");
                (error.id(), None)
            }
        };
        if let Some(connection) = self.tasks.remove(&task) {
            self.hub.closed(connection, kept);
        }
    }

    async fn stop(&mut self, mut tasks: JoinSet<Closed>) {
        self.hub.stop();
        let grace = sleep(self.context.config.stop_grace);
        tokio::pin!(grace);
        loop {
            tokio::select! {
                biased;
                ended = tasks.join_next_with_id() => match ended {
                    Some(ended) => self.joined(ended),
                    None => return,
                },
                Some(ask) = self.asks.recv() => self.hub.ask(ask),
                () = &mut grace => break,
            }
        }
        tracing::warn!(connections = tasks.len(), "connections did not end in time");
        // What they still held is not acknowledged, and their sessions are in the journal.
        tasks.shutdown().await;
    }
}

/// The next connection, and whether it is to speak TLS.
async fn accept(listeners: &Listeners) -> (std::io::Result<(TcpStream, SocketAddr)>, bool) {
    async fn on(listener: Option<&TcpListener>) -> std::io::Result<(TcpStream, SocketAddr)> {
        match listener {
            Some(listener) => listener.accept().await,
            None => pending().await,
        }
    }
    tokio::select! {
        accepted = on(listeners.plain.as_ref()) => (accepted, false),
        accepted = on(listeners.tls.as_ref()) => (accepted, true),
    }
}
