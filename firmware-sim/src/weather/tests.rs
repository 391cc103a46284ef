#![allow(clippy::unwrap_used, clippy::expect_used)]

use pantau_proto::{TimeMs, quantity, units};

use super::{COLUMNS, HOUR_MS, Observation, read, stations, year};

fn at(year: &[Observation], text: &str) -> Option<Vec<(&'static str, f64)>> {
    let time = TimeMs(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
    year.iter().find(|observation| observation.time == time).map(|observation| observation.values.clone())
}

#[test]
fn every_column_has_a_quantity_and_a_conversion() {
    for (_, name, unit, _) in COLUMNS {
        assert!(units::conversion(quantity(name).unwrap(), unit).is_some(), "{name} {unit}");
    }
}

#[test]
fn rows_are_converted_as_by_hand() {
    let ewr = year("wx-ewr").unwrap();
    // 39.02 °F, 26.06 °F, 59.37 %, 270°, 10.357 mph, no gust, 0 inch, 1012.0 hPa, 10 miles
    let first = at(&ewr, "2013-01-01T06:00:00Z").unwrap();
    assert_eq!(
        first,
        [
            ("air_temperature", 3.9),
            ("dew_point", -3.3),
            ("relative_humidity", 59.0),
            ("wind_direction", 270.0),
            ("wind_speed", 4.6),
            ("rainfall", 0.0),
            ("air_pressure", 1012.0),
            ("visibility", 16.1),
        ]
    );
    // 0.05 inch = 1.27 mm, five tips of 0.25; the pressure is NA
    let wet = at(&ewr, "2013-01-11T22:00:00Z").unwrap();
    assert!(wet.contains(&("rainfall", 1.25)));
    assert!(wet.contains(&("air_temperature", 8.0)));
    assert!(!wet.iter().any(|(name, _)| *name == "air_pressure"));
    // A gust of 20.714 mph
    let lga = year("wx-lga").unwrap();
    assert!(at(&lga, "2013-01-05T10:00:00Z").unwrap().contains(&("wind_gust", 9.3)));
    // The real outlier of 1,048 mph is kept, as a sensor would send it.
    assert!(at(&ewr, "2013-02-12T08:00:00Z").unwrap().contains(&("wind_speed", 468.7)));
}

#[test]
fn gaps_stay_gaps() {
    let all: Vec<_> = stations().iter().map(|station| year(&station.device).unwrap()).collect();
    assert_eq!(all.iter().map(Vec::len).sum::<usize>(), 26_115);
    let ewr = &all[0];
    let row = at(ewr, "2013-08-22T13:00:00Z").unwrap();
    let names: Vec<_> = row.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["wind_direction", "wind_speed", "rainfall", "visibility"]);
    for year in &all {
        assert!(year.windows(2).all(|pair| pair[0].time < pair[1].time));
        assert!(year.windows(2).any(|pair| pair[1].time.0 - pair[0].time.0 > HOUR_MS), "hours are missing");
        assert!(year.iter().all(|observation| observation.time.0 % HOUR_MS == 0));
    }
    assert_eq!(year("wx-none").unwrap(), []);
}

#[test]
fn a_damaged_field_is_named_with_its_line() {
    let head = "origin,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour\n";
    let row = |temp: &str| format!("{head}X,{temp},NA,NA,NA,NA,NA,NA,NA,NA,2013-01-01T06:00:00Z\n");
    let error = read(&row("warm"), "X").unwrap_err().to_string();
    assert_eq!(error, "line 2 of the weather data: column \"temp\" holds \"warm\"");
    assert_eq!(read(&row("NA"), "X").unwrap(), [], "a row without values is a gap");
    assert!(read("origin,temp\n", "X").unwrap_err().to_string().contains("time_hour"));
}
