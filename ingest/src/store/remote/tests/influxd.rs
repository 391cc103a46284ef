//! A real influxd 1.6.7 of Debian's package, on a folder and port of its own: a strict parser of line protocol by
//! `/write`, and the server of `/query`. Needs nothing of the crate, because two test binaries include it.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

pub(crate) const DATABASE: &str = "pantau_db";

/// Killed when dropped.
pub(crate) struct Influxd {
    child: Child,
    folder: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Influxd {
    /// On an empty folder, with the database made.
    pub(crate) fn start(folder: &Path) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let shown = folder.display();
        let config = format!(
            "reporting-disabled = true\nbind-address = \"127.0.0.1:0\"\n[meta]\ndir = \"{shown}/meta\"\n\
             [data]\ndir = \"{shown}/data\"\nwal-dir = \"{shown}/wal\"\nquery-log-enabled = false\n\
             [monitor]\nstore-enabled = false\n\
             [http]\nbind-address = \"{address}\"\nlog-enabled = false\n"
        );
        std::fs::write(folder.join("influxd.toml"), config).unwrap();
        let influxd = Self { child: spawn(folder), folder: folder.to_owned(), address };
        influxd.wait();
        let make = format!("/query?q=CREATE+DATABASE+%22{DATABASE}%22");
        assert_eq!(post(address, &make, b"").0, 200);
        influxd
    }

    /// SIGKILL: what it had not synced to its files stays in the page cache, as after a crash of the process.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn restart(&mut self) {
        self.child = spawn(&self.folder);
        self.wait();
    }

    /// The answer of `/write`: status and words.
    pub(crate) fn write(&self, body: &[u8]) -> (u16, String) {
        post(self.address, &format!("/write?db={DATABASE}&precision=ms"), body)
    }

    fn wait(&self) {
        for _ in 0..600 {
            if TcpStream::connect(self.address).is_ok()
                && post(self.address, "/query?q=SHOW+DATABASES", b"").0 == 200
            {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("influxd does not answer: see {}/influxd.log", self.folder.display());
    }
}

impl Drop for Influxd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &Path) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("influxd.log")).unwrap();
    Command::new("/usr/bin/influxd")
        .arg("-config")
        .arg(folder.join("influxd.toml"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("influxd of Debian: apt-get install influxdb")
}

/// One request without any client library. Status 0 when there is no answer.
pub(crate) fn post(address: SocketAddr, path: &str, body: &[u8]) -> (u16, String) {
    use std::io::{Read, Write};
    let Ok(mut stream) = TcpStream::connect(address) else { return (0, String::new()) };
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: influxd\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut answer = Vec::new();
    if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).is_err() {
        return (0, String::new());
    }
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer)
}
