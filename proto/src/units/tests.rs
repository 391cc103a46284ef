#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::{Conversion, conversion, known};
use crate::quantity::{Quantity, quantities, quantity};

fn named(name: &str) -> &'static Quantity {
    quantity(name).unwrap()
}

fn converted(name: &str, value: f64, unit: &str) -> f64 {
    conversion(named(name), unit).unwrap().to_catalogue(value)
}

#[test]
fn every_quantity_is_taken_in_its_own_unit_unchanged() {
    for entry in quantities() {
        assert!(known(entry).any(|unit| unit == entry.unit), "{} is not in the table", entry.unit);
        for unit in ["", entry.unit, entry.senml_unit] {
            assert_eq!(conversion(entry, unit), Some(Conversion::IDENTITY), "{} in {unit:?}", entry.name);
        }
    }
}

#[test]
fn whole_factors_leave_no_noise() {
    assert_eq!(converted("air_pressure", 101_325.0, "Pa"), 1013.25);
    assert_eq!(converted("air_temperature", 77.0, "[degF]"), 25.0);
    assert_eq!(converted("battery_voltage", 3_305.0, "mV"), 3.305);
    assert_eq!(converted("water_level", 1_234.0, "mm"), 1.234);
    assert_eq!(converted("rainfall", 0.1, "inch"), 2.54);
    assert_eq!(converted("rainfall", 3.0, "l/m²"), 3.0);
    assert_eq!(converted("visibility", 10.0, "mi"), 16.093_44);
    assert_eq!(converted("energy", 12_345.0, "Wh"), 12.345);
    assert_eq!(converted("pm2_5", 0.035, "mg/m^3"), 35.0);
    assert_eq!(converted("wind_speed", 36.0, "km/h"), 10.0);
    assert_eq!(converted("traffic_speed", 10.0, "m/s"), 36.0);
    assert_eq!(converted("relative_humidity", 0.5, "/"), 50.0);
    assert_eq!(converted("soil_moisture", 25.0, "%"), 0.25);
    assert_eq!(converted("water_flow", 36.0, "m3/h"), 0.01);
}

#[test]
fn known_values_come_out_right() {
    let near = |name, value, unit, wanted: f64| {
        let got = converted(name, value, unit);
        assert!(
            (got - wanted).abs() < wanted.abs() * 1e-4,
            "{value} {unit} of {name}: {got}, wanted {wanted}"
        );
    };
    near("air_temperature", 300.0, "K", 26.85);
    near("air_pressure", 29.92, "inHg", 1013.207);
    near("air_pressure", 760.0, "mmHg", 1013.25);
    near("wind_speed", 10.0, "kn", 5.144_44);
    near("wind_speed", 10.0, "mph", 4.4704);
    near("wind_direction", 0.5, "rad", 28.647_9);
    // US EPA's factors at 25 °C: 1 ppb of NO2 is 1.88, of SO2 2.62, of O3 1.96; 1 ppm of CO 1,145 µg/m3.
    near("nitrogen_dioxide", 100.0, "ppb", 188.05);
    near("sulfur_dioxide", 100.0, "ppb", 261.83);
    near("ozone", 100.0, "ppb", 196.18);
    near("carbon_monoxide", 1.0, "ppm", 1_144.9);
    near("hydrogen_sulfide", 139.28, "µg/m³", 100.0);
    near("carbon_dioxide", 0.042, "%", 420.0);
    near("signal_strength", -13.0, "dBW", 17.0);
}

#[test]
fn a_unit_of_another_quantity_is_unknown() {
    for (name, unit) in
        [("air_temperature", "hPa"), ("pm2_5", "ppb"), ("power", "mw"), ("ph", "?"), ("power", "µ")]
    {
        assert_eq!(conversion(named(name), unit), None, "{name} in {unit}");
    }
}

#[test]
fn no_spelling_means_two_units_of_one_quantity() {
    for entry in quantities() {
        let mut spellings: Vec<_> = known(entry)
            .map(|unit| (unit, conversion(entry, unit).unwrap().to_catalogue(7.0).to_bits()))
            .collect();
        spellings.sort_unstable();
        spellings.dedup();
        let count = spellings.len();
        spellings.dedup_by_key(|(unit, _)| *unit);
        assert_eq!(count, spellings.len(), "{}", entry.name);
    }
}

proptest! {
    #[test]
    fn there_and_back_is_the_same_value(value in prop_oneof![-1e15..1e15_f64, -100.0..100.0_f64, Just(0.0)]) {
        for entry in quantities() {
            for unit in known(entry) {
                let conversion = conversion(entry, unit).unwrap();
                // Relative to the larger of the value and the zero shift (a value near 0 K has no digits left).
                let there = conversion.to_catalogue(value);
                let bound = 1e-12 * value.abs().max(conversion.offset.abs());
                prop_assert!((conversion.from_catalogue(there) - value).abs() <= bound, "{value} {unit}");
                let back = conversion.from_catalogue(value);
                let zero = conversion.to_catalogue(0.0).abs();
                let bound = 1e-12 * value.abs().max(zero);
                prop_assert!((conversion.to_catalogue(back) - value).abs() <= bound, "{value} to {unit}");
            }
        }
    }

    #[test]
    fn any_unit_is_known_or_not_without_a_panic(unit in any::<String>()) {
        for entry in quantities() {
            let _ = conversion(entry, &unit);
        }
    }
}
