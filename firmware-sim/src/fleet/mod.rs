//! A fleet of field devices at the 12 kecamatan of Kabupaten Sukoharjo.
//!
//! What a device measures is a pure function of (seed, device, time): the same seed gives the same city,
//! and a device that was cut off sends later what it would have sent then. Faults are seeded the same way.
//!
//! ```text
//! noise (hash) → climate (rain of a day, river) → signals (what each kind reports) → source (when, faults)
//! ```

mod climate;
mod faults;
mod noise;
mod signals;
mod source;
#[cfg(test)]
mod tests;

pub use faults::{FaultCounts, Faults};
pub(crate) use noise::{hash, signed, unit};
pub use signals::Kind;
pub(crate) use source::FleetSource;

static KECAMATAN: &str = include_str!("../../data/sukoharjo_kecamatan.csv");

/// Most devices of a fleet.
pub const MAX_DEVICES: u32 = 100_000;

/// A place where a device stands, as ingest is told about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Station {
    /// The device's name: the first part of its series.
    pub device: String,
    /// A name for people.
    pub name: String,
    /// The kecamatan's name; empty outside of Sukoharjo.
    pub kecamatan: String,
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
    /// What it measures: `air`, `river`, `rain`, `noise`, `traffic`, `light` or `weather`.
    pub kind: &'static str,
}

/// A device of the fleet.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Index of the kecamatan: devices of one share its rain.
    pub(crate) place: u64,
    /// Its own part of the seed.
    pub(crate) id: u64,
}

/// The first `n` stations of the fleet with this seed: `skh-air-01`, `skh-river-01`, … in turn through the
/// kinds and the kecamatan, each at most 1.3 km from the kecamatan's centre.
#[must_use]
pub fn stations(n: u32, seed: u64) -> Vec<Station> {
    let centres = kecamatan();
    let station = |device: Device| {
        let (name, lat, lon) = centres[usize::try_from(device.place).unwrap_or(0) % centres.len()];
        let off = |salt| 0.012 * noise::signed(noise::hash(&[seed, device.id, salt]));
        let number = device.name.rsplit('-').next().unwrap_or_default();
        Station {
            name: format!("{} {name} {number}", device.kind.title_id()),
            kecamatan: name.into(),
            lat: crate::text::round(lat + off(1), 1e5),
            lon: crate::text::round(lon + off(2), 1e5),
            kind: device.kind.name(),
            device: device.name,
        }
    };
    devices(n).map(station).collect()
}

/// The first `n` devices.
pub(crate) fn devices(n: u32) -> impl Iterator<Item = Device> {
    let places = kecamatan().len() as u64;
    let kinds = Kind::ALL.len() as u64;
    (0..u64::from(n)).map(move |index| {
        let kind = Kind::ALL[(index % kinds) as usize];
        // One further each round, so that every kind comes to every kecamatan.
        let place = (index + index / places) % places;
        let name = format!("skh-{}-{:02}", kind.name(), index / kinds + 1);
        Device { name, kind, place, id: index }
    })
}

/// Name, latitude and longitude of each kecamatan.
fn kecamatan() -> Vec<(&'static str, f64, f64)> {
    let row = |line: &'static str| {
        let mut fields = line.split(',').skip(1);
        let name = fields.next()?;
        Some((name, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    KECAMATAN.lines().skip(1).filter_map(row).collect()
}
