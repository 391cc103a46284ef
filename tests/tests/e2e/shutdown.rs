//! SIGTERM under load: each part is gone within ten seconds, exits with 0, and nothing is lost.

use crate::kills::{devices, small};
use pantau_e2e::clock::wait_until;
use pantau_e2e::device::Fleet;
use pantau_e2e::parts::{LIMIT, STOP};
use pantau_e2e::proxy::Fault;
use pantau_e2e::system::{Options, System};

fn more_acked(fleet: &Fleet) {
    let before = fleet.acked();
    wait_until("readings to be acked", LIMIT, || fleet.acked() > before + 200);
}

#[test]
fn a_graceful_stop_under_load_loses_and_doubles_nothing() {
    let mut system = System::start(&small(Options::default()));
    let fleet = Fleet::start(system.gateway.mqtt, devices());
    for _ in 0..4 {
        more_acked(&fleet);
        system.gateway.part.stop();
        system.gateway.start();
        more_acked(&fleet);
        system.ingest.part.stop();
        system.ingest.start();
        more_acked(&fleet);
        system.gateway.part.process().signal_term();
        system.ingest.part.stop();
        system.gateway.part.stop();
        system.restart();
    }
    system.assert_kept(&fleet.stop());
}

#[test]
fn files_that_are_merged_hold_everything_still() {
    let often = "[store]\nflush_after = \"1s\"\n".to_owned();
    let mut system = System::start(&Options { ingest_extra: often, ..Options::default() });
    let fleet = Fleet::start(system.gateway.mqtt, devices());
    let metric = |system: &System, name: &str| system.ingest.metrics().count(name);
    wait_until("files to be merged beside the readings that come", 2 * LIMIT, || {
        metric(&system, "pantau_ingest_merges_total") >= 2
    });
    more_acked(&fleet);
    // In the middle of it, sooner or later.
    for _ in 0..4 {
        more_acked(&fleet);
        system.ingest.part.kill();
        system.ingest.start();
    }
    let ledger = fleet.stop();
    system.gateway.wait_drained(LIMIT);
    system.stop();
    let said = system.ingest.part.command("compact");
    assert!(said.contains("became"), "{said}");
    system.restart();
    assert!(metric(&system, "pantau_ingest_files") <= 2, "one file a month");
    system.assert_kept(&ledger);
}

#[test]
fn a_gateway_whose_uplink_hangs_still_stops_in_time() {
    let mut system = System::start(&Options::default());
    let fleet = Fleet::start(system.gateway.mqtt, devices());
    more_acked(&fleet);
    system.network.set(Fault::Blackhole);
    more_acked(&fleet);
    system.gateway.part.stop();
    system.ingest.part.stop();
    system.network.set(Fault::Pass);
    system.restart();
    system.assert_kept(&fleet.stop());
}

#[test]
fn a_second_signal_does_no_harm() {
    let mut system = System::start(&Options::default());
    let fleet = Fleet::start(system.gateway.mqtt, devices());
    more_acked(&fleet);
    for _ in 0..3 {
        system.gateway.part.process().signal_term();
        system.ingest.part.process().signal_term();
    }
    system.gateway.part.process().wait(STOP);
    system.ingest.part.process().wait(STOP);
    system.gateway.part.kill_if_running();
    system.ingest.part.kill_if_running();
    system.restart();
    system.assert_kept(&fleet.stop());
}
