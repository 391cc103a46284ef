//! Wrong arguments and configs: exit code 2, and the message names the file, the line and the mend.

use pantau_e2e::parts::{Gateway, Ingest, LIMIT, TOKEN};
use pantau_e2e::ports;
use pantau_e2e::process::{binary, run};
use pantau_e2e::system::{Options, System};
use std::net::TcpListener;
use std::process::Command;

/// Writes a config, lets `program check` read it, and gives (exit code, stderr).
fn check(program: &str, config: &str) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mistaken.toml");
    std::fs::write(&path, config).unwrap();
    let mut command = Command::new(binary(program));
    command.args(["check", "--config"]).arg(&path).current_dir(folder.path());
    let (code, out, error) = run(command, LIMIT);
    (code, format!("{out}{error}"))
}

#[track_caller]
fn refused(program: &str, line: usize, config: &str, word: &str) {
    let (code, said) = check(program, config);
    assert_eq!(code, 2, "{program} took this config: {config}\n{said}");
    let place = format!("mistaken.toml:{line}");
    assert!(said.contains(&place), "{place} is not named: {said}");
    assert!(said.contains(word), "{word:?} is not named: {said}");
    assert!(said.contains("mend"), "no mend: {said}");
    assert!(!said.contains("panicked") && !said.contains(TOKEN), "{said}");
}

#[test]
fn a_wrong_gateway_config_is_refused_with_file_line_and_mend() {
    let gateway = |line, config: &str, word| refused("pantau-gateway", line, config, word);
    gateway(2, "[gateway]\nidd = \"a\"\n", "idd");
    gateway(3, "[gateway]\n# who\nid = 7\n", "id");
    gateway(2, "[gateway]\nid = \"not a name\"\n", "not a name");
    gateway(1, "[gateway\n", "");
    gateway(2, "[gateway]\nprofile = \"quick\"\n", "quick");
    gateway(3, "[mqtt]\nlisten = \"0.0.0.0:1883\"\nanonymous = true\n", "0.0.0.0");
    gateway(2, "[status]\nlisten = \"0.0.0.0:9080\"\n[mqtt]\nanonymous = true\n", "0.0.0.0");
    gateway(2, "[mqtt]\nanonymous = false\n", "anonymous");
    gateway(4, "[mqtt]\nanonymous = true\n[uplink]\nurl = \"ingest\"\n", "ingest");
    gateway(4, "[mqtt]\nanonymous = true\n[spool]\nkeep_acked = \"a week\"\n", "a week");
    gateway(4, "[mqtt]\nanonymous = true\n[spool]\nmax_size = 4294967296\n", "write \"4 GiB\"");
    let both = format!("[mqtt]\nanonymous = true\n[uplink]\ntoken = \"{TOKEN}\"\ntoken_file = \"x\"\n");
    gateway(4, &both, "token_file");
}

#[test]
fn a_wrong_ingest_config_is_refused_with_file_line_and_mend() {
    let ingest = |line, config: &str, word| refused("pantau-ingest", line, config, word);
    ingest(2, "[http]\nport = 1\n", "port");
    ingest(2, "[http]\nlisten = \"nowhere\"\n", "address");
    ingest(2, "[http]\nlisten = \"0.0.0.0:8080\"\n", "0.0.0.0");
    ingest(2, "[store]\nmemory = \"much\"\n", "much");
    ingest(2, "[store]\nmemory = 134217728\n", "write \"128 MiB\"");
    ingest(2, "[[gateway]]\nid = \"a\"\n", "token");
    ingest(3, "[[gateway]]\nid = \"a\"\ntoken = \"short\"\n", "16");
    let twice = format!("[[gateway]]\nid = \"a\"\ntoken = \"{TOKEN}\"\n");
    ingest(5, &format!("{twice}{twice}"), "twice");
    ingest(3, "[[station]]\ndevice = \"a\"\nlatitude = 200.0\n", "latitude");
}

#[test]
fn a_missing_config_and_wrong_arguments_end_with_2() {
    for program in ["pantau-gateway", "pantau-ingest"] {
        for arguments in [
            vec!["run", "--config", "/nowhere/at-all.toml"],
            vec!["check", "--config", "/nowhere/at-all.toml"],
            vec!["run", "--konfig", "x"],
            vec!["fly"],
        ] {
            let mut command = Command::new(binary(program));
            command.args(&arguments);
            let (code, out, error) = run(command, LIMIT);
            assert_eq!(code, 2, "{program} {arguments:?}: {out}{error}");
            assert!(!error.is_empty() && !error.contains("panicked"), "{program} {arguments:?}: {error}");
        }
    }
    for (program, arguments) in
        [("pantau-sim", ["fleet", "--no-such-option"]), ("pantau", ["demo", "--no-such-option"])]
    {
        let mut command = Command::new(binary(program));
        command.args(arguments);
        assert_eq!(run(command, LIMIT).0, 2, "{program}");
    }
}

#[test]
fn the_printed_default_config_is_accepted() {
    for program in ["pantau-gateway", "pantau-ingest"] {
        let mut command = Command::new(binary(program));
        command.arg("config");
        let (code, config, error) = run(command, LIMIT);
        assert_eq!(code, 0, "{error}");
        let (code, said) = check(program, &config);
        assert_eq!(code, 0, "{program} refuses its own default: {said}");
    }
}

#[test]
fn a_taken_port_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = Gateway::new(folder.path(), ports::free(), None, None, "");
    let taken = TcpListener::bind(gateway.mqtt).unwrap();
    gateway.part.launch();
    let status = gateway.part.process().wait(LIMIT);
    assert!(!status.success());
    let said = gateway.part.log();
    assert!(said.contains(&gateway.mqtt.to_string()) && !said.contains("panicked"), "{said}");
    drop(taken);

    let mut ingest = Ingest::new(folder.path(), None, None, "");
    let _taken = TcpListener::bind(ingest.http).unwrap();
    ingest.part.launch();
    let status = ingest.part.process().wait(LIMIT);
    assert!(!status.success());
    let said = ingest.part.log();
    assert!(said.contains(&ingest.http.to_string()) && !said.contains("panicked"), "{said}");
}

#[test]
fn a_second_process_on_the_same_folder_is_refused() {
    let mut system = System::start(&Options::default());
    let other = tempfile::tempdir().unwrap();
    let data = system.gateway.part.data.clone();
    let mut second = Gateway::new(other.path(), ports::free(), None, Some(&data), "");
    second.part.launch();
    let status = second.part.process().wait(LIMIT);
    assert!(!status.success(), "two gateways on one folder: {}", second.part.log());
    let data = system.ingest.part.data.clone();
    let mut second = Ingest::new(other.path(), None, Some(&data), "");
    second.part.launch();
    let status = second.part.process().wait(LIMIT);
    assert!(!status.success(), "two ingests on one folder: {}", second.part.log());
    system.stop();
}

#[test]
fn a_gateway_with_the_wrong_token_keeps_its_readings_until_the_token_is_right() {
    let extra = "[uplink]\ntoken = \"not-the-token-not-the-token\"\n".to_owned();
    let mut system = System::start(&Options { gateway_extra: extra, ..Options::default() });
    let hello = pantau_e2e::mqtt::Hello::lasting("patient");
    let (mut device, _) = pantau_e2e::mqtt::Client::connect(system.gateway.mqtt, &hello).unwrap();
    device.deliver("pantau/patient/water_level", b"1.5", 1, 1);
    std::thread::sleep(std::time::Duration::from_secs(2));
    system.gateway.part.process().assert_alive();
    assert_eq!(system.gateway.metrics().get("pantau_gateway_backlog_readings"), 1.0);
    system.gateway.part.stop();
    let path = &system.gateway.part.config;
    let config = std::fs::read_to_string(path).unwrap().replace("not-the-token-not-the-token", TOKEN);
    std::fs::write(path, config).unwrap();
    system.gateway.start();
    system.gateway.wait_drained(LIMIT);
    let found = pantau_e2e::system::readings(system.ingest.http, "patient/water_level");
    assert_eq!(found.len(), 1);
    assert!(!system.gateway.part.log().contains(TOKEN), "the token is in the log");
    assert!(!system.ingest.part.log().contains(TOKEN), "the token is in the log");
}
