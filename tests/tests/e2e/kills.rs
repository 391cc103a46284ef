//! kill -9 at random moments under load, with a ledger: with the page cache that survives a killed process,
//! and with the volatile file layer, where what is not synced is gone.
//!
//! `PANTAU_E2E_SEED` repeats a schedule, `PANTAU_E2E_KILLS` multiplies the number of kills (make soak).

use pantau_e2e::clock::{now_ms, wait_until};
use pantau_e2e::device::{Fleet, Manner};
use pantau_e2e::parts::LIMIT;
use pantau_e2e::system::{Options, System};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Gateway,
    Ingest,
    Both,
}

/// Small tables and segments, so that flushes, rotations and releases happen between the kills.
pub(crate) fn small(options: Options) -> Options {
    Options {
        gateway_extra: format!(
            "{}[spool]\nsegment = \"1 MiB\"\nkeep_acked = \"1s\"\n",
            options.gateway_extra
        ),
        ingest_extra: format!("{}[store]\nmemory = \"1 MiB\"\n", options.ingest_extra),
        ..options
    }
}

/// The devices of a run: every mix of session and QoS that a device may choose.
pub(crate) fn devices() -> Vec<Manner> {
    vec![
        Manner::new("e2e-mixed-1"),
        Manner::new("e2e-mixed-2"),
        Manner { qos: vec![2], ..Manner::new("e2e-exact") },
        Manner { qos: vec![1], window: 100, ..Manner::new("e2e-wide") },
        Manner { qos: vec![1, 2], clean: true, ..Manner::new("e2e-clean") },
        Manner { qos: vec![0, 1, 0, 2], ..Manner::new("e2e-loose") },
    ]
}

pub(crate) fn seed() -> u64 {
    let given = std::env::var("PANTAU_E2E_SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| now_ms() as u64)
}

fn run(victim: Victim, kills: u32, options: Options) {
    let factor = std::env::var("PANTAU_E2E_KILLS").ok().and_then(|factor| factor.parse().ok()).unwrap_or(1);
    let (seed, kills) = (seed(), kills * factor);
    println!("{kills} kills of {victim:?}, seed {seed}, {options:?}");
    let mut random = SmallRng::seed_from_u64(seed);
    let mut system = System::start(&small(options));
    let fleet = Fleet::start(system.gateway.mqtt, devices());
    let (gateway, ingest) = (victim != Victim::Ingest, victim != Victim::Gateway);
    for _ in 0..kills {
        let before = fleet.acked();
        // One in four dies while it is still starting; the others after they took something in.
        let early = random.random_ratio(1, 4);
        if early {
            std::thread::sleep(Duration::from_millis(random.random_range(0..40)));
        } else {
            wait_until("readings to be acked", LIMIT, || fleet.acked() > before);
            std::thread::sleep(Duration::from_millis(random.random_range(0..300)));
        }
        if gateway {
            system.gateway.part.kill();
        }
        if ingest {
            if gateway {
                std::thread::sleep(Duration::from_millis(random.random_range(0..20)));
            }
            system.ingest.part.kill();
        }
        std::thread::sleep(Duration::from_millis(random.random_range(0..60)));
        if ingest {
            system.ingest.part.launch();
        }
        if gateway {
            system.gateway.part.launch();
        }
    }
    let before = fleet.acked();
    wait_until("readings to be acked after the last kill", LIMIT, || fleet.acked() > before);
    let ledger = fleet.stop();
    println!(
        "{} readings, {} acked, {} redelivered publishes, {} connections",
        ledger.sent.len(),
        ledger.acked(),
        ledger.redelivered,
        ledger.connections
    );
    if gateway {
        assert!(ledger.redelivered > 0, "no publish was ever in flight at a kill: this run shows nothing");
    }
    system.assert_kept(&ledger);
}

#[test]
fn a_killed_gateway_loses_and_doubles_nothing() {
    run(Victim::Gateway, 24, Options::default());
}

#[test]
fn a_killed_ingest_loses_and_doubles_nothing() {
    run(Victim::Ingest, 24, Options::default());
}

#[test]
fn both_killed_lose_and_double_nothing() {
    run(Victim::Both, 16, Options::default());
}

#[test]
fn a_gateway_killed_with_its_unsynced_writes_loses_and_doubles_nothing() {
    run(Victim::Gateway, 24, Options::volatile());
}

#[test]
fn an_ingest_killed_with_its_unsynced_writes_loses_and_doubles_nothing() {
    run(Victim::Ingest, 24, Options::volatile());
}

#[test]
fn both_killed_with_their_unsynced_writes_lose_and_double_nothing() {
    run(Victim::Both, 16, Options::volatile());
}
