//! The suite is worth what it can notice: with syncs that do nothing, or acks that do not wait for them, the
//! ledger must find losses; and with neither, in the very same run, it must find none.

use pantau_e2e::clock::wait_until;
use pantau_e2e::device::{Fleet, Manner};
use pantau_e2e::ledger::{Finding, Ledger, digest};
use pantau_e2e::parts::LIMIT;
use pantau_e2e::proxy::Fault;
use pantau_e2e::system::{Options, System, quarantined_payloads, stored};

/// Readings wait in the gateway, because the way on is closed; it is killed, comes back, and delivers.
fn killed_with_a_backlog(faults: &str, profile: &str) -> Vec<Finding> {
    let mut system = System::start(&Options {
        gateway_faults: Some(faults.to_owned()),
        gateway_extra: format!("[gateway]\nprofile = {profile:?}\n"),
        ..Options::default()
    });
    system.network.cut();
    let manners =
        (0..3).map(|n| Manner { garbage_every: 0, ..Manner::new(&format!("mutant-{n}")) }).collect();
    let fleet = Fleet::start(system.gateway.mqtt, manners);
    for round in 1..=5 {
        wait_until("readings to be acked", 2 * LIMIT, || fleet.acked() >= round * 200);
        system.gateway.part.kill();
        system.gateway.start();
    }
    system.network.set(Fault::Pass);
    let ledger = fleet.stop();
    system.gateway.wait_drained(2 * LIMIT);
    ledger.check(&stored(system.ingest.http), &[])
}

fn lost(findings: &[Finding]) -> usize {
    findings.iter().filter(|finding| matches!(finding, Finding::Lost(_))).count()
}

#[test]
fn a_gateway_whose_syncs_do_nothing_is_noticed() {
    let findings = killed_with_a_backlog("volatile,drop-syncs", "fast");
    assert!(lost(&findings) > 0, "no loss was noticed: {}", digest(&findings));
}

#[test]
fn a_gateway_that_acks_before_the_sync_is_noticed() {
    // With a sync only once a second the acks are early by far more than a kill can miss.
    let findings = killed_with_a_backlog("volatile,ack-early", "sdcard");
    assert!(lost(&findings) > 0, "no loss was noticed: {}", digest(&findings));
}

#[test]
fn a_gateway_without_a_mutation_passes_the_same_run() {
    for profile in ["fast", "sdcard"] {
        let findings = killed_with_a_backlog("volatile", profile);
        assert!(findings.is_empty(), "profile {profile}: {}", digest(&findings));
    }
}

/// The gateway delivers all and is gone for good; ingest is killed and comes back alone: what it acked must
/// be there without the gateway's help.
fn ingest_killed_after_its_acks(faults: &str) -> Vec<Finding> {
    let mut system = System::start(&Options { ingest_faults: Some(faults.to_owned()), ..Options::default() });
    let fleet = Fleet::start(system.gateway.mqtt, vec![Manner::new("mutant-a"), Manner::new("mutant-b")]);
    wait_until("readings to be acked", LIMIT, || fleet.acked() >= 400);
    let ledger: Ledger = fleet.stop();
    system.gateway.wait_drained(2 * LIMIT);
    system.gateway.part.kill();
    system.ingest.part.kill();
    system.ingest.start();
    ledger.check(&stored(system.ingest.http), &quarantined_payloads(system.ingest.http))
}

#[test]
fn an_ingest_whose_syncs_do_nothing_is_noticed() {
    let findings = ingest_killed_after_its_acks("volatile,drop-syncs");
    assert!(lost(&findings) > 0, "no loss was noticed: {}", digest(&findings));
}

#[test]
fn an_ingest_without_a_mutation_passes_the_same_run() {
    let findings = ingest_killed_after_its_acks("volatile");
    assert!(findings.is_empty(), "{}", digest(&findings));
}
