//! The network between gateway and ingest breaks in every way that a TCP connection can break.

use crate::kills::{devices, seed};
use pantau_e2e::clock::wait_until;
use pantau_e2e::device::Fleet;
use pantau_e2e::parts::LIMIT;
use pantau_e2e::proxy::Fault;
use pantau_e2e::system::{Options, System};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::time::Duration;

/// Runs devices, lets `breaks` happen, heals the network, and asks for everything.
fn under(breaks: impl FnOnce(&System, &Fleet, &mut SmallRng)) {
    let seed = seed();
    println!("seed {seed}");
    let mut system = System::start(&Options::default());
    let fleet = Fleet::start(system.gateway.mqtt, devices());
    wait_until("readings to be acked", LIMIT, || fleet.acked() > 100);
    breaks(&system, &fleet, &mut SmallRng::seed_from_u64(seed));
    system.network.set(Fault::Pass);
    let before = fleet.acked();
    wait_until("devices to go on", LIMIT, || fleet.acked() > before + 100);
    system.assert_kept(&fleet.stop());
}

/// Devices are served whatever becomes of the uplink.
fn served_on(fleet: &Fleet) {
    let before = fleet.acked();
    wait_until("devices to be served without an uplink", LIMIT, || fleet.acked() > before + 300);
}

#[test]
fn cut_connections_lose_and_double_nothing() {
    under(|system, fleet, random| {
        for _ in 0..8 {
            system.network.cut();
            served_on(fleet);
            system.network.set(Fault::Pass);
            std::thread::sleep(Duration::from_millis(random.random_range(100..800)));
        }
    });
}

#[test]
fn connections_reset_in_the_middle_of_a_batch_lose_and_double_nothing() {
    under(|system, fleet, random| {
        for _ in 0..12 {
            system.network.reset_after(random.random_range(1..6_000));
            wait_until("the connection to be reset", 2 * LIMIT, || system.network.has_reset());
        }
        served_on(fleet);
    });
}

#[test]
fn a_network_that_swallows_everything_loses_and_doubles_nothing() {
    under(|system, fleet, random| {
        for _ in 0..3 {
            system.network.set(Fault::Blackhole);
            served_on(fleet);
            std::thread::sleep(Duration::from_millis(random.random_range(0..4_000)));
            // What was swallowed comes out now, on links that may have been given up meanwhile.
            system.network.set(Fault::Pass);
            std::thread::sleep(Duration::from_millis(random.random_range(200..1_000)));
        }
    });
}

#[test]
fn a_gateway_gives_up_a_connection_that_nothing_comes_back_on() {
    under(|system, fleet, _| {
        system.network.set(Fault::Blackhole);
        served_on(fleet);
        let held = system.network.forwarded();
        // The old links stay dead; only a new one can carry on.
        system.network.freeze_open_links();
        system.network.set(Fault::Pass);
        wait_until("the gateway to open a new connection", 4 * LIMIT, || {
            system.network.forwarded() > held + 1_000
        });
    });
}

#[test]
fn half_closed_delayed_and_slow_connections_lose_and_double_nothing() {
    under(|system, fleet, _| {
        for _ in 0..3 {
            system.network.half_close();
            served_on(fleet);
        }
        system.network.set(Fault::Delay(Duration::from_millis(150)));
        served_on(fleet);
        system.network.set(Fault::Throttle(8_000));
        served_on(fleet);
        served_on(fleet);
    });
}
