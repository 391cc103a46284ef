//! What devices call things, and which quantity and unit that is: data for all formats whose fields are named by
//! whoever wrote the device's firmware or codec.
//!
//! Names are compared without case, blanks and signs: `airTemperature`, `air_temperature` and `Air Temperature` are one.
//! A unit of `?` means that devices differ so much that a guess would be wrong by factors: the field is read only where
//! its name (`no2_ppb`), its payload or the rule says the unit.

use std::sync::LazyLock;

use hashbrown::HashMap;

/// Longest name that can be known, without its signs.
const MAX_PLAIN: usize = 32;

/// The unit must be said elsewhere.
pub(super) const UNSAID: &str = "?";

/// A quantity, the unit that is meant without another word, the names.
type Row = (&'static str, &'static str, &'static [&'static str]);

const TABLE: &[Row] = &[
    (
        "air_temperature",
        "Cel",
        &[
            "temperature",
            "temp",
            "airtemperature",
            "airtemp",
            "tempair",
            "ambienttemperature",
            "externaltemperature",
            "temperaturesensor",
            "tempc",
            "tempcsht",
            "tempcds",
            "degc",
        ],
    ),
    ("air_temperature", "[degF]", &["tempf", "degf"]),
    (
        "relative_humidity",
        "%",
        &["humidity", "hum", "relativehumidity", "airhumidity", "rh", "relhum", "humiditysensor", "humsht"],
    ),
    (
        "air_pressure",
        "hPa",
        &[
            "pressure",
            "airpressure",
            "barometricpressure",
            "atmosphericpressure",
            "barometer",
            "baro",
            "press",
        ],
    ),
    ("pm2_5", "ug/m3", &["pm25", "pm2p5", "pm25ugm3", "cf1pm25", "pm25concentration"]),
    ("pm10", "ug/m3", &["pm10", "pm100", "pm10concentration"]),
    ("carbon_monoxide", UNSAID, &["co", "carbonmonoxide"]),
    ("nitrogen_dioxide", UNSAID, &["no2", "nitrogendioxide"]),
    ("ozone", UNSAID, &["o3", "ozone"]),
    ("sulfur_dioxide", UNSAID, &["so2", "sulfurdioxide", "sulphurdioxide"]),
    ("hydrocarbons", UNSAID, &["hc", "hydrocarbons"]),
    ("hydrogen_sulfide", UNSAID, &["h2s", "hydrogensulfide"]),
    ("sound_level", "dB", &["soundlevel", "noise", "noiselevel", "soundpressure", "spl", "sound"]),
    ("sound_exposure", "dB", &["soundexposure", "laeq", "leq", "leqa"]),
    ("water_level", UNSAID, &["waterlevel", "waterheight", "riverlevel", "stage"]),
    ("water_flow", UNSAID, &["waterflow", "flowrate", "discharge", "flow"]),
    ("rainfall", "mm", &["rainfall", "rainamount"]),
    ("rainfall_rate", "mm/h", &["rainfallrate", "rainrate", "rainintensity", "rainfallintensity"]),
    (
        "rainfall_total",
        "mm",
        &["rainfalltotal", "raintotal", "totalrainfall", "totalrain", "rainaccumulated"],
    ),
    ("wind_speed", "m/s", &["windspeed", "windspeedaverage", "windspeedavg", "averagewindspeed"]),
    ("wind_gust", "m/s", &["windgust", "gust", "windgustspeed", "gustspeed", "windspeedmax"]),
    (
        "wind_direction",
        "deg",
        &["winddirection", "winddir", "windangle", "winddirectionaverage", "windbearing"],
    ),
    ("soil_moisture", "%", &["soilmoisture", "soilhumidity", "vwc", "watersoil", "soilwater"]),
    ("turbidity", "{NTU}", &["turbidity", "turbidityntu"]),
    ("ph", "[pH]", &["ph", "phvalue", "ph1soil"]),
    ("dissolved_oxygen", "mg/L", &["dissolvedoxygen", "do"]),
    ("traffic_flow", "/h", &["trafficflow", "vehiclesperhour"]),
    ("traffic_speed", "km/h", &["trafficspeed", "vehiclespeed"]),
    ("parking_occupancy", "%", &["parkingoccupancy"]),
    ("waste_fill", "%", &["wastefill", "filllevel", "fillinglevel", "fillpercentage"]),
    ("power", "W", &["power", "activepower", "powerw", "watts", "totalpower", "instantpower"]),
    (
        "energy",
        "kWh",
        &["energy", "totalenergy", "energytotal", "activeenergy", "energyconsumed", "totalactiveenergy"],
    ),
    (
        "battery",
        "%",
        &["battery", "batterylevel", "batterypercent", "batterypercentage", "batpercent", "soc", "batpct"],
    ),
    (
        "battery_voltage",
        "V",
        &["batteryvoltage", "batv", "vbat", "batvoltage", "voltagebattery", "batteryv", "vbatt", "vbattery"],
    ),
    ("signal_strength", "dBm", &["rssi", "signalstrength", "signaldbm"]),
    ("dew_point", "Cel", &["dewpoint", "dewpointtemperature", "tempdew"]),
    ("visibility", UNSAID, &["visibility"]),
    (
        "carbon_dioxide",
        "ppm",
        &["co2", "carbondioxide", "eco2", "co2ppm", "co2concentration", "concentrationco2"],
    ),
    ("distance", UNSAID, &["distance", "dist", "range"]),
    ("voltage", "V", &["voltage", "volt", "volts", "mainsvoltage", "linevoltage"]),
    ("current", "A", &["current", "ampere", "amperes", "amps"]),
    ("pulses", "count", &["pulses", "pulse", "pulsecount", "pulsecounter", "counter", "count", "totalpulse"]),
    ("switch", "{state}", &["switch", "relay", "relaystatus", "switchstate"]),
    ("water_temperature", "Cel", &["watertemperature", "watertemp", "tempwater", "temperaturewater"]),
];

/// Known, and nothing that a city keeps.
const IGNORED: &[&str] = &[
    "linkquality",
    "lqi",
    "snr",
    "lorasnr",
    "uptime",
    "fport",
    "port",
    "fcnt",
    "sequence",
    "seq",
    "devicetemperature",
    "cputemperature",
    "illuminance",
    "illuminancelux",
    "light",
    "lux",
    "illuminancesensor",
    "tvoc",
    "voc",
    "vocindex",
    "noxindex",
    "iaq",
    "pm1",
    "pm1ugm3",
    "pm4",
    "powerfactor",
    "acfrequency",
    "frequency",
    "powerapparent",
    "powerreactive",
    "poweroutagecount",
    "heap",
    "loadavg",
    "sleep",
    "latitude",
    "longitude",
    "altitude",
    "firmwareversion",
    "hardwareversion",
    "version",
    "protocolversion",
    "timestamp",
    "time",
    "bdseq",
];

/// The last part of names such as `wind_speed_kmh`.
const SUFFIXES: &[(&str, &str)] = &[
    ("c", "Cel"),
    ("degc", "Cel"),
    ("celsius", "Cel"),
    ("f", "[degF]"),
    ("degf", "[degF]"),
    ("k", "K"),
    ("pa", "Pa"),
    ("hpa", "hPa"),
    ("mbar", "mbar"),
    ("kpa", "kPa"),
    ("ppm", "[ppm]"),
    ("ppb", "[ppb]"),
    ("ugm3", "ug/m3"),
    ("mgm3", "mg/m3"),
    ("uv", "uV"),
    ("mv", "mV"),
    ("v", "V"),
    ("ma", "mA"),
    ("a", "A"),
    ("mw", "mW"),
    ("w", "W"),
    ("kw", "kW"),
    ("wh", "Wh"),
    ("kwh", "kWh"),
    ("mm", "mm"),
    ("cm", "cm"),
    ("m", "m"),
    ("km", "km"),
    ("in", "in"),
    ("ft", "ft"),
    ("ms", "m/s"),
    ("kmh", "km/h"),
    ("kph", "km/h"),
    ("mph", "mph"),
    ("kn", "kn"),
    ("mmh", "mm/h"),
    ("ls", "L/s"),
    ("lmin", "L/min"),
    ("m3s", "m3/s"),
    ("m3h", "m3/h"),
    ("percent", "%"),
    ("pct", "%"),
    ("dbm", "dBm"),
    ("db", "dB"),
    ("dba", "dB"),
    ("deg", "deg"),
    ("ntu", "NTU"),
    ("count", "count"),
];

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing that is kept.
    Ignored,
    /// This quantity in this unit, which may be [`UNSAID`].
    Is(&'static str, &'static str),
}

static KNOWN: LazyLock<HashMap<&'static [u8], Known>> = LazyLock::new(|| {
    let ignored = IGNORED.iter().map(|name| (name.as_bytes(), Known::Ignored));
    let rows = TABLE.iter().flat_map(|(quantity, unit, names)| {
        names.iter().map(move |name| (name.as_bytes(), Known::Is(quantity, unit)))
    });
    ignored.chain(rows).collect()
});

/// A name without case, blanks and signs.
pub(super) struct Plain {
    bytes: [u8; MAX_PLAIN],
    len: usize,
}

impl Plain {
    /// None where it is too long or has other letters than English ones, so that no table can hold it.
    pub(super) fn of(name: &str) -> Option<Self> {
        let mut plain = Self { bytes: [0; MAX_PLAIN], len: 0 };
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() {
                *plain.bytes.get_mut(plain.len)? = byte.to_ascii_lowercase();
                plain.len += 1;
            } else if !byte.is_ascii() {
                return None;
            }
        }
        Some(plain)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// What a name means to all devices alike.
pub(super) fn known(plain: &Plain) -> Option<Known> {
    KNOWN.get(plain.bytes()).copied()
}

/// A name such as `wind_speed_kmh` as stem and unit.
pub(super) fn with_unit(name: &str) -> Option<(&str, &'static str)> {
    let (stem, suffix) = name.rsplit_once(['_', '-', ' '])?;
    let suffix = Plain::of(suffix)?;
    let (_, unit) = SUFFIXES.iter().find(|(known, _)| known.as_bytes() == suffix.bytes())?;
    Some((stem, unit))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_quantity_of_the_catalogue_has_its_own_name_in_the_table() {
        for quantity in pantau_proto::quantities() {
            let found = known(&Plain::of(quantity.name).unwrap());
            assert!(matches!(found, Some(Known::Is(name, _)) if name == quantity.name), "{}", quantity.name);
        }
    }

    #[test]
    fn every_name_stands_once_in_plain_letters_with_a_unit_of_its_quantity() {
        let names: Vec<&str> =
            TABLE.iter().flat_map(|(_, _, names)| names.iter()).chain(IGNORED).copied().collect();
        for name in &names {
            assert_eq!(Plain::of(name).unwrap().bytes(), name.as_bytes(), "{name}");
            assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name}");
        }
        for (quantity, unit, _) in TABLE {
            let quantity = pantau_proto::quantity(quantity).unwrap();
            assert!(
                *unit == UNSAID || pantau_proto::units::conversion(quantity, unit).is_some(),
                "{}: {unit}",
                quantity.name
            );
        }
    }

    #[test]
    fn every_unit_of_a_suffix_is_known_to_some_quantity() {
        for (suffix, unit) in SUFFIXES {
            let fits = |quantity| pantau_proto::units::conversion(quantity, unit).is_some();
            assert!(pantau_proto::quantities().iter().any(fits), "{suffix}: {unit}");
        }
    }
}
