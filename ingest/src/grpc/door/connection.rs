//! The sockets behind the door: accepted one by one, each closed when the door says so or when its time is over.

use super::{CONNECTION_WAIT, Door, Guest};
use futures_util::{Stream, stream};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Interval, MissedTickBehavior},
};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::transport::server::Connected;

/// How long nothing is accepted after the system refused a connection (no descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Every connection that comes, for as long as it is polled.
pub(in crate::grpc) fn incoming(
    listener: TcpListener,
    door: Door,
) -> impl Stream<Item = io::Result<Connection>> {
    stream::unfold((listener, door), |(listener, door)| async move {
        loop {
            match listener.accept().await {
                Ok((socket, _)) => {
                    // Acks go out at once; without it they are only slower.
                    let _ = socket.set_nodelay(true);
                    let connection = Connection::new(socket, door.enter());
                    return Some((Ok(connection), (listener, door)));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a gateway's connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    })
}

/// A socket that fails once it is to be closed, whatever is waited for.
pub(in crate::grpc) struct Connection {
    socket: TcpStream,
    guest: Guest,
    told: Pin<Box<WaitForCancellationFutureOwned>>,
    look: Interval,
    closed: bool,
}

impl Connection {
    fn new(socket: TcpStream, guest: Guest) -> Self {
        let told = Box::pin(guest.close.clone().cancelled_owned());
        let mut look = tokio::time::interval(CONNECTION_WAIT);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is at once.
        look.reset();
        Self { socket, guest, told, look, closed: false }
    }

    /// Whether it is to be closed; if not, the task is woken when it is.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        self.closed = self.closed || self.told.as_mut().poll(context).is_ready();
        while !self.closed && self.look.poll_tick(context).is_ready() {
            self.closed = self.guest.door.close_if_silent(self.guest.number);
        }
        self.closed
    }

    /// Polls the socket unless the connection is over.
    fn unless_over<T>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.is_over(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        poll(Pin::new(&mut self.socket), context)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.guest.door.change(|hall| hall.connections.remove(&self.guest.number));
    }
}

impl Connected for Connection {
    type ConnectInfo = Guest;

    fn connect_info(&self) -> Guest {
        self.guest.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.unless_over(context, |socket, context| socket.poll_read(context, buffer))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.unless_over(context, |socket, context| socket.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.unless_over(context, |socket, context| socket.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.unless_over(context, |socket, context| socket.poll_shutdown(context))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.unless_over(context, |socket, context| socket.poll_write_vectored(context, buffers))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}
