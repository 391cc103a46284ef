use std::time::Duration;

use super::{DEFAULT_TOML, parse, wrong};

fn with(sensors: &str) -> String {
    format!("[mqtt]\nanonymous = true\n{sensors}")
}

fn sensor(name: &str, kind: &str, more: &str) -> String {
    format!("[[pins.sensor]]\nname = {name:?}\nkind = {kind:?}\n{more}\n")
}

#[test]
fn each_kind_needs_no_more_than_what_cannot_be_guessed() {
    for (kind, more, bus, series) in [
        ("bme280", "", "/dev/i2c-1", "a/air_temperature a/relative_humidity a/air_pressure"),
        ("sht4x", "address = 0x45", "/dev/i2c-1", "a/air_temperature a/relative_humidity"),
        (
            "scd4x",
            "bus = \"/dev/i2c-3\"",
            "/dev/i2c-3",
            "a/carbon_dioxide a/air_temperature a/relative_humidity",
        ),
        ("ads1115", "", "/dev/i2c-1", "a/voltage"),
        ("mcp3008", "quantity = \"water_level\"\nscale = 2.5", "/dev/spidev0.0", "a/water_level"),
        ("pms5003", "channel = \"north\"", "/dev/serial0", "a/pm2_5/north a/pm10/north"),
        (
            "ds18b20",
            "folder = \"/sys/bus/w1/devices/28-1\"\ndevice = \"b\"",
            "/sys/bus/w1/devices",
            "b/water_temperature",
        ),
        ("hc-sr04", "trigger = 23\necho = 24\nheight = 4.5", "GPIO", "a/distance a/water_level"),
        ("counter", "pin = 17", "GPIO", "a/pulses"),
        ("level", "pin = 17", "GPIO", "a/switch"),
    ] {
        let config = parse(&with(&sensor("a", kind, more))).unwrap();
        let setup = config.pins.sensor[0].setup().unwrap();
        let names: Vec<&str> = setup.plan.series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!((setup.spec.bus().as_str(), names.join(" ").as_str()), (bus, series));
        assert!(DEFAULT_TOML.contains(&format!("#   {kind:?}")), "{kind} is not explained");
    }
    let config = parse(&with(&sensor("a", "level", "pin = 4\nperiod = \"10s\"\nlook = \"200ms\""))).unwrap();
    assert_eq!(config.pins.sensor[0].setup().unwrap().plan.period, Duration::from_millis(200));
}

#[test]
fn the_examples_in_the_printed_default_are_valid() {
    let lines = DEFAULT_TOML.lines().filter_map(|line| line.strip_prefix("#   "));
    let at = lines.clone().position(|line| line.starts_with("name = \"kali-01\"")).unwrap();
    let example: Vec<&str> = lines.skip(at - 1).take(7).collect();
    parse(&with(&example.join("\n"))).unwrap();
}

#[test]
fn what_a_sensor_cannot_be_is_named_with_its_line() {
    for (text, line, word) in [
        (sensor("a b", "level", "pin = 4"), 4, "no name"),
        (sensor("a", "dht22", "pin = 4"), 5, "no choice `dht22`"),
        (sensor("a", "level", ""), 3, "BCM number"),
        (sensor("a", "level", "pin = 60"), 6, "no GPIO 60"),
        (sensor("a", "level", "address = 0x40"), 6, "has no address"),
        (sensor("a", "bme280", "address = 0x40"), 6, "0x76 to 0x77"),
        (sensor("a", "scd4x", "period = \"1s\""), 6, "every 5 s"),
        (sensor("a", "bme280", "period = \"10ms\""), 6, "between 0.1"),
        (sensor("a", "bme280", "timeout = \"0s\""), 6, "between 0.1"),
        (sensor("a", "ads1115", "input = \"4\""), 6, "no input"),
        (sensor("a", "ads1115", "range = 5.0"), 6, "0.512"),
        (sensor("a", "ads1115", "table = [[0.0, 1.0]]"), 6, "two points"),
        (sensor("a", "ads1115", "table = [[0.0, 1.0], [1.0, 2.0]]\nscale = 2.0"), 6, "keep the table"),
        (sensor("a", "ads1115", "scale = 2.0"), 3, "what it measures"),
        (sensor("a", "mcp3008", "input = \"8\""), 6, "no input"),
        (sensor("a", "mcp3008", "reference = 1.0"), 6, "reference"),
        (sensor("a", "ds18b20", ""), 3, "/sys/bus/w1/devices"),
        (sensor("a", "hc-sr04", "trigger = 4"), 3, "echo"),
        (sensor("a", "counter", "pin = 4\nquantity = \"rainfall_total\""), 3, "what a pulse stands for"),
        (sensor("a", "counter", "pin = 4\nquantity = \"rain\"\nper_pulse = 0.2"), 7, "no quantity"),
        (
            sensor("a", "counter", "pin = 4\nquantity = \"energy\"\nper_pulse = 1.0\nunit = \"mm\""),
            9,
            "no unit of energy",
        ),
        (sensor("a", "counter", "pin = 4\ndebounce = \"5s\""), 7, "hide"),
        (sensor("a", "level", "pin = 4\nlook = \"10ms\""), 7, "500ms"),
        ("[pins]\nbackend = \"wiringpi\"\n".to_owned(), 4, "no choice"),
    ] {
        let error = wrong(&with(&text));
        assert!(error.to_string().contains(word), "{error}\n{text}");
        assert_eq!(error.line, line, "{error}");
    }
}

#[test]
fn what_two_sensors_cannot_share_names_both() {
    let two = |one: (&str, &str), two: (&str, &str)| {
        with(&format!("{}{}", sensor("one", one.0, one.1), sensor("two", two.0, two.1)))
    };
    for (first, second, word) in [
        (("counter", "pin = 17"), ("level", "pin = 17"), "GPIO 17 is taken twice"),
        (("hc-sr04", "trigger = 5\necho = 6"), ("level", "pin = 6"), "GPIO 6 is taken twice"),
        (("bme280", ""), ("level", "pin = 2"), "as a wire of /dev/i2c-1"),
        (("level", "pin = 8"), ("mcp3008", ""), "as a wire of SPI 0"),
        (("level", "pin = 15"), ("pms5003", ""), "as a wire of /dev/serial0"),
        (("bme280", ""), ("bme280", "channel = \"x\""), "0x76 on /dev/i2c-1 is taken twice"),
        (("ads1115", ""), ("ads1115", "input = \"0\""), "input 0"),
        (("pms5003", ""), ("pms5003", ""), "the port /dev/serial0"),
        (("sht4x", "device = \"d\""), ("bme280", "device = \"d\""), "the series d/air_temperature"),
    ] {
        let error = wrong(&two(first, second)).to_string();
        assert!(error.contains(word) && error.contains("\"one\"") && error.contains("\"two\""), "{error}");
    }
    let error =
        wrong(&with(&format!("{}{}", sensor("a", "level", "pin = 4"), sensor("a", "level", "pin = 5"))));
    assert!(error.to_string().contains("the name \"a\""), "{error}");
    for (first, second) in [
        (("bme280", ""), ("sht4x", "")),
        (("bme280", ""), ("bme280", "address = 0x77")),
        (("bme280", ""), ("bme280", "bus = \"/dev/i2c-3\"")),
        (("ads1115", ""), ("ads1115", "input = \"1\"")),
        (("counter", "pin = 5"), ("counter", "pin = 6")),
        (("mcp3008", ""), ("mcp3008", "bus = \"/dev/spidev0.1\"")),
    ] {
        parse(&two(first, second)).unwrap();
    }
}
