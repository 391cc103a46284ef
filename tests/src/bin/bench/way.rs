//! The whole way: from a device's PUBLISH to a reading that is committed and can be read, and what is left of it
//! after kill -9.

use crate::load::Shape;
use crate::machine::write_back;
use crate::ours::{Pantau, read_back};
use crate::pipeline;
use crate::report::{Row, median, short, whole};
use pantau_e2e::clock::{now, wait_until};
use pantau_e2e::metrics::Metrics;
use pantau_e2e::parts::LIMIT;

/// A closed loop. So many topics that none gets more than 1,000 messages a second: payloads carry milliseconds,
/// and the load generator ends only when the last of them is past, which would hide a backlog.
const OURS: Shape = Shape { connections: 50, window: 100, topics: 3_000, publishes: 3_000_000, rate: None };
const THEIRS: Shape = Shape { publishes: 40_000, ..OURS };
/// What the others are killed at: a rate that they keep up with.
const THEIRS_KILLED: Shape = Shape { publishes: 20_000, rate: Some(2_000), ..OURS };

pub(crate) fn way(runs: usize) -> Vec<Row> {
    let (mut our_rates, mut our_losses) = (Vec::new(), Vec::new());
    let (mut their_rates, mut their_losses) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        our_rates.push(our_rate(&OURS));
        our_losses.push(our_loss(&OURS));
        their_rates.push(pipeline::rate(&THEIRS));
        their_losses.push(pipeline::lost(&THEIRS_KILLED) as f64);
    }
    let (our_rate, their_rate) = (median(our_rates), median(their_rates));
    // Of ours the worst run counts.
    let our_loss = our_losses.into_iter().max().unwrap_or(0);
    vec![Row {
        figure: "the whole way: MQTT JSON → committed and readable, messages per second; acked and lost at kill -9",
        pantau: format!("{}; {} of {} lost", short(our_rate), whole(our_loss), whole(OURS.publishes)),
        peer: format!(
            "mosquitto → script with paho and influxdb-client → victoria-metrics: {}; {} of {} lost",
            short(their_rate),
            whole(median(their_losses) as u64),
            whole(THEIRS_KILLED.publishes)
        ),
        ratio: Some(our_rate / their_rate),
        wanted: "≥ 60 k, 0 lost",
        met: our_rate >= 60e3 && our_loss == 0,
    }]
}

/// From the first PUBLISH until the last reading is committed. That all can be read is looked up afterwards.
fn our_rate(shape: &Shape) -> f64 {
    write_back();
    let mut pantau = Pantau::start("");
    let http = pantau.ingest.http;
    let start = now();
    let load = crate::load::mqtt(pantau.gateway.mqtt, shape);
    let accepted = || Metrics::scrape(http).count("pantau_ingest_accepted_total");
    wait_until("everything to be committed", 10 * LIMIT, || accepted() >= load.acked);
    let rate = load.acked as f64 / start.elapsed().as_secs_f64();
    assert_eq!(read_back(http), load.acked, "acked and read back");
    pantau.stop();
    rate
}

/// Acked messages that cannot be read after ingest was killed amid them, the gateway with the last ack, and both
/// were started again. With an ingest that lives there would hardly be anything left to lose at the last ack.
fn our_loss(shape: &Shape) -> u64 {
    write_back();
    let mut pantau = Pantau::start("");
    let (mqtt, status) = (pantau.gateway.mqtt, pantau.gateway.status);
    let load = std::thread::scope(|scope| {
        let load = scope.spawn(|| crate::load::mqtt(mqtt, shape));
        let taken = || Metrics::scrape(status).count("pantau_gateway_accepted_total");
        wait_until("half of the messages to be taken", LIMIT, || taken() >= shape.publishes / 2);
        pantau.ingest.part.kill();
        load.join().expect("the load generator reports")
    });
    pantau.gateway.part.kill();
    pantau.start_again();
    pantau.gateway.wait_drained(10 * LIMIT);
    let found = read_back(pantau.ingest.http);
    assert!(found <= load.acked, "{found} stored of {} sent", load.acked);
    pantau.stop();
    load.acked - found
}
