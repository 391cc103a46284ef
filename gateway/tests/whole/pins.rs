//! Sensors at the pins, as far as a machine without pins has them: the kernel's 1-Wire as files, a serial port as a
//! pseudo-terminal, and a file that hangs whoever opens it.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tokio::net::TcpListener;

use super::fake_ingest::{Entry, FakeIngest};
use super::{config_and, get, start_with, until};

/// A `w1_slave` file of 23.125 °C.
const COLD: &str = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n";

fn values(fake: &FakeIngest, series: &str) -> Vec<f64> {
    let city = fake.city.lock().unwrap();
    let value = |entry: &Entry| match entry {
        Entry::Reading(name, _, value) if name.starts_with(series) => Some(*value),
        _ => None,
    };
    city.entries.values().filter_map(value).collect()
}

/// A PMS5003 on a pseudo-terminal, to which `port` leads while it is plugged in. It sends a frame every 50 ms.
struct Particles {
    port: PathBuf,
    unplugged: Arc<AtomicBool>,
    sends: std::thread::JoinHandle<()>,
}

impl Particles {
    fn plugged_in(port: &Path, pm2_5: u8) -> Self {
        let line = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&line).unwrap();
        unlockpt(&line).unwrap();
        symlink(ptsname(&line, Vec::new()).unwrap().to_str().unwrap(), port).unwrap();
        let mut frame = vec![0x42, 0x4d, 0, 28, 0, 7, 0, 9, 0, 12, 0, 8, 0, pm2_5, 0, 60];
        frame.extend([4, 176, 1, 94, 0, 60, 0, 9, 0, 2, 0, 1, 0x97, 0]);
        let sum = frame.iter().map(|byte| u16::from(*byte)).sum::<u16>();
        frame.extend(sum.to_be_bytes());
        let unplugged = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&unplugged);
        let sends = std::thread::spawn(move || {
            // It is full while nobody reads it.
            rustix::io::ioctl_fionbio(&line, true).unwrap();
            let mut line = fs::File::from(line);
            while !stop.load(Ordering::Relaxed) {
                drop(line.write(&frame));
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        Self { port: port.to_owned(), unplugged, sends }
    }

    fn unplug(self) {
        fs::remove_file(&self.port).unwrap();
        self.unplugged.store(true, Ordering::Relaxed);
        self.sends.join().unwrap();
    }
}

/// The status page once it says all of this.
async fn page_with(status: SocketAddr, parts: &[&str]) -> String {
    let mut page = String::new();
    for _ in 0..3_000 {
        page = get(status, "/").await;
        if parts.iter().all(|part| page.contains(part)) {
            return page;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{parts:?} never came: {page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sensors_at_the_pins_reach_ingest_whatever_hangs_or_is_unplugged_beside_them() {
    let dir = tempfile::tempdir().unwrap();
    let (w1, hung, port) = (dir.path().join("w1/28-1"), dir.path().join("hung/28-2"), dir.path().join("tty"));
    for folder in [&w1, &hung] {
        fs::create_dir_all(folder).unwrap();
    }
    fs::write(w1.join("w1_slave"), COLD).unwrap();
    // Whoever opens it waits in the kernel until somebody writes to it.
    mknodat(CWD, hung.join("w1_slave"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let particles = Particles::plugged_in(&port, 35);
    let fake = FakeIngest::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ingest = listener.local_addr().unwrap();
    fake.start(listener);
    let mut sensors = String::from("[pins]\nbackend = \"linux\"\n");
    for (name, kind, key, value, timeout) in [
        ("river", "ds18b20", "folder", w1.to_str().unwrap(), "1s"),
        ("well", "ds18b20", "folder", hung.to_str().unwrap(), "200ms"),
        ("street", "pms5003", "bus", port.to_str().unwrap(), "5s"),
        ("roof", "bme280", "bus", "/dev/i2c-250", "1s"),
    ] {
        sensors += &format!(
            "[[pins.sensor]]\nname = {name:?}\nkind = {kind:?}\n{key} = {value:?}\nperiod = \"200ms\"\ntimeout = {timeout:?}\nfaulty_after = 2\n"
        );
    }
    let gateway = start_with(config_and(dir.path(), ingest, &sensors)).await;
    until("temperatures", || values(&fake, "river/water_temperatureCel").len() >= 3).await;
    until("particles", || values(&fake, "street/pm2_5ug/m3").len() >= 3).await;
    assert!(values(&fake, "river/").iter().all(|value| *value == 23.125));
    assert!(values(&fake, "street/pm2_5").iter().all(|value| *value == 35.0));
    assert!(values(&fake, "street/pm10").iter().all(|value| *value == 60.0));

    let page = page_with(gateway.status, &["/dev/i2c-250 cannot be opened", "no answer within"]).await;
    assert!(page.contains("A sensor is faulty"), "{page}");
    assert!(values(&fake, "well/").is_empty());

    // What hung answers, and is asked again, though more rarely.
    let (fifo, answered) = (hung.join("w1_slave"), Arc::new(AtomicBool::new(false)));
    let stop = Arc::clone(&answered);
    std::thread::spawn(move || {
        // The first answer is too late for the poll that it belongs to.
        while !stop.load(Ordering::Relaxed) {
            fs::OpenOptions::new().write(true).open(&fifo).unwrap().write_all(COLD.as_bytes()).unwrap();
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    for _ in 0..600 {
        if !values(&fake, "well/").is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    answered.store(true, Ordering::Relaxed);
    assert_eq!(values(&fake, "well/").first(), Some(&23.125));

    // The adapter is pulled out, and another one is plugged in.
    tokio::task::spawn_blocking(move || particles.unplug()).await.unwrap();
    page_with(gateway.status, &["tty cannot be opened"]).await;
    let particles = Particles::plugged_in(&port, 36);
    until("particles again", || values(&fake, "street/pm2_5").contains(&36.0)).await;

    // It hangs again, which holds up no stop.
    gateway.stop().await;
    tokio::task::spawn_blocking(move || particles.unplug()).await.unwrap();
}
