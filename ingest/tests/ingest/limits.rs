//! What keeps one client from harming the others, and what happens when the disk does not keep its word.

use crate::harness::{Body, Ingest, LIMIT, TOKEN, config, now};
use pantau_ingest::config::Config;
use pantau_journal::sim::SimFiles;
use std::time::Duration;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpSocket, TcpStream},
};
use tonic::Code;

const LIVE: &[u8] = b"GET /api/v1/live HTTP/1.1\r\nhost: x\r\n\r\n";

/// A live client that has read the head of its answer.
async fn watcher(ingest: &Ingest) -> BufReader<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = BufReader::new(socket.connect(ingest.http).await.unwrap());
    stream.write_all(LIVE).await.unwrap();
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    assert!(line.contains(" 200 "), "{line}");
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).await.unwrap();
    }
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_client_that_does_not_read_is_told_how_much_it_missed() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(config(dir.path())).await;
    let (mut uplink, _) = ingest.hello("gw", 1, 10_000_000).await;
    let stream = watcher(&ingest).await;
    // More than the sockets and all 4,096 messages hold, 256 readings each.
    let mut first = 0;
    for _ in 0..13 {
        let mut body = Body::default();
        if first == 0 {
            body = body.series("dev/pulses", "");
        }
        let time = now() - 100_000;
        for i in 0..100_000 {
            body = body.reading(0, time + i, i as f64);
        }
        uplink.batch(body.at(first)).await;
        uplink.ack().await;
        first += 100_000;
    }
    let mut lines = stream.lines();
    let told = async {
        while lines.next_line().await.unwrap().unwrap() != "event: lagged" {}
        lines.next_line().await.unwrap().unwrap()
    };
    let told = tokio::time::timeout(LIMIT, told).await.expect("a lagged event");
    let told: serde_json::Value = serde_json::from_str(told.strip_prefix("data: ").unwrap()).unwrap();
    assert!(told["missed"].as_u64().unwrap() > 0, "{told}");
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_live_client_too_many_is_sent_to_poll_until_another_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let mut few = config(dir.path());
    few.limits.live_clients = 1;
    let ingest = Ingest::start(few).await;
    let stream = watcher(&ingest).await;
    assert!(ingest.problem("/api/v1/live", 503).await.contains("/api/v1/latest"));
    let (_, head, _) = ingest.get_with("/api/v1/live", "").await;
    assert!(head.contains("retry-after: 5"), "{head}");
    assert_eq!(ingest.get("/api/v1/latest").await.0, 200, "only live clients are turned away");
    drop(stream);
    let freed = async {
        loop {
            let mut stream = TcpStream::connect(ingest.http).await.unwrap();
            stream.write_all(LIVE).await.unwrap();
            let mut head = [0; 12];
            stream.read_exact(&mut head).await.unwrap();
            if head.ends_with(b"200") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, freed).await.expect("the place is free again");
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_never_finish_a_request_are_closed_and_then_others_get_in() {
    let dir = tempfile::tempdir().unwrap();
    let mut few = config(dir.path());
    few.limits.http_connections = 2;
    let ingest = Ingest::start(few).await;
    let mut silent = TcpStream::connect(ingest.http).await.unwrap();
    let mut slow = TcpStream::connect(ingest.http).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost:").await.unwrap();
    let mut third = Box::pin(ingest.get("/healthz"));
    tokio::time::timeout(Duration::from_millis(500), &mut third).await.expect_err("both places are taken");
    assert_eq!(third.await.0, 200);
    for stuck in [&mut silent, &mut slow] {
        let mut rest = Vec::new();
        tokio::time::timeout(LIMIT, stuck.read_to_end(&mut rest)).await.expect("closed").unwrap();
    }
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_never_say_hello_keep_no_gateway_out_and_are_closed() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(config(dir.path())).await;
    let good = |at| Body::default().series("dev/pm2_5", "").reading(0, now(), 1.0).at(at);
    let (mut early, _) = ingest.hello("gw", 1, 10).await;
    let mut hanging = Vec::new();
    for n in 0..200 {
        let mut socket = TcpStream::connect(ingest.grpc).await.unwrap();
        // Half of them say nothing at all; the others speak HTTP/2 and then nothing.
        if n % 2 == 0 {
            socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        }
        hanging.push(socket);
    }
    let (mut late, _) = ingest.hello("other", 1, 10).await;
    late.batch(Body::default().series("late/pm2_5", "").reading(0, now(), 1.0).at(0)).await;
    late.ack().await;
    // 64 and two for each of both gateways may wait.
    let crowded_out = ingest.count("grpc_crowded_out").await;
    assert!(crowded_out >= 200 - 68, "{crowded_out}");
    let mut undecided = ingest.uplink(TOKEN).await;
    assert_eq!(undecided.end().await.0, Code::DeadlineExceeded, "a stream that does not say Hello");
    for mut socket in hanging {
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(LIMIT, socket.read_to_end(&mut rest)).await.expect("it is closed");
        let _ = closed;
    }
    assert!(ingest.count("grpc_silent").await >= 60);
    for (uplink, at) in [(&mut early, 0), (&mut late, 1)] {
        uplink.batch(good(at)).await;
        uplink.ack().await;
    }
    drop(undecided);
    while !ingest.get("/metrics").await.1.contains("pantau_ingest_grpc_connections 2\n") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // One more that hangs does not hold a stop up either.
    let _hanging = TcpStream::connect(ingest.grpc).await.unwrap();
    let stopping = ingest.stop();
    tokio::time::timeout(Duration::from_secs(3), stopping).await.expect("a quick stop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_can_be_kept_in_a_file_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gw.token");
    // Relative to the configuration's folder.
    let text = "[[gateway]]\nid = \"gw\"\ntoken_file = \"gw.token\"\n";
    let toml = dir.path().join("ingest.toml");
    std::fs::write(&toml, text).unwrap();
    for (content, word) in [(None, "No such file"), (Some("short\nand more"), "shorter than 16")] {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let said = pantau_settings::load::<Config>(&toml).unwrap_err().to_string();
        assert!(said.contains("ingest.toml:3: gateway.token_file: ") && said.contains("mend:"), "{said}");
        assert!(said.contains(word) && !said.contains("short\n"), "a token is never shown: {said}");
    }
    std::fs::write(&file, format!("  {TOKEN} \nanything else\n")).unwrap();
    let mut told = config(&dir.path().join("data"));
    told.gateways = pantau_settings::load::<Config>(&toml).unwrap().gateways;
    let ingest = Ingest::start(told).await;
    let (_uplink, reply) = ingest.hello("gw", 1, 0).await;
    assert!(!reply.new_epoch);
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_is_never_acked_and_ends_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let files = SimFiles::new();
    let ingest = Ingest::start_on(files.clone(), config(dir.path())).await;
    let (mut uplink, _) = ingest.hello("gw", 1, 10).await;
    let batch = |at| Body::default().series("dev/pm2_5", "").reading(0, now(), 1.0).at(at);
    uplink.batch(batch(0)).await;
    uplink.ack().await;
    files.fail_sync(0);
    uplink.batch(batch(1)).await;
    let (acks, code) = uplink.end_counted().await;
    assert_eq!((acks, code), (0, Code::Unavailable));
    let error = ingest.ended().await.unwrap_err();
    assert!(error.to_string().contains("committer"), "{error}");
    assert!(!error.is_config());

    // What was acked is there after the machine comes back.
    let files = files.crash(pantau_journal::sim::PowerCut::LoseAll);
    let ingest = Ingest::start_on(files, config(dir.path())).await;
    let (_uplink, reply) = ingest.hello("gw", 1, 10).await;
    assert_eq!((reply.committed[0].start, reply.committed[0].end), (0, 1));
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_graceful_stop_the_next_start_replays_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(config(dir.path())).await;
    let (mut uplink, _) = ingest.hello("gw", 1, 10).await;
    uplink.batch(Body::default().series("dev/pm2_5", "").reading(0, now(), 1.0).at(0)).await;
    uplink.ack().await;
    ingest.stop().await;
    let ingest = Ingest::start(config(dir.path())).await;
    let (_, metrics) = ingest.get("/metrics").await;
    for figure in ["memory_table_readings 0", "pending_readings 0", "unindexed_commits 0"] {
        assert!(metrics.contains(&format!("pantau_ingest_{figure}\n")), "{figure} in {metrics}");
    }
    ingest.stop().await;
}

#[cfg(feature = "faults")]
#[test]
fn the_binary_that_forgets_what_is_not_synced_runs_and_stops_like_the_real_one() {
    use std::io::{BufRead, Read, Write};
    use std::process::{Command, Stdio};
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ingest.toml");
    let listen = "listen = \"127.0.0.1:0\"";
    for (binary, faults) in [
        (env!("CARGO_BIN_EXE_pantau-ingest"), ""),
        (env!("CARGO_BIN_EXE_pantau-ingest-faults"), "volatile"),
        (env!("CARGO_BIN_EXE_pantau-ingest-faults"), "volatile,drop-syncs"),
    ] {
        let data = tempfile::tempdir_in(dir.path()).unwrap();
        let config = format!("[ingest]\ndata_dir = {:?}\n[http]\n{listen}\n[grpc]\n{listen}\n", data.path());
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(binary);
        command.args(["run", "--config"]).arg(&file).env("PANTAU_FAULTS", faults).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut log = std::io::BufReader::new(process.stderr.take().unwrap()).lines();
        let line = log.find_map(|line| line.ok().filter(|line| line.contains("http listens")));
        let line = line.expect("it says where it listens");
        let address = line.rsplit("address=").next().unwrap().trim().to_owned();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("\"state\":\"ready\""), "{answer}");
        let pid = process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        // The log ends when the process does.
        let rest: Vec<String> = log.map_while(Result::ok).collect();
        assert!(process.wait().unwrap().success(), "{binary} {faults}: {rest:?}");
    }
}
