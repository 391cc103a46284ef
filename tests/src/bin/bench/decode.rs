//! How long the gateway's decoders take for one payload of each format: the corpus that is fuzzed, a typical one each.

use crate::report::{Row, median};
use pantau_e2e::process::binary;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::process::Command;

const TIMES: &str = "200000";
/// Formats of our own and of no vendor.
const PLAIN: [&str; 5] = ["pantau", "pantau_protobuf", "json", "senml_json", "senml_cbor"];
const VENDORS: [&str; 5] = ["tasmota", "zigbee2mqtt", "sparkplug_b", "chirpstack", "the_things_stack"];

/// As the target `json` of the fuzzer has it.
const MAPPING: &str = "[mqtt]\nanonymous = true\n[[decode]]\ntopics = \"#\"\nformat = \"json\"\n[decode.json]\ndevice = \"/id\"\n\
    each = \"/values\"\ntime = \"/ts\"\ntime_format = \"unix_s\"\n\
    reading = [{ value = \"/v\", quantity = \"/type\", unit = \"/unit\", channel = \"/slot\" }]\n";

pub(crate) fn decode(runs: usize) -> Vec<Row> {
    let row = |figure, formats: &[&str], wanted, most: f64| {
        let all: Vec<(&str, f64)> = formats
            .iter()
            .map(|format| (*format, median((0..runs).map(|_| once(format)).collect())))
            .collect();
        let texts: Vec<String> = all.iter().map(|(format, took)| format!("{format} {took:.2}")).collect();
        Row {
            figure,
            pantau: texts.join(", "),
            peer: String::new(),
            ratio: None,
            wanted,
            met: all.iter().all(|(_, took)| *took < most),
        }
    };
    vec![
        row("decoding a typical payload (SenML: seven readings), µs", &PLAIN, "< 2", 2.0),
        row("the same of vendors' formats, µs", &VENDORS, "< 5", 5.0),
    ]
}

/// Microseconds a payload.
fn once(format: &str) -> f64 {
    let file = format!("{}/../gateway/fuzz/{format}/typical", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = Vec::new();
    File::open(&file).unwrap_or_else(|error| panic!("{file}: {error}")).read_to_end(&mut bytes).unwrap();
    let end = bytes.iter().position(|byte| *byte == b'\n').expect("the first line is the topic");
    let topic = std::str::from_utf8(&bytes[..end]).unwrap();
    let mut payload = tempfile::tempfile().unwrap();
    payload.write_all(&bytes[end + 1..]).unwrap();
    payload.seek(SeekFrom::Start(0)).unwrap();
    let mut command = Command::new(binary("pantau-gateway"));
    command.args(["decode", "--profile", format, "--topic", topic, "--repeat", TIMES]).stdin(payload);
    let mut config = tempfile::NamedTempFile::new().unwrap();
    if format == "json" {
        config.write_all(MAPPING.as_bytes()).unwrap();
        command.arg("--config").arg(config.path());
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let took = text.split(' ').next().and_then(|number| number.parse().ok());
    took.unwrap_or_else(|| panic!("{format}: {text}{}", String::from_utf8_lossy(&output.stderr)))
}
