//! How much the listener's part costs: `cargo test --release -p pantau-gateway throughput -- --ignored --nocapture`.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{clock, open_config, start_with};
use crate::intake::types::{Failed, Frame, Intake, SessionEvent, SubmitError};

const CONNECTIONS: usize = 50;
const WINDOW: usize = 100;
const MESSAGES: usize = 40_000;

/// Takes everything at once and keeps nothing.
#[derive(Clone)]
struct NoIntake;

impl Intake for NoIntake {
    type Ticket = std::future::Ready<Result<(), Failed>>;

    fn submit(
        &self,
        _: &str,
        frames: &[Frame<'_>],
        untimed: &mut Vec<usize>,
    ) -> Result<Self::Ticket, SubmitError> {
        untimed.clear();
        untimed.extend((0..frames.len()).filter(|index| frames[*index].key.is_some()));
        Ok(std::future::ready(Ok(())))
    }

    fn session(&self, _: SessionEvent<'_>) -> Result<Self::Ticket, SubmitError> {
        Ok(std::future::ready(Ok(())))
    }

    async fn room(&self) {}
}

async fn device(address: SocketAddr, index: usize, clean: bool) {
    let mut io = TcpStream::connect(address).await.unwrap();
    let name = format!("device-{index:04}");
    let mut connect = b"\x10\x17\x00\x04MQTT\x04\x02\x00\x3c\x00\x0b".to_vec();
    connect[9] = if clean { 2 } else { 0 };
    connect.extend_from_slice(name.as_bytes());
    io.write_all(&connect).await.unwrap();
    io.read_exact(&mut [0; 4]).await.unwrap();
    let topic = format!("pantau/{name}");
    let payload = br#"{"time":1700000000000,"temp_c":27.125,"pm2_5":35.5,"n":12345}"#;
    let mut packet = vec![0x32, (4 + topic.len() + payload.len()) as u8, 0, topic.len() as u8];
    packet.extend_from_slice(topic.as_bytes());
    packet.extend_from_slice(&[0, 0]);
    packet.extend_from_slice(payload);
    let id_at = 4 + topic.len();
    let (mut sent, mut acked) = (0, 0);
    let mut out = Vec::new();
    let mut answers = vec![0; 4 * WINDOW];
    let mut carried = 0;
    while acked < MESSAGES {
        out.clear();
        while sent < MESSAGES && sent - acked < WINDOW {
            let id = (sent % 60_000 + 1) as u16;
            packet[id_at..id_at + 2].copy_from_slice(&id.to_be_bytes());
            out.extend_from_slice(&packet);
            sent += 1;
        }
        io.write_all(&out).await.unwrap();
        let bytes = carried + io.read(&mut answers).await.unwrap();
        acked += bytes / 4;
        carried = bytes % 4;
    }
}

/// CPU seconds of this process.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

async fn run(clean: bool) {
    let server = start_with(open_config(), NoIntake, &[]).await;
    let (begin, before) = ((clock().monotonic)(), cpu());
    let devices = (0..CONNECTIONS).map(|index| device(server.address, index, clean));
    futures_util::future::join_all(devices).await;
    let (took, cpu) = ((clock().monotonic)() - begin, cpu() - before);
    let messages = (CONNECTIONS * MESSAGES) as f64;
    println!(
        "clean {clean}: {:.0} acked publishes/s, {:.2} µs CPU a publish, client and kernel included",
        messages / took.as_secs_f64(),
        cpu / messages * 1e6
    );
    server.stop.cancel();
    tokio::time::timeout(Duration::from_secs(6), server.done).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn throughput() {
    run(true).await;
    run(false).await;
}
