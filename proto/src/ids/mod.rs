//! Names that come from outside, checked once and then trusted.
//!
//! ```text
//! device, gateway   1 to 64 of A-Z a-z 0-9 - . _ :   beginning with a letter or digit
//! channel           1 to 32 of the same
//! quantity          1 to 64 of A-Z a-z 0-9 _         (whether the catalogue has it is another question)
//! series            device/quantity or device/quantity/channel
//! ```
//! Whoever holds one of these types holds a name that is safe in topics, paths, URLs, logs and metrics.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

/// Longest device name or gateway id, in bytes.
pub const MAX_NAME_BYTES: usize = 64;
/// Longest channel, in bytes.
pub const MAX_CHANNEL_BYTES: usize = 32;
/// Longest series name, in bytes.
pub const MAX_SERIES_BYTES: usize = MAX_NAME_BYTES + 1 + MAX_NAME_BYTES + 1 + MAX_CHANNEL_BYTES;

/// Why a name is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("the {part} is empty")]
    Empty {
        /// Which part of the name.
        part: Part,
    },
    /// More bytes than allowed.
    #[error("the {part} has {bytes} bytes, at most {max} are allowed")]
    TooLong {
        /// Which part of the name.
        part: Part,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
    /// A character outside of the allowed ones, or a first one that is neither letter nor digit.
    #[error("the {part} has {found:?} at byte {at}; allowed are {}", part.allowed())]
    Character {
        /// Which part of the name.
        part: Part,
        /// The character.
        found: char,
        /// Its place in the part, in bytes.
        at: usize,
    },
    /// Not two or three parts.
    #[error("a series is device/quantity or device/quantity/channel")]
    Parts,
}

/// Which name, or part of a series name, was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The device of a series.
    Device,
    /// A gateway's id.
    Gateway,
    /// The quantity of a series.
    Quantity,
    /// The channel of a series.
    Channel,
}

impl Part {
    const fn allowed(self) -> &'static str {
        match self {
            Self::Quantity => "letters, digits and _, beginning with a letter or digit",
            _ => "letters, digits, - . _ and :, beginning with a letter or digit",
        }
    }

    /// Checks `text` as this part.
    fn check(self, text: &str) -> Result<(), NameError> {
        let max = if matches!(self, Self::Channel) { MAX_CHANNEL_BYTES } else { MAX_NAME_BYTES };
        if text.is_empty() {
            return Err(NameError::Empty { part: self });
        }
        if text.len() > max {
            return Err(NameError::TooLong { part: self, bytes: text.len(), max });
        }
        let fine = |at: usize, byte: u8| {
            byte.is_ascii_alphanumeric()
                || at > 0
                    && (byte == b'_' || !matches!(self, Self::Quantity) && matches!(byte, b'-' | b'.' | b':'))
        };
        match text.bytes().enumerate().find(|&(at, byte)| !fine(at, byte)) {
            None => Ok(()),
            Some((at, _)) => {
                // All bytes before `at` are ASCII, so it is a character's beginning.
                let found = text[at..].chars().next().unwrap_or('\u{fffd}');
                Err(NameError::Character { part: self, found, at })
            }
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Device => "device name",
            Self::Gateway => "gateway id",
            Self::Quantity => "quantity",
            Self::Channel => "channel",
        })
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $part:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks and takes the text.
            ///
            /// # Errors
            /// When it breaks the rules of names (see the module).
            pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
                let text = text.as_ref();
                $part.check(text)?;
                Ok(Self(text.into()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        common!($name);
    };
}

macro_rules! common {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NameError;
            fn try_from(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }
    };
}

name! {
    /// The name of a field device, unique in the city: 1 to 64 bytes.
    DeviceName, Part::Device
}
name! {
    /// The id of a gateway: 1 to 64 bytes.
    GatewayId, Part::Gateway
}

/// `device/quantity` or `device/quantity/channel`: at most [`MAX_SERIES_BYTES`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesName {
    text: Box<str>,
    /// Where the quantity begins and ends. At most 129, so a byte each would do.
    quantity: (u16, u16),
}

impl SeriesName {
    /// Checks and takes the text.
    ///
    /// # Errors
    /// When there are not two or three parts, or one of them breaks the rules of names (see the module).
    /// Whether the catalogue has the quantity is not asked here.
    pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
        let text = text.as_ref();
        let quantity = Self::parts(text)?;
        Ok(Self { text: text.into(), quantity })
    }

    /// Checks the text without keeping it.
    ///
    /// # Errors
    /// As [`SeriesName::new`].
    pub fn check(text: &str) -> Result<(), NameError> {
        Self::parts(text).map(drop)
    }

    /// Where the quantity begins and ends.
    fn parts(text: &str) -> Result<(u16, u16), NameError> {
        let mut parts = text.splitn(4, '/');
        let (Some(device), Some(quantity)) = (parts.next(), parts.next()) else {
            return Err(NameError::Parts);
        };
        let channel = parts.next();
        if parts.next().is_some() {
            return Err(NameError::Parts);
        }
        Part::Device.check(device)?;
        Part::Quantity.check(quantity)?;
        if let Some(channel) = channel {
            Part::Channel.check(channel)?;
        }
        let start = device.len() + 1;
        #[expect(clippy::cast_possible_truncation, reason = "parts are at most 64 bytes")]
        let quantity = (start as u16, (start + quantity.len()) as u16);
        Ok(quantity)
    }

    /// Puts a name together.
    ///
    /// # Errors
    /// When quantity or channel break the rules of names.
    pub fn of(device: &DeviceName, quantity: &str, channel: Option<&str>) -> Result<Self, NameError> {
        match channel {
            None => Self::new(format!("{device}/{quantity}")),
            Some(channel) => Self::new(format!("{device}/{quantity}/{channel}")),
        }
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The device's part.
    #[must_use]
    pub fn device(&self) -> &str {
        &self.text[..usize::from(self.quantity.0) - 1]
    }

    /// The quantity's part.
    #[must_use]
    pub fn quantity(&self) -> &str {
        &self.text[usize::from(self.quantity.0)..usize::from(self.quantity.1)]
    }

    /// The channel's part, where there is one.
    #[must_use]
    pub fn channel(&self) -> Option<&str> {
        self.text.get(usize::from(self.quantity.1) + 1..)
    }
}

common!(SeriesName);

/// Names one life of a gateway's spool. Made at random with the spool; positions count within it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({self})")
    }
}
