//! One connection from its first byte to its last: handshake, `live` loop, goodbye.
//!
//! Always holds: the session is given back only after every ticket has resolved, so that a client that comes
//! back finds what was stored. A connection that lost a ticket gives nothing back: the journal knows the truth. What
//! nobody will send again and found no room is counted before the session is gone. A will is taken like a message of
//! the device, at once (a delay that MQTT 5.0 allows is not waited for), before the client's next connection begins.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rmqtt_codec::v5::DisconnectReasonCode as Reason;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

use super::door::Door;
use super::handshake::{self, Admitted, Greeted, Opened};
use super::hub::{Ask, Kick};
use super::live::{Live, READ};
use super::outbound::Delivery;
use super::packets::Will;
use super::secure::{self, Secured};
use super::session::Kept;
use super::stats::Stats;
use super::strict::Violation;
use super::{Clock, Config};
use crate::intake::types::{Frame, Intake, Source, SubmitError};

/// How long the last bytes may take to be written, and the client to hang up after them.
const LINGER: Duration = Duration::from_secs(1);

/// What all connections share.
pub(crate) struct Context<I> {
    pub(crate) config: Config,
    pub(crate) intake: I,
    pub(crate) door: watch::Receiver<Arc<Door>>,
    /// TLS handshakes at once.
    pub(crate) handshakes: Semaphore,
    pub(crate) asks: mpsc::Sender<Ask>,
    pub(crate) clock: Clock,
    pub(crate) stats: Arc<Stats>,
}

/// The connection's end of its link to the hub.
pub(crate) struct Ends {
    pub(crate) deliveries: mpsc::Receiver<Delivery>,
    pub(crate) kick: oneshot::Receiver<Kick>,
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goodbye {
    /// The client said DISCONNECT.
    Left {
        in_order: bool,
    },
    /// The socket was closed or failed.
    Gone,
    Violation(Violation),
    Kicked(Kick),
    /// Its login does not hold any more.
    Revoked,
    /// Nothing was heard for 1.5 times the keep-alive.
    Silent,
    /// The client takes no bytes.
    Stalled,
    /// The spool failed: nothing may be acknowledged any more.
    Failed,
}

/// Serves one socket that speaks TLS first.
pub(crate) async fn run_tls<I: Intake>(
    context: Arc<Context<I>>,
    connection: u64,
    socket: TcpStream,
    peer: SocketAddr,
    mut ends: Ends,
) -> Option<Box<Kept>> {
    let Secured { io, certificate } = tokio::select! {
        biased;
        _ = &mut ends.kick => return None,
        secured = secure::accept(&context, socket, peer) => secured?,
    };
    run(context, connection, io, peer, ends, certificate).await
}

/// Serves one socket to its end and gives its session back. `certificate`: the names in the client's.
pub(crate) async fn run<I: Intake>(
    context: Arc<Context<I>>,
    connection: u64,
    mut io: impl AsyncRead + AsyncWrite + Unpin,
    peer: SocketAddr,
    mut ends: Ends,
    certificate: Option<Vec<String>>,
) -> Option<Box<Kept>> {
    let mut watched = context.door.clone();
    // What is exchanged from now on is noticed by the loop.
    let door = Arc::clone(&watched.borrow_and_update());
    let mut inbuf = BytesMut::with_capacity(READ.0);
    let greeted = tokio::select! {
        biased;
        _ = &mut ends.kick => Greeted::Closed,
        greeted = handshake::greet(&context, &mut io, &mut inbuf, peer, certificate.as_deref(), &door) => greeted,
    };
    let Greeted::Connect(first) = greeted else { return None };
    drop(door);
    let Admitted { wire, connect, login, rights } = *first;
    let Opened { session, keep_alive, will } =
        handshake::open(&context, &mut io, connection, wire, connect).await?;
    tracing::debug!(%peer, client = session.client(), "connected");
    let mut live = Live::new(&context, connection, session, inbuf, keep_alive, (login, rights));
    let goodbye = live.serve(&mut io, &mut ends, &mut watched).await;
    tracing::debug!(%peer, client = live.session.client(), ?goodbye, "disconnected");
    let failed = goodbye == Goodbye::Failed || live.drain().await == Err(Goodbye::Failed);
    context.intake.shed(live.shed(), (context.clock.wall)());
    if let Some(will) = will.filter(|_| goodbye.leaves_will()) {
        said_at_last(&context, live.source(), &will);
    }
    let mut session = live.session;
    let stats = &context.stats;
    stats.revoked.add(u64::from(goodbye == Goodbye::Revoked));
    stats.violations.add(u64::from(matches!(goodbye, Goodbye::Violation(_))));
    stats.timed_out.add(u64::from(matches!(goodbye, Goodbye::Silent | Goodbye::Stalled)));
    if let Some(reason) = goodbye.reason() {
        session.wire.disconnect(reason, &mut session.out);
    }
    if !matches!(goodbye, Goodbye::Gone | Goodbye::Stalled) {
        let patient =
            matches!(goodbye, Goodbye::Violation(_) | Goodbye::Revoked | Goodbye::Kicked(Kick::Stopping));
        // The session is safe; what the client does not take by now it will ask for again.
        let _ = timeout(LINGER, hang_up(&mut io, &mut session.out, patient)).await;
    }
    if failed { None } else { Some(session.end()) }
}

/// Takes a will as a message at QoS 0, for nobody is left to send it again. It is not routed to anybody.
fn said_at_last<I: Intake>(context: &Context<I>, source: Source<'_>, will: &Will) {
    let arrival = (context.clock.wall)();
    let frame = Frame { topic: &will.topic, payload: &will.payload, arrival, key: None };
    if let Err(SubmitError::Full | SubmitError::TooLarge) = context.intake.submit_of(source, &[frame]) {
        context.intake.shed(1, arrival);
    }
}

/// Writes what is left. A patient one waits for the client to hang up, since closing a socket with unread
/// bytes in it would take back what was written last.
async fn hang_up(
    io: &mut (impl AsyncRead + AsyncWrite + Unpin),
    out: &mut BytesMut,
    patient: bool,
) -> std::io::Result<()> {
    io.write_all_buf(out).await?;
    io.shutdown().await?;
    let mut discarded = [0; 4096];
    while patient && io.read(&mut discarded).await? > 0 {}
    Ok(())
}

impl Goodbye {
    /// Whether the device is gone without having said that all is well (MQTT 5.0, section 3.14.4: only reason 0 takes the
    /// will back). When the gateway stops, the device is not to blame; one whose login is gone has nothing to say any more.
    fn leaves_will(self) -> bool {
        !matches!(
            self,
            Goodbye::Left { in_order: true }
                | Goodbye::Kicked(Kick::Stopping)
                | Goodbye::Revoked
                | Goodbye::Failed
        )
    }

    /// What an MQTT 5.0 client is told.
    fn reason(self) -> Option<Reason> {
        match self {
            Goodbye::Left { .. } | Goodbye::Gone | Goodbye::Stalled => None,
            Goodbye::Violation(violation) => Some(violation.reason),
            Goodbye::Kicked(Kick::TakenOver) => Some(Reason::SessionTakenOver),
            Goodbye::Kicked(Kick::Stopping) => Some(Reason::ServerShuttingDown),
            Goodbye::Revoked => Some(Reason::NotAuthorized),
            Goodbye::Silent => Some(Reason::KeepAliveTimeout),
            Goodbye::Failed => Some(Reason::UnspecifiedError),
        }
    }
}
