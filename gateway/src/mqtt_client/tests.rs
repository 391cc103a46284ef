#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::intake::types::Delivered;
use crate::mqtt_server::tests::support::{Entry, TestIntake, clock, open_config, start};

const LIMIT: Duration = Duration::from_secs(20);

fn settings(port: u16, v5: bool) -> Settings {
    Settings {
        name: "city".into(),
        host: "127.0.0.1".into(),
        port,
        v5,
        client_id: "pantau-test".into(),
        login: None,
        filters: vec!["somebody/else".into()],
        retained: false,
        max_packet_bytes: 64 << 10,
        retry_max: Duration::from_millis(50),
        stop_grace: Duration::from_millis(500),
    }
}

/// Runs a client until it is in a state that `wanted` knows.
async fn until(settings: Settings, wanted: impl Fn(&State) -> bool) -> State {
    let client = Client::new(settings, TestIntake::default(), &[], clock());
    let (stats, stop) = (client.stats(), CancellationToken::new());
    let watch = async {
        loop {
            let (state, _) = stats.state();
            if wanted(&state) {
                stop.cancel();
                return state;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    let (state, ()) = timeout(LIMIT, async { tokio::join!(watch, client.run(stop.clone())) }).await.unwrap();
    assert_eq!(stats.state().0, State::Stopped);
    state
}

#[tokio::test]
async fn topics_that_are_refused_are_named() {
    // Our own listener is a broker that gives nobody anything but the gateway's own topics.
    let server = start(open_config(), &TestIntake::default()).await;
    for v5 in [false, true] {
        let state = until(settings(server.address.port(), v5), |state| *state != State::Connecting).await;
        assert_eq!(state, State::Refused(vec!["somebody/else".into()]));
        let mut ours = settings(server.address.port(), v5);
        ours.filters = vec!["pantau/time".into()];
        assert_eq!(until(ours, |state| *state != State::Connecting).await, State::Connected);
    }
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_said_to_be_away_and_a_stop_ends_the_waiting() {
    // Port 9 (discard) has nobody on it.
    let state = until(settings(9, false), |state| matches!(state, State::Away(_))).await;
    let State::Away(why) = state else { panic!("{state:?}") };
    assert!(why.contains("refused"), "{why}");
}

#[tokio::test]
async fn sessions_of_brokers_are_told_from_those_of_devices_and_end_with_their_broker() {
    let session = |client: &str| RecoveredSession {
        client: client.into(),
        entries: vec![Delivered { packet_id: 1, hash: 2, arrival: TimeMs(3) }],
        ..RecoveredSession::default()
    };
    let mut all = vec![session("city"), session("\0city"), session("\0gone")];
    let intake = TestIntake::default();
    let ours = take_sessions(&mut all, &[settings(1, false)], &intake);
    assert_eq!(all, [session("city")]);
    assert_eq!(ours, [session("\0city")]);
    assert_eq!(intake.journal(), [Entry::Ended("\0gone".into())]);
    let client = Client::new(settings(1, false), intake, &ours, clock());
    assert!(client.taking.journaled && !client.taking.deliveries.is_empty());
    let _: Arc<BrokerStats> = client.stats();
}
