//! A TCP proxy that breaks connections in the ways networks do.
//!
//! It listens on an address of its own for as long as it lives; what stands behind it may come and go.
//! A fault holds for all links, those that are open and those that come; `Pass` heals it.

use crate::clock::spawn;
use crate::ports;
use rustix::net::sockopt::set_socket_linger;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

const TICK: Duration = Duration::from_millis(10);

/// What happens to bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done to them.
    Pass,
    /// New connections are closed at once; open ones go on.
    Refuse,
    /// Connections open, and no byte arrives any more in either direction; nothing is closed.
    Blackhole,
    /// Each piece arrives this much later.
    Delay(Duration),
    /// At most this many bytes a second in each direction of a link.
    Throttle(u64),
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    fault: Mutex<Fault>,
    links: Mutex<Vec<Arc<Link>>>,
    /// Bytes towards the target after which the next link is reset; negative: never.
    reset_after: AtomicI64,
    stopped: AtomicBool,
    forwarded: AtomicU64,
}

#[derive(Debug)]
struct Link {
    client: TcpStream,
    server: TcpStream,
    closed: AtomicBool,
    frozen: AtomicBool,
}

impl Link {
    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    /// Both sides get a RST as soon as the pumps have let go of the sockets.
    fn reset(&self) {
        for side in [&self.client, &self.server] {
            let _ = set_socket_linger(side, Some(Duration::ZERO));
        }
        self.closed.store(true, Ordering::SeqCst);
    }
}

/// A running proxy; it ends with its guard.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy in front of `target`, which need not be there yet.
    #[must_use]
    pub fn start(target: SocketAddr) -> Self {
        let address = ports::free();
        let listener = TcpListener::bind(address).expect("the proxy listens");
        listener.set_nonblocking(true).expect("the listener can be polled");
        let shared = Arc::new(Shared {
            target,
            fault: Mutex::new(Fault::Pass),
            links: Mutex::default(),
            reset_after: AtomicI64::new(-1),
            stopped: AtomicBool::new(false),
            forwarded: AtomicU64::new(0),
        });
        let own = shared.clone();
        let acceptor = Some(spawn("proxy", move || accept(&listener, &own)));
        Self { address, shared, acceptor }
    }

    /// Where to connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets what happens to bytes from now on.
    pub fn set(&self, fault: Fault) {
        *self.shared.fault.lock().unwrap() = fault;
    }

    /// Closes every open link in order (FIN), and new ones at once, until `set`.
    pub fn cut(&self) {
        self.set(Fault::Refuse);
        self.links().iter().for_each(|link| link.close());
    }

    /// Resets every open link (RST).
    pub fn reset(&self) {
        self.links().iter().for_each(|link| link.reset());
    }

    /// No byte passes any more on the links that are open now; nothing is closed, new links are as ever.
    pub fn freeze_open_links(&self) {
        self.links().iter().for_each(|link| link.frozen.store(true, Ordering::SeqCst));
    }

    /// Ends the client's direction of every open link (FIN towards the target); the other goes on.
    pub fn half_close(&self) {
        for link in self.links() {
            let _ = link.server.shutdown(Shutdown::Write);
        }
    }

    /// The link that next has sent `bytes` towards the target is reset there, in the middle of what it says.
    pub fn reset_after(&self, bytes: u32) {
        self.shared.reset_after.store(i64::from(bytes), Ordering::SeqCst);
    }

    /// Whether the last `reset_after` has happened.
    #[must_use]
    pub fn has_reset(&self) -> bool {
        self.shared.reset_after.load(Ordering::SeqCst) < 0
    }

    /// Bytes that passed, both directions of all links.
    #[must_use]
    pub fn forwarded(&self) -> u64 {
        self.shared.forwarded.load(Ordering::SeqCst)
    }

    /// Links that are open.
    #[must_use]
    pub fn open_links(&self) -> usize {
        self.links().len()
    }

    fn links(&self) -> Vec<Arc<Link>> {
        let mut links = self.shared.links.lock().unwrap();
        links.retain(|link| !link.closed.load(Ordering::SeqCst));
        links.clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.links().iter().for_each(|link| link.close());
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while !shared.stopped.load(Ordering::SeqCst) {
        let Ok((client, _)) = listener.accept() else {
            std::thread::sleep(TICK);
            continue;
        };
        if *shared.fault.lock().unwrap() == Fault::Refuse {
            continue;
        }
        // The target may be down: the client then sees its connection closed, as with a port nobody listens on.
        let Ok(server) = TcpStream::connect_timeout(&shared.target, Duration::from_secs(1)) else { continue };
        let _ = (client.set_nodelay(true), server.set_nodelay(true), client.set_nonblocking(false));
        let link =
            Arc::new(Link { client, server, closed: AtomicBool::new(false), frozen: AtomicBool::new(false) });
        shared.links.lock().unwrap().push(link.clone());
        for up in [true, false] {
            let (shared, link) = (shared.clone(), link.clone());
            spawn("proxy-pump", move || {
                pump(&shared, &link, up);
                // A closed link's sockets go with the last that holds it.
                shared.links.lock().unwrap().retain(|link| !link.closed.load(Ordering::SeqCst));
            });
        }
    }
}

/// Moves bytes in one direction until its source ends (passed on as a FIN) or the link is closed.
fn pump(shared: &Shared, link: &Link, up: bool) {
    let (mut from, mut to) = if up { (&link.client, &link.server) } else { (&link.server, &link.client) };
    let _ = (from.set_read_timeout(Some(TICK)), to.set_write_timeout(Some(TICK)));
    let mut buffer = vec![0; 16 << 10];
    let held = || {
        let over = link.closed.load(Ordering::SeqCst) || shared.stopped.load(Ordering::SeqCst);
        let frozen = link.frozen.load(Ordering::SeqCst);
        !over && (frozen || *shared.fault.lock().unwrap() == Fault::Blackhole)
    };
    while !link.closed.load(Ordering::SeqCst) && !shared.stopped.load(Ordering::SeqCst) {
        if held() {
            std::thread::sleep(TICK);
            continue;
        }
        let mut count = match from.read(&mut buffer) {
            Ok(0) => {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(_) => return link.close(),
        };
        while held() {
            std::thread::sleep(TICK);
        }
        let fault = *shared.fault.lock().unwrap();
        match fault {
            Fault::Delay(delay) => std::thread::sleep(delay),
            Fault::Throttle(rate) => std::thread::sleep(Duration::from_secs_f64(count as f64 / rate as f64)),
            _ => {}
        }
        let mut reset = false;
        if up {
            let left = shared.reset_after.load(Ordering::SeqCst);
            if left >= 0 {
                reset = left <= count as i64;
                count = count.min(left as usize);
                shared.reset_after.store(if reset { -1 } else { left - count as i64 }, Ordering::SeqCst);
            }
        }
        let mut rest = &buffer[..count];
        while !rest.is_empty() && !link.closed.load(Ordering::SeqCst) {
            match to.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return link.close(),
            }
        }
        shared.forwarded.fetch_add(count as u64, Ordering::SeqCst);
        if reset {
            return link.reset();
        }
    }
}

#[cfg(test)]
mod tests;
