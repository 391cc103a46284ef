//! What goes wrong between a driver and its sensor. The place and the mend are added by who knows them (mod.rs).

use embedded_hal::{i2c, spi};

/// Why a driver has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// Nobody acknowledges at its address.
    #[error("nobody answers")]
    Silent,
    /// The bus itself fails.
    #[error("the bus fails: {0}")]
    Bus(String),
    /// It answers, but not as its datasheet says.
    #[error("{0}")]
    Wrong(String),
}

impl Trouble {
    pub(crate) fn wrong(what: impl Into<String>) -> Self {
        Self::Wrong(what.into())
    }

    pub(crate) fn i2c<E: i2c::Error>(error: E) -> Self {
        match error.kind() {
            i2c::ErrorKind::NoAcknowledge(_) => Self::Silent,
            _ => Self::Bus(format!("{error:?}")),
        }
    }

    pub(crate) fn spi<E: spi::Error>(error: E) -> Self {
        Self::Bus(format!("{error:?}"))
    }
}
