//! Free ports. They are needed before a process starts, because it is to come back on the same ones.
//!
//! They are taken below the range that the kernel uses for outgoing connections (32768 and up), so that
//! no client socket can land on a port while its server is being restarted.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 12_000;
const COUNT: u16 = 20_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A loopback address nobody listens on, handed out once in this process.
#[must_use]
pub fn free() -> SocketAddr {
    let start = u16::try_from(u64::from(std::process::id()) * 97 % u64::from(COUNT)).unwrap();
    for _ in 0..COUNT {
        let offset = (u32::from(start) + u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % u32::from(COUNT);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST + u16::try_from(offset).unwrap()));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
