//! A serial port as bytes in and out, without waiting: RS-485 adapters, USB adapters, the Pi's own UART.
//!
//! Always: raw bytes, no flow control, and nobody else has the port (TIOCEXCL). Opening may block in the kernel, so a bus
//! on a serial port runs on a thread of its own (app/buses.rs).

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::termios::{ControlModes, OptionalActions, QueueSelector};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How bytes stand on the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Bits a second.
    pub baud: u32,
    /// The bit that makes a byte even or odd.
    pub parity: Parity,
    /// One or two.
    pub stop_bits: u8,
}

/// The parity bit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Parity {
    #[default]
    None,
    Even,
    Odd,
}

impl Line {
    /// How long so many bytes are on the line.
    #[must_use]
    pub fn lasts(self, bytes: u32) -> Duration {
        let bits = 9 + u32::from(self.stop_bits) + u32::from(self.parity != Parity::None);
        Duration::from_secs(1) * bits.saturating_mul(bytes) / self.baud.max(1)
    }

    /// The silence between two frames: 3.5 characters, above 19,200 baud 1.75 ms (MODBUS over Serial Line 1.02,
    /// section 2.5.1.1).
    #[must_use]
    pub fn silence(self) -> Duration {
        if self.baud > 19_200 { Duration::from_micros(1_750) } else { self.lasts(7) / 2 }
    }
}

/// An open port; clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Port(Arc<AsyncFd<OwnedFd>>);

impl Port {
    /// # Errors
    /// What the system said.
    pub(super) fn open(path: &Path, line: Line) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let port = rustix::fs::open(path, flags, Mode::empty())?;
        rustix::termios::ioctl_tiocexcl(&port)?;
        let mut modes = rustix::termios::tcgetattr(&port)?;
        modes.make_raw();
        let two = if line.stop_bits == 2 { ControlModes::CSTOPB } else { ControlModes::empty() };
        let parity = match line.parity {
            Parity::None => ControlModes::empty(),
            Parity::Even => ControlModes::PARENB,
            Parity::Odd => ControlModes::PARENB | ControlModes::PARODD,
        };
        let shape = ControlModes::CSIZE | ControlModes::CSTOPB | ControlModes::PARENB | ControlModes::PARODD;
        modes.control_modes.remove(shape | ControlModes::CRTSCTS);
        modes
            .control_modes
            .insert(ControlModes::CS8 | ControlModes::CREAD | ControlModes::CLOCAL | two | parity);
        modes.set_speed(line.baud)?;
        rustix::termios::tcsetattr(&port, OptionalActions::Now, &modes)?;
        Self::of(port)
    }

    /// Of a descriptor that does not wait.
    pub(super) fn of(port: OwnedFd) -> io::Result<Self> {
        #[expect(
            deprecated,
            reason = "the other way is unsafe; an OwnedFd is one descriptor as long as it lives"
        )]
        let port = AsyncFd::new(port)?;
        Ok(Self(Arc::new(port)))
    }

    /// Throws away what came in and was not read, and what is not yet sent: closing would wait for it.
    pub(super) fn flush(&self) -> io::Result<()> {
        Ok(rustix::termios::tcflush(self.0.get_ref(), QueueSelector::IOFlush)?)
    }

    /// Bytes that came in and were not read.
    pub(super) fn waiting(&self) -> io::Result<u64> {
        Ok(rustix::io::ioctl_fionread(self.0.get_ref())?)
    }
}

impl AsyncRead for Port {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(context))?;
            let read = ready.try_io(|port| Ok(rustix::io::read(port.get_ref(), into.initialize_unfilled())?));
            if let Ok(read) = read {
                return Poll::Ready(read.map(|bytes| into.advance(bytes)));
            }
        }
    }
}

impl AsyncWrite for Port {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_write_ready(context))?;
            if let Ok(written) = ready.try_io(|port| Ok(rustix::io::write(port.get_ref(), bytes)?)) {
                return Poll::Ready(written);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
