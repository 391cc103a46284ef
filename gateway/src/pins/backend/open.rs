//! Why a device of the board cannot be opened, and how to mend it.

use std::fmt;

use rustix::io::Errno;

use super::BusError;

/// What was to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    I2c,
    Spi,
    Gpio,
    Uart,
}

/// It cannot be opened.
#[derive(Debug)]
pub(crate) struct Opening {
    what: What,
    /// Its device file, or the pin.
    place: String,
    error: BusError,
}

impl Opening {
    pub(crate) fn new(what: What, place: impl Into<String>, error: BusError) -> Self {
        Self { what, place: place.into(), error }
    }

    fn mend(&self) -> String {
        let (group, missing) = match self.what {
            What::I2c => (
                "i2c",
                "switch I2C on (raspi-config, or dtparam=i2c_arm=on in config.txt) and load the module i2c-dev",
            ),
            What::Spi => ("spi", "switch SPI on (raspi-config, or dtparam=spi=on in config.txt)"),
            What::Gpio => ("gpio", "look which chips there are: gpiodetect, or ls /dev/gpiochip*"),
            What::Uart => (
                "dialout",
                "switch the serial port on (raspi-config, or enable_uart=1 in config.txt), or plug the adapter in",
            ),
        };
        match self.error.errno.map(Errno::from_raw_os_error) {
            Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => missing.into(),
            Some(Errno::ACCESS | Errno::PERM) => {
                format!(
                    "put the gateway's user into the group {group} (usermod -aG {group} USER) and start it again"
                )
            }
            Some(Errno::BUSY) => {
                "another program has it: end that one, or take another pin (gpioinfo shows who)".into()
            }
            Some(Errno::OPNOTSUPP) => "set backend = \"linux\" under [pins]".into(),
            Some(Errno::INVAL) if self.what == What::Gpio => {
                "the board has no such pin: name it by its BCM number, as pinout prints it".into()
            }
            _ => "look into the kernel's log (dmesg)".into(),
        }
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be opened ({:?}): {}", self.place, self.error, self.mend())
    }
}
