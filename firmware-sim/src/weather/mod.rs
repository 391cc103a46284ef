//! The real year: hourly observations of three weather stations in New York, 2013, in the catalogue's units
//! and rounded to what such sensors resolve.
//!
//! What is missing in the data stays missing: a column that is `NA` is left out of the observation, an hour
//! without a row has none.

#[cfg(test)]
mod tests;

use std::io::Read as _;

use pantau_proto::{TimeMs, quantity, units};

use crate::fleet::Station;
use crate::text::round;

static DATA: &[u8] = include_bytes!("../../data/weather_nyc_2013.csv.gz");

/// Milliseconds in an hour, the data's interval.
pub const HOUR_MS: i64 = 3_600_000;

/// Column, quantity, the column's unit, steps of the sensor in one of the catalogue's unit.
const COLUMNS: [(&str, &str, &str, f64); 9] = [
    ("temp", "air_temperature", "[degF]", 10.0),
    ("dewp", "dew_point", "[degF]", 10.0),
    ("humid", "relative_humidity", "%", 1.0),
    ("wind_dir", "wind_direction", "deg", 1.0),
    ("wind_speed", "wind_speed", "[mi_i]/h", 10.0),
    ("wind_gust", "wind_gust", "[mi_i]/h", 10.0),
    ("precip", "rainfall", "[in_i]", 4.0),
    ("pressure", "air_pressure", "hPa", 10.0),
    ("visib", "visibility", "[mi_i]", 10.0),
];

/// The stations: column `origin`, device, name, latitude and longitude.
const STATIONS: [(&str, &str, &str, f64, f64); 3] = [
    ("EWR", "wx-ewr", "Newark Liberty", 40.6925, -74.1687),
    ("JFK", "wx-jfk", "John F. Kennedy", 40.6398, -73.7789),
    ("LGA", "wx-lga", "LaGuardia", 40.7772, -73.8726),
];

/// What one station saw in one hour.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The full hour.
    pub time: TimeMs,
    /// Quantities and values in the catalogue's units. Never empty.
    pub values: Vec<(&'static str, f64)>,
}

/// Why the data could not be read.
#[derive(Debug, thiserror::Error)]
pub enum WeatherError {
    /// Not gzip, or not text.
    #[error("the weather data cannot be unpacked: {0}")]
    Unpack(#[from] std::io::Error),
    /// Not CSV.
    #[error("the weather data is no CSV: {0}")]
    Csv(#[from] csv::Error),
    /// A column is missing.
    #[error("the weather data has no column {0:?}")]
    Column(&'static str),
    /// A field cannot be read.
    #[error("line {line} of the weather data: column {column:?} holds {text:?}")]
    Field {
        /// The line.
        line: u64,
        /// The column.
        column: &'static str,
        /// What it holds.
        text: String,
    },
}

/// The three stations as places: devices `wx-ewr`, `wx-jfk`, `wx-lga`, with kind `weather`.
#[must_use]
pub fn stations() -> Vec<Station> {
    let station = |(_, device, name, lat, lon): (_, &str, &str, f64, f64)| Station {
        device: device.into(),
        name: name.into(),
        kecamatan: String::new(),
        lat,
        lon,
        kind: "weather",
    };
    STATIONS.into_iter().map(station).collect()
}

/// The year of one device, in the order of time. Empty for an unknown device.
///
/// # Errors
/// When the data inside of the binary is damaged.
pub fn year(device: &str) -> Result<Vec<Observation>, WeatherError> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(DATA).read_to_string(&mut text)?;
    let origin = STATIONS.iter().find(|station| station.1 == device).map_or("", |station| station.0);
    read(&text, origin)
}

/// The observations of one `origin` in the text of the data.
fn read(text: &str, origin: &str) -> Result<Vec<Observation>, WeatherError> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers()?.clone();
    let at = |column| header.iter().position(|name| name == column).ok_or(WeatherError::Column(column));
    let (origin_at, time_at) = (at("origin")?, at("time_hour")?);
    let mut columns = Vec::with_capacity(COLUMNS.len());
    for (column, name, unit, per_unit) in COLUMNS {
        let conversion = quantity(name).and_then(|quantity| units::conversion(quantity, unit));
        // A test holds that the catalogue has them all.
        let conversion = conversion.unwrap_or(units::Conversion::IDENTITY);
        columns.push((at(column)?, column, name, conversion, per_unit));
    }
    let mut year = Vec::new();
    for record in reader.records() {
        let record = record?;
        let field = |at: usize| record.get(at).unwrap_or_default();
        if field(origin_at) != origin {
            continue;
        }
        let wrong = |column, text: &str| {
            let line = record.position().map_or(0, csv::Position::line);
            WeatherError::Field { line, column, text: text.into() }
        };
        let time: jiff::Timestamp = field(time_at).parse().map_err(|_| wrong("time_hour", field(time_at)))?;
        let mut values = Vec::with_capacity(columns.len());
        for &(at, column, name, conversion, per_unit) in &columns {
            let text = field(at);
            if text == "NA" {
                continue;
            }
            let value: f64 = text.parse().map_err(|_| wrong(column, text))?;
            values.push((name, round(conversion.to_catalogue(value), per_unit)));
        }
        if !values.is_empty() {
            year.push(Observation { time: TimeMs(time.as_millisecond()), values });
        }
    }
    Ok(year)
}
