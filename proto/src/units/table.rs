//! Which units there are. A unit is `(x + offset) * multiply / divide` of its dimension's first unit.
//!
//! Sources: UCUM 2.2 (codes and definitions), SenML's registry of units. Gases are converted at 25 °C and
//! 1013.25 hPa, as Indonesian and US air-quality rules do: a mole takes R·T/p = 24.4654 l. Molar masses
//! from IUPAC's abridged atomic weights.

use std::f64::consts::PI;

/// A unit with all its spellings, the UCUM code first.
pub(super) struct Unit {
    pub(super) names: &'static [&'static str],
    pub(super) offset: f64,
    pub(super) multiply: f64,
    pub(super) divide: f64,
}

/// Units that can be turned into one another.
pub(super) struct Dimension {
    /// The only quantity that this holds for; None: all that are stored in one of these units.
    pub(super) only: Option<&'static str>,
    pub(super) units: &'static [Unit],
}

const fn unit(names: &'static [&'static str], multiply: f64, divide: f64) -> Unit {
    Unit { names, offset: 0.0, multiply, divide }
}

const fn shifted(names: &'static [&'static str], offset: f64, multiply: f64, divide: f64) -> Unit {
    Unit { names, offset, multiply, divide }
}

const fn all(units: &'static [Unit]) -> Dimension {
    Dimension { only: None, units }
}

/// Litres that a mole of gas takes at 25 °C and 1013.25 hPa.
const MOLAR_LITRES: f64 = 8.314_462_618 * 298.15 / 101.325;

/// ppb and ppm of a gas of `$grams` a mole, stored in µg/m3.
macro_rules! gas {
    ($quantity:literal, $grams:literal) => {
        Dimension {
            only: Some($quantity),
            units: &[
                unit(&["ug/m3"], 1.0, 1.0),
                unit(&["[ppb]", "ppb", "nmol/mol"], $grams, MOLAR_LITRES),
                unit(&["[ppm]", "ppm", "umol/mol"], $grams * 1e3, MOLAR_LITRES),
            ],
        }
    };
}

/// Masses in a volume of a gas of `$grams` a mole, stored in ppb.
macro_rules! gas_by_mass {
    ($quantity:literal, $grams:literal) => {
        Dimension {
            only: Some($quantity),
            units: &[
                unit(&["[ppb]"], 1.0, 1.0),
                unit(&["[ppm]"], 1e3, 1.0),
                unit(&["ug/m3"], MOLAR_LITRES, $grams),
                unit(&["mg/m3"], MOLAR_LITRES * 1e3, $grams),
            ],
        }
    };
}

pub(super) static DIMENSIONS: &[Dimension] = &[
    all(&[
        unit(&["Cel", "degC", "°C", "C", "celsius"], 1.0, 1.0),
        shifted(&["[degF]", "degF", "°F", "F", "fahrenheit"], -32.0, 5.0, 9.0),
        shifted(&["K", "kelvin"], -273.15, 1.0, 1.0),
    ]),
    all(&[
        unit(&["Pa"], 1.0, 1.0),
        unit(&["hPa", "mbar", "mb"], 100.0, 1.0),
        unit(&["kPa"], 1e3, 1.0),
        unit(&["bar"], 1e5, 1.0),
        unit(&["atm"], 101_325.0, 1.0),
        unit(&["[psi]", "psi"], 6_894_757_293_168.0, 1e9),
        unit(&["[in_i'Hg]", "inHg"], 3_386_389.0, 1e3),
        unit(&["mm[Hg]", "mmHg"], 133_322_387_415.0, 1e9),
    ]),
    all(&[unit(&["%", "%RH", "%EL", "percent"], 1.0, 1.0), unit(&["1", "/", "ratio"], 100.0, 1.0)]),
    all(&[
        unit(&["ug/m3"], 1.0, 1.0),
        unit(&["ng/m3"], 1.0, 1e3),
        unit(&["mg/m3"], 1e3, 1.0),
        unit(&["g/m3"], 1e6, 1.0),
    ]),
    gas!("carbon_monoxide", 28.010),
    gas!("nitrogen_dioxide", 46.006),
    gas!("ozone", 47.997),
    gas!("sulfur_dioxide", 64.058),
    gas_by_mass!("hydrogen_sulfide", 34.076),
    gas_by_mass!("carbon_dioxide", 44.009),
    all(&[
        unit(&["[ppb]", "ppb", "nmol/mol"], 1.0, 1.0),
        unit(&["[ppm]", "ppm", "umol/mol"], 1e3, 1.0),
        unit(&["%"], 1e7, 1.0),
    ]),
    all(&[unit(&["dB[SPL]{A}", "dB", "dBA", "dB(A)", "dB[SPL]", "dB[A]"], 1.0, 1.0)]),
    all(&[
        unit(&["m"], 1.0, 1.0),
        unit(&["dm"], 1.0, 10.0),
        unit(&["cm"], 1.0, 100.0),
        unit(&["mm", "L/m2", "l/m2"], 1.0, 1e3),
        unit(&["km"], 1e3, 1.0),
        unit(&["[in_i]", "in", "inch"], 254.0, 1e4),
        unit(&["[ft_i]", "ft"], 3_048.0, 1e4),
        unit(&["[mi_i]", "mi", "mile"], 1_609_344.0, 1e3),
        unit(&["[nmi_i]", "nmi"], 1_852.0, 1.0),
    ]),
    all(&[
        unit(&["m3/s"], 1.0, 1.0),
        unit(&["m3/min"], 1.0, 60.0),
        unit(&["m3/h"], 1.0, 3_600.0),
        unit(&["m3/d"], 1.0, 86_400.0),
        unit(&["L/s", "l/s"], 1.0, 1e3),
        unit(&["L/min", "l/min"], 1.0, 6e4),
        unit(&["[cft_i]/s", "ft3/s", "cfs"], 28_316_846_592.0, 1e12),
    ]),
    all(&[
        unit(&["mm/h"], 1.0, 1.0),
        unit(&["mm/min"], 60.0, 1.0),
        unit(&["mm/s"], 3_600.0, 1.0),
        unit(&["mm/d"], 1.0, 24.0),
        unit(&["cm/h"], 10.0, 1.0),
        unit(&["m/s"], 3.6e6, 1.0),
        unit(&["[in_i]/h", "in/h"], 254.0, 10.0),
    ]),
    all(&[
        unit(&["m/s"], 1.0, 1.0),
        unit(&["cm/s"], 1.0, 100.0),
        unit(&["km/h", "kmh", "kph"], 10.0, 36.0),
        unit(&["[mi_i]/h", "mi/h", "mph"], 1_609_344.0, 3.6e6),
        unit(&["[kn_i]", "kn", "kt", "knot"], 1_852.0, 3_600.0),
        unit(&["[ft_i]/s", "ft/s"], 3_048.0, 1e4),
    ]),
    all(&[unit(&["deg", "°", "degree"], 1.0, 1.0), unit(&["rad"], 180.0, PI)]),
    all(&[
        unit(&["m3/m3", "1", "/", "cm3/cm3", "ratio"], 1.0, 1.0),
        unit(&["%", "percent", "%VWC"], 1.0, 100.0),
    ]),
    all(&[unit(&["{NTU}", "NTU"], 1.0, 1.0)]),
    all(&[unit(&["[pH]", "pH"], 1.0, 1.0)]),
    all(&[
        unit(&["mg/L", "mg/l", "g/m3"], 1.0, 1.0),
        unit(&["ug/L", "ug/l"], 1.0, 1e3),
        unit(&["g/L", "g/l"], 1e3, 1.0),
    ]),
    all(&[
        unit(&["{vehicle}/h", "/h", "1/h", "veh/h", "vehicles/h"], 1.0, 1.0),
        unit(&["{vehicle}/min", "/min", "1/min", "veh/min", "vehicles/min"], 60.0, 1.0),
        unit(&["{vehicle}/s", "/s", "1/s", "veh/s"], 3_600.0, 1.0),
        unit(&["{vehicle}/d", "/d", "1/d", "veh/d", "vehicles/d"], 1.0, 24.0),
    ]),
    all(&[unit(&["W"], 1.0, 1.0), unit(&["mW"], 1.0, 1e3), unit(&["kW"], 1e3, 1.0), unit(&["MW"], 1e6, 1.0)]),
    all(&[
        unit(&["J"], 1.0, 1.0),
        unit(&["kJ"], 1e3, 1.0),
        unit(&["MJ"], 1e6, 1.0),
        unit(&["W.h", "Wh"], 3.6e3, 1.0),
        unit(&["kW.h", "kWh"], 3.6e6, 1.0),
        unit(&["MW.h", "MWh"], 3.6e9, 1.0),
    ]),
    all(&[unit(&["V"], 1.0, 1.0), unit(&["uV"], 1.0, 1e6), unit(&["mV"], 1.0, 1e3), unit(&["kV"], 1e3, 1.0)]),
    all(&[unit(&["A"], 1.0, 1.0), unit(&["uA"], 1.0, 1e6), unit(&["mA"], 1.0, 1e3), unit(&["kA"], 1e3, 1.0)]),
    all(&[unit(&["dB[mW]", "dBm"], 1.0, 1.0), shifted(&["dB[W]", "dBW"], 30.0, 1.0, 1.0)]),
    all(&[unit(&["{count}", "count", "{pulse}", "pulse", "pulses", "1"], 1.0, 1.0)]),
    all(&[unit(&["{state}", "/", "bool", "1"], 1.0, 1.0)]),
];
