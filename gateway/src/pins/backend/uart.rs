//! A serial port, raw, by the kernel's own terminal settings: the same for every backend, and for adapters on USB.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::OFlags;
use rustix::termios::{self, OptionalActions, QueueSelector, SpecialCodeIndex};

use super::{BusError, Opening, What};

/// A port that a driver reads.
pub(crate) trait Port: Send {
    /// Forgets what came so far.
    fn forget(&mut self) -> io::Result<()>;
    /// What comes within 100 ms; nothing: 0.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize>;
}

/// Eight bits, no parity, one stop bit.
pub(crate) struct Uart(File);

impl Uart {
    pub(crate) fn open(path: &str, baud: u32) -> Result<Self, Opening> {
        let failed = |error: io::Error| Opening::new(What::Uart, path, BusError::io(&error));
        // Without O_NOCTTY it could become this process's terminal; without O_NONBLOCK it would wait for a modem.
        let flags = (OFlags::NOCTTY | OFlags::NONBLOCK).bits();
        let custom = i32::try_from(flags).unwrap_or(0);
        let file =
            OpenOptions::new().read(true).write(true).custom_flags(custom).open(path).map_err(failed)?;
        set_up(&file, baud).map_err(|error| failed(error.into()))?;
        Ok(Self(file))
    }
}

fn set_up(file: &File, baud: u32) -> rustix::io::Result<()> {
    let mut settings = termios::tcgetattr(file)?;
    settings.make_raw();
    settings.control_modes |= termios::ControlModes::CLOCAL | termios::ControlModes::CREAD;
    settings.control_modes &= !(termios::ControlModes::CSTOPB | termios::ControlModes::CRTSCTS);
    settings.set_speed(baud)?;
    // A read waits for 100 ms at most.
    settings.special_codes[SpecialCodeIndex::VMIN] = 0;
    settings.special_codes[SpecialCodeIndex::VTIME] = 1;
    termios::tcsetattr(file, OptionalActions::Now, &settings)?;
    let flags = rustix::fs::fcntl_getfl(file)?;
    rustix::fs::fcntl_setfl(file, flags - OFlags::NONBLOCK)?;
    termios::tcflush(file, QueueSelector::IFlush)
}

impl Port for Uart {
    fn forget(&mut self) -> io::Result<()> {
        Ok(termios::tcflush(&self.0, QueueSelector::IFlush)?)
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}
