#![allow(clippy::unwrap_used, clippy::expect_used)]

mod pins;

use std::path::Path;

use pantau_settings::Complaint;

use super::*;

const HASH: &str = "$argon2id$v=19$m=4096,t=3,p=1$c29tZXNhbHQ$Wx6yLz1Zz0mYJ9y6T1bD0bq6gkq0Z8Jv2m9m3m3m3m0";

fn parse(text: &str) -> Result<Config, Complaint> {
    pantau_settings::parse(text, Path::new("gw.toml"))
}

fn wrong(text: &str) -> Complaint {
    parse(text).unwrap_err()
}

#[test]
fn the_printed_default_is_valid_and_says_the_defaults() {
    let printed = parse(DEFAULT_TOML).unwrap();
    let mut default = Config::default();
    default.mqtt.anonymous = true;
    assert_eq!(format!("{printed:?}"), format!("{default:?}"));
    // What is commented out as a default is one: with the comment signs gone it still says the same.
    let keys = [
        "profile", "clock =", "listen", "max_", "anyone", "topics", "format", "free_", "segment", "keep",
        "url", "window", "retry", "level", "[[decode", "backend", "gpiochip",
    ];
    let uncommented: Vec<&str> = DEFAULT_TOML
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if keys.iter().any(|key| rest.starts_with(key)) => rest,
            _ => line,
        })
        .collect();
    let mut uncommented = parse(&uncommented.join("\n")).unwrap();
    assert_eq!(uncommented.decode, default.decode_rules());
    uncommented.decode.clear();
    assert_eq!(format!("{uncommented:?}"), format!("{default:?}"));
}

#[test]
fn a_value_that_breaks_a_rule_is_named_with_its_line() {
    let anonymous = "[mqtt]\nanonymous = true\n";
    let broker = |name: &str, url: &str, topic: &str, more: &str| {
        format!("{anonymous}[[mqtt_client]]\nname = {name:?}\nurl = {url:?}\ntopics = [{topic:?}]\n{more}")
    };
    for (text, line, word) in [
        (format!("{anonymous}[gateway]\nid = \"a b\""), 4, "gateway.id"),
        (format!("{anonymous}[uplink]\nurl = \"https://x:1\""), 4, "https is not built"),
        (format!("{anonymous}[uplink]\nurl = \"ftp://x\""), 4, "http://host:port"),
        (format!("{anonymous}[uplink]\nwindow = 0"), 4, "between 1 and 1024"),
        (format!("{anonymous}[spool]\nkeep_acked = \"7 weeks\""), 4, "7 weeks"),
        (format!("{anonymous}[spool]\nmax_size = \"1000 B\""), 4, "four segments of 16 MiB"),
        (format!("{anonymous}[spool]\nmax_size = 4294967296"), 4, "write \"4 GiB\""),
        (format!("{anonymous}[mqtt.user]\n"), 3, "mqtt.user"),
        (
            format!(
                "{anonymous}[[decode]]\ntopics = \"a/+\"\nformat = \"number\"\n[[decode]]\ntopics = \"a\"\nformat = \"pantau\""
            ),
            7,
            "neither + nor #",
        ),
        (
            format!("{anonymous}[[decode]]\ntopics = \"tele/#\"\nformat = \"tasmota\"\nzone = \"Mars\""),
            6,
            "+07:00, UTC, WIB",
        ),
        (
            format!(
                "{anonymous}[[decode]]\ntopics = \"a/+\"\nformat = \"json\"\n[decode.json]\nreading = [{{ value = \"/v\", quantity = \"ph\", unit = \"V\" }}]"
            ),
            7,
            "no unit of ph",
        ),
        (
            format!(
                "{anonymous}[[decode]]\ntopics = \"tele/#\"\nformat = \"tasmota\"\n[decode.fields]\n\"SR04.Distance\" = \"depth\""
            ),
            6,
            "no quantity \"depth\"",
        ),
        (broker("b 1", "mqtt://x", "a/#", ""), 4, "no name"),
        (broker("b", "mqtts://x", "a/#", "ca_file = \"no-such.pem\""), 7, "cannot be read"),
        (broker("b", "mqtt://x", "a/#", "ca_file = \"ca.pem\""), 7, "belongs to TLS"),
        (broker("b", "mqtt://x:0", "a/#", ""), 5, "mqtt://host:1883"),
        (broker("b", "mqtt://u:hunter2@x", "a/#", ""), 5, "username and password_file"),
        (broker("b", "mqtt://x", "a#", ""), 6, "no topic filter"),
        (broker("b", "mqtt://x", "$share/g/a", ""), 6, "share ="),
        (broker("b", "mqtt://x", "a/#", "password = \"hunter2\""), 7, "without a user name"),
        (broker("b", "mqtt://x", "a/#", "protocol = \"4\""), 7, "protocol"),
        (format!("{anonymous}[[mqtt.user]]\nname = \"u\"\npassword_hash = \"hunter2\""), 5, "no argon2 hash"),
        (format!("{anonymous}[[mqtt.user]]\nname = \"u\""), 4, "exactly one of"),
        (
            format!("[[mqtt.user]]\nname = \"a b\"\npassword_hash = \"{HASH}\""),
            2,
            "could publish for no device",
        ),
        (
            format!("[[mqtt.user]]\nname = \"u\"\npassword_hash = \"{HASH}\"\ndevices = [\"a*b\"]"),
            4,
            "is no device's name",
        ),
        (
            format!("[[mqtt.user]]\nname = \"u\"\npassword_hash = \"{HASH}\"\ntopics = [\"a/#/b\"]"),
            4,
            "is no topic filter",
        ),
        ("[mqtt]\n".into(), 1, "no device could log in"),
        (
            "[mqtt]\nlisten = \"0.0.0.0:1883\"\nanonymous = true".into(),
            3,
            "anyone_on_the_network_may_publish",
        ),
        (format!("{anonymous}[status]\nlisten = \"0.0.0.0:9080\""), 4, "anyone_on_the_network_may_read"),
    ] {
        let error = wrong(&text);
        assert_eq!(error.line, line, "{error}");
        assert!(error.to_string().contains(word), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
}

/// A bus on line 3, its device on line 6, its registers on line 9.
fn modbus(way: &str, device: &str, registers: &str) -> String {
    format!(
        "[mqtt]\nanonymous = true\n[[modbus]]\nname = \"b\"\n{way}\n[[modbus.device]]\nname = \"m\"\n{device}\nregisters = [{registers}]\n"
    )
}

#[test]
fn a_modbus_register_that_cannot_be_is_named_with_its_line_and_mend() {
    let (tcp, id, good) = ("tcp = \"x\"", "id = 1", "{ address = 0, quantity = \"power\" }");
    let register = |text: &str| modbus(tcp, id, &format!("{{ {text} }}"));
    let again = modbus("tcp = \"x:502\"", id, good).replace("[mqtt]\nanonymous = true\n", "");
    let twice = modbus(tcp, id, good) + &again;
    for (text, line, word) in [
        (modbus("", id, good), 4, "exactly one of tcp and serial"),
        (modbus("tcp = \"x\"\nserial = \"/dev/ttyS0\"", id, good), 4, "exactly one of tcp and serial"),
        (modbus("tcp = \"x:0\"", id, good), 5, "10.0.0.7:502"),
        (modbus("serial = \"ttyS0\"", id, good), 5, "/dev/ttyUSB0"),
        (modbus("serial = \"/dev/ttyS0\"", "id = 0", good), 8, "between 1 and 247"),
        (modbus(tcp, "id = 1\ntimeout = \"20s\"", good), 9, "a longer period"),
        (modbus(tcp, "id = 1\nperiod = \"10ms\"", good), 9, "100ms and a day"),
        (modbus(tcp, "id = 1\nmax_read = 126", good), 9, "between 4 and 125"),
        (modbus(tcp, id, ""), 9, "list 1 to 1,000"),
        (modbus(tcp, id, &format!("{good}, {good}")), 9, "quantity/channel"),
        (register("address = 0, quantity = \"powr\""), 9, "no quantity \"powr\""),
        (register("address = 0, quantity = \"power\", unit = \"V\""), 9, "no unit of power"),
        (register("address = 0, quantity = \"power/a b\""), 9, "no name of a series"),
        (register("address = 65535, type = \"u32\", quantity = \"power\""), 9, "40001 is holding 0"),
        (register("read = \"coil\", type = \"u16\", address = 0, quantity = \"switch\""), 9, "one bit"),
        (
            register("type = \"bits\", bit = 15, bits = 2, address = 0, quantity = \"switch\""),
            9,
            "0, the lowest",
        ),
        (register("address = 0, quantity = \"power\", scale = 0"), 9, "not 0"),
        (register("address = 0, quantity = \"power\", type = \"u8\""), 9, "u16"),
        (twice, 11, "the same line as"),
        (
            format!(
                "{}[[pins.sensor]]\nname = \"m\"\nkind = \"pms5003\"\nbus = \"/dev/ttyS0\"\n",
                modbus("serial = \"/dev/ttyS0\"", id, good)
            ),
            4,
            "the same line as \"m\"",
        ),
        (
            format!("{}[[pins.sensor]]\nname = \"m\"\nkind = \"bme280\"\n", modbus(tcp, id, good)),
            7,
            "there twice",
        ),
    ] {
        let error = wrong(&text);
        assert!(error.to_string().contains(word), "{error}\n{text}");
        assert_eq!(error.line, line, "{error}");
    }
    let parsed = parse(&register("read = \"coil\", address = 7, quantity = \"switch/pump\"")).unwrap();
    assert_eq!(parsed.modbus[0].address(), Some(("x".into(), 502)));
    assert_eq!(parsed.modbus[0].device[0].registers[0].address, 7);
}

#[test]
fn the_modbus_example_of_the_readme_and_every_key_are_valid() {
    let readme = include_str!("../../../README.md");
    let start = readme.find("[[modbus]]\n").unwrap();
    let example = readme[start..].split("```").next().unwrap();
    let bus = parse(&format!("[mqtt]\nanonymous = true\n{example}")).unwrap().modbus.remove(0);
    assert_eq!((bus.device[0].registers.len(), bus.device[0].registers[1].unit.as_str()), (2, "kWh"));
    let every_key = modbus(
        "tcp = \"[::1]:1502\"\nframing = \"rtu\"\nbaud = 19200\nparity = \"even\"\nstop_bits = 2",
        "id = 255\nperiod = \"1m\"\ntimeout = \"2s\"\nretries = 0\nfaulty_after = 1\nmax_read = 16\nmax_gap = 4",
        "{ read = \"input\", address = 7, type = \"bits\", bit = 3, bits = 2, order = \"dcba\", quantity = \"power/x\", \
         unit = \"kW\", scale = 0.5, offset = -1, none = [0x3, 2.5] }",
    );
    let bus = parse(&every_key).unwrap().modbus.remove(0);
    assert_eq!(bus.address(), Some(("::1".into(), 1502)));
    assert_eq!(bus.device[0].registers[0].none, [3.0, 2.5]);
}

#[test]
fn an_open_listener_is_allowed_in_plain_words_or_with_users() {
    parse("[mqtt]\nlisten = \"0.0.0.0:1883\"\nanonymous = true\nanyone_on_the_network_may_publish = true")
        .unwrap();
    parse(&format!(
        "[mqtt]\nlisten = \"0.0.0.0:1883\"\n[[mqtt.user]]\nname = \"u\"\npassword_hash = \"{HASH}\""
    ))
    .unwrap();
}

#[test]
fn a_broker_has_an_address_and_filters() {
    let broker = |url: &str| {
        let text = format!(
            "[mqtt]\nanonymous = true\n[[mqtt_client]]\nname = \"b\"\nurl = {url:?}\ntopics = [\"a/#\"]\nshare = \"g\""
        );
        parse(&text).unwrap().mqtt_client.remove(0)
    };
    for (url, host, port) in [
        ("mqtt://mosquitto", "mosquitto", 1883),
        ("mqtt://10.0.0.7:2883/", "10.0.0.7", 2883),
        ("mqtt://[::1]:1884", "::1", 1884),
        ("mqtt://[::1]", "::1", 1883),
    ] {
        assert_eq!(broker(url).address(), Some((host.to_owned(), port)));
    }
    assert_eq!(broker("mqtt://x").filters(), ["$share/g/a/#"]);
}

#[test]
fn secrets_come_from_files_beside_the_configuration_and_never_show() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "s3cret\n").unwrap();
    std::fs::write(dir.path().join("hash"), HASH).unwrap();
    let path = dir.path().join("gw.toml");
    std::fs::write(
        &path,
        "[[mqtt.user]]\nname = \"u\"\npassword_file = \"hash\"\n[uplink]\ntoken_file = \"token\"",
    )
    .unwrap();
    let config = pantau_settings::load::<Config>(&path).unwrap();
    assert_eq!(config.uplink.token.reveal(), "s3cret");
    assert_eq!(config.mqtt.user[0].password_hash.as_ref().unwrap().reveal(), HASH);
    let shown = format!("{config:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("argon2id"), "{shown}");
    std::fs::remove_file(dir.path().join("token")).unwrap();
    assert!(pantau_settings::load::<Config>(&path).unwrap_err().to_string().contains("token cannot be read"));
}
