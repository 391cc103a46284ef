//! The way to the devices of one bus: a TCP connection or a serial port, opened when it is needed and anew after a fault.
//!
//! Always: an answer is that of the request before it. After a request without one the connection is closed (TCP) or what
//! still comes in is thrown away until the line is silent (serial). A TCP connection that cannot be made is not tried
//! again at once, whichever unit asks.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_modbus::client::{Client as _, Context, rtu, tcp};
use tokio_modbus::slave::SlaveContext as _;
use tokio_modbus::{Request, Response, Slave};

use super::reads::Read;
use super::registers::Table;
use super::serial::{Line, Port};
use super::told::{self, Trouble};
use crate::backoff::Backoff;
use crate::mqtt_server::Clock;

/// Between two attempts to make a TCP connection at most.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Where a bus is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// A device, a Modbus gateway, or (`rtu`) a converter that passes serial frames on as they are.
    Tcp {
        /// Name or address.
        host: String,
        /// TCP port.
        port: u16,
        /// Serial frames instead of those of Modbus TCP.
        rtu: bool,
    },
    /// A serial port with its path.
    Serial(PathBuf, Line),
}

impl Way {
    /// How people call it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port, .. } => format!("{host}:{port}"),
            Self::Serial(path, _) => path.display().to_string(),
        }
    }
}

/// What was asked for.
#[derive(Debug)]
pub(super) enum Reply {
    Words(Vec<u16>),
    Bits(Vec<bool>),
}

/// A way with what is open of it.
pub(super) struct Link {
    way: Way,
    clock: Clock,
    /// A client of what is open; none after a fault.
    client: Option<Context>,
    port: Option<Port>,
    backoff: Backoff,
    /// Not before then, and why.
    closed: Option<(Instant, String)>,
}

impl Link {
    pub(super) fn new(way: Way, clock: Clock) -> Self {
        Self { way, clock, client: None, port: None, backoff: Backoff::new(LONGEST_WAIT), closed: None }
    }

    /// Asks a unit. `within` is how long it may take until it answers; what the bytes take on the line comes on top.
    pub(super) async fn ask(&mut self, unit: u8, read: &Read, within: Duration) -> Result<Reply, Trouble> {
        let request = match read.table {
            Table::Coils => Request::ReadCoils(read.address, read.count),
            Table::Discrete => Request::ReadDiscreteInputs(read.address, read.count),
            Table::Holding => Request::ReadHoldingRegisters(read.address, read.count),
            Table::Input => Request::ReadInputRegisters(read.address, read.count),
        };
        let mut fresh = self.client.is_none();
        loop {
            self.open(within).await?;
            self.silence(within).await?;
            // Taken out, so that nobody finds it half-used should this future be dropped.
            let Some(mut client) = self.client.take() else {
                return Err(Trouble::Broken("not connected".into()));
            };
            client.set_slave(Slave(unit));
            let answer = timeout(within + self.on_the_line(read), client.call(request.clone())).await;
            match answer {
                Ok(Ok(answer)) => {
                    self.client = Some(client);
                    self.backoff = Backoff::new(LONGEST_WAIT);
                    return answer.map_err(Trouble::Refused).and_then(|answer| reply(answer, read));
                }
                Ok(Err(error)) => {
                    let (why, gone) = told::failed(&error);
                    if gone {
                        self.port = None;
                    }
                    // Devices close connections that were idle: that is no fault.
                    if gone && !fresh && matches!(self.way, Way::Tcp { .. }) {
                        fresh = true;
                        continue;
                    }
                    return Err(Trouble::Broken(why));
                }
                Err(_) => return Err(Trouble::Broken(told::silent(unit, within))),
            }
        }
    }

    /// What is open is not to be trusted any more.
    pub(super) fn close(&mut self) {
        self.client = None;
    }

    async fn open(&mut self, within: Duration) -> Result<(), Trouble> {
        if self.client.is_some() {
            return Ok(());
        }
        let name = self.way.name();
        self.client = Some(match &self.way {
            Way::Serial(path, line) => {
                let port = match self.port.take() {
                    Some(port) => port,
                    None => Port::open(path, *line)
                        .map_err(|error| Trouble::Broken(told::opening(&name, &error)))?,
                };
                self.port = Some(port.clone());
                rtu::attach(port)
            }
            Way::Tcp { host, port, rtu } => {
                let now = (self.clock.monotonic)();
                if let Some((until, why)) = self.closed.as_ref().filter(|(until, _)| now < *until) {
                    let wait = *until - now;
                    tracing::trace!(name, ?wait, "not tried again yet");
                    return Err(Trouble::Broken(why.clone()));
                }
                let made = timeout(within, TcpStream::connect((host.as_str(), *port))).await;
                let made = made.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
                match made.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
                    Ok(stream) if *rtu => rtu::attach(stream),
                    Ok(stream) => tcp::attach(stream),
                    Err(error) => {
                        let why = told::opening(&name, &error);
                        let wait = self.backoff.after(Duration::ZERO, rand::random());
                        self.closed = Some(((self.clock.monotonic)() + wait, why.clone()));
                        return Err(Trouble::Broken(why));
                    }
                }
            }
        });
        Ok(())
    }

    /// On a serial line: throws away what came unasked and waits until nothing comes.
    async fn silence(&mut self, within: Duration) -> Result<(), Trouble> {
        let (Way::Serial(path, line), Some(port)) = (&self.way, &self.port) else { return Ok(()) };
        let quiet = async {
            loop {
                port.flush()?;
                sleep(line.silence()).await;
                if port.waiting()? == 0 {
                    return Ok(());
                }
            }
        };
        let trouble = match timeout(within, quiet).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => {
                let error: io::Error = error;
                let why = told::opening(&path.display().to_string(), &error);
                self.port = None;
                why
            }
            Err(_) => "the line is never silent: another master, noise without terminating resistors, or another baud"
                .into(),
        };
        self.client = None;
        Err(Trouble::Broken(trouble))
    }

    /// How long request and answer are on a serial line.
    fn on_the_line(&self, read: &Read) -> Duration {
        let data = if read.table.is_bits() { read.count.div_ceil(8) } else { read.count.saturating_mul(2) };
        match self.way {
            // Eight bytes to ask; unit, function, count and CRC around the data.
            Way::Serial(_, line) => line.lasts(13 + u32::from(data)),
            Way::Tcp { .. } => Duration::ZERO,
        }
    }
}

/// The data of an answer, when it is as much as was asked for.
fn reply(response: Response, read: &Read) -> Result<Reply, Trouble> {
    let asked = usize::from(read.count);
    let (reply, came) = match response {
        Response::ReadHoldingRegisters(words) | Response::ReadInputRegisters(words) => {
            let came = words.len();
            (Reply::Words(words), came)
        }
        Response::ReadCoils(bits) | Response::ReadDiscreteInputs(bits) => {
            // They come in whole bytes.
            let came = if bits.len() == asked.next_multiple_of(8) { asked } else { bits.len() };
            (Reply::Bits(bits), came)
        }
        _ => return Err(Trouble::Broken("the answer is one to another request".into())),
    };
    if came == asked {
        Ok(reply)
    } else {
        Err(Trouble::Broken(format!("the device answered with {came} instead of {asked}: lower max_read")))
    }
}
