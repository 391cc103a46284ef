//! The gateway's side of the contract.

use crate::harness::{Body, Ingest, TOKEN, config, now};
use pantau_proto::v1::{Batch, Loss, LossReason, Range, Reason, Refused, Status};
use tonic::Code;

async fn values(ingest: &Ingest, series: &str) -> Vec<f64> {
    let answer = ingest.json(&format!("/api/v1/readings?series={series}&from=0")).await;
    let values = answer["series"][0]["values"].as_array().unwrap();
    values.iter().map(|value| value.as_f64().unwrap()).collect()
}

fn ranges(pairs: &[(u64, u64)]) -> Vec<Range> {
    pairs.iter().map(|(start, end)| Range { start: *start, end: *end }).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_readable_when_its_ack_arrives_and_again_after_reconnecting() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(config(dir.path())).await;
    let (mut uplink, reply) = ingest.hello("gw", 1, 3).await;
    assert!(reply.window >= 1 && !reply.new_epoch && reply.committed.is_empty(), "{reply:?}");
    let time = now() - 10_000;
    let body = Body::default().series("dev/air_temperature", "degF").series("dev/pm2_5", "");
    uplink.batch(body.reading(0, time, 32.0).reading(1, time, 12.0).reading(1, time + 1, 2000.0).at(0)).await;
    assert_eq!(uplink.ack().await.committed, ranges(&[(0, 3)]));
    assert_eq!(values(&ingest, "dev/air_temperature").await, [0.0]);
    let latest = ingest.json("/api/v1/latest?series=dev/pm2_5").await;
    assert_eq!(latest["items"][0]["flags"], serde_json::json!(["out_of_range"]), "{latest}");

    // The dictionary grows; a stream that is closed on the gateway's side is answered to its end.
    uplink.batch(Body::default().series("dev/rainfall", "").reading(2, time, 0.2).at(5)).await;
    drop(uplink.out);
    let mut uplink = crate::harness::Uplink { out: tokio::sync::mpsc::channel(1).0, ..uplink };
    assert_eq!(uplink.end().await.0, Code::Ok);

    let (mut uplink, again) = ingest.hello("gw", 1, 6).await;
    assert_eq!(again.committed, ranges(&[(0, 3), (5, 6)]));
    assert!(again.generation > reply.generation);
    let body = Body::default().series("dev/air_temperature", "");
    let body = body.reading(0, time + 5, 1.0).reading(0, time + 6, 2.0).reading(0, time + 7, 3.0);
    uplink.batch(body.at(2)).await;
    assert_eq!(uplink.ack().await.committed, ranges(&[(2, 5)]));
    assert_eq!(
        values(&ingest, "dev/air_temperature").await,
        [0.0, 2.0, 3.0],
        "position 2 is not taken twice"
    );
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_a_reading_is_acked_as_rejected_and_found_in_quarantine() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(config(dir.path())).await;
    let (mut uplink, _) = ingest.hello("gw", 1, 100).await;
    let (time, payload) = (now(), bytes::Bytes::from_static(b"\xff\xfe?"));
    let body = Body::default()
        .series("dev/air_temperature", "")
        .series("dev/mood", "")
        .series("dev/air_temperature", "parsec")
        .series("no name", "")
        .reading(0, time, 20.0)
        .reading(1, time, 1.0)
        .reading(2, time, 2.0)
        .reading(3, time, 3.0)
        .reading(0, time, f64::NAN)
        .reading(0, time + 700_000, 5.0)
        .reading(0, 0, 6.0);
    let reason = Reason::BadPayload.into();
    let topic = "pantau/dev".to_owned();
    let body = body.refused(Refused { position: 3, payload, reason, topic, time, ..Refused::default() });
    uplink.batch(body.at(0)).await;
    let ack = uplink.ack().await;
    assert_eq!(ack.committed, ranges(&[(0, 8)]));
    let rejected: Vec<(u64, Reason)> = ack.rejected.iter().map(|r| (r.position, r.reason())).collect();
    use Reason::*;
    let wanted = [
        (1, UnknownQuantity),
        (2, UnknownUnit),
        (4, BadName),
        (5, NotFinite),
        (6, TimeInFuture),
        (7, TimeTooOld),
    ];
    assert_eq!(rejected, wanted);
    let mut items = Vec::new();
    for _ in 0..500 {
        items = ingest.json("/api/v1/quarantine").await["items"].as_array().unwrap().clone();
        if items.len() == 7 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(items.len(), 7, "{items:?}");
    let at = |position| items.iter().find(|item| item["position"] == position).unwrap();
    assert_eq!((&at(3)["payload_hex"], &at(3)["reason"]), (&"fffe3f".into(), &"bad_payload".into()));
    assert_eq!((&at(6)["topic"], &at(6)["payload"]), (&"dev/air_temperature".into(), &"5".into()));
    let filtered = ingest.json("/api/v1/quarantine?reason=not_finite&gateway=gw").await;
    assert_eq!(filtered["items"][0]["position"], 5);
    let gateway = ingest.json("/api/v1/gateways").await["items"][0].clone();
    assert_eq!((&gateway["quarantined"], &gateway["rejected"]), (&7.into(), &6.into()), "{gateway}");
    assert_eq!((ingest.count("quarantined").await, ingest.count("accepted").await), (7, 8));
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_belongs_to_the_gateway_that_reported_it_first() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(config(dir.path())).await;
    let time = now();
    let batch = |value| Body::default().series("dev/pm2_5", "").reading(0, time, value).at(0);
    let (mut first, _) = ingest.hello("gw", 1, 1).await;
    first.batch(batch(1.0)).await;
    first.ack().await;
    ingest.stop().await;
    // Also after a restart.
    let ingest = Ingest::start(config(dir.path())).await;
    let (mut second, _) = ingest.hello("other", 9, 1).await;
    second.batch(batch(2.0)).await;
    let ack = second.ack().await;
    assert_eq!(ack.rejected[0].reason(), Reason::NotOwner);
    assert!(ack.rejected[0].detail.contains("gateway gw"), "{ack:?}");
    assert_eq!(values(&ingest, "dev/pm2_5").await, [1.0]);
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_of_a_spool_is_asked_for_a_new_epoch_and_the_old_one_ends_with_a_loss() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(config(dir.path())).await;
    let (mut uplink, _) = ingest.hello("gw", 1, 10).await;
    let series = || Body::default().series("dev/pm2_5", "");
    uplink.batch(series().reading(0, now(), 1.0).reading(0, now() + 1, 2.0).at(0)).await;
    uplink.ack().await;
    // The card was restored: it knows less than ingest.
    let (mut restored, reply) = ingest.hello("gw", 1, 1).await;
    assert!(reply.new_epoch && reply.committed.is_empty(), "{reply:?}");
    assert_eq!(restored.end().await.0, Code::Ok);
    let (mut uplink, reply) = ingest.hello("gw", 2, 1).await;
    assert!(!reply.new_epoch);
    uplink.batch(series().reading(0, now(), 3.0).at(0)).await;
    assert_eq!(uplink.ack().await.committed, ranges(&[(0, 1)]));
    let mut losses = Vec::new();
    for _ in 0..500 {
        losses = ingest.json("/api/v1/losses?reason=epoch_ended").await["items"].as_array().unwrap().clone();
        if !losses.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(
        (&losses[0]["start"], &losses[0]["end"], &losses[0]["count"]),
        (&2.into(), &10.into(), &8.into())
    );
    // An epoch that is over does not come back: what it still has comes in a new one.
    let (_, reply) = ingest.hello("gw", 1, 10).await;
    assert!(reply.new_epoch);
    assert_eq!((ingest.count("lost").await, ingest.count("accepted").await), (8, 11));
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_without_the_right_token_and_hello_gets_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(config(dir.path())).await;
    let stranger = ingest.try_uplink("another-token-of-good-length").await.err().expect("it is refused");
    assert_eq!(stranger.code(), Code::Unauthenticated, "before its Hello");
    let mut uplink = ingest.uplink(TOKEN).await;
    uplink.say_hello("stranger", 1, 0).await;
    assert_eq!(uplink.end().await.0, Code::Unauthenticated);
    let mut uplink = ingest.uplink(TOKEN).await;
    uplink.status(Status::default()).await;
    assert_eq!(uplink.end().await.0, Code::InvalidArgument);
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_breaks_the_contract_is_told_how_after_its_good_batches_are_acked() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(config(dir.path())).await;
    let good = |at| Body::default().series("dev/pm2_5", "").reading(0, now(), 1.0).at(at);
    let mut unknown = good(1);
    unknown.first = u64::MAX;
    let broken = [
        (unknown, "positions"),
        (Batch { first: 1, count: 1, body_bytes: 9, body: b"no zstd".to_vec().into() }, "zstd"),
        (Batch { body_bytes: u32::MAX, ..good(1) }, "bytes of body"),
        (Batch { count: 2, ..good(1) }, "2 positions"),
        (Body::default().reading(7, now(), 1.0).at(1), "series index 7"),
    ];
    for (i, (batch, word)) in broken.into_iter().enumerate() {
        let (mut uplink, _) = ingest.hello("gw", 100 + i as u64, 5).await;
        uplink.batch(good(0)).await;
        uplink.batch(batch).await;
        assert_eq!(uplink.ack().await.committed, ranges(&[(0, 1)]));
        let (code, said) = uplink.end().await;
        assert_eq!(code, Code::InvalidArgument, "{said}");
        assert!(said.contains(word), "{word}: {said}");
    }
    let (mut uplink, _) = ingest.hello("gw", 1, 5).await;
    uplink.say_hello("gw", 1, 5).await;
    assert_eq!(uplink.end().await.0, Code::InvalidArgument);
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_leaves_more_gaps_than_can_be_remembered_must_go_on_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(config(dir.path())).await;
    let (mut uplink, _) = ingest.hello("gw", 1, u64::MAX).await;
    let odd = |n: u64| Loss { start: 2 * n + 1, end: 2 * n + 2, count: 1, ..Loss::default() };
    for some in 0..64 {
        let body = (0..1024).fold(Body::default(), |body, n| body.loss(odd(1024 * some + n)));
        uplink.batch(body.at(0)).await;
        uplink.ack().await;
    }
    uplink.batch(Body::default().loss(odd(1 << 20)).at(0)).await;
    let (code, said) = uplink.end().await;
    assert_eq!(code, Code::InvalidArgument);
    assert!(said.contains("65536") && said.contains("lowest missing"), "{said}");
    // A spool that begins anew finds no room either, and what is known is not forgotten.
    let mut uplink = ingest.uplink(TOKEN).await;
    uplink.say_hello("gw", 2, 0).await;
    let (code, said) = uplink.end().await;
    assert_eq!(code, Code::FailedPrecondition, "{said}");
    let (mut uplink, reply) = ingest.hello("gw", 1, u64::MAX).await;
    assert_eq!((reply.committed.len(), reply.committed[1023].end), (1024, 2048));
    let series = Body::default().series("dev/pm2_5", "");
    uplink.batch(series.reading(0, now(), 1.0).at(0)).await;
    assert_eq!(uplink.ack().await.committed, ranges(&[(0, 1)]));
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_stream_ends_the_gateways_older_one() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(config(dir.path())).await;
    let (mut old, _) = ingest.hello("gw", 1, 1).await;
    let (_new, _) = ingest.hello("gw", 1, 1).await;
    assert_eq!(old.end().await.0, Code::Aborted);
    let gateways = ingest.json("/api/v1/gateways").await;
    assert_eq!(gateways["items"][0]["connected"], true, "the newer stream is open: {gateways}");
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateways_status_and_losses_are_shown() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(config(dir.path())).await;
    let (mut uplink, _) = ingest.hello("gw", 1, 30).await;
    let status = Status { backlog_readings: 5, lag_ms: 1500, clock: 1, next: 31, ..Status::default() };
    uplink.status(status).await;
    let reason = LossReason::SpoolFull.into();
    let loss = Loss { start: 0, end: 20, count: 20, reason, first_time: 1, last_time: 2, ..Loss::default() };
    uplink.batch(Body::default().loss(loss).at(0)).await;
    assert_eq!(uplink.ack().await.committed, ranges(&[(0, 20)]));
    let mut gateway = serde_json::Value::Null;
    for _ in 0..500 {
        gateway = ingest.json("/api/v1/gateways").await["items"][0].clone();
        if gateway["lost"] == 20 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!((&gateway["backlog"], &gateway["lag_s"]), (&5.into(), &1.5.into()), "{gateway}");
    assert_eq!((&gateway["clock"], &gateway["lost"]), (&"trusted".into(), &20.into()), "{gateway}");
    let losses = ingest.json("/api/v1/losses?gateway=gw").await;
    assert_eq!(losses["items"][0]["first_time"], "1970-01-01T00:00:00.001Z", "{losses}");
    ingest.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_answers_what_is_in_flight_and_says_that_it_stops() {
    let dir = tempfile::tempdir().unwrap();
    let ingest = Ingest::start(config(dir.path())).await;
    let (mut uplink, _) = ingest.hello("gw", 1, 1000).await;
    uplink.batch(Body::default().series("dev/pm2_5", "").reading(0, now(), 1.0).at(0)).await;
    uplink.ack().await;
    let silent = ingest.uplink(TOKEN).await;
    ingest.stop().await;
    assert_eq!(uplink.end().await.0, Code::Unavailable);
    drop(silent);
    let ingest = Ingest::start(config(dir.path())).await;
    let sum =
        ingest.count("stored").await + ingest.count("duplicates").await + ingest.count("replaced").await;
    assert_eq!((sum, ingest.count("accepted").await), (1, 1), "a graceful stop flushes");
    ingest.stop().await;
}
