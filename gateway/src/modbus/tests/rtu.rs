//! On a pseudo-terminal: one end is the gateway's serial port, the other one the devices.

use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use super::super::serial::Port;
use super::plant::{Mood, Plant};
use super::*;

/// An adapter that is plugged in at `path`, and the line behind it.
fn plugged_in(path: &Path) -> (OwnedFd, Port) {
    let line = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&line).unwrap();
    unlockpt(&line).unwrap();
    rustix::io::ioctl_fionbio(&line, true).unwrap();
    let name = ptsname(&line, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // Without anybody at the other end a line of this kind is broken; a real one is not.
    let held = rustix::fs::open(&*name, flags, Mode::empty()).unwrap();
    let _ = std::fs::remove_file(path);
    symlink(name.to_str().unwrap(), path).unwrap();
    (held, Port::of(line).unwrap())
}

fn serial_bus(path: &Path, devices: Vec<Device>) -> Modbus {
    let line = Line { baud: 115_200, parity: Parity::Even, stop_bits: 1 };
    Modbus::new(Way::Serial(path.into(), line), devices, clock())
}

#[tokio::test]
async fn units_on_one_line_are_read_and_a_silent_one_costs_the_others_nothing_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("adapter");
    let (_held, line) = plugged_in(&path);
    let plant = Plant::default();
    plant.serve_line(line.clone()).await;
    plant.set(1, 3, 0, &[111]);
    plant.set(2, 4, 8, &[0x42c8, 0]);
    let float = device(2, vec![register("water_level", Table::Input, 8, Kind::F32)]);
    let mut bus = serial_bus(&path, vec![simple(1), float]);
    for _ in 0..3 {
        assert_eq!(told(bus.poll(0).await), Ok(vec![(0, 111.0)]));
        assert_eq!(told(bus.poll(1).await), Ok(vec![(0, 100.0)]));
    }
    plant.mood(1, Some(Mood::Silent));
    for _ in 0..2 {
        assert!(told(bus.poll(0).await).unwrap_err().contains("unit 1 did not answer within 150ms"));
        assert_eq!(told(bus.poll(1).await), Ok(vec![(0, 100.0)]));
    }
    plant.mood(1, Some(Mood::Refuses(tokio_modbus::ExceptionCode::ServerDeviceBusy)));
    assert!(told(bus.poll(0).await).unwrap_err().contains("busy"));
    assert_eq!(told(bus.poll(1).await), Ok(vec![(0, 100.0)]));
}

#[tokio::test]
async fn a_late_answer_and_noise_are_thrown_away() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("adapter");
    let (_held, mut line) = plugged_in(&path);
    let mut bus = serial_bus(&path, vec![simple(1), simple(2)]);
    let devices = async {
        let mut asked = [0; 8];
        line.read_exact(&mut asked).await.unwrap();
        assert_eq!(asked[..], with_crc(vec![1, 3, 0, 0, 0, 1]));
        sleep(TIMEOUT + Duration::from_millis(50)).await;
        line.write_all(&frame(1, 99)).await.unwrap();
        line.read_exact(&mut asked).await.unwrap();
        assert_eq!(asked[0], 2, "unit 1 had its time");
        line.write_all(&frame(2, 22)).await.unwrap();
        // Noise before an answer, and a frame that noise changed.
        line.read_exact(&mut asked).await.unwrap();
        line.write_all(&[&[0xff, 0x00, 0x81][..], &frame(1, 33)].concat()).await.unwrap();
        line.read_exact(&mut asked).await.unwrap();
        let mut changed = frame(1, 44);
        changed[4] ^= 0x10;
        line.write_all(&changed).await.unwrap();
        line.read_exact(&mut asked).await.unwrap();
        line.write_all(&frame(2, 55)).await.unwrap();
        line.read_exact(&mut asked).await.unwrap();
        line.write_all(&frame(1, 66)).await.unwrap();
    };
    let gateway = async {
        assert!(told(bus.poll(0).await).unwrap_err().contains("unit 1 did not answer"));
        sleep(Duration::from_millis(100)).await;
        assert_eq!(told(bus.poll(1).await), Ok(vec![(0, 22.0)]));
        let noisy = told(bus.poll(0).await);
        assert!(noisy == Ok(vec![(0, 33.0)]) || noisy.is_err(), "{noisy:?}");
        assert!(told(bus.poll(0).await).is_err(), "a wrong CRC");
        let other = told(bus.poll(0).await).unwrap_err();
        assert!(other.contains("another unit"), "{other}");
        assert_eq!(told(bus.poll(0).await), Ok(vec![(0, 66.0)]));
    };
    timeout(Duration::from_secs(20), async { tokio::join!(devices, gateway) }).await.unwrap();
}

#[tokio::test]
async fn an_adapter_that_is_unplugged_and_plugged_in_again_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("adapter");
    let mut bus = serial_bus(&path, vec![simple(1)]);
    let why = told(bus.poll(0).await).unwrap_err();
    assert!(why.contains("adapter") && why.contains("is the adapter plugged in?"), "{why}");
    let plant = Plant::default();
    plant.set(1, 3, 0, &[7]);
    for _ in 0..2 {
        let (held, mut line) = plugged_in(&path);
        let answered = async {
            let mut asked = [0; 8];
            line.read_exact(&mut asked).await.unwrap();
            line.write_all(&frame(1, 7)).await.unwrap();
        };
        let (value, ()) = tokio::join!(bus.poll(0), answered);
        assert_eq!(told(value), Ok(vec![(0, 7.0)]));
        drop((held, line));
        std::fs::remove_file(&path).unwrap();
        let gone = told(bus.poll(0).await).unwrap_err();
        assert!(gone.contains("unplugged") || gone.contains("cannot open"), "{gone}");
        assert!(told(bus.poll(0).await).unwrap_err().contains("plugged in?"));
    }
}

#[tokio::test]
async fn a_line_that_is_never_silent_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("adapter");
    let (_held, mut line) = plugged_in(&path);
    let slow = Line { baud: 1_200, parity: Parity::None, stop_bits: 1 };
    let mut bus = Modbus::new(Way::Serial(path, slow), vec![simple(1)], clock());
    let babble = async {
        loop {
            line.write_all(&[0x55; 4]).await.unwrap();
            sleep(Duration::from_millis(1)).await;
        }
    };
    let why = tokio::select! {
        biased;
        () = babble => String::new(),
        answer = bus.poll(0) => told(answer).unwrap_err(),
    };
    assert!(why.contains("never silent"), "{why}");
}

#[test]
fn a_frame_takes_its_time_on_the_line() {
    let line = |baud, parity, stop_bits| Line { baud, parity, stop_bits };
    let slow = line(9_600, Parity::None, 1);
    assert_eq!(slow.lasts(96), Duration::from_millis(100));
    assert_eq!(line(1_200, Parity::Even, 1).lasts(12), Duration::from_millis(110));
    // 3.5 characters of 11 bits at 19,200.
    let at_19_200 = line(19_200, Parity::Even, 1).silence();
    assert!(at_19_200 > Duration::from_micros(2_000) && at_19_200 < Duration::from_micros(2_010));
    assert_eq!(line(115_200, Parity::None, 2).silence(), Duration::from_micros(1_750));
}
