//! Line protocol over HTTP, with little work for the sender: for what is written into victoria-metrics.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Bytes of a body that are enough.
const BODY: usize = 400_000;

/// One connection, kept open.
pub(crate) struct Sender {
    stream: TcpStream,
    answers: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Sender {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        let answers = BufReader::new(stream.try_clone().unwrap());
        Self { stream, answers, address }
    }

    /// Sends a body of lines with times in milliseconds and waits until it is taken.
    pub(crate) fn send(&mut self, body: &[u8]) {
        let head = format!(
            "POST /write?precision=ms HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        self.stream.write_all(head.as_bytes()).unwrap();
        self.stream.write_all(body).unwrap();
        assert_eq!(self.status(), 204);
    }

    /// Sends readings: (series number, time, value).
    pub(crate) fn send_points(&mut self, points: impl Iterator<Item = (usize, i64, f64)>) {
        let mut text = String::new();
        for (series, time, value) in points {
            let _ = writeln!(text, "kept_{series} value={value} {time}");
            if text.len() > BODY {
                self.send(text.as_bytes());
                text.clear();
            }
        }
        if !text.is_empty() {
            self.send(text.as_bytes());
        }
    }

    /// Reads one answer to its end; gives its status.
    fn status(&mut self) -> u16 {
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            self.answers.read_line(&mut line).unwrap();
            assert!(!line.is_empty(), "victoria-metrics closed the connection");
            if let Some(rest) = line.strip_prefix("HTTP/1.1 ") {
                status = rest[..3].parse().unwrap();
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                let mut body = vec![0; length];
                self.answers.read_exact(&mut body).unwrap();
                return status;
            }
        }
    }
}
