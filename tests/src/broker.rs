//! A mosquitto from Debian's package, on a free port and a folder of its own, whose queues drop nothing.

use crate::clock::wait_until;
use crate::parts::LIMIT;
use crate::ports;
use crate::process::Proc;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

/// What a mosquitto keeps of its queues on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// In memory only: as fast as it can be.
    Nothing,
    /// Written out after every change: as safe as it can be.
    Queues,
}

/// A mosquitto on a folder that may have been used before.
#[derive(Debug)]
pub struct Mosquitto {
    pub process: Proc,
    pub address: SocketAddr,
}

impl Mosquitto {
    /// On any free port.
    #[must_use]
    pub fn start(folder: &Path, keeps: Keeps) -> Self {
        Self::start_on(ports::free(), folder, keeps)
    }

    /// On the port that one before it had.
    #[must_use]
    pub fn start_on(address: SocketAddr, folder: &Path, keeps: Keeps) -> Self {
        let config = folder.join("mosquitto.conf");
        let persistence = match keeps {
            Keeps::Nothing => "persistence false".to_owned(),
            Keeps::Queues => format!(
                "persistence true\npersistence_location {}/\nautosave_interval 1\nautosave_on_changes true",
                folder.display()
            ),
        };
        let text = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 0\n\
             max_inflight_messages 0\nlog_type error\nuser root\n{persistence}\n",
            address.port()
        );
        std::fs::write(&config, text).unwrap();
        let program = "/usr/sbin/mosquitto";
        assert!(Path::new(program).exists(), "{program} is missing: apt-get install mosquitto");
        let mut command = Command::new(program);
        command.arg("-c").arg(&config);
        let mut process = Proc::start("mosquitto", command, &folder.join("mosquitto.log"));
        wait_until("mosquitto to listen", LIMIT, || {
            process.assert_alive();
            TcpStream::connect(address).is_ok()
        });
        Self { process, address }
    }
}
