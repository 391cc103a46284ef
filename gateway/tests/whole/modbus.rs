//! What the gateway asks by itself, from the device's registers to ingest.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;

use rustix::fs::{FileType, Mode, mknodat};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tokio::net::TcpListener;

use super::fake_ingest::{Entry, FakeIngest};
use super::plant::{Mood, Plant};
use super::{config_and, get, start_with, until};

fn bus(port: u16) -> String {
    format!(
        "[[modbus]]\nname = \"pump-house\"\ntcp = \"127.0.0.1:{port}\"\n\
         [[modbus.device]]\nname = \"meter-1\"\nid = 1\nperiod = \"100ms\"\ntimeout = \"50ms\"\nregisters = [\n\
         {{ address = 0, type = \"u32\", quantity = \"energy\", unit = \"Wh\" }},\n\
         {{ address = 2, type = \"i16\", scale = 0.1, quantity = \"air_temperature\" }} ]\n\
         [[modbus.device]]\nname = \"meter-2\"\nid = 2\nperiod = \"100ms\"\ntimeout = \"50ms\"\n\
         registers = [{{ address = 0, quantity = \"voltage/l1\" }}]\n"
    )
}

/// The values of a series that ingest has, by time.
fn stored(fake: &FakeIngest, series: &str) -> Vec<(i64, f64)> {
    let city = fake.city.lock().unwrap();
    let of = |entry: &Entry| match entry {
        Entry::Reading(name, time, value) if name == series => Some((*time, *value)),
        _ => None,
    };
    city.entries.values().filter_map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registers_reach_ingest_and_a_device_that_hangs_is_faulty_until_it_answers() {
    let dir = tempfile::tempdir().unwrap();
    let (fake, plant) = (FakeIngest::default(), Plant::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ingest = listener.local_addr().unwrap();
    fake.start(listener);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    plant.serve(listener);
    plant.set(1, 3, 0, &[1, 0x86a0, (-55_i16).cast_unsigned()]);
    plant.set(2, 3, 0, &[231]);
    plant.mood(2, Some(Mood::Silent));
    let gateway = start_with(config_and(dir.path(), ingest, &bus(port))).await;
    // The unit goes with the series; ingest turns it into the catalogue's.
    until("readings", || stored(&fake, "meter-1/energyWh").len() > 3).await;
    let page = until_page(gateway.status, "faulty: unit 2 did not answer").await;
    assert!(page.contains("A sensor is faulty") && page.contains("meter-1"), "{page}");
    plant.mood(2, None);
    until("the other device", || !stored(&fake, "meter-2/voltage/l1").is_empty()).await;
    let page = get(gateway.status, "/").await;
    assert!(page.contains("All is well."), "{page}");
    let metrics = get(gateway.status, "/metrics").await;
    assert!(metrics.contains("pantau_gateway_sensor_faulty{sensor=\"meter-2\"} 0"), "{metrics}");
    gateway.stop().await;
    let (energy, temperature) = (stored(&fake, "meter-1/energyWh"), stored(&fake, "meter-1/air_temperature"));
    assert!(energy.iter().all(|(_, value)| *value == 100_000.0));
    assert!(temperature.iter().all(|(_, value)| *value == -5.5));
    let times: Vec<i64> = energy.iter().map(|(time, _)| *time).collect();
    assert!(times.is_sorted_by(|one, next| one < next), "{times:?}");
    let counted = energy.len() + temperature.len() + stored(&fake, "meter-2/voltage/l1").len();
    assert_eq!(counted, fake.stored(), "nothing else, and nothing twice");
}

async fn until_page(status: SocketAddr, part: &str) -> String {
    let mut page = String::new();
    for _ in 0..1_000 {
        page = get(status, "/").await;
        if page.contains(part) {
            return page;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{part} is not on {page}");
}

/// The CRC of a serial frame (MODBUS over Serial Line 1.02, appendix B).
fn with_crc(mut frame: Vec<u8>) -> Vec<u8> {
    let crc = frame.iter().fold(0xffff_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xa001 } else { crc >> 1 })
    });
    frame.extend(crc.to_le_bytes());
    frame
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_on_a_serial_line_reaches_ingest() {
    let dir = tempfile::tempdir().unwrap();
    let port = dir.path().join("adapter");
    let line = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&line).unwrap();
    unlockpt(&line).unwrap();
    let name = ptsname(&line, Vec::new()).unwrap();
    std::os::unix::fs::symlink(name.to_str().unwrap(), &port).unwrap();
    // Without anybody at the other end a line of this kind is broken; a real one is not.
    let held = std::fs::OpenOptions::new().read(true).write(true).open(&port).unwrap();
    // Unit 5 with 1234 in its input register 7; until the other end is closed.
    let device = std::thread::Builder::new();
    let device = device.spawn(move || {
        let (mut line, mut asked) = (std::fs::File::from(line), [0; 8]);
        let mut answered = 0;
        while line.read_exact(&mut asked).is_ok() {
            assert_eq!(asked[..], with_crc(vec![5, 4, 0, 7, 0, 1]));
            line.write_all(&with_crc(vec![5, 4, 2, 0x04, 0xd2])).unwrap();
            answered += 1;
        }
        answered
    });
    let fake = FakeIngest::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ingest = listener.local_addr().unwrap();
    fake.start(listener);
    let serial = format!(
        "[[modbus]]\nname = \"line\"\nserial = {port:?}\nbaud = 115200\nparity = \"even\"\n[[modbus.device]]\n\
         name = \"station\"\nid = 5\nperiod = \"100ms\"\nregisters = [{{ read = \"input\", address = 7, scale = 0.01, \
         quantity = \"water_level\" }}]\ntimeout = \"100ms\"\n"
    );
    let gateway = start_with(config_and(dir.path(), ingest, &serial)).await;
    until("readings", || stored(&fake, "station/water_level").len() > 3).await;
    gateway.stop().await;
    drop(held);
    let stored = stored(&fake, "station/water_level");
    assert!(stored.iter().all(|(_, value)| *value == 12.34), "{stored:?}");
    assert!(device.unwrap().join().unwrap() >= stored.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_serial_port_that_is_none_is_told_and_holds_up_no_stop() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("port");
    mknodat(rustix::fs::CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let serial = format!(
        "[[modbus]]\nname = \"line\"\nserial = {:?}\n[[modbus.device]]\nname = \"m\"\nid = 1\nperiod = \"100ms\"\n\
         timeout = \"50ms\"\nregisters = [{{ address = 0, quantity = \"power\" }}]\n",
        Path::new(&pipe)
    );
    let gateway = start_with(config_and(dir.path(), "127.0.0.1:9".parse().unwrap(), &serial)).await;
    let page = until_page(gateway.status, "faulty: cannot open").await;
    assert!(page.contains("port: "), "{page}");
    gateway.stop().await;
}
