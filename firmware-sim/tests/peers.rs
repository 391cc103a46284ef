//! Devices and load against peers made here: a broker that cuts connections without a word, and an ingest
//! that checks every batch.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use pantau_proto::v1::from_gateway::Message as Up;
use pantau_proto::v1::ingest_server::{Ingest, IngestServer};
use pantau_proto::v1::to_gateway::Message as Down;
use pantau_proto::v1::{Ack, FromGateway, HelloReply, Range, ToGateway};
use pantau_proto::wire::{Decoder, Limits, times};
use pantau_sim::app;
use pantau_sim::load::{GrpcLoad, LoadReport, MqttLoad};
use pantau_sim::options::{BrokerOptions, FleetOptions, ReplayOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

/// What a broker has seen.
#[derive(Default)]
struct Seen {
    connections: usize,
    /// Payloads of each topic that were acknowledged, in the order of their first arrival.
    acked: BTreeMap<String, Vec<Vec<u8>>>,
    received: usize,
}

/// A broker that acknowledges every publish, and closes a connection without a word after `cut_after` of them,
/// the last ones not acknowledged.
async fn broker(cut_after: usize) -> (SocketAddr, Arc<Mutex<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let shared = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            shared.lock().unwrap().connections += 1;
            tokio::spawn(serve(stream, shared.clone(), cut_after));
        }
    });
    (address, seen)
}

async fn serve(stream: TcpStream, seen: Arc<Mutex<Seen>>, cut_after: usize) -> Option<()> {
    let mut stream = tokio::io::BufStream::new(stream);
    let mut publishes = 0;
    loop {
        let head = stream.read_u8().await.ok()?;
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = stream.read_u8().await.ok()?;
            length |= usize::from(byte & 127) << shift;
            shift += 7;
            if byte < 128 {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        match head >> 4 {
            1 => stream.write_all(&[0x20, 2, 0, 0]).await.ok()?,
            3 => {
                publishes += 1;
                let topic_end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                let topic = String::from_utf8(body[2..topic_end].to_vec()).unwrap();
                let id = [body[topic_end], body[topic_end + 1]];
                seen.lock().unwrap().received += 1;
                if publishes > cut_after {
                    // Received, not acknowledged; seven more, then the connection is gone.
                    if publishes > cut_after + 7 {
                        return None;
                    }
                } else {
                    let payload = body[topic_end + 2..].to_vec();
                    seen.lock().unwrap().acked.entry(topic).or_default().push(payload);
                    stream.write_all(&[0x40, 2, id[0], id[1]]).await.ok()?;
                }
            }
            12 => stream.write_all(&[0xd0, 0]).await.ok()?,
            14 => return None,
            other => panic!("packet type {other}"),
        }
        stream.flush().await.ok()?;
    }
}

#[tokio::test]
async fn history_arrives_whole_and_in_order_over_connections_that_break() {
    let (address, seen) = broker(3_000).await;
    let options = ReplayOptions::history(BrokerOptions::at(address.to_string()));
    let summary = app::replay(options, CancellationToken::new()).await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!((summary.messages, summary.unacked), (26_115, 0));
    assert!(summary.reconnects >= 6, "{summary:?}");
    assert_eq!(seen.connections as u64, 3 + summary.reconnects);
    assert_eq!(seen.acked.keys().collect::<Vec<_>>(), ["pantau/wx-ewr", "pantau/wx-jfk", "pantau/wx-lga"]);
    let mut different = 0;
    for payloads in seen.acked.values() {
        // An ack can be lost on its way; what is sent again then is the same bytes.
        let mut first = BTreeSet::new();
        let order: Vec<&Vec<u8>> = payloads.iter().filter(|payload| first.insert(*payload)).collect();
        assert!(order.is_sorted_by_key(|payload| payload[9..33].to_vec()), "by time");
        different += order.len();
    }
    assert_eq!(different, 26_115);
}

#[tokio::test]
async fn a_fleet_that_is_stopped_has_acknowledged_all_it_made() {
    let (address, seen) = broker(400).await;
    let options = FleetOptions {
        period: Duration::from_millis(100),
        connections: Some(4),
        run_for: Some(Duration::from_secs(3)),
        ..FleetOptions::new(BrokerOptions::at(address.to_string()), 100, 3)
    };
    let summary = app::fleet(options, CancellationToken::new()).await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!((summary.devices, summary.connections, summary.unacked), (100, 4, 0));
    assert!(summary.messages > 1_000 && summary.reconnects > 0, "{summary:?}");
    let acked: usize = seen.acked.values().map(Vec::len).sum();
    assert!(acked as u64 >= summary.messages);
    assert_eq!(seen.acked.len(), 100);
    for payloads in seen.acked.values() {
        // No period is missing in the middle: what a broken connection held up came later.
        let text = |payload: &Vec<u8>| String::from_utf8(payload[9..33].to_vec()).unwrap();
        let times: BTreeSet<String> = payloads.iter().map(text).collect();
        let ms = |text: &String| {
            text[17..19].parse::<i64>().unwrap() * 1_000 + text[20..23].parse::<i64>().unwrap()
        };
        let times: Vec<i64> = times.iter().map(ms).collect();
        assert!(times.windows(2).all(|pair| (pair[1] - pair[0]).rem_euclid(60_000) == 100), "{times:?}");
    }
}

#[tokio::test]
async fn load_gets_an_ack_for_every_publish() {
    let (address, seen) = broker(usize::MAX - 7).await;
    let options = MqttLoad {
        broker: BrokerOptions::at(address.to_string()),
        connections: 5,
        window: 20,
        topics: 12,
        name: "load".into(),
        messages: 10_003,
        seconds: None,
        rate: None,
        qos: 1,
        payload_bytes: 60,
        pid: Some(std::process::id()),
    };
    let report = app::load_mqtt(options.clone(), CancellationToken::new()).await.unwrap();
    assert_eq!((report.sent, report.acked), (10_003, 10_003));
    assert!(report.cpu_seconds.is_some() && report.latency_ms.p50 <= report.latency_ms.max);
    {
        let seen = seen.lock().unwrap();
        assert_eq!((seen.received, seen.acked.len(), seen.connections), (10_003, 12, 5));
        for payloads in seen.acked.values() {
            assert_eq!(
                payloads.iter().map(|payload| &payload[9..33]).collect::<BTreeSet<_>>().len(),
                payloads.len()
            );
        }
    }
    let few = MqttLoad { topics: 4, ..options.clone() };
    assert!(app::load_mqtt(few, CancellationToken::new()).await.unwrap_err().is_usage());
    let paced = MqttLoad { rate: Some(500), seconds: Some(Duration::from_secs(1)), qos: 1, ..options };
    let report = app::load_mqtt(paced, CancellationToken::new()).await.unwrap();
    assert!((400..=501).contains(&report.sent) && report.acked == report.sent, "{report:?}");
}

/// An ingest that decodes every batch and acknowledges it, two at a time where it can.
struct StandIn;

type Replies = Pin<Box<dyn Stream<Item = Result<ToGateway, Status>> + Send>>;

#[tonic::async_trait]
impl Ingest for StandIn {
    type UplinkStream = Replies;

    async fn uplink(&self, request: Request<Streaming<FromGateway>>) -> Result<Response<Replies>, Status> {
        assert_eq!(request.metadata().get("authorization").unwrap(), "Bearer secret");
        let mut decoder = Decoder::new(Limits::default()).unwrap();
        let (mut dictionary, mut seen, mut next) = (0, BTreeSet::new(), 0);
        let replies = request.into_inner().map(move |message| {
            let message = match message?.message.unwrap() {
                Up::Hello(hello) => {
                    assert_eq!((hello.protocol, hello.kept), (1, 0));
                    Down::Hello(HelloReply { generation: 1, committed: vec![], new_epoch: false, window: 4 })
                }
                Up::Batch(batch) => {
                    let body = decoder.decode(&batch).unwrap();
                    dictionary += body.new_series.len();
                    assert!(body.series.iter().all(|index| (*index as usize) < dictionary));
                    for identity in body.series.iter().copied().zip(times(&body)) {
                        assert!(seen.insert(identity));
                    }
                    assert_eq!(batch.first, next);
                    next += u64::from(batch.count);
                    let committed = vec![Range { start: batch.first, end: next }];
                    Down::Ack(Ack { committed, rejected: vec![] })
                }
                Up::Status(_) => panic!("no status is sent"),
            };
            Ok(ToGateway { message: Some(message) })
        });
        Ok(Response::new(Box::pin(replies)))
    }
}

async fn grpc(token: &str) -> Result<LoadReport, app::SimError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = futures_util::stream::unfold(listener, async |listener| {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    });
    let server = tonic::transport::Server::builder().add_service(IngestServer::new(StandIn));
    tokio::spawn(server.serve_with_incoming(Box::pin(incoming)));
    let options = GrpcLoad {
        url: format!("http://{address}"),
        gateway: "load".into(),
        token: Some(token.into()),
        series: 100,
        batch: 1_000,
        messages: 50_500,
        window: 16,
        pid: None,
    };
    app::load_grpc(options, CancellationToken::new()).await
}

#[tokio::test]
async fn load_commits_every_reading_over_grpc() {
    let report = grpc("secret").await.unwrap();
    assert_eq!((report.side, report.sent, report.acked), ("grpc", 51_000, 51_000));
}

#[tokio::test]
async fn a_token_that_is_no_header_is_the_users_to_mend() {
    assert!(grpc("se\ncret").await.unwrap_err().is_usage());
}
