//! The loop of one connection: reads, submits, waits for tickets, writes, until there is a reason to end.
//!
//! ```text
//! socket ─► inbuf ─► all packets of the read ─► intake.submit, once ─► ticket ─► out ─► socket, one write
//!                                                  │ Full: withhold, try again when there is room
//! ```
//! Always holds:
//! - Reading goes on while tickets are outstanding, within the bounds of `session`; tickets are polled in
//!   order, the oldest only, so that a commit wakes a connection once.
//! - While the spool is full a little is still read, so that a client that waits for its acknowledgements gets
//!   its pings answered and one that has gone is noticed.
//! - Nobody waits for a client that does not read: what waits for the socket is bounded, and so is the time.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::BytesMut;
use pantau_proto::TimeMs;
use rmqtt_codec::v5::{DisconnectReasonCode as Reason, UnsubscribeAckReason as Unsubscribed};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, Sleep, sleep};

use super::auth::Login;
use super::connection::{Context, Ends, Goodbye};
use super::door::Door;
use super::hub::{Ask, Kick, Subscribed};
use super::outbound::SLOW;
use super::packets::Filter;
use super::pipeline::Work;
use super::session::{Next, Session};
use super::strict::Violation;
use crate::intake::types::{Failed, Intake, Rights, SessionEvent, Source, SubmitError, Taken};

/// Bytes that a connection reads at once: at first, and when it has much to say.
pub(crate) const READ: (usize, usize) = (4 * 1024, 32 * 1024);
/// Bytes of withheld messages above which a connection is not read: some hundred messages.
const WITHHELD: usize = 64 * 1024;
/// How often a full spool is tried again even when nobody says that there is room.
const RETRY: Duration = Duration::from_millis(250);
/// A client without a keep-alive that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(12 * 3600);

pub(crate) struct Live<'a, I: Intake> {
    context: &'a Context<I>,
    connection: u64,
    pub(crate) session: Session,
    login: Login,
    /// What the client may say; without any, everything.
    rights: Option<Arc<Rights>>,
    /// One for each outstanding batch of the session.
    tickets: VecDeque<I::Ticket>,
    inbuf: BytesMut,
    read: usize,
    /// The spool is full: something pending was not taken.
    withheld: bool,
    /// The client is being read.
    reading: bool,
    /// Bytes wait for the socket, the last progress was at `wrote`.
    writing: bool,
    /// What was written may still be on its way through TLS.
    unflushed: bool,
    wrote: Instant,
    heard: Instant,
    arrival: TimeMs,
    /// Longest silence.
    limit: Duration,
}

impl<'a, I: Intake> Live<'a, I> {
    pub(crate) fn new(
        context: &'a Context<I>,
        connection: u64,
        session: Session,
        inbuf: BytesMut,
        keep_alive: Duration,
        (login, rights): (Login, Option<Arc<Rights>>),
    ) -> Self {
        let now = (context.clock.monotonic)();
        Live {
            context,
            connection,
            session,
            login,
            rights,
            tickets: VecDeque::new(),
            inbuf,
            read: READ.0,
            withheld: false,
            reading: true,
            writing: false,
            unflushed: false,
            wrote: now,
            heard: now,
            arrival: (context.clock.wall)(),
            limit: if keep_alive.is_zero() { SILENCE } else { keep_alive },
        }
    }

    /// Messages that nobody sends again and that would be given up now.
    pub(crate) fn shed(&self) -> u64 {
        if self.withheld { self.session.unconfirmed() } else { 0 }
    }

    /// Who speaks.
    pub(crate) fn source(&self) -> Source<'_> {
        Source { name: self.session.client(), rights: self.rights.as_deref() }
    }

    /// Waits for every outstanding ticket.
    pub(crate) async fn drain(&mut self) -> Result<(), Goodbye> {
        while !self.tickets.is_empty() {
            let resolved = resolved(&mut self.tickets).await;
            self.resolved(resolved)?;
        }
        Ok(())
    }

    pub(crate) async fn serve(
        &mut self,
        io: &mut (impl AsyncRead + AsyncWrite + Unpin),
        ends: &mut Ends,
        door: &mut watch::Receiver<Arc<Door>>,
    ) -> Goodbye {
        let (mut reader, mut writer) = tokio::io::split(io);
        let mut alarm = pin!(sleep(self.limit));
        let mut go_on = self.advance().await;
        loop {
            if let Err(goodbye) = go_on {
                return goodbye;
            }
            self.watch_writing(alarm.as_mut());
            let reading = self.session.may_read() && (!self.withheld || self.session.bytes() < WITHHELD);
            if reading && !self.reading {
                // Silence counts from when the client could be heard again.
                self.heard = (self.context.clock.monotonic)();
            }
            self.reading = reading;
            if reading && self.inbuf.capacity() - self.inbuf.len() < READ.0 {
                self.inbuf.reserve(self.read);
            }
            go_on = tokio::select! {
                biased;
                kick = &mut ends.kick => Err(Goodbye::Kicked(kick.unwrap_or(Kick::Stopping))),
                resolved = resolved(&mut self.tickets), if !self.tickets.is_empty() => self.resolved(resolved),
                Ok(()) = door.changed() => self.admitted_again(&door.borrow_and_update()),
                written = write(&mut writer, &mut self.session.out, &mut self.unflushed), if self.writing => {
                    self.wrote = (self.context.clock.monotonic)();
                    if matches!(written, Ok(1..)) { Ok(()) } else { Err(Goodbye::Gone) }
                }
                Some(delivery) = ends.deliveries.recv(), if self.session.out.len() < SLOW => {
                    self.session.deliver(delivery);
                    self.count();
                    Ok(())
                }
                read = reader.read_buf(&mut self.inbuf), if reading => match read {
                    Ok(bytes @ 1..) => {
                        if bytes >= self.read {
                            self.read = (2 * self.read).min(READ.1);
                        }
                        self.heard = (self.context.clock.monotonic)();
                        self.arrival = (self.context.clock.wall)();
                        self.advance().await
                    }
                    _ => Err(Goodbye::Gone),
                },
                () = room(&self.context.intake), if self.withheld => self.submit(),
                () = &mut alarm => self.alarm(alarm.as_mut()),
            }
        }
    }

    /// Takes every complete packet that was read and hands all messages to the intake at once.
    async fn advance(&mut self) -> Result<(), Goodbye> {
        loop {
            let stop = self.decode();
            self.submit()?;
            self.count();
            match stop.map_err(Goodbye::Violation)? {
                Next::Go => return Ok(()),
                Next::Leave { in_order } => return Err(Goodbye::Left { in_order }),
                Next::Subscribe { packet_id, filters, codes } => {
                    self.subscribe(packet_id, filters, codes).await?;
                }
                Next::Unsubscribe { packet_id, filters } => self.unsubscribe(packet_id, filters).await?,
            }
        }
    }

    /// Goes through the packets that were read, up to one that needs the hub or to the first incomplete one.
    fn decode(&mut self) -> Result<Next, Violation> {
        while let Some(packet) = self.session.wire.next(&mut self.inbuf)? {
            match self.session.packet(packet, self.arrival)? {
                Next::Go => {}
                stop => return Ok(stop),
            }
        }
        Ok(Next::Go)
    }

    /// Hands on what is pending, as few records as possible.
    fn submit(&mut self) -> Result<(), Goodbye> {
        let was_withheld = std::mem::take(&mut self.withheld);
        let mut most = usize::MAX;
        loop {
            let (taken, messages) = match self.session.work() {
                Work::Nothing => return Ok(()),
                Work::Release(packet_id) => {
                    let event = SessionEvent::Released { client: self.session.client(), packet_id };
                    let taken = self.context.intake.session(event);
                    (taken.inspect(|_| self.session.released(packet_id)), 0)
                }
                Work::Frames(messages) => {
                    let messages = messages.min(most);
                    let frames = self.session.frames(messages, self.arrival);
                    let taken = self.context.intake.submit_of(self.source(), &frames);
                    drop(frames);
                    let taken = taken.map(|Taken { ticket, not_allowed }| {
                        self.session.accepted(messages, self.arrival, &not_allowed);
                        ticket
                    });
                    (taken, messages)
                }
            };
            match taken {
                Ok(ticket) => self.tickets.push_back(ticket),
                Err(SubmitError::Full) => {
                    self.withheld = true;
                    if !was_withheld {
                        self.context.stats.withheld.add(messages as u64);
                    }
                    return Ok(());
                }
                Err(SubmitError::TooLarge) if messages > 1 => most = messages / 2,
                Err(SubmitError::TooLarge) => {
                    let detail = "a message larger than a record of the spool";
                    return Err(Goodbye::Violation(Violation { reason: Reason::PacketTooLarge, detail }));
                }
                Err(SubmitError::Closed) => return Err(Goodbye::Failed),
            }
        }
    }

    /// Users were exchanged: the login still holds, or the connection ends.
    fn admitted_again(&mut self, door: &Door) -> Result<(), Goodbye> {
        self.rights = door.auth.again(&self.login).ok_or(Goodbye::Revoked)?;
        Ok(())
    }

    fn resolved(&mut self, (batches, failed): (usize, bool)) -> Result<(), Goodbye> {
        for _ in 0..batches {
            self.session.resolved();
        }
        if failed { Err(Goodbye::Failed) } else { Ok(()) }
    }

    async fn subscribe(
        &mut self,
        packet_id: u16,
        filters: Vec<Filter>,
        mut codes: Vec<u8>,
    ) -> Result<(), Goodbye> {
        let (reply, answer) = oneshot::channel();
        let client = self.session.client().to_owned();
        ask(self.context, Ask::Subscribe { connection: self.connection, client, filters, reply }).await?;
        let Subscribed { taken, retained } = answer.await.map_err(|_| Goodbye::Kicked(Kick::Stopping))?;
        for (code, taken) in codes.iter_mut().filter(|code| **code < 0x80).zip(taken) {
            if !taken {
                *code = u8::from(Reason::QuotaExceeded);
            }
        }
        let Session { wire, out, .. } = &mut self.session;
        wire.suback(packet_id, &codes, out);
        retained.into_iter().for_each(|delivery| self.session.deliver(delivery));
        Ok(())
    }

    async fn unsubscribe(&mut self, packet_id: u16, filters: Vec<String>) -> Result<(), Goodbye> {
        let (reply, answer) = oneshot::channel();
        let client = self.session.client().to_owned();
        ask(self.context, Ask::Unsubscribe { connection: self.connection, client, filters, reply }).await?;
        let removed = answer.await.map_err(|_| Goodbye::Kicked(Kick::Stopping))?;
        let code = |removed| {
            u8::from(if removed { Unsubscribed::Success } else { Unsubscribed::NoSubscriptionExisted })
        };
        let codes: Vec<u8> = removed.into_iter().map(code).collect();
        let Session { wire, out, .. } = &mut self.session;
        wire.unsuback(packet_id, &codes, out);
        Ok(())
    }

    fn count(&mut self) {
        self.context.stats.redelivered.add(std::mem::take(&mut self.session.repeats));
        self.context.stats.outbound_dropped.add(std::mem::take(&mut self.session.dropped));
    }

    /// Notes when something begins to wait for the socket.
    fn watch_writing(&mut self, alarm: Pin<&mut Sleep>) {
        let writing = !self.session.out.is_empty() || self.unflushed;
        if writing && !self.writing {
            self.wrote = (self.context.clock.monotonic)();
            let stalled = self.wrote + self.context.config.write_timeout;
            if alarm.deadline() > stalled {
                alarm.reset(stalled);
            }
        }
        self.writing = writing;
    }

    fn alarm(&mut self, alarm: Pin<&mut Sleep>) -> Result<(), Goodbye> {
        let now = (self.context.clock.monotonic)();
        // One that is not read is not to blame, but gets no ping answered either and has given up by then.
        let silent = self.heard + if self.reading { self.limit } else { 2 * self.limit };
        let stalled = self.wrote + self.context.config.write_timeout;
        if self.writing && stalled <= now {
            return Err(Goodbye::Stalled);
        }
        if silent <= now {
            return Err(Goodbye::Silent);
        }
        alarm.reset(if self.writing { silent.min(stalled) } else { silent });
        Ok(())
    }
}

/// Writes some of what waits, and through TLS to the socket. Dropped at any time it has lost nothing: what was taken from
/// `out` and is not yet flushed is said in `unflushed`. A bare socket has nothing to flush.
async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    out: &mut BytesMut,
    unflushed: &mut bool,
) -> std::io::Result<usize> {
    let mut written = 1;
    if !out.is_empty() {
        written = writer.write_buf(out).await?;
        *unflushed = true;
    }
    writer.flush().await?;
    *unflushed = false;
    Ok(written)
}

/// How many of the oldest tickets have resolved, and whether the one after them failed.
async fn resolved<T: Future<Output = Result<(), Failed>> + Unpin>(
    tickets: &mut VecDeque<T>,
) -> (usize, bool) {
    poll_fn(|cx| {
        let mut batches = 0;
        while let Some(oldest) = tickets.front_mut() {
            match Pin::new(oldest).poll(cx) {
                Poll::Pending if batches == 0 => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(Ok(())) => batches += 1,
                Poll::Ready(Err(Failed)) => {
                    tickets.pop_front();
                    return Poll::Ready((batches, true));
                }
            }
            tickets.pop_front();
        }
        Poll::Ready((batches, false))
    })
    .await
}

async fn ask<I>(context: &Context<I>, ask: Ask) -> Result<(), Goodbye> {
    context.asks.send(ask).await.map_err(|_| Goodbye::Kicked(Kick::Stopping))
}

async fn room(intake: &impl Intake) {
    tokio::select! {
        () = intake.room() => {}
        () = sleep(RETRY) => {}
    }
}
