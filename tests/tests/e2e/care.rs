//! The data folder cared for from outside: checked and backed up under load, and restored after everything was lost.

use crate::disk::SmallDisk;
use crate::kills::devices;
use pantau_e2e::clock::{now, wait_until};
use pantau_e2e::device::{Fleet, Manner};
use pantau_e2e::ledger::{Finding, Ledger, Stored};
use pantau_e2e::parts::LIMIT;
use pantau_e2e::process::{Proc, binary, run};
use pantau_e2e::system::{Options, System, quarantined_payloads, stored};
use std::path::Path;
use std::process::Command;

/// Small tables, so that files are written and merged meanwhile; the gateway keeps what is acked, as it does by default.
fn options() -> Options {
    Options {
        ingest_extra: "[store]\nmemory = \"1 MiB\"\nflush_after = \"1s\"\n".to_owned(),
        gateway_extra: "[spool]\nsegment = \"1 MiB\"\n".to_owned(),
        ..Options::default()
    }
}

fn command(arguments: &[&Path]) -> Command {
    let mut command = Command::new(binary("pantau-ingest"));
    command.args(arguments);
    command
}

/// Runs `pantau-ingest` and gives its exit code and all that it printed.
fn ingest(arguments: &[&Path]) -> (i32, String) {
    let (code, out, error) = run(command(arguments), LIMIT);
    (code, format!("{out}{error}"))
}

#[track_caller]
fn ends_with(code: i32, word: &str, arguments: &[&Path]) -> String {
    let (found, said) = ingest(arguments);
    assert_eq!(found, code, "{arguments:?}: {said}");
    assert!(said.contains(word) && !said.contains("panicked"), "{word:?} is not in: {said}");
    said
}

fn early(name: &str) -> bool {
    name.starts_with("early-")
}

/// What of the store and the quarantine is (or is not) of the early devices.
fn part(system: &System, of_early: bool) -> (Stored, Vec<String>) {
    let readings = stored(system.ingest.http).into_iter().filter(|(series, _)| early(series) == of_early);
    let mut garbage = quarantined_payloads(system.ingest.http);
    garbage.retain(|payload| early(payload) == of_early);
    (readings.collect(), garbage)
}

fn acked_more(fleet: &Fleet, count: u64) {
    let before = fleet.acked();
    wait_until("readings to be acked", LIMIT, || fleet.acked() > before + count);
}

#[test]
fn what_was_acked_before_a_backup_is_in_it_and_the_rest_comes_again() {
    let mut system = System::start(&options());
    let (backup, lost) = (system.folder().join("backup"), system.folder().join("lost"));
    let data = system.ingest.part.data.clone();
    let named = |device: Manner| Manner { name: format!("early-{}", device.name), ..device };
    let fleet = Fleet::start(system.gateway.mqtt, devices().into_iter().map(named).collect());
    acked_more(&fleet, 2_000);
    let before = fleet.stop();
    system.gateway.wait_drained(LIMIT);

    let fleet = Fleet::start(system.gateway.mqtt, devices());
    acked_more(&fleet, 1_000);
    for _ in 0..5 {
        ends_with(0, "sound: ", &["verify".as_ref(), &data]);
        acked_more(&fleet, 100);
    }
    let began = now();
    let said = ends_with(0, "complete", &["backup".as_ref(), &data, &backup]);
    println!("{said}in {:?} under load", began.elapsed());
    acked_more(&fleet, 1_000);
    system.ingest.part.kill();
    acked_more(&fleet, 200);
    let after = fleet.stop();
    system.gateway.part.stop();
    std::fs::rename(&data, &lost).unwrap();

    ends_with(0, "sound: ", &["verify".as_ref(), &backup]);
    ends_with(0, "restored", &["restore".as_ref(), &backup, &data]);
    ends_with(0, "sound: ", &["verify".as_ref(), &data]);
    system.ingest.start();
    let (readings, garbage) = part(&system, true);
    before.assert_kept(&readings, &garbage);
    let (readings, garbage) = part(&system, false);
    let lacking = after.check(&readings, &garbage);
    let only_lacking = |finding: &Finding| matches!(finding, Finding::Lost(_) | Finding::GarbageLost(_));
    assert!(lacking.iter().all(only_lacking), "{:?}", lacking.iter().find(|finding| !only_lacking(finding)));
    println!("{} readings and payloads came after the backup", lacking.len());
    assert!(lacking.len() > 1_000, "this run shows nothing");

    system.gateway.start();
    wait_until("the gateway to send again what ingest lacks", 2 * LIMIT, || {
        let (readings, garbage) = part(&system, false);
        after.check(&readings, &garbage).is_empty()
    });
    let mut all = Ledger::default();
    all.merge(before);
    all.merge(after);
    system.assert_kept(&all);
    ends_with(0, "sound: ", &["verify".as_ref(), &data]);
}

#[test]
fn a_backup_or_a_restore_that_is_killed_midway_is_not_taken_for_a_whole_one() {
    let mut system = System::start(&options());
    let data = system.ingest.part.data.clone();
    let folder = system.folder().to_owned();
    let path = |name: String| folder.join(name);
    let fleet = Fleet::start(system.gateway.mqtt, devices());
    acked_more(&fleet, 3_000);
    let (new, log) = (path("new".to_owned()), path("care.log".to_owned()));
    let mut torn = 0;
    for round in 0..200 {
        let target = path(format!("torn-{round}"));
        let mut backup = Proc::start("backup", command(&["backup".as_ref(), &data, &target]), &log);
        wait_until("the backup to begin", LIMIT, || target.join("store").exists());
        std::thread::sleep(std::time::Duration::from_millis(round % 8));
        backup.kill();
        if !target.join("BACKUP").exists() {
            ends_with(1, "no file BACKUP", &["restore".as_ref(), &target, &new]);
            assert!(!new.exists());
            torn += 1;
        }
        if torn == 5 {
            break;
        }
    }
    assert_eq!(torn, 5, "the backups were too fast to be killed");
    let whole = path("whole".to_owned());
    ends_with(0, "complete", &["backup".as_ref(), "--config".as_ref(), &system.ingest.part.config, &whole]);
    let half = (0..200).map(|round| path(format!("half-{round}"))).find(|half| {
        let mut restore = Proc::start("restore", command(&["restore".as_ref(), &whole, half]), &log);
        let (unfinished, begun) = (half.join("restore.unfinished"), now());
        // It takes a few milliseconds: whoever looks less often than always comes too late.
        while !unfinished.exists() && !half.join("store").exists() {
            assert!(begun.elapsed() < LIMIT, "the restore does not begin");
        }
        restore.kill();
        unfinished.exists()
    });
    let half = half.expect("a restore that is killed midway");
    ends_with(2, "is not empty", &["restore".as_ref(), &whole, &half]);
    let ledger = fleet.stop();
    system.gateway.wait_drained(LIMIT);
    system.ingest.part.stop();
    std::fs::rename(&data, path("aside".to_owned())).unwrap();
    std::fs::rename(&half, &data).unwrap();
    ends_with(1, "did not finish", &["run".as_ref(), "--config".as_ref(), &system.ingest.part.config]);
    std::fs::remove_dir_all(&data).unwrap();
    ends_with(0, "restored", &["restore".as_ref(), &whole, &data]);
    system.ingest.start();
    wait_until("the gateway to send again what ingest lacks", 2 * LIMIT, || {
        ledger.check(&stored(system.ingest.http), &quarantined_payloads(system.ingest.http)).is_empty()
    });
    system.assert_kept(&ledger);
}

#[test]
fn a_backup_on_another_disk_is_a_copy_and_one_that_does_not_fit_says_so() {
    let mut system = System::start(&options());
    let disk = SmallDisk::new(64);
    let (data, new) = (system.ingest.part.data.clone(), system.folder().join("new"));
    let fleet = Fleet::start(system.gateway.mqtt, devices());
    acked_more(&fleet, 1_000);
    let (whole, torn) = (disk.path().join("whole"), disk.path().join("torn"));
    ends_with(0, ", 0 bytes of them linked", &["backup".as_ref(), &data, &whole]);
    disk.fill("filler");
    let said = ends_with(1, "No space left", &["backup".as_ref(), &data, &torn]);
    assert!(said.contains("mend: remove what is there"), "{said}");
    ends_with(1, "no file BACKUP", &["restore".as_ref(), &torn, &new]);
    ends_with(0, "restored", &["restore".as_ref(), &whole, &new]);
    ends_with(0, "sound: ", &["verify".as_ref(), &new]);
    system.assert_kept(&fleet.stop());
}

#[test]
fn damage_is_named_and_costs_only_itself_and_wrong_arguments_end_with_2() {
    let mut system = System::start(&options());
    let (data, config) = (system.ingest.part.data.clone(), system.ingest.part.config.clone());
    let fleet = Fleet::start(system.gateway.mqtt, devices());
    acked_more(&fleet, 1_000);
    let ledger = fleet.stop();
    system.gateway.wait_drained(LIMIT);
    system.stop();
    let sound = ends_with(0, "sound: ", &["verify".as_ref(), "--config".as_ref(), &config]);
    println!("{sound}");
    let files = std::fs::read_dir(data.join("store/data")).unwrap();
    let file = files.map(|entry| entry.unwrap().path()).max().unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[60] ^= 0xff;
    std::fs::write(&file, bytes).unwrap();
    let said = ends_with(1, "1 place is damaged: ", &["verify".as_ref(), &data]);
    let line = said.lines().next().unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(line.starts_with(&format!("store/data/{name}: byte 32: ")), "{line}");
    let costs: usize = line.split("costs: ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(line.contains(" readings of ") && line.contains("; mend: "), "{line}");
    system.ingest.start();
    let there: usize = stored(system.ingest.http).values().map(Vec::len).sum();
    assert_eq!(there + costs, ledger.sent.len(), "a damaged block costs what was said: {line}");
    system.ingest.part.stop();

    let nowhere = Path::new("/nowhere/at-all");
    ends_with(2, "DIR", &["verify".as_ref()]);
    ends_with(2, "cannot be used with", &["verify".as_ref(), &data, "--config".as_ref(), &config]);
    ends_with(2, "holds no store", &["verify".as_ref(), nowhere]);
    ends_with(2, "no manifest", &["backup".as_ref(), nowhere, nowhere]);
    ends_with(2, "is not empty", &["backup".as_ref(), &data, &data]);
    ends_with(2, "TARGET", &["backup".as_ref()]);
    ends_with(1, "no file BACKUP", &["restore".as_ref(), &data, nowhere]);
}
