//! A server of a Debian package as a child process.

use std::{
    fs::File,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// How long a server may take until it answers; influxd reads its log at the start.
const TRIES: u32 = 600;
const BETWEEN: Duration = Duration::from_millis(50);

/// Killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) package: &'static str,
    pub(crate) program: &'static str,
    pub(crate) arguments: Vec<String>,
    pub(crate) log: PathBuf,
    pub(crate) address: SocketAddr,
    /// Answers 200 once it serves.
    pub(crate) ready: &'static str,
    pub(crate) child: Option<Child>,
}

impl Server {
    /// Starts it and waits until it answers.
    pub(crate) fn start(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.program);
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let mut command = Command::new(self.program);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| {
            panic!("{} does not start ({error}): apt-get install {}", self.program, self.package)
        });
        self.child = Some(child);
        for _ in 0..TRIES {
            if TcpStream::connect(self.address).is_ok() && post(self.address, self.ready, b"").0 == 200 {
                return;
            }
            std::thread::sleep(BETWEEN);
        }
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        panic!("{} does not answer: {said}", self.program);
    }

    /// SIGKILL: what it had not written to its files is gone, what it had not synced stays in the page cache.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One request without any client library: status and answer. Status 0 when there is no answer.
#[must_use]
pub fn post(address: SocketAddr, path: &str, body: &[u8]) -> (u16, String) {
    use std::io::{Read, Write};
    let Ok(mut stream) = TcpStream::connect(address) else { return (0, String::new()) };
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: database\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
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
