//! VictoriaMetrics of Debian's package.

use std::{net::SocketAddr, path::Path};

use crate::{ports, server};

/// A running VictoriaMetrics. Killed when dropped.
#[derive(Debug)]
pub struct VictoriaMetrics {
    server: server::Server,
    /// Where it listens.
    pub address: SocketAddr,
}

impl VictoriaMetrics {
    /// On a folder, with options of its command line.
    #[must_use]
    pub fn start(folder: &Path, options: &[&str]) -> Self {
        let address = ports::free();
        let mut arguments = vec![
            format!("-storageDataPath={}", folder.join("data").display()),
            format!("-httpListenAddr={address}"),
            "-loggerLevel=ERROR".to_owned(),
        ];
        arguments.extend(options.iter().map(|option| (*option).to_owned()));
        let mut server = server::Server {
            package: "victoria-metrics",
            program: "/usr/bin/victoria-metrics",
            arguments,
            log: folder.join("victoria-metrics.log"),
            address,
            ready: "/health",
            child: None,
        };
        server.start();
        Self { server, address }
    }

    /// SIGKILL: what it took in the last seconds is gone, although it answered 204.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again, on the same folder and port.
    pub fn restart(&mut self) {
        self.server.start();
    }

    /// Shows at once what it would show some seconds later.
    pub fn show(&self) {
        assert_eq!(server::post(self.address, "/internal/force_flush", b"").0, 200);
    }
}
