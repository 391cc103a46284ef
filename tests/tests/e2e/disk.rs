//! A full disk on either side. The data folder is a small tmpfs, which needs root and the right to mount.

use crate::kills::devices;
use pantau_e2e::clock::wait_until;
use pantau_e2e::device::Fleet;
use pantau_e2e::http::{get, get_items};
use pantau_e2e::mqtt::{Client, Hello, disconnect};
use pantau_e2e::parts::{Gateway, Ingest, LIMIT, Part};
use pantau_e2e::ports;
use pantau_e2e::process::{binary, run};
use pantau_e2e::proxy::Fault;
use pantau_e2e::system::{Counters, Options, System, quarantined_payloads, stored};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A disk of its own, gone with its guard.
pub(crate) struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    pub(crate) fn new(megabytes: u32) -> Self {
        let folder = tempfile::Builder::new().prefix("pantau-disk-").tempdir().unwrap();
        let options = std::ffi::CString::new(format!("size={megabytes}m")).unwrap();
        mount("tmpfs", folder.path(), "tmpfs", MountFlags::empty(), options.as_c_str()).unwrap_or_else(
            |error| {
                panic!(
                    "cannot mount a small disk ({error}): run as root, or in a namespace of your own: \
                 unshare --user --map-root-user --mount cargo test --release -p pantau-e2e --test e2e disk"
                )
            },
        );
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Fills all that is left of it; gives the file that does.
    pub(crate) fn fill(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        let mut file = File::create(&path).unwrap();
        for size in [1 << 20, 1 << 12, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = unmount(self.folder.path(), UnmountFlags::DETACH);
    }
}

/// Devices that send as fast as they can: a small disk is full within seconds.
fn fast_fleet(system: &System) -> Fleet {
    let manner = |mut manner: pantau_e2e::device::Manner| {
        manner.rate = 20_000;
        manner.window = 400;
        manner
    };
    Fleet::start(system.gateway.mqtt, devices().into_iter().map(manner).collect())
}

fn acked_more(fleet: &Fleet, count: u64, what: &str) {
    let before = fleet.acked();
    wait_until(what, 2 * LIMIT, || fleet.acked() > before + count);
}

#[test]
fn a_gateway_that_fills_its_disk_withholds_acks_and_loses_nothing() {
    let disk = SmallDisk::new(48);
    let data = disk.path().join("gateway");
    let extra = "[spool]\nsegment = \"1 MiB\"\nmax_size = \"16 MiB\"\nfree_floor = \"4 MiB\"\n".to_owned();
    let mut system =
        System::start(&Options { gateway_data: Some(data), gateway_extra: extra, ..Options::default() });
    system.network.cut();
    let fleet = fast_fleet(&system);
    wait_until("the gateway to withhold", 4 * LIMIT, || {
        system.gateway.metrics().get("pantau_gateway_withheld_total") > 0.0
    });
    system.gateway.part.process().assert_alive();
    system.network.set(Fault::Pass);
    acked_more(&fleet, 1_000, "devices to be served again once there is space");
    system.assert_kept(&fleet.stop());
}

#[test]
fn what_a_full_spool_sheds_at_qos_0_reaches_the_city_as_a_loss() {
    let extra = "[spool]\nsegment = \"1 MiB\"\nmax_size = \"8 MiB\"\nfree_floor = \"0 B\"\n".to_owned();
    let mut system = System::start(&Options { gateway_extra: extra, ..Options::default() });
    system.network.cut();
    let fleet = fast_fleet(&system);
    let metric = |system: &System, name: &str| system.gateway.metrics().get(name);
    wait_until("the spool to be full", 4 * LIMIT, || {
        let before = fleet.acked();
        std::thread::sleep(std::time::Duration::from_secs(1));
        metric(&system, "pantau_gateway_withheld_total") > 0.0 && fleet.acked() == before
    });
    let spooled = metric(&system, "pantau_gateway_spooled_total");
    let mut sent = 0;
    // A full spool may have room for a few: less than what the others want to add at once.
    wait_until("messages to be given up", LIMIT, || {
        let (mut hasty, _) = Client::connect(system.gateway.mqtt, &Hello::clean("hasty")).unwrap();
        for n in 0..50 {
            hasty.deliver("pantau/hasty/pulses", format!("{n}").as_bytes(), 0, 0);
        }
        hasty.send(&disconnect()).unwrap();
        sent += 50;
        hasty.receive(LIMIT).expect_err("the gateway hangs up when all of them are stored or given up");
        metric(&system, "pantau_gateway_shed_total") > 0.0
    });
    let shed = system.gateway.metrics().count("pantau_gateway_shed_total");
    assert_eq!(system.gateway.metrics().count("pantau_gateway_lost_total"), shed);
    // What was journaled of it survives, too: one position beside those of the messages that found room.
    let synced = spooled + (sent - shed) as f64 + 1.0;
    wait_until("their loss to be synced", LIMIT, || {
        metric(&system, "pantau_gateway_spooled_total") >= synced
    });
    system.gateway.part.kill();
    system.gateway.start();
    system.network.set(Fault::Pass);
    acked_more(&fleet, 1_000, "devices to be served again once there is space");
    let ledger = fleet.stop();
    system.gateway.wait_drained(4 * LIMIT);
    system.stop();
    system.restart();
    let taken = stored(system.ingest.http);
    let hasty = taken.get("hasty/pulses").map_or(0, |points| points.len() as u64);
    assert_eq!(hasty + shed, sent, "each of them is stored or given up");
    let counted = Counters::read(system.ingest.http);
    counted.assert_balanced(shed);
    let losses = get_items(system.ingest.http, "/api/v1/losses");
    assert_eq!(
        (&losses[0]["count"], &losses[0]["reason"]),
        (&shed.into(), &"qos0_shed".into()),
        "{losses:?}"
    );
    assert_eq!(get_items(system.ingest.http, "/api/v1/gateways")[0]["lost"], shed);
    let others = taken.into_iter().filter(|(series, _)| !series.starts_with("hasty")).collect();
    ledger.assert_kept(&others, &quarantined_payloads(system.ingest.http));
}

#[test]
fn a_gateway_whose_disk_others_fill_goes_on_when_there_is_space() {
    let disk = SmallDisk::new(64);
    let data = disk.path().join("gateway");
    let extra = "[spool]\nsegment = \"1 MiB\"\nmax_size = \"32 MiB\"\nfree_floor = \"4 MiB\"\n".to_owned();
    let mut system =
        System::start(&Options { gateway_data: Some(data), gateway_extra: extra, ..Options::default() });
    let fleet = Fleet::start(system.gateway.mqtt, devices());
    acked_more(&fleet, 200, "readings to be acked");
    let filler = disk.fill("filler");
    system.network.cut();
    std::thread::sleep(std::time::Duration::from_secs(3));
    system.gateway.part.process().assert_alive();
    // It starts on a full disk, too.
    system.gateway.part.kill();
    system.gateway.start();
    std::fs::remove_file(filler).unwrap();
    system.network.set(Fault::Pass);
    acked_more(&fleet, 1_000, "devices to be served again once there is space");
    system.assert_kept(&fleet.stop());
}

#[test]
fn an_ingest_without_space_acks_nothing_and_goes_on_when_there_is_space() {
    let disk = SmallDisk::new(256);
    let data = disk.path().join("ingest");
    // Little memory, so that it is soon full of what cannot go into files.
    let extra = "[store]\nmemory = \"256 KiB\"\n".to_owned();
    let mut system =
        System::start(&Options { ingest_data: Some(data), ingest_extra: extra, ..Options::default() });
    let fleet = Fleet::start(system.gateway.mqtt, devices());
    let acked = |system: &System| system.gateway.metrics().get("pantau_gateway_acked_total");
    let withheld = |system: &System| system.ingest.metrics().get("pantau_ingest_withheld_total");
    wait_until("ingest to take readings in", LIMIT, || acked(&system) > 500.0);
    assert_eq!(withheld(&system), 0.0);
    let assert_withholds = |system: &System| {
        wait_until("ingest to withhold acks", 2 * LIMIT, || withheld(system) > 0.0);
        let before = acked(system);
        acked_more(&fleet, 1_000, "devices to be served while ingest has no space");
        assert_eq!(acked(system), before, "nothing is acked without space");
        assert_eq!(get(system.ingest.http, "/healthz").status, 200);
        let ready = get(system.ingest.http, "/readyz");
        assert!(ready.status == 200 && ready.body.contains("degraded"), "{}", ready.body);
    };
    let fillers = [disk.fill("filler"), disk.path().join("more")];
    assert_withholds(&system);
    system.ingest.part.process().assert_alive();
    // It starts on a full disk, too. Its start frees preallocated segments, which it may use: others take them here.
    system.ingest.part.kill();
    system.ingest.start();
    disk.fill("more");
    assert_withholds(&system);
    fillers.iter().for_each(|filler| std::fs::remove_file(filler).unwrap());
    let before = acked(&system);
    wait_until("ingest to take readings in again", LIMIT, || acked(&system) > before);
    system.assert_kept(&fleet.stop());
}

#[test]
fn a_disk_that_is_too_small_is_said_before_and_at_the_start() {
    let disk = SmallDisk::new(64);
    let folder = tempfile::tempdir().unwrap();
    let check = |part: &Part| {
        let mut command = Command::new(binary(part.name));
        command.args(["check", "--config"]).arg(&part.config);
        let (code, _, error) = run(command, LIMIT);
        assert_eq!(code, 0, "{error}");
        error
    };
    let mut ingest = Ingest::new(folder.path(), None, Some(&disk.path().join("ingest")), "");
    assert!(check(&ingest.part).contains("64 MiB are free and 128 MiB needed"), "{}", check(&ingest.part));
    ingest.start();
    let said = ingest.part.log();
    assert!(said.contains("64 MiB are missing") && said.contains("free_floor under [store]"), "{said}");
    let ready = get(ingest.http, "/readyz").body;
    assert!(ready.contains("degraded") && ready.contains("the disk is full"), "{ready}");
    ingest.part.stop();

    let data = disk.path().join("gateway");
    let mut gateway = Gateway::new(folder.path(), ports::free(), None, Some(&data), "");
    assert!(check(&gateway.part).contains("288 MiB needed"), "{}", check(&gateway.part));
    gateway.start();
    let said = gateway.part.log();
    assert!(said.contains("are missing") && said.contains("free_floor or segment under [spool]"), "{said}");
    gateway.part.stop();
    let room = Gateway::new(
        folder.path(),
        ports::free(),
        None,
        Some(&data),
        "[spool]\nfree_floor = \"1 MiB\"\nsegment = \"1 MiB\"\n",
    );
    assert!(!check(&room.part).contains("missing"));
}
