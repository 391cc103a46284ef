#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use embedded_hal::i2c::{self, I2c, Operation};
use rustix::io::Errno;

use super::backend::uart::Uart;
use super::backend::{
    Backend, BusError, EdgeKind, Edges, I2cBus, Opening, Output, Pull, SpiChip, Wanted, What,
};
use super::drivers::tests::bus::Wires;
use super::drivers::tests::sensirion::Sht4xChip;
use super::*;
use crate::clock;
use crate::polled::Series;

/// A board with one SHT4x, whose bus fails with a number of the system's when it is not 0.
#[derive(Clone)]
struct Board {
    wires: Wires<Sht4xChip>,
    fails: Arc<AtomicI32>,
    began: Instant,
}

impl Board {
    fn errno(&self) -> Option<i32> {
        Some(self.fails.load(Ordering::Relaxed)).filter(|errno| *errno != 0)
    }
}

impl i2c::ErrorType for Board {
    type Error = BusError;
}

/// As the kernel says it: an address without answer is a number of the system's.
impl I2c for Board {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), BusError> {
        if let Some(errno) = self.errno() {
            return Err(BusError::io(&std::io::Error::from_raw_os_error(errno)));
        }
        // Here time passes by itself.
        let now = clock::monotonic().saturating_duration_since(self.began);
        self.wires.state().now_ns = u64::try_from(now.as_nanos()).unwrap();
        let silent = || BusError::io(&std::io::Error::from_raw_os_error(Errno::REMOTEIO.raw_os_error()));
        self.wires.transaction(address, operations).map_err(|_| silent())
    }
}

impl Backend for Board {
    fn i2c(&self, path: &str) -> Result<I2cBus, Opening> {
        match self.errno() {
            Some(errno) if errno == Errno::NOENT.raw_os_error() => {
                let error = BusError::io(&std::io::Error::from_raw_os_error(errno));
                Err(Opening::new(What::I2c, path, error))
            }
            _ => Ok(I2cBus(Box::new(self.clone()))),
        }
    }

    fn spi(&self, _: &str, _: u32) -> Result<SpiChip, Opening> {
        unreachable!("nothing is on SPI")
    }

    fn edges(&self, _: u8, _: Wanted) -> Result<Box<dyn Edges>, Opening> {
        unreachable!("nothing is on GPIO")
    }

    fn output(&self, _: u8) -> Result<Output, Opening> {
        unreachable!("nothing is on GPIO")
    }
}

fn setup(name: &str, spec: Spec) -> Setup {
    let second = Duration::from_secs(1);
    let series = vec![Series { name: format!("{name}/air_temperature"), unit: "Cel".into() }];
    let plan =
        Plan { name: name.into(), series, period: second, timeout: second, retries: 0, faulty_after: 1 };
    Setup { plan, spec }
}

fn sht4x(bus: &str) -> Spec {
    Spec::Sht4x { bus: bus.into(), address: 0x44 }
}

#[test]
fn a_sensor_comes_and_goes_and_says_each_time_what_to_do() {
    let board = Board {
        wires: Wires::new(0x44, Sht4xChip::new([0x6667, 0x6b85])),
        fails: Arc::default(),
        began: clock::monotonic(),
    };
    let backend: Arc<dyn Backend> = Arc::new(board.clone());
    let mut buses =
        buses(vec![setup("roof", sht4x("/dev/i2c-1"))], &backend, Path::new("/nowhere"), clock::monotonic);
    let sensor = &mut buses[0].sensors[0].1;
    let fails = |errno: Errno| board.fails.store(errno.raw_os_error(), Ordering::Relaxed);
    let works = || board.fails.store(0, Ordering::Relaxed);
    for _ in 0..2 {
        assert_eq!(sensor.poll().unwrap().values.len(), 2);
        board.wires.state().plugged = false;
        for _ in 0..2 {
            let said = sensor.poll().unwrap_err().to_string();
            assert!(said.starts_with("SHT4x at 0x44 on /dev/i2c-1: nobody answers"), "{said}");
            assert!(said.contains("0x44, 0x45 or 0x46") && said.contains("i2cdetect -y 1"), "{said}");
        }
        board.wires.state().plugged = true;
        assert_eq!(sensor.poll().unwrap().values.len(), 2);
        fails(Errno::TIMEDOUT);
        let said = sensor.poll().unwrap_err().to_string();
        assert!(said.contains("the bus fails") && said.contains("SDA or SCL"), "{said}");
        // An adapter on USB that is pulled out.
        fails(Errno::NOENT);
        let said = sensor.poll().unwrap_err().to_string();
        assert!(
            said.starts_with("/dev/i2c-1 cannot be opened") && said.contains("dtparam=i2c_arm=on"),
            "{said}"
        );
        works();
    }
}

#[test]
fn sensors_of_one_bus_are_together_and_all_of_gpio_is_one() {
    let level = |pin| Spec::Level { pin, pull: Pull::Up, debounce: None, low_is_one: true, every: 1 };
    let setups = [
        ("a", sht4x("/dev/i2c-1")),
        ("b", level(4)),
        ("c", sht4x("/dev/i2c-3")),
        ("d", Spec::Scd4x { bus: "/dev/i2c-1".into() }),
        ("e", level(5)),
        ("f", Spec::Ds18b20 { folder: "/sys/bus/w1/devices/28-1".into() }),
        ("g", Spec::Ds18b20 { folder: "/sys/bus/w1/devices/28-2".into() }),
    ];
    let setups = setups.map(|(name, spec)| setup(name, spec)).into();
    let buses =
        buses(setups, &backend(Choice::Linux, "/dev/gpiochip0"), Path::new("/nowhere"), clock::monotonic);
    let found: Vec<(&str, String)> = buses
        .iter()
        .map(|bus| {
            let planned: Vec<&str> = bus.plans.iter().map(|plan| plan.name.as_str()).collect();
            let sensors: Vec<&str> = bus.sensors.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(planned, sensors);
            (bus.name.as_str(), planned.join(" "))
        })
        .collect();
    let wanted =
        [("/dev/i2c-1", "a d"), ("GPIO", "b e"), ("/dev/i2c-3", "c"), ("/sys/bus/w1/devices", "f g")];
    assert_eq!(found, wanted.map(|(bus, names)| (bus, names.to_owned())));
}

const FALLING: Wanted = Wanted { pull: Pull::Up, edge: EdgeKind::Falling, debounce: None };

/// The real backends, on a machine without such devices.
#[test]
fn what_is_not_there_is_named_with_its_mend_by_both_backends() {
    let (raspberry, linux) = (backend(Choice::Rppal, ""), backend(Choice::Linux, "/dev/gpiochip250"));
    for backend in [&raspberry, &linux] {
        let said = backend.i2c("/dev/i2c-250").err().unwrap().to_string();
        assert!(said.contains("/dev/i2c-250 cannot be opened") && said.contains("raspi-config"), "{said}");
        let said = backend.spi("/dev/spidev6.2", 1_000_000).err().unwrap().to_string();
        assert!(
            said.contains("/dev/spidev6.2 cannot be opened") && said.contains("dtparam=spi=on"),
            "{said}"
        );
    }
    let said = linux.edges(17, FALLING).err().unwrap().to_string();
    assert!(said.contains("GPIO 17 of /dev/gpiochip250") && said.contains("gpiodetect"), "{said}");
    assert!(linux.output(17).is_err());
    let said = raspberry.i2c("/dev/i2c-by-name").err().unwrap().to_string();
    assert!(said.contains("backend = \"linux\""), "{said}");
    let said = Uart::open("/dev/ttyUSB250", 9_600).err().unwrap().to_string();
    assert!(said.contains("/dev/ttyUSB250 cannot be opened") && said.contains("enable_uart=1"), "{said}");
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(Uart::open(file.path().to_str().unwrap(), 9_600).is_err(), "a file is no terminal");
}

#[test]
fn each_refusal_of_the_system_has_its_mend() {
    for (what, errno, mend) in [
        (What::I2c, Errno::ACCESS, "group i2c"),
        (What::Spi, Errno::ACCESS, "group spi"),
        (What::Gpio, Errno::PERM, "group gpio"),
        (What::Uart, Errno::ACCESS, "group dialout"),
        (What::Gpio, Errno::BUSY, "another program has it"),
        (What::Gpio, Errno::INVAL, "no such pin"),
        (What::Uart, Errno::IO, "dmesg"),
    ] {
        let error = BusError::io(&std::io::Error::from_raw_os_error(errno.raw_os_error()));
        let said = Opening::new(what, "here", error).to_string();
        assert!(said.starts_with("here cannot be opened") && said.contains(mend), "{said}");
    }
}
