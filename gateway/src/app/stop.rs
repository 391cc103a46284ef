//! The graceful stop.

use std::time::Duration;

use pantau_journal::FileLayer;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Tasks;
use crate::clock;
use crate::figures::value;
use crate::spool::Spool;
use crate::wiring;

/// How long a stop waits for each: the listener, the sync, the uplink, the rest, and as long again for the last sync.
pub(super) const STOP: [Duration; 4] =
    [wiring::MQTT_GRACE, Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(1)];

/// Sources, as their tasks are called.
pub(super) const MQTT: &str = "the MQTT listener";
pub(super) const BROKER: &str = "a broker's subscriber";
pub(super) const BUS: &str = "a bus of sensors";

#[derive(Default)]
pub(super) struct Stops {
    pub(super) mqtt: CancellationToken,
    pub(super) uplink: CancellationToken,
    pub(super) rest: CancellationToken,
}

/// From the front to the back, each with its time.
pub(super) async fn drain<F: FileLayer>(
    spool: &Spool<F>,
    stops: &Stops,
    tasks: &mut Tasks,
    mut running: usize,
) {
    stops.mqtt.cancel();
    let until_sources_ended = async {
        while running > 0 {
            let Some(Ok((name, _))) = tasks.join_next().await else { break };
            running -= usize::from([MQTT, BROKER, BUS].contains(&name));
        }
    };
    if timeout(STOP[0], until_sources_ended).await.is_err() {
        tracing::warn!("the MQTT listener, a broker's subscriber or a bus of sensors did not end in time");
    }
    spool.save_rest(clock::now());
    spool.journal().sync_soon();
    let next = spool.journal().stats().next;
    let synced = async {
        while spool.journal().synced() < next {
            sleep(Duration::from_millis(5)).await;
        }
    };
    drop(timeout(STOP[1], synced).await);
    // Only a stream that stands is waited for: without one the backlog stays, as safe as before.
    let emptied = async {
        while spool.backlog(clock::now()).0 > 0 && value(&spool.counters().connected) != 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    drop(timeout(STOP[2], emptied).await);
    let (readings, _) = spool.backlog(clock::now());
    if readings > 0 {
        tracing::info!(readings, "the backlog stays in the spool");
    }
}
