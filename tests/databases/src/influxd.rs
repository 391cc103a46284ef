//! A real influxd 1.6.7 of Debian's package: a strict parser of line protocol by `/write`, and the server of `/query`.

use std::{net::SocketAddr, path::Path};

use crate::{ports, server};

/// The database that is there.
pub const DATABASE: &str = "pantau_db";

/// A running influxd. Killed when dropped.
#[derive(Debug)]
pub struct Influxd {
    server: server::Server,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Influxd {
    /// On an empty folder, with [`DATABASE`] made.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        let address = ports::free();
        let shown = folder.display();
        let config = format!(
            "reporting-disabled = true\nbind-address = \"127.0.0.1:0\"\n[meta]\ndir = \"{shown}/meta\"\n\
             [data]\ndir = \"{shown}/data\"\nwal-dir = \"{shown}/wal\"\nquery-log-enabled = false\n\
             [monitor]\nstore-enabled = false\n\
             [http]\nbind-address = \"{address}\"\nlog-enabled = false\n"
        );
        let file = folder.join("influxd.toml");
        std::fs::write(&file, config).unwrap();
        let mut server = server::Server {
            package: "influxdb",
            program: "/usr/bin/influxd",
            arguments: vec!["-config".to_owned(), file.display().to_string()],
            log: folder.join("influxd.log"),
            address,
            ready: "/query?q=SHOW+DATABASES",
            child: None,
        };
        server.start();
        let made = server::post(address, &format!("/query?q=CREATE+DATABASE+{DATABASE}"), b"");
        assert_eq!(made.0, 200, "{}", made.1);
        Self { server, address }
    }

    /// SIGKILL: what it had not synced to its files stays in the page cache, as after a crash of the process.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again, on the same folder and port.
    pub fn restart(&mut self) {
        self.server.start();
    }

    /// The answer of `/write`: status and words.
    #[must_use]
    pub fn write(&self, body: &[u8]) -> (u16, String) {
        server::post(self.address, &format!("/write?db={DATABASE}&precision=ms"), body)
    }
}
