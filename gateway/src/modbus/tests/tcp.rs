use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_modbus::ExceptionCode;

use super::plant::{Mood, Plant};
use super::*;

async fn served(plant: &Plant) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    plant.serve(listener);
    port
}

#[tokio::test]
async fn neighbours_are_read_together_from_every_table() {
    let plant = Plant::default();
    plant.set(7, 3, 0, &[2_301, 0x41aa, 0x6666, 0xffff]);
    plant.set(7, 4, 100, &[0x0001, 0x86a0]);
    plant.set(7, 1, 3, &[1]);
    plant.set(7, 2, 20, &[0, 1, 1, 0, 1, 0, 1, 1, 0, 1]);
    let coil = Kind::Bits { first: 0, count: 1 };
    let mut voltage = register("voltage", Table::Holding, 0, Kind::U16);
    voltage.scale = Scale::new(0.1, 0.0);
    let mut broken = register("current", Table::Holding, 3, Kind::U16);
    broken.none = vec![65_535.0];
    let registers = vec![
        register("air_temperature", Table::Holding, 1, Kind::F32),
        voltage,
        register("energy", Table::Input, 100, Kind::U32),
        register("switch/1", Table::Coils, 3, coil),
        register("switch/2", Table::Discrete, 29, coil),
        register("switch/3", Table::Discrete, 20, coil),
        broken,
    ];
    let mut device = device(7, registers);
    device.max_gap = 8;
    let mut bus = tcp_bus(served(&plant).await, vec![device]);
    let answer = bus.poll(0).await;
    assert_eq!(answer.as_ref().unwrap().absent, 1);
    let mut values = told(answer).unwrap();
    values.sort_by_key(|(series, _)| *series);
    assert_eq!(values, [(0, 21.3), (1, 230.1), (2, 100_000.0), (3, 1.0), (4, 1.0), (5, 0.0)]);
    assert_eq!(plant.asked(), [(7, 1, 3, 1), (7, 2, 20, 10), (7, 3, 0, 4), (7, 4, 100, 2)]);
}

#[tokio::test]
async fn a_register_that_is_not_there_is_named_and_takes_no_other_with_it() {
    let plant = Plant::default();
    plant.set(1, 3, 0, &[10, 11]);
    plant.set(1, 3, 3, &[13]);
    let names = ["power", "voltage", "current", "energy"];
    let registers = (0..).zip(names).map(|(n, name)| register(name, Table::Holding, n, Kind::U16)).collect();
    let mut bus = tcp_bus(served(&plant).await, vec![device(1, registers)]);
    for round in 0..2 {
        let answer = bus.poll(0).await.unwrap();
        let values: Vec<(usize, f64)> =
            answer.values.iter().map(|value| (value.series, value.value)).collect();
        assert_eq!(values, [(0, 10.0), (1, 11.0), (3, 13.0)]);
        let why = answer.fault.unwrap();
        assert!(why.starts_with("current (holding 2): the device has no such address"), "{why}");
        assert!(why.contains("40001 is holding 0"), "{why}");
        // Once it is known, nobody asks for all of them any more.
        assert_eq!(plant.asked().len(), if round == 0 { 5 } else { 4 });
    }
    plant.set(1, 3, 2, &[12]);
    assert_eq!(told(bus.poll(0).await).unwrap().len(), 4);
}

#[tokio::test]
async fn what_a_device_refuses_is_told_with_the_mend() {
    let plant = Plant::default();
    plant.set(1, 3, 0, &[1]);
    let mut bus = tcp_bus(served(&plant).await, vec![simple(1)]);
    for (code, word) in [
        (ExceptionCode::IllegalFunction, "function 3"),
        (ExceptionCode::IllegalDataAddress, "addresses count from 0"),
        (ExceptionCode::IllegalDataValue, "lower max_read"),
        (ExceptionCode::ServerDeviceBusy, "more rarely"),
        (ExceptionCode::ServerDeviceFailure, "failed"),
        (ExceptionCode::GatewayPathUnavailable, "no way to unit 1"),
        (ExceptionCode::GatewayTargetDevice, "no answer of unit 1"),
        (ExceptionCode::Custom(77), "code 77"),
    ] {
        plant.mood(1, Some(Mood::Refuses(code)));
        let why = told(bus.poll(0).await).unwrap_err();
        assert!(why.starts_with("power (holding 0): ") && why.contains(word), "{why}");
    }
    plant.mood(1, None);
    assert_eq!(told(bus.poll(0).await), Ok(vec![(0, 1.0)]));
}

#[tokio::test]
async fn a_unit_that_hangs_costs_its_timeout_and_the_others_go_on() {
    let plant = Plant::default();
    plant.set(1, 3, 0, &[1]);
    plant.set(2, 3, 0, &[2]);
    plant.mood(1, Some(Mood::Silent));
    let several = (0..50).map(|n| register("power", Table::Holding, n * 10, Kind::U16)).collect();
    let mut bus = tcp_bus(served(&plant).await, vec![device(1, several), simple(2)]);
    for _ in 0..2 {
        let why = told(bus.poll(0).await).unwrap_err();
        assert!(why.contains("unit 1 did not answer within 150ms"), "{why}");
        assert_eq!(told(bus.poll(1).await), Ok(vec![(0, 2.0)]));
    }
    let of_1 = plant.asked().iter().filter(|asked| asked.0 == 1).count();
    assert_eq!(of_1, 2, "one request a poll, and no more when it has no answer");
}

#[tokio::test]
async fn a_device_that_is_not_there_is_not_tried_by_each_unit_and_found_when_it_comes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut bus = tcp_bus(port, vec![simple(1), simple(2)]);
    let why = told(bus.poll(0).await).unwrap_err();
    assert!(
        why.contains(&format!("cannot open 127.0.0.1:{port}")) && why.contains("nobody listens"),
        "{why}"
    );
    assert!(told(bus.poll(1).await).is_err());
    let plant = Plant::default();
    plant.set(2, 3, 0, &[5]);
    plant.serve(TcpListener::bind(("127.0.0.1", port)).await.unwrap());
    let found = async {
        loop {
            if let Ok(values) = told(bus.poll(1).await) {
                return values;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert_eq!(timeout(Duration::from_secs(20), found).await.unwrap(), [(0, 5.0)]);
}

#[tokio::test]
async fn serial_frames_go_over_tcp_where_a_converter_only_passes_them_on() {
    let plant = Plant::default();
    plant.set(9, 3, 0, &[77]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut device = simple(9);
    device.timeout = Duration::from_secs(10);
    let mut bus = Modbus::new(Way::Tcp { host: "127.0.0.1".into(), port, rtu: true }, vec![device], clock());
    let converter = async {
        let (stream, _) = listener.accept().await.unwrap();
        plant.serve_line(stream).await;
    };
    let (answer, ()) = tokio::join!(bus.poll(0), converter);
    assert_eq!(told(answer), Ok(vec![(0, 77.0)]));
    assert_eq!(told(bus.poll(0).await), Ok(vec![(0, 77.0)]), "on the same connection");
}

/// The device's end of a connection, byte by byte.
async fn request(stream: &mut TcpStream) -> [u8; 12] {
    let mut request = [0; 12];
    stream.read_exact(&mut request).await.unwrap();
    request
}

/// An answer to a request with these data bytes.
fn answer(request: [u8; 12], data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(3 + data.len()).unwrap();
    let head = [request[0], request[1], 0, 0, 0, length, request[6], request[7]];
    [&head[..], &[length - 3], data].concat()
}

/// Polls a bus whose device is played by `script`.
async fn played(script: impl AsyncFnOnce(TcpListener), polls: impl AsyncFnOnce(Modbus)) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bus = tcp_bus(listener.local_addr().unwrap().port(), vec![simple(1)]);
    let both = async { tokio::join!(script(listener), polls(bus)) };
    timeout(Duration::from_secs(20), both).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_is_cut_is_no_answer_and_the_next_one_is_right() {
    let script = async |listener: TcpListener| {
        let (mut stream, _) = listener.accept().await.unwrap();
        let asked = request(&mut stream).await;
        stream.write_all(&answer(asked, &[0, 1])[..10]).await.unwrap();
        drop(stream);
        let (mut stream, _) = listener.accept().await.unwrap();
        let asked = request(&mut stream).await;
        stream.write_all(&answer(asked, &[0, 2])).await.unwrap();
        // Idle for too long, says the device, which is no fault.
        drop(stream);
        let (mut stream, _) = listener.accept().await.unwrap();
        let asked = request(&mut stream).await;
        stream.write_all(&answer(asked, &[0, 3])).await.unwrap();
        sleep(TIMEOUT).await;
    };
    played(script, async |mut bus| {
        let why = told(bus.poll(0).await).unwrap_err();
        assert!(why.contains("is no Modbus frame") || why.contains("closed the connection"), "{why}");
        assert_eq!(told(bus.poll(0).await), Ok(vec![(0, 2.0)]));
        sleep(Duration::from_millis(20)).await;
        assert_eq!(told(bus.poll(0).await), Ok(vec![(0, 3.0)]));
    })
    .await;
}

#[tokio::test]
async fn a_late_answer_and_those_of_others_are_not_taken() {
    let script = async |listener: TcpListener| {
        let (mut late, _) = listener.accept().await.unwrap();
        let asked = request(&mut late).await;
        sleep(TIMEOUT + Duration::from_millis(50)).await;
        // Nobody listens any more.
        let _ = late.write_all(&answer(asked, &[0, 99])).await;
        for change in [0, 6] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let asked = request(&mut stream).await;
            let mut other = answer(asked, &[0, 98]);
            // Another transaction; another unit.
            other[change] ^= 1;
            stream.write_all(&other).await.unwrap();
            sleep(Duration::from_millis(20)).await;
        }
        let (mut stream, _) = listener.accept().await.unwrap();
        for data in [&[0, 1, 0, 2][..], &[], &[0, 4]] {
            let asked = request(&mut stream).await;
            stream.write_all(&answer(asked, data)).await.unwrap();
        }
        sleep(TIMEOUT).await;
    };
    played(script, async |mut bus| {
        assert!(told(bus.poll(0).await).unwrap_err().contains("did not answer"));
        sleep(Duration::from_millis(100)).await;
        for _ in 0..2 {
            assert!(told(bus.poll(0).await).unwrap_err().contains("another unit, or a late one"));
        }
        for came in [2, 0] {
            let why = told(bus.poll(0).await).unwrap_err();
            assert!(why.contains(&format!("answered with {came} instead of 1")), "{why}");
        }
        assert_eq!(told(bus.poll(0).await), Ok(vec![(0, 4.0)]));
    })
    .await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_bytes_of_a_device_make_a_bus_panic_or_hang(
        rtu: bool,
        head in prop_oneof![Just(vec![]), Just(vec![0, 0, 0, 0, 0, 5, 1, 3]), Just(vec![1, 3]), Just(vec![1, 0x83])],
        noise in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let mut noisy = simple(1);
            noisy.timeout = Duration::from_millis(25);
            let mut bus = Modbus::new(Way::Tcp { host: "127.0.0.1".into(), port, rtu }, vec![noisy], clock());
            let device = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = [0; 8];
                let _ = stream.read_exact(&mut asked).await;
                let _ = stream.write_all(&[head, noise].concat()).await;
                sleep(Duration::from_millis(40)).await;
            };
            let (answer, ()) = timeout(Duration::from_secs(20), async { tokio::join!(bus.poll(0), device) })
                .await
                .unwrap();
            let _ = told(answer);
        });
    }
}
