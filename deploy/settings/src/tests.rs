#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

use super::*;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Told {
    first: First,
    several: Vec<One>,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct First {
    #[serde(deserialize_with = "address")]
    listen: SocketAddr,
    room: Size,
    #[serde(deserialize_with = "duration")]
    wait: Duration,
}

impl Default for First {
    fn default() -> Self {
        Self { listen: ([127, 0, 0, 1], 1).into(), room: Size(1 << 20), wait: Duration::ZERO }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    name: String,
    #[serde(default)]
    token: Secret,
}

impl Settings for Told {
    const PRINTED_BY: &'static str = "told config";
    const SECRETS: &'static [&'static str] = &["token"];

    fn settle(&mut self, _: &Path) -> Result<(), Fault> {
        if self.first.room == Size(5 << 30) {
            return Err(Fault::new("first.room", format!("{} is too much", self.first.room), "take less"));
        }
        match self.several.iter().position(|one| one.name == "bad" && one.token.is_empty()) {
            Some(n) => Err(Fault::new(format!("several[{n}].token"), "there is none", "give one")),
            None => Ok(()),
        }
    }
}

fn told(text: &str) -> Result<Told, Complaint> {
    parse(text, Path::new("told.toml"))
}

#[test]
fn values_carry_their_unit() {
    let read = |text: &str| told(&format!("[first]\n{text}")).unwrap().first;
    for (text, bytes) in
        [("0 B", 0), ("512B", 512), ("64 KiB", 65_536), ("3MiB", 3 << 20), ("2 TiB", 2 << 40)]
    {
        let room = read(&format!("room = {text:?}")).room;
        assert_eq!(room, Size(bytes));
        assert_eq!(read(&format!("room = \"{room}\"")).room, room, "as it is shown");
    }
    for (text, ms) in
        [("200ms", 200), ("90s", 90_000), ("15 m", 900_000), ("36h", 129_600_000), ("7d", 604_800_000)]
    {
        assert_eq!(read(&format!("wait = {text:?}")).wait, Duration::from_millis(ms));
    }
    assert_eq!(
        (Size(0).to_string(), Size(1536 << 10).to_string()),
        ("0 B".to_owned(), "1536 KiB".to_owned())
    );
}

#[test]
fn every_complaint_names_file_line_key_value_and_mend() {
    for (text, said, mend) in [
        ("[first]\nroom = 4294967296", "2: first.room: 4294967296 has no unit", "write \"4 GiB\""),
        ("[first]\nroom = \"1024\"", "2: first.room: 1024 has no unit", "write \"1 KiB\""),
        ("[first]\nroom = -1", "2: first.room: -1 is below 0", "KiB, MiB"),
        ("[first]\nroom = \"2 GB\"", "2: first.room: cannot read \"2 GB\"", "such as \"64 MiB\""),
        ("[first]\nroom = \"20000000 TiB\"", "2: first.room: cannot read", "such as"),
        ("[first]\nwait = 5", "2: first.wait: 5 has no unit", "write \"5s\" for seconds"),
        ("[first]\nwait = \"soon\"", "2: first.wait: cannot read \"soon\"", "ms, s, m, h or d"),
        (
            "[first]\n\nlisten = \"localhost:80\"",
            "3: first.listen: \"localhost:80\" is no address",
            "127.0.0.1:8080",
        ),
        ("[first]\nlisten = 80", "2: first.listen: \"80\" is no address", "127.0.0.1:8080"),
        (
            "first.listening = \"x\"",
            "1: first.listening: there is no key `listening`, expected one of `listen`",
            "prints every key",
        ),
        ("[nothing]\nroom = \"1 B\"", "1: nothing: there is no key `nothing`", "prints every key"),
        ("[first]\nroom = \"5 GiB\"", "2: first.room: 5 GiB is too much", "take less"),
        (
            "[[several]]\nname = \"a\"\n[[several]]\nname = \"bad\"",
            "3: several.token: there is none",
            "give one",
        ),
        ("[[several]]\nname = \"bad\"\ntoken = \"\"", "3: several.token: there is none", "give one"),
        ("[[several]]\ntoken = \"a\"", "1: several: lacks `name`", "prints every key"),
        ("[first\nroom = 1", "1: ", "prints every key"),
        ("[first]\nroom = \"1 B\"\nroom = \"1 B\"", "3: room: duplicate key", "prints every key"),
        ("first = 3", "1: first: is the number `3`, expected a table", "prints every key"),
        (
            "[several]\nname = \"a\"",
            "1: several: is one table, and there may be several",
            "write [[several]]",
        ),
        ("[[several]]\nname = 3", "2: several.name: is the number `3`, expected text in quotes", "prints"),
    ] {
        let complaint = told(text).unwrap_err().to_string();
        let (what, how) = complaint.split_once("\n  mend: ").unwrap();
        assert!(what.starts_with(&format!("told.toml:{said}")), "{complaint}");
        assert!(how.contains(mend), "{complaint}");
    }
}

#[test]
fn a_secret_never_shows() {
    let complaint = told("[[several]]\nname = \"a\"\ntoken = 123456789\n").unwrap_err().to_string();
    assert!(complaint.starts_with("told.toml:3: several.token: is no text in quotes\n"), "{complaint}");
    assert!(!complaint.contains("123456789"), "{complaint}");
    let shown = format!("{:?}", told("[[several]]\nname = \"a\"\ntoken = \"s3cret\"\n").unwrap());
    assert!(shown.contains("***") && !shown.contains("s3cret"), "{shown}");
}

#[test]
fn a_secret_may_stand_in_the_first_line_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    assert!(Secret::read(&file, "a.b").unwrap_err().to_string().starts_with("a.b: "));
    std::fs::write(&file, "\nsecond").unwrap();
    assert!(Secret::read(&file, "a.b").unwrap_err().what.contains("is empty"));
    std::fs::write(&file, " s3cret \r\nmore").unwrap();
    assert_eq!(Secret::read(&file, "a.b").unwrap().reveal(), "s3cret");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let complaint = load::<Told>(Path::new("/nowhere/told.toml")).unwrap_err().to_string();
    assert!(complaint.starts_with("/nowhere/told.toml: cannot be read: "), "{complaint}");
    assert!(complaint.contains("\n  mend: ") && complaint.contains("`told config`"), "{complaint}");
}

#[test]
fn a_file_that_is_no_text_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("told.toml");
    std::fs::write(&file, b"\xff\x00").unwrap();
    let complaint = load::<Told>(&file).unwrap_err().to_string();
    assert!(complaint.ends_with("mend: save it as text in UTF-8"), "{complaint}");
}
