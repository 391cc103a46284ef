//! A database of somebody else as the store: killed and away under load, and ingest killed beside it. Everything is
//! read back through ingest's own API.

use crate::kills::{devices, seed, small};
use pantau_databases::standin::{BUCKET, Fault, ORG, Standin, TOKEN};
use pantau_databases::{Influxd, VictoriaMetrics, influxd::DATABASE, tls};
use pantau_e2e::clock::wait_until;
use pantau_e2e::device::{Fleet, Manner};
use pantau_e2e::http::get;
use pantau_e2e::parts::LIMIT;
use pantau_e2e::system::{Options, System};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::net::SocketAddr;
use std::time::Duration;
use tempfile::TempDir;

/// An InfluxDB 2 as far as one can be had here: a real influxd behind the strict v2 write API.
struct InfluxDb {
    standin: Standin,
    influxd: Influxd,
    _folder: TempDir,
}

impl InfluxDb {
    fn start(standin: fn(SocketAddr) -> Standin) -> Self {
        let folder = tempfile::Builder::new().prefix("pantau-influxd-").tempdir().unwrap();
        let influxd = Influxd::start(folder.path());
        Self { standin: standin(influxd.address), influxd, _folder: folder }
    }

    /// Connections first: what influxd still takes is not acked any more.
    fn kill(&mut self) {
        self.standin.kill();
        self.influxd.kill();
    }

    fn restart(&mut self) {
        self.influxd.restart();
        self.standin.restart();
    }

    /// Bodies that it has taken so far.
    fn taken(&self) -> usize {
        self.standin.tell(|told| told.taken)
    }

    fn options(&self, options: Options) -> Options {
        let url = self.standin.url();
        let ca = if url.starts_with("https") {
            format!("ca_file = {:?}\n", tls::ca_file())
        } else {
            String::new()
        };
        let store = format!(
            "[store]\nengine = \"influxdb\"\nurl = \"{url}\"\norg = \"{ORG}\"\nbucket = \"{BUCKET}\"\n\
             database = \"{DATABASE}\"\ntoken = \"{TOKEN}\"\n{ca}"
        );
        Options { ingest_extra: format!("{}{store}", options.ingest_extra), ..options }
    }
}

fn stored_total(system: &System) -> u64 {
    system.ingest.metrics().count("pantau_ingest_stored_total")
}

fn killed(kills: u32, standin: fn(SocketAddr) -> Standin, options: Options) {
    let seed = seed();
    println!("{kills} kills, seed {seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    let mut database = InfluxDb::start(standin);
    let mut system = System::start(&database.options(small(options)));
    let fleet = Fleet::start(system.gateway.mqtt, devices());
    for _ in 0..kills {
        let before = database.taken();
        wait_until("the database to take readings", 2 * LIMIT, || database.taken() > before);
        std::thread::sleep(Duration::from_millis(random.random_range(0..400)));
        if random.random_bool(0.5) {
            database.standin.fail(&[Fault::TakenAndCut, Fault::Cut, Fault::Status(503)]);
            std::thread::sleep(Duration::from_millis(random.random_range(0..40)));
        }
        let (base, ingest) = *[(true, false), (false, true), (true, true)].choose(&mut random).unwrap();
        if base {
            database.kill();
        }
        if ingest {
            std::thread::sleep(Duration::from_millis(random.random_range(0..20)));
            system.ingest.part.kill();
        }
        std::thread::sleep(Duration::from_millis(random.random_range(0..300)));
        if ingest {
            system.ingest.part.launch();
        }
        if base {
            database.restart();
        }
    }
    let before = database.taken();
    wait_until("the database to take readings after the last kill", 2 * LIMIT, || database.taken() > before);
    let ledger = fleet.stop();
    println!("{} readings, {} acked, {} bodies taken", ledger.sent.len(), ledger.acked(), database.taken());
    system.assert_kept(&ledger);
}

#[test]
fn a_killed_influxdb_and_a_killed_ingest_lose_and_double_nothing() {
    killed(12, Standin::start, Options::default());
}

#[test]
fn a_killed_influxdb_behind_tls_and_an_ingest_killed_with_its_unsynced_writes_lose_and_double_nothing() {
    killed(
        12,
        Standin::start_tls,
        Options { ingest_faults: Some("volatile".to_owned()), ..Options::default() },
    );
}

#[test]
fn while_the_database_is_away_the_spool_holds_everything_until_it_is_full_and_devices_wait() {
    let mut database = InfluxDb::start(Standin::start);
    let spool = "[spool]\nsegment = \"1 MiB\"\nmax_size = \"8 MiB\"\nfree_floor = \"0 B\"\n".to_owned();
    let mut system = System::start(&database.options(Options { gateway_extra: spool, ..Options::default() }));
    let fast = |manner: Manner| Manner { rate: 20_000, window: 400, ..manner };
    // QoS 0 cannot wait; what becomes of it is another test's question.
    let patient = devices().into_iter().filter(|manner| !manner.qos.contains(&0));
    let fleet = Fleet::start(system.gateway.mqtt, patient.map(fast).collect());
    wait_until("readings to be stored", LIMIT, || stored_total(&system) > 1_000);
    // First it has too much to do, then nobody is there.
    database.standin.tell(|told| told.always = Some(429));
    let withheld = |system: &System| system.gateway.metrics().get("pantau_gateway_withheld_total");
    wait_until("ingest to say what is wrong", LIMIT, || {
        let said = get(system.ingest.http, "/readyz").body;
        said.contains("degraded") && said.contains("429")
    });
    let before = stored_total(&system);
    wait_until("devices to wait", 4 * LIMIT, || withheld(&system) > 0.0);
    database.kill();
    let held = system.gateway.metrics().get("pantau_gateway_backlog_readings");
    assert!(held > 10_000.0, "the spool holds {held} readings");
    // Long enough that ingest gives batches back to the gateway, which sends them again.
    wait_until("ingest to give up a batch", 2 * LIMIT, || {
        !get(system.ingest.http, "/readyz").body.contains("429")
    });
    assert_eq!(stored_total(&system), before, "nothing is counted that the database does not have");
    database.standin.tell(|told| told.always = None);
    database.restart();
    let acked = fleet.acked();
    wait_until("devices to be served again", 4 * LIMIT, || fleet.acked() > acked + 1_000);
    system.assert_kept(&fleet.stop());
    assert!(get(system.ingest.http, "/readyz").body.contains("ready"));
}

#[test]
fn nothing_settled_is_missing_and_everything_unsettled_is_sent_again_when_victoriametrics_is_killed() {
    let seed = seed();
    println!("seed {seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    let folder = tempfile::Builder::new().prefix("pantau-victoria-").tempdir().unwrap();
    let options = ["-retentionPeriod=5y", "-dedup.minScrapeInterval=1ms"];
    let mut database = VictoriaMetrics::start(folder.path(), &options);
    // Its process was seen to lose what it had taken in the last 9 seconds before a kill.
    let store = format!(
        "[store]\nengine = \"victoriametrics\"\nurl = \"http://{}\"\nsettle = \"12s\"\n",
        database.address
    );
    let mut system = System::start(&small(Options { ingest_extra: store, ..Options::default() }));
    let slow = |manner: Manner| Manner { rate: 100, ..manner };
    let fleet = Fleet::start(system.gateway.mqtt, devices().into_iter().map(slow).collect());
    for victim in ["database", "ingest", "database"] {
        let before = stored_total(&system);
        wait_until("readings to settle", 4 * LIMIT, || stored_total(&system) > before);
        // Amid the wait of the next ones.
        std::thread::sleep(Duration::from_millis(random.random_range(2_000..9_000)));
        if victim == "database" {
            let told = system.ingest.part.log().matches("is sent again").count();
            database.kill();
            database.restart();
            wait_until("ingest to see that it is another process", 2 * LIMIT, || {
                system.ingest.part.log().matches("is sent again").count() > told
            });
        } else {
            system.ingest.part.kill();
            system.ingest.start();
        }
    }
    let before = stored_total(&system);
    wait_until("readings to settle after the last kill", 4 * LIMIT, || stored_total(&system) > before);
    let ledger = fleet.stop();
    println!("{} readings, {} acked", ledger.sent.len(), ledger.acked());
    system.gateway.wait_drained(4 * LIMIT);
    // Right behind the last ack: what was acked had settled.
    database.kill();
    database.restart();
    database.show();
    system.assert_kept(&ledger);
}
