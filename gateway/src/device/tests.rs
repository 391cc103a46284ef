#![allow(clippy::unwrap_used, clippy::expect_used)]

use argon2::password_hash::{PasswordHash, PasswordVerifier as _};

use super::*;
use crate::cli;
use crate::config::DEFAULT_TOML;

fn asked(name: &str, config: &Path) -> AddDevice {
    let file = cli::File { config: config.to_owned() };
    AddDevice { name: name.into(), host: Some("pole-7.local".into()), file }
}

/// What stands behind a word at the begin of a line.
fn said<'t>(text: &'t str, word: &str) -> &'t str {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(word)).unwrap();
    line.split_whitespace().next().unwrap()
}

#[test]
fn a_device_that_was_added_gets_in_with_what_was_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    // Without a line feed at the end, readable for a group.
    std::fs::write(&file, DEFAULT_TOML.trim_end()).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let text = add(&asked("air-1", &file)).unwrap();
    let second = add(&asked("air-2", &file)).unwrap();
    assert_ne!(said(&text, "password"), said(&second, "password"));
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.starts_with(DEFAULT_TOML.trim_end()), "what was there stays");
    assert!(!written.contains(said(&text, "password")));
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o640);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    let config: Config = pantau_settings::load(&file).unwrap();
    let users: Vec<&str> = config.mqtt.user.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(users, ["air-1", "air-2"]);
    let hash = config.mqtt.user[0].password_hash.as_ref().unwrap();
    let hash = PasswordHash::new(hash.reveal()).unwrap();
    let fits =
        |text: &str| Argon2::default().verify_password(said(text, "password").as_bytes(), &hash).is_ok();
    assert!(fits(&text) && !fits(&second));
    assert_eq!(
        (said(&text, "host"), said(&text, "port"), said(&text, "user")),
        ("pole-7.local", "1883", "air-1")
    );
    assert_eq!(said(&text, "topic"), "pantau/air-1/…");
    assert!(text.contains("listens only on this machine") && text.contains('█'), "{text}");
    let url = format!("mqtt://air-1:{}@pole-7.local:1883", said(&text, "password"));
    assert!(text.contains(&url), "{text}");
}

#[test]
fn what_cannot_be_added_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, "[mqtt]\nanonymous = true\nuser = []\n").unwrap();
    for (name, word) in [("no name", "no name of a device"), ("air-1", "the file is as it was")] {
        let error = add(&asked(name, &file)).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "[mqtt]\nanonymous = true\nuser = []\n");
    std::fs::write(&file, "[mqtt]\nanonymous = true\n").unwrap();
    add(&asked("air-1", &file)).unwrap();
    let once = std::fs::read_to_string(&file).unwrap();
    assert!(add(&asked("air-1", &file)).unwrap_err().contains("already"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), once);
}

#[test]
fn the_topic_of_a_device_is_a_rules_filter_with_its_name_in_it() {
    for (filter, expected) in [
        ("pantau/#", "pantau/d/…"),
        ("a/+/b", "a/d/b"),
        ("v3/+/devices/{device}/#", "v3/+/devices/d/…"),
        ("#", "d/…"),
    ] {
        assert_eq!(topic(filter, "d"), expected);
    }
}

#[test]
fn passwords_are_of_letters_that_are_not_taken_for_others() {
    assert_eq!(password([0; 16]), "aaaa-aaaa-aaaa-aaaa");
    assert_eq!(password([31; 16]).len(), 19);
    let all: std::collections::HashSet<u8> = ALPHABET.iter().copied().collect();
    assert_eq!(all.len(), 32);
    assert!(b"0Oo1lIi".iter().all(|letter| !all.contains(letter)));
}
