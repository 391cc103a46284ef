//! What the registers of a device mean. Pure.
//!
//! Always: the same words give the same value; what a register has no value for is told apart from a value. Decimals stay
//! decimals: a scale of 0.1 divides by ten.

use serde::Deserialize;

/// The four tables of a Modbus device (MODBUS Application Protocol 1.1b3, section 4.3), each read by a function of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// Function 1.
    #[serde(rename = "coil")]
    Coils,
    /// Function 2.
    Discrete,
    /// Function 3.
    #[default]
    Holding,
    /// Function 4.
    Input,
}

impl Table {
    /// As the configuration calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Coils => "coil",
            Self::Discrete => "discrete",
            Self::Holding => "holding",
            Self::Input => "input",
        }
    }

    /// Whether it holds single bits instead of registers.
    #[must_use]
    pub const fn is_bits(self) -> bool {
        matches!(self, Self::Coils | Self::Discrete)
    }
}

/// What stands in one or several registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F32,
    F64,
    /// So many bits of one register, from this one on (0 is the lowest), as a whole number. Of a coil: the coil.
    Bits {
        first: u8,
        count: u8,
    },
}

impl Kind {
    /// How many registers it takes.
    #[must_use]
    pub const fn registers(self) -> u16 {
        match self {
            Self::U16 | Self::I16 | Self::Bits { .. } => 1,
            Self::U32 | Self::I32 | Self::F32 => 2,
            Self::U64 | Self::I64 | Self::F64 => 4,
        }
    }
}

/// In which order the bytes of a value come, written for a value of four bytes, A the highest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The highest first, as the standard has it for one register.
    #[default]
    Abcd,
    /// The lowest register first.
    Cdab,
    /// Each register's lower byte first.
    Badc,
    /// The lowest byte first.
    Dcba,
}

/// `(raw × multiply + offset) / divide`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    multiply: f64,
    offset: f64,
    divide: f64,
}

impl Scale {
    /// `raw × scale + offset`, with one division where both are decimals.
    #[must_use]
    pub fn new(scale: f64, offset: f64) -> Self {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let mut divide = 1.0;
        for _ in 0..13 {
            let (multiply, added) = ((scale * divide).round(), (offset * divide).round());
            let whole = multiply.abs() < EXACT && added.abs() < EXACT;
            if whole && multiply / divide == scale && added / divide == offset {
                return Self { multiply, offset: added, divide };
            }
            divide *= 10.0;
        }
        Self { multiply: scale, offset, divide: 1.0 }
    }

    fn of(self, raw: f64) -> f64 {
        (raw * self.multiply + self.offset) / self.divide
    }
}

/// A register, or several that are one value.
#[derive(Debug, Clone, PartialEq)]
pub struct Register {
    /// How complaints call it: `quantity` or `quantity/channel`.
    pub name: String,
    /// Where it is.
    pub table: Table,
    /// Its address in the protocol, from 0.
    pub address: u16,
    /// What it is.
    pub kind: Kind,
    /// In which order its bytes come.
    pub order: Order,
    /// What the value is.
    pub scale: Scale,
    /// Raw values that mean that there is none.
    pub none: Vec<f64>,
}

impl Register {
    /// One after its last address.
    #[must_use]
    pub fn end(&self) -> u32 {
        u32::from(self.address) + u32::from(self.kind.registers())
    }

    /// The value, of its words in the order of their addresses; `None` where these mean that there is none, and also for a
    /// floating-point number that is not a number.
    #[must_use]
    pub fn value(&self, words: &[u16]) -> Option<f64> {
        self.valued(raw(self.kind, self.order, words)?)
    }

    /// The same of a coil or discrete input.
    #[must_use]
    pub fn bit(&self, set: bool) -> Option<f64> {
        self.valued(f64::from(u8::from(set)))
    }

    fn valued(&self, raw: f64) -> Option<f64> {
        (!raw.is_nan() && !self.none.contains(&raw)).then(|| self.scale.of(raw))
    }
}

/// The number that stands in the words; `None` when there are too few.
#[expect(clippy::cast_precision_loss, reason = "readings are doubles")]
fn raw(kind: Kind, order: Order, words: &[u16]) -> Option<f64> {
    let words = words.get(..usize::from(kind.registers()))?;
    Some(match kind {
        Kind::U16 => f64::from(u16::from_be_bytes(bytes(order, words))),
        Kind::I16 => f64::from(i16::from_be_bytes(bytes(order, words))),
        Kind::U32 => f64::from(u32::from_be_bytes(bytes(order, words))),
        Kind::I32 => f64::from(i32::from_be_bytes(bytes(order, words))),
        Kind::U64 => u64::from_be_bytes(bytes(order, words)) as f64,
        Kind::I64 => i64::from_be_bytes(bytes(order, words)) as f64,
        Kind::F32 => shortest(f32::from_be_bytes(bytes(order, words))),
        Kind::F64 => f64::from_be_bytes(bytes(order, words)),
        Kind::Bits { first, count } => {
            let word = u32::from(u16::from_be_bytes(bytes(order, words)));
            let mask = (1_u32 << u32::from(count.min(16))) - 1;
            f64::from(word >> u32::from(first.min(15)) & mask)
        }
    })
}

/// The decimal that the device meant: 21.3 as `f32` is 21.299999237060547 as `f64`.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

/// The bytes, the highest first. As many as the words have.
fn bytes<const N: usize>(order: Order, words: &[u16]) -> [u8; N] {
    let mut bytes = [0; N];
    let (chunks, _) = bytes.as_chunks_mut::<2>();
    for (n, chunk) in chunks.iter_mut().enumerate() {
        let place = match order {
            Order::Abcd | Order::Badc => n,
            Order::Cdab | Order::Dcba => words.len().saturating_sub(n + 1),
        };
        let word = words.get(place).copied().unwrap_or(0);
        *chunk = match order {
            Order::Abcd | Order::Cdab => word.to_be_bytes(),
            Order::Badc | Order::Dcba => word.to_le_bytes(),
        };
    }
    bytes
}
