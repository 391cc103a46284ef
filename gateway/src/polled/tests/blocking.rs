//! Files as sensors: one that is gone is unplugged, and a pipe that nobody writes hangs in the system call for real.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::time::timeout;

use super::super::{Answer, Bus as _, Fault, Sensor, blocking};

struct File(PathBuf);

impl Sensor for File {
    fn poll(&mut self) -> Result<Answer, Fault> {
        let text = fs::read_to_string(&self.0).map_err(|error| Fault::new(error.to_string()))?;
        let mut answer = Answer::default();
        answer.push(0, text.trim().parse().map_err(|_| Fault::new("no number"))?);
        Ok(answer)
    }
}

fn bus(dir: &Path, names: &[&str]) -> (super::super::Blocking, super::super::Worker) {
    let sensor = |name: &&str| ((*name).to_owned(), Box::new(File(dir.join(name))) as Box<dyn Sensor>);
    blocking(names.iter().map(sensor).collect())
}

/// The first value, or why there is none.
fn told(answer: Result<Answer, Fault>) -> Result<f64, String> {
    answer.map(|answer| answer.values[0].value).map_err(|fault| fault.to_string())
}

#[tokio::test]
async fn a_sensor_that_hangs_holds_up_its_bus_only_and_its_late_answer_is_nobody_elses() {
    let dir = tempfile::tempdir().unwrap();
    let (pipe, well) = (dir.path().join("pipe"), dir.path().join("well"));
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    fs::write(&well, "21.5").unwrap();
    let (mut bus, worker) = bus(dir.path(), &["pipe", "well"]);
    let thread = std::thread::Builder::new().spawn(move || worker.run()).unwrap();
    let soon = Duration::from_millis(50);
    assert_eq!(told(bus.poll(1).await), Ok(21.5));
    assert!(timeout(soon, bus.poll(0)).await.is_err(), "it hangs");
    assert!(bus.give_up(0, soon).to_string().starts_with("no answer within 50ms"));
    assert!(timeout(soon, bus.poll(1)).await.is_err());
    let held = bus.give_up(1, soon).to_string();
    assert!(held.contains("held up by \"pipe\""), "{held}");
    // It comes to itself: the value that was read for the poll before is not the other sensor's.
    let writer = std::thread::Builder::new().spawn(move || fs::write(pipe, "99").unwrap()).unwrap();
    assert_eq!(told(bus.poll(1).await), Ok(21.5));
    fs::remove_file(&well).unwrap();
    assert!(told(bus.poll(1).await).unwrap_err().contains("No such file"));
    fs::write(&well, "22").unwrap();
    assert_eq!(told(bus.poll(1).await), Ok(22.0));
    drop(bus);
    thread.join().unwrap();
    writer.join().unwrap();
}

#[tokio::test]
async fn a_bus_whose_thread_ended_says_so() {
    let (mut bus, worker) = bus(Path::new("/nowhere"), &["gone"]);
    drop(worker);
    assert!(matches!(bus.poll(0).await, Err(Fault::Ended(_))));
}
