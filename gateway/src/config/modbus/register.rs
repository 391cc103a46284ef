//! The registers of a device on a bus.

use pantau_proto::SeriesName;
use pantau_settings::Fault;
use serde::Deserialize;

use crate::decode::check_unit;
use crate::modbus::registers::{Kind, Order, Table};

/// A register, or several that are one value.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// Which table of the device.
    #[serde(default)]
    pub read: Table,
    /// From 0.
    pub address: u16,
    /// What stands in it; a coil and a discrete input are `bits`.
    #[serde(default, rename = "type")]
    pub kind: Option<Type>,
    /// The order of the bytes.
    #[serde(default)]
    pub order: Order,
    /// The lowest bit of `bits`.
    #[serde(default)]
    pub bit: u8,
    /// How many bits.
    #[serde(default = "bits")]
    pub bits: u8,
    /// `quantity` or `quantity/channel`.
    pub quantity: String,
    /// The unit after scale and offset; the catalogue's where there is none.
    #[serde(default)]
    pub unit: String,
    /// What the raw value is multiplied by.
    #[serde(default = "scale")]
    pub scale: f64,
    /// What is added after that.
    #[serde(default)]
    pub offset: f64,
    /// Raw values that mean that there is none.
    #[serde(default)]
    pub none: Vec<f64>,
}

/// What stands in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
    Bits,
}

const fn bits() -> u8 {
    1
}

const fn scale() -> f64 {
    1.0
}

impl Register {
    /// What stands in it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let bits = Kind::Bits { first: self.bit, count: self.bits };
        match self.kind {
            None if self.read.is_bits() => bits,
            None | Some(Type::U16) => Kind::U16,
            Some(Type::I16) => Kind::I16,
            Some(Type::U32) => Kind::U32,
            Some(Type::I32) => Kind::I32,
            Some(Type::U64) => Kind::U64,
            Some(Type::I64) => Kind::I64,
            Some(Type::F32) => Kind::F32,
            Some(Type::F64) => Kind::F64,
            Some(Type::Bits) => bits,
        }
    }

    pub(super) fn check(&self, device: &str, key: &dyn Fn(&str) -> String) -> Result<(), Fault> {
        let fault = |name: &str, what: String, mend: &str| Err(Fault::new(key(name), what, mend));
        let quantity = self.quantity.split('/').next().unwrap_or_default();
        if let Err(what) = check_unit(quantity, &self.unit) {
            let name = if pantau_proto::quantity(quantity).is_some() { "unit" } else { "quantity" };
            return fault(name, what, "take one of them");
        }
        if let Err(error) = SeriesName::check(&format!("{device}/{}", self.quantity)) {
            let what = format!("{:?} makes no name of a series: {error}", self.quantity);
            return fault("quantity", what, "write \"quantity\" or \"quantity/channel\"");
        }
        if self.read.is_bits() && (self.kind() != Kind::Bits { first: 0, count: 1 }) {
            let what = format!("a {} is one bit", self.read.name());
            return fault("type", what, "take type, bit and bits away, or read = \"holding\" or \"input\"");
        }
        if !(1..=16).contains(&self.bits) || self.bit > 15 || self.bit + self.bits > 16 {
            let what = format!("a register has no {} bits from bit {} on", self.bits, self.bit);
            return fault("bit", what, "bits are counted from 0, the lowest, to 15");
        }
        if u32::from(self.address) + u32::from(self.kind().registers()) > 65_536 {
            let what = format!("{} and the registers behind it go beyond 65535", self.address);
            return fault(
                "address",
                what,
                "addresses count from 0: what a handbook calls 40001 is holding 0",
            );
        }
        if !self.scale.is_finite() || self.scale == 0.0 {
            return fault("scale", format!("{} makes no value", self.scale), "use a number that is not 0");
        }
        if !self.offset.is_finite() {
            return fault("offset", format!("{} makes no value", self.offset), "use a number");
        }
        Ok(())
    }
}
