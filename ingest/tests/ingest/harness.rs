//! Starts an ingest in this process, speaks to it as a gateway and as a browser.

use pantau_ingest::{
    app::{self, AppError},
    config::{Config, Gateway},
};
use pantau_journal::{FileLayer, StdFiles};
use pantau_proto::v1::{
    Ack, Batch, BatchBody, FromGateway, Hello, HelloReply, Loss, Refused, Series, Status, ToGateway,
    from_gateway, ingest_client::IngestClient, to_gateway,
};
use pantau_proto::wire;
use pantau_settings::Secret;
use serde_json::Value;
use std::{io, net::SocketAddr, path::Path, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Streaming, transport::Endpoint};

pub(crate) const TOKEN: &str = "a-token-of-good-length";
/// Longer than anything here takes on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Ingest {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    stop: CancellationToken,
    running: JoinHandle<Result<(), AppError>>,
}

/// Milliseconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "a test stands outside")]
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

pub(crate) fn config(dir: &Path) -> Config {
    let mut config = Config::default();
    config.ingest.data_dir = dir.to_owned();
    config.http.listen.set_port(0);
    config.grpc.listen.set_port(0);
    let gateway = |id: &str| Gateway { id: id.parse().unwrap(), token: Secret::new(TOKEN), token_file: None };
    config.gateways = vec![gateway("gw"), gateway("other")];
    config
}

impl Ingest {
    pub(crate) async fn start(config: Config) -> Self {
        Self::start_on(StdFiles::default(), config).await
    }

    #[expect(clippy::disallowed_methods, reason = "a test joins what it starts")]
    pub(crate) async fn start_on<F: FileLayer>(files: F, config: Config) -> Self {
        let bound = app::bind(&config).await.unwrap();
        let (http, grpc) = (bound.http_addr().unwrap(), bound.grpc_addr().unwrap());
        let stop = CancellationToken::new();
        let running = tokio::spawn(app::run_on(files, bound, config, stop.clone()));
        let ingest = Self { http, grpc, stop, running };
        tokio::time::timeout(LIMIT, async {
            while TcpStream::connect(http).await.is_err() || ingest.get("/readyz").await.0 != 200 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .expect("ingest is ready in time");
        ingest
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.ended().await.unwrap();
    }

    /// How it ends, within the time that an end may take.
    pub(crate) async fn ended(self) -> Result<(), AppError> {
        tokio::time::timeout(Duration::from_secs(10), self.running).await.expect("10 seconds").unwrap()
    }

    /// Status, headers in lower case, body.
    pub(crate) async fn get_with(&self, path: &str, headers: &str) -> (u16, String, Vec<u8>) {
        get_with(self.http, path, headers).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        get(self.http, path).await.unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        json(self.http, path).await
    }

    /// A problem with this status; its detail.
    pub(crate) async fn problem(&self, path: &str, wanted: u16) -> String {
        let (status, head, body) = self.get_with(path, "").await;
        let body = String::from_utf8(body).unwrap();
        assert_eq!(status, wanted, "{path}: {body}");
        assert!(head.contains("content-type: application/problem+json"), "{path}: {head}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert!(body["title"].is_string() && body["type"].is_string(), "{path}: {body}");
        assert_eq!(body["status"], wanted, "{path}");
        body["detail"].as_str().unwrap().to_owned()
    }

    /// A counter of `/metrics`, without prefix and `_total`.
    pub(crate) async fn count(&self, name: &str) -> u64 {
        let (_, text) = self.get("/metrics").await;
        let name = format!("pantau_ingest_{name}_total ");
        let line =
            text.lines().find(|line| line.starts_with(&name)).unwrap_or_else(|| panic!("{name} in {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    pub(crate) async fn uplink(&self, token: &str) -> Uplink {
        self.try_uplink(token).await.unwrap()
    }

    pub(crate) async fn try_uplink(&self, token: &str) -> Result<Uplink, tonic::Status> {
        uplink(self.grpc, token).await
    }

    /// A stream that has said Hello.
    pub(crate) async fn hello(&self, gateway: &str, epoch: u64, next: u64) -> (Uplink, HelloReply) {
        let mut uplink = self.uplink(TOKEN).await;
        uplink.say_hello(gateway, epoch, next).await;
        let reply = uplink.hello_reply().await;
        (uplink, reply)
    }
}

/// Status, headers in lower case, body. An error when nobody listens or the connection breaks.
async fn get_with(http: SocketAddr, path: &str, headers: &str) -> io::Result<(u16, String, Vec<u8>)> {
    let mut stream = TcpStream::connect(http).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await.expect("an answer")?;
    let split =
        answer.windows(4).position(|window| window == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let head = String::from_utf8_lossy(&answer[..split]).to_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Ok((status, head, answer[split + 4..].to_vec()))
}

pub(crate) async fn get(http: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    let (status, _, body) = get_with(http, path, "").await?;
    Ok((status, String::from_utf8(body).unwrap()))
}

pub(crate) async fn json(http: SocketAddr, path: &str) -> Value {
    let (status, body) = get(http, path).await.unwrap();
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// A stream that has said nothing yet.
pub(crate) async fn uplink(grpc: SocketAddr, token: &str) -> Result<Uplink, tonic::Status> {
    let channel = Endpoint::from_shared(format!("http://{grpc}")).unwrap().connect().await.unwrap();
    let mut client = IngestClient::new(channel).max_encoding_message_size(wire::MAX_MESSAGE_BYTES);
    let (out, outbound) = mpsc::channel(64);
    let messages =
        futures_util::stream::unfold(outbound, |mut outbound: mpsc::Receiver<FromGateway>| async {
            Some((outbound.recv().await?, outbound))
        });
    let mut request = Request::new(messages);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let inbound = client.uplink(request).await?.into_inner();
    Ok(Uplink { out, inbound })
}

pub(crate) struct Uplink {
    pub(crate) out: mpsc::Sender<FromGateway>,
    pub(crate) inbound: Streaming<ToGateway>,
}

impl Uplink {
    pub(crate) async fn send(&self, message: from_gateway::Message) {
        self.out.send(FromGateway { message: Some(message) }).await.unwrap();
    }

    pub(crate) async fn say_hello(&self, gateway: &str, epoch: u64, next: u64) {
        let (gateway, version) = (gateway.to_owned(), "test".to_owned());
        let hello = Hello { protocol: 1, gateway, epoch, kept: 0, next, version };
        self.send(from_gateway::Message::Hello(hello)).await;
    }

    async fn message(&mut self) -> Result<Option<ToGateway>, tonic::Status> {
        tokio::time::timeout(LIMIT, self.inbound.message()).await.expect("a message in time")
    }

    pub(crate) async fn hello_reply(&mut self) -> HelloReply {
        match self.message().await.unwrap().unwrap().message {
            Some(to_gateway::Message::Hello(reply)) => reply,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn ack(&mut self) -> Ack {
        match self.message().await.unwrap().unwrap().message {
            Some(to_gateway::Message::Ack(ack)) => ack,
            other => panic!("{other:?}"),
        }
    }

    /// How the stream ends; `Code::Ok` when it just ends.
    pub(crate) async fn end(&mut self) -> (Code, String) {
        loop {
            match self.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return (Code::Ok, String::new()),
                Err(status) => return (status.code(), status.message().to_owned()),
            }
        }
    }

    /// How many messages still came before the stream ended, and how it ended.
    pub(crate) async fn end_counted(&mut self) -> (usize, Code) {
        let mut came = 0;
        loop {
            match self.message().await {
                Ok(Some(_)) => came += 1,
                Ok(None) => return (came, Code::Ok),
                Err(status) => return (came, status.code()),
            }
        }
    }

    pub(crate) async fn status(&self, status: Status) {
        self.send(from_gateway::Message::Status(status)).await;
    }

    pub(crate) async fn batch(&self, batch: Batch) {
        self.send(from_gateway::Message::Batch(batch)).await;
    }
}

/// A batch under construction.
#[derive(Default)]
pub(crate) struct Body(BatchBody, i64);

impl Body {
    pub(crate) fn series(mut self, name: &str, unit: &str) -> Self {
        self.0.new_series.push(Series { name: name.to_owned(), unit: unit.to_owned() });
        self
    }

    pub(crate) fn reading(mut self, series: u32, time: i64, value: f64) -> Self {
        self.0.series.push(series);
        self.0.time_deltas.push(time - self.1);
        self.0.values.push(value);
        self.1 = time;
        self
    }

    pub(crate) fn refused(mut self, refused: Refused) -> Self {
        self.0.refused.push(refused);
        self
    }

    pub(crate) fn loss(mut self, loss: Loss) -> Self {
        self.0.losses.push(loss);
        self
    }

    pub(crate) fn at(self, first: u64) -> Batch {
        let count = u32::try_from(self.0.series.len() + self.0.refused.len()).unwrap();
        wire::encode_batch(&self.0, first, count, 1).unwrap()
    }
}

/// Copies a folder as kill -9 would leave it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
