//! Tasmota: `tele/<device>/SENSOR`, `STATE` and `LWT` (or `<device>/tele/…`: the first level that the filter's wildcard
//! matches is the device, the last one the kind).
//!
//! ```json
//! {"Time":"2026-11-24T14:00:00","BME280":{"Temperature":27.4,"Humidity":71.0,"Pressure":1008.1},"TempUnit":"C","PressureUnit":"hPa"}
//! {"Time":"2026-11-24T14:00:00","ENERGY":{"Total":12.345,"Power":60,"Voltage":230,"Current":0.26}}
//! ```
//! - `Time` is local and has no zone: the rule's zone holds, +07:00 unless said otherwise. `Epoch` or a zone of its own
//!   (SetOption52) is believed before it. A time before 2016 is that of a device that has not yet heard the time; then
//!   the arrival counts.
//! - `TempUnit`, `PressureUnit` and `SpeedUnit` hold for fields whose name says no unit (`power_kw`).
//! - Two sensors that measure the same get channels: a numbered one (`DS18B20-2`) always, its `Id` where it has one and
//!   else its name; others their name where several have the quantity in one payload. A sensor whose value is null
//!   counts, so that names do not change when one fails. ENERGY never has a channel but for its phases, 1, 2, 3.

use pantau_proto::v1::Reason;

use super::fields::{Fields, Meaning, Own, Reader, single};
use super::time::{self, Unit, Zone};
use super::tree::{At, Tree, Value};
use super::{Columns, Message, Notes, Refusal, UNTIMED};

const OWN: Own = &[
    ("distance", "distance", "cm"),
    ("pm25", "pm2_5", "ug/m3"),
    ("moisture", "soil_moisture", "%"),
    ("speed", "wind_speed", "m/s"),
    ("gas", "", ""),
    ("seapressure", "", ""),
    ("ambient", "", ""),
    ("illuminance", "", ""),
    ("count", "", ""),
    ("frequency", "", ""),
];

/// Fields of ENERGY. What a day or the day before took is in `Total` as well.
const ENERGY: [(&str, &str, &str); 4] = [
    ("Power", "power", "W"),
    ("Voltage", "voltage", "V"),
    ("Current", "current", "A"),
    ("Total", "energy", "kWh"),
];

/// 2016-01-01: before, there was no Tasmota.
const BEFORE_TASMOTA: i64 = 1_451_606_400_000;

pub(super) fn decode(
    message: Message<'_>,
    zone: Zone,
    fields: &Fields,
    out: &mut Columns,
    notes: &mut Notes,
) -> Result<(), Refusal> {
    let kind = message.rest.rsplit('/').next().unwrap_or("");
    let device = message.device;
    match kind {
        "LWT" => {
            let online = match message.payload.trim_ascii() {
                b"Online" => true,
                b"Offline" => false,
                _ => {
                    return Err(Refusal::new(Reason::BadPayload, "LWT is neither Online nor Offline"));
                }
            };
            notes.said(device, online)
        }
        "SENSOR" | "STATE" => {
            let tree = Tree::read(message.payload, |_, _| true)?;
            let root = tree.root();
            if !matches!(root.value(), Value::Map) {
                return Err(Refusal::new(Reason::BadPayload, "the payload is no JSON object"));
            }
            let at = time_of(root, zone, notes).map_err(|detail| Refusal::new(Reason::BadPayload, detail))?;
            let mut reader = Reader::new(device, at, fields, OWN, out, notes);
            if kind == "STATE" {
                state(root, &mut reader)
            } else {
                sensors(root, &mut reader)
            }
            reader.finish()
        }
        "RESULT" | "UPTIME" | "MARGINS" => Ok(()),
        kind if kind.starts_with("INFO")
            || kind.ends_with("_STATE")
            || kind.starts_with("STATUS")
            || kind.starts_with("POWER") =>
        {
            Ok(())
        }
        _ => Err(Refusal::new(
            Reason::BadName,
            "a Tasmota topic ends with SENSOR, STATE or LWT: narrow the rule's filter to tele/#",
        )),
    }
}

fn time_of(root: At<'_, '_>, zone: Zone, notes: &mut Notes) -> Result<i64, String> {
    let (from, read) = match (root.get("Epoch").map(At::value), root.get("Time").map(At::value)) {
        (Some(Value::Whole(epoch)), _) => ("Epoch", seconds(*epoch)?),
        (_, Some(Value::Text(text))) => ("Time", time::local(text, zone)?),
        (_, Some(Value::Whole(epoch))) => ("Time", seconds(*epoch)?),
        (_, None | Some(Value::Null)) => return Ok(UNTIMED),
        _ => return Err("Time is neither text nor a number".into()),
    };
    if read < BEFORE_TASMOTA {
        return Ok(UNTIMED);
    }
    notes.time_from = from;
    Ok(read)
}

fn seconds(epoch: i64) -> Result<i64, String> {
    // A clock that was never set counts from 1970.
    if (0..100_000_000).contains(&epoch) { Ok(epoch * 1_000) } else { Unit::Seconds.whole(epoch) }
}

fn state(root: At<'_, '_>, reader: &mut Reader<'_>) {
    reader.passed_over();
    for member in root.members() {
        let key = member.key();
        match key.strip_prefix("POWER") {
            Some(channel) if channel.bytes().all(|byte| byte.is_ascii_digit()) => {
                if let Some(state @ ("ON" | "OFF")) = member.text() {
                    reader.push("switch", channel, "", if state == "ON" { 1.0 } else { 0.0 });
                }
            }
            _ if key == "Wifi" => {
                if let Some(signal) = member.get("Signal").and_then(At::number) {
                    reader.push("signal_strength", "", "dBm", signal);
                }
            }
            _ => {}
        }
    }
}

/// Units that hold for a whole payload.
struct Units {
    temperature: &'static str,
    pressure: &'static str,
    speed: &'static str,
}

impl Units {
    fn of(root: At<'_, '_>) -> Self {
        let said = |key| root.get(key).and_then(At::text).unwrap_or("");
        Self {
            temperature: if said("TempUnit") == "F" { "[degF]" } else { "Cel" },
            pressure: match said("PressureUnit") {
                "mmHg" => "mmHg",
                "inHg" => "inHg",
                "kPa" => "kPa",
                _ => "hPa",
            },
            speed: match said("SpeedUnit") {
                "km/h" => "km/h",
                "kn" => "kn",
                "mph" => "mph",
                "ft/s" => "ft/s",
                _ => "m/s",
            },
        }
    }

    /// `unit` is what the field's name means; only where that is what is meant without a word, the payload's holds.
    fn of_quantity<'u>(&self, quantity: &str, unit: &'u str) -> &'u str {
        match (quantity, unit) {
            ("air_temperature" | "dew_point" | "water_temperature", "Cel") => self.temperature,
            ("air_pressure", "hPa") => self.pressure,
            ("wind_speed" | "wind_gust", "m/s") => self.speed,
            _ => unit,
        }
    }
}

fn sensors(root: At<'_, '_>, reader: &mut Reader<'_>) {
    let units = Units::of(root);
    let maps = || root.members().filter(|member| matches!(member.value(), Value::Map));
    // Which quantities there are, and whether more than once: no more of them than the tables have.
    let mut all: Vec<(&str, bool)> = Vec::new();
    let mut there = |quantity| match all.iter_mut().find(|(known, _)| *known == quantity) {
        Some((_, several)) => *several = true,
        None => all.push((quantity, false)),
    };
    for sensor in maps() {
        if sensor.key() == "ENERGY" {
            let fields = ENERGY.iter().filter(|(field, _, _)| sensor.get(field).is_some());
            fields.for_each(|(_, quantity, _)| there(*quantity));
            continue;
        }
        for field in sensor.members() {
            if let Meaning::Is(quantity, "", _) = single(OWN, field.key(), "")
                && !reader.is_named(&[sensor.key(), field.key()])
            {
                there(quantity);
            }
        }
    }
    for sensor in maps() {
        if sensor.key() == "ENERGY" {
            energy(sensor, reader);
        } else {
            one(sensor, &all, &units, reader);
        }
    }
    for member in root.members() {
        if let (Some(channel), Some(state @ ("ON" | "OFF"))) =
            (member.key().strip_prefix("Switch"), member.text())
        {
            reader.push("switch", channel, "", if state == "ON" { 1.0 } else { 0.0 });
        }
    }
}

fn one(sensor: At<'_, '_>, all: &[(&str, bool)], units: &Units, reader: &mut Reader<'_>) {
    let key = sensor.key();
    let numbered = key
        .rsplit_once('-')
        .is_some_and(|(_, n)| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()));
    let own_name = match sensor.get("Id").and_then(At::text) {
        Some(id) if numbered && !id.is_empty() => id,
        _ => key,
    };
    for field in sensor.members() {
        let path = [key, field.key()];
        if let Some(("pulses", channel)) = counter(&path)
            && let Some(count) = field.number()
            && !reader.is_named(&path)
        {
            reader.push("pulses", channel, "", count);
            continue;
        }
        let Some(number) = field.number() else { continue };
        match single(OWN, field.key(), "") {
            Meaning::Is(quantity, within, unit) if !reader.is_named(&path) => {
                let unit = units.of_quantity(quantity, unit);
                let several = all.contains(&(quantity, true));
                let channel = match (within, numbered || several) {
                    ("", true) => own_name.to_owned(),
                    (within, false) => within.to_owned(),
                    (within, true) => format!("{own_name}-{within}"),
                };
                reader.push(quantity, &channel, unit, number);
            }
            _ => reader.number(&path, number, ""),
        }
    }
}

/// `COUNTER.C1`
fn counter<'a>(path: &[&'a str; 2]) -> Option<(&'static str, &'a str)> {
    let channel = path[1].strip_prefix('C')?;
    (path[0] == "COUNTER" && !channel.is_empty() && channel.bytes().all(|byte| byte.is_ascii_digit()))
        .then_some(("pulses", channel))
}

fn energy(sensor: At<'_, '_>, reader: &mut Reader<'_>) {
    reader.passed_over();
    for (field, quantity, unit) in ENERGY {
        let Some(at) = sensor.get(field) else { continue };
        if reader.is_named(&["ENERGY", field]) {
            if let Some(number) = at.number() {
                reader.number(&["ENERGY", field], number, "");
            }
            continue;
        }
        match at.value() {
            Value::List => {
                const PHASES: [&str; 4] = ["1", "2", "3", "4"];
                for (phase, channel) in at.members().zip(PHASES) {
                    if let Some(number) = phase.number() {
                        reader.push(quantity, channel, unit, number);
                    }
                }
            }
            _ => {
                if let Some(number) = at.number() {
                    reader.push(quantity, "", unit, number);
                }
            }
        }
    }
}
