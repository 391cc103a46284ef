//! The series that a sensor gives readings of.

use pantau_proto::{DeviceName, SeriesName, quantity, units};

use super::{PinKind, PinSensor, Wrong, wrong};
use crate::polled::Series;

impl PinSensor {
    /// Quantities and the units that the driver gives them in, in the driver's order.
    fn quantities(&self) -> Result<Vec<(String, String)>, Wrong> {
        let fixed = |all: &[(&str, &str)]| {
            all.iter().map(|(quantity, unit)| ((*quantity).to_owned(), (*unit).to_owned())).collect()
        };
        let chosen = |default: &str, unit: &str| {
            let unit = self.unit.clone().unwrap_or_else(|| unit.to_owned());
            vec![(self.quantity.clone().unwrap_or_else(|| default.to_owned()), unit)]
        };
        Ok(match self.kind {
            PinKind::Bme280 => {
                fixed(&[("air_temperature", "Cel"), ("relative_humidity", "%"), ("air_pressure", "Pa")])
            }
            PinKind::Sht4x => fixed(&[("air_temperature", "Cel"), ("relative_humidity", "%")]),
            PinKind::Scd4x => {
                fixed(&[("carbon_dioxide", "[ppm]"), ("air_temperature", "Cel"), ("relative_humidity", "%")])
            }
            PinKind::Pms5003 => fixed(&[("pm2_5", "ug/m3"), ("pm10", "ug/m3")]),
            PinKind::HcSr04 => match self.height {
                Some(_) => fixed(&[("distance", "m"), ("water_level", "m")]),
                None => fixed(&[("distance", "m")]),
            },
            PinKind::Ds18b20 => chosen("water_temperature", "Cel"),
            PinKind::Ads1115 | PinKind::Mcp3008 => {
                let plain = self.quantity.is_none() && self.unit.is_none();
                if plain && (self.scale.is_some() || self.offset.is_some() || self.table.is_some()) {
                    return wrong(
                        "quantity",
                        "it is not said what it measures",
                        "add `quantity = \"water_level\"`, or another one",
                    );
                }
                chosen("voltage", if self.quantity.is_none() { "V" } else { "" })
            }
            PinKind::Counter => chosen("pulses", ""),
            PinKind::Level => chosen("switch", ""),
        })
    }

    pub(super) fn series(&self) -> Result<Vec<Series>, Wrong> {
        let device = self.device.as_ref().unwrap_or(&self.name);
        let key = if self.device.is_some() { "device" } else { "name" };
        let device = DeviceName::new(device).or_else(|error| {
            wrong(key, format!("{device:?} is no device: {error}"), "use letters, digits and . _ -")
        })?;
        let series = |(name, unit): (String, String)| {
            let Some(known) = quantity(&name) else {
                return wrong(
                    "quantity",
                    format!("there is no quantity {name:?}"),
                    "use one of proto/quantities.csv",
                );
            };
            if !unit.is_empty() && units::conversion(known, &unit).is_none() {
                let units: Vec<&str> = units::known(known).collect();
                return wrong(
                    "unit",
                    format!("{unit:?} is no unit of {name}"),
                    format!("use one of {}", units.join(", ")),
                );
            }
            let name = SeriesName::of(&device, &name, self.channel.as_deref()).or_else(|error| {
                wrong("channel", format!("is unfit: {error}"), "use letters, digits and . _ -")
            })?;
            Ok(Series { name: name.as_str().to_owned(), unit })
        };
        self.quantities()?.into_iter().map(series).collect()
    }
}
